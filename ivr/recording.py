"""Recording a talk: caller and volunteer on separate channels of one stereo file.

Asterisk records mono, so two snoop channels listen to the caller's channel, one to what comes in (the caller) and one
to what goes out (the volunteer). Afterwards both are joined to one WAV, 8 kHz, 16 bit, left the caller, right the
volunteer, and both digests are taken (PROMISES: SM3 and SHA-256 at close).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import wave
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from ivr.ari.channel import Channel, Direction
from ivr.ari.client import Ari
from ivr.ari.media import Recording
from ivr.errors import AriError, IvrError, RecordingFailed

RATE = 8000
BLOCK = 1 << 16
CLOSED_S = 3.0
LOOK_AGAIN_S = 0.05
SIDES: dict[str, Direction] = {"caller": "in", "agent": "out"}


@dataclass(frozen=True)
class RecordingFile:
    """A finished recording: file name in the recordings folder, length, and the digests of the whole file."""

    name: str
    ms: int
    sha256: str
    sm3: str


class Running:
    """A talk's recording under way. Times are milliseconds since it began, on its own clock."""

    def __init__(
        self, sides: list[Recording], age_ms: int, gaps: Sequence[tuple[int, int | None]] = ()
    ) -> None:
        self._sides = sides
        self._begun_ns = time.monotonic_ns() - age_ms * 1_000_000
        self._gaps = [gap for gap in gaps if gap[1] is not None]
        self._since = next((gap[0] for gap in gaps if gap[1] is None), None)
        self._turn = asyncio.Lock()

    @property
    def now_ms(self) -> int:
        return (time.monotonic_ns() - self._begun_ns) // 1_000_000

    @property
    def paused(self) -> bool:
        return self._since is not None

    async def pause(self) -> int | None:
        """Write silence from now on, both sides. Returns since when; None when it was paused already.

        Asterisk's own pause would drop the time: then every later second would stand at a wrong place, and nobody
        could see in the file that something was left out.
        """
        async with self._turn:
            if self._since is not None:
                return None
            since = self.now_ms
            self._since = since
            await asyncio.gather(*(side.mute() for side in self._sides))
            return since

    async def resume(self) -> tuple[int, int] | None:
        """Record again. Returns the gap, which is never shorter than the silence; None when it was not paused."""
        async with self._turn:
            if self._since is None:
                return None
            await asyncio.gather(*(side.unmute() for side in self._sides))
            gap = (self._since, self.now_ms)
            self._since = None
            self._gaps.append(gap)
            return gap

    def gaps(self, length_ms: int) -> list[list[int]]:
        """What is left out of a file of this length."""
        still = [] if self._since is None else [(self._since, length_ms)]
        cut = [(begin, min(end or 0, length_ms)) for begin, end in [*self._gaps, *still]]
        return [[begin, end] for begin, end in cut if begin < end]


@asynccontextmanager
async def recorded(
    ari: Ari,
    caller: Channel,
    recording_id: str,
    *,
    adopt_age_ms: int | None = None,
    gaps: Sequence[tuple[int, int | None]] = (),
) -> AsyncIterator[Running]:
    """Record the caller's channel, both directions, for as long as this is entered; both files are closed after.

    ``adopt_age_ms``: the snoops are there already and went on recording for so long while we were away, with these
    ``gaps`` (one without an end: paused even now). Raises ``RecordingFailed``.
    """
    names = [f"{recording_id}-{side}" for side in SIDES]
    snoops = [Channel(ari, f"snoop-{name}") for name in names]
    adopt = adopt_age_ms is not None
    if adopt:
        running = [Recording(ari, name, snoop.id) for snoop, name in zip(snoops, names, strict=True)]
    else:
        running = await _begin(caller, snoops, names)
    try:
        yield Running(running, adopt_age_ms or 0, gaps)
    finally:
        await asyncio.shield(_close(snoops, running))


async def _begin(caller: Channel, snoops: list[Channel], names: list[str]) -> list[Recording]:
    try:
        for snoop, spy in zip(snoops, SIDES.values(), strict=True):
            await caller.snoop(id=snoop.id, spy=spy, app_args=("recording",))
        pairs = zip(snoops, names, strict=True)
        return list(await asyncio.gather(*(snoop.record(name, format="wav") for snoop, name in pairs)))
    except AriError as error:
        await asyncio.gather(*(snoop.hangup() for snoop in snoops), return_exceptions=True)
        raise RecordingFailed(f"recording did not start: {error.code}") from error


async def let_end(ari: Ari, recording_id: str) -> None:
    """After a beginning that was cut off: hang up what there is of it, until both files are closed (bounded)."""
    snoops = [Channel(ari, f"snoop-{recording_id}-{side}") for side in SIDES]
    with suppress(TimeoutError, IvrError):
        async with asyncio.timeout(CLOSED_S):
            for snoop in snoops:
                while await snoop.exists():
                    await snoop.hangup()
                    await asyncio.sleep(LOOK_AGAIN_S)


async def discard(ari: Ari, folder: Path, recording_id: str) -> None:
    """What a recording that did not begin may have left: one side was begun, the other was refused."""
    await let_end(ari, recording_id)
    await asyncio.to_thread(_remove, [folder / f"{recording_id}-{side}.wav" for side in SIDES])


async def _close(snoops: list[Channel], running: list[Recording]) -> None:
    """Hang up the snoops and wait until Asterisk has closed both files (bounded: a dead Asterisk says nothing)."""
    await asyncio.gather(*(snoop.hangup() for snoop in snoops), return_exceptions=True)
    with suppress(TimeoutError, IvrError):
        async with asyncio.timeout(CLOSED_S):
            await asyncio.gather(*(recording.finished() for recording in running))


async def fetch_sides(ari: Ari, folder: Path, recording_id: str) -> None:
    """Bring both sides over from an Asterisk on another machine into ``folder``; there they are removed."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    for side in SIDES:
        name = f"{recording_id}-{side}"
        sound = await ari.download(f"recordings/stored/{name}/file")
        await asyncio.to_thread((folder / f"{name}.wav").write_bytes, sound)
        await ari.request("DELETE", f"recordings/stored/{name}")


def join(folder: Path, recording_id: str, target: Path) -> RecordingFile:
    """Join the two sides into ``target/<id>.wav``, read-only. Blocking: call it in a thread.

    A side whose header was never finished (Asterisk was killed) is read to the end of its file. The shorter side is
    filled with silence. Raises ``RecordingFailed`` when neither side exists.
    """
    sides = [folder / f"{recording_id}-{side}.wav" for side in SIDES]
    sounds = [read_samples(side) for side in sides]
    length = max(len(sound) for sound in sounds)
    if length == 0:
        _remove(sides)
        raise RecordingFailed("nothing was recorded")
    target.mkdir(parents=True, exist_ok=True)
    file = target / f"{recording_id}.wav"
    stereo = array("h", bytes(4 * length))
    for channel, sound in enumerate(sounds):
        stereo[channel : 2 * len(sound) : 2] = sound
    with wave.open(str(file), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(stereo.tobytes())
    file.chmod(0o440)
    _remove(sides)
    sha256, sm3 = digests(file)
    return RecordingFile(file.name, length * 1000 // RATE, sha256, sm3)


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def read_samples(file: Path) -> array[int]:
    """The 16-bit samples behind the 44-byte header, whatever length the header claims."""
    sound = array("h")
    if file.exists():
        raw = file.read_bytes()[44:]
        sound.frombytes(raw[: len(raw) // 2 * 2])
    return sound


def seal(file: Path) -> tuple[int, str, str]:
    """Make a finished mono recording durable: header in order, flushed to the disk. Its ms, SHA-256 and SM3.

    A header that was never finished (Asterisk was killed) is written anew. Blocking. Raises OSError, and
    ``RecordingFailed`` for a file without sound.
    """
    samples = read_samples(file)
    if not samples:
        raise RecordingFailed("nothing was recorded")
    try:
        with wave.open(str(file)) as sound:
            whole = sound.getnframes() == len(samples)
    except (wave.Error, EOFError):
        whole = False
    if not whole:
        repaired = file.with_suffix(".part")
        with wave.open(str(repaired), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.tobytes())
        repaired.replace(file)
    flush(file)
    return (len(samples) * 1000 // RATE, *digests(file))


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digests(file: Path) -> tuple[str, str]:
    """SHA-256 (FIPS 180-4) and SM3 (GB/T 32905) of a file, in hexadecimal."""
    sha256, sm3 = hashlib.sha256(), hashes.Hash(hashes.SM3())
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            sha256.update(block)
            sm3.update(block)
    return sha256.hexdigest(), sm3.finalize().hex()
