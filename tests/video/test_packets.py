"""RTCP, STUN and header extensions: what we write is what we meant, what strangers write harms nobody."""

from __future__ import annotations

import contextlib
import struct
from struct import error as StructError

import pytest
from aioice import stun
from aiortc import rtp
from hypothesis import example, given
from hypothesis import strategies as st

from video.forward import starts_key_frame
from video.guard import is_plain_alert, username_of
from video.packets import (
    KeyFrameWanted,
    MalformedPacket,
    Nack,
    ReceiverBlock,
    Remb,
    SenderReport,
    TransportFeedback,
    extensions_of,
    full_intra_request,
    nack,
    parse_rtcp,
    picture_loss,
    receiver_report,
    remb,
    sender_report,
)
from video.stun import answer, read_check

NUMBERS = st.integers(0, 0xFFFF)


def test_reports_are_read_as_they_were_written() -> None:
    block = ReceiverBlock(7, 12, 70_000, 3, 4, 5, 6)
    compound = (
        sender_report(SenderReport(9, 1 << 40, 90_000), 3, 400, "seat")
        + receiver_report(1, [block])
        + picture_loss(1, 11)
        + full_intra_request(1, 12, 3)
        + remb(1, 250_000, [13, 14])
        + nack(1, 15, [65_534, 65_535, 0, 40])
    )
    assert parse_rtcp(compound) == [
        SenderReport(9, 1 << 40, 90_000),
        block,
        KeyFrameWanted(11),
        KeyFrameWanted(12),
        Remb(250_000, (13, 14)),
        Nack(15, (65_534, 65_535, 0, 40)),
    ]


def test_another_implementation_reads_our_reports() -> None:
    ours = sender_report(SenderReport(9, 1 << 40, 90_000), 3, 400, "seat") + nack(1, 15, [65_535, 0, 16])
    report, names, lost = rtp.RtcpPacket.parse(ours)
    assert isinstance(report, rtp.RtcpSrPacket)
    assert report.sender_info.rtp_timestamp == 90_000
    assert isinstance(names, rtp.RtcpSdesPacket)
    assert names.chunks[0].items == [(1, b"seat")]
    assert isinstance(lost, rtp.RtcpRtpfbPacket)
    assert [number & 0xFFFF for number in lost.lost] == [65_535, 0, 16]


@given(st.binary(max_size=1_600))
@example(bytes([0x81, 206, 0, 0]))
@example(bytes([0xA0, 200, 0, 1, 0, 0, 0, 0]))
@example(bytes([0x8F, 206, 0, 4]) + bytes(8) + b"REMB" + bytes([255, 0, 0, 0]))
def test_any_bytes_as_rtcp_are_read_or_called_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        parse_rtcp(data)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x80, 0x81, 0x84, 0x8F, 0x9F, 0xA1]),
            st.sampled_from([200, 201, 205, 206]),
            st.integers(0, 12),
            st.binary(max_size=60),
        ),
        max_size=6,
    )
)
def test_rtcp_that_almost_makes_sense_is_read_or_called_malformed(
    parts: list[tuple[int, int, int, bytes]],
) -> None:
    data = b"".join(struct.pack("!BBH", first, kind, words) + body for first, kind, words, body in parts)
    with contextlib.suppress(MalformedPacket):
        parse_rtcp(data)


@given(st.binary(max_size=200))
@example(bytes([0x90, 0, 0, 0]) + bytes(8) + b"\xbe\xde\xff\xff")
@example(bytes([0x90, 0, 0, 0]) + bytes(8) + b"\xbe\xde\0\1\x1f\0\0\0")
def test_any_bytes_as_header_extensions_are_safe(data: bytes) -> None:
    found = extensions_of(data)
    assert all(1 <= number <= 14 and 1 <= len(value) <= 16 for number, value in found.items())


@given(st.sampled_from(["VP8", "H264", "OPUS"]), st.binary(max_size=40))
def test_any_payload_may_be_asked_for_a_key_frame(codec: str, payload: bytes) -> None:
    starts_key_frame(codec, payload)


def test_key_frames_are_told_from_others() -> None:
    assert starts_key_frame("VP8", bytes([0x10, 0x50, 0, 0]))
    assert not starts_key_frame("VP8", bytes([0x10, 0x51, 0, 0]))
    assert not starts_key_frame("VP8", bytes([0x00, 0x50, 0, 0]))
    assert starts_key_frame("VP8", bytes([0x90, 0xE0, 0x81, 0x02, 7, 0x20, 0x50, 0]))
    assert not starts_key_frame("VP8", bytes([0x90, 0xE0, 0x81, 0x02, 7, 0x20, 0x51, 0]))
    assert starts_key_frame("H264", bytes([0x67, 1, 2, 3]))
    assert not starts_key_frame("H264", bytes([0x61, 1, 2, 3]))
    assert starts_key_frame("H264", bytes([0x7C, 0x85, 1]))
    assert not starts_key_frame("H264", bytes([0x7C, 0x05, 1]))


@given(st.binary(max_size=700))
@example(b"\0\1\0\4\x21\x12\xa4\x42" + bytes(12) + b"\0\6\xff\xff")
def test_any_bytes_as_a_check_are_safe(data: bytes) -> None:
    username_of(data)
    is_plain_alert(data)


def test_a_check_is_known_by_its_name_fragment() -> None:
    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.attributes["USERNAME"] = "ours:theirs"
    check.add_message_integrity(b"secret")
    assert username_of(bytes(check)) == "ours"
    assert username_of(bytes(check)[:-4]) is None


CHECK = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
CHECK.attributes |= {"USERNAME": "ours:theirs", "PRIORITY": 1, "ICE-CONTROLLING": 7, "USE-CANDIDATE": None}
CHECK.add_message_integrity(b"password")


@given(
    st.lists(st.tuples(st.integers(0, len(bytes(CHECK)) - 1), st.integers(0, 255)), max_size=3), st.booleans()
)
def test_checks_are_taken_as_the_library_takes_them(changes: list[tuple[int, int]], nominates: bool) -> None:
    """Whole or with some bytes changed: the same are taken for signed, and say the same."""
    made = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, CHECK.transaction_id, dict(CHECK.attributes))
    if not nominates:
        del made.attributes["USE-CANDIDATE"]
    made.add_message_integrity(b"password")
    data = bytearray(bytes(made))
    for at, value in changes:
        data[at % len(data)] = value
    ours = read_check(bytes(data)) if username_of(bytes(data)) else None
    try:
        theirs = stun.parse_message(bytes(data))
    except (ValueError, StructError, IndexError, KeyError):
        theirs = None
    taken = ours is not None and ours.is_signed_with(b"password")
    assert taken == (theirs is not None and theirs.check_message_integrity(b"password"))
    if not changes:
        assert taken
    if ours is not None and theirs is not None and taken:
        assert ours.nominates == ("USE-CANDIDATE" in theirs.attributes) == nominates
        assert ours.transaction == theirs.transaction_id


@pytest.mark.parametrize("where", [("192.0.2.7", 40_000), ("2001:db8::7", 9)])
def test_the_answer_to_a_check_is_what_the_library_reads(where: tuple[str, int]) -> None:
    check = read_check(bytes(CHECK))
    assert check is not None
    said = stun.parse_message(answer(check, b"password", *where))
    assert said.check_message_integrity(b"password")
    assert said.transaction_id == CHECK.transaction_id
    assert said.attributes["XOR-MAPPED-ADDRESS"] == where
    assert said.message_class is stun.Class.RESPONSE


def decode_feedback(packet: bytes) -> dict[int, int | None]:
    """Number -> arrival in quarter milliseconds since the reference's zero, None for not received."""
    base, count = struct.unpack_from("!HH", packet, 12)
    reference = int.from_bytes(packet[16:19], "big") * 256
    at, symbols = 20, []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", packet, at)
        at += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    found: dict[int, int | None] = {}
    for index, symbol in enumerate(symbols[:count]):
        number = (base + index) & 0xFFFF
        if symbol == 0:
            found[number] = None
            continue
        delta = packet[at] if symbol == 1 else struct.unpack_from("!h", packet, at)[0]
        at += 1 if symbol == 1 else 2
        reference += delta
        found[number] = reference
    assert len(packet) == 4 + 4 * int.from_bytes(packet[2:4], "big")
    assert at <= len(packet)
    return found


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 400_000_000)), min_size=1, max_size=300),
)
def test_transport_feedback_reports_every_number_with_its_time(
    first: int, steps: list[tuple[int, int]]
) -> None:
    arrivals: list[tuple[int, int]] = []
    number, at_ns = first, 5_000_000_000
    for step, wait_ns in steps:
        arrivals.append((number & 0xFFFF, at_ns))
        number, at_ns = number + step, at_ns + wait_ns
    reported: dict[int, int | None] = {}
    for packet in TransportFeedback().write(1, 2, arrivals):
        assert len(packet) < 1_500
        reported |= decode_feedback(packet)
    for seen, when_ns in arrivals:
        assert reported[seen] == when_ns // 250_000
    last = arrivals[-1][0]
    expected = {(first + offset) & 0xFFFF for offset in range(((last - first) & 0xFFFF) + 1)}
    assert expected <= set(reported)


def test_transport_feedback_goes_on_where_it_ended() -> None:
    writer = TransportFeedback()
    writer.write(1, 2, [(10, 1_000_000_000), (11, 1_001_000_000)])
    (second,) = writer.write(1, 2, [(14, 1_100_000_000)])
    assert decode_feedback(second) == {12: None, 13: None, 14: 4_400}
