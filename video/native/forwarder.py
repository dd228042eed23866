"""The forwarder whose packets never pass through Python. To rooms and peers it is the one of ``video.forward``.

Its lanes, tracks and subscriptions are handles of C objects. Every change takes the C side's lock and holds for each
packet from its return on; ``at_once`` hands several down together. What C cannot decide comes up through bounded rings,
announced by an eventfd.
"""

import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from struct import Struct
from typing import Any
from weakref import WeakValueDictionary

import structlog
from pylibsrtp import Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp_lib

from video.forward import (
    ARRIVALS_MAX,
    LARGEST,
    MISSING_MAX,
    Address,
    Control,
    Forwarder,
    Lane,
    Sink,
    Source,
    Subscription,
    Tape,
    Track,
)
from video.native.build import load
from video.native.handles import (
    LAYER,
    PAUSE,
    NativeCounters,
    NativeLane,
    NativeSubscription,
    NativeTrack,
    made,
)

log = structlog.get_logger(__name__)

_module = load()
_ffi, _lib = _module.ffi, _module.lib
_RECORD = Struct("=IBBHIIIIq16s")
_LANES, _STRANGERS, _TAPES = 0, 1, 2
_STUN, _DTLS, _RTCP, _UNKNOWN, _STRAY, _TAPE, _TAP = range(1, 8)
_AT_ONCE = {_LANES: 1 << 16, _STRANGERS: 1 << 14, _TAPES: 1 << 18}
"""Bytes of each ring that are worked through before timers and sockets get their turn."""
_SUBSCRIBERS_MAX = 1 << 16


class NativeForwarder(Forwarder):
    """``start`` sets the thread going; without it ``on_readable`` works through the socket, as tests like it."""

    native = True
    tick_s = 0.2
    """The thread has a tick of its own, 50 ms; this one only looks at what waits for tapes."""

    def __init__(self, sock: socket.socket, control: Control) -> None:
        calls = [
            _address_of(f"srtp_{what}") for what in ("protect", "unprotect", "protect_rtcp", "unprotect_rtcp")
        ]
        wire = _lib.wire_new(sock.fileno(), *calls, secrets.randbits(64))
        self.wire = _ffi.gc(made(wire), _lib.wire_free)
        self.counters = NativeCounters(self.wire)
        self._socket = sock
        self._control = control
        self._open: dict[int, NativeLane] = {}
        self._tracks: dict[int, NativeTrack] = {}
        self._handles: WeakValueDictionary[int, NativeTrack] = WeakValueDictionary()
        self._subs: dict[int, NativeSubscription] = {}
        self._last_number = 0
        self._changes: list[tuple[Any, ...]] = []
        self._depth = 0
        self._running = False
        self._waiting: deque[tuple[int, int, bytes, Address | None]] = deque()
        self._room = _ffi.new("uint8_t[]", max(_AT_ONCE.values()))
        self._view = memoryview(_ffi.buffer(self._room)).cast("B")
        self._numbers = _ffi.new("uint16_t[]", ARRIVALS_MAX)
        self._times = _ffi.new("int64_t[]", ARRIVALS_MAX)
        self._overflow = 0
        self._looked_ns = time.monotonic_ns()

    # ------------------------------------------------------------------ life

    def fileno(self) -> int:
        return _lib.wire_wake_fd(self.wire)

    def start(self) -> None:
        if not _lib.wire_start(self.wire):
            raise OSError("no thread for the video port")
        self._running = True

    def stop(self) -> None:
        _lib.wire_stop(self.wire)
        self._running = False

    def _next(self) -> int:
        self._last_number += 1
        return self._last_number

    # ------------------------------------------------------------------ lanes

    def open(self, name: str) -> Lane:
        lane = NativeLane(self, name, self._next())
        self._open[lane.number] = lane
        return lane

    def move(self, lane: Lane, address: Address) -> None:
        lane.address = address
        _lib.lane_move(_lane(lane), *_packed(address))

    def keys(self, lane: Lane, inbound: Session, outbound: Session) -> None:
        lane.sessions = (inbound, outbound)  # kept as long as C may use what is in them
        rx, tx = (srtp_ffi.cast("uintptr_t", one._srtp[0]) for one in (inbound, outbound))
        _lib.lane_keys(_lane(lane), _ffi.cast("void *", int(rx)), _ffi.cast("void *", int(tx)))

    def extensions(self, lane: Lane, *, twcc: int, level: int) -> None:
        _lib.lane_extensions(_lane(lane), twcc, level)

    def close(self, lane: Lane) -> None:
        _lib.lane_close(_lane(lane))
        lane.by_ssrc.clear()
        lane.by_rtx.clear()
        if isinstance(lane, NativeLane):
            self._open.pop(lane.number, None)

    # ------------------------------------------------------------------ publish, subscribe, layer, pause

    def publish(self, lane: Lane | None, source: Source) -> Track:
        track = NativeTrack(self, lane, source, self._next())
        self._tracks[track.number] = self._handles[track.number] = track
        if lane is not None and source.ssrc:
            self.bind(track, source.ssrc, source.rtx_ssrc)
        return track

    def bind(self, track: Track, ssrc: int, rtx_ssrc: int = 0) -> None:
        lane = track.lane
        if lane is None or track.closed:
            return
        self.settle()
        _lib.track_bind(_track(track), ssrc, rtx_ssrc)
        for table, number in ((lane.by_ssrc, ssrc), (lane.by_rtx, rtx_ssrc)):
            if number and table.get(number) is not track:
                for known in [key for key, value in table.items() if value is track]:
                    del table[known]
                table[number] = track
        track.source = replace(track.source, ssrc=ssrc, rtx_ssrc=rtx_ssrc or track.source.rtx_ssrc)

    def unpublish(self, track: Track) -> None:
        self.settle()
        track.closed = True
        _lib.track_unpublish(_track(track))
        if track.lane is not None:
            for table in (track.lane.by_ssrc, track.lane.by_rtx):
                for known in [key for key, value in table.items() if value is track]:
                    del table[known]
        self._fetch_copies(track)
        if track.tape is not None:
            track.tape.mark("leave")
        track.tape = track.heard = None
        if isinstance(track, NativeTrack):
            self._tracks.pop(track.number, None)

    def subscribe(
        self, lane: Lane, sink: Sink, track: Track | None = None, *, paused: bool = False
    ) -> Subscription:
        if not isinstance(lane, NativeLane):
            raise TypeError("a lane of another forwarder")
        sub = NativeSubscription(self, lane, sink, self._next(), paused=paused)
        self._subs[sub.number] = sub
        if track is not None:
            self.layer(sub, track)
        return sub

    def layer(self, sub: Subscription, track: Track | None) -> None:
        if track is not None and isinstance(sub, NativeSubscription):
            self._subs[sub.number] = sub
        self.change(sub, LAYER, track=track)

    def pause(self, sub: Subscription, paused: bool) -> None:
        self.change(sub, PAUSE, paused=paused)

    def unsubscribe(self, sub: Subscription) -> None:
        self.settle()
        _lib.sub_leave(_sub(sub))
        if isinstance(sub, NativeSubscription):
            self._subs.pop(sub.number, None)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.settle()

    def change(
        self,
        sub: Subscription,
        kind: int,
        *,
        track: Track | None = None,
        paused: bool = False,
        sink: Sink | None = None,
    ) -> None:
        """One change of the matrix, now or when ``at_once`` ends."""
        self._changes.append((sub, kind, track, paused, sink))
        if not self._depth:
            self.settle()

    def settle(self) -> None:
        """Make the changes that wait, all at once: no packet passes between the first and the last."""
        if not self._changes:
            return
        changes, self._changes = self._changes, []
        down = _ffi.new("change[]", len(changes))
        for one, (sub, kind, track, paused, sink) in zip(down, changes, strict=True):
            one.sub, one.kind, one.paused = _sub(sub), kind, paused
            if track is not None:
                one.track = _track(track)
            if sink is not None:
                one.payload_type, one.rtx_payload_type = sink.payload_type, sink.rtx_payload_type
                one.ssrc, one.rtx_ssrc = sink.ssrc, sink.rtx_ssrc
                one.extension_id = sink.extension_id
        _lib.wire_swap(self.wire, down, len(changes))

    def subscribers(self, track: NativeTrack, *, arriving: bool) -> list[Subscription]:
        """Whoever gets this track now, or waits for it."""
        self.settle()
        room = 16
        while True:
            ids = _ffi.new("uint32_t[]", room)
            count = _lib.track_subscribers(track._c, arriving, ids, room)
            if count <= room or room >= _SUBSCRIBERS_MAX:
                return [self._subs[one] for one in ids[0 : min(count, room)] if one in self._subs]
            room = count

    def track_of(self, pointer: Any) -> Track | None:
        """The handle of a C track; it lives as long as ours does, closed or not."""
        return None if pointer == _ffi.NULL else self._handles.get(pointer.id)

    # ------------------------------------------------------------------ taps

    def tap(self, track: Track, heard: Callable[[int, bytes], None] | None) -> None:
        self._copies(track, track.tape, heard)

    def record(self, track: Track, tape: Tape | None) -> None:
        self._copies(track, tape, track.heard)

    def _copies(self, track: Track, tape: Tape | None, heard: Callable[[int, bytes], None] | None) -> None:
        _lib.track_copies(_track(track), tape is not None, heard is not None)
        self._fetch_copies(track)  # what came until now is still the old one's
        track.tape, track.heard = tape, heard

    def _fetch_copies(self, track: Track) -> None:
        while (track.tape is not None or track.heard is not None) and self._fetch(_TAPES):
            pass

    def inject(self, track: Track, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        self.settle()
        _lib.track_inject(_track(track), payload, len(payload), timestamp & 0xFFFFFFFF, marker)

    def resend(self, sub: Subscription, seq: int) -> bool:
        return bool(_lib.sub_resend(_sub(sub), seq & 0xFFFF))

    def send_rtcp(self, lane: Lane, data: bytes) -> None:
        _lib.lane_send_rtcp(_lane(lane), data, len(data))

    def send_raw(self, data: bytes | memoryview, address: Address) -> None:
        _lib.wire_send_raw(self.wire, *_packed(address), bytes(data), len(data))

    # ------------------------------------------------------------------ every 50 ms

    def feedback(self) -> None:
        if not self._running:
            _lib.wire_feedback(self.wire)

    def reported(self, track: Track, ntp: int, now_ns: int) -> None:
        _lib.track_reported(_track(track), (ntp >> 16) & 0xFFFFFFFF, now_ns)

    def tick(self) -> None:
        if not self._running:
            _lib.wire_tick(self.wire)
        self.on_ready()
        before_ns, self._looked_ns = self._looked_ns, time.monotonic_ns()
        overflow = self.counters.overflow
        if overflow == self._overflow:
            return
        self._overflow = overflow
        for track in self._tracks.values():
            missing = track._c.untaped - track.untaped
            track.untaped += missing
            if missing and track.tape is not None:  # a tape says itself what is not on it
                facts = {"from_ns": before_ns, "to_ns": self._looked_ns, "packets": missing, "bytes": 0}
                track.tape.mark("gap", reason="overflow", **facts)

    def lost(self, track: Track, now_ns: int) -> list[int]:
        if not track.missing:
            return []
        numbers = _ffi.new("uint16_t[]", MISSING_MAX)
        return list(numbers[0 : _lib.track_lost(_track(track), now_ns, numbers, MISSING_MAX)])

    def take_arrivals(self, lane: Lane) -> list[tuple[int, int]]:
        count = _lib.lane_take_arrivals(_lane(lane), self._numbers, self._times, ARRIVALS_MAX)
        return list(zip(self._numbers[0:count], self._times[0:count], strict=True))

    # ------------------------------------------------------------------ the way up

    def on_readable(self) -> int:
        """What lies in the socket, then what waits for Python."""
        taken = _lib.wire_step(self.wire)
        self.on_ready()
        return taken

    def on_ready(self) -> None:
        """What C handed up: at most so much of each kind, the rest at the loop's next turn."""
        _lib.wire_awake(self.wire)
        more = False
        for ring in (_LANES, _STRANGERS, _TAPES):
            more |= self._fetch(ring)
        while self._waiting:
            kind, number, data, address = self._waiting.popleft()
            try:
                self._hand_on(kind, number, data, address)
            except Exception:  # a fault of ours must not stop the media of all rooms
                log.exception("a packet for the control side broke", kind=kind)
        if more:
            _lib.wire_ring(self.wire)

    def _fetch(self, ring: int) -> bool:
        """Take from a ring; tapes and taps get theirs at once, everything else is queued. True: there may be more."""
        room = _AT_ONCE[ring]
        taken = _lib.wire_take(self.wire, ring, self._room, room)
        at, view = 0, self._view
        while at < taken:
            size, kind, six, port, number, timestamp, flow, scope, at_ns, ip = _RECORD.unpack_from(view, at)
            at += _RECORD.size
            data = bytes(view[at : at + size])
            at += size + (-size % 8)
            if ring == _TAPES:
                self._copy(kind, number, timestamp, at_ns, data)
                continue
            address = _unpacked(six, ip, port, flow, scope) if ring == _STRANGERS else None
            self._waiting.append((kind, number, data, address))
        return taken > room - LARGEST - 256

    def _copy(self, kind: int, number: int, timestamp: int, at_ns: int, data: bytes) -> None:
        track = self._tracks.get(number)
        if track is None:
            return
        if kind == _TAPE and track.tape is not None:
            track.tape.write(at_ns, data)
        elif kind == _TAP and track.heard is not None:
            try:
                track.heard(timestamp, data)
            except Exception:
                log.exception("a tap broke")

    def _hand_on(self, kind: int, number: int, data: bytes, address: Address | None) -> None:
        if address is not None:
            if kind == _STUN:
                self._control.on_stun(data, address)
            elif kind == _STRAY:
                self._control.on_stray(address)
            return
        lane = self._open.get(number)
        if lane is None or lane.cut:
            return
        if kind == _RTCP:
            self._control.on_rtcp(lane, data)
        elif kind == _UNKNOWN:
            self._control.on_unknown(lane, data)
        elif kind == _DTLS:
            self._control.on_dtls(lane, data)


def _address_of(name: str) -> Any:
    """libsrtp as pylibsrtp has it: no second copy, no second set of headers."""
    return _ffi.cast("void *", int(srtp_ffi.cast("uintptr_t", srtp_ffi.addressof(srtp_lib, name))))


def _lane(lane: Any) -> Any:
    return lane._c


def _track(track: Any) -> Any:
    return track._c


def _sub(sub: Any) -> Any:
    return sub._c


def _packed(address: Any) -> tuple[bytes, int, int, int, int]:
    host, port, *rest = address
    ip = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    flow, scope = rest if len(rest) == 2 else (0, 0)
    return ip, len(ip), port, flow, scope


def _unpacked(six: int, ip: bytes, port: int, flow: int, scope: int) -> Any:
    """As ``recvfrom`` gives it."""
    if six:
        return socket.inet_ntop(socket.AF_INET6, ip), port, flow, scope
    return socket.inet_ntop(socket.AF_INET, ip[:4]), port
