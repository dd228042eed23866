"""No view of the desk has a serious accessibility fault, in neither language, at neither size."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from playwright.async_api import Browser, Page

from switchboard.pages.build import PAGES
from tests.support.desk_views import LANGUAGES, SIZES, office, show_in, tour

AXE = PAGES / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
SHORT = (("zh", SIZES[0]), ("en", SIZES[1]))
"""In turn, a view each; the long form looks at every view in both languages at both sizes."""


async def faults(page: Page) -> list[str]:
    """What axe finds serious or critical: rule, where, and why. Colours on their way to others are not judged."""
    await page.evaluate(
        "Promise.allSettled(document.getAnimations()"
        ".filter((one) => one.effect.getComputedTiming().endTime !== Infinity)"
        ".map((one) => one.finished)).then(() => null)"
    )
    found: list[dict[str, Any]] = await page.evaluate(
        "async (tags) => (await axe.run(document, { resultTypes: ['violations'],"
        " runOnly: { type: 'tag', values: tags } })).violations",
        list(RULES),
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def test_axe_finds_nothing_serious_on_any_view_of_the_desk(chromium: Browser) -> None:
    code = await asyncio.to_thread(AXE.read_text, "utf-8")
    seen: dict[str, list[str]] = {}
    looks = [(language, size) for language in LANGUAGES for size in SIZES] if LONG else list(SHORT)

    async def look(view: str, page: Page) -> None:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(code)
        for language, size in looks if LONG else [looks[len(seen) % 2]]:
            await show_in(page, language, size)
            seen[f"{view} {language} {size[0]}"] = await faults(page)
        await show_in(page, *looks[0])

    async with office() as (switchboard, hotline):
        await tour(switchboard, hotline, chromium, look)
    bad = {view: found for view, found in seen.items() if found}
    assert not bad, "\n".join(f"{view}\n  " + "\n  ".join(found) for view, found in bad.items())
    assert len(seen) >= 35 * (4 if LONG else 1)
