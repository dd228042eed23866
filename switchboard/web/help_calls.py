"""Calls for help, for supervisors: what was asked, who sees to it, how it ended."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from switchboard.errors import NotFound
from switchboard.records.help_calls import HelpCall
from switchboard.times import now_ms
from switchboard.web.routes import SUPERVISORS, Call, Routes
from switchboard.web.schemas import Input, Ms, PlainText

routes = Routes()

NUMBER = r"[1-9][0-9]{0,15}"
DAY_MS = 86_400_000


class HelpCallView(BaseModel):
    """``contact``: what the volunteer was in when they called. ``closed_by``: the volunteer where they took it back."""

    id: int
    agent: str
    name: str | None
    team: str | None
    contact: str
    asked_ms: int
    seen_by: str | None
    seen_ms: int | None
    closed_by: str | None
    closed_ms: int | None
    note: str

    @classmethod
    def of(cls, call: HelpCall) -> HelpCallView:
        return cls(**asdict(call))


class HelpCallsView(BaseModel):
    items: list[HelpCallView]


class HelpCallsQuery(Input):
    since_ms: Ms | None = None


class HelpNote(Input):
    note: PlainText = Field("", max_length=2_000)


@routes.add(
    "GET",
    "/api/help-calls",
    roles=SUPERVISORS,
    summary="Calls for help of the last day (or since since_ms), oldest first, at most 500",
    query=HelpCallsQuery,
    answer=HelpCallsView,
)
async def help_calls(call: Call) -> HelpCallsView:
    since_ms = now_ms() - DAY_MS if call.query.since_ms is None else call.query.since_ms
    found = await call.house.records.help_calls.since(since_ms)
    return HelpCallsView(items=[HelpCallView.of(one) for one in found])


@routes.add(
    "POST",
    "/api/help-calls/{number}/seen",
    roles=SUPERVISORS,
    summary="I see to it: the volunteer's desk says so; the first one stays",
    answer=HelpCallView,
    parts={"number": NUMBER},
)
async def seen(call: Call) -> HelpCallView:
    found = await call.house.duty.help_seen(int(call.part("number")), call.account.name)
    if found is None:
        raise NotFound
    return HelpCallView.of(found)


@routes.add(
    "POST",
    "/api/help-calls/{number}/close",
    roles=SUPERVISORS,
    summary="Dealt with; the note is shown on the volunteer's desk. The first note stays",
    body=HelpNote,
    answer=HelpCallView,
    parts={"number": NUMBER},
)
async def close(call: Call) -> HelpCallView:
    found = await call.house.duty.help_closed(
        int(call.part("number")), call.account.name, call.body.note.strip()
    )
    if found is None:
        raise NotFound
    return HelpCallView.of(found)
