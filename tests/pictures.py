"""Pictures for the documentation: ``python -m tests.pictures [--of desk|terminal] [--into docs/images/desk] [--all]``.

Leads two volunteers through every view of the desk (tests.support.desk_views) and keeps the chosen ones in both
languages at 1366 x 768 and 1920 x 1080; or a villager through those of the terminal (tests.support.terminal_views)
at 1080 x 1920 and 1280 x 800. WebP of at most 150 KB each.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import tempfile
from pathlib import Path

from playwright.async_api import Page

from switchboard.pages.build import build
from tests.support import terminal_views
from tests.support.chromium import chromium
from tests.support.desk_views import LANGUAGES, SIZES, office, show_in, tour
from tests.support.kiosk import kiosk

ROOT = Path(__file__).resolve().parent.parent
CHOSEN = (
    "set-up",
    "ready",
    "card",
    "talk",
    "law",
    "directory",
    "consultation",
    "held-and-help",
    "wrap-up",
    "shifts",
    "figures",
    "trouble-denied",
)
MOST_BYTES = 150_000
QUALITY = 82


class TooLarge(RuntimeError):
    """A picture is too heavy for the documentation."""


async def take(page: Page, file: Path) -> int:
    """One picture of what is on the screen; its size in bytes."""
    session = await page.context.new_cdp_session(page)
    await page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
    shot = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    await session.detach()
    return await asyncio.to_thread(file.write_bytes, base64.b64decode(shot["data"]))


async def main(into: Path, *, every: bool) -> None:
    large: list[str] = []

    async def look(view: str, page: Page) -> None:
        if not every and view not in CHOSEN:
            return
        for language in LANGUAGES:
            for size in SIZES:
                await show_in(page, language, size)
                name = f"{view}-{language}-{size[0]}.webp".lower()
                taken = await take(page, into / name)
                print(f"{name}: {taken // 1000} KB", flush=True)
                if taken > MOST_BYTES:
                    large.append(name)
        await show_in(page, LANGUAGES[0], SIZES[0])

    await asyncio.to_thread(build)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        async with chromium(Path(folder)) as browser, office() as (switchboard, hotline):
            await tour(switchboard, hotline, browser, look)
    if large:
        raise TooLarge(f"more than {MOST_BYTES // 1000} KB: {', '.join(large)}")


TERMINAL = (
    "home",
    "faults",
    "record",
    "test",
    "waiting",
    "callback",
    "talk",
    "paper",
    "papers",
    "survey",
    "thanks",
)
LARGE_TEXT = ("home", "waiting", "talk")
"""Shown at 30 pt and light on dark too."""


async def of_terminal(into: Path, *, every: bool) -> None:
    """The terminal at both sizes in both languages."""
    large: list[str] = []

    async def keep(page: Page, name: str) -> None:
        taken = await take(page, into / name)
        print(f"{name}: {taken // 1000} KB", flush=True)
        if taken > MOST_BYTES:
            large.append(name)

    async def look(view: str, page: Page) -> None:
        if not every and view not in TERMINAL:
            return
        for language in terminal_views.LANGUAGES:
            for size in terminal_views.SIZES:
                await terminal_views.show_in(page, language, size)
                await keep(page, f"{view}-{language}-{size[0]}.webp")
                if view in LARGE_TEXT and language == "zh":
                    await terminal_views.show_in(page, language, size, terminal_views.LARGEST, dark=True)
                    await keep(page, f"{view}-large-{size[0]}.webp")
        await terminal_views.show_in(page, terminal_views.LANGUAGES[0], terminal_views.SIZES[0])

    await asyncio.to_thread(build)
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        folder = Path(name)
        film = await terminal_views.paper_camera(folder)
        async with (
            terminal_views.house() as switchboard,
            kiosk(folder, switchboard.base_url, hertz=terminal_views.SILENCE_HZ, video=film) as page,
        ):
            await terminal_views.tour(page, switchboard, look)
    if large:
        raise TooLarge(f"more than {MOST_BYTES // 1000} KB: {', '.join(large)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--of", choices=("desk", "terminal"), default="desk")
    parser.add_argument("--into", type=Path, help="docs/images/desk or docs/images/terminal")
    parser.add_argument("--all", action="store_true", help="of every view, not only the chosen ones")
    options = parser.parse_args()
    folder = options.into or ROOT / "docs" / "images" / options.of
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run((main if options.of == "desk" else of_terminal)(folder, every=options.all))
