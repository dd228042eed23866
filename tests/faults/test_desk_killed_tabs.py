"""A desk's tab or browser killed (-9) at random moments: routing knows, the caller is kept, nothing sticks.

SWITCHBOARD_LONG=1 (make faults) kills 20; SWITCHBOARD_SEED repeats a run. The times are printed, not judged: routing
knows within 5 s that nobody is there.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect
from playwright.async_api import Error as PageError

from routing.model import Seat, Snapshot
from switchboard.pages.build import build
from tests.support import alaw
from tests.support.browser import PATIENCE_S, at, ready, sign_in
from tests.support.chromium import chromium, processes, tell
from tests.support.desk_calls import (
    calling,
    hang_up,
    is_voice,
    save_record,
    talk,
    told_on_failure,
    until_shown,
    wrap_up,
)
from tests.support.phones import Caller
from tests.support.switchboard import Board, Switchboard, eventually

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
SEED = int(os.environ.get("SWITCHBOARD_SEED", "12348"))
AGENT = "v901"
TAB_S = 5.0
MOMENTS = ("talking", "ringing", "connecting", "idle", "wrapping_up")
Whom = Literal["renderer", "browser"]


@dataclass
class Kill:
    """One kill: of what, when, whether the volunteer comes back before the caller goes on; and the milliseconds until
    routing knew, and until no reservation held the seat any more (None: the talk was waited for)."""

    moment: str
    whom: Whom
    back_soon: bool
    known_ms: int = 0
    free_ms: int | None = None


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    build()
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "120000"}) as running:
        yield running


class Volunteer:
    """One person with one computer, on which tabs and browsers die."""

    def __init__(self, switchboard: Switchboard, folder: Path) -> None:
        self.switchboard, self.folder = switchboard, folder
        self._browsers = AsyncExitStack()
        self.browser: Browser | None = None
        self._page: Page | None = None

    @property
    def desk(self) -> Page:
        assert self._page is not None
        return self._page

    async def open(self) -> None:
        """The desk, in the browser that runs or in a new one."""
        if self.browser is None or self._page is None:
            self.browser = await self._browsers.enter_async_context(chromium(self.folder))
            self._page = await sign_in(self.browser, self.switchboard, AGENT, "/desk")
            return
        self._page = await self._new_tab(self._page.context)
        await self._page.goto("/desk", wait_until="commit")

    @staticmethod
    async def _new_tab(context: BrowserContext) -> Page:
        """A person opens another tab when the first try lands in a process that was killed just now."""
        for _ in range(3):
            with suppress(PageError, TimeoutError):
                async with asyncio.timeout(TAB_S):
                    return await context.new_page()
        return await context.new_page()

    async def killed(self, whom: Whom) -> None:
        assert self.browser is not None
        tell(await processes(self.browser, whom), signal.SIGKILL)
        if whom == "browser":
            self.browser = self._page = None

    async def available(self) -> None:
        """Past the set-up of a new browser, with the telephone on the line."""
        if await at(self.desk, "set-up").is_visible():
            await at(self.desk, "set-up-later").click()
        if await at(self.desk, "state").get_attribute("data-state") == "paused":
            await at(self.desk, "ready").click()

    async def close(self) -> None:
        await self._browsers.aclose()


def seat_of(snapshot: Snapshot) -> Seat | None:
    return next((seat for seat in snapshot.seats if seat.id == f"{AGENT}/live"), None)


def unreachable(seat: Seat | None) -> bool:
    """Nothing more will be offered: paused by the empty chair, now or as soon as it comes free."""
    if seat is None:
        return True
    return "desk_gone" in (seat.reason, seat.then_reason)


class Round:
    """One call and one kill."""

    def __init__(
        self, volunteer: Volunteer, board: Board, caller: Caller, kill: Kill, chance: random.Random
    ) -> None:
        self.volunteer, self.board, self.caller, self.kill, self.chance = (
            volunteer,
            board,
            caller,
            kill,
            chance,
        )
        self.switchboard = volunteer.switchboard

    async def until_the_moment(self) -> None:
        desk, moment = self.volunteer.desk, self.kill.moment
        await expect(at(desk, "incoming")).to_be_visible()
        if moment != "ringing":
            await at(desk, "accept").click()
            await until_shown(desk, lambda page: page.contact, "the contact")
        if moment in ("talking", "wrapping_up"):
            await talk(desk, self.caller)
        if moment == "wrapping_up":
            self.caller.hang_up()
            await expect(at(desk, "wrap-up")).to_be_visible()
        await asyncio.sleep(self.chance.uniform(0, 0.3 if moment == "connecting" else 1.5))

    async def dies(self) -> None:
        """Kills, and waits until the board and routing know."""
        await self.volunteer.killed(self.kill.whom)
        begun = time.monotonic()
        await self.board.until(lambda board: _row(board)["away"], PATIENCE_S, "nobody at the desk")
        if self.kill.moment != "wrapping_up":  # nothing is offered in a wrap-up anyway

            async def known() -> bool:
                return unreachable(seat_of(await self.switchboard.snapshot()))

            await eventually(known, PATIENCE_S, "routing knows that nobody is there")
        self.kill.known_ms = _since(begun)
        if self.kill.moment in ("talking", "connecting", "wrapping_up"):
            return  # what was accepted is waited for

        async def free() -> bool:
            seat = seat_of(await self.switchboard.snapshot())
            return seat is None or seat.state == "paused"

        await eventually(free, PATIENCE_S, "no reservation holds the seat")
        self.kill.free_ms = _since(begun)

    async def goes_on(self) -> None:
        """The caller is kept all the time; whoever comes back has the talk or the form again, and a clean seat."""
        moment = self.kill.moment
        if moment == "talking":
            await self.music()
            if not self.kill.back_soon:
                await self.board.wait_stage("waiting", 1, PATIENCE_S * 2)
        assert moment == "wrapping_up" or not self.over()
        await self.volunteer.open()
        desk = self.volunteer.desk
        await expect(at(desk, "state")).to_be_visible()
        if moment == "wrapping_up":
            await wrap_up(desk)
            return
        await self.until_talking()
        await talk(desk, self.caller)
        await hang_up(desk, self.caller)
        self.caller.hang_up()
        await self.caller.ended(PATIENCE_S)
        await wrap_up(desk)

    async def until_talking(self) -> None:
        """Whatever the page shows is done, as a person would: the talk itself, a card, the form of a lost talk."""
        desk = self.volunteer.desk
        something = (
            at(desk, "incoming").or_(at(desk, "wrap-up")).or_(at(desk, "set-up")).or_(at(desk, "call"))
        )
        while not await at(desk, "call").is_visible():
            await expect(something.first).to_be_visible()
            if await at(desk, "wrap-up").is_visible():
                await save_record(desk)
                await expect(at(desk, "wrap-up")).to_be_hidden()
            elif await at(desk, "set-up").is_visible():
                await self.volunteer.available()
            elif await at(desk, "incoming").is_visible():
                await at(desk, "accept").click()
                await expect(at(desk, "incoming")).to_be_hidden()
                await expect(something.first).to_be_visible()
        await until_shown(desk, lambda page: page.talking, "the talk")

    async def music(self) -> None:
        """Half a second of sound that is not the volunteer's voice."""
        rtp = self.caller.rtp

        def heard() -> bool:
            last = [packet.payload for packet in list(rtp.packets)[-25:]]
            return all(not is_voice(one) for one in last) and sum(map(alaw.is_loud, last)) > 12

        await rtp.wait_for(heard, PATIENCE_S, "music")

    def over(self) -> bool:
        return any(event.kind == "ended" for event in self.caller.sipp.read_events())


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


def _row(board: Board) -> dict[str, Any]:
    return board.items.get(f"agent/{AGENT}", {"away": True})


def planned(chance: random.Random) -> list[Kill]:
    if not LONG:
        others = chance.sample(("ringing", "connecting", "wrapping_up"), 2)
        return [Kill("talking", "renderer", back_soon=True), *(Kill(one, "renderer", True) for one in others)]
    whom: tuple[Whom, Whom] = ("renderer", "browser")
    return [Kill(MOMENTS[n % len(MOMENTS)], chance.choice(whom), chance.random() < 0.5) for n in range(20)]


async def test_a_killed_desk_frees_the_volunteer_and_keeps_the_caller(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    kills = planned(chance)
    volunteer = Volunteer(switchboard, tmp_path)
    try:
        await volunteer.open()
        await ready(volunteer.desk)
        async with switchboard.board() as board:
            for n, kill in enumerate(kills):
                if kill.moment == "idle":
                    await idle(volunteer, board, kill)
                else:
                    async with told_on_failure(switchboard, lambda: volunteer.desk):
                        await one_call(volunteer, board, f"138002{n:05d}", kill, chance)
                snapshot = await switchboard.snapshot()
                assert snapshot.reservations == ()
                assert [entry.id for entry in snapshot.entries] == []
                print(f"{kill}", flush=True)
    finally:
        await volunteer.close()
    records = await switchboard.wait_ended(sum(kill.moment != "idle" for kill in kills), PATIENCE_S)
    assert {(record.end_reason, record.agent) for record in records} == {("completed", AGENT)}
    _tell(kills)


async def one_call(
    volunteer: Volunteer, board: Board, number: str, kill: Kill, chance: random.Random
) -> None:
    async with calling(volunteer.switchboard, number) as caller:
        one = Round(volunteer, board, caller, kill, chance)
        await one.until_the_moment()
        await one.dies()
        await one.goes_on()


async def idle(volunteer: Volunteer, board: Board, kill: Kill) -> None:
    """Nobody calls; the seat is clean when the volunteer is back."""
    await volunteer.killed(kill.whom)
    begun = time.monotonic()
    await board.until(lambda one: _row(one)["reason"] == "desk_gone", PATIENCE_S, "routing knows")
    kill.known_ms = kill.free_ms = _since(begun)
    await volunteer.open()
    await expect(at(volunteer.desk, "state")).to_be_visible()
    await volunteer.available()
    await expect(at(volunteer.desk, "state")).to_have_attribute("data-state", "available")


def _tell(kills: list[Kill]) -> None:
    held = [kill.free_ms for kill in kills if kill.free_ms is not None]
    print(
        f"seed {SEED}: {len(kills)} of {len(kills)} kills left nothing behind; known within 5 s: "
        f"{sum(kill.known_ms <= 5000 for kill in kills)} of {len(kills)} (longest "
        f"{max(kill.known_ms for kill in kills)} ms); seat free within 5 s: {sum(ms <= 5000 for ms in held)} of "
        f"{len(held)} (longest {max(held, default=0)} ms), the others in the talk or form that was waited for"
    )
