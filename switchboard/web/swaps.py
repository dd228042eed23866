"""A volunteer asks to be relieved of a shift; a supervisor decides who takes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, Field

from switchboard.errors import (
    Decided,
    InvalidInput,
    NoSuchShift,
    NotFound,
    Overlaps,
    ShiftOverlaps,
    SwapDecided,
    UnknownAgent,
)
from switchboard.records.shifts import Swap
from switchboard.times import now_ms
from switchboard.web.own_figures import own_agent
from switchboard.web.routes import SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import Input, PlainText, Slug

routes = Routes()

NUMBER = r"[1-9][0-9]{0,15}"
SHOWN_MS = 14 * 86_400_000


class SwapView(BaseModel):
    """``state``: open, approved, declined, withdrawn. Approved without ``to_agent``: nobody takes the shift."""

    id: int
    shift: int
    agent: str
    name: str | None
    from_ms: int
    to_ms: int
    text: str
    asked_ms: int
    state: str
    decided_by: str | None
    decided_ms: int | None
    to_agent: str | None
    to_name: str | None
    note: str

    @classmethod
    def of(cls, swap: Swap) -> SwapView:
        return cls(**asdict(swap))

    def for_volunteer(self) -> SwapView:
        """Without who takes it: a volunteer sees nothing about other people here."""
        return self.model_copy(update={"to_agent": None, "to_name": None})


class SwapsView(BaseModel):
    items: list[SwapView]


class SwapWish(Input):
    text: PlainText = Field(min_length=1, max_length=1_000)


class SwapDecision(Input):
    outcome: Literal["approved", "declined"]
    to: Slug | None = None
    note: PlainText = Field("", max_length=1_000)


@routes.add(
    "GET",
    "/api/own-swaps",
    roles=VOLUNTEERS,
    summary="The volunteer's own requests of the last two weeks, the open ones first",
    answer=SwapsView,
)
async def own_swaps(call: Call) -> SwapsView:
    found = await call.house.records.shifts.swaps(since_ms=now_ms() - SHOWN_MS, agent=own_agent(call))
    return SwapsView(items=[SwapView.of(one).for_volunteer() for one in found])


@routes.add(
    "POST",
    "/api/own-shifts/{number}/swap",
    roles=VOLUNTEERS,
    summary="Ask to be relieved of a shift of one's own",
    body=SwapWish,
    answer=SwapView,
    status=201,
    parts={"number": NUMBER},
)
async def ask(call: Call) -> SwapView:
    text = call.body.text.strip()
    if not text:
        raise InvalidInput(fields=("text",))
    try:
        made = await call.house.records.shifts.ask_swap(
            int(call.part("number")), own_agent(call), text, now_ms()
        )
    except NoSuchShift:
        raise NotFound from None
    await call.house.duty.look_at_plan()
    return SwapView.of(made).for_volunteer()


@routes.add(
    "DELETE",
    "/api/own-shifts/{number}/swap",
    roles=VOLUNTEERS,
    summary="Come to the shift after all",
    status=204,
    parts={"number": NUMBER},
)
async def withdraw(call: Call) -> None:
    if not await call.house.records.shifts.withdraw_swap(int(call.part("number")), own_agent(call), now_ms()):
        raise NotFound
    await call.house.duty.look_at_plan()


@routes.add(
    "GET",
    "/api/shift-swaps",
    roles=SUPERVISORS,
    summary="Requests to be relieved of a shift: the open ones, and those of the last two weeks",
    answer=SwapsView,
)
async def swaps(call: Call) -> SwapsView:
    found = await call.house.records.shifts.swaps(since_ms=now_ms() - SHOWN_MS)
    return SwapsView(items=[SwapView.of(one) for one in found])


@routes.add(
    "POST",
    "/api/shift-swaps/{number}",
    roles=SUPERVISORS,
    summary="Approve (the shift goes to `to`, or out of the plan) or decline",
    body=SwapDecision,
    answer=SwapView,
    parts={"number": NUMBER},
)
async def decide(call: Call) -> SwapView:
    body = call.body
    try:
        swap = await call.house.records.shifts.decide_swap(
            int(call.part("number")),
            body.outcome,
            to=body.to,
            note=body.note.strip(),
            by=call.account.name,
            at_ms=now_ms(),
        )
    except NoSuchShift:
        raise NotFound from None
    except SwapDecided:
        raise Decided from None
    except UnknownAgent:
        raise InvalidInput(fields=("to",)) from None
    except ShiftOverlaps:
        raise Overlaps from None
    await call.house.duty.swap_decided(swap.agent, swap.shift, swap.state)
    return SwapView.of(swap)
