"""A mediation from the opening of the room to its end, in real browsers, for whoever must look at all of it.

``session`` leads a mediator and two parties through it. At each view it calls ``look``; what is said of the views is
checked by it in any case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Locator, Page, expect

from tests.support.browser import HEARD, PATIENCE_S, at, sign_in
from tests.support.room_pages import HEARD_IN
from tests.support.switchboard import Switchboard, eventually

Look = Callable[[str, Page], Awaitable[None]]

HOST, FIRST, SECOND = "志愿者 v901", "张卫国", "李秀英"
TITLE = "张卫国与李秀英相邻通行纠纷"


async def nothing(_: str, __: Page) -> None:
    """Looks at nothing."""


@dataclass
class Session:
    """What became of it, for whoever looks at the records afterwards."""

    room: str = ""
    contact: str = ""
    links: list[str] = field(default_factory=list)
    frozen: str = ""


def tile(page: Page, name: str) -> Locator:
    return page.locator("figure", has=page.get_by_text(name, exact=True))


async def level(page: Page, name: str, hertz: int) -> float:
    """How loud somebody is on this page, full scale 1."""
    return await page.evaluate(HEARD_IN, [name, hertz])


async def hears(page: Page, name: str, hertz: int) -> None:
    async def loud() -> bool:
        return await level(page, name, hertz) > HEARD

    await eventually(loud, PATIENCE_S, f"{name} is heard")


async def hears_not(page: Page, name: str, hertz: int) -> None:
    """Until three looks in a row found nothing of them."""
    looks = 0

    async def quiet() -> bool:
        nonlocal looks
        looks = looks + 1 if await level(page, name, hertz) < HEARD / 4 else 0
        return looks >= 3

    await eventually(quiet, PATIENCE_S, f"{name} is not heard")


async def sees(page: Page, name: str) -> None:
    """Fresh pictures of somebody."""
    frames = "video => video.getVideoPlaybackQuality().totalVideoFrames"
    before = await tile(page, name).locator("video").evaluate(frames)

    async def moving() -> bool:
        return await tile(page, name).locator("video").evaluate(frames) >= before + 3

    await eventually(moving, PATIENCE_S, f"{name} is seen")


async def open_session(switchboard: Switchboard, browser: Browser, look: Look) -> tuple[Page, Session]:
    """The mediator signs in, opens a room and is in it."""
    host = await sign_in(browser, switchboard, "v901", "/desk")
    await host.goto("/room")
    await at(host, "title").fill(TITLE)
    await look("rooms", host)
    await at(host, "open").click()
    await expect(at(host, "room-recording")).to_have_attribute("data-state", "off")
    made = Session(room=host.url.rpartition("#")[2])
    async with switchboard.records() as records:
        known = await records.hosted.of(made.room)
        assert known is not None
        assert (known.owner, known.title, known.kind) == ("v901", TITLE, "mediation")
        made.contact = known.contact
    return host, made


async def invited(host: Page, made: Session, name: str) -> str:
    """The path of a link for this party."""
    if not await at(host, "invite-name").count():
        await at(host, "invite").click()
    before = await at(host, "invite-url").inner_text() if await at(host, "invite-url").count() else ""
    await at(host, "invite-name").fill(name)
    await at(host, "invite-make").click()
    await expect(at(host, "invite-url")).not_to_have_text(before or "-")
    url = await at(host, "invite-url").inner_text()
    made.links.append(url.rpartition("/")[2])
    return "/v/" + made.links[-1]


async def comes(browser: Browser, switchboard: Switchboard, path: str, look: Look, *, agrees: bool) -> Page:
    """A party opens the link, says whether to be recorded, looks at their own picture, and waits."""
    context = await browser.new_context(
        base_url=f"http://localhost:{switchboard.http_port}",
        locale="zh-CN",
        viewport={"width": 1280, "height": 800},
    )
    context.set_default_timeout(PATIENCE_S * 1000)
    await context.grant_permissions(["microphone", "camera"])
    page = await context.new_page()
    await page.goto(path)
    await at(page, "video-allow").click()
    await expect(at(page, "video-enter")).to_be_disabled()
    await look("party-asked", page)
    await at(page, "consent-yes" if agrees else "consent-no").check()
    await at(page, "video-enter").click()
    await expect(page.get_by_text("请稍候，主持人会请您进入。")).to_be_visible()
    return page


async def admit(host: Page, name: str, page: Page) -> None:
    await (
        host.get_by_role("listitem")
        .filter(has_text=f"{name} 在等候室")
        .get_by_role("button", name="请入")
        .click()
    )
    await expect(tile(page, HOST)).to_be_visible()


async def refused_to_others(switchboard: Switchboard, made: Session) -> None:
    """Another volunteer, a stranger, and wrong keys: what exists and what does not look the same."""
    async with switchboard.sign_in("v902", "only-for-tests-12348") as http:
        for method, path, body in (
            ("GET", f"/api/rooms/{made.room}", None),
            ("POST", f"/api/rooms/{made.room}/pass", {}),
            ("POST", f"/api/rooms/{made.room}/links", {"name": "x"}),
            ("PUT", f"/api/rooms/{made.room}/recording", {"recording": "off"}),
            ("DELETE", f"/api/rooms/{made.room}", None),
            ("GET", f"/video/{made.room}/captures/{made.frozen}", None),
        ):
            wrong = path.replace(made.room, "c-no-such-room")
            told = []
            for one in (path, wrong):
                async with http.request(method, one, json=body) as answer:
                    told.append((answer.status, await answer.text()))
            assert told[0] == told[1], path
            assert told[0][0] == 404, path
        async with http.get("/api/rooms") as answer:
            assert (await answer.json())["items"] == []
    async with aiohttp.ClientSession(switchboard.base_url) as http:
        for room, capture in ((made.room, made.frozen), (made.room, "0" * 16), ("c-none", "0" * 16)):
            picture = b"\xff\xd8\xff\xe0"
            async with http.put(
                f"/video/{room}/captures/{capture}", data=picture, headers={"Capture-Key": "x"}
            ) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
        async with http.get(f"/video/{made.room}/captures/{made.frozen}") as answer:
            assert answer.status == 401


def files_of(switchboard: Switchboard, contact: str) -> Path:
    return switchboard.data_dir / "recordings" / contact
