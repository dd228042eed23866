"""Any bytes given to the C path's way in, as a stranger's datagram and as a peer's decrypted packet."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.video.test_forward import AUDIO, KEY, VIDEO, Bench, Far, watched
from video.forward import LARGEST, Sink, starts_key_frame
from video.native.build import load
from video.native.forwarder import NativeForwarder, NativeLane

EXAMPLES = 20_000 if os.environ.get("SWITCHBOARD_LONG") else 300
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CODECS = {"VP8": 1, "H264": 2, "OPUS": 0}
HEADERS = st.builds(
    lambda first, second, seq, ssrc, words, rest: (
        struct.pack("!BBHII", first, second, seq, 0, ssrc) + struct.pack("!HH", 0xBEDE, words) + rest
    ),
    st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0x81, 0x9F, 0xBF]),
    st.sampled_from([96, 97, 111, 224, 225, 239, 0, 127]),
    st.integers(0, 65_535),
    st.sampled_from([1111, 1112, 2222, 7]),
    st.integers(0, 65_535) | st.integers(0, 12),
    st.binary(max_size=120),
)
EXTENDED = st.builds(
    lambda first, payload_type, ssrc, block, rest: (
        struct.pack("!BBHII", first, payload_type, 9, 0, ssrc)
        + struct.pack("!HH", 0xBEDE, len(block) // 4)
        + block
        + rest
    ),
    st.sampled_from([0x90, 0xB0]),
    st.sampled_from([96, 97, 111]),
    st.sampled_from([1111, 1112, 2222]),
    st.lists(st.sampled_from([0, 0x51, 0x70, 0x71, 0x5F, 0xF0, 0x12]), min_size=4, max_size=12).map(
        lambda block: bytes(block[: len(block) // 4 * 4])
    ),
    st.sampled_from([b"", b"", b"\0", KEY, b"\x10\x90", b"\x90\xb0", b"\x7c", b"\x18\0"]),
)
"""Extension blocks of the right length whose last element often is too long for it, and payloads that end too early."""


@pytest.fixture
def house() -> Iterator[tuple[Bench, Far]]:
    """One sender of a picture and a voice, one receiver, both recorded and tapped."""
    bench = Bench(native=True)
    sender, receiver = bench.peer(), bench.peer()
    bench.forwarder.extensions(sender.lane, twcc=5, level=7)
    picture = bench.forwarder.publish(sender.lane, VIDEO)
    voice = bench.forwarder.publish(sender.lane, AUDIO)
    watched(bench, receiver, picture)
    bench.forwarder.subscribe(receiver.lane, Sink(100, 77, extension_id=2), voice)
    for track in (picture, voice):
        bench.forwarder.tap(track, lambda timestamp, payload: None)
    yield bench, sender
    bench.close()


def feed(bench: Bench, far: Far | None, data: bytes, *, plain: bool) -> None:
    forwarder = bench.forwarder
    assert isinstance(forwarder, NativeForwarder)
    lane = far.lane if far else None
    ffi, lib = load().ffi, load().lib
    pointer = lane._c if isinstance(lane, NativeLane) else ffi.NULL
    lib.wire_feed(forwarder.wire, pointer, data, len(data), plain)
    forwarder.tick()
    for one in bench.far:
        one.taken()


@FUZZ
@given(st.binary(max_size=2_048) | HEADERS)
@example(b"")
@example(b"\x80")
@example(b"\x80" * (LARGEST + 1))
@example(bytes(2_048))
def test_any_datagram_is_dropped_or_handed_up(house: tuple[Bench, Far], data: bytes) -> None:
    bench, sender = house
    feed(bench, None, data, plain=False)
    feed(bench, sender, data, plain=False)


@FUZZ
@given(st.binary(max_size=LARGEST) | HEADERS | EXTENDED)
@example(struct.pack("!BBHII", 0x90, 96, 1, 0, 1111) + b"\xbe\xde\0\1\x1f\0\0\0" + KEY)
@example(struct.pack("!BBHII", 0x90, 111, 1, 0, 2222) + b"\xbe\xde\0\1\0\0\0\x51")
@example(struct.pack("!BBHII", 0x90, 111, 1, 0, 2222) + b"\xbe\xde\0\1\0\0\0\x70")
@example(struct.pack("!BBHII", 0x90, 111, 1, 0, 2222) + b"\xbe\xde\0\1")
@example(struct.pack("!BBHII", 0xA0, 96, 1, 0, 1111) + b"\xff")
@example(struct.pack("!BBHII", 0x80, 96, 1, 0, 1111))
@example(struct.pack("!BBHII", 0x80, 97, 1, 0, 1112) + b"\0")
@example(struct.pack("!BBHII", 0x80, 96, 1, 0, 1111) + bytes(LARGEST - 12))
def test_any_packet_of_a_peer_is_forwarded_or_counted(house: tuple[Bench, Far], data: bytes) -> None:
    bench, sender = house
    feed(bench, sender, data, plain=True)


@FUZZ
@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=12) | st.binary(max_size=60))
def test_both_paths_see_the_same_key_frames(codec: str, payload: bytes) -> None:
    c = load().lib.starts_key_frame(CODECS[codec], payload, len(payload))
    assert bool(c) == starts_key_frame(codec, payload)


def test_a_way_up_that_is_full_loses_what_comes_and_counts_it(house: tuple[Bench, Far]) -> None:
    bench, _ = house
    forwarder, lib, ffi = bench.forwarder, load().lib, load().ffi
    assert isinstance(forwarder, NativeForwarder)
    check = bytes(20) + b"\x21\x12\xa4\x42" * 100
    for _ in range(1_000):
        lib.wire_feed(forwarder.wire, ffi.NULL, check, len(check), False)
    assert forwarder.counters.overflow > 0
    kept = 1_000 - forwarder.counters.overflow
    while len(bench.upstairs.stun) < kept:
        before = len(bench.upstairs.stun)
        forwarder.on_ready()
        assert len(bench.upstairs.stun) > before
    assert set(bench.upstairs.stun) == {check}
    lib.wire_feed(forwarder.wire, ffi.NULL, check, len(check), False)
    forwarder.on_ready()
    assert len(bench.upstairs.stun) == kept + 1


def test_a_tape_says_what_came_too_fast_for_it(house: tuple[Bench, Far]) -> None:
    class Kept:
        packets = 0
        gaps: ClassVar[list[dict[str, object]]] = []

        def write(self, arrival_ns: int, packet: bytes) -> None:
            self.packets += 1

        def report(self, arrival_ns: int, packet: bytes) -> None: ...

        def mark(self, kind: str, **facts: object) -> None:
            if kind == "gap":
                self.gaps.append(facts)

    bench, sender = house
    forwarder, lib, tape = bench.forwarder, load().lib, Kept()
    assert isinstance(forwarder, NativeForwarder)
    assert isinstance(sender.lane, NativeLane)
    track = sender.lane.by_ssrc[VIDEO.ssrc]
    forwarder.record(track, tape)
    for number in range(8_000):
        packet = struct.pack("!BBHII", 0x80, 96, number, 0, VIDEO.ssrc) + bytes(1_400)
        lib.wire_feed(forwarder.wire, sender.lane._c, packet, len(packet), True)
    forwarder.tick()
    (gap,) = tape.gaps
    while select.select([forwarder.fileno()], [], [], 0)[0]:
        forwarder.on_ready()
    assert gap["packets"] == 8_000 - tape.packets
    assert tape.packets > 1_000
    forwarder.tick()
    assert len(tape.gaps) == 1
