"""The network of a village is gone for a while: everybody there comes back by themselves, and the gap is known.

Cut in a router between network namespaces, which drops everything without a word. SWITCHBOARD_LONG=1 cuts for 10, 20,
30 and 40 s with five people behind the line, each in a room of two.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from tests.video.rig import HEARD, PATIENCE_S, TINY, Visitor, eventually
from tests.video.village import Country, country
from video.events import CameBack, Event, Gone
from video.interruptions import interruptions
from video.tokens import Role

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
CUTS_S = (10, 20, 30, 40) if LONG else (10,)
PAIRS = 5 if LONG else 1


async def test_after_a_cut_everybody_comes_back_by_themselves(tmp_path: Path) -> None:
    async with country(tmp_path) as here:
        house = here.house
        pairs = [await pair(here, f"room{number}") for number in range(PAIRS)]
        resumed_s: list[float] = []
        for cut_s in CUTS_S:
            await asyncio.gather(*(meet(*both) for both in pairs))
            house.bridge.events.drain()
            await here.line.cut()
            begun_s = time.monotonic()
            await asyncio.gather(*(told(*both, "gone") for both in pairs))
            seen_s = time.monotonic() - begun_s
            await stays_away(begun_s + cut_s)
            mended = asyncio.Event()
            watching = asyncio.gather(*(back(*both, mended) for both in pairs))
            await stays_away(time.monotonic() + 1)
            await here.line.mend()
            mended.set()
            took = await watching
            resumed_s += took
            await asyncio.gather(*(told(*both, "here") for both in pairs))
            print(
                f"cut {cut_s} s: seen in {seen_s:.1f} s, back after", " ".join(f"{one:.1f}" for one in took)
            )
            events = house.bridge.events.drain()
            for _, villager in pairs:
                the_gap_is_known(events, villager, cut_s)
                assert await villager.ask("room.ended") is None
        in_time = sum(one <= 5 for one in resumed_s)
        print(f"{in_time} of {len(resumed_s)} resumed within 5 s of the network's return")


async def pair(here: Country, room: str) -> tuple[Visitor, Visitor]:
    """A notary beside the house, and somebody in the village."""
    notary = await Visitor.enter(here.near, here.house, "notary", 500, room=room, role=Role.HOST, video=TINY)
    return notary, await Visitor.enter(here.far, here.house, "villager", 1200, room=room, video=TINY)


def the_gap_is_known(events: list[Event], villager: Visitor, cut_s: float) -> None:
    mine = [event for event in events if getattr(event, "participant", "") == villager.id]
    gone = next(event for event in mine if isinstance(event, Gone))
    came = next(event for event in mine if isinstance(event, CameBack))
    assert gone.heard_at_ms < gone.at_ms < came.at_ms
    assert came.away_ms >= (cut_s - 2) * 1000
    gaps = interruptions(mine)
    assert [one.ended for one in gaps] == ["back"] * len(gaps)
    assert {one.what for one in gaps} == {"line", "media"}
    assert all((one.lasted_ms or 0) >= (cut_s - 2) * 1000 for one in gaps)


async def meet(one: Visitor, other: Visitor) -> None:
    await asyncio.gather(one.sees(other), one.hears(other), other.sees(one), other.hears(one))


async def back(notary: Visitor, villager: Visitor, mended: asyncio.Event) -> float:
    """Seconds after the network's return until face and voice go both ways again; watched in the pages themselves."""

    async def again(one: Visitor, other: Visitor) -> None:
        expression = "([who, hertz, loud]) => room.again(who, hertz, loud)"
        await one.page.evaluate(expression, [other.id, other.hertz, HEARD])

    async with asyncio.timeout(PATIENCE_S + CUTS_S[-1]), asyncio.TaskGroup() as both:
        both.create_task(again(notary, villager))
        both.create_task(again(villager, notary))
        await mended.wait()
        begun_s = time.monotonic()
    return time.monotonic() - begun_s


async def told(notary: Visitor, villager: Visitor, wanted: str) -> None:
    async def standing() -> bool:
        people = await notary.ask("room.view.people.map(one => [one.id, one.standing])")
        return [villager.id, wanted] in people

    await eventually(standing, f"the notary is told that the villager is {wanted}")


async def stays_away(until_s: float) -> None:
    async def over() -> bool:
        return time.monotonic() > until_s

    await eventually(over, "the network stays away", until_s - time.monotonic() + 5)
