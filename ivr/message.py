"""Message mode: speak after the tone, hear it again, say it anew, keep it.

Every try is a file of its own in Asterisk's recordings folder (``<message>-1``, ``-2`` ...), so that nothing that was
said is lost when the caller hangs up or this process dies: whoever comes later finds the tries and takes the last one
with speech in it (``last_take``). Silence is no message.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from ivr.ari.channel import Channel
from ivr.ari.media import Recording
from ivr.call import Call
from ivr.errors import AriError, IvrError
from ivr.prompt import ask, say, say_until_key
from ivr.recording import RATE, read_samples

log = structlog.get_logger(__name__)

MOST_TAKES = 9
PATIENCE_MS = 6_000
LOUD = 200
"""Root mean square of 20 ms of speech, of 32768: about -44 dBFS, above the hiss of a bad line."""
FRAME = RATE // 50


@dataclass(frozen=True)
class Limits:
    """Seconds: the longest message, the warning before its end, the silence that ends it; ms: the shortest one,
    and how much of it must be sound."""

    most_s: int = 180
    warn_s: int = 20
    silence_s: int = 6
    least_ms: int = 2_000
    spoken_ms: int = 300


@dataclass(frozen=True)
class Take:
    """One try: its name in the recordings folder, its length and how much of it is sound, in ms."""

    name: str
    ms: int
    spoken_ms: int

    def counts(self, limits: Limits) -> bool:
        return self.ms >= limits.least_ms and self.spoken_ms >= limits.spoken_ms


def take_name(message: str, number: int) -> str:
    return f"msg-{message}-{number}"


def message_of(name: str) -> tuple[str, int] | None:
    """Message and number of a try's name, None for another file."""
    if not name.startswith("msg-"):
        return None
    message, _, number = name.removeprefix("msg-").rpartition("-")
    return (message, int(number)) if message and number.isascii() and number.isdigit() else None


Fetch = Callable[[str], Awaitable[Path]]
"""Bring a try's file within reach and say where it is."""


async def take_message(
    call: Call, message: str, fetch: Fetch, limits: Limits, *, intro: Sequence[str], first: int = 1
) -> Take | None:
    """Record until the caller is content. Returns the try that counts, None when nothing was said.

    A caller who presses nothing after hearing the choices twice is content. ``first`` is the number of the first try.
    """
    kept: Take | None = None
    empty = 0
    for number in range(first, first + MOST_TAKES):
        await say(call, [*intro, "beep"])
        take = await record_take(call, take_name(message, number), fetch, limits)
        if not take.counts(limits):
            empty += 1
            if empty == 2 or number + 1 == first + MOST_TAKES:
                return kept
            intro = ["message_empty", "message_try_again"]
            continue
        kept = take
        if take.ms >= limits.most_s * 1000 - 500:
            await say(call, ["message_time_over"])
        if await content_with(call, take):
            return kept
        intro = ["message_try_again"]
    return kept


async def content_with(call: Call, take: Take) -> bool:
    """Let the caller choose: 1 keep it, 2 hear it, 3 say it anew. Nothing pressed twice keeps it."""
    call.forget_keys()
    asked = 0
    while asked < 2:
        key = await ask(call, ["message_choices"], first_key_ms=PATIENCE_MS)
        if key == "1":
            return True
        if key == "3":
            return False
        if key == "2":
            asked = 0
            await hear(call, take)
        else:
            asked += 1
    return True


async def hear(call: Call, take: Take) -> None:
    """Play a try to its caller; any key interrupts and is kept for the question that follows."""
    if key := await say_until_key(call, [f"recording:{take.name}"]):
        call.put_back(key)


async def record_take(call: Call, name: str, fetch: Fetch, limits: Limits) -> Take:
    """Record one try: ended by ``#``, by silence, by the longest time. Raises AriError when Asterisk cannot."""
    call.forget_keys()
    recording = await call.channel.record(
        name,
        max_s=limits.most_s,
        max_silence_s=limits.silence_s,
        terminate_on="#",
        if_exists="overwrite",
    )
    return await finish_take(call, recording, name, fetch, limits)


async def finish_take(call: Call, recording: Recording, name: str, fetch: Fetch, limits: Limits) -> Take:
    """Wait for the end of a try that is being recorded, warn before the longest time, and measure it."""
    warning = asyncio.create_task(_warn(call, name, limits))
    try:
        await recording.finished()
    finally:
        warning.cancel()
        await asyncio.gather(warning, return_exceptions=True)
    call.forget_keys()
    return await measured(name, fetch)


async def measured(name: str, fetch: Fetch) -> Take:
    """The try as it lies in the folder; one that does not exist has no length."""
    try:
        ms, spoken_ms = await asyncio.to_thread(measure, await fetch(name))
    except (OSError, AriError):
        ms = spoken_ms = 0
    return Take(name, ms, spoken_ms)


async def _warn(call: Call, name: str, limits: Limits) -> None:
    """Say that the time is nearly over. The channel records, so the words come from the side, unrecorded."""
    if limits.warn_s >= limits.most_s:
        return
    await asyncio.sleep(limits.most_s - limits.warn_s)
    side: Channel | None = None
    try:
        side = await call.channel.snoop(id=f"snoop-warn-{name}", whisper="out", app_args=("warning",))
        playback = await side.play(call.prompts.media(call.language, "message_almost_over"))
        await playback.finished()
    except (IvrError, TimeoutError) as error:
        log.warning("no warning before the end of a message", error=type(error).__name__)
    finally:
        if side is not None:
            with suppress(AriError):
                await asyncio.shield(side.hangup())


def measure(file: Path) -> tuple[int, int]:
    """Length of a recording and how much of it is sound, both in ms. Blocking. Raises OSError."""
    if not file.exists():
        raise FileNotFoundError(file.name)
    samples = read_samples(file)
    return len(samples) * 1000 // RATE, 20 * sum(
        _loud(samples[at : at + FRAME]) for at in range(0, len(samples) - FRAME + 1, FRAME)
    )


def _loud(frame: array[int]) -> bool:
    mean = sum(frame) / len(frame)  # some lines carry a constant offset
    return math.sqrt(sum((sample - mean) ** 2 for sample in frame) / len(frame)) > LOUD
