"""Waiting: music in a shared holding bridge, and the caller's place, said only when it has something new to say.

Measured on Asterisk 22: one bridge's music for everybody costs less than app_queue's own; it dies when the bridge
empties, so it is started again at every first caller; a prompt to one caller plays on the channel and the music
comes back by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from ivr.ari.bridge import Bridge
from ivr.ari.client import Ari
from ivr.call import Call
from ivr.prompt import say

BETWEEN_ANNOUNCEMENTS_S = 30.0
MOST_SPOKEN_PLACE = 50


class WaitingRoom:
    """One holding bridge with music. Made when first needed and again whenever Asterisk has lost it."""

    def __init__(self, ari: Ari, bridge_id: str, music: str = "default") -> None:
        self._ari = ari
        self._id = bridge_id
        self._music = music
        self._bridge: Bridge | None = None
        self._inside: set[str] = set()
        self._door = asyncio.Lock()

    @asynccontextmanager
    async def seat(self, call: Call) -> AsyncIterator[None]:
        """The caller hears music for as long as this is entered."""
        await self._enter(call)
        try:
            yield
        finally:
            self._inside.discard(call.channel.id)
            if not call.gone.done() and self._bridge:
                await self._bridge.remove(call.channel.id)

    def forget(self) -> None:
        """Asterisk was started anew: the bridge and everybody in it are gone."""
        self._bridge = None
        self._inside.clear()

    async def _enter(self, call: Call) -> None:
        async with self._door:
            first = not self._inside
            self._inside.add(call.channel.id)
            bridge = self._bridge
            if bridge is None or not await bridge.add(call.channel.id):
                bridge = self._bridge = await Bridge.create(self._ari, self._id, type="holding")
                await bridge.add(call.channel.id)
                first = True
            if first:
                await bridge.start_moh(self._music)


async def keep_informed(call: Call, ahead: Callable[[], Awaitable[int | None]]) -> None:
    """Tell the caller the place, at once and whenever it has changed; runs until cancelled.

    ``ahead`` gives the number of callers before this one, None when nobody could say.
    """
    said: int | None = None
    rounds = 0
    while True:
        now = await ahead()
        if now is not None and now != said:
            await say(call, place_prompts(now))
            said = now
        elif rounds % 2 == 0:
            await say(call, ["thanks_for_waiting"])
        rounds += 1
        await asyncio.sleep(BETWEEN_ANNOUNCEMENTS_S)


def place_prompts(ahead: int) -> Sequence[str]:
    if ahead <= 0:
        return ["next_in_line"]
    return [f"ahead_{ahead}"] if ahead <= MOST_SPOKEN_PLACE else ["ahead_many"]
