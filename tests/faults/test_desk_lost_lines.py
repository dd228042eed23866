"""The desk's socket and the telephone's line, cut and stalled in mid-call: the talk goes on, and the page is true again
by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from switchboard.pages.build import build
from tests.support.browser import PATIENCE_S, at, ready, sign_in
from tests.support.chromium import VOICE_HZ, chromium
from tests.support.desk_calls import calling, hang_up, talk, until_shown, voice_gap_ms, wrap_up
from tests.support.phones import Caller
from tests.support.relay import Relay
from tests.support.switchboard import Switchboard, eventually

DESK, SIP = "/ws/desk", "/ws/sip"


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    build()
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "120000"}) as running:
        yield running


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with chromium(tmp_path) as started:
        yield started


@pytest.fixture
async def relay(switchboard: Switchboard) -> AsyncIterator[Relay]:
    async with Relay(switchboard.http_port) as running:
        yield running


@pytest.fixture
async def desk(browser: Browser, switchboard: Switchboard, relay: Relay) -> Page:
    page = await sign_in(browser, switchboard, "v901", "/desk", port=relay.port)
    await ready(page)
    return page


async def end(desk: Page, caller: Caller) -> None:
    await hang_up(desk, caller)
    caller.hang_up()
    await caller.ended(PATIENCE_S)
    await wrap_up(desk)


async def test_a_talk_goes_on_while_the_desk_socket_is_cut_and_while_it_stalls(
    switchboard: Switchboard, relay: Relay, desk: Page
) -> None:
    async with calling(switchboard, "13800300001") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        before = await desk.evaluate("[window.__desk.contact, window.__desk.answered]")

        relay.cut(DESK, refuse=True)
        await expect(at(desk, "interrupted")).to_contain_text("正在自动重连")
        await caller.rtp.wait_tone(VOICE_HZ, 1.0, PATIENCE_S)
        relay.free()
        await expect(at(desk, "interrupted")).to_be_hidden()

        relay.stall(DESK)
        await expect(at(desk, "interrupted")).to_be_visible()
        relay.free()  # the older connection is dead for both sides: a new one takes its place
        await expect(at(desk, "interrupted")).to_be_hidden()

        assert await desk.evaluate("[window.__desk.contact, window.__desk.answered]") == before
        await talk(desk, caller)
        await end(desk, caller)
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    assert (record.end_reason, record.ended_by, record.reservations) == ("completed", "agent", 1)


async def test_a_desk_behind_a_stalled_line_is_offered_nobody(
    switchboard: Switchboard, relay: Relay, desk: Page
) -> None:
    async with switchboard.board() as board:
        relay.stall(DESK)
        await board.until(
            lambda one: one.items["agent/v901"]["reason"] == "desk_gone", PATIENCE_S, "nobody there"
        )
        relay.free()
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")
        await board.until(lambda one: not one.items["agent/v901"]["away"], PATIENCE_S, "somebody there")


async def test_a_talk_goes_on_while_the_telephone_line_is_lost_and_the_page_says_so(
    switchboard: Switchboard, relay: Relay, desk: Page
) -> None:
    async with calling(switchboard, "13800300002") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        relay.cut(SIP, refuse=True)
        await expect(at(desk, "trouble-line")).to_contain_text("正在自动重连")
        await caller.rtp.wait_tone(VOICE_HZ, 1.0, PATIENCE_S)
        await talk(desk, caller)
        relay.free()
        await expect(at(desk, "trouble-line")).to_be_hidden()
        await end(desk, caller)
    async with calling(switchboard, "13800300003") as caller:  # and the next call rings as ever
        await at(desk, "accept").click()
        await talk(desk, caller)
        await end(desk, caller)


async def test_a_caller_who_hangs_up_while_the_line_is_lost_leaves_no_call_behind(
    switchboard: Switchboard, relay: Relay, desk: Page
) -> None:
    async with calling(switchboard, "13800300004") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        relay.cut(SIP, refuse=True)
        caller.hang_up()
        await wrap_up(desk)
    await eventually(lambda: _no_session(desk), PATIENCE_S, "no session of the softphone")
    relay.free()
    await expect(at(desk, "light-line")).to_contain_text("已注册")
    async with calling(switchboard, "13800300005") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        await end(desk, caller)


async def test_a_second_tab_takes_the_talk_over(switchboard: Switchboard, desk: Page) -> None:
    async with calling(switchboard, "13800300006") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        contact = await desk.evaluate("window.__desk.contact")
        second = await desk.context.new_page()
        await second.goto("/desk")
        await expect(at(second, "refused")).to_have_attribute("data-code", "second_tab")
        await asyncio.gather(talk(desk, caller), expect(at(desk, "call")).to_be_visible())
        await at(second, "take-over").click()
        await until_shown(second, lambda page: page.talking and page.contact == contact, "the same talk")
        await expect(at(desk, "refused")).to_have_attribute("data-code", "taken_over")
        await talk(second, caller)
        assert voice_gap_ms(caller.rtp, 0) > 0
        await end(second, caller)


async def _no_session(desk: Page) -> bool:
    return await desk.evaluate("window.__desk.session") == "none"
