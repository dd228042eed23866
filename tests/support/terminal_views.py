"""Every view of the terminal, one after the other, for whoever must look at all of them: ``tour`` calls ``look`` at
each, and nothing moves on while that looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, expect

from switchboard.visits.synthetic import Picture, Tone
from tests.support.agents import Manner, ScriptedDesk
from tests.support.browser import at
from tests.support.kiosk import pair_by_hand, tap, view
from tests.support.ports import free_port
from tests.support.sheets import on_a_table, sheet, write_camera, written
from tests.support.switchboard import PASSWORD, Switchboard
from video.client import VideoClient

AGENT_HZ = 900
SILENCE_HZ = 0
SIZES = ((1080, 1920), (1280, 800))
LANGUAGES = ("zh", "en")
LARGEST = 3
"""Touches of the text size from 18 to 30 pt."""

Look = Callable[[str, Page], Awaitable[None]]


@asynccontextmanager
async def house(**env: str) -> AsyncIterator[Switchboard]:
    """No telephony, but a trunk in the settings: without one nobody is offered to be called back."""
    trunk = json.dumps([{"addresses": ["127.0.0.1/32"], "host": "127.0.0.1", "port": free_port()}])
    settings = {"ASTERISK": "none", "WRAP_UP_MS": "60000", "TRUNKS": trunk, **env}
    async with Switchboard(volunteers=1, env=settings) as running:
        yield running


@asynccontextmanager
async def volunteer(switchboard: Switchboard) -> AsyncIterator[tuple[ScriptedDesk, VideoClient]]:
    """Accepts the one who waits and is in the room with a tone and a moving picture."""
    manner = Manner(answer="accept", wrap_up_s=0.0)
    async with ScriptedDesk(switchboard.base_url, "v901", PASSWORD, manner=manner) as desk:
        await desk.ready()
        await desk.until(lambda d: d.contact and d.contact["video"], 30, "a room on the desk")
        assert desk.contact is not None
        room = desk.contact["video"]
        url = f"{switchboard.base_url.replace('http', 'ws')}{room['url']}/{room['room']}"
        async with VideoClient(url, room["token"], microphone=Tone(AGENT_HZ), camera=Picture()) as client:
            yield desk, client


async def paper_camera(folder: Path) -> Path:
    """A film for the fake camera that shows a sheet on a table."""
    film = folder / "paper.y4m"
    await asyncio.to_thread(lambda: write_camera(film, on_a_table(sheet(written()))))
    return film


async def show_in(
    page: Page, language: str, size: tuple[int, int], text: int = 0, *, dark: bool = False
) -> None:
    """As somebody would: by the buttons at the foot."""
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    if (await page.locator("html").get_attribute("lang") == "en") != (language == "en"):
        await tap(page, "language")
    while await page.locator(".terminal").get_attribute("data-size") != str(text):
        await tap(page, "size")
    if (await at(page, "contrast").get_attribute("aria-pressed") == "true") != dark:
        await tap(page, "contrast")


async def tour(page: Page, switchboard: Switchboard, look: Look) -> None:
    """From the pairing to the thanks, with the page of a terminal that is not paired yet."""
    await look("pairing", page)
    await pair_by_hand(page, switchboard)
    await look("home", page)
    await _faults(page, look)
    await tap(page, "bookings")
    await tap(page, "key-1", "key-2", "key-3")
    await look("bookings", page)
    await tap(page, "book-new")
    await expect(at(page, "kind-legal_advice")).to_be_visible()
    await look("book-what", page)
    await tap(page, "kind-legal_advice")
    await expect(page.locator(".days button")).to_have_count(7)
    await look("book-when", page)
    await tap(page, "back", "back", "back", "lawyer")
    await look("about", page)
    await tap(page, "matter-housing_land")
    await look("record", page)
    await tap(page, "record-no")
    await _painted(page, ".mirror video")
    await look("test", page)
    await tap(page, "heard")
    await expect(at(page, "place")).not_to_be_empty()
    await look("waiting", page)
    await tap(page, "callback", "key-1", "key-3", "key-8")
    await look("callback", page)
    await tap(page, "back")
    async with volunteer(switchboard) as (desk, client):
        await _talk(page, client, look)
        assert desk.contact is not None
        await tap(page, "end-yes")
        await expect(view(page, "survey")).to_be_visible()
        await look("survey", page)
        await tap(page, "face-0", "face-0", "face-1")
        await expect(view(page, "thanks")).to_be_visible()
        await look("thanks", page)
    await tap(page, "finish")
    await expect(view(page, "home")).to_be_visible()


async def _painted(page: Page, where: str) -> None:
    await expect(page.locator(where)).not_to_have_js_property("videoWidth", 0)


async def _faults(page: Page, look: Look) -> None:
    await page.evaluate("localStorage.simulated_printer = 'paper_out'")
    await tap(page, "help")
    await expect(at(page, "help-said")).to_be_visible()
    await expect(at(page, "fault-printer")).to_be_visible()
    await page.context.set_offline(True)
    await expect(at(page, "fault-network")).to_be_visible()
    await look("faults", page)
    await page.context.set_offline(False)
    await expect(at(page, "fault-network")).to_have_count(0)
    await page.evaluate("localStorage.simulated_printer = 'ok'")
    await expect(at(page, "fault-printer")).to_have_count(0)
    await tap(page, "help")
    await expect(at(page, "help-said")).to_have_count(0)


async def _talk(page: Page, client: VideoClient, look: Look) -> None:
    await expect(at(page, "room")).to_have_attribute("data-media", "up")
    await _painted(page, "figure.face > video >> nth=0")
    await client.ask("caption", text="您把合同带来了吗？请放在桌上给我看一看。", final=True)
    await expect(at(page, "caption")).to_be_visible()
    await look("talk", page)
    await tap(page, "show-paper")
    await expect(at(page, "paper-said")).to_contain_text("四边")
    await look("paper", page)
    await tap(page, "shutter")
    await look("paper-taken", page)
    await tap(page, "use")
    await expect(at(page, "page-1")).to_be_visible()
    await look("papers", page)
    await tap(page, "papers-done", "end")
    await look("ending", page)
