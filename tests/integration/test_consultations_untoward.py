"""A consultation when something else happens: Redis is killed, a hotline is wanted, the caller was called back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.agents import DeskRefused
from tests.support.callees import Callee
from tests.support.office import (
    FIRST,
    PATIENCE_S,
    SECOND,
    TAKES,
    Volunteer,
    ended,
    hear_each_other,
    hears,
    hears_music,
    nothing_left,
    talking,
    together,
)
from tests.support.phones import Caller
from tests.support.promises import PROMISES, book, callback_of
from tests.support.prompts import PRESS_ONE
from tests.support.switchboard import Switchboard, eventually

HOTLINE = 1200
HOME = 800
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def outside() -> AsyncIterator[Callee]:
    """Every telephone behind the trunk: another hotline, and callers at home."""
    async with Callee() as callee:
        yield callee


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def switchboard(outside: Callee) -> AsyncIterator[Switchboard]:
    """One for the whole file."""
    env = PROMISES | {"WRAP_UP_MS": "60000", "TRUNKS": outside.trunks}
    async with Switchboard(volunteers=2, env=env) as running:
        yield running


async def test_a_hotline_and_a_colleague_are_never_in_the_same_talk(
    switchboard: Switchboard, outside: Callee
) -> None:
    async with talking(switchboard) as (caller, first, second):
        await first.does("ask_colleague", agent="v902", note="", three_way=True)
        await hear_each_other(caller, first, second)
        with pytest.raises(DeskRefused, match="colleague_here"):
            await first.does("hand_over", to="12345", three_way=True)
        await hear_each_other(caller, first, second)
        await first.does("give_up")
        await first.shows(colleague="withdrawn")
        await second.state("available")

        before = outside.rings()
        await first.does("hand_over", to="12345", three_way=True)
        talk = await outside.answered(PATIENCE_S, nth=before + 1)
        outside.rtp.play_tone(HOTLINE)
        await asyncio.gather(hears(caller, HOTLINE), hears(first, HOTLINE))
        for order in ("ask_colleague", "transfer"):
            with pytest.raises(DeskRefused, match="third_party_here"):
                await first.does(order, agent="v902")
        outside.hang_up(talk.call_id)
        await first.desk.until(
            lambda d: d.contact and (d.contact["hand_over"] or {}).get("state") == "left", PATIENCE_S, "left"
        )
        await hear_each_other(caller, first)
        caller.hang_up()
        await caller.ended()
    record, _ = await ended(switchboard, caller)
    assert (record.agent, record.transferred_to) == ("v901", "12345")


async def test_redis_killed_during_a_consultation_changes_nothing_that_anybody_hears(
    switchboard: Switchboard,
) -> None:
    async with talking(switchboard) as (caller, first, second):
        await first.does("ask_colleague", agent="v902", note="请看一下")
        await hear_each_other(first, second)
        for pid in switchboard.pids()["redis"]:
            os.kill(pid, signal.SIGKILL)
        await hear_each_other(first, second)
        await hears_music(caller, FIRST, SECOND)

        async def both_known() -> bool:
            """Rebuilt: the seats of both are in contact again."""
            try:
                seats = (await switchboard.snapshot()).seats
            except Exception:
                return False
            busy = {seat.id for seat in seats if seat.state == "in_contact"}
            return {"v901/live", "v902/live"} <= busy

        await eventually(both_known, PATIENCE_S, "both seats in contact")
        await first.does("complete")
        await first.state("wrap_up")
        await hear_each_other(caller, second)
        caller.hang_up()
        await caller.ended()
        await second.state("wrap_up")
        await nothing_left(switchboard)
    record, talks = await ended(switchboard, caller)
    assert together(talks)[-1] == ("caller", "v902")
    assert (record.agent, record.reservations) == ("v902", 1)


async def test_a_caller_who_was_called_back_is_handed_to_a_colleague(
    switchboard: Switchboard, outside: Callee
) -> None:
    async with Volunteer(switchboard, "v901", FIRST) as first:
        await first.desk.command("pause", reason="meal")
        await first.state("paused")
        async with Caller(switchboard.sip_port, "13800138600") as caller:
            await book(caller)
            await caller.ended(30)
        before = outside.rings()
        await first.desk.ready()
        talk = await outside.answered(PATIENCE_S, nth=before + 1)
        await outside.rtp.hear(PRESS_ONE, PATIENCE_S)
        await outside.rtp.press("1")
        await first.shows(stage="talking")
        outside.rtp.play_tone(HOME)
        await asyncio.gather(hears(first, HOME), hears(outside, FIRST))
        async with Volunteer(switchboard, "v902", SECOND, manner=TAKES) as second:
            with pytest.raises(DeskRefused, match="not_for_messages"):
                await first.does("transfer", agent="v902")
            await first.does("ask_colleague", agent="v902", note="")
            await hear_each_other(first, second)
            await hears_music(outside, FIRST, SECOND)
            await first.does("complete")
            await first.state("wrap_up")
            await asyncio.gather(hears(second, HOME), hears(outside, SECOND))
            outside.hang_up(talk.call_id)
            await second.state("wrap_up")
        await nothing_left(switchboard)
    booked = await callback_of(switchboard)
    record, _ = await switchboard.contact(booked.id)
    assert (record.agent, record.end_reason, record.attempts) == ("v902", "completed", 1)
