"""Two people who do something at the same moment: the desk is right again by itself, and says what happened."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import PATIENCE_S, at, ready, sign_in
from tests.support.desk_calls import calling, save_record
from tests.support.relay import Relay
from tests.support.switchboard import Switchboard, eventually

SEED = 12348


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


async def test_a_caller_who_hangs_up_while_being_accepted_leaves_the_desk_free(
    switchboard: Switchboard, chromium: Browser
) -> None:
    chance = random.Random(SEED)
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(desk)
    for n in range(3):
        async with calling(switchboard, f"1380033{n:04d}") as caller:
            await expect(at(desk, "incoming")).to_be_visible()
            await at(desk, "accept").dispatch_event("click")
            await asyncio.sleep(chance.uniform(0, 0.2))
            caller.hang_up()
            await caller.ended(PATIENCE_S)
        rest = at(desk, "resting").or_(at(desk, "wrap-up"))
        await expect(rest.first).to_be_visible()
        if await at(desk, "wrap-up").is_visible():  # they had been connected already
            await save_record(desk)
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")
        assert (await switchboard.snapshot()).reservations == ()


async def test_accepting_too_late_is_said_and_one_click_brings_the_volunteer_back(
    switchboard: Switchboard, chromium: Browser
) -> None:
    """The card ran out while the page heard nothing of it; the click comes before the news."""
    async with Relay(switchboard.http_port) as relay:
        desk = await sign_in(chromium, switchboard, "v901", "/desk", port=relay.port)
        await ready(desk)
        async with calling(switchboard, "13800330009"):
            await expect(at(desk, "incoming")).to_be_visible()
            relay.stall("/ws/desk")

            async def over() -> bool:
                return (await switchboard.snapshot()).reservations == ()

            await eventually(over, PATIENCE_S, "the reservation is over")
            await at(desk, "accept").dispatch_event("click")
            relay.free()
            await expect(at(desk, "notice")).to_contain_text("时间已过")
            await expect(
                at(desk, "incoming")
            ).to_be_visible()  # the caller waited, and somebody is there again
            await at(desk, "accept").click()
            await expect(at(desk, "call")).to_be_visible()
