"""A call that comes while the volunteer looks elsewhere: notification, title, ring on the chosen device; and a
consultation that survives a reload of either page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.pages.conftest import SECOND_HZ, VOICE_HZ
from tests.support.browser import PATIENCE_S, active, at, hears, hears_not, ready, sign_in
from tests.support.desk_calls import CALLER_HZ, calling, talk
from tests.support.switchboard import Switchboard, eventually

ELSEWHERE = """
    document.hasFocus = () => false
    window.__shown = []
    window.Notification = class {
      static permission = 'granted'
      constructor(title, options) {
        this.kept = { title, body: options.body, open: true }
        window.__shown.push(this.kept)
        window.__note = this
      }
      close() { this.kept.open = false }
    }
    window.__titles = []
    new MutationObserver(() => window.__titles.push(document.title))
      .observe(document, { subtree: true, childList: true, characterData: true })
    window.__sinks = []
    const sink = AudioContext.prototype.setSinkId
    AudioContext.prototype.setSinkId = function (id) { window.__sinks.push(id); return sink.call(this, id) }
    window.__notes = 0
    const make = AudioContext.prototype.createOscillator
    AudioContext.prototype.createOscillator = function () { window.__notes += 1; return make.call(this) }
"""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


async def choose_ringer(desk: Page) -> str:
    """The second loudspeaker; its id."""
    await at(desk, "device-ringer").click()
    await desk.get_by_role("option", name="Fake Audio Output 2").last.click()
    return await desk.evaluate("localStorage.getItem('12348.ringer')")


async def test_a_call_is_seen_and_heard_by_who_looks_elsewhere(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk", before=ELSEWHERE)
    await expect(at(desk, "set-up-ready")).to_be_enabled()
    device = await choose_ringer(desk)
    assert device
    await ready(desk)
    async with calling(switchboard, "13800350001") as caller:
        await expect(at(desk, "incoming")).to_be_visible()
        [note] = await desk.evaluate("window.__shown")
        assert (note["title"], note["open"]) == ("☎ 12348 来电", True)
        assert (
            note["body"] == "劳动人事 · 尾号 0001"
        )  # never the whole number on a screen that others may see
        assert await desk.evaluate("window.__sinks.at(-1)") == device

        async def flashed() -> bool:
            titles = await desk.evaluate("window.__titles")
            return any(one.startswith("☎") for one in titles) and not titles[-1].startswith("☎")

        await eventually(flashed, PATIENCE_S, "the title flashes")
        rung = await desk.evaluate("window.__notes")
        assert rung >= 6

        async def rings_again() -> bool:
            return await desk.evaluate("window.__notes") > rung

        await eventually(rings_again, PATIENCE_S, "it rings until somebody does something")
        await desk.evaluate(
            "window.__note.onclick()"
        )  # a click on the notification brings the page to the front
        await at(desk, "accept").click()
        await talk(desk, caller)
        assert not (await desk.evaluate("window.__shown"))[-1]["open"]
        assert "通话中" in await desk.title()
        caller.hang_up()
        await expect(at(desk, "wrap-up")).to_be_visible()


async def test_a_reload_of_either_page_during_a_consultation_comes_back_to_it(
    switchboard: Switchboard, chromium: Browser, second_chromium: Browser
) -> None:
    first = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(first)
    async with calling(switchboard, "13800350002") as caller:
        await at(first, "accept").click()
        await talk(first, caller)
        second = await sign_in(second_chromium, switchboard, "v902", "/desk")
        await ready(second)
        await at(first, "hand-over-toggle").click()
        await at(first, "consult-v902").click()
        await at(second, "accept").click()
        await hears(first, SECOND_HZ)

        await first.reload()
        await expect(at(first, "colleague")).to_have_attribute("data-state", "consulting")
        await asyncio.gather(hears(first, SECOND_HZ), hears(second, VOICE_HZ))
        await hears_not(first, CALLER_HZ)
        await caller.rtp.wait_no_tone(VOICE_HZ, 0.5, PATIENCE_S)

        await second.reload()
        await expect(at(second, "asked-by")).to_be_visible()
        await asyncio.gather(hears(first, SECOND_HZ), hears(second, VOICE_HZ))
        await at(first, "join").click()
        await asyncio.gather(hears(second, CALLER_HZ), hears(first, CALLER_HZ))
        await at(first, "complete").click()
        await expect(at(first, "wrap-up")).to_be_visible()
        await eventually(lambda: active(second), PATIENCE_S, "the colleague talks on")
        await asyncio.gather(hears(second, CALLER_HZ), caller.rtp.wait_tone(SECOND_HZ, 0.2, PATIENCE_S))
        caller.hang_up()
        await expect(at(second, "wrap-up")).to_be_visible()
