"""A telephone calls, a volunteer answers in the browser, a supervisor watches: everything real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from switchboard.records.fold import ContactRecord
from tests.pages.conftest import VOICE_HZ
from tests.support.browser import PATIENCE_S, active, at, hears, ready, sign_in
from tests.support.phones import Caller
from tests.support.prompts import FAREWELL, MENU, SURVEY
from tests.support.switchboard import SUPERVISOR, Switchboard, eventually

CALLER_HZ = 600


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


async def only_record(switchboard: Switchboard) -> ContactRecord:
    records = await switchboard.wait_ended(1, PATIENCE_S)
    assert len(records) == 1
    return records[0]


async def test_a_caller_reaches_a_volunteer_in_the_browser_and_the_board_shows_it(
    switchboard: Switchboard, chromium: Browser
) -> None:
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await expect(at(board, "board")).to_have_attribute("data-live", "true")
    started = time.time_ns() // 1_000_000
    async with Caller(switchboard.sip_port, "13800138000") as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.hear(MENU, PATIENCE_S)
        await caller.rtp.press("2")
        await expect(at(board, "stage-waiting")).to_contain_text("138 **** 8000")

        await at(desk, "set-up-ready").click()
        await expect(at(desk, "incoming")).to_be_visible()
        await expect(at(desk, "matter")).to_contain_text("劳动")
        await at(desk, "accept").click()
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone has answered")
        caller.rtp.play_tone(CALLER_HZ)
        await asyncio.gather(hears(desk, CALLER_HZ), caller.rtp.wait_tone(VOICE_HZ, 0.2, PATIENCE_S))
        await expect(at(board, "stage-talking")).to_contain_text("138 **** 8000")

        await at(desk, "hang-up").click()
        await caller.rtp.hear(SURVEY, PATIENCE_S)
        caller.rtp.play_silence()
        await caller.rtp.press("111#")
        await caller.rtp.hear(FAREWELL, PATIENCE_S)
        assert await caller.ended() == "remote"
        record = await only_record(switchboard)
        await expect(at(board, f"finished-{record.id}")).to_be_visible()

    await at(desk, "disposition-advised").click()
    await at(desk, "ticket-advice").fill("欠薪三个月，建议申请劳动仲裁。")
    await at(desk, "save-ready").click()
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    record = await only_record(switchboard)
    assert (record.matter, record.language) == ("labour", "zh")
    assert (record.end_reason, record.ended_by, record.agent) == ("completed", "agent", "v901")
    assert (list(record.survey.values()), record.disposition, record.final) == (
        ["1", "1", "1"],
        "advised",
        True,
    )
    assert started <= record.arrived_ms <= (record.queued_ms or 0) <= (record.connected_ms or 0)
    assert (record.connected_ms or 0) <= (record.disconnected_ms or 0) <= (record.ended_ms or 0)


async def test_a_desk_reloaded_in_mid_call_comes_back_to_the_same_call(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(desk)
    async with Caller(switchboard.sip_port, "13800138001") as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.hear(MENU, PATIENCE_S)
        await caller.rtp.press("2")
        await at(desk, "accept").click()
        caller.rtp.play_tone(CALLER_HZ)
        await hears(desk, CALLER_HZ)

        await desk.reload()
        await hears(desk, CALLER_HZ)
        await caller.rtp.wait_tone(VOICE_HZ, 0.2, PATIENCE_S)

        await at(desk, "hang-up").click()
        await caller.rtp.hear(SURVEY, PATIENCE_S)
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.end_reason, record.agent, record.reservations) == ("completed", "v901", 1)
    assert len(record.recordings) == 1


async def test_a_second_tab_is_refused_kindly_and_may_take_the_desk_over(
    switchboard: Switchboard, chromium: Browser
) -> None:
    first = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(first)
    second = await first.context.new_page()
    await second.goto("/desk")
    await expect(at(second, "refused")).to_have_attribute("data-code", "second_tab")
    await expect(at(first, "state")).to_have_attribute("data-state", "available")
    await at(second, "take-over").click()
    await expect(at(second, "state")).to_be_visible()
    await expect(at(first, "refused")).to_have_attribute("data-code", "taken_over")


async def test_a_board_without_news_says_so_and_is_true_again_afterwards(
    switchboard: Switchboard, chromium: Browser
) -> None:
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    await expect(at(board, "board")).to_have_attribute("data-live", "true")
    await switchboard.kill()
    await expect(at(board, "interrupted")).to_be_visible(timeout=15_000)
    await expect(at(board, "board")).to_have_attribute("data-live", "false")
    await switchboard.start()
    await expect(at(board, "board")).to_have_attribute("data-live", "true")
    await expect(at(board, "health-asterisk")).to_have_attribute("data-ok", "true")
