"""The network of one browser is gone for a while."""

from __future__ import annotations

import time

from playwright.async_api import Browser

from tests.video.rig import TINY, House, Visitor, eventually
from video.events import MediaBack, MediaLost
from video.tokens import Role


async def test_after_a_cut_the_page_comes_back_by_itself(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST, video=TINY)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200, video=TINY)
    await notary.hears(visitor)
    await visitor.sees(notary)

    peer = house.person("visitor").peer
    assert peer is not None
    peer.lane.cut = True
    await visitor.ask("room.cut = true")
    await eventually(
        lambda: notary.ask(
            "who => room.view.people.some(one => one.id === who && one.standing === 'gone')", visitor.id
        ),
        "the notary is told",
    )
    lost_s = time.monotonic()
    await eventually(lambda: _passed(lost_s, 7), "ten seconds without network")
    await visitor.ask("room.cut = false")
    peer.lane.cut = False
    returned_s = time.monotonic()
    await notary.hears(visitor)
    await visitor.sees(notary)
    await notary.sees(visitor)
    print(f"resumed within {time.monotonic() - returned_s:.1f} s of the network's return")
    events = house.bridge.events.drain()
    assert any(isinstance(event, MediaLost) and event.participant == visitor.id for event in events)
    assert any(isinstance(event, MediaBack) and event.gap_ms >= 7_000 for event in events)
    assert await visitor.ask("room.ended") is None


async def _passed(since_s: float, seconds: float) -> bool:
    return time.monotonic() - since_s > seconds
