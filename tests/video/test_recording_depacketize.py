"""Frames come out of packets whole or not at all, whatever a line or a stranger does to the packets."""

from __future__ import annotations

import os
import random
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.media import Packet, pictures, sounds, undecodable, video_sender
from video.recording import h264
from video.recording.depacketize import Assembler, Dropped, Frame, assembler, opus_ticks, vp8_piece
from video.recording.errors import PacketMalformed
from video.recording.order import Missing, Reorder, step16, step32
from video.recording.rtp import Rtp, parse_rtp, parse_sender_reports

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
EXAMPLES = 2000 if LONG else 200


def through(codec: str, packets: list[Packet]) -> tuple[list[Frame], list[Dropped]]:
    """Packets as they arrive, through the reorder window and the assembler."""
    work = assembler(codec)
    assert work is not None
    reorder: Reorder[Rtp] = Reorder(64)
    results: list[Frame | Dropped] = []

    def take(items: list[Rtp | Missing]) -> None:
        for item in items:
            results.extend(
                work.lost(item.count) if isinstance(item, Missing) else work.push(item.timestamp, item)
            )

    for packet in packets:
        parsed = parse_rtp(packet.data)
        take(list(reorder.push(parsed.sequence, parsed)))
    take(list(reorder.flush()))
    results.extend(work.flush())
    return [one for one in results if isinstance(one, Frame)], [
        one for one in results if isinstance(one, Dropped)
    ]


def numbers(frames: list[Frame] | list[Dropped]) -> list[int]:
    return [one.timestamp // 3600 for one in frames]


def sent(codec: str, count: int = 60, key_every: int = 20) -> list[Packet]:
    return video_sender(codec).packets(pictures(codec, count, key_every=key_every, width=640, height=360))


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_every_frame_of_a_good_line_comes_out_whole(codec: str) -> None:
    frames, dropped = through(codec, sent(codec))
    assert numbers(frames) == list(range(60))
    assert [one.key for one in frames] == [number % 20 == 0 for number in range(60)]
    assert not dropped
    assert {(one.size.width, one.size.height) for one in frames if one.size} == {(640, 360)}


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("seed", range(30 if LONG else 6))
def test_loss_costs_exactly_the_frames_that_cannot_be_decoded(codec: str, seed: int) -> None:
    """With packets lost, doubled and in disorder, against the naive truth."""
    chance = random.Random(seed)
    packets = sent(codec)
    arrived = [packet for packet in packets if chance.random() > 0.02]
    arrived += [packet for packet in arrived if chance.random() < 0.05]
    arrived.sort(key=lambda packet: parse_rtp(packet.data).sequence + chance.uniform(0, 10))
    frames, _ = through(codec, arrived)
    lost = set(undecodable(packets, arrived, 20))
    assert numbers(frames) == [number for number in range(60) if number not in lost]


def test_disorder_alone_loses_nothing() -> None:
    chance = random.Random(1)
    packets = sent("vp8")
    packets.sort(key=lambda packet: parse_rtp(packet.data).sequence + chance.uniform(0, 30))
    frames, dropped = through("vp8", packets)
    assert (numbers(frames), dropped) == (list(range(60)), [])


def test_padding_that_is_lost_costs_no_vp8_frame() -> None:
    """The picture number goes on: what is missing held no picture."""
    packets = video_sender().packets(pictures("vp8", 10))
    moved = []
    for packet in packets:
        sequence = packet.frame * 2 + (packet.frame > 4) * 5
        moved.append(Packet(0, packet.data[:2] + struct.pack("!H", sequence) + packet.data[4:], packet.frame))
    assert all(len(payloads) == 1 for payloads in pictures("vp8", 10))
    frames, dropped = through("vp8", moved)
    assert (numbers(frames), dropped) == (list(range(10)), [])


def test_a_spare_vp8_frame_that_is_incomplete_costs_itself_only() -> None:
    packets = sent("vp8", 20)
    target = next(one.frame for one in packets if one.frame % 20 and not one.last)
    arrived = []
    for packet in packets:
        data = packet.data
        if packet.frame == target:
            data = data[:12] + bytes([data[12] | 0x20]) + data[13:]  # the N bit
        if packet.frame != target or not packet.last:
            arrived.append(Packet(0, data, packet.frame))
    frames, dropped = through("vp8", arrived)
    assert numbers(dropped) == [target]
    assert numbers(frames) == [number for number in range(20) if number != target]


def test_a_stream_that_begins_between_key_frames_waits_for_one() -> None:
    frames, dropped = through("vp8", [packet for packet in sent("vp8") if packet.frame >= 5])
    assert numbers(frames) == list(range(20, 60))
    assert {one.why for one in dropped} == {"no_key_frame"}


def test_opus_lengths_are_those_of_the_standard() -> None:
    assert {opus_ticks(payload) for (payload,) in sounds(20)} == {960}
    assert opus_ticks(bytes([0 << 3])) == 480
    assert opus_ticks(bytes([3 << 3])) == 2880
    assert opus_ticks(bytes([16 << 3 | 3, 48])) == 5760
    for bad in (b"", bytes([3]), bytes([3, 0]), bytes([3 << 3 | 3, 3])):
        with pytest.raises(PacketMalformed):
            opus_ticks(bad)


def test_vp8_descriptors_of_every_length() -> None:
    assert vp8_piece(b"\x10data").data == b"data"
    assert vp8_piece(b"\x90\x80\x05data").picture == 5
    piece = vp8_piece(b"\x90\xf0\x81\x02\x07\x20data")
    assert (piece.data, piece.picture, piece.bits, piece.begins) == (b"data", 0x102, 15, True)
    assert not vp8_piece(b"\x11data").begins
    for cut in (
        b"",
        b"\x90",
        b"\x90\x80",
        b"\x90\x80\x81",
        b"\x90\xf0\x81\x02\x07",
        b"\x90\xf0\x81\x02\x07\x20",
    ):
        with pytest.raises(PacketMalformed):
            vp8_piece(cut)


def test_rtp_headers_with_everything_in_them() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 96, 7, 8, 9)
    packet = head + bytes(8) + struct.pack("!HH", 0xBEDE, 1) + bytes(4) + b"payload" + b"\0\0\3"
    parsed = parse_rtp(packet)
    assert parsed == Rtp(96, True, 7, 8, 9, b"payload")
    for bad in (packet[:11], b"\x40" + packet[1:], packet[:20], packet[:-1] + b"\xff", packet[:-1] + b"\0"):
        with pytest.raises(PacketMalformed):
            parse_rtp(bad)


def test_wraps_are_the_shorter_way_round() -> None:
    assert step16(2, 65534) == 4
    assert step16(65534, 2) == -4
    assert step32(10, 0xFFFFFFF0) == 26


def test_the_window_gives_up_a_missing_packet_and_no_other() -> None:
    reorder: Reorder[int] = Reorder(10)
    out: list[int | Missing] = []
    for number in [*range(20), *range(21, 60), 20, 5]:
        out += reorder.push(number, number)
    out += reorder.flush()
    assert out == [*range(20), Missing(1), *range(21, 60)]
    assert (reorder.late, reorder.duplicates) == (1, 1)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_the_window_never_doubles_nor_disorders(data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, 60), max_size=120))
    reorder: Reorder[int] = Reorder(8)
    out: list[int | Missing] = []
    for number in order:
        out += reorder.push(number, number)
    out += reorder.flush()
    given_out = [one for one in out if not isinstance(one, Missing)]
    assert given_out == sorted(set(given_out))
    assert len(given_out) + reorder.late + reorder.duplicates == len(order)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_an_rtp_packet_or_malformed(data: bytes) -> None:
    with suppress(PacketMalformed):
        parse_rtp(data)
    parse_sender_reports(data)


PIECES = [
    payload for codec in ("vp8", "h264") for frame in pictures(codec, 6, key_every=3) for payload in frame
]


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Real payloads with a few bytes changed or cut off, and pure noise."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=40))
    payload = bytearray(draw(st.sampled_from(PIECES)))
    for _ in range(draw(st.integers(0, 3))):
        payload[draw(st.integers(0, min(len(payload), 24) - 1))] = draw(st.integers(0, 255))
    return bytes(payload[: draw(st.integers(0, len(payload)))])


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(["vp8", "h264", "opus", "pcmu"]),
    st.lists(st.tuples(payloads(), st.integers(0, 3), st.booleans(), st.integers(0, 2)), max_size=30),
)
def test_assemblers_bear_any_payload(codec: str, packets: list[tuple[bytes, int, bool, int]]) -> None:
    """Nothing but frames and drops comes out, in any order and with any loss."""
    work: Assembler | None = assembler(codec)
    assert work is not None
    timestamp = 0
    results: list[Frame | Dropped] = []
    for payload, step, marker, lost in packets:
        timestamp += step
        if lost:
            results += work.lost(lost)
        results += work.push(timestamp, Rtp(96, marker, 0, timestamp, 1, payload))
    results += work.flush()
    for one in results:
        if isinstance(one, Frame):
            assert one.data
            assert one.size is None or 0 < one.size.width <= 16384


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_parameter_set_or_malformed(data: bytes, begun_well: bool) -> None:
    try:
        size = h264.sps_size((b"\x67\x64\x00\x1f" if begun_well else b"") + data)
    except PacketMalformed:
        return
    assert 0 < size.width <= 16384
    assert 0 < size.height <= 16384
