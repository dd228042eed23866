"""Recording a talk: caller and volunteer on separate channels of one stereo file.

Asterisk records mono, so two snoop channels listen to the caller's channel, one to what comes in (the caller) and one
to what goes out (the volunteer). Afterwards both are joined to one WAV, 8 kHz, 16 bit, left the caller, right the
volunteer, and both digests are taken (PROMISES: SM3 and SHA-256 at close).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import wave
from array import array
from collections.abc import AsyncIterator
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
SIDES: dict[str, Direction] = {"caller": "in", "agent": "out"}


@dataclass(frozen=True)
class RecordingFile:
    """A finished recording: file name in the recordings folder, length, and the digests of the whole file."""

    name: str
    ms: int
    sha256: str
    sm3: str


@asynccontextmanager
async def recorded(
    ari: Ari, caller: Channel, recording_id: str, *, adopt: bool = False
) -> AsyncIterator[None]:
    """Record the caller's channel, both directions, for as long as this is entered; both files are closed after.

    ``adopt``: the snoops are there already and went on recording while we were away. Raises ``RecordingFailed``.
    """
    names = [f"{recording_id}-{side}" for side in SIDES]
    snoops = [Channel(ari, f"snoop-{name}") for name in names]
    if adopt:
        running = [Recording(ari, name, snoop.id) for snoop, name in zip(snoops, names, strict=True)]
    else:
        running = await _begin(caller, snoops, names)
    try:
        yield
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
