"""A volunteer in a call calls for help; the supervisor's board shows it, answers and ends it; nothing loses it."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import PATIENCE_S, accept, active, at, ready, sign_in
from tests.support.phones import Caller
from tests.support.prompts import MENU
from tests.support.switchboard import SUPERVISOR, Switchboard, eventually

NOTES_OF_A_CALL = 6
"""Notes of the sound that a call for help makes."""

COUNT_NOTES = """
window.__notes = 0
const make = AudioContext.prototype.createOscillator
AudioContext.prototype.createOscillator = function () { window.__notes += 1; return make.call(this) }
"""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


@asynccontextmanager
async def in_a_call(switchboard: Switchboard, desk: Page, number: str) -> AsyncIterator[Caller]:
    async with Caller(switchboard.sip_port, number) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.wait_tone(MENU, 0.1, PATIENCE_S)
        await caller.rtp.press("2")
        await accept(desk)
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone has answered")
        yield caller


async def notes(board: Page) -> int:
    return int(await board.evaluate("window.__notes"))


async def let_a_minute_pass(switchboard: Switchboard) -> None:
    """For the call for help that is open, as if it had been made a minute earlier."""

    def earlier() -> None:
        with sqlite3.connect(switchboard.data_dir / "switchboard.sqlite", timeout=20) as database:
            database.execute("UPDATE help_calls SET asked_ms = asked_ms - 60000 WHERE closed_ms IS NULL")

    await asyncio.to_thread(earlier)


async def test_a_call_for_help_goes_to_the_board_and_back_and_survives_reload_and_restart(
    switchboard: Switchboard, chromium: Browser
) -> None:
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    await board.add_init_script(COUNT_NOTES)
    await board.reload()
    await expect(at(board, "board")).to_have_attribute("data-live", "true")
    await at(board, "age").click()  # a browser is silent until the first click
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(desk)
    await expect(at(desk, "help")).to_have_count(0)  # nobody to call about
    async with in_a_call(switchboard, desk, "13800138400") as caller:
        await desk.keyboard.press("F1")
        shown = at(board, "help-v901")
        await expect(shown).to_contain_text("志愿者 v901")
        await expect(shown).to_contain_text("138 **** 8400")
        await expect(shown).to_have_attribute("data-seen", "false")
        await expect(at(desk, "help")).to_have_attribute("data-stage", "asked")
        await expect(at(desk, "help-unwatched")).to_have_count(0)  # somebody looks at the board
        assert "呼叫帮助" in await board.title()
        heard = await notes(board)
        assert heard >= NOTES_OF_A_CALL

        await let_a_minute_pass(switchboard)
        await expect(at(desk, "help-meanwhile")).to_be_visible()
        await expect(at(board, "help-again")).to_be_visible()
        await eventually(lambda: _more(board, heard), PATIENCE_S, "the board alerts again")

        await desk.reload()
        await expect(at(desk, "help")).to_have_attribute("data-stage", "asked")
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone is back in the call")
        await at(board, "help-see").click()
        await expect(at(desk, "help")).to_have_attribute("data-stage", "seen")
        await expect(at(desk, "help")).to_contain_text(SUPERVISOR)

        await switchboard.kill()
        await switchboard.start()
        await expect(at(board, "board")).to_have_attribute("data-live", "true")
        await expect(at(board, "help-v901")).to_have_attribute("data-seen", "true")
        await expect(at(desk, "help")).to_have_attribute("data-stage", "seen")

        await at(board, "help-close").click()
        await at(board, "help-note").fill("已和来电者约好明天回电 <b>")
        await at(board, "help-close-do").click()
        await expect(at(board, "help-v901")).to_have_count(0)
        await expect(at(desk, "help-note")).to_have_text("已和来电者约好明天回电 <b>")
        await at(desk, "help-read").click()
        await expect(at(desk, "help-note")).to_have_count(0)
        assert "呼叫帮助" not in await board.title()
        caller.hang_up()
        await caller.ended(PATIENCE_S)
    async with switchboard.records() as records:
        (kept,) = await records.help_calls.since(0)
        assert (kept.agent, kept.seen_by, kept.closed_by) == ("v901", SUPERVISOR, SUPERVISOR)
        assert await records.verify_audit() > 0


async def _more(board: Page, heard: int) -> bool:
    return await notes(board) >= heard + NOTES_OF_A_CALL


async def test_a_volunteer_takes_a_call_for_help_back_and_learns_when_nobody_watches(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await ready(desk)
    async with in_a_call(switchboard, desk, "13800138401") as caller:
        await at(desk, "help-call").click()
        await expect(at(desk, "help-unwatched")).to_be_visible()
        board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
        await expect(at(board, "help-v901")).to_be_visible()
        await expect(at(desk, "help-unwatched")).to_have_count(0)
        await at(desk, "help-over").click()
        await expect(at(board, "help-v901")).to_have_count(0)
        await expect(at(desk, "help")).to_have_attribute("data-stage", "none")
        caller.hang_up()
        await caller.ended(PATIENCE_S)
        await expect(at(desk, "help")).to_have_attribute("data-stage", re.compile("none"))
