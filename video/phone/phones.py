"""All telephones of a bridge: one beat of 20 ms in which every voice is decoded once and each telephone hears its mix.

The clock is this process's own. A telephone's clock, and that of whoever plays what we send, are evened out on the two
ways: ``Playout`` on the way in, and ``Ear`` on the way out, which sends a little less or more than was mixed.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
import structlog

from video.forward import Forwarder, Track
from video.peer import Slot
from video.phone.codec import CLOCK
from video.phone.peer import Line, PhonePeer
from video.phone.sound import Decimator, Limiter, Samples, longer, shorter, silence, to_pcm
from video.phone.voice import Voice

log = structlog.get_logger(__name__)

TICK_S = 0.02
BEHIND_TICKS = 10
"""A process that stood still for longer goes on from now instead of making up for it."""
SENT_AHEAD = 2
MUCH_MS, LITTLE_MS = 60, 20
UNDER_WORDS = 0.25
"""How loud the others are while the telephone is being told something."""
_STEER_TICKS = 50


class Ear:
    """What one telephone hears, in its own rate."""

    def __init__(self, peer: PhonePeer) -> None:
        self.peer = peer
        self.steered = 0
        self._limiter = Limiter()
        self._decimator = Decimator(peer.line.rate)
        self._frame = peer.playout.frame
        self._carry = silence(0)
        self._last = silence(peer.line.rate * 3 // 50)
        self._ticks = 0
        self._seen: int | None = None

    def begin(self) -> None:
        for _ in range(SENT_AHEAD):
            self.peer.line.send(to_pcm(silence(self._frame)))

    def hear(self, voices: list[Samples]) -> None:
        """One frame: the sum of these voices at 48 kHz, or what is heard while waiting, with words over it."""
        total = voices[0] if len(voices) == 1 else np.sum(voices, axis=0) if voices else silence(CLOCK // 50)
        mixed = self._decimator.take(total.astype(np.float32, copy=False))
        own = self.peer.own_sound()
        if own is not None:
            mixed = mixed * np.float32(UNDER_WORDS) + own
        self._send(self._limiter.take(mixed))

    def _send(self, mixed: Samples) -> None:
        self._carry = np.concatenate((self._carry, mixed)) if len(self._carry) else mixed
        self._ticks += 1
        if self._ticks % _STEER_TICKS == 0:
            self._steer()
        while len(self._carry) >= self._frame:
            out, self._carry = self._carry[: self._frame], self._carry[self._frame :]
            self._last = np.concatenate((self._last[self._frame :], out))
            self.peer.line.send(to_pcm(out))

    def _steer(self) -> None:
        """The other side plays by its own clock: what it has in store says which of the two is faster."""
        before, now = self._seen, self.peer.line.waiting_ms
        self._seen = now
        if before is None or now is None:
            return
        if min(before, now) > MUCH_MS:
            self._carry = shorter(self._carry, self.peer.line.rate)
        elif max(before, now) < LITTLE_MS:
            self._carry = longer(self._last, self._carry, self.peer.line.rate)
        else:
            return
        self.steered += 1


class Phones:
    """``join`` and ``drop`` telephones; the beat runs while there is one."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.spent_ns = 0
        """CPU of the beats, without what the hot path does with what is injected; for measurements."""
        self.late = 0
        """Beats left out because the process stood still."""
        self._forwarder = forwarder
        self._ears: dict[PhonePeer, Ear] = {}
        self._voices: dict[Track, Voice] = {}
        self._open: dict[Slot, Track] = {}
        self._beating: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._ears)

    def join(self, line: Line, name: str) -> PhonePeer:
        """A peer for this telephone, to be given to a room. It hears and sends until it is closed."""
        peer = PhonePeer(self._forwarder, line, self._arrange, name)
        peer.closed = self.drop
        ear = self._ears[peer] = Ear(peer)
        ear.begin()
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), name="phones")
        return peer

    def drop(self, peer: PhonePeer) -> None:
        self._ears.pop(peer, None)
        for slot in peer.slots.values():
            self._shut(slot)
        if not self._ears and self._beating is not None:
            self._beating.cancel()
            self._beating = None

    async def close(self) -> None:
        """End the beat; the rooms have let go of their telephones before."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        for voice in self._voices.values():
            voice.close()
        self._voices.clear()

    def _arrange(self, peer: PhonePeer, slot: Slot) -> None:
        """Listen to what is on this line, if it may be heard now."""
        track = slot.sent.start if slot.sent is not None and slot.allowed and not peer.ended else None
        if self._open.get(slot) is track:
            return
        self._shut(slot)
        if track is not None:
            voice = self._voices.get(track)
            if voice is None:
                voice = self._voices[track] = Voice(self._forwarder, track)
            voice.open(slot)
            self._open[slot] = track

    def _shut(self, slot: Slot) -> None:
        track = self._open.pop(slot, None)
        voice = self._voices.get(track) if track is not None else None
        if track is not None and voice is not None and not voice.shut(slot):
            voice.close()
            del self._voices[track]

    async def _beat(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s += TICK_S
            now_s = time.monotonic()
            if now_s - due_s > BEHIND_TICKS * TICK_S:
                missed = int((now_s - due_s) / TICK_S)
                self.late += missed
                due_s += missed * TICK_S
                for peer in self._ears:
                    peer.skip(missed)
            await asyncio.sleep(max(0.0, due_s - now_s))
            begun_ns = time.thread_time_ns()
            try:
                self.tick()
            except Exception:
                log.exception("a beat of the telephones failed")
            self.spent_ns += time.thread_time_ns() - begun_ns

    def tick(self) -> None:
        """What happens every 20 ms."""
        now_ns = time.monotonic_ns()
        for voice in self._voices.values():
            voice.tick()
        for peer, ear in list(self._ears.items()):
            heard: list[Samples] = []
            for slot in peer.slots.values():
                track = self._open.get(slot)
                frame = self._voices[track].of(slot) if track is not None else None
                if frame is not None:
                    heard.append(frame)
            ear.hear(heard)
            peer.tick(now_ns)
