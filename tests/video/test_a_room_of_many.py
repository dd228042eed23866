"""A room of four real browsers (eight with SWITCHBOARD_LONG=1): who sees and hears whom, and a caucus."""

from __future__ import annotations

import asyncio
import os
import time

from playwright.async_api import Browser

from tests.video.rig import TINY, House, Visitor, all_meet, eventually
from video.events import CaucusChanged
from video.tokens import Role

TONES = (500, 800, 1200, 1700, 2300, 3000, 3800, 4700)
LARGE = 8 if os.environ.get("SWITCHBOARD_LONG") else 4


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
    await eventually(lambda: late.frames(people[0]), "a first picture")
    print(
        f"late joiner: connected {connected_s - begun_s:.1f} s, picture {time.monotonic() - connected_s:.1f} s later"
    )
    people.append(late)
    await all_meet(*people)

    host, apart, *rest = people
    await host.ask("groups => room.session.caucus(groups)", [[host.id, apart.id]])
    pairs = [(outside, inside) for outside in rest for inside in (host, apart)]
    pairs += [(inside, outside) for outside, inside in pairs]
    await asyncio.gather(*(one.hears_nothing_of(other) for one, other in pairs))
    frames = {(one, other): await one.frames(other) for one in rest for other in (host, apart)}
    back = {(one, other): await one.frames(other) for one in (host, apart) for other in rest}
    await host.hears(apart)
    await apart.sees(host)
    await rest[0].hears(rest[1])
    for (one, other), count in {**frames, **back}.items():
        assert await one.frames(other) == count
    slots = await rest[0].ask("room.slots")
    assert {slot["state"] for slot in slots if slot["participant"] in (host.id, apart.id)} == {"silent"}

    await host.ask("room.session.caucus([])")
    await all_meet(*people)
    changes = [event for event in house.bridge.events.drain() if isinstance(event, CaucusChanged)]
    inside = {host.id, apart.id}
    assert all((sender in inside) == (receiver in inside) for sender, receiver in changes[0].flows)
    assert len(changes[1].flows) == LARGE * (LARGE - 1)
    assert [change.crossed for change in changes] == [0, 0]
