"""Rooms with real browsers: who sees and hears whom. SWITCHBOARD_LONG=1 makes the larger room one of eight."""

from __future__ import annotations

import os
import time
from itertools import permutations

from playwright.async_api import Browser

from tests.video.rig import SMALL, House, Visitor, eventually
from video.events import CaucusChanged, MediaBack, MediaLost, MediaUp
from video.tokens import Role

TONES = (500, 800, 1200, 1700, 2300, 3000, 3800, 4700)
LARGE = 8 if os.environ.get("SWITCHBOARD_LONG") else 4
TINY = {"width": 160, "height": 90, "frameRate": 5}


async def test_two_see_and_hear_each_other_and_what_they_hold_up(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200)
    for one, other in permutations((notary, visitor), 2):
        await one.sees(other)
        await one.hears(other)

    await visitor.ask("room.show('document', {width: 640, height: 360, frameRate: 5})")
    await notary.sees(visitor, "document")
    await notary.sees(visitor)
    await visitor.ask("room.hide()")
    await eventually(
        lambda: notary.ask("who => !room.slot(who, 'document')", visitor.id), "the document is gone"
    )
    await visitor.ask("size => room.changeCamera(size)", SMALL)
    await notary.sees(visitor)

    for one in (notary, visitor):
        assert await one.ask("room.errors") == []
        assert await one.ask("room.number") == 1
    assert house.bridge.port.counts()["forged"] == 0


async def test_everybody_sees_and_hears_everybody_and_a_caucus_is_silent_both_ways(
    chromium: Browser, house: House
) -> None:
    people = [
        await Visitor.enter(
            chromium, house, f"p{index}", hertz, video=TINY, role=Role.HOST if not index else Role.PARTY
        )
        for index, hertz in enumerate(TONES[: LARGE - 1])
    ]
    begun_s = time.monotonic()
    late = await Visitor.enter(chromium, house, "late", TONES[LARGE - 1], video=TINY)
    await late.connected()
    connected_s = time.monotonic()
    await late.sees(people[0])
    print(
        f"late joiner: connected {connected_s - begun_s:.1f} s, picture {time.monotonic() - connected_s:.1f} s later"
    )
    people.append(late)
    for one, other in permutations(people, 2):
        await one.sees(other)
        await one.hears(other)

    host, apart, *rest = people
    await host.ask("groups => room.ask({type: 'caucus', groups})", [[host.id, apart.id]])
    for outside in rest:
        for inside in (host, apart):
            await outside.hears_nothing_of(inside)
            await inside.hears_nothing_of(outside)
    frames = {(one, other): await one.frames(other) for one in rest for other in (host, apart)}
    back = {(one, other): await one.frames(other) for one in (host, apart) for other in rest}
    await host.hears(apart)
    await apart.sees(host)
    await rest[0].hears(rest[1])
    for (one, other), count in {**frames, **back}.items():
        assert await one.frames(other) == count
    slots = await rest[0].ask("room.slots")
    assert {slot["state"] for slot in slots if slot["participant"] in (host.id, apart.id)} == {"silent"}

    await host.ask("room.ask({type: 'caucus', groups: []})")
    for one, other in permutations(people, 2):
        await one.hears(other)
        await one.sees(other)
    changes = [event for event in house.bridge.events.drain() if isinstance(event, CaucusChanged)]
    inside = {host.id, apart.id}
    assert all((sender in inside) == (receiver in inside) for sender, receiver in changes[0].flows)
    assert len(changes[1].flows) == LARGE * (LARGE - 1)
    assert [change.crossed for change in changes] == [0, 0]


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
            "who => room.view.participants.some(one => one.id === who && one.standing === 'gone')", visitor.id
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


async def test_a_page_whose_peer_is_lost_makes_a_new_one(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST, video=TINY)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200, video=TINY)
    await notary.hears(visitor)
    peer = house.person("visitor").peer
    assert peer is not None
    await visitor.ask("{ const old = room.pc; room.open(); old.close(); }")
    await notary.sees(visitor)
    await visitor.hears(notary)
    assert house.person("visitor").peer is not peer
    ups = [event for event in house.bridge.events.drain() if isinstance(event, MediaUp)]
    assert [event.peer for event in ups if event.participant == visitor.id] == [1, 2]


async def _passed(since_s: float, seconds: float) -> bool:
    return time.monotonic() - since_s > seconds
