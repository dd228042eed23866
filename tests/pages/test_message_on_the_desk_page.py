"""A caller leaves a message instead of waiting; a volunteer hears it and calls back by one click."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from switchboard.records.fold import ContactRecord
from tests.pages.conftest import VOICE_HZ
from tests.support.browser import PATIENCE_S, active, at, hears, sign_in
from tests.support.callees import Callee
from tests.support.desk_calls import leave_message
from tests.support.prompts import PRESS_ONE, SURVEY
from tests.support.switchboard import SUPERVISOR, Switchboard, eventually

CALLER_HZ = 600


@pytest.fixture
async def home() -> AsyncIterator[Callee]:
    async with Callee() as callee:
        yield callee


@pytest.fixture
async def switchboard(home: Callee) -> AsyncIterator[Switchboard]:
    env = {
        "WRAP_UP_MS": "60000",
        "CALL_FROM_HOUR": "0",
        "CALL_UNTIL_HOUR": "24",
        "TRUNKS": home.trunks,
    }
    async with Switchboard(volunteers=1, env=env) as running:
        yield running


async def listen(desk: Page, message: ContactRecord) -> None:
    """Play the message: the switchboard gives the sound out, and the browser plays it."""
    async with desk.expect_response(re.compile(rf"/api/contacts/{message.id}/recordings/")) as answer:
        await at(desk, f"listen-{message.id}").click()
    assert (await answer.value).status in (200, 206)
    sound = at(desk, "message-sound")

    async def plays() -> bool:
        return await sound.evaluate("audio => audio.currentTime > 0 && audio.duration >= 2")

    await eventually(plays, PATIENCE_S, "the message is played")


def day_of(due_ms: int) -> str:
    """As the page writes a due time: by the days of China."""
    moment = datetime.fromtimestamp(due_ms / 1000, UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    return moment.strftime("%m-%d %H:%M")


def later(board: Page, message: ContactRecord) -> Locator:
    return at(board, f"later-{message.id}")


async def test_a_message_is_heard_and_answered_by_one_click_and_the_board_follows(
    home: Callee, switchboard: Switchboard, chromium: Browser
) -> None:
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await expect(at(board, "board")).to_have_attribute("data-live", "true")
    await expect(at(desk, "state")).to_have_attribute("data-state", "paused")  # so the caller waits
    message = await leave_message(switchboard, "13800138300")
    await expect(later(board, message)).to_contain_text("138 **** 8300")
    await expect(at(board, "later-messages_open")).to_have_text("1")

    await at(desk, "set-up-ready").click()
    row = at(desk, f"message-{message.id}")
    await expect(row).to_contain_text("138 **** 8300")
    await expect(row).to_contain_text("劳动")
    assert message.due_ms is not None
    await expect(row.locator('[data-test="due"]')).to_have_text(day_of(message.due_ms))
    await listen(desk, message)

    await at(desk, f"call-{message.id}").click()
    assert (await home.rung(PATIENCE_S)).rest[0] == "13800138300"
    talk = await home.answered(PATIENCE_S)
    await home.rtp.hear(PRESS_ONE, PATIENCE_S)
    await home.rtp.press("1")
    await eventually(lambda: active(desk), PATIENCE_S, "the softphone is in the call")
    home.rtp.play_tone(CALLER_HZ)
    await asyncio.gather(hears(desk, CALLER_HZ), home.rtp.wait_tone(VOICE_HZ, 0.2, PATIENCE_S))
    await expect(at(board, "stage-talking")).to_contain_text("138 **** 8300")

    await at(desk, "hang-up").click()
    await home.rtp.hear(SURVEY, PATIENCE_S)
    home.hang_up(talk.call_id)
    await home.ended(PATIENCE_S)
    await at(desk, "disposition-advised").click()
    await at(desk, "ticket-advice").fill("已电话答复：可申请劳动仲裁。")
    await at(desk, "save-ready").click()
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    await expect(at(desk, "messages")).to_have_attribute("data-count", "0")
    await expect(at(board, f"finished-{message.id}")).to_be_visible()
    await expect(later(board, message)).to_have_count(0)
    await expect(at(board, "later-messages_open")).to_have_text("0")

    async def both_kept() -> bool:
        kept = (await switchboard.contact(message.id))[0].recordings
        return {one.id for one in kept} == {message.id, f"rec-{message.id}"}

    await eventually(both_kept, PATIENCE_S, "the message and the talk about it")
    record, events = await switchboard.contact(message.id)
    assert (record.end_reason, record.agent, record.attempts) == ("completed", "v901", 1)
    assert (record.disposition, record.final) == ("advised", True)
    assert {"assigned", "called"} <= {event.kind for event in events}
    assert home.rings() == 1
