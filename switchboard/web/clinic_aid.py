"""Legal aid, service at home, and guarded information: asked for at a terminal, worked on by staff."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

from ivr.dialling import caller_number
from switchboard.clinic.aid import AIDS, GROUPS, HOMES, Aid, HomeVisit, check_home
from switchboard.clinic.cases import Case, Step, Subject
from switchboard.clinic.disclosure import DISCLOSURES, Disclosure
from switchboard.clinic.identity import read_number
from switchboard.clinic.machine import CITIZEN, Actor
from switchboard.errors import InvalidInput, NotFound
from switchboard.records import mask_number
from switchboard.records.clinic_models import ClinicCaseRow
from switchboard.times import now_ms
from switchboard.web.acts import (
    CardShown,
    Digest,
    Identified,
    Name,
    Note,
    Noted,
    Sha,
    data_of,
    shown_identity,
)
from switchboard.web.clinic_access import (
    CaseList,
    CaseView,
    Key,
    StepOrder,
    Words,
    case_by_pass,
    clinic_of,
    professional,
    public_actor,
    staff_case,
    step_of,
    view,
)
from switchboard.web.routes import ANYBODY, INFORMATION, LEGAL_AID, SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input, Ms, PlainText, Slug

routes = Routes()
T = TypeVar("T")


class PaperGiven(Input):
    paper: Slug
    sha256: Sha


class PapersAsked(Input):
    papers: list[Slug] = Field(min_length=1, max_length=20)


class Granted(Input):
    lawyer: Slug


class Planned(Input):
    from_ms: Ms


class Prepared(Input):
    """``answer``: what may be said."""

    answer: PlainText = Field(min_length=1, max_length=8_000)


INPUTS: dict[str, type[Input]] = {
    "add_paper": PaperGiven,
    "show_card": CardShown,
    "identify": Identified,
    "ask_papers": PapersAsked,
    "grant": Granted,
    "refuse": Noted,
    "plan": Planned,
    "add_kinship": Digest,
    "prepare": Prepared,
    "send_back": Noted,
}


class GroupView(Words):
    """``exempt``: means are not checked; ``papers``: what shows it."""

    id: str
    exempt: bool
    papers: list[str]


class Groups(BaseModel):
    items: list[GroupView]


class NewAid(Key):
    groups: list[Slug] = Field(min_length=1, max_length=5)
    matter: Slug
    facts: PlainText = Field(min_length=1, max_length=8_000)
    phone: str | None = Field(None, max_length=32)


class NewHome(Key):
    """``disability_level``: of the card, 1 to 4."""

    why: Literal["over_80", "severe_disability"]
    service: Literal["legal_aid", "notary", "mediation"]
    address: PlainText = Field(min_length=1, max_length=200)
    phone: str = Field(max_length=32)
    disability_level: int | None = Field(None, ge=1, le=4)


class NewDisclosure(Key):
    """``number``: of the person asked about; kept as a digest and a mask."""

    level: Literal[2, 3, 4]
    name: Name
    number: Annotated[str, Field(min_length=15, max_length=24)]
    relation: PlainText = Field("", max_length=40)
    reason: Note = ""


class OpenedView(CaseView):
    case_pass: str | None = None


@routes.add("GET", "/api/clinic/aid-groups", roles=ANYBODY, summary="Who gets legal aid how", answer=Groups)
async def groups(call: Call) -> Groups:
    return Groups(
        items=[
            GroupView(id=one.id, zh=one.words.zh, en=one.words.en, exempt=one.exempt, papers=list(one.papers))
            for one in GROUPS.values()
        ]
    )


def _shown(subject: Subject[T], value: T, *, whole: bool = True) -> dict[str, Any]:
    """``whole`` False: for the person who asked; what staff prepared is told by staff."""
    shown = subject.dump(value)
    shown["identity"] = shown_identity(shown["identity"])
    if "phone" in shown:
        shown["phone"] = mask_number(shown["phone"])
    shown.pop("subject", None)
    if not whole:
        shown.pop("answer", None)
    if isinstance(value, Aid):
        shown |= {"simplified": value.simplified, "priority": value.priority, "missing": list(value.missing)}
    return shown


def _view(subject: Subject[T], case: Case[T], role: str) -> OpenedView:
    shown = _shown(subject, case.value, whole=role != CITIZEN)
    return OpenedView(**view(subject, case, role, shown).model_dump())


async def _open(call: Call, subject: Subject[T], value: T, demo: bool, step: Step) -> OpenedView:
    clinic = clinic_of(call)
    case = await clinic.cases.open(subject, value, step, number=True, demo=demo)
    made = _view(subject, case, CITIZEN)
    return made.model_copy(update={"case_pass": clinic.passes.make(case.id)})


async def _do(call: Call, subject: Subject[T], case: Case[T], actor: Actor) -> OpenedView:
    order: StepOrder = call.body
    clinic = clinic_of(call)
    step = step_of(order, order.verb, actor, **data_of(INPUTS, order))
    if order.verb == "show_card":
        identity = clinic.identities.shown(case.id, step.data, step.at_ms)
        step = Step(step.verb, actor, step.at_ms, step.key, {"identity": identity})
    if order.verb == "grant":
        named = await call.house.records.agent(step["lawyer"])
        if named is None or named.role != "lawyer":
            raise InvalidInput(fields=("data.lawyer",))
    return _view(subject, await clinic.cases.do(subject, case.id, step, base=order.base), actor.role)


# ---- asked for by citizens


@routes.add(
    "POST",
    "/api/aid",
    roles=ANYBODY,
    summary="Apply for legal aid",
    body=NewAid,
    answer=OpenedView,
    status=201,
)
async def apply(call: Call) -> OpenedView:
    actor, terminal, given = await _asker(call)
    phone = _phone(given.phone)
    wrong = ("groups",) if not set(given.groups) <= GROUPS.keys() else ()
    wrong += () if given.matter in {one["id"] for one in call.house.matters()} else ("matter",)
    if wrong:
        raise InvalidInput(fields=wrong)
    value = Aid(tuple(dict.fromkeys(given.groups)), given.matter, given.facts.strip(), terminal, phone)
    step = step_of(given, "apply", actor, groups=given.groups, matter=given.matter)
    return await _open(call, AIDS, value, False, step)


@routes.add(
    "POST",
    "/api/home-visits",
    roles=ANYBODY,
    summary="Ask for service at home: over 80, or severely disabled",
    body=NewHome,
    answer=OpenedView,
    status=201,
)
async def ask_home(call: Call) -> OpenedView:
    actor, terminal, given = await _asker(call)
    check_home(given.why, given.disability_level)
    value = HomeVisit(
        given.why,
        given.service,
        given.address.strip(),
        _phone(given.phone),
        terminal,
        disability_level=given.disability_level,
    )
    step = step_of(given, "ask", actor, why=given.why, service=given.service)
    return await _open(call, HOMES, value, False, step)


@routes.add(
    "POST",
    "/api/disclosures",
    roles=ANYBODY,
    summary="Ask for information about somebody in prison or rehabilitation, levels 2 to 4",
    body=NewDisclosure,
    answer=OpenedView,
    status=201,
)
async def ask_disclosure(call: Call) -> OpenedView:
    actor, terminal, given = await _asker(call)
    clinic = clinic_of(call)
    number = read_number(given.number, call.house.calendar.local(now_ms()).date())
    value = Disclosure(
        given.level,
        given.name,
        clinic.passes.hash_of(number.text),
        number.mask,
        given.relation.strip(),
        given.reason.strip(),
        terminal,
    )
    return await _open(call, DISCLOSURES, value, False, step_of(given, "ask", actor, level=given.level))


async def _asker(call: Call) -> tuple[Actor, str | None, Any]:
    actor, terminal = await public_actor(call)
    if terminal is None and len(call.body.key) < 16:
        raise InvalidInput(fields=("key",))
    return actor, terminal.id if terminal else None, call.body


def _phone(given: str | None) -> str | None:
    number = caller_number(given) if given else None
    if given and number is None:
        raise InvalidInput(fields=("phone",))
    return number


def _citizen_routes(subject: Subject[Any], path: str, what: str) -> None:
    @routes.add(
        "GET",
        f"{path}/{{id}}",
        roles=ANYBODY,
        summary=f"{what} that a pass opens (header Case-Pass)",
        answer=OpenedView,
        parts={"id": SLUG},
    )
    async def look(call: Call) -> OpenedView:
        case, actor = await case_by_pass(call, subject)
        return _view(subject, case, actor.role)

    @routes.add(
        "POST",
        f"{path}/{{id}}/steps",
        roles=ANYBODY,
        summary=f"One step of the person: {what}",
        body=StepOrder,
        answer=OpenedView,
        parts={"id": SLUG},
    )
    async def step(call: Call) -> OpenedView:
        case, actor = await case_by_pass(call, subject)
        return await _do(call, subject, case, actor)


def _staff_routes(
    subject: Subject[Any], path: str, what: str, professions: frozenset[str], free: tuple[str, ...]
) -> None:
    """``free``: the states in which a case is nobody's yet."""

    @routes.add(
        "GET", path, roles=VOLUNTEERS, professions=professions, summary=f"{what}: open ones", answer=CaseList
    )
    async def listed(call: Call) -> CaseList:
        row, agent = ClinicCaseRow, professional(call)
        mine = (row.agent == agent.id) | row.state.in_(free)
        states = subject.machine.states - subject.machine.final
        found = await clinic_of(call).cases.listed(subject, mine, states=states)
        return CaseList(items=[_view(subject, one, agent.role) for one in found])

    @routes.add(
        "GET",
        f"{path}/{{id}}",
        roles=VOLUNTEERS,
        professions=professions,
        summary=f"{what}: one",
        answer=OpenedView,
        parts={"id": SLUG},
    )
    async def look(call: Call) -> OpenedView:
        case, actor = await _staff(call, subject, free)
        return _view(subject, case, actor.role)

    @routes.add(
        "POST",
        f"{path}/{{id}}/steps",
        roles=VOLUNTEERS,
        professions=professions,
        summary=f"{what}: one step of staff",
        body=StepOrder,
        answer=OpenedView,
        parts={"id": SLUG},
    )
    async def step(call: Call) -> OpenedView:
        case, actor = await _staff(call, subject, free)
        return await _do(call, subject, case, actor)


async def _staff(call: Call, subject: Subject[T], free: tuple[str, ...]) -> tuple[Case[T], Actor]:
    agent = professional(call)
    case = await clinic_of(call).cases.of(subject, call.part("id"))
    if case.state in free:
        await call.house.records.audit(call.account.name, f"{subject.kind}.read", case.id)
        return case, Actor(agent.id, agent.role)
    return await staff_case(call, subject)


_citizen_routes(AIDS, "/api/aid", "An application for legal aid")
_citizen_routes(HOMES, "/api/home-visits", "A request for service at home")
_citizen_routes(DISCLOSURES, "/api/disclosures", "A request for information")
_staff_routes(AIDS, "/api/staff/aid", "Applications for legal aid", LEGAL_AID, ("applied",))
_staff_routes(HOMES, "/api/staff/home-visits", "Service at home", LEGAL_AID, ("asked",))
_staff_routes(
    DISCLOSURES, "/api/staff/disclosures", "Guarded information", INFORMATION, ("asked", "prepared")
)


# ---- approved by supervisors


@routes.add(
    "GET",
    "/api/disclosure-approvals",
    roles=SUPERVISORS,
    summary="Guarded information that waits for an approval",
    answer=CaseList,
)
async def approvals(call: Call) -> CaseList:
    found = await clinic_of(call).cases.listed(DISCLOSURES, states=["prepared"])
    await call.house.records.audit(call.account.name, "disclosures.read")
    return CaseList(items=[_view(DISCLOSURES, one, call.account.role) for one in found])


@routes.add(
    "POST",
    "/api/disclosure-approvals/{id}",
    roles=SUPERVISORS,
    summary="Approve, send back or refuse",
    body=StepOrder,
    answer=OpenedView,
    parts={"id": SLUG},
)
async def approve(call: Call) -> OpenedView:
    case = await clinic_of(call).cases.of(DISCLOSURES, call.part("id"))
    if case.state != "prepared":
        raise NotFound
    me = call.account.agent_id or call.account.name  # the same person by both doors
    done = await _do(call, DISCLOSURES, case, Actor(me, call.account.role))
    await call.house.records.audit(call.account.name, f"disclosure.{call.body.verb}", case.id)
    return done
