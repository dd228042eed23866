"""A telephone in place of a WebRTC connection: to the room it sends one microphone and has lines to receive on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from video.errors import HandshakeFailed
from video.forward import Forwarder, Lane, Sink, Source, Subscription
from video.packets import SenderReport, sender_report
from video.peer import Layer, Sent, Slot
from video.phone.codec import CLOCK, Encoder
from video.phone.playout import Playout
from video.phone.sound import FRAME_MS, Samples, from_pcm, resampled, silence
from video.tokens import SEATS_MAX

if TYPE_CHECKING:
    from video.description import Codec
    from video.participant import Participant

PAYLOAD_TYPE = 111
_SAID_MAX_S = 60
_REPORT_TICKS = 50
_NTP_1900 = 2_208_988_800


class Line(Protocol):
    """The telephone's side: a connection that carries frames of 20 ms, 16-bit little-endian mono."""

    @property
    def rate(self) -> int:
        """8000 or 16000 Hz."""
        ...

    @property
    def waiting_ms(self) -> int | None:
        """How much of what was sent the other side has not played yet; None when it has not said so lately."""
        ...

    def send(self, frame: bytes) -> None:
        """Never waits."""
        ...


class PhonePeer:
    """What a room sees of a telephone. Made by ``Phones.join``; frames that come from the telephone go to ``take``.

    While the participant is not admitted ``hold`` is heard again and again, otherwise the others; what is given to
    ``say`` is heard over both.
    """

    via = "phone"

    def __init__(
        self, forwarder: Forwarder, line: Line, changed: Callable[[PhonePeer, Slot], None], name: str
    ) -> None:
        self.name = name
        self.line = line
        self.ready = True
        self.ended = False
        self.failure: HandshakeFailed | None = None
        self.estimate: int | None = None
        self.estimate_at_s = 0.0
        self.lane = Lane(name)
        self.playout = Playout(line.rate)
        self.person: Participant | None = None
        self.injected = 0
        self.closed: Callable[[PhonePeer], None] = lambda _: None
        self._forwarder = forwarder
        self._changed = changed
        source = Source("audio", "OPUS", CLOCK, PAYLOAD_TYPE, ssrc=secrets.randbits(31) + 1)
        self._track = forwarder.publish(None, source)
        self.sent = {"0": Sent("0", "audio", "microphone", "OPUS", [Layer(self._track)])}
        self.slots = {str(number): self._slot(number) for number in range(1, SEATS_MAX)}
        self._encoder = Encoder(line.rate)
        self._timestamp = secrets.randbits(31)
        self._before: object = None
        self._words = silence(0)
        self._hold = silence(0)
        self._hold_at = 0
        self._ticks = 0

    def _slot(self, number: int) -> Slot:
        sub = Subscription(self.lane, Sink(PAYLOAD_TYPE, number), None)
        codecs: dict[str, Codec] = {"OPUS": None}  # type: ignore[dict-item]  # nothing is negotiated here
        return Slot(str(number), "audio", number, codecs, sub, 0)

    # ------------------------------------------------------------------ what a room asks of a peer

    def show(self, slot: Slot, sent: Sent | None, *, allowed: bool) -> bool:
        """Let the telephone hear this, or not."""
        slot.sent = sent
        slot.allowed = allowed and sent is not None
        self._changed(self, slot)
        return True

    def apply(self, slot: Slot) -> None:
        self._changed(self, slot)

    def switch(self, slot: Slot, rid: str) -> None:
        """A voice has one layer."""

    def layers(self) -> Iterator[Layer]:
        for sent in self.sent.values():
            yield from sent.layers

    def can_show(self, codec: str) -> bool:
        """It shows nothing, so it hinders no picture."""
        return True

    async def close(self) -> None:
        """Give everything back. May be called twice."""
        self.ended, self.ready = True, False
        self._forwarder.unpublish(self._track)
        for slot in self.slots.values():
            self.show(slot, None, allowed=False)
        self.closed(self)

    # ------------------------------------------------------------------ the telephone's voice

    def take(self, frame: bytes) -> None:
        """One frame that came from the telephone, whenever it comes."""
        self.playout.put(from_pcm(frame))

    def skip(self, ticks: int) -> None:
        """So many beats were left out: what comes next is as much later."""
        self._timestamp = (self._timestamp + ticks * CLOCK * FRAME_MS // 1000) & 0xFFFFFFFF

    def tick(self, now_ns: int) -> None:
        """Every 20 ms: send on what the telephone says to whoever may hear it."""
        if self.person is not None:
            self.person.beat_s = now_ns / 1_000_000_000
        self.lane.heard_ns = now_ns  # its silence is no loss: telephones send nothing when nobody speaks
        self._timestamp = (self._timestamp + CLOCK * FRAME_MS // 1000) & 0xFFFFFFFF
        person = self.person
        place = (person.admitted, person.group, "audio" in person.muted) if person else None
        if place != self._before:  # what was said where it stood before is not for those it stands with now
            self._before = place
            self.playout.forget()
            self._encoder = Encoder(self.line.rate)
        sound = self.playout.take()
        if person is None or not person.admitted or "audio" in person.muted or not self.sent or self.ended:
            return
        payload = self._encoder.take(sound if sound is not None else silence(self.playout.frame))
        if payload:
            self._forwarder.inject(self._track, payload, self._timestamp)
            self.injected += 1
        self._ticks += 1
        if self._track.tape is not None and self._ticks % _REPORT_TICKS == 1:
            self._report(now_ns)

    def _report(self, now_ns: int) -> None:
        """A sender report onto the tape, so that this track is aligned as all the others are."""
        tape, track = self._track.tape, self._track
        if tape is None:
            return
        wall_ns = time.time_ns()
        ntp = (wall_ns // 1_000_000_000 + _NTP_1900) << 32 | (wall_ns % 1_000_000_000 << 32) // 1_000_000_000
        report = SenderReport(track.source.ssrc, ntp & 0xFFFFFFFFFFFFFFFF, self._timestamp)
        tape.report(now_ns, sender_report(report, track.packets, track.octets, "phone"))

    # ------------------------------------------------------------------ what the telephone hears besides the others

    def say(self, pcm: bytes, rate: int) -> None:
        """Words to this telephone alone, after those that it is still being told; a minute at most."""
        words = resampled(from_pcm(pcm), rate, self.line.rate)
        if len(self._words) < _SAID_MAX_S * self.line.rate:
            self._words = np.concatenate((self._words, words))

    def hold(self, pcm: bytes, rate: int) -> None:
        """What it hears again and again while it waits."""
        self._hold = resampled(from_pcm(pcm), rate, self.line.rate)
        self._hold_at = 0

    @property
    def saying(self) -> bool:
        """Whether it is still being told something."""
        return bool(len(self._words))

    def own_sound(self) -> Samples | None:
        """This tick's frame of words, or of what is heard while waiting; None when there is neither."""
        count = self.playout.frame
        if len(self._words):
            words, self._words = self._words[:count], self._words[count:]
            return words if len(words) == count else np.concatenate((words, silence(count - len(words))))
        if len(self._hold) and self.person is not None and not self.person.admitted:
            at = (self._hold_at + np.arange(count)) % len(self._hold)
            self._hold_at = int(at[-1]) + 1
            return self._hold[at]
        return None
