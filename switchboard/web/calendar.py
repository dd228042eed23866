"""The route by which a page shows a year of working days, as a table of overrides would have it."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

from switchboard.calendar import MOST_BYTES, Calendar, parse_calendar
from switchboard.errors import CalendarInvalid, TextInvalid
from switchboard.times import now_ms
from switchboard.web.routes import ADMINISTRATORS, MOST_BODY_OF_ANY, Call, Routes
from switchboard.web.schemas import Input

routes = Routes()

DayKind = Literal["working", "off", "holiday", "make_up"]


class YearOrder(Input):
    """``text``: a table of overrides, as it could be published; null: the one in force."""

    year: int = Field(ge=2010, le=2100)
    text: str | None = Field(None, max_length=MOST_BYTES)


class Day(BaseModel):
    """``override``: the table says so, not the built-in calendar."""

    kind: DayKind
    override: bool


class Words(BaseModel):
    zh: str
    en: str


class Year(BaseModel):
    """``days`` from 1 January on. ``warning``: the holidays of the near future are not known."""

    year: int
    days: list[Day]
    announced_until: dt.date
    warning: Words | None


@routes.add(
    "POST",
    "/api/calendar/year",
    roles=ADMINISTRATORS,
    summary="Every day of a year: working, off, holiday or make-up working day",
    body=YearOrder,
    answer=Year,
    most_body=MOST_BODY_OF_ANY,
)
async def year(call: Call) -> Year:
    in_force = call.house.calendar
    try:
        text = call.body.text
        calendar = in_force if text is None else Calendar(parse_calendar(text), in_force.time_zone)
    except CalendarInvalid as error:
        raise TextInvalid(problems=tuple(error.problems)) from None
    return await asyncio.to_thread(_year, calendar, call.body.year)


def _year(calendar: Calendar, year: int) -> Year:
    first = dt.date(year, 1, 1)
    days = [first + dt.timedelta(days=n) for n in range((dt.date(year + 1, 1, 1) - first).days)]
    warning = calendar.warning(calendar.local(now_ms()).date())
    return Year(
        year=year,
        days=[Day(kind=_kind(calendar, day), override=calendar.overrides(day)) for day in days],
        announced_until=calendar.announced_until,
        warning=Words(zh=warning[0], en=warning[1]) if warning else None,
    )


def _kind(calendar: Calendar, day: dt.date) -> DayKind:
    if calendar.is_working_day(day):
        return "working" if day.weekday() < 5 else "make_up"
    return "holiday" if calendar.is_holiday(day) else "off"
