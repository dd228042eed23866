"""A telephone without an Asterisk: a line of 20 ms frames that says a tone and keeps what it hears."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from tests.video.rig import House, eventually, token
from video.participant import Participant
from video.phone.peer import PhonePeer
from video.room import Room
from video.tokens import Role

RATE = 8_000
FRAME = RATE // 50
LOUD, QUIET = 0.05, 0.004


class Telephone:
    """One person on the telephone. ``hertz`` is what they say; 0 for nothing."""

    def __init__(self, hertz: float = 0.0, *, rate: int = RATE, lost: float = 0.0) -> None:
        self.rate = rate
        self.waiting_ms: int | None = 40
        self.hertz = hertz
        self.lost = lost
        self.heard: deque[bytes] = deque(maxlen=3_000)
        self.received = 0
        self.told: list[dict[str, Any]] = []
        self.ended: str | None = None
        self.room: Room
        self.person: Participant
        self.peer: PhonePeer
        self._at = 0
        self._chance = random.Random(3)

    # what the bridge sees
    def send(self, frame: bytes) -> None:
        assert len(frame) == 2 * self.rate // 50
        self.heard.append(frame)
        self.received += 1

    def say(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    def end(self, code: str) -> None:
        self.ended = code

    # what the test sees
    def frame(self) -> bytes:
        """The next 20 ms of the tone."""
        count = self.rate // 50
        wave = 8_000 * np.sin(2 * np.pi * self.hertz * (np.arange(count) + self._at) / self.rate)
        self._at += count
        return wave.astype("<i2").tobytes()

    async def speak(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            frame = self.frame()
            if self.hertz and self._chance.random() >= self.lost:
                self.peer.take(frame)
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def loudness(self, hertz: float, frames: int = 15) -> float:
        """Amplitude of a tone in what was heard last, full scale 1."""
        pcm = np.frombuffer(b"".join(list(self.heard)[-frames:]), "<i2")
        wave = np.exp(-2j * np.pi * hertz * np.arange(len(pcm)) / self.rate)
        return float(2 * abs(np.dot(pcm, wave)) / max(1, len(pcm)) / 32768)

    async def hears(self, hertz: float) -> None:
        async def loud() -> bool:
            return self.received > 20 and self.loudness(hertz) > LOUD

        await eventually(loud, f"{hertz} Hz on the telephone")

    async def hears_nothing_of(self, hertz: float) -> None:
        """Silence that lasts: half a second of it."""
        since = self.received

        async def quiet() -> bool:
            nonlocal since
            if self.loudness(hertz) > QUIET:
                since = self.received
            return self.received - since > 25

        await eventually(quiet, f"no {hertz} Hz on the telephone")


@asynccontextmanager
async def telephone(
    house: House,
    hertz: float = 0.0,
    *,
    person: str = "phone",
    room: str = "mediation",
    role: Role = Role.PARTY,
    waits: bool = False,
    consents: bool = True,
    lost: float = 0.0,
) -> AsyncIterator[Telephone]:
    """Somebody who takes part by telephone until the end of the block."""
    one = Telephone(hertz, lost=lost)
    invitation = token(person, room, role, waits=waits)
    one.room, one.person, one.peer = house.bridge.enter_by_phone(
        room, invitation, one, one, consents=consents
    )
    speaking = asyncio.create_task(one.speak())
    try:
        yield one
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        one.room.leave(one.person, "hung_up")
