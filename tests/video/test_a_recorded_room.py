"""Real browsers are recorded: every frame that arrived plays, for as long as it took, and no second of a caucus."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import av
import numpy as np
from playwright.async_api import Browser

from tests.support.media import play
from tests.video.rig import TINY, House, Visitor, eventually
from video.events import CaucusChanged, RecordingEnded, TapeEnded
from video.recording.blocks import RTP, PartReader
from video.recording.verify import verify
from video.recordings import Recordings
from video.tokens import Role

OPEN, SECRET = (500, 800, 1200), (3000, 3800)
NEAR_MS = 100
RATE = 48_000


async def test_each_track_plays_whole_and_nothing_of_the_caucus_is_on_it(
    chromium: Browser, house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "s17"
    room = house.bridge.open_room("mediation")
    recordings = Recordings(house.bridge.events)
    try:
        recordings.begin(room, folder)
        host = await Visitor.enter(chromium, house, "host", OPEN[0], role=Role.HOST, video=TINY)
        apart = await Visitor.enter(chromium, house, "apart", OPEN[1], video=TINY)
        rest = await Visitor.enter(chromium, house, "rest", OPEN[2], video=TINY)
        assert await host.ask("room.state.recorded")
        await asyncio.gather(host.hears(apart), host.hears(rest), rest.hears(host), rest.sees(apart))
        await stays(3)

        await host.ask("groups => room.session.caucus(groups)", [[host.id, apart.id]])
        await host.ask("hertz => room.hum(hertz)", SECRET[0])
        await apart.ask("hertz => room.hum(hertz)", SECRET[1])
        apart.hertz = SECRET[1]
        await host.hears(apart)
        assert not await host.ask("room.state.recorded")
        assert await rest.ask("room.state.recorded")
        await stays(2)
        # They say something secret until the very moment at which the caucus is ended.
        await host.ask("room.session.caucus([])")
        await host.ask("hertz => room.hum(hertz)", OPEN[0])
        await apart.ask("hertz => room.hum(hertz)", OPEN[1])
        apart.hertz = OPEN[1]
        await asyncio.gather(rest.hears(host), rest.hears(apart))
        await stays(3)

        frames_before = await frames_sent(rest)
        packets = {track_of(one): one.packets for one in tracks(house)}
        manifest = await recordings.finish("mediation", tmp_path / "key.pem")
        frames_after = await frames_sent(rest)
    finally:
        recordings.stop()

    assert all(finding.holds for finding in verify(folder))
    events = house.bridge.events.drain()
    assert any(isinstance(event, RecordingEnded) and event.sealed for event in events)
    ended = [event for event in events if isinstance(event, TapeEnded)]
    assert len(ended) == 6
    assert all(event.dropped == 0 for event in ended)
    begun, over = (event.since_ms for event in events if isinstance(event, CaucusChanged))
    tapes = {(one["participant"], one["track"]): one for one in manifest["tracks"]}
    assert len(tapes) == 6
    for visitor in (host, apart):
        for name in ("microphone", "camera"):
            tape = tapes[visitor.id, name]
            kinds = [mark["kind"] for mark in tape["marks"]]
            assert kinds[:3] == ["join", "caucus", "join"]
            times = [at for at, _ in packets_of(folder, visitor.id, name)]
            assert not [at for at in times if begun * 1_000_000 < at < over * 1_000_000 + 900_000_000]
    media = {one["participant"]: one for one in manifest["media"]}
    assert set(media) == {host.id, apart.id, rest.id}
    for visitor, own in zip((host, apart, rest), OPEN, strict=True):
        heard = sound(folder / media[visitor.id]["file"])
        assert loudest(heard, own) > 0.1
        assert max(loudest(heard, secret) for secret in SECRET) < 0.02
    played = play(folder / media[rest.id]["file"])
    camera = tapes[rest.id, "camera"]
    assert len(played.pictures) == camera["frames"]
    assert camera["frames_left_out"] == 0
    assert camera["packets_lost"] == 0
    assert frames_before <= len(played.pictures) <= frames_after
    assert packets[rest.id, "camera"] <= camera["packets"]
    shown_ms = played.pictures[-1][0] - played.pictures[0][0]
    heard_ms = played.sound[-1][0] - played.sound[0][0]
    took_ms = [length_ms(folder, rest.id, name) for name in ("camera", "microphone")]
    print(f"{len(played.pictures)} pictures; played {shown_ms} and {heard_ms} ms, sent {took_ms}")
    assert abs(shown_ms - took_ms[0]) <= NEAR_MS
    assert abs(heard_ms - took_ms[1]) <= NEAR_MS


async def stays(seconds: float) -> None:
    begun_s = time.monotonic()

    async def passed() -> bool:
        return time.monotonic() - begun_s > seconds

    await eventually(passed, "time passes")


async def frames_sent(visitor: Visitor) -> int:
    return (await visitor.ask("room.sending()"))[0]["framesSent"]


def tracks(house: House) -> list:
    return [layer.track for peer in house.bridge.peers() for layer in peer.layers()]


def track_of(track) -> tuple[str, str]:
    return track.lane.name, "microphone" if track.source.kind == "audio" else "camera"


def packets_of(folder: Path, participant: str, name: str) -> list[tuple[int, bytes]]:
    """Arrival in ns of the monotonic clock, and packet."""
    return [
        (record.at_ns, record.data)
        for part in sorted(folder.glob(f"{participant}.{name}.*.tape"))
        for record in PartReader(part).records()
        if record.kind == RTP
    ]


def length_ms(folder: Path, participant: str, name: str) -> float:
    """From the first to the last sample, by the sender's own clock."""
    stamps = [int.from_bytes(data[4:8], "big") for _, data in packets_of(folder, participant, name)]
    clock = 90 if name == "camera" else 48
    return max((stamp - stamps[0]) & 0xFFFFFFFF for stamp in stamps) / clock


def sound(path: Path) -> np.ndarray:
    """All of it, mono, full scale 1."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        decoded = (one for frame in container.decode(audio=0) for one in resampler.resample(frame))
        return np.concatenate([frame.to_ndarray()[0] for frame in decoded])


def loudest(heard: np.ndarray, hertz: int) -> float:
    """The greatest amplitude of a tone in any tenth of a second."""
    size = RATE // 10
    wave = np.exp(-2j * np.pi * hertz * np.arange(size) / RATE) * np.hanning(size)
    windows = heard[: len(heard) // size * size].reshape(-1, size)
    return float(np.max(2 * abs(windows @ wave) / wave.__abs__().sum()))
