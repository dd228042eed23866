"""A villager at a terminal, a volunteer in a real browser: the card, the room in place, and what becomes of both when
the page is reloaded, killed, or the switchboard dies."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from switchboard.visits.simulated import SimulatedTerminal
from tests.pages.conftest import VOICE_HZ
from tests.support.browser import PATIENCE_S, at, sign_in
from tests.support.chromium import chromium as another_browser
from tests.support.chromium import processes, tell
from tests.support.room_pages import page_sees_and_hears
from tests.support.switchboard import Switchboard, eventually
from tests.support.terminals import VILLAGE, VISITOR_HZ, in_room, sees_and_hears, terminal


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"ASTERISK": "none", "WRAP_UP_MS": "60000"}) as running:
        yield running


async def they_meet(desk: Page, visitor: SimulatedTerminal) -> None:
    await page_sees_and_hears(desk, VISITOR_HZ)
    await sees_and_hears(await in_room(visitor), VOICE_HZ)


async def available(desk: Page) -> None:
    await at(desk, "set-up-ready").click()


async def accept(desk: Page) -> None:
    await expect(at(desk, "incoming")).to_have_attribute("data-medium", "visit")
    await at(desk, "accept").click()
    await expect(at(desk, "room")).to_be_visible()


async def fits(desk: Page) -> bool:
    """Pictures and buttons of the room are on the screen, all of them, without scrolling."""
    seen = """() => [...document.querySelectorAll('[data-test=room] :is(figure, .controls > button)')].every((one) => {
      const box = one.getBoundingClientRect()
      return box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth
    })"""
    return await desk.evaluate(seen) and await desk.evaluate("scrollY === 0")


async def wrap_up(desk: Page) -> None:
    """Somebody may wait already: the next card can come at once."""
    await at(desk, "disposition-advised").click()
    await at(desk, "save-ready").click()
    await expect(at(desk, "wrap-up")).to_be_hidden()


async def test_a_visit_is_offered_opens_in_place_survives_a_reload_and_is_wrapped_up(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    async with terminal(switchboard) as visitor:
        ident = await visitor.begin(matter="labour", consent=False)
        await visitor.until(lambda v: v["stage"] == "waiting")
        await available(desk)
        await expect(at(desk, "village")).to_have_text(VILLAGE)
        await accept(desk)
        await they_meet(desk, visitor)
        room = visitor.view["room"]["room"]

        await desk.reload()
        await expect(at(desk, "room")).to_be_visible()
        await they_meet(desk, visitor)
        assert visitor.view["room"]["room"] == room

        await at(desk, "hold").click()
        await expect(at(desk, "visit-held")).to_be_visible()
        assert (await visitor.until(lambda v: v["held"]))["stage"] == "talking"
        await at(desk, "hold").click()
        await expect(at(desk, "visit-held")).to_be_hidden()
        await they_meet(desk, visitor)
        for width, height in ((1366, 768), (1280, 800), (1920, 1080)):
            await desk.set_viewport_size({"width": width, "height": height})
            await eventually(
                lambda: fits(desk), PATIENCE_S, f"the whole room on a screen of {width} x {height}"
            )

        await at(desk, "hang-up").click()
        await visitor.until(lambda v: v["survey"])
        await visitor.order("leave")
        await wrap_up(desk)
    record, events = await switchboard.contact(ident)
    assert (record.end_reason, record.agent, record.reservations, record.final) == (
        "completed",
        "v901",
        1,
        True,
    )
    assert [event.kind for event in events].count("connected") == 1


async def test_a_killed_tab_frees_the_volunteer_and_the_visit_is_offered_again(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async with another_browser(tmp_path) as browser, terminal(switchboard) as visitor:
        desk = await sign_in(browser, switchboard, "v901", "/desk")
        await available(desk)
        ident = await visitor.begin(matter="labour", consent=False)
        await accept(desk)
        await they_meet(desk, visitor)
        first = visitor.view["room"]["room"]
        tell(await processes(browser, "renderer"), signal.SIGKILL)

        async def known() -> bool:
            seats = (await switchboard.snapshot()).seats
            return all("desk_gone" in (seat.reason, seat.then_reason) for seat in seats if "live" in seat.id)

        await eventually(known, PATIENCE_S, "routing knows that nobody is there")
        view = await visitor.until(lambda v: v["notice"] == "volunteer_lost", 40)
        assert (view["stage"], view["room"]) == ("waiting", None)

        desk = await desk.context.new_page()
        await desk.goto("/desk", wait_until="commit")
        await wrap_up(desk)
        await accept(desk)
        await they_meet(desk, visitor)
        assert visitor.view["room"]["room"] != first
        await at(desk, "hang-up").click()
        await visitor.until(lambda v: v["survey"])
        await visitor.order("leave")
    record, _ = await switchboard.contact(ident)
    assert (record.end_reason, record.agent, record.reservations) == ("completed", "v901", 2)


async def test_a_visit_goes_on_after_the_switchboard_was_killed(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await available(desk)
    async with terminal(switchboard) as visitor:
        ident = await visitor.begin(matter="labour", consent=False)
        await accept(desk)
        await they_meet(desk, visitor)
        room = visitor.view["room"]["room"]
        await switchboard.kill()
        await switchboard.start()
        await they_meet(desk, visitor)
        assert visitor.view["room"]["room"] == room
        await at(desk, "hang-up").click()
        await visitor.until(lambda v: v["survey"])
        await visitor.order("leave")
        await wrap_up(desk)
    record, _ = await switchboard.contact(ident)
    assert (record.end_reason, record.agent, record.reservations) == ("completed", "v901", 1)
