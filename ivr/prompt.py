"""Speaking and asking: a prompt is an awaitable with one result.

``say`` speaks to the end unless a key may interrupt it (barge-in). ``ask`` speaks, then waits for one key, with
separate patience for the first key. A key pressed before its question is kept and used: a caller who knows the menu
never waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from ivr.ari.media import Playback
from ivr.call import Call
from ivr.errors import AriError
from ivr.prompts.errors import PromptError

log = structlog.get_logger(__name__)


async def say(call: Call, prompts: Sequence[str]) -> None:
    """Speak the prompts to their end, whatever is pressed; the keys are kept for the next question."""
    if prompts:
        async with _speaking(call, prompts) as playback:
            await playback.finished()


async def say_until_key(call: Call, prompts: Sequence[str]) -> str | None:
    """Speak until the end or the first key. Returns the key, or None when all was said."""
    async with _speaking(call, prompts) as playback:
        key = asyncio.create_task(call.key())
        end = asyncio.create_task(playback.finished())
        try:
            await asyncio.wait({key, end}, return_when=asyncio.FIRST_COMPLETED)
            return key.result() if key.done() else None
        finally:
            for task in (key, end):
                task.cancel()
            await asyncio.gather(key, end, return_exceptions=True)


async def key_within(call: Call, ms: int) -> str | None:
    """The next key within so many milliseconds, else None."""
    try:
        async with asyncio.timeout(ms / 1000):
            return await call.key()
    except TimeoutError:
        return None


async def ask(call: Call, prompts: Sequence[str], *, first_key_ms: int) -> str | None:
    """Speak (a key interrupts), then wait for one key. None: nothing was pressed in time."""
    key = await say_until_key(call, prompts) if prompts else None
    return key or await key_within(call, first_key_ms)


class Telephone:
    """A caller on the line as a ``Voice``."""

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def language(self) -> str:
        return self._call.language

    @language.setter
    def language(self, language: str) -> None:
        self._call.language = language

    async def say(self, prompts: Sequence[str], /) -> None:
        await say(self._call, prompts)

    async def ask(self, prompts: Sequence[str], /, *, first_key_ms: int) -> str | None:
        return await ask(self._call, prompts, first_key_ms=first_key_ms)

    def forget_keys(self) -> None:
        self._call.forget_keys()


@asynccontextmanager
async def _speaking(call: Call, prompts: Sequence[str]) -> AsyncIterator[Playback]:
    """A playback that is over when the block is left, also when the block was cancelled half-way."""
    playback = await call.channel.play([_media(call, key) for key in prompts])
    try:
        yield playback
    finally:
        if playback.live and not call.gone.done():
            with suppress(AriError):
                await asyncio.shield(playback.stop())


def _media(call: Call, key: str) -> str:
    """``key`` in the caller's language, or ``en/key`` in the language named; a recording of Asterisk's as it is."""
    if key.startswith("recording:"):
        return key
    language, _, name = key.rpartition("/")
    try:
        return call.prompts.media(language or call.language, name)
    except PromptError as error:  # a caller rather misses a sentence than the call
        log.error("prompt left out", key=name, language=language or call.language, code=error.code)
        return call.prompts.media(call.language, "pause")
