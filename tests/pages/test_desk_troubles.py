"""What is wrong with the volunteer's computer is said on the page in plain words, and goes away by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import at, hears, ready, sign_in
from tests.support.chromium import FAKE_DEVICES, NO_QUESTIONS, chromium
from tests.support.desk_calls import CALLER_HZ, calling, talk, wrap_up
from tests.support.switchboard import Switchboard

IN_USE = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    window.__inUse = true
    navigator.mediaDevices.getUserMedia = (wanted) =>
      window.__inUse ? Promise.reject(new DOMException('in use', 'NotReadableError')) : ask(wanted)
"""
UNPLUGGED = """
    const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices)
    window.__unplugged = []
    navigator.mediaDevices.enumerateDevices = async () =>
      (await all()).filter((device) => !window.__unplugged.includes(device.kind))
"""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


async def allow(desk: Page, setting: str) -> None:
    """As the volunteer does behind the icon beside the address. The session stays open: what it set would be
    forgotten with it, and a browser without a screen then denies everything."""
    browser = desk.context.browser
    assert browser is not None
    session = await browser.new_browser_cdp_session()
    context = (await (await desk.context.new_cdp_session(desk)).send("Target.getTargetInfo"))["targetInfo"]
    await session.send(
        "Browser.setPermission",
        {
            "permission": {"name": "microphone"},
            "setting": setting,
            "origin": await desk.evaluate("location.origin"),
            "browserContextId": context["browserContextId"],
        },
    )


async def test_a_denied_microphone_is_explained_before_anybody_is_offered(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async with chromium(tmp_path, flags=(FAKE_DEVICES,)) as browser:
        desk = await sign_in(browser, switchboard, "v901", "/desk")
        await expect(at(desk, "set-up-ready")).to_be_enabled()
        await allow(desk, "denied")
        await desk.reload()
        await at(desk, "allow").click()
        await expect(at(desk, "set-up")).to_contain_text("点地址栏左侧的图标")
        await expect(at(desk, "set-up-ready")).to_be_disabled()


async def test_a_microphone_in_use_is_explained_and_taken_once_it_is_free(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk", before=IN_USE)
    await expect(at(desk, "set-up")).to_contain_text("关闭其他通话软件")
    await desk.evaluate("window.__inUse = false")
    await ready(desk)


async def test_a_computer_without_any_sound_device_says_so_and_may_still_serve(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    """This machine has none, once Chromium does not pretend."""
    async with chromium(tmp_path, flags=(NO_QUESTIONS,)) as browser:
        desk = await sign_in(browser, switchboard, "v901", "/desk")
        await expect(at(desk, "set-up")).to_contain_text("没有找到麦克风")
        await expect(at(desk, "no-speaker")).to_contain_text("请插好耳机或音箱")
        await expect(at(desk, "set-up-ready")).to_be_disabled()
        await at(desk, "set-up-later").click()
        await expect(at(desk, "trouble-none")).to_contain_text("可在“设备”里改用话机")
        await expect(at(desk, "trouble-speaker")).to_be_visible()
        await at(desk, "ready").click()
        async with calling(switchboard, "13800310001") as caller:
            await at(desk, "accept").click()
            caller.rtp.play_tone(CALLER_HZ)
            await hears(desk, CALLER_HZ)
            await expect(at(desk, "trouble-none")).to_be_visible()
            caller.hang_up()
            await caller.ended()
        await wrap_up(desk)


async def test_a_headset_pulled_out_in_a_talk_is_missed_and_used_again_when_it_is_back(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk", before=IN_USE + UNPLUGGED)
    await desk.evaluate("window.__inUse = false")
    await ready(desk)
    async with calling(switchboard, "13800310002") as caller:
        await at(desk, "accept").click()
        await talk(desk, caller)
        await desk.evaluate("window.__unplugged = ['audiooutput']; window.__inUse = true")
        await desk.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
        await expect(at(desk, "trouble-speaker")).to_be_visible()
        await desk.evaluate("window.__unplugged = []; window.__inUse = false")
        await desk.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
        await expect(at(desk, "trouble-speaker")).to_be_hidden()
        await talk(desk, caller)
        caller.hang_up()
        await wrap_up(desk)


async def test_a_question_that_nobody_answers_does_not_keep_the_caller(
    switchboard: Switchboard, chromium: Browser
) -> None:
    """The browser asks for the microphone, the volunteer does not see it: both are connected, and it is said."""
    asks = """
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
        const answered = new Promise((go) => (window.__answer = go))
        navigator.mediaDevices.getUserMedia = (wanted) => answered.then(() => ask(wanted))
    """
    desk = await sign_in(chromium, switchboard, "v901", "/desk", before=asks)
    await at(desk, "set-up-later").click()
    await at(desk, "ready").click()
    async with calling(switchboard, "13800310003") as caller:
        await at(desk, "accept").click()
        caller.rtp.play_tone(CALLER_HZ)
        await hears(desk, CALLER_HZ)
        await expect(at(desk, "trouble-unheard")).to_contain_text("选择“允许”")
        await desk.evaluate("window.__answer()")
        await expect(at(desk, "trouble-unheard")).to_be_hidden()
        await talk(desk, caller)
        caller.hang_up()
        await wrap_up(desk)


async def test_a_microphone_allowed_again_in_mid_duty_is_used_without_a_reload(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    """Denied before the first call, and once more in a talk: each time it is said, and over once it is allowed."""
    async with chromium(tmp_path, flags=(FAKE_DEVICES,)) as browser:
        desk = await sign_in(browser, switchboard, "v901", "/desk")
        await expect(at(desk, "set-up-ready")).to_be_enabled()
        await allow(desk, "denied")
        await expect(at(desk, "set-up")).to_contain_text("点地址栏左侧的图标")
        await expect(at(desk, "set-up-ready")).to_be_disabled()
        await allow(desk, "granted")
        await ready(desk)
        async with calling(switchboard, "13800310004") as caller:
            await at(desk, "accept").click()
            await talk(desk, caller)
            await allow(desk, "denied")
            await expect(at(desk, "trouble-denied")).to_be_visible()
            await allow(desk, "granted")
            await expect(at(desk, "trouble-denied")).to_be_hidden()
            await talk(desk, caller)
            caller.hang_up()
            await wrap_up(desk)
