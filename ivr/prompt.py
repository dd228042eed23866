"""Speaking and asking: a prompt is an awaitable with one result.

``say`` speaks to the end unless a key may interrupt it (barge-in). ``ask`` speaks, then waits for one key, with
separate patience for the first key. A key pressed before its question is kept and used: a caller who knows the menu
never waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from ivr.ari.channel import Playback
from ivr.call import Call


async def say(call: Call, prompts: Sequence[str]) -> None:
    """Speak the prompts to their end, whatever is pressed; the keys are kept for the next question."""
    if prompts:
        playback = await _start(call, prompts)
        await playback.finished()


async def say_until_key(call: Call, prompts: Sequence[str]) -> str | None:
    """Speak until the end or the first key. Returns the key, or None when all was said."""
    playback = await _start(call, prompts)
    key = asyncio.create_task(call.key())
    end = asyncio.create_task(playback.finished())
    try:
        await asyncio.wait({key, end}, return_when=asyncio.FIRST_COMPLETED)
        if key.done():
            await playback.stop()
            return key.result()
        return None
    finally:
        for task in (key, end):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def key_within(call: Call, ms: int) -> str | None:
    """The next key within so many milliseconds, else None."""
    try:
        async with asyncio.timeout(ms / 1000):
            return await call.key()
    except TimeoutError:
        return None


async def ask(call: Call, prompts: Sequence[str], *, first_key_ms: int) -> str | None:
    """Speak (a key interrupts), then wait for one key. None: nothing was pressed in time."""
    return await say_until_key(call, prompts) or await key_within(call, first_key_ms)


async def _start(call: Call, prompts: Sequence[str]) -> Playback:
    return await call.channel.play([_media(call, key) for key in prompts])


def _media(call: Call, key: str) -> str:
    """``key`` in the caller's language, or ``en/key`` in the language named."""
    language, _, name = key.rpartition("/")
    return call.prompts.media(language or call.language, name)
