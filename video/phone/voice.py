"""One voice of the room as telephones hear it: tapped, decoded once, evened out, whoever listens."""

from __future__ import annotations

from video.forward import Forwarder, Track
from video.peer import Slot
from video.phone.codec import CLOCK, Decoder
from video.phone.playout import Playout
from video.phone.sound import Samples

_FRAME = CLOCK // 50
_HALF = 1 << 31
_HOLE_MAX = 5
_AFRESH = CLOCK
_ENOUGH_MS = 300


class Voice:
    """A track while at least one telephone may hear it. ``close`` when none does any more."""

    def __init__(self, forwarder: Forwarder, track: Track) -> None:
        self.playout = Playout(CLOCK)
        self.frame: Samples | None = None
        """What is heard in this tick; None when nobody speaks."""
        self._forwarder = forwarder
        self._track = track
        self._decoder = Decoder()
        self._expected: int | None = None
        self._listeners: dict[Slot, int] = {}
        """Who listens, and in how many ticks from now: what was said before they might is not for them."""
        forwarder.tap(track, self._heard)

    def close(self) -> None:
        self._forwarder.tap(self._track, None)
        self._listeners.clear()

    def open(self, slot: Slot) -> None:
        """This one listens, to what comes from now on."""
        if slot not in self._listeners:
            self._forwarder.tap(self._track, self._heard)  # what is on its way up to us came before
            self._listeners[slot] = int(self.playout.held_ms // 20) + 1 if self.playout.held_ms else 0

    def shut(self, slot: Slot) -> bool:
        """This one listens no more. False when nobody is left."""
        self._listeners.pop(slot, None)
        return bool(self._listeners)

    def tick(self) -> None:
        """Once every 20 ms, before anybody asks ``of``."""
        self.frame = self.playout.take()
        for slot, ticks in self._listeners.items():
            if ticks:
                self._listeners[slot] = ticks - 1

    def of(self, slot: Slot) -> Samples | None:
        """What this listener hears of it in this tick."""
        return self.frame if self._listeners.get(slot) == 0 else None

    def _heard(self, timestamp: int, payload: bytes) -> None:
        """One packet off the hot path. Late ones are gone by: their hole is filled already."""
        for slot in self._listeners:
            slot.sub.packets += 1
        if self.playout.held_ms > _ENOUGH_MS:
            return  # more than anybody can say in that time: not worth decoding
        hole = 0
        if self._expected is not None:
            hole = (timestamp - self._expected + _HALF) % (2 * _HALF) - _HALF
            if -_AFRESH < hole < 0:
                return
        sound = self._decoder.take(payload)
        if not len(sound):
            return
        if 0 < hole // _FRAME <= _HOLE_MAX and self.playout.running:
            self.playout.lost(hole // _FRAME)
        self._expected = (timestamp + len(sound)) % (2 * _HALF)
        self.playout.put(sound)
