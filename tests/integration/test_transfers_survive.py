"""A conversation of several survives a kill of the switchboard: they hear each other all the time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.office import (
    FIRST,
    SECOND,
    Voice,
    Volunteer,
    ended,
    hear_each_other,
    hears_music,
    hears_nothing_of,
    nothing_left,
    talking,
)
from tests.support.switchboard import Switchboard

CALLER = 600
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def switchboard() -> AsyncIterator[Switchboard]:
    """One for the whole file."""
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


@pytest.mark.parametrize("phase", ["on hold", "consulting", "three-way"])
async def test_after_kill_9_the_conversation_is_found_as_it_was(switchboard: Switchboard, phase: str) -> None:
    async with talking(switchboard) as (caller, first, second):
        if phase == "on hold":
            await first.does("hold")
            await hears_music(caller, FIRST)
        else:
            await first.does("ask_colleague", agent="v902", note="请看一下", three_way=phase == "three-way")
            await hear_each_other(first, second)
        await switchboard.kill()
        await hears_what_was(phase, caller, first, second)
        await switchboard.start()
        people = [first, second]
        for one in people:
            await one.desk.disconnect()
            await one.desk.sign_in()
            await one.desk.connect()
        await hears_what_was(phase, caller, first, second)
        if phase == "on hold":
            await first.shows(held=True, stage="talking")
            await first.does("resume")
            await hear_each_other(caller, first)
        elif phase == "consulting":
            await first.shows(held=True, colleague="consulting")
            await second.shows(part="colleague", room="consulting")
            await first.does("complete")
            await first.state("wrap_up")
            await hear_each_other(caller, second)
            assert (await second.shows(part="lead"))["card"]["passed"]["note"] == "请看一下"
        else:
            await first.shows(held=False, colleague="three_way")
            await second.drop_line()
            await first.shows(colleague="left")
            await hear_each_other(caller, first)
        caller.hang_up()
        await caller.ended()
        await ended(switchboard, caller)
        await nothing_left(switchboard)
    record, _ = await ended(switchboard, caller)
    assert record.agent == ("v902" if phase == "consulting" else "v901")


async def hears_what_was(phase: str, caller: Voice, first: Volunteer, second: Volunteer) -> None:
    if phase == "on hold":
        await hears_music(caller, FIRST)
        await hears_nothing_of(first, CALLER)
    elif phase == "consulting":
        await hear_each_other(first, second)
        await hears_music(caller, FIRST, SECOND)
    else:
        await hear_each_other(caller, first, second)
