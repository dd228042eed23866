"""Questions about contacts, answered from the folded rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Executable, Select, Text, and_, case, cast, func, or_, select

from switchboard.errors import BadCursor
from switchboard.records.events import is_slug
from switchboard.records.fold import ContactRecord
from switchboard.records.models import ContactRow

ContactState = Literal["open", "wrap_up", "final"]
"""``open``: not ended; ``wrap_up``: ended, the agent still writes; ``final``: closed for good."""

CHINA = dt.timezone(dt.timedelta(hours=8))
ANSWERED_IN_TIME_MS = 15_000


@dataclass(frozen=True, slots=True)
class ContactQuery:
    """Newest first. ``after`` is the mark of a former page; ``caller`` is a whole number as it was stored."""

    after: str | None = None
    limit: int = 50
    state: ContactState | None = None
    matter: str | None = None
    agent: str | None = None
    caller: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    demo: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """``next`` is the mark of the page after this one, None on the last."""

    items: tuple[ContactRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of the contacts that arrived in a span beginning at ``since_ms``; see ``figures``."""

    since_ms: int
    arrived: int
    answered: int
    answered_15s: int
    abandoned: int
    timed_out: int
    open: int
    mean_wait_ms: int | None
    mean_talk_ms: int | None


TASK_MEDIA = ("message", "callback")
MEETING = "meeting"
"""A room that staff have opened: nobody has called, so it counts in no figure of the hotline."""
"""Contacts that were promised to be served later; the call they come from is counted by itself."""


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """Messages and call-backs that are open now. ``due_today`` are not overdue yet."""

    messages_open: int
    callbacks_open: int
    due_today: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Rated:
    """The answers (question -> key) that a caller gave after talking to ``agent``."""

    agent: str
    hotline: str | None
    answers: Mapping[str, str]


def rating_stands() -> Any:
    """A rating to which the volunteer objected with success counts nowhere."""
    return or_(ContactRow.appeal.is_(None), ContactRow.appeal != "upheld")


def rated(since_ms: int, most: int) -> Executable:
    """Contacts with answers, the newest first, without those that do not count after an appeal."""
    row = ContactRow
    return (
        select(row.agent, row.hotline, row.survey)
        .where(
            row.arrived_ms >= since_ms,
            row.agent.is_not(None),
            cast(row.survey, Text) != "{}",
            rating_stands(),
        )
        .order_by(row.arrived_ms.desc())
        .limit(most)
    )


def begin_of_day_ms(now_ms: int) -> int:
    """The last midnight in China, which has one time zone and no summer time."""
    now = dt.datetime.fromtimestamp(now_ms / 1000, CHINA)
    return int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1000


def mark_of(record: ContactRecord) -> str:
    return f"{record.arrived_ms}~{record.id}"


def _read_mark(mark: str) -> tuple[int, str]:
    arrived, _, ident = mark.partition("~")
    if not arrived.isascii() or not arrived.isdigit() or len(arrived) > 15 or not is_slug(ident):
        raise BadCursor
    return int(arrived), ident


def contacts_page(query: ContactQuery) -> Select[Any]:
    """One row more than the page holds, which tells whether there is a next one."""
    row = ContactRow
    wanted = select(row.__table__).order_by(row.arrived_ms.desc(), row.id.desc()).limit(query.limit + 1)
    if query.after is not None:
        arrived_ms, ident = _read_mark(query.after)
        earlier = and_(row.arrived_ms == arrived_ms, row.id < ident)
        wanted = wanted.where(or_(row.arrived_ms < arrived_ms, earlier))
    if query.state == "open":
        wanted = wanted.where(row.final.is_(False), row.ended_ms.is_(None))
    elif query.state == "wrap_up":
        wanted = wanted.where(row.final.is_(False), row.ended_ms.is_not(None))
    elif query.state == "final":
        wanted = wanted.where(row.final.is_(True))
    for column, value in ((row.matter, query.matter), (row.agent, query.agent), (row.caller, query.caller)):
        if value is not None:
            wanted = wanted.where(column == value)
    if query.since_ms is not None:
        wanted = wanted.where(row.arrived_ms >= query.since_ms)
    if query.until_ms is not None:
        wanted = wanted.where(row.arrived_ms < query.until_ms)
    if query.demo is not None:
        wanted = wanted.where(row.demo.is_(query.demo))
    return wanted


def figures(since_ms: int, until_ms: int | None, demo: bool | None) -> Executable:
    """Counts over the contacts that arrived in the span; a message or call-back counts as the call it comes from.

    answered: talked to a person; answered_15s: within 15 s of queueing; abandoned: the caller left in the
    menus or in the queue; mean_wait_ms over the answered, mean_talk_ms over the finished talks.
    """
    row = ContactRow
    answered = row.connected_ms.is_not(None)

    def count(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    wanted = select(
        func.count().label("arrived"),
        count(answered).label("answered"),
        count(and_(answered, row.wait_ms <= ANSWERED_IN_TIME_MS)).label("answered_15s"),
        count(row.end_reason.in_(("abandoned_intake", "abandoned_waiting"))).label("abandoned"),
        count(row.end_reason == "timed_out").label("timed_out"),
        count(row.ended_ms.is_(None)).label("open"),
        func.avg(case((answered, row.wait_ms))).label("mean_wait_ms"),
        func.avg(row.talk_ms).label("mean_talk_ms"),
    ).where(row.arrived_ms >= since_ms, or_(row.medium.is_(None), row.medium.not_in((*TASK_MEDIA, MEETING))))
    if until_ms is not None:
        wanted = wanted.where(row.arrived_ms < until_ms)
    if demo is not None:
        wanted = wanted.where(row.demo.is_(demo))
    return wanted


def figures_of(since_ms: int, row: Any) -> Figures:
    def mean(value: Any) -> int | None:
        return None if value is None else round(value)

    return Figures(
        since_ms=since_ms,
        arrived=int(row.arrived),
        answered=int(row.answered),
        answered_15s=int(row.answered_15s),
        abandoned=int(row.abandoned),
        timed_out=int(row.timed_out),
        open=int(row.open),
        mean_wait_ms=mean(row.mean_wait_ms),
        mean_talk_ms=mean(row.mean_talk_ms),
    )


def tasks(media: Collection[str], agent: str | None, limit: int) -> Select[Any]:
    """Open messages and call-backs, the one due first at first."""
    row = ContactRow
    wanted = select(row.__table__).where(
        row.final.is_(False), row.ended_ms.is_(None), row.medium.in_(sorted(media)), row.due_ms.is_not(None)
    )
    if agent is not None:
        wanted = wanted.where(row.agent == agent)
    return wanted.order_by(row.due_ms, row.arrived_ms, row.id).limit(limit)


def open_by_code(code: str) -> Select[Any]:
    row = ContactRow
    return select(row.__table__).where(
        row.code == code, row.final.is_(False), row.ended_ms.is_(None), row.medium.in_(TASK_MEDIA)
    )


def task_figures(now_ms: int) -> Executable:
    row = ContactRow

    def count(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    tomorrow_ms = begin_of_day_ms(now_ms) + 86_400_000
    return select(
        count(row.medium == "message").label("messages_open"),
        count(row.medium == "callback").label("callbacks_open"),
        count(and_(row.due_ms >= now_ms, row.due_ms < tomorrow_ms)).label("due_today"),
        count(row.due_ms < now_ms).label("overdue"),
    ).where(row.final.is_(False), row.ended_ms.is_(None), row.medium.in_(TASK_MEDIA), row.due_ms.is_not(None))
