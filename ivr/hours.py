"""Opening hours: when a person answers for a matter, and when next.

Pure: a rule list, a local time and somebody who knows the working days (``WorkingDays``) give an answer. Hours are
wall-clock times of the hotline's own time zone; a day has any number of spans, none of which crosses midnight.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Literal[
    "every_day", "working_days", "days_off", "holidays", "mon", "tue", "wed", "thu", "fri", "sat", "sun"
]
"""``working_days``: ordinary weekdays and make-up working days; ``days_off``: all others; ``holidays``: the days that
the State Council's notice gives off, weekends within them included."""

MOST_DAYS_AHEAD = 400
_DAY_MINUTES = 24 * 60
_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class WorkingDays(Protocol):
    """Who knows the calendar."""

    def is_working_day(self, date: dt.date, /) -> bool: ...

    def is_holiday(self, date: dt.date, /) -> bool: ...


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From ``begin`` up to, not including, ``end``: minutes since midnight, 0 to 1440."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.begin // 60:02}:{self.begin % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


def _read_span(text: object) -> object:
    """``"09:00-12:00"``, also up to ``"24:00"``. Raises ValueError in words."""
    if not isinstance(text, str):
        return text
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text[:20]}" is no span: write "09:00-12:00"')
    begin, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    if end > _DAY_MINUTES or begin >= end:
        raise ValueError(
            f'"{text}" does not end later on the same day: write two spans, one for each day, ending at 24:00'
        )
    return Span(begin, end)


def _in_order(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    ordered = sorted(spans)
    for first, second in pairwise(ordered):
        if second.begin < first.end:
            raise ValueError(f"{first} and {second} overlap")
    return tuple(ordered)


class HoursRule(BaseModel):
    """On these ``days`` a person answers in the spans of ``open`` (none: closed), for ``matters`` (none named: all)."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    days: Annotated[tuple[Days, ...], Field(min_length=1)]
    open: Annotated[
        tuple[Annotated[Span, BeforeValidator(_read_span)], ...],
        Field(max_length=12),
        AfterValidator(_in_order),
    ]
    matters: tuple[str, ...] = ()

    def covers(self, date: dt.date, calendar: WorkingDays) -> bool:
        return any(_is_such_a_day(days, date, calendar) for days in self.days)


Hours = Sequence[HoursRule]
"""The rules of a hotline. For each day the first rule that covers it decides; a matter that has rules of its own looks
at those first. No rules at all: a person answers day and night. Rules, but none that covers the day: closed."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a person answers now, and if not, the next moment at which one does (None: not within a year)."""

    open: bool
    next: dt.datetime | None = None


def opening(hours: Hours, matter: str, now: dt.datetime, calendar: WorkingDays) -> Opening:
    """``now`` is a time of the hotline's own zone (with or without tzinfo, which ``next`` then has too)."""
    if not hours:
        return Opening(True)
    minute = now.hour * 60 + now.minute
    if any(span.begin <= minute < span.end for span in spans_of(hours, matter, now.date(), calendar)):
        return Opening(True)
    return Opening(False, next(_openings(hours, matter, now, calendar), None))


def spans_of(hours: Hours, matter: str, date: dt.date, calendar: WorkingDays) -> tuple[Span, ...]:
    """When a person answers for this matter on this day; empty: not at all."""
    if not hours:
        return (Span(0, _DAY_MINUTES),)
    own = [rule for rule in hours if matter in rule.matters]
    general = [rule for rule in hours if not rule.matters]
    return next((rule.open for rule in [*own, *general] if rule.covers(date, calendar)), ())


def _openings(hours: Hours, matter: str, now: dt.datetime, calendar: WorkingDays) -> Iterator[dt.datetime]:
    for ahead in range(MOST_DAYS_AHEAD):
        date = now.date() + dt.timedelta(days=ahead)
        for span in spans_of(hours, matter, date, calendar):
            begin = dt.datetime.combine(
                date, dt.time(span.begin // 60 % 24, span.begin % 60), tzinfo=now.tzinfo
            )
            if begin > now:
                yield begin


def _is_such_a_day(days: Days, date: dt.date, calendar: WorkingDays) -> bool:
    match days:
        case "every_day":
            return True
        case "working_days":
            return calendar.is_working_day(date)
        case "days_off":
            return not calendar.is_working_day(date)
        case "holidays":
            return calendar.is_holiday(date)
        case _:
            return WEEKDAYS[date.weekday()] == days
