"""A telephone's track on tape is a track like all: it plays, every second stands at its time, a caucus is not in it."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from tests.support.tapes import muxed
from tests.video.rig import House, eventually, token
from tests.video.telephones import telephone
from video.client import VideoClient
from video.forward import Tape
from video.peer import Sent
from video.recording.model import Codec, Track
from video.recording.recorder import Recorder
from video.tokens import Role

PHONE = 900
NEAR_S = 0.1


class Shelf:
    """Every track of a room onto real tapes in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorder = Recorder(lambda _: None, flush_s=0.01)

    def tape(self, room: str, participant: str, sent: Sent) -> Tape:
        source = sent.layers[0].track.source
        codecs = {source.payload_type: Codec(source.codec.lower(), source.clock_rate, 2)}
        return self.recorder.open(self.folder, Track("s", participant, sent.what, sent.kind, codecs))


async def test_its_track_plays_and_holds_what_was_said_in_the_main_room_alone(
    house: House, tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "room")
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST)) as host,
        telephone(house, PHONE) as phone,
    ):
        await phone_is_up(phone.peer)
        phone.room.record(shelf)
        begun_s = time.monotonic()
        await asyncio.sleep(2)

        async def in_the_room() -> bool:
            return bool(host.id)

        await eventually(in_the_room, "the host is in")
        caucus_s = time.monotonic()
        await host.ask("caucus", groups=[[host.id, phone.person.id]])
        phone.hertz = 1_700  # said in private
        await asyncio.sleep(1)
        back_s = time.monotonic()
        await host.ask("caucus", groups=[])
        phone.hertz = PHONE
        await asyncio.sleep(2)
        phone.room.record(None)
        ended_s = time.monotonic()
    assert await asyncio.to_thread(shelf.recorder.stop)
    manifest = await asyncio.to_thread(muxed, tmp_path / "room")
    (media,) = (tmp_path / "room" / "media").iterdir()
    times, sound = decoded(media)
    assert abs((times[-1] - times[0]) - (ended_s - begun_s)) < NEAR_S
    assert max(b - a for a, b in pairwise(times)) > back_s - caucus_s - NEAR_S
    assert amplitude(sound, PHONE) > 0.1
    assert loudest(sound, 1_700) < 0.02
    (track,) = manifest["tracks"]
    assert track["participant"] == phone.person.id
    (gap,) = track["gaps"]  # of the caucus
    assert gap["from_ms"] < 1000 * (caucus_s - begun_s + NEAR_S)
    assert gap["to_ms"] > 1000 * (back_s - begun_s - NEAR_S)


async def phone_is_up(peer: object) -> None:
    async def speaks() -> bool:
        return getattr(peer, "injected", 0) > 10

    await eventually(speaks, "the telephone speaks")


def decoded(path: Path) -> tuple[list[float], np.ndarray]:
    """When each frame is played, in s, and all samples at 48 kHz."""
    times: list[float] = []
    parts: list[np.ndarray] = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            times.append(float(frame.time or 0))
            parts.append(frame.to_ndarray()[0].astype(np.float32))
    sound = np.concatenate(parts)
    return times, sound if np.abs(sound).max() <= 1.5 else sound / 32768


def amplitude(sound: np.ndarray, hertz: float) -> float:
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / 48_000)
    return float(2 * abs(np.dot(sound, wave)) / len(sound))


def loudest(sound: np.ndarray, hertz: float) -> float:
    """Of a tone in any tenth of a second."""
    return max(amplitude(part, hertz) for part in np.array_split(sound, max(1, len(sound) // 4_800)))
