"""Pictures of video rooms for the documentation: ``python -m tests.room_pictures [--into docs/images/room]``.

A mediation with two parties (tests.support.room_views) and a visit on the desk, in both languages, as WebP.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Page, expect

from switchboard.pages.build import build
from tests.pictures import MOST_BYTES, TooLarge, take
from tests.support.browser import at, sign_in
from tests.support.chromium import chromium
from tests.support.desk_views import LANGUAGES, show_in
from tests.support.room_pages import page_sees_and_hears
from tests.support.room_views import FIRST, SECOND, admit, comes, invited, nothing, open_session, sees, tile
from tests.support.switchboard import Switchboard
from tests.support.terminals import VISITOR_HZ, terminal

ROOT = Path(__file__).resolve().parent.parent
DESK = ((1366, 768), (1280, 800), (1920, 1080))
PAGE = ((1366, 768),)


class Album:
    """Takes each view in both languages and these sizes."""

    def __init__(self, into: Path) -> None:
        self.into = into
        self.large: list[str] = []

    async def look(self, view: str, page: Page, sizes: tuple[tuple[int, int], ...] = PAGE) -> None:
        for language in LANGUAGES:
            for size in sizes:
                await show_in(page, language, size)
                await page.mouse.move(4, 4)
                name = f"{view}-{language}-{size[0]}.webp".lower()
                taken = await take(page, self.into / name)
                print(f"{name}: {taken // 1000} KB", flush=True)
                if taken > MOST_BYTES:
                    self.large.append(name)
        await show_in(page, LANGUAGES[0], sizes[0])


async def a_mediation(album: Album, folder: Path) -> None:
    env = {"ASTERISK": "none"}
    async with (
        chromium(folder) as browser,
        Switchboard(volunteers=2, roles=("mediator", "lawyer"), env=env) as switchboard,
    ):
        host, made = await open_session(switchboard, browser, album.look)
        first = await comes(browser, switchboard, await invited(host, made, FIRST), album.look, agrees=True)
        second = await comes(browser, switchboard, await invited(host, made, SECOND), nothing, agrees=False)
        await at(host, "invite").click()
        await album.look("waiting", host)
        await admit(host, FIRST, first)
        await admit(host, SECOND, second)
        await at(host, "record").click()
        await sees(host, FIRST)
        await sees(host, SECOND)
        await at(host, "panel-people").click()
        await album.look("people", host, DESK)
        await at(host, "panel-people").click()
        await at(first, "papers").click()
        await at(first, "paper-camera").first.click()
        paper = host.locator("figure[data-what=document]")
        await expect(paper).to_be_visible()
        await paper.locator("[data-test=freeze]").click()
        await expect(host.locator("[data-test^=frozen-] img")).to_be_visible()
        await album.look("frozen", host)
        await album.look("party", first)
        await at(host, "panel-frozen").click()
        await at(host, "panel-caucus").click()
        await at(host, f"caucus-with-{FIRST}").check()
        await album.look("caucus-form", host)
        await at(host, "caucus-begin").click()
        await expect(at(host, "caucus")).to_be_visible()
        await expect(tile(host, SECOND)).to_contain_text("您现在听不到")
        await album.look("caucus", host)
        await album.look("caucus-away", second)


async def a_visit(album: Album, folder: Path) -> None:
    env = {"ASTERISK": "none", "WRAP_UP_MS": "60000"}
    async with (
        chromium(folder) as browser,
        Switchboard(volunteers=1, env=env) as switchboard,
        terminal(switchboard) as visitor,
    ):
        desk = await sign_in(browser, switchboard, "v901", "/desk")
        await at(desk, "set-up-ready").click()
        await visitor.begin(matter="labour", consent=True)
        await at(desk, "accept").click()
        await page_sees_and_hears(desk, VISITOR_HZ)
        await album.look("visit", desk, DESK)
        await at(desk, "hold").click()
        await expect(at(desk, "visit-held")).to_be_visible()
        await album.look("visit-held", desk)


async def main(into: Path) -> None:
    album = Album(into)
    await asyncio.to_thread(build)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        await a_visit(album, Path(folder))
        await a_mediation(album, Path(folder))
    if album.large:
        raise TooLarge(f"more than {MOST_BYTES // 1000} KB: {', '.join(album.large)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images" / "room")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(options.into))
