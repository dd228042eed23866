"""Mediations: asked for at a terminal, led by a mediator, joined by parties with their passes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from switchboard.clinic.cases import Case
from switchboard.clinic.errors import Unfit
from switchboard.clinic.machine import CITIZEN, Actor
from switchboard.clinic.mediation import MEDIATIONS, Mediation
from switchboard.clinic.mediations import REQUESTER
from switchboard.errors import InvalidInput, NotPaired
from switchboard.records.clinic_models import ClinicCaseRow
from switchboard.times import now_ms
from switchboard.web.acts import (
    CardShown,
    Digest,
    Identified,
    Name,
    Noted,
    Sha,
    data_of,
    shown_identity,
)
from switchboard.web.clinic_access import (
    CaseEvents,
    CaseList,
    CaseView,
    Key,
    StepOrder,
    Words,
    case_by_pass,
    clinic_of,
    events_of,
    professional,
    public_actor,
    staff_case,
    step_of,
    terminal_of,
    view,
)
from switchboard.web.routes import ANYBODY, MEDIATORS, MOST_BODY_OF_ANY, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input, PlainText, Slug

routes = Routes()

PartyId = Annotated[str, Field(pattern=r"^p[0-9]{1,2}$")]


class Invited(Input):
    """``order``: who signs when, 0 after those invited before; the same number signs in any order."""

    name: Name
    side: Literal["applicant", "respondent", "other"]
    how: Literal["terminal", "link", "phone"]
    order: int = Field(0, ge=0, le=20)
    terminal: Slug | None = None


class OfParty(Input):
    party: PartyId


class MaybeOfParty(Input):
    party: PartyId | None = None


class CardOfParty(CardShown):
    party: PartyId | None = None


class IdentifiedParty(Identified):
    party: PartyId


class PartyConsent(Input):
    what: Literal["recording", "processing", "electronic"]


class Opened(Input):
    contact: Slug | None = None


class CaucusWith(Input):
    parties: list[PartyId] = Field(min_length=1, max_length=10)


class Drafted(Input):
    agreement: Slug
    fields: dict[Slug, Annotated[PlainText, Field(max_length=8_000)]] = Field(max_length=30)


class SigningOpened(Digest):
    confirmation: bool = True


class SignedBy(Digest):
    """``picture``: SHA-256 of the drawn name; ``hand``: the drawing itself, for the paper, as ``{"width", "height",
    "strokes": [[[x, y, ms], ...], ...]}``."""

    picture: Sha | None = None
    hand: dict[str, Any] | None = Field(None, max_length=3)


class SignedFor(Digest):
    """For somebody on the telephone, or on paper: ``picture`` is the SHA-256 of the recording, or of the photographed
    page; ``hand`` what the mediator writes on the paper."""

    party: PartyId
    picture: Sha
    hand: dict[str, Any] | None = Field(None, max_length=3)


class Left(Input):
    party: PartyId | None = None
    why: Literal["line_lost", "left", "refuses", "other"] = "left"


INPUTS: dict[str, type[Input]] = {
    "invite": Invited,
    "remove": OfParty,
    "admit": OfParty,
    "send_back": OfParty,
    "show_card": CardOfParty,
    "identify": IdentifiedParty,
    "consent": PartyConsent,
    "open": Opened,
    "caucus": CaucusWith,
    "draft": Drafted,
    "see": Digest,
    "read_aloud": Digest,
    "object": Noted,
    "agree": Digest,
    "open_signing": SigningOpened,
    "redraft": Noted,
    "sign": SignedBy,
    "sign_spoken": SignedFor,
    "sign_paper": SignedFor,
    "refuse_to_sign": Noted,
    "party_left": Left,
    "fail": Noted,
}


class NewMediation(Key):
    """``about``: a kind of agreement, as ``debt``."""

    about: Slug


class MediationView(CaseView):
    """``me``: the party whose pass was used. ``passes``: what opens the case for each party, for the mediator."""

    me: str | None = None
    passes: dict[str, str] = Field(default_factory=dict)
    case_pass: str | None = None


class Waiting(BaseModel):
    """A party who is expected at this terminal."""

    mediation: str
    state: str
    party: str
    name: str
    case_pass: str


class AtTerminal(BaseModel):
    items: list[Waiting]


class FieldView(Words):
    id: str


class AgreementView(Words):
    """``electronic`` false: signed on paper only."""

    id: str
    electronic: bool
    fields: list[FieldView]


class Agreements(BaseModel):
    items: list[AgreementView]


def _shown(mediation: Mediation, me: str | None) -> dict[str, Any]:
    """A party sees the others by name and side; what was shown of identities and the caucuses is the mediator's."""
    shown = MEDIATIONS.dump(mediation)
    for one in shown["parties"]:
        checked = one["identity"] and one["identity"]["outcome"] == "match"
        own = me is None or one["id"] == me
        one["identity"] = shown_identity(one["identity"]) if own else {"checked": bool(checked)}
    if me is not None:
        shown["caucuses"] = [one for one in shown["caucuses"] if me in one["parties"]]
    return shown


def _view(call: Call, case: Case[Mediation], role: str, me: str | None = None) -> MediationView:
    passes = clinic_of(call).passes
    given = {one.id: passes.make(case.id, one.id) for one in case.value.active} if role == "mediator" else {}
    plain = view(MEDIATIONS, case, role, _shown(case.value, me)).model_dump()
    return MediationView(**plain, me=me, passes=given)


@routes.add(
    "GET",
    "/api/clinic/agreements",
    roles=ANYBODY,
    summary="Kinds of agreements and the fields of each",
    answer=Agreements,
)
async def agreements(call: Call) -> Agreements:
    found = clinic_of(call).mediations.texts.agreements.values()
    return Agreements(
        items=[
            AgreementView(
                id=one.id,
                zh=one.words.zh,
                en=one.words.en,
                electronic=one.electronic,
                fields=[FieldView(id=f.id, zh=f.words.zh, en=f.words.en) for f in one.fields],
            )
            for one in found
        ]
    )


@routes.add(
    "POST",
    "/api/mediations",
    roles=ANYBODY,
    summary="Ask for a mediation at a terminal",
    body=NewMediation,
    answer=MediationView,
    status=201,
)
async def request(call: Call) -> MediationView:
    actor, terminal = await public_actor(call)
    if terminal is None and len(call.body.key) < 16:
        raise InvalidInput(fields=("key",))
    case = await clinic_of(call).mediations.request(
        call.body.about,
        step_of(call.body, "request", actor, about=call.body.about),
        terminal=terminal.id if terminal else None,
        demo=bool(terminal and terminal.demo),
    )
    made = _view(call, case, CITIZEN, REQUESTER)
    return made.model_copy(update={"case_pass": clinic_of(call).passes.make(case.id, REQUESTER)})


@routes.add(
    "GET",
    "/api/mediations/{id}",
    roles=ANYBODY,
    summary="The mediation that a party's pass opens (header Case-Pass)",
    answer=MediationView,
    parts={"id": SLUG},
)
async def mediation(call: Call) -> MediationView:
    case, actor = await case_by_pass(call, MEDIATIONS)
    if actor.id != REQUESTER:
        case.value.party(actor.id)
    return _view(call, case, CITIZEN, actor.id)


@routes.add(
    "POST",
    "/api/mediations/{id}/steps",
    roles=ANYBODY,
    summary="One step of a party: come, agree, see, sign, refuse, leave",
    body=StepOrder,
    answer=MediationView,
    parts={"id": SLUG},
    most_body=MOST_BODY_OF_ANY,
)
async def step(call: Call) -> MediationView:
    case, actor = await case_by_pass(call, MEDIATIONS)
    return await _do(call, case, actor, actor.id)


@routes.add(
    "GET",
    "/api/terminal/mediations",
    roles=ANYBODY,
    summary="Mediations for which a party is expected at this terminal",
    answer=AtTerminal,
)
async def at_terminal(call: Call) -> AtTerminal:
    """Whoever stands there may come in with it; the mediator checks who it is before anything else."""
    terminal = await terminal_of(call)
    if terminal is None:
        raise NotPaired
    clinic = clinic_of(call)
    going_on = MEDIATIONS.machine.states - MEDIATIONS.machine.final - {"requested"}
    fresh = ClinicCaseRow.changed_ms > now_ms() - 86_400_000
    found = await clinic.cases.listed(MEDIATIONS, fresh, states=going_on)
    return AtTerminal(
        items=[
            Waiting(
                mediation=case.id,
                state=case.state,
                party=party.id,
                name=party.name,
                case_pass=clinic.passes.make(case.id, party.id),
            )
            for case in found
            for party in case.value.active
            if party.how == "terminal" and party.terminal == terminal.id
        ]
    )


@routes.add(
    "GET",
    "/api/mediator/mediations",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="Mediations that nobody has taken, and the mediator's own",
    answer=CaseList,
)
async def mediations(call: Call) -> CaseList:
    row, me = ClinicCaseRow, professional(call).id
    mine = (row.agent == me) | (row.state == "requested")
    found = await clinic_of(call).cases.listed(MEDIATIONS, mine)
    return CaseList(items=[_view(call, one, "mediator") for one in found])


@routes.add(
    "POST",
    "/api/mediator/mediations",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="Begin a mediation",
    body=NewMediation,
    answer=MediationView,
    status=201,
)
async def begin(call: Call) -> MediationView:
    agent = professional(call)
    made = step_of(call.body, "request", Actor(agent.id, agent.role), about=call.body.about)
    case = await clinic_of(call).mediations.request(call.body.about, made)
    return _view(call, case, "mediator")


@routes.add(
    "GET",
    "/api/mediator/mediations/{id}",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="One mediation, for its mediator",
    answer=MediationView,
    parts={"id": SLUG},
)
async def own_mediation(call: Call) -> MediationView:
    case, _ = await staff_case(call, MEDIATIONS)
    return _view(call, case, "mediator")


@routes.add(
    "POST",
    "/api/mediator/mediations/{id}/steps",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="One step of the mediator",
    body=StepOrder,
    answer=MediationView,
    parts={"id": SLUG},
    most_body=MOST_BODY_OF_ANY,
)
async def mediator_step(call: Call) -> MediationView:
    case, actor = await staff_case(call, MEDIATIONS)
    return await _do(call, case, actor, None)


@routes.add(
    "GET",
    "/api/mediator/mediations/{id}/events",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="Who did and saw what when",
    answer=CaseEvents,
    parts={"id": SLUG},
)
async def events(call: Call) -> CaseEvents:
    case, _ = await staff_case(call, MEDIATIONS)
    return await events_of(call, MEDIATIONS, case.id)


async def _do(call: Call, case: Case[Mediation], actor: Actor, me: str | None) -> MediationView:
    order: StepOrder = call.body
    if order.verb == "complete":
        raise Unfit(fields=("verb",))
    data = data_of(INPUTS, order)
    if me is not None:
        data["party"] = me
    done = await clinic_of(call).mediations.do(
        case, step_of(order, order.verb, actor, **data), base=order.base
    )
    return _view(call, done, actor.role, me)
