"""Two volunteers at two browsers: hold, consult, join, hand over, transfer, by page and by ear."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from switchboard.records.fold import talks_of
from tests.pages.conftest import SECOND_HZ, VOICE_HZ
from tests.support.browser import PATIENCE_S, active, at, hears, hears_not, ready, sign_in
from tests.support.phones import Caller
from tests.support.prompts import MENU
from tests.support.switchboard import Switchboard, eventually

CALLER_HZ = 600
PICTURES = os.environ.get("DESK_PICTURES")
"""A folder for pictures of what the volunteers see; none are taken without it."""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


@asynccontextmanager
async def talking(
    switchboard: Switchboard, chromium: Browser, second_chromium: Browser, number: str
) -> AsyncIterator[tuple[Caller, Page, Page]]:
    """A caller in a talk with the first volunteer; the second is ready at another browser."""
    first = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(first)
    async with Caller(switchboard.sip_port, number) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.wait_tone(MENU, 0.1, PATIENCE_S)
        await caller.rtp.press("2")
        await at(first, "accept").click()
        await eventually(lambda: active(first), PATIENCE_S, "the first softphone has answered")
        caller.rtp.play_tone(CALLER_HZ)
        await hears(first, CALLER_HZ)
        second = await sign_in(second_chromium, switchboard, "v902", "/desk")
        await ready(second)
        yield caller, first, second


async def picture(desk: Page, name: str) -> None:
    if PICTURES:
        for width, height in ((1366, 768), (1920, 1080)):
            await desk.set_viewport_size({"width": width, "height": height})
            await desk.screenshot(path=str(Path(PICTURES) / f"{name}-{width}.png"), full_page=True)


async def test_a_colleague_is_found_consulted_joined_and_given_the_caller_by_keys(
    switchboard: Switchboard, chromium: Browser, second_chromium: Browser
) -> None:
    async with talking(switchboard, chromium, second_chromium, "13800138500") as (caller, first, second):
        await first.keyboard.press("F8")
        await expect(at(first, "call-title")).to_contain_text("来电者等待中")
        await hears_not(first, CALLER_HZ)
        await caller.rtp.wait_no_tone(VOICE_HZ, 0.5, PATIENCE_S)
        await first.keyboard.press("F8")
        await hears(first, CALLER_HZ)

        await first.keyboard.press("F6")
        await expect(at(first, "directory-search")).to_be_focused()
        await first.keyboard.type("v902")
        await expect(at(first, "row-v902")).to_have_attribute("data-free", "true")
        await picture(first, "directory")
        await first.keyboard.press("Tab")
        await first.keyboard.type("婚前财产的问题")
        await at(first, "consult-v902").press("Enter")
        await expect(at(second, "incoming")).to_have_attribute("data-medium", "consult")
        await expect(at(second, "asked-by")).to_contain_text("婚前财产的问题")
        await picture(second, "consult-incoming")
        await second.keyboard.press("F2")
        await expect(at(first, "colleague")).to_have_attribute("data-state", "consulting")
        await hears(first, SECOND_HZ)
        await hears(second, VOICE_HZ)
        await hears_not(second, CALLER_HZ)
        await caller.rtp.wait_no_tone(VOICE_HZ, 0.5, PATIENCE_S)
        await picture(first, "consulting")
        await picture(second, "consulted")

        await at(first, "call-title").click()
        await first.keyboard.press("F8")  # back to the caller; the colleague hears music
        await expect(at(first, "colleague")).to_have_attribute("data-state", "parked")
        await hears(first, CALLER_HZ)
        await hears_not(second, VOICE_HZ)
        await first.keyboard.press("F3")  # all three
        await expect(at(first, "colleague")).to_have_attribute("data-state", "three_way")
        await hears(second, CALLER_HZ)
        await hears(second, VOICE_HZ)
        await hears(first, SECOND_HZ)
        await first.keyboard.press("F6")  # the colleague has the caller
        await expect(at(first, "wrap-up")).to_be_visible()
        await expect(at(first, "passed-to")).to_contain_text("v902")
        await expect(at(second, "passed-by")).to_contain_text("婚前财产的问题")
        await picture(first, "passed-on")
        await picture(second, "taken-over")
        await caller.rtp.wait_tone(SECOND_HZ, 0.2, PATIENCE_S)
        await hears(second, CALLER_HZ)
        caller.hang_up()
        await expect(at(second, "wrap-up")).to_be_visible()
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    record, events = await switchboard.contact(record.id)
    assert record.agent == "v902"
    assert [talk.who for talk in talks_of(events)] == [
        ("caller", "v901"),
        ("caller", "v901"),
        ("v901", "v902"),
        ("caller", "v901"),
        ("caller", "v901", "v902"),
        ("caller", "v902"),
    ]


async def test_a_blind_transfer_is_refused_while_nobody_is_free_and_then_done(
    switchboard: Switchboard, chromium: Browser, second_chromium: Browser
) -> None:
    async with talking(switchboard, chromium, second_chromium, "13800138501") as (caller, first, second):
        await second.keyboard.press("F10")
        await expect(at(second, "state")).to_have_attribute("data-state", "paused")
        await at(first, "hand-over-toggle").click()
        await expect(at(first, "row-v902")).to_have_attribute("data-free", "false")  # it follows by itself
        await at(first, "transfer-v902").click()
        await expect(at(first, "transfer-refused")).to_have_attribute("data-code", "colleague_busy")
        await picture(first, "nobody-free")
        await hears(first, CALLER_HZ)
        await second.keyboard.press("F10")
        await expect(at(first, "row-v902")).to_have_attribute("data-free", "true")
        await at(first, "transfer-v902").click()
        await expect(at(first, "wrap-up")).to_be_visible()
        await at(second, "accept").click()
        await eventually(lambda: active(second), PATIENCE_S, "the second softphone has answered")
        await hears(second, CALLER_HZ)
        await caller.rtp.wait_tone(SECOND_HZ, 0.2, PATIENCE_S)
        caller.hang_up()
        await expect(at(second, "wrap-up")).to_be_visible()
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    assert (record.agent, record.reservations) == ("v902", 2)
