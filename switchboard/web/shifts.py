"""The plan of shifts: administrators write it, supervisors read it, volunteers see their own."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from switchboard.errors import (
    InvalidInput,
    NoSuchShift,
    NotFound,
    Overlaps,
    ShiftOverlaps,
    ShiftsInvalid,
    TextInvalid,
    UnknownAgent,
)
from switchboard.records.shifts import LONGEST_MS, NewShift, Shift
from switchboard.shift_lists import Line, read_shifts
from switchboard.times import now_ms
from switchboard.web.own_figures import own_agent
from switchboard.web.routes import ADMINISTRATORS, SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import Input, Ms, PlainText, Slug
from switchboard.web.spreadsheets import csv_text

routes = Routes()

NUMBER = r"[1-9][0-9]{0,15}"
DAY_MS = 86_400_000
OWN_SHOWN = 100
MARK = r"^[0-9]{1,15}~[0-9]{1,16}$"


class ShiftView(BaseModel):
    """``begun_ms``: when the volunteer was first seen on duty in it; ``swap``: open, approved, declined, withdrawn."""

    id: int
    agent: str
    name: str | None
    from_ms: int
    to_ms: int
    matter: str | None
    role: str | None
    note: str
    begun_ms: int | None
    swap: str | None

    @classmethod
    def of(cls, shift: Shift) -> ShiftView:
        return cls(**{name: getattr(shift, name) for name in cls.model_fields})


class ShiftsPage(BaseModel):
    """By their begin. ``next`` goes into ``after`` for the next page."""

    items: list[ShiftView]
    next: str | None


class ShiftsQuery(Input):
    since_ms: Ms | None = Field(None, description="null: from today's midnight")
    until_ms: Ms | None = Field(None, description="null: four weeks later")
    agent: Slug | None = None
    after: str | None = Field(None, pattern=MARK)
    limit: int = Field(200, ge=1, le=500)


class ShiftOrder(Input):
    agent: Slug
    from_ms: Ms
    to_ms: Ms
    matter: Slug | None = None
    role: Slug | None = None
    note: PlainText = Field("", max_length=200)


class ShiftsImported(BaseModel):
    """``imported`` are new; those that were there already with the same times are ``unchanged``."""

    imported: int
    unchanged: int


@routes.add(
    "GET",
    "/api/shifts",
    roles=SUPERVISORS,
    summary="The plan: shifts that touch a span of time",
    query=ShiftsQuery,
    answer=ShiftsPage,
)
async def shifts(call: Call) -> ShiftsPage:
    query, at_ms = call.query, now_ms()
    since_ms = at_ms - at_ms % DAY_MS - 8 * 3_600_000 if query.since_ms is None else query.since_ms
    until_ms = since_ms + 28 * DAY_MS if query.until_ms is None else query.until_ms
    mark = query.after or "-1~0"
    begin, _, ident = mark.partition("~")
    found = await call.house.records.shifts.listed(
        since_ms, until_ms, agent=query.agent, after=(int(begin), int(ident)), limit=query.limit + 1
    )
    items = [ShiftView.of(one) for one in found[: query.limit]]
    more = f"{items[-1].from_ms}~{items[-1].id}" if len(found) > query.limit else None
    return ShiftsPage(items=items, next=more)


@routes.add(
    "POST",
    "/api/shifts",
    roles=ADMINISTRATORS,
    summary="Plan a shift",
    body=ShiftOrder,
    answer=ShiftView,
    status=201,
)
async def add(call: Call) -> ShiftView:
    order = await _checked(call)
    try:
        made = await call.house.records.shifts.add(order, by=call.account.name, at_ms=now_ms())
    except UnknownAgent:
        raise InvalidInput(fields=("agent",)) from None
    except ShiftOverlaps:
        raise Overlaps from None
    await call.house.duty.look_at_plan()
    return ShiftView.of(made)


@routes.add(
    "POST",
    "/api/shifts/{number}",
    roles=ADMINISTRATORS,
    summary="Change a shift",
    body=ShiftOrder,
    answer=ShiftView,
    parts={"number": NUMBER},
)
async def change(call: Call) -> ShiftView:
    order, ident = await _checked(call), int(call.part("number"))
    try:
        made = await call.house.records.shifts.change(ident, order, by=call.account.name, at_ms=now_ms())
    except NoSuchShift:
        raise NotFound from None
    except UnknownAgent:
        raise InvalidInput(fields=("agent",)) from None
    except ShiftOverlaps:
        raise Overlaps from None
    await call.house.duty.look_at_plan()
    return ShiftView.of(made)


@routes.add(
    "DELETE",
    "/api/shifts/{number}",
    roles=ADMINISTRATORS,
    summary="Take a shift out of the plan",
    status=204,
    parts={"number": NUMBER},
)
async def remove(call: Call) -> None:
    try:
        await call.house.records.shifts.remove(int(call.part("number")), by=call.account.name, at_ms=now_ms())
    except NoSuchShift:
        raise NotFound from None
    await call.house.duty.look_at_plan()


@routes.add(
    "POST",
    "/api/shift-imports",
    roles=ADMINISTRATORS,
    summary="Plan many shifts: CSV of volunteer,date,from,to,matter,role,note; all of them or none",
    answer=ShiftsImported,
    status=201,
)
async def import_shifts(call: Call) -> ShiftsImported:
    text, people = await csv_text(call), await call.house.records.agents()
    known = {
        "agents": {agent.id for agent in people},
        "roles": {agent.role for agent in people},
        "matters": {matter["id"] for matter in call.house.matters()},
    }
    try:
        lines = await asyncio.to_thread(read_shifts, text.splitlines(), **known)
    except ShiftsInvalid as error:
        raise TextInvalid(problems=tuple(error.problems)) from None
    store = call.house.records.shifts
    imported, overlapping = await store.add_all(
        [shift for _, shift in lines], by=call.account.name, at_ms=now_ms()
    )
    if overlapping:
        raise TextInvalid(problems=tuple(_overlap(lines[place]) for place in overlapping[:50]))
    await call.house.duty.look_at_plan()
    return ShiftsImported(imported=imported, unchanged=len(lines) - imported)


def _overlap(line: Line) -> str:
    number, shift = line
    return f"{number}: {shift.agent} 在这段时间已有班次 / {shift.agent} has another shift at that time"


async def _checked(call: Call) -> NewShift:
    body = call.body
    wrong = () if 0 < body.to_ms - body.from_ms <= LONGEST_MS else ("to_ms",)
    wrong += () if body.matter is None or body.matter in _ids(call.house.matters()) else ("matter",)
    if body.role is not None and body.role not in {agent.role for agent in await call.house.records.agents()}:
        wrong += ("role",)
    if wrong:
        raise InvalidInput(fields=wrong)
    return NewShift(body.agent, body.from_ms, body.to_ms, body.matter, body.role, body.note.strip())


def _ids(things: list[dict[str, str]]) -> set[str]:
    return {thing["id"] for thing in things}


class OwnShifts(BaseModel):
    """Those of the last week, and those that come."""

    items: list[ShiftView]


@routes.add(
    "GET", "/api/own-shifts", roles=VOLUNTEERS, summary="The volunteer's own shifts", answer=OwnShifts
)
async def own_shifts(call: Call) -> OwnShifts:
    at_ms = now_ms()
    found = await call.house.records.shifts.listed(
        at_ms - 7 * DAY_MS, at_ms + 60 * DAY_MS, agent=own_agent(call), limit=OWN_SHOWN
    )
    return OwnShifts(items=[ShiftView.of(one) for one in found])
