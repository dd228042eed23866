"""The room view as people meet it: two real browsers, from the invitation to the good-bye."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from switchboard.pages.build import STATIC
from switchboard.web.security import HEADERS
from tests.video import rig
from video.bridge import VideoBridge
from video.signalling import application
from video.tokens import Role


@pytest.fixture
async def house() -> AsyncIterator[rig.House]:
    """A bridge that serves the built pages as the switchboard does, with its headers."""
    async with VideoBridge(rig.SECRET) as bridge:
        app = application(bridge)

        async def room(_: web.Request) -> web.StreamResponse:
            return web.FileResponse(STATIC / "room" / "index.html")

        async def headers(_: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(HEADERS)

        app.add_routes([web.get("/room", room), web.static("/static", STATIC)])
        app.on_response_prepare.append(headers)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield rig.House(bridge, runner.addresses[0][1])
        finally:
            await runner.cleanup()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with rig.chromium() as made:
        yield made


async def invited(browser: Browser, house: rig.House, token: str) -> Page:
    context = await browser.new_context(base_url=house.url)
    context.set_default_timeout(30_000)
    await context.grant_permissions(["microphone", "camera"])
    page = await context.new_page()
    await page.goto(f"/room#room=mediation&token={token}")
    return page


async def painted(page: Page, where: str) -> None:
    async def wide() -> bool:
        return await page.evaluate("where => document.querySelector(where)?.videoWidth > 0", where)

    await rig.eventually(wide, f"a picture in {where}")


async def test_two_meet_on_the_page_and_one_leaves(browser: Browser, house: rig.House) -> None:
    expect.set_options(timeout=30_000)
    host = await invited(browser, house, rig.token("notary", role=Role.HOST))
    await expect(host.get_by_text("目前只有您一人")).to_be_visible()
    guest = await invited(browser, house, rig.token("visitor", waits=True))
    await expect(guest.get_by_text("请稍候，主持人会请您进入。")).to_be_visible()
    await host.get_by_role("button", name="请入").click()
    for page, other in ((host, "名字-visitor"), (guest, "名字-notary")):
        await expect(page.locator("figure").filter(has_text=other)).to_be_visible()
        await painted(page, "figure video")
        await painted(page, ".own")
        await expect(page.locator(".line")).to_have_text("连接正常")
    await guest.get_by_role("button", name="静音").click()
    await expect(guest.get_by_role("button", name="取消静音")).to_be_visible()
    await guest.get_by_role("button", name="离开").click()
    await expect(guest.locator(".line")).to_have_text("会话已结束")
    await expect(host.get_by_text("目前只有您一人")).to_be_visible()


async def test_a_bad_invitation_is_said_in_words(browser: Browser, house: rig.House) -> None:
    expect.set_options(timeout=30_000)
    page = await invited(browser, house, "nonsense")
    await expect(page.get_by_role("alert").first).to_contain_text("入场凭证")
    await expect(page.get_by_role("button", name="重新进入")).to_be_visible()
