"""Every view of the terminal, in both languages, on both screens, from 18 to 30 pt: all buttons whole on the screen and
large enough, nothing wider than it, 7:1 between text and ground, and nothing serious in axe's eyes (the short form
judges every other view light on dark, the long form each both ways)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from playwright.async_api import Page

from switchboard.pages.build import PAGES
from tests.support.kiosk import FITS, kiosk
from tests.support.terminal_views import (
    LANGUAGES,
    LARGEST,
    SILENCE_HZ,
    SIZES,
    house,
    paper_camera,
    show_in,
    tour,
)

AXE = PAGES / "node_modules" / "axe-core" / "axe.min.js"
LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
JUDGE = """async (tags) => {
    const seven = { contrastRatio: { normal: { expected: 7 }, large: { expected: 7 } } }
    axe.configure({ checks: [{ id: 'color-contrast-enhanced', options: seven }] })
    const found = await axe.run(document, {
        resultTypes: ['violations'],
        runOnly: { type: 'tag', values: tags },
        rules: { 'color-contrast-enhanced': { enabled: true } },
    })
    return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
        .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary}`))
}"""
"""axe's own contrast of 7:1 lets large letters pass with 4.5:1; here they may not."""


async def test_every_view_fits_is_touched_easily_and_is_seen_by_weak_eyes(tmp_path: Path) -> None:
    code = await asyncio.to_thread(AXE.read_text, "utf-8")
    bad: dict[str, list[str]] = {}
    views: list[str] = []

    async def look(view: str, page: Page) -> None:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(code)
        views.append(view)
        for language in LANGUAGES:
            for size in SIZES:
                for text in (0, LARGEST):
                    await show_in(page, language, size, text)
                    bad[f"{view} {language} {size[0]} {text}"] = await page.evaluate(FITS)
        for dark in (False, True) if LONG else (len(views) % 2 == 0,):
            await show_in(page, LANGUAGES[0], SIZES[0], dark=dark)
            bad[f"{view} axe{' dark' if dark else ''}"] = await page.evaluate(JUDGE, RULES)
        await show_in(page, LANGUAGES[0], SIZES[0])

    film = await paper_camera(tmp_path)
    async with (
        house() as switchboard,
        kiosk(tmp_path, switchboard.base_url, hertz=SILENCE_HZ, video=film) as page,
    ):
        await tour(page, switchboard, look)
        lowest = await page.evaluate(
            "Math.min(...[...document.querySelectorAll('.choice')].map((one) => one.offsetHeight))"
        )
    assert lowest >= 160
    found = {view: said for view, said in bad.items() if said}
    assert not found, "\n".join(f"{view}\n  " + "\n  ".join(said) for view, said in found.items())
    assert len(views) >= 16
