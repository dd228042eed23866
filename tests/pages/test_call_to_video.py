"""A caller on the telephone is sent a link, opens it in a browser, is seen; the telephone stays in reserve."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from tests.pages.conftest import SECOND_HZ, VOICE_HZ
from tests.support.browser import PATIENCE_S, active, at, hears, probe, ready, sign_in
from tests.support.phones import Caller
from tests.support.prompts import MENU
from tests.support.room_pages import page_sees_and_hears
from tests.support.switchboard import Switchboard, eventually

CALLER_HZ = 600


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


@asynccontextmanager
async def talking(switchboard: Switchboard, desk: Page, number: str) -> AsyncIterator[Caller]:
    await ready(desk)
    async with Caller(switchboard.sip_port, number) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.hear(MENU, PATIENCE_S)
        await caller.rtp.press("2")
        await at(desk, "accept").click()
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone has answered")
        caller.rtp.play_tone(CALLER_HZ)
        await hears(desk, CALLER_HZ)
        yield caller


async def sent_links(switchboard: Switchboard) -> list[dict[str, str]]:
    """What the outbox holds, oldest first."""
    files = await asyncio.to_thread(lambda: sorted((switchboard.data_dir / "outbox").glob("*.json")))
    return [json.loads(await asyncio.to_thread(file.read_text)) for file in files]


async def softphone_is_silent(desk: Page, wanted: bool) -> None:
    async def so() -> bool:
        muted = await desk.evaluate("document.querySelector('[data-test=remote-audio]').muted")
        return muted is wanted and await active(desk)

    await eventually(so, PATIENCE_S, f"the softphone is silent: {wanted}")


async def test_a_call_becomes_a_video_call_and_the_telephone_is_the_way_back(
    switchboard: Switchboard, chromium: Browser, second_chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    async with talking(switchboard, desk, "13800138055") as caller:
        await at(desk, "invite-video").click()
        url = await at(desk, "lift-url").inner_text()
        (sent,) = await sent_links(switchboard)
        assert (sent["to"], sent["link"]) == ("13800138055", url)
        await hears(desk, CALLER_HZ)  # the call goes on

        context = await second_chromium.new_context(base_url=switchboard.base_url, locale="zh-CN")
        await context.grant_permissions(["microphone", "camera"])
        page = await context.new_page()
        path = "/v/" + url.rpartition("/")[2]
        await page.goto(f"http://localhost:{switchboard.http_port}{path}")
        await at(page, "video-allow").click()
        await at(page, "video-enter").click()
        await page_sees_and_hears(page, VOICE_HZ)
        await page_sees_and_hears(desk, SECOND_HZ)
        await expect(at(desk, "lift")).to_have_attribute("data-state", "up")
        await softphone_is_silent(desk, True)

        another = await context.new_page()
        await another.goto(f"http://localhost:{switchboard.http_port}{path}")
        await expect(at(another, "video-trouble")).to_contain_text("只能使用一次")
        await another.close()

        await page.close()
        await expect(at(desk, "lift")).to_have_attribute("data-state", "lost")
        await softphone_is_silent(desk, False)
        await hears(desk, CALLER_HZ)
        await caller.rtp.wait_tone(VOICE_HZ, 0.2, PATIENCE_S)

        await at(desk, "hang-up").click()
        caller.hang_up()
        await caller.ended()
    (record,) = await switchboard.wait_ended(1, PATIENCE_S)
    _, events = await switchboard.contact(record.id)
    how = [event.data["how"] for event in events if event.kind == "video"]
    assert (how[0], how[-1]) == ("invited", "ended")
    assert how[1:-1] == ["up", "lost"] * (
        len(how) // 2 - 1
    )  # once; oftener where the machine stood still for 3 s
    assert await probe(desk, "session") != "active"
    await refused_after_the_end(switchboard, url.rpartition("/")[2])


async def refused_after_the_end(switchboard: Switchboard, token: str) -> None:
    async with aiohttp.ClientSession(switchboard.base_url) as http:
        async with http.post(f"/api/links/{token}", json={}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (410, "link_used")
        async with http.post(f"/api/links/{'x' * 32}", json={}) as answer:
            assert answer.status == 404
