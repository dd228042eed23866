"""Rooms with real browsers: who sees and hears whom."""

from __future__ import annotations

from itertools import permutations

from playwright.async_api import Browser

from tests.video.rig import House, Visitor
from video.tokens import Role

TONES = (500, 800, 1200, 1700, 2300, 3000, 3800, 4700)


async def test_two_see_and_hear_each_other(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200)
    for one, other in permutations((notary, visitor), 2):
        await one.sees(other)
        await one.hears(other)
    assert await notary.ask("room.errors") == []
    assert house.bridge.port.counts()["forged"] == 0
