"""Who may see and do what in a case: by a pass, by a terminal's token, or by profession.

What belongs to somebody else is 404, in the same words as what does not exist, and leaves an audit row.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, Field

from switchboard.clinic.cases import Case, CaseEvent, Step, Subject
from switchboard.clinic.clinic import Clinic
from switchboard.clinic.machine import CITIZEN, Actor
from switchboard.clinic.passes import Pass
from switchboard.errors import Forbidden, NotFound
from switchboard.records import AgentRow
from switchboard.records.terminals import Terminal
from switchboard.times import now_ms
from switchboard.web.routes import Call
from switchboard.web.schemas import Input, Ms, Slug
from switchboard.web.state import OPEN_GATE

T = TypeVar("T")

PASS_HEADER = "Case-Pass"  # noqa: S105 - the name of a header


class Words(BaseModel):
    zh: str
    en: str


class Key(Input):
    """``key``: made by the page for each press; the same one again changes nothing."""

    key: Slug


class StepOrder(Key):
    """One step. ``base``: the revision that the page has seen, where it matters; ``data``: what the step needs."""

    verb: str = Field(pattern=r"^[a-z][a-z_]{1,31}$")
    base: int | None = Field(None, ge=0, le=2**31)
    data: dict[str, Any] = Field(default_factory=dict, max_length=20)


class CaseView(BaseModel):
    """``may``: the steps that whoever asks can take now; ``value``: what is known, numbers masked."""

    id: str
    kind: str
    number: str | None
    state: str
    revision: int
    opened_ms: Ms
    changed_ms: Ms
    may: list[str]
    value: dict[str, Any]


class CaseList(BaseModel):
    items: list[CaseView]


class CaseEventView(BaseModel):
    seq: int
    at_ms: Ms
    verb: str
    state: str
    actor: str
    role: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: CaseEvent) -> CaseEventView:
        return cls(**{name: getattr(event, name) for name in cls.model_fields})


class CaseEvents(BaseModel):
    """``whole``: every event is bound to the one before it, and the value to the last."""

    items: list[CaseEventView]
    whole: bool


def clinic_of(call: Call) -> Clinic:
    return call.house.clinic


def open_gate(call: Call) -> None:
    """Raises TooManyTries."""
    call.request.app[OPEN_GATE].take(call.request.remote or "local")


async def terminal_of(call: Call) -> Terminal | None:
    """Whose token the request carries; None for nobody's."""
    kind, _, token = call.request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    return await call.house.records.terminals.by_token(token.strip(), at_ms=now_ms())


async def public_actor(call: Call) -> tuple[Actor, Terminal | None]:
    """A terminal, or anybody on the web: those pass the gate first."""
    terminal = await terminal_of(call)
    if terminal is None:
        open_gate(call)
        return Actor("web", CITIZEN), None
    return Actor(terminal.id, "terminal"), terminal


def held_pass(call: Call) -> Pass:
    """The pass of the request. Raises NotFound."""
    found = clinic_of(call).passes.read(call.request.headers.get(PASS_HEADER, ""))
    if found is None:
        open_gate(call)
        raise NotFound
    return found


async def case_by_pass(call: Call, subject: Subject[T]) -> tuple[Case[T], Actor]:
    """The case of the path, for whoever has its pass. Raises NotFound, also for another case's pass."""
    found, ident = held_pass(call), call.part("id")
    if found.case != ident:
        await call.house.records.audit("anonymous", f"{subject.kind}.read", ident, "refused")
        raise NotFound
    return await clinic_of(call).cases.of(subject, ident), Actor(found.party, CITIZEN)


def professional(call: Call) -> AgentRow:
    """The volunteer who asks, on a route of a profession."""
    if call.agent is None:
        raise Forbidden
    return call.agent


async def staff_case(call: Call, subject: Subject[T]) -> tuple[Case[T], Actor]:
    """The case of the path, for the volunteer whose it is. Raises NotFound (audited)."""
    agent = professional(call)
    ident = call.part("id")
    case = await clinic_of(call).cases.of(subject, ident)
    holder = subject.index(case.value).agent
    if holder not in (None, agent.id):
        await call.house.records.audit(call.account.name, f"{subject.kind}.read", ident, "refused")
        raise NotFound
    await call.house.records.audit(call.account.name, f"{subject.kind}.read", ident)
    return case, Actor(agent.id, agent.role)


def step_of(order: Key, verb: str, actor: Actor, /, **data: Any) -> Step:
    return Step(verb, actor, now_ms(), order.key, data)


def view(subject: Subject[T], case: Case[T], role: str, shown: dict[str, Any] | None = None) -> CaseView:
    return CaseView(
        id=case.id,
        kind=case.kind,
        number=case.number,
        state=case.state,
        revision=case.revision,
        opened_ms=case.opened_ms,
        changed_ms=case.changed_ms,
        may=list(subject.machine.verbs(case.state, role)),
        value=subject.dump(case.value) if shown is None else shown,
    )


async def events_of(call: Call, subject: Subject[Any], case_id: str) -> CaseEvents:
    """Who did what when in a case, and whether its chain is whole. The right to see it is asked before."""
    cases = clinic_of(call).cases
    found = await cases.events(case_id)
    whole = await cases.whole(subject, case_id)
    return CaseEvents(items=[CaseEventView.of(one) for one in found], whole=whole)
