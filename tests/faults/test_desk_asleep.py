"""A page that sleeps: frozen by the browser, stopped with its computer, or with a clock an hour wrong."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from switchboard.pages.build import build
from tests.support.browser import PATIENCE_S, at, ready, sign_in
from tests.support.chromium import chromium, processes, tell
from tests.support.desk_calls import calling, is_voice, talk, until_shown, wrap_up
from tests.support.switchboard import Board, Switchboard

_SECONDS = re.compile(r"^0:[0-5]\d$")
_COUNTDOWN = re.compile(r"剩余 ([1-9]|1[0-5]) 秒")
CLOCK = """
    const Right = Date, wrong = %d
    window.Date = class extends Right {
      constructor(...given) { given.length ? super(...given) : super(Right.now() + wrong) }
      static now() { return Right.now() + wrong }
    }
"""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    build()
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "120000"}) as running:
        yield running


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with chromium(tmp_path) as started:
        yield started


@asynccontextmanager
async def frozen(desk: Page) -> AsyncIterator[None]:
    """As a browser freezes a tab in the background: no script runs, the connections stay. (A tab in front cannot be
    frozen, and without a screen every tab is in front; the debugger can hold one.)"""
    session = await desk.context.new_cdp_session(desk)
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    try:
        yield
    finally:
        await session.send("Debugger.resume")
        await session.detach()


@asynccontextmanager
async def stopped(browser: Browser) -> AsyncIterator[None]:
    """As a laptop that is shut: the page's process stands still, and knows nothing of it afterwards."""
    pids = await processes(browser, "renderer")
    tell(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        tell(pids, signal.SIGCONT)


def agent(board: Board) -> dict[str, Any]:
    return board.items["agent/v901"]


async def nobody_there(board: Board) -> None:
    await board.until(lambda one: agent(one)["away"], PATIENCE_S, "nobody at the desk")


async def test_a_frozen_page_is_offered_nobody_and_is_what_it_was_when_it_wakes(
    switchboard: Switchboard, browser: Browser
) -> None:
    desk = await sign_in(browser, switchboard, "v901", "/desk")
    await ready(desk)
    async with switchboard.board() as board:
        async with frozen(desk):
            await nobody_there(board)
            await board.until(lambda one: agent(one)["reason"] == "desk_gone", PATIENCE_S, "offered nobody")
            async with calling(switchboard, "13800320001") as caller:
                [waiting] = await board.wait_stage("waiting", 1, PATIENCE_S)
                assert agent(board)["state"] == "paused"
                assert waiting["agent"] is None
                caller.hang_up()
                await caller.ended(PATIENCE_S)
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")
        await expect(at(desk, "interrupted")).to_be_hidden()


async def test_a_volunteer_in_a_break_is_still_in_a_break_after_a_sleep(
    switchboard: Switchboard, browser: Browser
) -> None:
    desk = await sign_in(browser, switchboard, "v901", "/desk")
    await ready(desk)
    await at(desk, "pause").click()
    await at(desk, "pause-meal").click()
    await expect(at(desk, "state")).to_contain_text("用餐")
    async with switchboard.board() as board:
        async with stopped(browser):
            await nobody_there(board)
        await board.until(lambda one: not agent(one)["away"], PATIENCE_S, "somebody at the desk")
        assert (agent(board)["state"], agent(board)["reason"]) == ("paused", "meal")
    await desk.reload()
    await expect(at(desk, "state")).to_contain_text("用餐")


async def test_a_talk_waits_with_music_for_a_laptop_that_was_shut(
    switchboard: Switchboard, browser: Browser
) -> None:
    desk = await sign_in(browser, switchboard, "v901", "/desk")
    await ready(desk)
    async with switchboard.board() as board, calling(switchboard, "13800320002") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        contact = await desk.evaluate("window.__desk.contact")
        async with stopped(browser):
            await nobody_there(board)

            def music() -> bool:
                last = [packet.payload for packet in list(caller.rtp.packets)[-25:]]
                return not any(is_voice(one) for one in last)

            await caller.rtp.wait_for(music, PATIENCE_S, "music")
        await until_shown(desk, lambda page: page.talking and page.contact == contact, "the same talk")
        await talk(desk, caller)
        caller.hang_up()
        await wrap_up(desk)
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    assert (record.reservations, record.agent, record.ended_by) == (1, "v901", "caller")


@pytest.mark.parametrize("wrong_ms", [3_600_000, -3_600_000], ids=["an hour fast", "an hour slow"])
async def test_a_wrong_clock_changes_nothing_on_the_page(
    switchboard: Switchboard, browser: Browser, wrong_ms: int
) -> None:
    desk = await sign_in(browser, switchboard, "v901", "/desk", before=CLOCK % wrong_ms)
    assert abs(await desk.evaluate("Date.now() - performance.timeOrigin - performance.now()")) > 3_000_000
    await ready(desk)
    await expect(at(desk, "in-state")).to_have_text(_SECONDS)
    async with calling(switchboard, "13800320003") as caller:
        await expect(at(desk, "countdown")).to_contain_text(_COUNTDOWN)
        await expect(at(desk, "waited")).to_have_text(_SECONDS)
        await asyncio.gather(at(desk, "accept").click(), caller.rtp.wait_first(PATIENCE_S))
        await talk(desk, caller)
        await expect(at(desk, "timer")).to_have_text(_SECONDS)
        caller.hang_up()
        await expect(at(desk, "wrap-up")).to_contain_text("整理剩余")
        await wrap_up(desk)
