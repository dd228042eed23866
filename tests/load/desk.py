"""How long a call needs from the engine's reservation to its card on the volunteer's screen.

``python -m tests.load.desk`` lets callers wait and offers them one after the other to a volunteer on a real page in
Chromium, who declines each. A reservation's moment is that of the routing engine's own event, a card's is the frame
after the one in which it was painted; both are this machine's wall clock. What it is held against is what one writes
first: a page that asks a server once a second whether somebody calls, beside ours in the same browser, for the same
reservations, and with nothing to do but this.

The last line is ``desk ratio=… against=… (…)``: the 95th percentile of ours and of the polling page, each over the goal
of 300 ms.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from aiohttp import web
from playwright.async_api import Browser, Page

from routing.engine import Engine
from switchboard.pages.build import build
from tests.load.measure import Spread, say
from tests.support.browser import PATIENCE_S, at, ready, sign_in
from tests.support.chromium import chromium
from tests.support.ports import free_port
from tests.support.sipp import Sipp
from tests.support.switchboard import Switchboard, eventually

CARDS = 40
"""So many before the first callers, who wait for a minute, have gone."""
GOAL_MS = 300.0
AGENT = "v901"
SEED = 12348

OURS = """
    window.__painted = {}
    let shown = null
    new MutationObserver(() => {
      const card = document.querySelector('[data-test="incoming"]')
      if (card === shown) return
      shown = card
      if (!card) return
      const id = window.__desk.reservation
      requestAnimationFrame(() => requestAnimationFrame(() => (window.__painted[id] ??= Date.now())))
    }).observe(document, { childList: true, subtree: true })
"""
THEIRS = """<!doctype html><meta charset="utf-8"><title>Polling</title><p>-</p><script>
    window.__painted = {}
    setInterval(async () => {
      const id = (await (await fetch('/reservation', { cache: 'no-store' })).json()).id
      if (id === null || id in window.__painted) return
      document.querySelector('p').textContent = id
      requestAnimationFrame(() => requestAnimationFrame(() => (window.__painted[id] ??= Date.now())))
    }, 1000)
</script>"""


class Reservations:
    """The routing engine's own word of who was reserved when: reservation -> milliseconds since 1970."""

    def __init__(self) -> None:
        self.at_ms: dict[int, int] = {}
        self.last: int | None = None

    async def follow(self, engine: Engine, after: str) -> None:
        async for change in engine.changes(after):
            if change.kind == "reservation.created" and change.reservation:
                self.at_ms[change.reservation] = change.at_ms
                self.last = change.reservation


async def main() -> None:
    """Measure and print."""
    await asyncio.to_thread(build)
    with tempfile.TemporaryDirectory() as folder:
        env = {"HOTLINE_DIR": str(_hotline(Path(folder)))}
        async with Switchboard(volunteers=1, env=env) as switchboard, chromium(Path(folder)) as browser:
            ours, theirs = await measure(switchboard, browser)
    print(
        f"desk ratio={ours.p95 / GOAL_MS:.2f} against={theirs.p95 / GOAL_MS:.2f} (reservation to painted card p50 "
        f"{ours.p50:.0f} ms, p95 {ours.p95:.0f} ms over {ours.count} cards, goal p95 {GOAL_MS:.0f} ms; against: a page "
        f"that asks each second, p50 {theirs.p50:.0f} ms, p95 {theirs.p95:.0f} ms over {theirs.count})"
    )


async def measure(switchboard: Switchboard, browser: Browser) -> tuple[Spread, Spread]:
    """``CARDS`` cards, each seen on both pages and then declined."""
    chance = random.Random(SEED)
    reservations = Reservations()
    engine = await Engine.connect(f"unix://{switchboard.data_dir / 'run' / 'redis' / 'routing.sock'}")
    follower = asyncio.create_task(reservations.follow(engine, (await engine.snapshot()).stream_id))
    try:
        desk = await sign_in(browser, switchboard, AGENT, "/desk", before=OURS)
        async with _polling(browser, reservations) as polling, _callers(switchboard):
            say(f"{CARDS} callers wait")
            await ready(desk, free=False)
            for n in range(CARDS):
                await _one_card(desk, polling, reservations, n + 1)
                await asyncio.sleep(chance.random())
                await at(desk, "decline").dispatch_event("click")
            return await _spread(desk, reservations), await _spread(polling, reservations)
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        await engine.close()


async def _one_card(desk: Page, polling: Page, reservations: Reservations, count: int) -> None:
    async def seen() -> bool:
        pages = [await page.evaluate("Object.keys(window.__painted).length") for page in (desk, polling)]
        return len(reservations.at_ms) >= count and min(pages) >= count

    await eventually(seen, PATIENCE_S, f"card {count} on both pages")


async def _spread(page: Page, reservations: Reservations) -> Spread:
    painted: dict[str, int] = await page.evaluate("window.__painted")
    return Spread.of([painted[id] - reservations.at_ms[int(id)] for id in painted])


@asynccontextmanager
async def _callers(switchboard: Switchboard) -> AsyncIterator[None]:
    """As many as there will be cards: who was declined is not offered to the same volunteer again for a minute."""
    rows = [(f"1380040{n:04d}", "12348") for n in range(CARDS)]
    sipp = Sipp("caller", switchboard.sip_port, rows=rows, calls=CARDS, rate=10, timeout_s=600)
    async with sipp, switchboard.board() as board:
        await board.wait_stage("waiting", CARDS, 120)
        yield


@asynccontextmanager
async def _polling(browser: Browser, reservations: Reservations) -> AsyncIterator[Page]:
    """A page of one line, on a server that does nothing else."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=THEIRS, content_type="text/html")

    async def reservation(_: web.Request) -> web.Response:
        return web.json_response({"id": reservations.last})

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/reservation", reservation)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    context = await browser.new_context()
    try:
        opened = await context.new_page()
        await opened.goto(f"http://127.0.0.1:{port}/")
        yield opened
    finally:
        await context.close()
        await runner.cleanup()


def _hotline(folder: Path) -> Path:
    """No words, no menu: a caller waits at once."""
    hotlines = folder / "hotlines"
    hotlines.mkdir()
    (hotlines / "12348.toml").write_text(
        'number = "12348"\nname_zh = "热线"\nname_en = "Hotline"\nannouncement = []\nmenu_end = []\n'
        'menu = [{ key = "2", prompt = "menu_labour", matter = "labour" }]\n',
        "utf-8",
    )
    return hotlines


if __name__ == "__main__":
    uvloop.run(main())
