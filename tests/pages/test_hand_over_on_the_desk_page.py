"""A volunteer in the browser leaves a secret out of the recording and brings another hotline into the talk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from tests.pages.conftest import VOICE_HZ
from tests.support.browser import PATIENCE_S, active, at, hears, ready, sign_in
from tests.support.callees import Callee
from tests.support.desk_calls import told_on_failure
from tests.support.phones import Caller
from tests.support.prompts import MENU
from tests.support.switchboard import Switchboard, eventually

CALLER_HZ = 600
HOTLINE_HZ = 1200


@pytest.fixture
def hotline() -> Callee:
    """The other hotline, once a test enters it."""
    return Callee(ring_ms=500)


@pytest.fixture
async def switchboard(hotline: Callee) -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000", "TRUNKS": hotline.trunks}) as running:
        yield running


@asynccontextmanager
async def talking(switchboard: Switchboard, desk: Page, number: str) -> AsyncIterator[Caller]:
    await ready(desk)
    async with told_on_failure(switchboard, lambda: desk), Caller(switchboard.sip_port, number) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.hear(MENU, PATIENCE_S)
        await caller.rtp.press("2")
        await at(desk, "accept").click()
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone has answered")
        caller.rtp.play_tone(CALLER_HZ)
        await hears(desk, CALLER_HZ)
        yield caller


async def test_a_secret_is_left_out_and_a_hotline_joins_by_the_keyboard_alone(
    hotline: Callee, switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    light, pause, hand_over = (
        at(desk, name) for name in ("recording", "pause-recording", "hand-over-toggle")
    )
    async with hotline, talking(switchboard, desk, "13800138400") as caller:
        await expect(light).to_have_attribute("data-state", "on")
        await pause.press("Enter")
        await expect(light).to_contain_text("现在说的话不会录入")
        await pause.press("Enter")
        await expect(light).to_have_attribute("data-state", "on")

        await hand_over.press("Enter")
        await expect(at(desk, "directory-search")).to_be_focused()
        await desk.keyboard.press("Escape")
        await expect(hand_over).to_be_focused()
        await desk.keyboard.press("Enter")
        await expect(at(desk, "directory-search")).to_be_focused()
        await at(desk, "three-way-12345").press("Enter")
        talk = await hotline.answered(PATIENCE_S)
        await expect(at(desk, "hand-over")).to_have_attribute("data-state", "joined")
        await expect(at(desk, "hand-over")).to_contain_text("12345政务服务热线")
        caller.rtp.play_silence()
        hotline.rtp.play_tone(HOTLINE_HZ)
        await asyncio.gather(
            hears(desk, HOTLINE_HZ),
            caller.rtp.wait_tone(HOTLINE_HZ, 0.1, PATIENCE_S),
            hotline.rtp.wait_tone(VOICE_HZ, 0.1, PATIENCE_S),
        )
        await hand_over.press("Enter")  # one at a time, and the page says so
        await expect(at(desk, "notice")).to_contain_text("请等它结束")
        hotline.hang_up(talk.call_id)
        await expect(at(desk, "hand-over")).to_have_attribute("data-state", "left")
        caller.hang_up()
        await expect(at(desk, "wrap-up")).to_be_visible()
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    assert (record.transferred_to, len(record.pauses)) == ("12345", 1)


async def test_the_volunteer_stays_until_the_other_hotline_answers(
    hotline: Callee, switchboard: Switchboard, chromium: Browser
) -> None:
    busy = Callee(scenario="agents_refuse")
    busy.port = hotline.port
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    async with talking(switchboard, desk, "13800138401") as caller:
        async with busy:
            await at(desk, "hand-over-toggle").click()
            await at(desk, "hand-over-110").click()
            await expect(at(desk, "hand-over")).to_have_attribute("data-state", "failed")
        await expect(at(desk, "call")).to_be_visible()
        await hears(desk, CALLER_HZ)
        patient = Callee(ring_ms=120_000)
        patient.port = hotline.port
        async with patient:
            await at(desk, "hand-over-toggle").click()
            await at(desk, "three-way-12345").click()
            await patient.rung(PATIENCE_S)
            await at(desk, "call-off").click()
            await expect(at(desk, "hand-over")).to_have_attribute("data-state", "cancelled")
            await expect(at(desk, "call-off")).to_have_count(0)
        async with hotline:
            await at(desk, "hand-over-toggle").click()
            await at(desk, "hand-over-12345").click()
            await hotline.answered(PATIENCE_S)
            await expect(at(desk, "handed-over")).to_contain_text("12345政务服务热线")
            hotline.rtp.play_tone(HOTLINE_HZ)
            await asyncio.gather(
                caller.rtp.wait_tone(HOTLINE_HZ, 0.1, PATIENCE_S),
                hotline.rtp.wait_tone(CALLER_HZ, 0.1, PATIENCE_S),
            )
            caller.hang_up()
            await caller.ended(PATIENCE_S)
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    assert (record.transferred_to, record.end_reason, record.ended_by) == ("12345", "completed", "caller")
