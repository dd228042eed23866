"""The hot path: an RTP packet comes in at one socket and goes out to everybody who may have it, never decoded.

This module is all that runs per packet, over what ``video.tables`` says. It knows lanes (one per peer: address and
keys), tracks (what a peer sends), subscriptions (what another peer gets of it), and nothing of rooms, SDP or people.
Everything else comes up through ``Control``. ``video.native`` does the same in C on a thread of its own; this one is
the oracle of its tests.

A packet on its way out has a header of exactly 20 bytes: the fixed one (RFC 3550, section 5.1) and one extension of
one byte-form word (RFC 8285): abs-send-time for video, the audio level for sound. MID, RID and transport-wide numbers
of the sender mean nothing to a receiver and are left out.

Numbers of a subscription go on without a gap through switches and pauses: extended source sequence + ``seq_offset``.
"""

import socket
import time
from struct import Struct

from pylibsrtp._binding import ffi, lib

from video.feedback import Feedback
from video.keyframes import starts_key_frame
from video.lanes import (
    ARRIVALS_MAX,
    BURST,
    CACHED,
    LARGEST,
    MISSING_MAX,
    NACK_AFTER_NS,
    PACKETS_A_TICK,
    RESENDS_A_TICK,
    Address,
    Control,
    Counters,
    Kind,
    Lane,
    Sink,
    Source,
    Subscription,
    Tape,
    Track,
)
from video.tables import Tables

__all__ = [
    "ARRIVALS_MAX",
    "BURST",
    "LARGEST",
    "MISSING_MAX",
    "Address",
    "Control",
    "Counters",
    "Forwarder",
    "Kind",
    "Lane",
    "Sink",
    "Source",
    "Subscription",
    "Tape",
    "Track",
    "starts_key_frame",
]
"""Whoever uses a forwarder finds its words here too."""

_AT_ONCE = 64
_REST_S = 0.004
_HEADER = Struct("!BBHII")
_HEADER_OUT = Struct("!BBHIIII")
_EXTENSION = Struct("!HH")
_OUT = 20
_ONE_BYTE = 0xBEDE
_EXTENSION_OUT = 0xBEDE0001
_RTX_LEAD = Struct("!H")


class Forwarder(Tables):
    """One UDP socket and everything that passes it.

    After ``start``, ``on_ready`` is to be called whenever ``fileno()`` can be read, ``tick`` and ``feedback`` every
    ``tick_s``. Not thread-safe.
    """

    native = False
    tick_s = 0.05

    def __init__(self, sock: socket.socket, control: Control) -> None:
        super().__init__()
        self.counters = Counters()
        self._socket = sock
        self._control = control
        self._feedback = Feedback(self)
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

    # ------------------------------------------------------------------ every tick

    def tick(self) -> None:
        """Fill up what each peer may send and ask for."""
        for lane in self._all:
            lane.tokens = min(BURST, lane.tokens + PACKETS_A_TICK)
            lane.resends = RESENDS_A_TICK

    def feedback(self) -> None:
        """Tell publishers what came, what did not, and when a picture is due."""
        self._feedback.beat(reversed(self._all))  # the newest first, as C has them

    # ------------------------------------------------------------------ the way in

    def on_ready(self) -> float | None:
        """There may be something to do. Returns after how many seconds to look again, None: when something comes."""
        taken = self.on_readable()
        if not taken:
            return None
        return _REST_S if taken < _AT_ONCE else 0.0

    def on_readable(self) -> int:
        """Take what is there, at most 64 datagrams, so that timers and sockets get their turn; returns how many."""
        receive, view, lanes, counters = self._socket.recvfrom_into, self._rx_view, self._lanes, self.counters
        for taken in range(_AT_ONCE):
            try:
                size, address = receive(view)
            except BlockingIOError:
                return taken
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
        return _AT_ONCE

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


def _abs_send_time(now_ns: int) -> int:
    """24 bits of seconds in 6.18 fixed point, as the abs-send-time extension wants them."""
    return ((now_ns << 18) // 1_000_000_000) & 0xFFFFFF
