"""Waiting: music in a shared holding bridge, the caller's place when it has changed, and what to do instead.

Measured on Asterisk 22: one bridge's music for everybody costs less than app_queue's own; it dies when the bridge
empties, so it is started again at every first caller; a prompt to one caller plays on the channel and the music
comes back by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from ivr.ari.bridge import Bridge
from ivr.ari.client import Ari
from ivr.call import Call
from ivr.prompt import key_within, say_until_key

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
        try:
            await self._enter(call)
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


Band = tuple[int, int | None]
"""From so many to so many minutes; None: longer than the first."""
Wish = Literal["callback", "message", "nobody"]


class News(Protocol):
    """What can be said of a caller's place, asked anew before each announcement."""

    async def ahead(self) -> int | None:
        """How many wait before this one; None when nobody could say."""
        ...

    async def band(self) -> Band | None:
        """How long the wait is likely to be; None without a recent sample."""
        ...

    async def served(self) -> bool:
        """Whether anybody who could serve this caller is on duty."""
        ...


@dataclass(frozen=True)
class Offers:
    """What a waiting caller may choose instead. ``actively``: the call-back is offered before all else."""

    callback: bool = True
    message: bool = True
    actively: bool = False

    @property
    def prompts(self) -> Sequence[str]:
        if not self.message:
            return []
        return ["wait_choices"] if self.callback else ["wait_choice_message"]


@dataclass(frozen=True)
class Pace:
    """When something is said, in seconds: the choices, each further announcement, the comfort of a long wait."""

    choices_s: float = 8.0
    between_s: float = 35.0
    comfort_s: float = 180.0


async def wait_in_line(
    call: Call, news: News, offers: Offers, *, stay: bool = False, pace: Pace | None = None
) -> Wish:
    """Tell the caller the place and the likely wait whenever they have changed, until a key says otherwise.

    Every key counts at every moment, also while something is said: 1 call me back, 2 leave a message, 9 the choices
    again, 0 go on waiting. Returns the wish, or ``nobody`` when nobody is on duty any more (``stay``: the caller
    knows and waits all the same). Music plays in between, by whoever has put the call into the waiting room.
    """
    pace = pace or Pace()
    begun = asyncio.get_running_loop().time()
    told = _Told(news)
    comforted = 0
    prompts = [*(["offer_callback"] if offers.actively and offers.callback else []), *await told.changed()]
    prompts = prompts or ["thanks_for_waiting"]
    next_prompts: Sequence[str] = offers.prompts
    pause_s = pace.choices_s
    while True:
        if not stay and not await news.served():
            return "nobody"
        key = await say_until_key(call, prompts) if prompts else None
        key = key or await key_within(call, round(pause_s * 1000))
        if key is not None:
            if wish := _wish(key, offers):
                return wish
            call.forget_keys()  # a child at the keys shall not hear the choices thirty times
            prompts = ["wait_go_on"] if key == "0" else offers.prompts
            continue
        waited_s = asyncio.get_running_loop().time() - begun
        prompts, next_prompts = [*next_prompts, *await told.changed()], []
        if waited_s >= (comforted + 1) * pace.comfort_s:
            comforted = int(waited_s // pace.comfort_s)
            prompts = ["wait_comfort", *prompts, *offers.prompts]
        pause_s = pace.between_s


def _wish(key: str, offers: Offers) -> Wish | None:
    if key == "1" and offers.callback:
        return "callback"
    return "message" if key == "2" and offers.message else None


class _Told:
    """What the caller has heard, so that nothing is said twice."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._ahead: int | None = None
        self._band: Band | None = None

    async def changed(self) -> list[str]:
        prompts: list[str] = []
        ahead, band = await self._news.ahead(), await self._news.band()
        if ahead is not None and ahead != self._ahead:
            self._ahead = ahead
            prompts += place_prompts(ahead)
        if band is not None and band != self._band:
            self._band = band
            prompts += band_prompts(band)
        return prompts


def place_prompts(ahead: int) -> Sequence[str]:
    if ahead <= 0:
        return ["next_in_line"]
    return [f"ahead_{ahead}"] if ahead <= MOST_SPOKEN_PLACE else ["ahead_many"]


def band_prompts(band: Band) -> Sequence[str]:
    low, high = band
    return [f"band_{low}" if high is None else f"band_{low}_{high}"]
