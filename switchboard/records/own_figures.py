"""One volunteer's own figures. Every definition is here and, in the same words, in docs/desk.md.

answered
    Contacts in which the volunteer talked to somebody, counted once each, by the first talk in the span.
missed
    Reservations that the volunteer did not answer: the time ran out, or the phone did not pick up.
declined
    Reservations that the volunteer gave back by themselves.
mean talk
    From the moment when both were connected until the volunteer or the caller left, over the talks that have ended.
mean wrap-up
    Time in the state ``wrap_up``, over those that have ended.
on duty
    Time in the states available, reserved, in_contact and wrap_up; ``paused`` apart: pauses while signed in.
survey
    Answers of callers in contacts that ended in the span and in which this volunteer talked last, without ratings to
    which an objection was upheld.
messages
    Messages that were done with in the span; in time: answered (or closed without a call) before they were due.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Text, cast, select

from switchboard.records.database import Database
from switchboard.records.events import ContactEvent
from switchboard.records.fold import elapsed_ms
from switchboard.records.journal import EVENT_COLUMNS
from switchboard.records.models import AgentState, ContactEventRow, ContactRow
from switchboard.records.queries import CHINA, begin_of_day_ms, rating_stands
from switchboard.records.shifts import AT_WORK

Period = Literal["today", "week", "month"]
PERIODS: tuple[Period, ...] = ("today", "week", "month")

RESTS = ("break", "meal", "meeting", "training", "other", "no_answer", "standby", "signed_in")
"""Pauses of somebody who is there; ``desk_gone``, ``restart`` and the like are nobody's time."""

_TALK_KINDS = ("connected", "passed", "disconnected", "ended")
_AT_ONCE = 400
_ALL_STATES = 100_000


@dataclass(frozen=True, slots=True)
class Answers:
    """How often each key was given to one question of the survey of ``hotline``."""

    hotline: str | None
    question: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OwnFigures:
    """Of one volunteer in one span, from ``since_ms`` until ``until_ms``. Means are None where nothing was counted."""

    since_ms: int
    until_ms: int
    answered: int
    missed: int
    declined: int
    talks: int
    mean_talk_ms: int | None
    wrap_ups: int
    mean_wrap_up_ms: int | None
    duty_ms: int
    paused_ms: int
    messages: int
    messages_in_time: int
    survey: tuple[Answers, ...] = field(default=())


def begin_of(period: Period, now_ms: int) -> int:
    """Midnight in China of today, of this week's Monday, of the first of this month."""
    if period == "today":
        return begin_of_day_ms(now_ms)
    today = dt.datetime.fromtimestamp(begin_of_day_ms(now_ms) / 1000, CHINA)
    first = today - dt.timedelta(days=today.weekday()) if period == "week" else today.replace(day=1)
    return int(first.timestamp()) * 1000


class OwnFiguresOf:
    """Reads them. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def figures(self, agent: str, since_ms: int, until_ms: int) -> OwnFigures:
        """Exactly what the module's text says, for the time from ``since_ms`` until ``until_ms``."""
        async with self._database.read() as connection:
            mine = await self._own_events(connection, agent, since_ms, until_ms)
            talked = {event.contact for event in mine if _begins_talk(event, agent)}
            talks = await self._talks(connection, agent, sorted(talked), since_ms)
            states = await self._states(connection, agent, since_ms, until_ms)
            ended = (await connection.execute(_ended(agent, since_ms, until_ms))).all()
            survey = (await connection.execute(_surveys(agent, since_ms, until_ms))).all()
        missed, declined = _not_taken(mine)
        duty = _times(states, since_ms, until_ms)
        messages = [row for row in ended if row.medium == "message" and row.end_reason == "completed"]
        return OwnFigures(
            since_ms=since_ms,
            until_ms=until_ms,
            answered=len(talked),
            missed=missed,
            declined=declined,
            talks=len(talks),
            mean_talk_ms=_mean(talks),
            wrap_ups=len(duty.wrap_ups),
            mean_wrap_up_ms=_mean(duty.wrap_ups),
            duty_ms=duty.duty_ms,
            paused_ms=duty.paused_ms,
            messages=len(messages),
            messages_in_time=sum(_in_time(row) for row in messages),
            survey=_counted(survey),
        )

    async def _own_events(
        self, connection: Any, agent: str, since_ms: int, until_ms: int
    ) -> list[ContactEvent]:
        row = ContactEventRow
        wanted = select(*EVENT_COLUMNS).where(
            row.agent == agent,
            row.at_ms >= since_ms,
            row.at_ms < until_ms,
            row.kind.in_(("connected", "passed", "reservation_ended")),
        )
        return [ContactEvent(*one) for one in await connection.execute(wanted)]

    async def _talks(self, connection: Any, agent: str, contacts: Sequence[str], since_ms: int) -> list[int]:
        """How long each talk of this volunteer lasted, of those that begin in the span and have ended."""
        lengths: list[int] = []
        row = ContactEventRow
        for start in range(0, len(contacts), _AT_ONCE):
            some = contacts[start : start + _AT_ONCE]
            wanted = select(*EVENT_COLUMNS).where(row.contact.in_(some), row.kind.in_(_TALK_KINDS))
            by_contact: defaultdict[str, list[ContactEvent]] = defaultdict(list)
            for one in await connection.execute(wanted.order_by(row.contact, row.seq)):
                event = ContactEvent(*one)
                by_contact[event.contact].append(event)
            for events in by_contact.values():
                lengths += talks_of(events, agent, since_ms)
        return lengths

    async def _states(
        self, connection: Any, agent: str, since_ms: int, until_ms: int
    ) -> list[tuple[str, str | None, int]]:
        """The states in the span, in order, and the one that it begins with."""
        row = AgentState
        columns = (row.state, row.reason, row.at_ms)
        before = select(*columns).where(row.agent == agent, row.at_ms < since_ms)
        first = (await connection.execute(before.order_by(row.at_ms.desc(), row.id.desc()).limit(1))).all()
        inside = select(*columns).where(row.agent == agent, row.at_ms >= since_ms, row.at_ms < until_ms)
        rest = (await connection.execute(inside.order_by(row.at_ms, row.id).limit(_ALL_STATES))).all()
        return [(one.state, one.reason, one.at_ms) for one in (*first, *rest)]


def talks_of(events: Iterable[ContactEvent], agent: str, since_ms: int = 0) -> list[int]:
    """The lengths of this volunteer's ended talks in one contact, from its events in order; a talk that is handed on to
    another volunteer ends there.
    """
    lengths: list[int] = []
    begun: ContactEvent | None = None
    for event in events:
        mine = _begins_talk(event, agent)
        if begun is not None and not mine:
            lengths.append(elapsed_ms(begun, event))
            begun = None
        elif begun is None and mine and event.at_ms >= since_ms:
            begun = event
    return lengths


def _begins_talk(event: ContactEvent, agent: str) -> bool:
    """Connected by the queue, or left with the caller by a colleague who was in the talk."""
    taken_over = event.kind == "passed" and event.data.get("how") != "blind"
    return event.data.get("agent") == agent and (event.kind == "connected" or taken_over)


@dataclass(slots=True)
class _Times:
    duty_ms: int = 0
    paused_ms: int = 0
    wrap_ups: list[int] = field(default_factory=list)


def _times(states: Sequence[tuple[str, str | None, int]], since_ms: int, until_ms: int) -> _Times:
    """How long the volunteer was in which kind of state. A clock that was set back makes no time negative."""
    found = _Times()
    for place, (state, reason, at_ms) in enumerate(states):
        last = place + 1 == len(states)
        begin, end = max(at_ms, since_ms), until_ms if last else min(states[place + 1][2], until_ms)
        length = max(0, end - begin)
        if state in AT_WORK:
            found.duty_ms += length
        elif state == "paused" and reason in RESTS:
            found.paused_ms += length
        if state == "wrap_up" and not last and at_ms >= since_ms:
            found.wrap_ups.append(length)
    return found


def _not_taken(events: Iterable[ContactEvent]) -> tuple[int, int]:
    """Missed and declined reservations."""
    missed = declined = 0
    for event in events:
        if event.kind != "reservation_ended":
            continue
        how, reason = event.data.get("how"), event.data.get("reason")
        if how in ("timed_out", "leg_failed") or (how == "rejected" and reason == "no_answer"):
            missed += 1
        elif how == "rejected":
            declined += 1
    return missed, declined


def _ended(agent: str, since_ms: int, until_ms: int) -> Any:
    row = ContactRow
    columns = (row.medium, row.end_reason, row.due_ms, row.connected_ms, row.ended_ms)
    span = (row.ended_ms >= since_ms, row.ended_ms < until_ms)
    return select(*columns).where(row.agent == agent, *span)


def _surveys(agent: str, since_ms: int, until_ms: int) -> Any:
    row = ContactRow
    span = (row.ended_ms >= since_ms, row.ended_ms < until_ms)
    return select(row.hotline, row.survey).where(
        row.agent == agent, *span, cast(row.survey, Text) != "{}", rating_stands()
    )


def _in_time(row: Any) -> bool:
    done_ms = row.ended_ms if row.connected_ms is None else row.connected_ms
    return row.due_ms is None or done_ms <= row.due_ms


def _counted(rows: Iterable[Any]) -> tuple[Answers, ...]:
    counts: dict[tuple[str | None, str], dict[str, int]] = {}
    for row in rows:
        for question, answer in row.survey.items():
            if answer:
                mine = counts.setdefault((row.hotline, question), {})
                mine[answer] = mine.get(answer, 0) + 1
    return tuple(Answers(hotline, question, found) for (hotline, question), found in counts.items())


def _mean(lengths: Sequence[int]) -> int | None:
    return round(sum(lengths) / len(lengths)) if lengths else None
