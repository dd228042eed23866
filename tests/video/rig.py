"""The rig of the video tests: a bridge with a web server around it, and Chromium pages that enter its rooms."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from tests.video.library import script
from video.bridge import VideoBridge
from video.signalling import application
from video.tokens import Invitation, Role, sign

SECRET = b"a secret of the tests only, and long enough"
PATIENCE_S = 30.0
HEARD = 0.02
SILENT = 0.002
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
TINY = {"width": 160, "height": 90, "frameRate": 5}
SMALL = {"width": 320, "height": 180, "frameRate": 10}


def token(
    person: str,
    room: str = "mediation",
    role: Role = Role.PARTY,
    *,
    waits: bool = False,
    seats: int = 8,
    lasts_ms: int = 600_000,
    secret: bytes = SECRET,
) -> str:
    expires_ms = time.time_ns() // 1_000_000 + lasts_ms
    return sign(secret, Invitation(room, person, f"名字-{person}", role, expires_ms, waits, seats))


async def eventually(seen: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE_S) -> Any:
    """Asks again until it is so, for what no event tells; returns what it saw. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        if found := await seen():
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {seconds} s: {what}")
        await asyncio.sleep(0.05)


@dataclass
class House:
    """A bridge behind a web server of its own."""

    bridge: VideoBridge
    http_port: int
    address: str = "localhost"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.http_port}"

    def socket(self, room: str = "mediation") -> str:
        return f"ws://{self.address}:{self.http_port}/video/{room}"

    def person(self, person: str, room: str = "mediation"):
        return next(one for one in self.bridge.rooms[room].people.values() if one.invitation.person == person)


@asynccontextmanager
async def house(
    address: str = "",
    captures: Path | None = None,
    native: bool | None = None,
    ice_servers: Callable[[str], list[dict[str, Any]]] = lambda _: [],
    media_host: str = "127.0.0.1",
) -> AsyncIterator[House]:
    """``address``: where browsers in another network find it; this machine alone without one, and ``media_host`` is
    then where its UDP port is."""
    host = "0.0.0.0" if address else media_host  # noqa: S104  # behind one door for both networks
    announced = [address] if address else []
    bundle = await asyncio.to_thread(script)
    async with VideoBridge(SECRET, host, 0, announced, ice_servers, captures, native) as bridge:
        app = application(bridge)

        async def page(_: web.Request) -> web.StreamResponse:
            return web.FileResponse(Path(__file__).with_name("page.html"))

        async def library(_: web.Request) -> web.StreamResponse:
            return web.FileResponse(bundle)

        app.add_routes([web.get("/", page), web.get("/page.js", library)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        try:
            yield House(bridge, runner.addresses[0][1], address or "localhost")
        finally:
            await runner.cleanup()


@asynccontextmanager
async def chromium(executable: Path | str = CHROMIUM, trusted: str = "") -> AsyncIterator[Browser]:
    """``trusted``: an origin that may use the camera although it has neither https nor the name localhost."""
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    if trusted:
        flags.append(f"--unsafely-treat-insecure-origin-as-secure={trusted}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """One person before one page."""

    def __init__(self, page: Page, person: str, hertz: int) -> None:
        self.page = page
        self.person = person
        self.hertz = hertz
        self.id = ""

    @classmethod
    async def enter(
        cls,
        browser: Browser,
        house: House,
        person: str,
        hertz: int = 0,
        *,
        room: str = "mediation",
        role: Role = Role.PARTY,
        waits: bool = False,
        video: dict[str, Any] | None = SMALL,
        encodings: list[dict[str, Any]] | None = None,
        script: str = "",
    ) -> Visitor:
        """``script`` runs in the page before everything else."""
        context = await browser.new_context(base_url=house.url)
        context.set_default_timeout(PATIENCE_S * 1000)
        await context.grant_permissions(["microphone", "camera"])
        page = await context.new_page()
        if script:
            await page.add_init_script(script)
        await page.goto("/")
        options = {"hertz": hertz, "video": video, "encodings": encodings}
        visitor = cls(page, person, hertz)
        await visitor.ask(
            "([name, token, options]) => { window.room = new Room(name, token, options); return room.start(); }",
            [room, token(person, room, role, waits=waits), options],
        )
        await eventually(visitor.placed, f"{person} has a place")
        return visitor

    async def placed(self) -> bool:
        self.id = await self.ask("room.me") or ""
        return bool(self.id)

    async def ask(self, expression: str, argument: Any = None) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await self.page.evaluate(expression, argument)

    async def connected(self) -> None:
        await eventually(
            lambda: self.ask("room.pc?.connectionState === 'connected'"), f"{self.person} connected"
        )

    async def frames(self, other: Visitor, what: str = "camera") -> int:
        return await self.ask("([who, what]) => room.frames(who, what)", [other.id, what])

    async def sees(self, other: Visitor, what: str = "camera", seconds: float = PATIENCE_S) -> None:
        before = await self.frames(other, what)

        async def more() -> bool:
            return await self.frames(other, what) >= before + 5

        await eventually(more, f"{self.person} sees {other.person}'s {what}", seconds)

    async def tone(self, other: Visitor) -> float:
        return await self.ask("([who, hertz]) => room.tone(who, hertz)", [other.id, other.hertz])

    async def hears(self, other: Visitor, seconds: float = PATIENCE_S) -> None:
        async def loud() -> bool:
            return await self.tone(other) > HEARD

        await eventually(loud, f"{self.person} hears {other.person}", seconds)

    async def hears_nothing_of(self, other: Visitor) -> None:
        """Silence that lasts: ten looks in a row."""
        quiet = 0

        async def silent() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if await self.tone(other) < SILENT else 0
            return quiet >= 10

        await eventually(silent, f"{self.person} hears nothing of {other.person}")


async def all_meet(*people: Visitor) -> None:
    """Everybody sees and hears everybody else."""
    pairs = list(permutations(people, 2))
    await asyncio.gather(
        *(one.sees(other) for one, other in pairs), *(one.hears(other) for one, other in pairs)
    )
