"""One end of a telephone call's sound: an RTP endpoint of A-law and RFC 4733 telephone events."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast

from tests.support import alaw

PCMA = 8
EVENTS = "0123456789*#ABCD"
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_FRAME_S = 0.02
_KEEP_PACKETS = 3000  # one minute
_PAUSE_NS = (
    60_000_000  # no packet for so long is silence too: Asterisk sends nothing when it has nothing to say
)
_EVENT_VOLUME = 10  # dBm0 below zero, RFC 4733 section 2.3.3


@dataclass(frozen=True, slots=True)
class Packet:
    """One received packet of sound. `arrived_ns` is of time.monotonic_ns()."""

    arrived_ns: int
    seq: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Press:
    """When a key went out: its first packet, and the first packet that said it was released; how many packets had been
    received then."""

    digit: str
    begin_ns: int
    end_ns: int
    received: int


class RtpPeer(asyncio.DatagramProtocol):
    """Sends and receives the sound of one call.

    Use as `async with RtpPeer() as peer:`. It sends 20 ms frames, silence or a tone, to `remote`; without
    one it waits for the first packet and answers where that came from. What arrives is kept for one minute.

    Errors:
        TimeoutError: a `wait_…` did not see its thing in time; the text says what was heard instead.
    """

    def __init__(self, *, remote: tuple[str, int] | None = None, event_type: int = 101, sending: bool = True):
        self.remote = remote
        self.event_type = event_type
        self.sending = sending
        self.first_packet_ns: int | None = None
        self.packets: deque[Packet] = deque(maxlen=_KEEP_PACKETS)
        self.received = 0
        self.foreign: Counter[int] = Counter()  # packets of other payload types, which nobody agreed to
        self.sent = 0
        self.digits = ""  # keys heard from the other side
        self.onsets: deque[int] = deque(maxlen=1000)  # arrival of each first loud frame after silence
        self.offsets: deque[int] = deque(maxlen=1000)  # arrival of each first silent frame after sound
        self._loud = False
        self._last_loud_ns = 0
        self._last_arrival_ns = 0
        self._last_event: int | None = None
        self._sound = alaw.silence(20)
        self._position = 0
        self._seq = random.randrange(1 << 15)
        self._timestamp = random.randrange(1 << 31)
        self._ssrc = random.randrange(1 << 32)
        self._keys: deque[tuple[str, int, asyncio.Future[Press]]] = deque(maxlen=32)
        self._arrival = asyncio.Event()
        self._followed = 0  # until which packet `hear` has followed what was said
        self._heard_last: float | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._sender = asyncio.create_task(self._send_frames(), name=f"rtp-{self.port}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    @property
    def port(self) -> int:
        assert self._transport is not None
        return self._transport.get_extra_info("sockname")[1]

    # ---- what is sent

    def play_tone(self, frequency: int, level_db: float = -12.0) -> None:
        """Sends this tone without end."""
        self._sound, self._position = alaw.tone(frequency, level_db), 0

    def play_silence(self) -> None:
        self._sound, self._position = alaw.silence(20), 0

    async def press(self, digits: str, *, ms: int = 100, gap_ms: int = 60) -> Press:
        """Presses one or more keys in a row, each `ms` long; returns the last one's times."""
        press: Press | None = None
        for digit in digits:
            future: asyncio.Future[Press] = asyncio.get_running_loop().create_future()
            self._keys.append((digit, max(1, ms // 20), future))
            press = await future
            await asyncio.sleep(gap_ms / 1000)
        assert press is not None, "no key given"
        return press

    async def _send_frames(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self._keys:
                due = await self._send_key(*self._keys.popleft(), due=due)
            elif self.sending:
                self._send_sound()
            due = await self._next_frame(due)

    async def _next_frame(self, due: float) -> float:
        self._timestamp = (self._timestamp + alaw.FRAME) & 0xFFFFFFFF
        due += _FRAME_S
        now = asyncio.get_running_loop().time()
        if now > due + 0.5:  # the machine stood still: go on from here instead of sending a burst
            return now
        await asyncio.sleep(max(0.0, due - now))
        return due

    def _send_sound(self) -> None:
        end = self._position + alaw.FRAME
        frame = self._sound[self._position : end]
        self._position = 0 if end >= len(self._sound) else end
        self._send(PCMA, self._timestamp, frame)

    async def _send_key(self, digit: str, frames: int, future: asyncio.Future[Press], *, due: float) -> float:
        """RFC 4733 section 2.5.1: one timestamp, growing duration, marker at first, the end three times."""
        event, started = EVENTS.index(digit), self._timestamp
        begin_ns = time.monotonic_ns()
        for frame in range(1, frames + 1):
            body = _EVENT.pack(event, _EVENT_VOLUME, frame * alaw.FRAME)
            self._send(self.event_type, started, body, marker=frame == 1)
            due = await self._next_frame(due)
        end_ns = time.monotonic_ns()
        last = _EVENT.pack(event, 0x80 | _EVENT_VOLUME, (frames + 1) * alaw.FRAME)
        for _ in range(3):
            self._send(self.event_type, started, last)
        self._followed, self._heard_last = self.received, None
        if not future.done():
            future.set_result(Press(digit, begin_ns, end_ns, self.received))
        return due

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool = False) -> None:
        if self.remote is None or self._transport is None or self._transport.is_closing():
            return
        second = payload_type | (0x80 if marker else 0)
        header = _HEADER.pack(0x80, second, self._seq, timestamp & 0xFFFFFFFF, self._ssrc)
        self._seq = (self._seq + 1) & 0xFFFF
        self._transport.sendto(header + payload, self.remote)
        self.sent += 1

    # ---- what is received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def error_received(self, exc: Exception) -> None:
        """The other side has closed its port: usual at the end of a call."""

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = time.monotonic_ns()
        if len(data) < _HEADER.size or data[0] >> 6 != 2:
            return
        first, second, seq, timestamp, _ = _HEADER.unpack_from(data)
        payload = data[_HEADER.size + 4 * (first & 0x0F) :]
        if self.remote is None:
            self.remote = addr
        if second & 0x7F == self.event_type:
            self._event(timestamp, payload)
        elif second & 0x7F == PCMA:
            self._sound_arrived(Packet(now, seq, timestamp, payload))
        else:
            self.foreign[second & 0x7F] += 1
        self._arrival.set()

    def _event(self, timestamp: int, payload: bytes) -> None:
        if len(payload) >= _EVENT.size and payload[1] & 0x80 and timestamp != self._last_event:
            self._last_event = timestamp
            self.digits += EVENTS[payload[0]] if payload[0] < len(EVENTS) else ""

    def _sound_arrived(self, packet: Packet) -> None:
        self.received += 1
        if self.first_packet_ns is None:
            self.first_packet_ns = packet.arrived_ns
        self.packets.append(packet)
        loud = alaw.is_loud(packet.payload)
        paused = packet.arrived_ns - self._last_arrival_ns > _PAUSE_NS
        self._last_arrival_ns = packet.arrived_ns
        if loud and (paused or not self._loud):
            self.onsets.append(packet.arrived_ns)
        elif self._loud and not loud:
            self.offsets.append(packet.arrived_ns)
        self._loud = loud
        if loud:
            self._last_loud_ns = packet.arrived_ns

    def since(self, count: int) -> list[Packet]:
        """What was received after the first `count` packets, as far as it is kept."""
        gone = self.received - len(self.packets)
        return [self.packets[number - gone] for number in range(max(count, gone), self.received)]

    def heard(self, seconds: float) -> list[int]:
        """The last `seconds` of received sound as linear samples (fewer when less was heard)."""
        wanted = round(seconds / _FRAME_S)
        parts = list(self.packets)[-wanted:] if wanted else []
        return alaw.decode(b"".join(packet.payload for packet in parts))

    # ---- waiting

    async def wait_for(self, seen: Callable[[], object], timeout: float, what: str) -> None:
        """Looks at `seen` again after each packet that arrives."""
        try:
            async with asyncio.timeout(timeout):
                while not seen():
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            raise TimeoutError(f"not heard in {timeout} s: {what}; {self.describe()}") from None

    async def wait_first(self, timeout: float = 5.0) -> int:
        """Arrival time of the first packet of sound (ns)."""
        await self.wait_for(lambda: self.first_packet_ns is not None, timeout, "a first packet")
        return cast(int, self.first_packet_ns)

    async def wait_tone(self, frequency: float, seconds: float = 0.2, timeout: float = 5.0) -> None:
        """Until `seconds` on end, all of them received after this call, were mostly this tone."""
        await self._find_tone(frequency, seconds, timeout, self.received)

    async def hear(self, frequency: float, timeout: float = 10.0, seconds: float = 0.1) -> None:
        """Until this prompt was heard after the one heard last, or after the last key: one that comes only once is
        not missed by a test that was slow to listen. The same one twice in a row is waited for from now on."""
        since = self.received if frequency == self._heard_last else self._followed
        self._followed = await self._find_tone(frequency, seconds, timeout, since)
        self._heard_last = frequency

    async def _find_tone(self, frequency: float, seconds: float, timeout: float, since: int) -> int:
        """Looks at every stretch of `seconds` after the packet counted `since`; where the found one ends."""
        enough = round(seconds / _FRAME_S)
        end = since + enough - 1

        def seen() -> bool:
            nonlocal end
            while end < self.received:
                end += 1
                samples = self._between(end - enough, end)
                if alaw.energy(samples) > 1e4 and alaw.tone_share(samples, frequency) > 0.6:
                    return True
            return False

        await self.wait_for(seen, timeout, f"{seconds} s of {frequency} Hz")
        return end

    def _between(self, first: int, last: int) -> list[int]:
        """Samples of the packets counted from `first` to before `last`; what is older than a minute is gone."""
        gone = self.received - len(self.packets)
        parts = [self.packets[number - gone] for number in range(max(first, gone), last)]
        return alaw.decode(b"".join(packet.payload for packet in parts))

    async def wait_no_tone(self, frequency: float, seconds: float = 0.2, timeout: float = 5.0) -> None:
        """Until `seconds` of received sound are without this tone."""
        mark, enough = self.received, round(seconds / _FRAME_S)

        def seen() -> bool:
            return self.received - mark >= enough and alaw.tone_share(self.heard(seconds), frequency) < 0.1

        await self.wait_for(seen, timeout, f"{seconds} s without {frequency} Hz")

    async def wait_quiet(self, seconds: float = 0.2, timeout: float = 5.0) -> None:
        """Until nothing loud has arrived for `seconds`, whether silence was sent or nothing at all."""
        deadline = time.monotonic() + timeout
        while (rest := seconds - (time.monotonic_ns() - self._last_loud_ns) / 1e9) > 0:
            if time.monotonic() + rest > deadline:
                raise TimeoutError(f"not quiet for {seconds} s within {timeout} s; {self.describe()}")
            await asyncio.sleep(rest)

    async def wait_onset(self, after_ns: int, timeout: float = 5.0) -> int:
        """Arrival (ns) of the first loud frame that came after silence and after `after_ns`."""

        def first() -> int | None:
            return next((at for at in self.onsets if at > after_ns), None)

        await self.wait_for(lambda: first() is not None, timeout, "sound after silence")
        return cast(int, first())

    async def wait_change(self, from_hertz: float, after_ns: int, timeout: float = 5.0) -> int:
        """Arrival (ns) of the first loud frame after `after_ns` that is not this tone any more."""

        def first() -> int | None:
            for packet in self.packets:
                later = packet.arrived_ns > after_ns and alaw.is_loud(packet.payload)
                if later and alaw.tone_share(alaw.decode(packet.payload), from_hertz) < 0.4:
                    return packet.arrived_ns
            return None

        await self.wait_for(lambda: first() is not None, timeout, f"another sound than {from_hertz} Hz")
        return cast(int, first())

    async def wait_sound_of(self, sound: bytes, after_ns: int, timeout: float = 5.0) -> int:
        """When a known A-law file began to arrive (ns): its first loud frame, less that frame's place in it.

        Asterisk passes A-law on as it is, in frames of 160 bytes, so frames can be compared byte by byte.
        """
        frames = [sound[at : at + alaw.FRAME] for at in range(0, len(sound) - alaw.FRAME, alaw.FRAME)]
        place = next((n for n, frame in enumerate(frames) if alaw.is_loud(frame)), None)
        if place is None:
            raise ValueError("this sound is silent all through")

        def first() -> int | None:
            later = (p for p in self.packets if p.arrived_ns > after_ns)
            return next((p.arrived_ns for p in later if p.payload == frames[place]), None)

        await self.wait_for(lambda: first() is not None, timeout, "the expected prompt")
        return cast(int, first()) - place * 20_000_000

    async def wait_digits(self, digits: str, timeout: float = 5.0) -> None:
        await self.wait_for(lambda: digits in self.digits, timeout, f"keys {digits}")

    def describe(self) -> str:
        """What this peer saw, for messages of failed tests."""
        state = "sound" if self._loud else "silence"
        ago_ms = (time.monotonic_ns() - self._last_arrival_ns) // 1_000_000
        return (
            f"{self.received} packets in ({state}, the last {ago_ms} ms ago), {self.sent} out, remote {self.remote}, "
            f"other payload types {dict(self.foreign)}"
        )
