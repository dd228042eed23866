"""The queue board at the smallest office screen: no column is cut off, in neither language."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.support.browser import at, sign_in
from tests.support.desk_views import LANGUAGES, SIZES, show_in
from tests.support.switchboard import SUPERVISOR, Switchboard

CUT_OFF = """() => [...document.querySelectorAll('main *')]
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible'
        && one.clientWidth > 0 && !one.closest('.unseen'))
    .map((one) => `${one.className} in ${one.closest('section')?.getAttribute('aria-labelledby')}`)"""


async def test_no_column_of_the_board_is_cut_off(chromium: Browser) -> None:
    async with Switchboard(demo="data", env={"ASTERISK": "none"}, tones=False) as switchboard:
        board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
        await expect(at(board, "board")).to_have_attribute("data-live", "true")
        await expect(at(board, "matter-labour")).to_be_visible()
        for language in LANGUAGES:
            for size in SIZES:
                await show_in(board, language, size)
                assert await board.evaluate(CUT_OFF) == [], (language, size)
                wide = await board.evaluate("document.documentElement.scrollWidth")
                assert wide <= size[0]
