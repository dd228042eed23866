"""Notary acts: applied for and followed at a terminal, led by a notary."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from switchboard.clinic.act import ACTS, NotaryAct
from switchboard.clinic.cases import Case
from switchboard.clinic.errors import Unfit
from switchboard.clinic.machine import CITIZEN, Actor
from switchboard.errors import InvalidInput
from switchboard.records.clinic_models import ClinicCaseRow
from switchboard.web.clinic_access import (
    CaseEvents,
    CaseList,
    CaseView,
    Key,
    StepOrder,
    case_by_pass,
    clinic_of,
    events_of,
    professional,
    public_actor,
    staff_case,
    step_of,
    view,
)
from switchboard.web.routes import ANYBODY, MOST_BODY_OF_ANY, NOTARIES, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input, PlainText, Slug

routes = Routes()

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Note = Annotated[PlainText, Field(max_length=2_000)]
Name = Annotated[PlainText, Field(min_length=1, max_length=60)]
Number = Annotated[str, Field(min_length=15, max_length=24)]


class Nothing(Input):
    pass


class Noted(Input):
    note: Note = ""


class CardShown(Input):
    """``card``, ``face``: SHA-256 of the two pictures. A guardian is named for who is under 14."""

    name: Name
    number: Number
    how: Literal["reader", "keypad", "staff"]
    card: Sha | None = None
    face: Sha | None = None
    guardian: Name | None = None
    guardian_number: Number | None = None


class Identified(Noted):
    outcome: Literal["match", "no_match"]


class PaperShown(Input):
    paper: Slug
    sha256: Sha | None = None


class Answers(Input):
    answers: dict[Slug, Slug] = Field(max_length=30)


class Consent(Input):
    what: Literal["recording", "processing", "registers"]


class RegisterAsked(Input):
    """``which``: ``marriage``, ``education`` or ``land``."""

    which: Slug


class Text(Input):
    text: PlainText = Field(min_length=1, max_length=60_000)


class Digest(Input):
    sha256: Sha


class QuestionAsked(Input):
    question: PlainText = Field(min_length=1, max_length=2_000)
    answer: PlainText = Field(min_length=1, max_length=4_000)


class Signed(Digest):
    """``picture``: SHA-256 of the drawn signature, or of the photographed page."""

    how: Literal["electronic", "paper"]
    picture: Sha | None = None


class Begun(Input):
    contact: Slug | None = None


class Why(Input):
    why: Literal["line_lost", "recording_failed", "break", "other"]


INPUTS: dict[str, type[Input]] = {
    "add_paper": PaperShown,
    "answer_questions": Answers,
    "supplement": Noted,
    "refuse": Noted,
    "begin": Begun,
    "show_card": CardShown,
    "identify": Identified,
    "consent": Consent,
    "take_back": Consent,
    "query": RegisterAsked,
    "document": Text,
    "read": Digest,
    "understood": Digest,
    "question": QuestionAsked,
    "sign": Signed,
    "pause": Why,
    "review": Noted,
    "send_back": Noted,
}


def data_of(inputs: dict[str, type[Input]], order: StepOrder) -> dict[str, Any]:
    """What a step needs, by its own model. Raises InvalidInput."""
    try:
        return inputs.get(order.verb, Nothing).model_validate(order.data).model_dump()
    except ValidationError as error:
        names = {
            "data" if one["type"] == "extra_forbidden" else f"data.{'.'.join(map(str, one['loc']))}"[:64]
            for one in error.errors(include_url=False, include_input=False)
        }
        raise InvalidInput(fields=tuple(sorted(names))) from None


class NewAct(Key):
    act: Slug
    answers: dict[Slug, Slug] = Field(default_factory=dict, max_length=30)
    papers: list[Slug] = Field(default_factory=list, max_length=60)


class ActCaseView(CaseView):
    """``missing``: papers that are still needed; ``next``: the step of the guide that comes now."""

    missing: list[str]
    next: str | None
    case_pass: str | None = None


class ActsQuery(Input):
    state: Slug | None = None


def shown_identity(kept: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without the sealed number and its digest."""
    return None if kept is None else {k: v for k, v in kept.items() if k not in ("sealed", "digest")}


def _view(call: Call, case: Case[NotaryAct], role: str, *, with_pass: bool = False) -> ActCaseView:
    clinic = clinic_of(call)
    shown = ACTS.dump(case.value)
    shown["identity"] = shown_identity(shown["identity"])
    guide = clinic.catalogue.acts[case.value.act].steps if case.value.act in clinic.catalogue.acts else ()
    return ActCaseView(
        **view(ACTS, case, role, shown).model_dump(),
        missing=clinic.acts.missing(case.value, shown=case.state not in ("applied",)),
        next=next((one for one in guide if one not in case.value.done), None),
        case_pass=clinic.passes.make(case.id) if with_pass else None,
    )


@routes.add(
    "POST",
    "/api/acts",
    roles=ANYBODY,
    summary="Apply for a notarial act; the same key again is the same application",
    body=NewAct,
    answer=ActCaseView,
    status=201,
)
async def apply(call: Call) -> ActCaseView:
    actor, terminal = await public_actor(call)
    given = call.body
    if terminal is None and len(given.key) < 16:
        raise InvalidInput(fields=("key",))
    step = step_of(given, "apply", actor, act=given.act)
    case = await clinic_of(call).acts.apply(
        given.act,
        given.answers,
        given.papers,
        step,
        terminal=terminal.id if terminal else None,
        demo=bool(terminal and terminal.demo),
    )
    return _view(call, case, CITIZEN, with_pass=True)


@routes.add(
    "GET",
    "/api/acts/{id}",
    roles=ANYBODY,
    summary="The act that a pass opens (header Case-Pass)",
    answer=ActCaseView,
    parts={"id": SLUG},
)
async def act(call: Call) -> ActCaseView:
    case, actor = await case_by_pass(call, ACTS)
    return _view(call, case, actor.role)


@routes.add(
    "POST",
    "/api/acts/{id}/steps",
    roles=ANYBODY,
    summary="One step of the person: show the card, agree, understand, sign, withdraw",
    body=StepOrder,
    answer=ActCaseView,
    parts={"id": SLUG},
)
async def step(call: Call) -> ActCaseView:
    case, actor = await case_by_pass(call, ACTS)
    return await _do(call, case, actor)


@routes.add(
    "GET",
    "/api/notary/acts",
    roles=VOLUNTEERS,
    professions=NOTARIES,
    summary="Applications that nobody has accepted, and the notary's own acts",
    query=ActsQuery,
    answer=CaseList,
)
async def acts(call: Call) -> CaseList:
    agent = professional(call)
    row, asked = ClinicCaseRow, call.query.state
    mine = (row.agent == agent.id) | row.state.in_(("applied", "sealed"))
    states = [asked] if asked else sorted(ACTS.machine.states - ACTS.machine.final)
    found = await clinic_of(call).cases.listed(ACTS, mine, states=states)
    return CaseList(items=[_view(call, one, "notary") for one in found])


@routes.add(
    "GET",
    "/api/notary/acts/{id}",
    roles=VOLUNTEERS,
    professions=NOTARIES,
    summary="One act, for its notary; sealed ones for whoever reviews",
    answer=ActCaseView,
    parts={"id": SLUG},
)
async def notary_act(call: Call) -> ActCaseView:
    case, _ = await _notary_case(call)
    return _view(call, case, "notary")


@routes.add(
    "POST",
    "/api/notary/acts/{id}/steps",
    roles=VOLUNTEERS,
    professions=NOTARIES,
    summary="One step of the notary",
    body=StepOrder,
    answer=ActCaseView,
    parts={"id": SLUG},
    most_body=MOST_BODY_OF_ANY,
)
async def notary_step(call: Call) -> ActCaseView:
    case, actor = await _notary_case(call)
    return await _do(call, case, actor)


@routes.add(
    "GET",
    "/api/notary/acts/{id}/events",
    roles=VOLUNTEERS,
    professions=NOTARIES,
    summary="Who did what when in an act",
    answer=CaseEvents,
    parts={"id": SLUG},
)
async def events(call: Call) -> CaseEvents:
    case, _ = await _notary_case(call)
    return await events_of(call, ACTS, case.id)


async def _notary_case(call: Call) -> tuple[Case[NotaryAct], Actor]:
    """The notary's own act, one nobody has accepted, or a sealed one, which another notary reviews."""
    agent = professional(call)
    case = await clinic_of(call).cases.of(ACTS, call.part("id"))
    if case.state in ("sealed",) and case.value.agent != agent.id:
        await call.house.records.audit(call.account.name, "act.read", case.id)
        return case, Actor(agent.id, agent.role)
    return await staff_case(call, ACTS)


async def _do(call: Call, case: Case[NotaryAct], actor: Actor) -> ActCaseView:
    order: StepOrder = call.body
    if order.verb in ("answered", "register_away", "paid"):
        raise Unfit(fields=("verb",))
    made = step_of(order, order.verb, actor, **data_of(INPUTS, order))
    done = await clinic_of(call).acts.do(case, made, base=order.base)
    return _view(call, done, actor.role)
