"""Reading RTP and RTCP packets (RFC 3550), as strictly as strangers' bytes deserve."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from video.recording.errors import PacketMalformed

_HEAD = struct.Struct("!BBHII")
_SENDER = struct.Struct("!IQI")  # SSRC, NTP time (32.32), RTP time
_SENDER_REPORT = 200
_NTP_EPOCH_S = 2_208_988_800


@dataclass(frozen=True, slots=True)
class Rtp:
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SenderReport:
    """`ntp_ns`: the sender's own wall clock in ns since 1970 as it sent what has RTP time `timestamp`."""

    ssrc: int
    ntp_ns: int
    timestamp: int


def parse_rtp(data: bytes) -> Rtp:
    """Raises ``PacketMalformed``. A packet of padding only has an empty payload."""
    end = len(data)
    if end < 12:
        raise PacketMalformed("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEAD.unpack_from(data)
    if first >> 6 != 2:
        raise PacketMalformed("not RTP version 2")
    at = 12 + 4 * (first & 15)
    if first & 0x10:
        if at + 4 > end:
            raise PacketMalformed("header extension cut off")
        at += 4 + 4 * ((data[at + 2] << 8) | data[at + 3])
    if first & 0x20:
        padding = data[-1]
        if not padding:
            raise PacketMalformed("padding of length 0")
        end -= padding
    if at > end:
        raise PacketMalformed("longer header or padding than packet")
    return Rtp(second & 127, second >= 128, sequence, timestamp, ssrc, data[at:end])


def parse_sender_reports(data: bytes) -> list[SenderReport]:
    """The sender reports of a compound RTCP packet. What comes after something malformed is not read; never raises."""
    found, at = [], 0
    while at + 4 <= len(data) and data[at] >> 6 == 2:
        length = 4 + 4 * ((data[at + 2] << 8) | data[at + 3])
        if at + length > len(data):
            break
        if data[at + 1] == _SENDER_REPORT and length >= 28:
            ssrc, ntp, timestamp = _SENDER.unpack_from(data, at + 4)
            ntp_ns = ((ntp * 1_000_000_000) >> 32) - _NTP_EPOCH_S * 1_000_000_000
            found.append(SenderReport(ssrc, ntp_ns, timestamp))
        at += length
    return found
