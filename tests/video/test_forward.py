"""The hot path by itself: real sockets, real SRTP, packets made by hand."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pylibsrtp import Error, Policy, Session

from video.forward import BURST, MISSING_MAX, Address, Forwarder, Lane, Sink, Source, Subscription, Track
from video.native import forwarder

KEY = bytes([0x10, 0x50, 0, 0])
DELTA = bytes([0x10, 0x51, 0, 0])
VIDEO = Source("video", "VP8", 90_000, 96, 97, 1111, 1112)
AUDIO = Source("audio", "OPUS", 48_000, 111, 0, 2222)


class Upstairs:
    """Counts what the forwarder hands up."""

    def __init__(self) -> None:
        self.rtcp: list[bytes] = []
        self.unknown: list[bytes] = []
        self.dtls: list[bytes] = []
        self.stun: list[bytes] = []

    def on_stun(self, data: bytes, address: Address) -> None:
        self.stun.append(data)

    def on_dtls(self, lane: Lane, data: bytes) -> None:
        self.dtls.append(data)

    def on_rtcp(self, lane: Lane, data: bytes) -> None:
        self.rtcp.append(data)

    def on_unknown(self, lane: Lane, packet: bytes) -> None:
        self.unknown.append(packet)

    def on_stray(self, address: Address) -> None:
        pass


@dataclass(frozen=True)
class Packet:
    marker: int
    payload_type: int
    seq: int
    timestamp: int
    ssrc: int
    extension: bytes
    payload: bytes


class Far:
    """The other end of a lane: a socket and the two SRTP sessions."""

    def __init__(self, forwarder: Forwarder, bridge: Address, name: str) -> None:
        self.socket = socket.socket(
            socket.AF_INET6 if ":" in bridge[0] else socket.AF_INET, socket.SOCK_DGRAM
        )
        self.socket.bind((bridge[0], 0))
        self.socket.setblocking(False)
        self.bridge = bridge
        up, down = os.urandom(30), os.urandom(30)
        self.out = Session(Policy(key=up, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
        self.back = Session(Policy(key=down, ssrc_type=Policy.SSRC_ANY_INBOUND))
        outbound = Policy(key=down, ssrc_type=Policy.SSRC_ANY_OUTBOUND)
        outbound.allow_repeat_tx = True
        inbound = Session(Policy(key=up, ssrc_type=Policy.SSRC_ANY_INBOUND))
        self.lane = forwarder.open(name)
        forwarder.move(self.lane, self.socket.getsockname())
        forwarder.keys(self.lane, inbound, Session(outbound))

    def send(
        self, seq: int, payload: bytes, *, source: Source = VIDEO, timestamp: int = 0, rtx: bool = False
    ) -> None:
        payload_type, ssrc = (
            (source.rtx_payload_type, source.rtx_ssrc) if rtx else (source.payload_type, source.ssrc)
        )
        head = struct.pack("!BBHII", 0x80, payload_type, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
        self.raw(self.out.protect(head + payload))

    def raw(self, data: bytes) -> None:
        self.socket.sendto(data, self.bridge)

    def taken(self) -> list[Packet]:
        found: list[Packet] = []
        while True:
            try:
                data = self.back.unprotect(self.socket.recv(2048))
            except BlockingIOError:
                return found
            first, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", data)
            assert first == 0x90
            assert data[12:16] == b"\xbe\xde\0\1"
            found.append(Packet(second >> 7, second & 127, seq, timestamp, ssrc, data[16:20], data[20:]))


class Bench:
    """A forwarder at a socket; the C one without its thread, so that a test decides when it looks."""

    def __init__(self, native: bool, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.upstairs = Upstairs()
        self.forwarder = forwarder(self.socket, self.upstairs, native)
        self.far: list[Far] = []

    def peer(self) -> Far:
        far = Far(self.forwarder, self.socket.getsockname(), f"peer{len(self.far)}")
        self.far.append(far)
        return far

    def turn(self) -> None:
        """Everything that lies in the socket (loopback delivers at once)."""
        for _ in range(20):
            self.forwarder.on_readable()

    def close(self) -> None:
        for far in self.far:
            far.socket.close()
        self.socket.close()


@pytest.fixture(params=[False, True], ids=["python", "c"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.close()


def watched(bench: Bench, far: Far, track: Track, *, rtx: bool = True) -> Subscription:
    sink = Sink(120, 9001, 121 if rtx else 0, 9002 if rtx else 0, 3)
    return bench.forwarder.subscribe(far.lane, sink, track)


def test_a_picture_begins_with_a_key_frame_and_goes_on_without_a_gap(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    watched(bench, receiver, track)
    assert track.needs_key
    for number, payload in enumerate([DELTA, DELTA, KEY, DELTA, DELTA]):
        sender.send(65_534 + number, payload + bytes([number]), timestamp=3000 * number)
    bench.turn()
    seen = receiver.taken()
    assert [one.payload[-1] for one in seen] == [2, 3, 4]
    assert [(one.seq - seen[0].seq) & 0xFFFF for one in seen] == [0, 1, 2]
    assert [(one.timestamp - seen[0].timestamp) & 0xFFFFFFFF for one in seen] == [0, 3000, 6000]
    assert {(one.payload_type, one.ssrc) for one in seen} == {(120, 9001)}
    assert all(one.extension[0] == 0x32 for one in seen)
    assert not track.needs_key


def test_the_level_of_a_voice_travels_under_the_receivers_number(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    bench.forwarder.extensions(sender.lane, twcc=5, level=7)
    track = bench.forwarder.publish(sender.lane, AUDIO)
    bench.forwarder.subscribe(receiver.lane, Sink(100, 77, extension_id=2), track)
    head = (
        struct.pack("!BBHII", 0x90, 111, 1, 960, 2222)
        + b"\xbe\xde\0\2"
        + bytes([0x51, 1, 44, 0x70, 0x95, 0, 0, 0])
    )
    sender.raw(sender.out.protect(head + b"opus"))
    bench.turn()
    (seen,) = receiver.taken()
    assert seen.extension == bytes([0x20, 0x95, 0, 0])
    assert seen.payload == b"opus"
    assert [number for number, _ in bench.forwarder.take_arrivals(sender.lane)] == [300]
    assert track.level == 0x15


def test_a_pause_and_a_switch_leave_no_gap_in_the_numbers(bench: Bench) -> None:
    one, other, receiver = bench.peer(), bench.peer(), bench.peer()
    first = bench.forwarder.publish(one.lane, VIDEO)
    second = bench.forwarder.publish(other.lane, VIDEO)
    sub = watched(bench, receiver, first)
    one.send(10, KEY)
    one.send(11, DELTA)
    bench.turn()
    bench.forwarder.pause(sub, True)
    one.send(12, DELTA)
    one.send(13, KEY)
    bench.turn()
    bench.forwarder.pause(sub, False)
    one.send(14, DELTA)
    one.send(15, KEY)
    bench.turn()
    bench.forwarder.layer(sub, second)
    one.send(16, DELTA)
    other.send(40_000, DELTA)
    other.send(40_001, KEY + b"second")
    bench.turn()
    seen = receiver.taken()
    assert [(packet.seq - seen[0].seq) & 0xFFFF for packet in seen] == [0, 1, 2, 3]
    assert seen[-1].payload.endswith(b"second")
    stamps = [packet.timestamp for packet in seen]
    assert all((later - earlier) & 0xFFFFFFFF < 90_000 * 10 for earlier, later in itertools.pairwise(stamps))


def test_another_layer_takes_over_at_its_key_frame_and_not_before(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    low_source = Source("video", "VP8", 90_000, 96, 97, 31, 32)
    low = bench.forwarder.publish(sender.lane, low_source)
    high = bench.forwarder.publish(sender.lane, VIDEO)
    sub = watched(bench, receiver, low)
    sender.send(1, KEY + b"low", source=low_source)
    bench.turn()
    bench.forwarder.layer(sub, high)
    assert high.needs_key
    sender.send(2, DELTA + b"low", source=low_source)
    sender.send(500, DELTA + b"high")
    sender.send(501, KEY + b"high")
    sender.send(3, DELTA + b"low", source=low_source)
    sender.send(502, DELTA + b"high")
    bench.turn()
    seen = receiver.taken()
    assert [one.payload[4:] for one in seen] == [b"low", b"low", b"high", b"high"]
    assert [(one.seq - seen[0].seq) & 0xFFFF for one in seen] == [0, 1, 2, 3]


def test_what_a_receiver_lost_is_sent_again_by_rtx(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    sub = watched(bench, receiver, track)
    for number in range(5):
        sender.send(65_533 + number, (KEY if not number else DELTA) + bytes([number]))
    bench.turn()
    seen = receiver.taken()
    assert bench.forwarder.resend(sub, seen[3].seq)
    (again,) = receiver.taken()
    assert (again.payload_type, again.ssrc) == (121, 9002)
    assert again.payload == struct.pack("!H", seen[3].seq) + seen[3].payload
    assert again.timestamp == seen[3].timestamp
    assert not bench.forwarder.resend(sub, (seen[0].seq - 1) & 0xFFFF)
    assert not bench.forwarder.resend(sub, (seen[4].seq + 1) & 0xFFFF)


def test_nothing_from_before_a_pause_is_ever_sent_again(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    sub = watched(bench, receiver, track)
    sender.send(1, KEY)
    sender.send(2, DELTA)
    bench.turn()
    before = receiver.taken()
    bench.forwarder.pause(sub, True)
    sender.send(3, DELTA + b"secret")
    bench.turn()
    assert not any(
        bench.forwarder.resend(sub, number & 0xFFFF) for number in range(before[0].seq, before[0].seq + 5)
    )
    bench.forwarder.pause(sub, False)
    sender.send(4, KEY)
    bench.turn()
    (after,) = receiver.taken()
    for number in range(before[0].seq - 5, after.seq):
        assert not bench.forwarder.resend(sub, number & 0xFFFF)
    assert receiver.taken() == []


def test_a_gap_is_asked_for_and_what_comes_late_fills_it(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    watched(bench, receiver, track)
    for number in (65_534, 65_535, 2):
        sender.send(number, KEY if number == 65_534 else DELTA)
    bench.turn()
    later = time.monotonic_ns() + 30_000_000
    assert bench.forwarder.lost(track, later) == [0, 1]
    assert bench.forwarder.lost(track, later) == []
    sender.send(0, DELTA)
    sender.send(900, struct.pack("!H", 1) + DELTA, rtx=True)
    bench.turn()
    seen = receiver.taken()
    assert [(one.seq - seen[0].seq) & 0xFFFF for one in seen] == [0, 1, 4, 2, 3]
    assert not track.missing
    assert bench.forwarder.counters.recovered == 1


def test_what_is_lost_for_good_makes_a_new_picture_wanted(bench: Bench) -> None:
    sender = bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    sender.send(1, KEY)
    sender.send(3, DELTA)
    bench.turn()
    now_ns = time.monotonic_ns()
    asked = [bench.forwarder.lost(track, now_ns + step * 200_000_000) for step in range(1, 9)]
    assert asked[:5] == [[2]] * 5
    assert asked[5:] == [[]] * 3
    assert track.needs_key
    sender.send(5_000, DELTA)
    bench.turn()
    assert len(track.missing) <= MISSING_MAX


def test_the_same_packet_goes_out_once(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    watched(bench, receiver, track)
    sender.send(1, KEY)
    sender.send(50, struct.pack("!H", 1) + KEY, rtx=True)
    sender.send(51, struct.pack("!H", 1) + KEY, rtx=True)
    bench.turn()
    assert len(receiver.taken()) == 1


def test_a_tape_and_a_tap_get_what_came_and_stop_at_once(bench: Bench) -> None:
    class Kept:
        def __init__(self) -> None:
            self.packets: list[bytes] = []

        def write(self, arrival_ns: int, packet: bytes) -> None:
            self.packets.append(packet)

        def report(self, arrival_ns: int, packet: bytes) -> None: ...

        def mark(self, kind: str, **facts: object) -> None: ...

    sender, tape, heard = bench.peer(), Kept(), list[tuple[int, bytes]]()
    track = bench.forwarder.publish(sender.lane, AUDIO)
    bench.forwarder.record(track, tape)
    bench.forwarder.tap(track, lambda timestamp, payload: heard.append((timestamp, payload)))
    sender.send(1, b"one", source=AUDIO, timestamp=960)
    bench.turn()
    bench.forwarder.record(track, None)
    bench.forwarder.tap(track, None)
    sender.send(2, b"two", source=AUDIO)
    bench.turn()
    assert tape.packets == [struct.pack("!BBHII", 0x80, 111, 1, 960, 2222) + b"one"]
    assert heard == [(960, b"one")]


def test_a_telephones_voice_is_injected(bench: Bench) -> None:
    receiver = bench.peer()
    track = bench.forwarder.publish(None, AUDIO)
    bench.forwarder.subscribe(receiver.lane, Sink(100, 77), track)
    for number in range(3):
        bench.forwarder.inject(track, bytes([number]), 960 * number)
    seen = receiver.taken()
    assert [one.payload for one in seen] == [b"\0", b"\1", b"\2"]
    assert (seen[2].seq - seen[0].seq) & 0xFFFF == 2
    assert (seen[2].timestamp - seen[0].timestamp) & 0xFFFFFFFF == 1920


def test_strangers_forgers_and_floods_are_counted_and_nothing_else(bench: Bench) -> None:
    sender, receiver, stranger = bench.peer(), bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    watched(bench, receiver, track)
    bench.forwarder.close(stranger.lane)
    good = stranger.out.protect(struct.pack("!BBHII", 0x80, 96, 1, 0, 1111) + KEY)
    stranger.raw(good)
    sender.raw(good)
    sender.raw(b"\x80")
    sender.raw(b"")
    sender.raw(b"\x80" * 1_900)
    sender.raw(b"\xff" * 40)
    bench.turn()
    counters = bench.forwarder.counters
    assert (counters.stray, counters.forged, counters.oversized, counters.malformed) == (1, 2, 1, 2)
    for number in range(BURST + 50):
        sender.send(number, DELTA)
        if not number % 50:
            bench.turn()
    bench.turn()
    assert counters.flooded > 0
    assert receiver.taken() == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.integers(0, 255), st.integers(0, 255))
def test_any_authentic_packet_is_forwarded_or_counted(
    bench: Bench, rest: bytes, first: int, second: int
) -> None:
    """A peer that holds the keys may still write rubbish."""
    bench.forwarder.tick()
    sender, receiver = bench.far[:2] if bench.far else (bench.peer(), bench.peer())
    if not sender.lane.by_ssrc:
        bench.forwarder.extensions(sender.lane, twcc=5, level=7)
        watched(bench, receiver, bench.forwarder.publish(sender.lane, VIDEO))
    packet = bytes([0x80 | (first & 0x3F), second]) + rest
    try:
        sealed = sender.out.protect(packet)
    except Error:
        return
    sender.raw(sealed)
    bench.turn()
    receiver.taken()
