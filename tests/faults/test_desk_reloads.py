"""A desk page reloaded at random moments of a call: the same call again, and nobody lost.

SWITCHBOARD_LONG=1 (make faults) reloads 20 times, each moment of a call in turn; SWITCHBOARD_SEED repeats a run. The
times are printed, not judged: control within 3 s, at most 2 s of the volunteer's voice lost.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from switchboard.pages.build import build
from tests.support.browser import PATIENCE_S, at, ready, sign_in
from tests.support.chromium import chromium
from tests.support.desk_calls import (
    Shown,
    calling,
    hang_up,
    talk,
    told_on_failure,
    until_shown,
    voice_gap_ms,
    wrap_up,
)
from tests.support.phones import Caller
from tests.support.switchboard import Switchboard

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
SEED = int(os.environ.get("SWITCHBOARD_SEED", "12348"))
NOTE = "欠薪三个月"


@dataclass
class Reload:
    """One reload: the moment, and the milliseconds until the page had the call in hand again (card, sound or form), and
    for which the caller heard no voice."""

    moment: str
    control_ms: int = 0
    gap_ms: int | None = None


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    build()
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "120000"}) as running:
        yield running


class Volunteer:
    """Reloads the page once, at the given moment of the call, and goes on as if nothing had been."""

    def __init__(self, desk: Page, caller: Caller, chance: random.Random) -> None:
        self.desk, self.caller, self.chance = desk, caller, chance

    async def reload(self, report: Reload, wanted: Callable[[Shown], object]) -> None:
        begun = time.monotonic()
        await self.desk.reload(wait_until="commit")
        back = await until_shown(self.desk, wanted, f"the call again after a reload while {report.moment}")
        report.control_ms = round((back - begun) * 1000)

    async def card(self) -> str:
        await expect(at(self.desk, "incoming")).to_be_visible()
        return ""

    async def accept(self) -> None:
        await at(self.desk, "accept").click()

    async def ringing(self, report: Reload) -> None:
        await self.card()
        before = await self.desk.evaluate("window.__desk.reservation")
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        await self.reload(report, lambda page: page.reservation == before)
        await self.accept()
        await talk(self.desk, self.caller)

    async def accepting(self, report: Reload) -> None:
        """The click and the reload at once: it was accepted, or the card is there again."""
        await self.card()
        await at(self.desk, "accept").dispatch_event("click")
        await asyncio.sleep(self.chance.uniform(0, 0.05))
        await self.reload(report, lambda page: page.contact or page.reservation)
        if await at(self.desk, "incoming").is_visible():
            await self.accept()
        await talk(self.desk, self.caller)

    async def connecting(self, report: Reload) -> None:
        await self.card()
        await self.accept()
        await until_shown(self.desk, lambda page: page.contact, "the contact")
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        await self.reload(report, lambda page: page.talking)
        await talk(self.desk, self.caller)

    async def talking(self, report: Reload) -> None:
        await self.accept()
        await talk(self.desk, self.caller)
        await asyncio.sleep(self.chance.uniform(0, 2))
        begun_ns = time.monotonic_ns()
        await self.reload(report, lambda page: page.talking)
        await talk(self.desk, self.caller)
        report.gap_ms = voice_gap_ms(self.caller.rtp, begun_ns)

    async def holding(self, report: Reload) -> None:
        await self.accept()
        await talk(self.desk, self.caller)
        await at(self.desk, "hold").click()
        await expect(at(self.desk, "hold")).to_have_attribute("aria-pressed", "true")
        await asyncio.sleep(self.chance.uniform(0, 1))
        await self.reload(report, lambda page: page.talking)
        if await at(self.desk, "hold").get_attribute("aria-pressed") == "true":
            await at(self.desk, "hold").click()
        await talk(self.desk, self.caller)

    async def wrapping_up(self, report: Reload) -> None:
        await self.accept()
        await talk(self.desk, self.caller)
        contact = await self.desk.evaluate("window.__desk.contact")
        self.caller.hang_up()
        await at(self.desk, "ticket-facts").fill(NOTE)
        await asyncio.sleep(self.chance.uniform(0.5, 1.5))
        await self.reload(report, lambda page: page.contact == contact and page.stage == "wrap_up")
        await expect(at(self.desk, "ticket-facts")).to_have_value(NOTE)

    async def end(self, moment: str) -> None:
        if moment != "wrapping_up":
            await hang_up(self.desk, self.caller)
            self.caller.hang_up()
        await self.caller.ended(PATIENCE_S)
        await wrap_up(self.desk)


MOMENTS = ("talking", "ringing", "accepting", "connecting", "holding", "wrapping_up")


async def test_a_desk_reloaded_at_any_moment_of_a_call_has_the_same_call_again(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    rounds = [MOMENTS[n % len(MOMENTS)] for n in range(20)] if LONG else ["talking"]
    if not LONG:
        rounds += chance.sample(MOMENTS[1:], 2)
    reports = [Reload(moment) for moment in rounds]
    async with chromium(tmp_path) as browser:
        desk = await sign_in(browser, switchboard, "v901", "/desk")
        await ready(desk)
        for n, report in enumerate(reports):
            async with (
                told_on_failure(switchboard, lambda: desk),
                calling(switchboard, f"138001{n:05d}") as caller,
            ):
                volunteer = Volunteer(desk, caller, chance)
                doing: Callable[[Reload], Awaitable[None]] = getattr(volunteer, report.moment)
                await doing(report)
                await volunteer.end(report.moment)
            print(
                f"{report.moment}: control {report.control_ms} ms, voice lost {report.gap_ms} ms", flush=True
            )
        records = await switchboard.wait_ended(len(reports), PATIENCE_S)
    assert [record.agent for record in records] == ["v901"] * len(rounds)
    assert {(record.end_reason, record.disposition) for record in records} == {("completed", "advised")}
    again = [record.id for record in records if record.reservations != 1]
    assert again == []
    _tell(reports)


def _tell(reports: list[Reload]) -> None:
    quick = sum(report.control_ms <= 3000 for report in reports)
    gaps = [report.gap_ms for report in reports if report.gap_ms is not None]
    print(
        f"seed {SEED}: {len(reports)} of {len(reports)} calls kept; control within 3 s: {quick} of {len(reports)} "
        f"(longest {max(report.control_ms for report in reports)} ms); voice lost at most 2 s: "
        f"{sum(gap <= 2000 for gap in gaps)} of {len(gaps)} (longest {max(gaps)} ms)"
    )
