"""The hot path: an RTP packet comes in at one socket and goes out to everybody who may have it, never decoded.

This module is all that runs per packet. It knows lanes (one per peer: address and keys), tracks (what a peer sends),
subscriptions (what another peer gets of it), and nothing of rooms, SDP or people. Everything else comes up through
``Control``. ``video.native`` does the same in C on a thread of its own; this one is the oracle of its tests.

A packet on its way out has a header of exactly 20 bytes: the fixed one (RFC 3550, section 5.1) and one extension of
one byte-form word (RFC 8285): abs-send-time for video, the audio level for sound. MID, RID and transport-wide numbers
of the sender mean nothing to a receiver and are left out.

Numbers of a subscription go on without a gap through switches and pauses: extended source sequence + ``seq_offset``.
"""

import secrets
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from struct import Struct
from typing import Any, Literal, Protocol

from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

Kind = Literal["audio", "video"]
Address = tuple[str, int]

LARGEST = 1600
"""Bytes of the largest datagram that is looked at: an Ethernet frame and room for tunnels."""
CACHED = 512
"""Packets of each video track that are kept for retransmission: over a second at 4 Mbit/s."""
MISSING_MAX = 128
NACK_TRIES = 5
NACK_EVERY_NS = 100_000_000
NACK_AFTER_NS = 20_000_000
PACKETS_A_TICK = 150
BURST = 900
RESENDS_A_TICK = 60
ARRIVALS_MAX = 2_000
_AT_ONCE = 64
_HEADER = Struct("!BBHII")
_HEADER_OUT = Struct("!BBHIIII")
_EXTENSION = Struct("!HH")
_OUT = 20
_ONE_BYTE = 0xBEDE
_EXTENSION_OUT = 0xBEDE0001
_RTX_LEAD = Struct("!H")


class Tape(Protocol):
    """Where recorded packets go. No method blocks or raises. Times are ``time.monotonic_ns()``."""

    def write(self, arrival_ns: int, packet: bytes) -> None: ...

    def report(self, arrival_ns: int, packet: bytes) -> None:
        """A sender report of this track (RTCP), by which tracks are aligned."""
        ...

    def mark(self, kind: str, **facts: Any) -> None:
        """Something that happened to this track: join, leave, caucus, mute..."""
        ...


class Control(Protocol):
    """What is not the hot path's work. Called from the receive loop; must return soon and never raise."""

    def on_stun(self, data: bytes, address: Address) -> None: ...

    def on_dtls(self, lane: "Lane", data: bytes) -> None: ...

    def on_rtcp(self, lane: "Lane", data: bytes) -> None:
        """One compound RTCP packet, decrypted and authenticated."""
        ...

    def on_unknown(self, lane: "Lane", packet: bytes) -> None:
        """One RTP packet of an SSRC that is not bound yet, decrypted and authenticated."""
        ...

    def on_stray(self, address: Address) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a peer sends: numbers as its offer and our answer agreed. 0 means: not known, not used."""

    kind: Kind
    codec: str
    clock_rate: int
    payload_type: int
    rtx_payload_type: int = 0
    ssrc: int = 0
    rtx_ssrc: int = 0


@dataclass(frozen=True, slots=True)
class Sink:
    """How a subscriber wants it. ``extension_id`` is abs-send-time's for video, the audio level's for audio."""

    payload_type: int
    ssrc: int
    rtx_payload_type: int = 0
    rtx_ssrc: int = 0
    extension_id: int = 0


@dataclass(slots=True)
class Counters:
    """Everything that went through, and everything that did not. Only ever growing."""

    received: int = 0
    sent: int = 0
    stray: int = 0  # from an address that no peer proved
    early: int = 0  # before the keys
    oversized: int = 0
    malformed: int = 0
    forged: int = 0  # did not decrypt
    flooded: int = 0
    unknown: int = 0
    duplicate: int = 0
    send_failed: int = 0
    resent: int = 0
    recovered: int = 0
    overflow: int = 0  # came faster than Python could take it up from the C path


@dataclass(slots=True, eq=False)
class Lane:
    """One peer as the hot path sees it."""

    name: str
    address: Address | None = None
    sessions: tuple[Session, Session] | None = None
    rx: Any = None
    tx: Any = None
    twcc_id: int = 0
    level_id: int = 0
    by_ssrc: dict[int, "Track"] = field(default_factory=dict)
    by_rtx: dict[int, "Track"] = field(default_factory=dict)
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    tokens: int = BURST
    resends: int = RESENDS_A_TICK
    received: int = 0
    heard_ns: int = 0
    cut: bool = False
    """Nothing is taken from or given to it: how tests unplug a cable."""


@dataclass(slots=True, eq=False)
class Track:
    """What one peer sends, one encoding of it."""

    lane: Lane | None
    source: Source
    live: list["Subscription"] = field(default_factory=list)
    arriving: list["Subscription"] = field(default_factory=list)
    cache: list[tuple[int, int, int, bytes] | None] = field(default_factory=list)
    """By ``extended % CACHED``: extended sequence, marker bit, timestamp, payload."""
    missing: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Extended sequence -> tries, time of the next one."""
    base: int = 0
    highest: int = -1
    last_timestamp: int = 0
    last_ns: int = 0
    packets: int = 0
    octets: int = 0
    key_frames: int = 0
    needs_key: bool = False
    level: int = 127
    heard: Callable[[int, bytes], None] | None = None
    tape: Tape | None = None
    closed: bool = False


@dataclass(slots=True, eq=False)
class Subscription:
    """One track on its way to one peer. ``track`` may change (``Forwarder.layer``), the SSRC never does."""

    lane: Lane
    sink: Sink
    track: Track | None
    target: Track | None = None
    """The track that is being switched to, from its next key frame on."""
    paused: bool = False
    anchor: int = 0
    seq_offset: int = 0
    ts_offset: int = 0
    next_seq: int = field(default_factory=lambda: secrets.randbelow(1 << 15))
    last_timestamp: int = field(default_factory=lambda: secrets.randbits(31))
    last_ns: int = 0
    running: bool = False
    rtx_seq: int = field(default_factory=lambda: secrets.randbelow(1 << 15))
    extension: int = 0
    extension_mask: int = 0
    packets: int = 0
    octets: int = 0


class Forwarder:
    """One UDP socket and everything that passes it.

    After ``start``, ``on_ready`` is to be called whenever ``fileno()`` can be read, and ``tick`` every 50 ms. Not
    thread-safe.
    """

    native = False

    def __init__(self, sock: socket.socket, control: Control) -> None:
        self.counters = Counters()
        self._socket = sock
        self._control = control
        self._lanes: dict[Address, Lane] = {}
        self._all: set[Lane] = set()
        self._rx = ffi.new("char[]", 2048)
        self._rx_view = memoryview(ffi.buffer(self._rx)).cast("B")
        self._tx = ffi.new("char[]", 2048)
        self._tx_view = memoryview(ffi.buffer(self._tx)).cast("B")
        self._length = ffi.new("int *")

    def fileno(self) -> int:
        return self._socket.fileno()

    def start(self) -> None:
        """Begin to forward. Raises OSError."""

    def stop(self) -> None:
        """Nothing is forwarded any more."""

    def at_once(self) -> AbstractContextManager[None]:
        """What ``layer``, ``pause`` and a new ``sink`` change within takes effect together, when the block ends: no
        packet passes between the first change and the last."""
        return nullcontext()

    # ------------------------------------------------------------------ lanes

    def open(self, name: str) -> Lane:
        """A lane without address and keys: nothing passes it yet."""
        lane = Lane(name)
        self._all.add(lane)
        return lane

    def move(self, lane: Lane, address: Address) -> None:
        """The peer proved that it is to be found at this address."""
        if lane.address is not None and self._lanes.get(lane.address) is lane:
            del self._lanes[lane.address]
        lane.address = address
        self._lanes[address] = lane

    def keys(self, lane: Lane, inbound: Session, outbound: Session) -> None:
        """From now on RTP is decrypted and encrypted with these."""
        lane.sessions = (inbound, outbound)
        lane.rx = inbound._srtp[0]
        lane.tx = outbound._srtp[0]

    def extensions(self, lane: Lane, *, twcc: int, level: int) -> None:
        """Which header extensions this peer sends: transport-wide numbers and audio level; 0 for none."""
        lane.twcc_id, lane.level_id = twcc, level

    def close(self, lane: Lane) -> None:
        """Nothing passes it any more. Its tracks and subscriptions are to be closed by their owner."""
        self._all.discard(lane)
        if lane.address is not None and self._lanes.get(lane.address) is lane:
            del self._lanes[lane.address]
        lane.rx = lane.tx = None
        lane.by_ssrc.clear()
        lane.by_rtx.clear()

    # ------------------------------------------------------------------ publish, subscribe, layer, pause

    def publish(self, lane: Lane | None, source: Source) -> Track:
        """What this peer sends is taken from now on. ``lane`` is None for what is injected."""
        track = Track(lane, source, cache=[None] * (CACHED if source.kind == "video" else 0))
        if lane is not None and source.ssrc:
            self.bind(track, source.ssrc, source.rtx_ssrc)
        return track

    def bind(self, track: Track, ssrc: int, rtx_ssrc: int = 0) -> None:
        """The track's SSRC became known, or changed: its numbers begin anew, everybody waits for a key frame."""
        lane = track.lane
        if lane is None:
            return
        if lane.by_ssrc.get(ssrc) is not track:
            for known in [key for key, value in lane.by_ssrc.items() if value is track]:
                del lane.by_ssrc[known]
            lane.by_ssrc[ssrc] = track
            self._restart(track)
        track.source = replace(track.source, ssrc=ssrc, rtx_ssrc=rtx_ssrc or track.source.rtx_ssrc)
        if rtx_ssrc:
            for known in [key for key, value in lane.by_rtx.items() if value is track]:
                del lane.by_rtx[known]
            lane.by_rtx[rtx_ssrc] = track

    def unpublish(self, track: Track) -> None:
        """The peer sends it no more. Its subscriptions stay, silent, until they are given another track."""
        track.closed = True
        for sub in [*track.live, *track.arriving]:
            self._leave(sub)
        if track.lane is not None:
            for table in (track.lane.by_ssrc, track.lane.by_rtx):
                for known in [key for key, value in table.items() if value is track]:
                    del table[known]
        if track.tape is not None:
            track.tape.mark("leave")
        track.tape = track.heard = None

    def subscribe(
        self, lane: Lane, sink: Sink, track: Track | None = None, *, paused: bool = False
    ) -> Subscription:
        """Send this track to this peer, from its next key frame on."""
        sub = Subscription(lane, sink, None, paused=paused)
        self.layer(sub, track)
        return sub

    def layer(self, sub: Subscription, track: Track | None) -> None:
        """Send another track on this subscription: another layer of the same camera (the old one goes on until the
        new one's key frame), or somebody else. None: nothing."""
        old = sub.track
        same = (
            old is not None
            and track is not None
            and old.lane is track.lane
            and not sub.paused
            and sub.running
        )
        if track is old and sub.target is None:
            return
        self._leave(sub, keep=same)
        if track is None or track.closed:
            return
        if not same:
            sub.track = track
        else:
            sub.target = track if track is not old else None
            if sub.target is None:
                return
        kind_bits = 2 << 24 if track.source.kind == "video" else 0
        known = sub.sink.extension_id
        sub.extension = (known << 28) | kind_bits if known else 0
        sub.extension_mask = (0xFFFFFF if track.source.kind == "video" else 0xFF0000) if known else 0
        if not sub.paused:
            self._arrive(sub, track)

    def pause(self, sub: Subscription, paused: bool) -> None:
        """Stop or resume one subscription. When this returns with True, no later packet goes out on it."""
        if sub.paused == paused:
            return
        track = sub.target or sub.track
        self._leave(sub)
        sub.paused = paused
        sub.track = track
        if track is not None and not paused and not track.closed:
            self._arrive(sub, track)

    def unsubscribe(self, sub: Subscription) -> None:
        self._leave(sub)

    def tap(self, track: Track, heard: Callable[[int, bytes], None] | None) -> None:
        """Hand each payload (timestamp, payload) to ``heard`` as well; None ends it."""
        track.heard = heard

    def record(self, track: Track, tape: Tape | None) -> None:
        """Hand each packet to ``tape`` as well; None ends it at once."""
        track.tape = tape

    def inject(self, track: Track, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        """One packet that did not come from the socket: a telephone's voice."""
        if len(payload) > LARGEST - _OUT:
            return
        seq = (track.highest + 1) & 0xFFFF
        self._accept(
            track, seq, 0x80 if marker else 0, timestamp & 0xFFFFFFFF, payload, 0, time.monotonic_ns()
        )

    def resend(self, sub: Subscription, seq: int) -> bool:
        """Answer a NACK: send the packet that had this sequence number again, by RTX where the peer knows it."""
        track = sub.track
        if track is None or sub.paused or not sub.running or not track.cache or sub.lane.resends <= 0:
            return False
        newest = track.highest
        extended = newest - ((newest + sub.seq_offset - seq) & 0xFFFF)
        entry = track.cache[extended % CACHED] if extended >= 0 else None
        if entry is None or entry[0] != extended or extended < sub.anchor:
            return False
        sub.lane.resends -= 1
        _, marker, timestamp, payload = entry
        sink, at = sub.sink, _OUT
        number, payload_type, ssrc = seq & 0xFFFF, sink.payload_type, sink.ssrc
        if sink.rtx_payload_type:
            _RTX_LEAD.pack_into(self._tx_view, at, number)
            at += 2
            number, payload_type, ssrc = sub.rtx_seq, sink.rtx_payload_type, sink.rtx_ssrc
            sub.rtx_seq = (sub.rtx_seq + 1) & 0xFFFF
        value = _abs_send_time(time.monotonic_ns())
        word = sub.extension | (value & sub.extension_mask)
        self._tx_view[at : at + len(payload)] = payload
        stamp = (timestamp + sub.ts_offset) & 0xFFFFFFFF
        _HEADER_OUT.pack_into(
            self._tx_view, 0, 0x90, marker | payload_type, number, stamp, ssrc, _EXTENSION_OUT, word
        )
        self._send(sub.lane, at + len(payload))
        self.counters.resent += 1
        return True

    def send_rtcp(self, lane: Lane, data: bytes) -> None:
        """Encrypt and send one compound packet; nothing happens before the keys."""
        if lane.tx is None or lane.address is None or lane.cut or len(data) > LARGEST - 64:
            return
        self._tx_view[: len(data)] = data
        self._length[0] = len(data)
        if lib.srtp_protect_rtcp(lane.tx, self._tx, self._length):
            self.counters.send_failed += 1
            return
        self.send_raw(self._tx_view[: self._length[0]], lane.address)

    def send_raw(self, data: bytes | memoryview, address: Address) -> None:
        """One datagram as it is. A full socket loses it, as a network would."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            self.counters.send_failed += 1

    # ------------------------------------------------------------------ every 50 ms

    def tick(self) -> None:
        """Fill up what each peer may send and ask for."""
        for lane in self._all:
            lane.tokens = min(BURST, lane.tokens + PACKETS_A_TICK)
            lane.resends = RESENDS_A_TICK

    def lost(self, track: Track, now_ns: int) -> list[int]:
        """Sequence numbers to ask the publisher for again now. What was asked for often enough is given up, and a
        key frame is wanted instead."""
        if not track.missing:
            return []
        wanted: list[int] = []
        for extended, (tries, due_ns) in list(track.missing.items()):
            if due_ns > now_ns:
                continue
            if tries >= NACK_TRIES:
                del track.missing[extended]
                track.needs_key = track.source.kind == "video"
                continue
            track.missing[extended] = (tries + 1, now_ns + NACK_EVERY_NS)
            wanted.append(extended & 0xFFFF)
        return wanted

    def take_arrivals(self, lane: Lane) -> list[tuple[int, int]]:
        """Transport-wide sequence numbers with arrival times in ns, in the order they came, since the last call."""
        arrivals, lane.arrivals = lane.arrivals, []
        return arrivals

    # ------------------------------------------------------------------ the way in

    def on_ready(self) -> None:
        """There is something to do."""
        self.on_readable()

    def on_readable(self) -> None:
        """Take what is there, at most 64 datagrams, so that timers and sockets get their turn."""
        receive, view, lanes, counters = self._socket.recvfrom_into, self._rx_view, self._lanes, self.counters
        for _ in range(_AT_ONCE):
            try:
                size, address = receive(view)
            except BlockingIOError:
                return
            except OSError:
                continue
            first = view[0] if size else 0
            if 128 <= first < 192:
                lane = lanes.get(address)
                if lane is None:
                    counters.stray += 1
                elif size > LARGEST:
                    counters.oversized += 1
                elif lane.tokens <= 0:
                    counters.flooded += 1
                elif lane.rx is None or lane.cut:
                    counters.early += 1
                else:
                    lane.tokens -= 1
                    if 192 <= view[1] <= 223:
                        self._rtcp(lane, size)
                    else:
                        self._rtp(lane, size)
            else:
                self._other(first, size, address)

    def _other(self, first: int, size: int, address: Address) -> None:
        if size > LARGEST:
            self.counters.oversized += 1
        elif first < 4 and size >= 20:
            self._control.on_stun(bytes(self._rx_view[:size]), address)
        elif 20 <= first < 64 and size >= 13:
            lane = self._lanes.get(address)
            if lane is None:
                self.counters.stray += 1
                self._control.on_stray(address)
            elif lane.tokens <= 0:
                self.counters.flooded += 1
            elif not lane.cut:
                lane.tokens -= 1
                self._control.on_dtls(lane, bytes(self._rx_view[:size]))
        else:
            self.counters.malformed += 1

    def _rtcp(self, lane: Lane, size: int) -> None:
        self._length[0] = size
        if size < 8 or lib.srtp_unprotect_rtcp(lane.rx, self._rx, self._length):
            self.counters.forged += 1
            return
        self._control.on_rtcp(lane, bytes(self._rx_view[: self._length[0]]))

    def _rtp(self, lane: Lane, size: int) -> None:
        """Decrypt, look at the header with every bound checked, and hand on."""
        length, view = self._length, self._rx_view
        length[0] = size
        if size < 12 or lib.srtp_unprotect(lane.rx, self._rx, length):
            self.counters.forged += 1
            return
        end = length[0]
        if end < 12:
            self.counters.malformed += 1
            return
        now_ns = time.monotonic_ns()
        first, second, seq, timestamp, ssrc = _HEADER.unpack_from(view)
        at = 12 + 4 * (first & 15)
        level = 0
        if first & 0x10:
            if at + 4 > end:
                self.counters.malformed += 1
                return
            profile, words = _EXTENSION.unpack_from(view, at)
            at += 4
            stop = at + 4 * words
            if stop > end:
                self.counters.malformed += 1
                return
            if profile == _ONE_BYTE:
                level = self._extensions(lane, at, stop, now_ns)
            at = stop
        if first & 0x20:
            padding = view[end - 1]
            end -= padding
            if not padding:
                end = -1
        if at > end:
            self.counters.malformed += 1
            return
        lane.received += 1
        lane.heard_ns = now_ns
        self.counters.received += 1
        track = lane.by_ssrc.get(ssrc)
        if track is not None and second & 0x7F == track.source.payload_type:
            self._accept(track, seq, second & 0x80, timestamp, bytes(view[at:end]), level, now_ns)
        elif (track := lane.by_rtx.get(ssrc)) is not None:
            if end >= at + 2 and second & 0x7F == track.source.rtx_payload_type:
                original = (view[at] << 8) | view[at + 1]
                self.counters.recovered += 1
                self._accept(
                    track, original, second & 0x80, timestamp, bytes(view[at + 2 : end]), level, now_ns, True
                )
        else:
            self.counters.unknown += 1
            self._control.on_unknown(lane, bytes(view[: length[0]]))

    def _extensions(self, lane: Lane, at: int, stop: int, now_ns: int) -> int:
        """Note the transport-wide number; returns the byte of the audio level, 0 if there is none."""
        view, level = self._rx_view, 0
        while at < stop:
            lead = view[at]
            at += 1
            if not lead:
                continue
            known, size = lead >> 4, (lead & 15) + 1
            if known == 15 or at + size > stop:
                break
            if known == lane.twcc_id:
                if size == 2 and len(lane.arrivals) < ARRIVALS_MAX:
                    lane.arrivals.append(((view[at] << 8) | view[at + 1], now_ns))
            elif known == lane.level_id and size == 1:
                level = view[at]
            at += size
        return level

    # ------------------------------------------------------------------ the way out

    def _accept(
        self,
        track: Track,
        seq: int,
        marker: int,
        timestamp: int,
        payload: bytes,
        level: int,
        now_ns: int,
        again: bool = False,
    ) -> None:
        """One packet of a track, in whatever order, to everybody who has it open."""
        highest = track.highest
        if highest < 0:
            if again:
                return
            extended = track.base = track.highest = 0x10000 + seq
        else:
            step = (seq - highest) & 0xFFFF
            if step < 0x8000 and step and not again:
                extended = highest + step
                if step > 1:
                    self._gap(track, highest + 1, extended, now_ns)
                track.highest = extended
            else:
                extended = highest - ((highest - seq) & 0xFFFF)
                if track.missing.pop(extended, None) is None:
                    self.counters.duplicate += 1
                    return
        size = len(payload)
        track.packets += 1
        track.octets += size
        if extended == track.highest:
            track.last_timestamp, track.last_ns, track.level = timestamp, now_ns, level & 0x7F
        video = track.source.kind == "video"
        if video:
            track.cache[extended % CACHED] = (extended, marker, timestamp, payload)
            value = _abs_send_time(now_ns)
            if starts_key_frame(track.source.codec, payload):
                track.key_frames += 1
                track.needs_key = False
                if track.arriving:
                    self._begin(track, extended, timestamp, now_ns)
        else:
            value = level << 16
            if track.arriving:
                self._begin(track, extended, timestamp, now_ns)
        if track.tape is not None:
            source = track.source
            head = _HEADER.pack(0x80, marker | source.payload_type, extended & 0xFFFF, timestamp, source.ssrc)
            track.tape.write(now_ns, head + payload)
        if track.heard is not None:
            track.heard(timestamp, payload)
        self._spread(track, extended, marker, timestamp, payload, value)

    def _spread(
        self, track: Track, extended: int, marker: int, timestamp: int, payload: bytes, value: int
    ) -> None:
        view, out, length, pack = self._tx_view, self._tx, self._length, _HEADER_OUT.pack_into
        protect, send, counters = lib.srtp_protect, self._socket.sendto, self.counters
        size = len(payload)
        total = _OUT + size
        for sub in track.live:
            lane = sub.lane
            address = lane.address
            if extended < sub.anchor or lane.tx is None or address is None or lane.cut:
                continue
            sink = sub.sink
            view[_OUT:total] = payload
            pack(
                view,
                0,
                0x90,
                marker | sink.payload_type,
                (extended + sub.seq_offset) & 0xFFFF,
                (timestamp + sub.ts_offset) & 0xFFFFFFFF,
                sink.ssrc,
                _EXTENSION_OUT,
                sub.extension | (value & sub.extension_mask),
            )
            length[0] = total
            if protect(lane.tx, out, length):
                counters.send_failed += 1
                continue
            try:
                send(view[: length[0]], address)
            except OSError:
                counters.send_failed += 1
                continue
            sub.packets += 1
            sub.octets += size
            counters.sent += 1

    def _send(self, lane: Lane, size: int) -> None:
        if lane.tx is None or lane.address is None or lane.cut:
            return
        self._length[0] = size
        if lib.srtp_protect(lane.tx, self._tx, self._length):
            self.counters.send_failed += 1
            return
        self.send_raw(self._tx_view[: self._length[0]], lane.address)

    def _gap(self, track: Track, first: int, after: int, now_ns: int) -> None:
        """Numbers that were passed over: asked for again when they are few, a new picture when they are many."""
        if after - first > MISSING_MAX:
            track.missing.clear()
            track.needs_key = track.source.kind == "video"
            first = after - MISSING_MAX
        for extended in range(first, after):
            track.missing[extended] = (0, now_ns + NACK_AFTER_NS)
        while len(track.missing) > MISSING_MAX:
            del track.missing[next(iter(track.missing))]

    def _restart(self, track: Track) -> None:
        for sub in list(track.live):
            self._rest(sub)
            track.live.remove(sub)
            track.arriving.append(sub)
        track.highest, track.base, track.packets = -1, 0, 0
        track.missing.clear()
        track.cache[:] = [None] * len(track.cache)
        track.needs_key = track.source.kind == "video"

    def _arrive(self, sub: Subscription, track: Track) -> None:
        track.arriving.append(sub)
        track.needs_key = track.source.kind == "video"

    def _begin(self, track: Track, extended: int, timestamp: int, now_ns: int) -> None:
        """Everybody who waited for this packet gets the track from here on."""
        arriving, track.arriving = track.arriving, []
        for sub in arriving:
            if sub.target is track:
                if sub.track is not None and sub in sub.track.live:
                    sub.track.live.remove(sub)
                    self._rest(sub)
                sub.track, sub.target = track, None
            elapsed_ns = now_ns - sub.last_ns if sub.last_ns else 0
            passed = max(1, elapsed_ns * track.source.clock_rate // 1_000_000_000)
            sub.anchor = extended
            sub.seq_offset = sub.next_seq - extended
            sub.ts_offset = sub.last_timestamp + passed - timestamp
            sub.running = True
            track.live.append(sub)

    def _leave(self, sub: Subscription, *, keep: bool = False) -> None:
        """Take it off every list; with ``keep`` what runs goes on and only a switch under way is given up."""
        if sub.target is not None:
            if sub in sub.target.arriving:
                sub.target.arriving.remove(sub)
            sub.target = None
        if keep or sub.track is None:
            return
        if sub in sub.track.live:
            sub.track.live.remove(sub)
            self._rest(sub)
        elif sub in sub.track.arriving:
            sub.track.arriving.remove(sub)
        sub.track = None

    def _rest(self, sub: Subscription) -> None:
        """Remember where its numbers stand, so that the next packet, whenever it comes, follows on."""
        track = sub.track
        if track is not None and sub.running and track.highest >= sub.anchor:
            sub.next_seq = (track.highest + sub.seq_offset + 1) & 0xFFFF
            sub.last_timestamp = (track.last_timestamp + sub.ts_offset) & 0xFFFFFFFF
            sub.last_ns = track.last_ns
        sub.running = False


def starts_key_frame(codec: str, payload: bytes) -> bool:
    """Whether a picture that needs no earlier one begins in this packet.

    VP8: RFC 7741, section 4.2 (descriptor) and 4.3 (inverse key frame flag P). H264: RFC 6184, a sequence parameter
    set or an IDR slice, alone, aggregated (STAP-A) or as the first fragment (FU-A). Any bytes are safe here.
    """
    size = len(payload)
    if codec == "VP8":
        if size < 2:
            return False
        first, at = payload[0], 1
        if first & 0x17 != 0x10:  # start of partition 0
            return False
        if first & 0x80:
            extra = payload[1]
            at = 2
            if extra & 0x80:
                if size <= at:
                    return False
                at += 2 if payload[at] & 0x80 else 1
            at += (extra >> 6 & 1) + (1 if extra & 0x30 else 0)
        return size > at and not payload[at] & 1
    if codec == "H264":
        if size < 2:
            return False
        unit = payload[0] & 31
        if unit == 24:
            return size > 3 and payload[3] & 31 in (5, 7)
        if unit == 28:
            return bool(payload[1] & 0x80) and payload[1] & 31 == 5
        return unit in (5, 7)
    return True


def _abs_send_time(now_ns: int) -> int:
    """24 bits of seconds in 6.18 fixed point, as the abs-send-time extension wants them."""
    return ((now_ns << 18) // 1_000_000_000) & 0xFFFFFF
