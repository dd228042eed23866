"""Pictures of the volunteer desk for the documentation: ``python -m tests.pictures [--into docs/images/desk] [--all]``.

Leads two volunteers through every view (tests.support.desk_views) and keeps the chosen ones in both languages at
1366 x 768 and 1920 x 1080, as WebP of at most 150 KB each.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import tempfile
from pathlib import Path

from playwright.async_api import Page

from switchboard.pages.build import build
from tests.support.chromium import chromium
from tests.support.desk_views import LANGUAGES, SIZES, office, show_in, tour

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images" / "desk")
    parser.add_argument("--all", action="store_true", help="of every view, not only the chosen ones")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(options.into, every=options.all))
