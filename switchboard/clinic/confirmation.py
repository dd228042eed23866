"""Judicial confirmation of an agreement: a judge's work with a clock from the signing, and what became of it.

::

    filed -> review <-> asked          confirmed -> kept / not_kept
                |-> confirmed, rejected
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

from switchboard.calendar import Calendar
from switchboard.clinic.cases import Case, Index, Step, Subject
from switchboard.clinic.errors import StillAsked, TooMany
from switchboard.clinic.machine import machine, move

AIM_MS = 30 * 60_000
LIMIT_MS = 30 * 86_400_000
MOST_QUESTIONS = 30
COURT_FROM, COURT_TO = 9, 17


@dataclass(frozen=True, slots=True)
class CourtQuestion:
    question: str
    by: str
    asked_ms: int
    answer: str | None = None
    answered_by: str | None = None
    answered_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """``sha256`` of its text; signed by the judge at ``at_ms``."""

    text: str
    sha256: str
    judge: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """``agreement`` is the digest of what was signed, ``application`` that of the application that went with it."""

    mediation: str
    agreement: str
    application: str
    mediator: str
    signed_ms: int
    terminal: str | None = None
    judge: str | None = None
    questions: tuple[CourtQuestion, ...] = ()
    decision: Decision | None = None
    printed: tuple[tuple[str, int], ...] = ()
    compliance_note: str = ""

    @property
    def is_asked(self) -> bool:
        return any(one.answer is None for one in self.questions)


_OPEN = "filed review asked"

CONFIRMATION = machine(
    "filed",
    "rejected withdrawn kept not_kept",
    [
        move("take", "filed", "review", "judge"),
        move("give_back", "review", "filed", "judge"),
        move("ask", "review", "asked", "judge"),
        move("answer", "asked", "review", "mediator"),
        move("confirm", "review", "confirmed", "judge"),
        move("reject", "review", "rejected", "judge"),
        move("withdraw", _OPEN, "withdrawn", "citizen mediator"),
        move("printed", "confirmed kept not_kept", None, "terminal citizen mediator judge"),
        move("keep", "confirmed", "kept", "judge mediator"),
        move("break", "confirmed", "not_kept", "judge mediator"),
    ],
)


def apply(case: Confirmation, step: Step, state: str) -> Confirmation:
    match step.verb:
        case "take":
            return replace(case, judge=step.actor.id)
        case "give_back":
            return replace(case, judge=None)
        case "ask":
            if len(case.questions) >= MOST_QUESTIONS:
                raise TooMany
            fresh = CourtQuestion(step["question"], step.actor.id, step.at_ms)
            return replace(case, questions=(*case.questions, fresh))
        case "answer":
            *before, last = case.questions
            told = replace(last, answer=step["answer"], answered_by=step.actor.id, answered_ms=step.at_ms)
            return replace(case, questions=(*before, told))
        case "confirm" | "reject":
            if case.is_asked:
                raise StillAsked
            made = Decision(step["text"], step["sha256"], step.actor.id, step.at_ms)
            return replace(case, decision=made)
        case "printed":
            return replace(case, printed=(*case.printed, (step.actor.id, step.at_ms))[-20:])
        case "keep" | "break":
            return replace(case, compliance_note=step["note"])
        case _:
            return case


CONFIRMATIONS = Subject(
    "confirmation",
    "jc",
    CONFIRMATION,
    Confirmation,
    apply,
    lambda one: Index(
        agent=one.judge,
        terminal=one.terminal,
        from_ms=one.signed_ms,
        due_ms=one.signed_ms + LIMIT_MS,
        parent=one.mediation,
    ),
    frozenset({"sha256", "mediation", "agreement"}),
)


@dataclass(frozen=True, slots=True)
class Clock:
    """``light``: ``green`` within the aim, ``amber`` over it, ``red`` over the legal limit. ``working``: whether the
    court is at work now."""

    since_ms: int
    aim_left_ms: int
    limit_left_ms: int
    light: str
    working: bool


def clock(case: Confirmation, calendar: Calendar, at_ms: int) -> Clock:
    """Stands still once it is decided."""
    until = case.decision.at_ms if case.decision else at_ms
    since = max(0, until - case.signed_ms)
    local = calendar.local(at_ms)
    light = "green" if since <= AIM_MS else "amber" if since <= LIMIT_MS else "red"
    working = calendar.is_working_day(local.date()) and COURT_FROM <= local.hour < COURT_TO
    return Clock(since, AIM_MS - since, LIMIT_MS - since, light, working)


@dataclass(frozen=True, slots=True)
class Figures:
    """``within`` of ``decided`` came within 30 minutes of the signing; ``median_ms`` None: none is decided."""

    filed: int
    decided: int
    confirmed: int
    rejected: int
    within: int
    median_ms: int | None
    open: int
    over_limit: int
    kept: int
    not_kept: int


def figures(cases: Iterable[Case[Confirmation]], at_ms: int) -> Figures:
    found = list(cases)
    decided = [one for one in found if one.value.decision]
    took = [one.value.decision.at_ms - one.value.signed_ms for one in decided if one.value.decision]
    waiting = [one for one in found if one.state in _OPEN.split()]
    return Figures(
        filed=len(found),
        decided=len(decided),
        confirmed=sum(one.state in ("confirmed", "kept", "not_kept") for one in found),
        rejected=sum(one.state == "rejected" for one in found),
        within=sum(one <= AIM_MS for one in took),
        median_ms=int(statistics.median(took)) if took else None,
        open=len(waiting),
        over_limit=sum(at_ms - one.value.signed_ms > LIMIT_MS for one in waiting),
        kept=sum(one.state == "kept" for one in found),
        not_kept=sum(one.state == "not_kept" for one in found),
    )
