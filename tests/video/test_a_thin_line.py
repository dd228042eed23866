"""A village line of 100 kbit/s: the voice stays, moving pictures give way to still ones, and come back.

Shaped with a token bucket in a router between network namespaces; without namespaces, in the bridge's own socket.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.video.rig import Visitor, eventually
from tests.video.village import country
from video.events import Thinned
from video.tokens import Role

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
KBIT = 100
QUEUE_MS = 600
PICTURE = {"width": 640, "height": 360, "frameRate": 15}


async def test_on_a_thin_line_the_voice_stays_and_pictures_become_stills(tmp_path: Path) -> None:
    async with country(tmp_path) as here:
        house = here.house
        notary = await Visitor.enter(here.near, house, "notary", 500, role=Role.HOST, video=PICTURE)
        villager = await Visitor.enter(here.far, house, "villager", 1200, video=None)
        await villager.sees(notary)
        await villager.hears(notary)
        wide = await line_of(villager, notary, 5)

        await here.line.narrow(KBIT, 1_000, QUEUE_MS)

        async def thin() -> bool:
            return await villager.ask("who => room.slot(who, 'camera')?.state === 'thin'", notary.id)

        begun_s = time.monotonic()
        await eventually(thin, "the picture stops", 60)
        held_s = time.monotonic() - begun_s
        await eventually(lambda: villager.ask("who => room.still(who)", notary.id), "a still picture comes")
        still_s = time.monotonic() - begun_s
        first = await villager.ask("who => room.still(who)", notary.id)

        async def another() -> bool:
            return await villager.ask("who => room.still(who)", notary.id) not in (None, first)

        await eventually(another, "the next still picture")
        narrow = await line_of(villager, notary, 8)
        await villager.hears(notary)
        print(
            f"wide {wide}; at {KBIT} kbit/s: picture held after {held_s:.1f} s, first still {still_s:.1f} s, {narrow}"
        )
        assert any(
            isinstance(event, Thinned) and event.held and event.participant == villager.id
            for event in house.bridge.events.drain()
        )

        await here.line.widen()
        await villager.sees(notary, seconds=120)


async def _forty_seconds(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The voice on a line that has just become thin: its first 10 s, and those from the 25th to the 40th."""
    async with country(folder) as here:
        notary = await Visitor.enter(here.near, here.house, "notary", 500, role=Role.HOST, video=PICTURE)
        villager = await Visitor.enter(here.far, here.house, "villager", 1200, video=None)
        await villager.sees(notary)
        await villager.hears(notary)
        await here.line.narrow(KBIT, 1_000, QUEUE_MS)
        first = await line_of(villager, notary, 10)
        await line_of(villager, notary, 15)
        return first, await line_of(villager, notary, 15)


if LONG:

    async def test_the_voice_gains_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same line with and without the bridge acting on it."""
        acted = await _forty_seconds(tmp_path)
        monkeypatch.setattr("video.adapt.look", lambda peer, line: iter(()))
        left = await _forty_seconds(tmp_path)
        print(f"acted on: {acted}; left alone: {left}")
        assert acted[1]["lost %"] < left[1]["lost %"]


async def line_of(one: Visitor, other: Visitor, seconds: float) -> dict[str, float]:
    """What happens to the voice meanwhile: shares of lost and of made-up sound, delay in the jitter buffer."""
    before = await one.ask("who => room.stats(who, 'microphone')", other.id)
    begun_s = time.monotonic()

    async def over() -> bool:
        return time.monotonic() - begun_s > seconds

    await eventually(over, "time passes")
    after = await one.ask("who => room.stats(who, 'microphone')", other.id)

    def grown(name: str) -> float:
        return after[name] - before[name]

    packets = grown("packetsReceived") + grown("packetsLost")
    return {
        "lost %": round(100 * grown("packetsLost") / max(1, packets), 1),
        "concealed %": round(100 * grown("concealedSamples") / max(1, grown("totalSamplesReceived")), 1),
        "buffer ms": round(1000 * grown("jitterBufferDelay") / max(1, grown("jitterBufferEmittedCount"))),
    }
