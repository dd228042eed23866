"""The C path and the Python path get the same packets and the same changes, and must send the same bytes.

Each has peers of its own with the same keys, the same clock and the same first numbers. After every step what their
receivers got is compared as it stood on the wire (SRTP of the same packet under the same key is the same bytes), and
now and then all that rooms and peers may read. ``SWITCHBOARD_LONG=1`` tries many more sequences.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Error

from tests.video.test_forward import DELTA, KEY, Bench
from video.forward import Counters, Lane, Sink, Source, Track
from video.native.build import load
from video.native.forwarder import NativeForwarder

EXAMPLES = 2_000 if os.environ.get("SWITCHBOARD_LONG") else int(os.environ.get("VIDEO_EXAMPLES", "80"))
STEPS = 80
PEERS = 3
SOURCES = (
    Source("video", "VP8", 90_000, 96, 97, 1111, 1112),
    Source("audio", "OPUS", 48_000, 111, 0, 1311),
    Source("video", "H264", 90_000, 98, 99, 1211, 1212),
    Source("video", "VP8", 90_000, 96, 97),
)
PAYLOADS = (KEY, DELTA, bytes([0x67, 1, 2, 3]), bytes([0x7C, 0x85, 1]), b"", b"\x10", bytes(900), KEY * 300)
KINDS = (
    28 * "p" + 4 * "l" + 2 * "q" + 5 * "r" + 2 * "a" + 3 * "k" + 3 * "t" + 2 * "i" + 3 * "f" + "bcumsxxogw"
)
"""Packets, then what changes: see ``Play``; strange things are rare, or nothing would ever be forwarded."""
NUMBERS = st.integers(0, 255)
STEP = st.tuples(st.sampled_from(KINDS), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
TRACK_FIELDS = (
    "base",
    "highest",
    "last_timestamp",
    "last_ns",
    "packets",
    "octets",
    "key_frames",
    "needs_key",
)
TRACK_FIELDS += ("level", "closed", "source")
SUB_FIELDS = ("paused", "running", "packets", "octets", "sink")


class Kept:
    """A tape, and a tap."""

    def __init__(self) -> None:
        self.packets: list[object] = []

    def write(self, arrival_ns: int, packet: bytes) -> None:
        self.packets.append((arrival_ns, packet))

    def report(self, arrival_ns: int, packet: bytes) -> None: ...

    def mark(self, kind: str, **facts: object) -> None:
        self.packets.append(kind)

    def hear(self, timestamp: int, payload: bytes) -> None:
        self.packets.append((timestamp, payload))


class Twin:
    """One of the two forwarders, with its own end of everything."""

    def __init__(self, native: bool) -> None:
        self.bench = Bench(native)
        with patch("os.urandom", Random(5).randbytes):
            self.far = [self.bench.peer() for _ in range(PEERS)]
        self.forwarder = self.bench.forwarder
        self.tracks: list[Track] = []
        self.kept: list[Kept] = []
        self.answers: list[object] = []
        self.closed: list[Lane] = []
        for number, far in enumerate(self.far):
            self.forwarder.extensions(far.lane, twcc=5, level=7)
            for source in SOURCES:
                own = replace(
                    source, ssrc=_shifted(source.ssrc, number), rtx_ssrc=_shifted(source.rtx_ssrc, number)
                )
                self.tracks.append(self.forwarder.publish(far.lane, own))
        self.tracks.append(self.forwarder.publish(None, SOURCES[1]))
        self.subs = [
            self.forwarder.subscribe(
                far.lane,
                Sink(100 + index, 500 + index, 90 + index if index % 2 else 0, 700 + index, index % 4),
            )
            for far in self.far
            for index in range(5)
        ]
        for number, sub in enumerate(self.subs):
            self.forwarder.layer(sub, self.tracks[(number * 5) % len(self.tracks)])
        for number, sub in enumerate(self.subs):
            numbers: Any = getattr(sub, "_c", sub)
            numbers.next_seq, numbers.last_timestamp, numbers.rtx_seq = 65_500 + number, 4_294_960_000, number

    def taken(self) -> list[list[bytes]]:
        """What came to each peer, as it came."""
        self.bench.turn()
        return [_datagrams(far.socket) for far in self.far]

    def remembers(self) -> dict[str, object]:
        """Everything that rooms and peers may read."""
        tracks = {id(track): number for number, track in enumerate(self.tracks)}
        subs = {id(sub): number for number, sub in enumerate(self.subs)}
        lanes = [far.lane for far in self.far]
        return {
            "counters": {one.name: getattr(self.forwarder.counters, one.name) for one in fields(Counters)},
            "tracks": [[getattr(one, name) for name in TRACK_FIELDS] for one in self.tracks],
            "live": [[subs[id(sub)] for sub in one.live] for one in self.tracks],
            "arriving": [[subs[id(sub)] for sub in one.arriving] for one in self.tracks],
            "missing": [len(one.missing) for one in self.tracks],
            "subs": [[getattr(one, name) for name in SUB_FIELDS] for one in self.subs],
            "offsets": [one.ts_offset & 0xFFFFFFFF for one in self.subs],
            "gets": [[tracks.get(id(one)) for one in (sub.track, sub.target)] for sub in self.subs],
            "bound": [
                [
                    {ssrc: tracks[id(track)] for ssrc, track in one.items()}
                    for one in (lane.by_ssrc, lane.by_rtx)
                ]
                for lane in lanes
            ],
            "lanes": [
                [one.received, one.heard_ns, one.tokens, one.resends, len(one.arrivals)] for one in lanes
            ],
            "up": [getattr(self.bench.upstairs, kind) for kind in ("rtcp", "unknown", "dtls", "stun")],
            "kept": [one.packets for one in self.kept],
            "answers": self.answers,
        }


class Play:
    """One sequence of steps, given to both."""

    def __init__(self, *twins: Twin) -> None:
        self.twins = twins
        self.now_ns = 7_000_000_000
        self.numbers: dict[tuple[int, int], tuple[int, int]] = {}
        self.last = b"\x80"
        self.unpublished = 0

    def step(self, kind: str, a: int, b: int, c: int, d: int) -> None:
        if kind == "p":
            self._packet(a, b, c, d)
        elif kind == "k":
            self.now_ns += (1 + c) * 10 ** (4 + d % 6)
            for twin in self.twins:
                if isinstance(twin.forwarder, NativeForwarder):
                    load().lib.wire_clock(twin.forwarder.wire, self.now_ns)
        else:
            for twin in self.twins:
                getattr(self, f"_{kind}")(twin, a, b, c, d)

    # packets

    def _packet(self, a: int, b: int, c: int, d: int) -> None:
        who, which = a % PEERS, b % len(SOURCES)
        source, payload = SOURCES[which], PAYLOADS[c % len(PAYLOADS)]
        seq, stamp = self.numbers.get((who, which), (65_500, 4_294_900_000))
        step = (1, 1, 1, 1, 2, 3, 0, -1, -2, 40, 200, 30_000)[d % 12] if d < 128 else 1
        seq, stamp = (seq + step) & 0xFFFF, (stamp + 3_000) & 0xFFFFFFFF
        self.numbers[who, which] = (seq, stamp)
        ssrc, payload_type, form = (
            _shifted(source.ssrc or 1411, who),
            source.payload_type,
            (c // 8 + d // 12) % 30,
        )
        first, rest = 0x80, payload
        if form in (1, 2, 3):
            rest = struct.pack("!HHBHBBxxx", 0xBEDE, 2, 0x51, (a * b) & 0xFFFF, 0x70, c & 0x7F)[:12] + payload
            first = 0x90
        elif form == 4:
            first, rest = 0xA0, payload + bytes(c % 5) + bytes([c % 7])
        elif form == 5:
            first, rest = 0x82, bytes(c % 10) + payload
        elif form in (6, 7):
            rest = struct.pack("!H", (seq - c % 6) & 0xFFFF) + payload
            ssrc, payload_type, seq = (
                _shifted(source.rtx_ssrc or 1412, who),
                source.rtx_payload_type,
                (a << 8) | d,
            )
        elif form == 8:
            first, rest = (
                0x90,
                struct.pack("!HH", (0xBEDE, 0x1000)[c % 2], d % 4) + bytes([a, b, c, d] * 2) + payload,
            )
        elif form == 9:
            payload_type = d & 0x7F
        elif form == 10:
            first, rest = 0xB0 | (c & 15), bytes([a, b, c, d])
        marker = 0x80 if not d % 3 else 0
        packet = struct.pack("!BBHII", first, marker | payload_type, seq, stamp, ssrc) + rest
        self._send(who, packet, form, d)

    def _send(self, who: int, packet: bytes, form: int, d: int) -> None:
        seal = self.twins[0].far[who].out
        if form == 11:
            data = self.last
        elif form == 12:
            data = bytes([d]) * (d % 40)
        elif form == 13:
            data = seal.protect_rtcp(struct.pack("!BBHI", 0x80, 200 + d % 7, 1, d) + bytes(4 * (d % 5)))
        else:
            try:
                data = self.last = seal.protect(packet)
            except Error:
                return
        for twin in self.twins:
            twin.far[who].raw(data)

    # changes

    def _l(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        track = twin.tracks[b % len(twin.tracks)] if d % 16 else None
        twin.forwarder.layer(twin.subs[a % len(twin.subs)], track)

    def _q(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        twin.forwarder.pause(twin.subs[a % len(twin.subs)], bool(d & 1))

    def _a(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        with twin.forwarder.at_once():
            for step in range(c % 6):
                self._q(twin, a + step, b, c, d >> step)
                self._l(twin, a + step, b + step, c, d + step)

    def _r(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        sub = twin.subs[a % len(twin.subs)]
        seq = (65_500 + a % len(twin.subs) + sub.packets - b % 12) & 0xFFFF
        twin.answers.append([twin.forwarder.resend(sub, (seq + step) & 0xFFFF) for step in range(d % 8)])

    def _t(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        track = twin.tracks[a % len(twin.tracks)]
        if d % 4:
            twin.answers.append(twin.forwarder.lost(track, self.now_ns + c * 1_000_000))
        else:
            twin.answers.append(twin.forwarder.take_arrivals(twin.far[b % PEERS].lane))

    def _i(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        payload = PAYLOADS[b % len(PAYLOADS)]
        twin.forwarder.inject(twin.tracks[-1], payload, (1 << 32) - 500 + 960 * c, marker=bool(d & 1))

    def _b(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        track = twin.tracks[a % len(twin.tracks)]
        if not track.closed and track.lane not in twin.closed:
            twin.forwarder.bind(track, _shifted((1411, 1111, 5_000 + d)[c % 3], a % PEERS), (0, 1412)[b % 2])

    def _c(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        lane = twin.far[a % PEERS].lane
        lane.cut = not lane.cut and d % 2 == 0

    def _u(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        if d % 8 == 0:
            twin.forwarder.unpublish(twin.tracks[a % (len(twin.tracks) - 1)])
        elif d % 4 == 1:
            twin.forwarder.unsubscribe(twin.subs[b % len(twin.subs)])
        elif d == 2:
            twin.closed.append(twin.far[a % PEERS].lane)
            twin.forwarder.close(twin.closed[-1])

    def _m(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        if d % 16 == 0 and twin.far[a % PEERS].lane not in twin.closed:  # somebody else proves this address
            twin.forwarder.move(twin.far[a % PEERS].lane, twin.far[b % PEERS].socket.getsockname())
        else:
            twin.tracks[a % len(twin.tracks)].missing.clear()

    def _s(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        sub = twin.subs[a % len(twin.subs)]
        sub.sink = replace(sub.sink, payload_type=100 + c % 20, rtx_payload_type=(0, 95)[d % 2])

    def _x(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        track = twin.tracks[a % len(twin.tracks)]
        if track.closed:
            return
        kept = Kept()
        twin.kept.append(kept)
        if c % 2:
            twin.forwarder.record(track, kept if d % 2 else None)
        else:
            twin.forwarder.tap(track, kept.hear if d % 2 else None)

    def _o(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        for _ in range(1 + d % 3):
            twin.forwarder.tick()

    def _f(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        for _ in range((1, 1, 2, 20)[d % 4]):
            twin.forwarder.feedback()

    def _w(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        ago_ns = (0, 1, 999_999_999, 70_000 * 1_000_000_000)[d % 4]
        track = twin.tracks[a % len(twin.tracks)]
        twin.forwarder.reported(track, c << 40 | d << 20 | b, max(1, self.now_ns - ago_ns))

    def _g(self, twin: Twin, a: int, b: int, c: int, d: int) -> None:
        twin.forwarder.send_rtcp(twin.far[a % PEERS].lane, struct.pack("!BBHI", 0x80, 201, 1, b))


def _shifted(ssrc: int, peer: int) -> int:
    return ssrc + 10_000 * peer if ssrc else 0


def _datagrams(sock: Any) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            found.append(sock.recv(4096))
        except BlockingIOError:
            return found


@contextmanager
def playing() -> Iterator[Play]:
    twins = [Twin(native=False), Twin(native=True)]
    play = Play(*twins)
    play.step("k", 0, 0, 0, 0)
    try:
        with patch("video.forward.time.monotonic_ns", lambda: play.now_ns):
            yield play
    finally:
        for twin in twins:
            twin.bench.close()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(STEP, min_size=10, max_size=STEPS))
def test_both_paths_send_the_same_bytes(steps: list[tuple[str, int, int, int, int]]) -> None:
    with playing() as play:
        plain, native = play.twins
        for number, step in enumerate(steps):
            play.step(*step)
            assert native.taken() == plain.taken(), step
            if not number % 8:
                assert native.remembers() == plain.remembers(), step
        assert native.remembers() == plain.remembers()


BURSTS = st.lists(
    st.tuples(
        st.sampled_from((1, 1, 1, 1, 2, 9, 70, 1_500, 6_000, 40_000, -1, -3, 0)),
        st.sampled_from((0, 1_000, 250_000, 3_000_000, 70_000_000, 9_000_000_000, -40_000_000)),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=12,
)
"""How far the first number of a row is from the last one, how long after it, how many there are."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(BURSTS, st.integers(0, 0xFFFF))
def test_both_paths_report_arrivals_with_the_same_bytes(
    bursts: list[tuple[int, int, int]], number: int
) -> None:
    """Rows of packets with holes, jumps, repeats and clocks that step back, then two beats: one of them reports."""
    said = sent = 0
    with playing() as play:
        for step, later_ns, count in bursts:
            number += step
            for _ in range(count):
                number += 1
                play.now_ns = max(1_000_000_000, play.now_ns + later_ns % 5_000_000)
                play.step("k", 0, 0, 0, 0)
                rest = struct.pack("!HHBHx", 0xBEDE, 1, 0x51, number & 0xFFFF)
                sent += 1
                data = (
                    play.twins[0].far[0].out.protect(struct.pack("!BBHII", 0x90, 111, sent, 0, 4_000) + rest)
                )
                for twin in play.twins:
                    twin.far[0].raw(data)
                    twin.forwarder.on_readable()
            play.now_ns = max(1_000_000_000, play.now_ns + later_ns)
            play.step("k", 0, 0, 0, 0)
            for twin in play.twins:
                twin.forwarder.feedback()
                twin.forwarder.feedback()
                twin.forwarder.tick()
            plain, native = (twin.taken() for twin in play.twins)
            assert native == plain
            said += len(plain[0])
    assert said
