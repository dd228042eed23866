"""What a Matroska file must know of H.264: NAL units, and the size in a parameter set (H.264, 7.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from video.recording.errors import PacketMalformed

SLICE, IDR, SEI, SPS, PPS, DELIMITER = 1, 5, 6, 7, 8, 9
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_MAX_SIDE = 16384


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


class _Bits:
    """Bits of an RBSP, Exp-Golomb codes included; every step checks the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._left:
            raise PacketMalformed("parameter set cut off")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 31:
                raise PacketMalformed("number too long in a parameter set")
        return (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)

    def signed(self) -> int:
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def sps_size(nal: bytes) -> Size:
    """The picture's size after cropping. Raises ``PacketMalformed``."""
    if len(nal) < 4 or len(nal) > 1024:
        raise PacketMalformed("parameter set of impossible length")
    profile = nal[1]
    bits = _Bits(nal[4:].replace(b"\0\0\3", b"\0\0"))
    bits.unsigned()
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = bits.unsigned()
        _skip_high_profile(bits, chroma)
    bits.unsigned()
    _skip_order_count(bits)
    bits.unsigned()
    bits.read(1)
    width, rows = 16 * (bits.unsigned() + 1), bits.unsigned() + 1
    whole_frames = bits.read(1)
    if not whole_frames:
        bits.read(1)
    height = 16 * rows * (2 - whole_frames)
    bits.read(1)
    if bits.read(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        across = 2 if chroma in (1, 2) else 1
        down = (2 if chroma == 1 else 1) * (2 - whole_frames)
        width -= across * (left + right)
        height -= down * (top + bottom)
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise PacketMalformed("impossible picture size")
    return Size(width, height)


def _skip_high_profile(bits: _Bits, chroma: int) -> None:
    if chroma == 3:
        bits.read(1)
    bits.unsigned()
    bits.unsigned()
    bits.read(1)
    if not bits.read(1):
        return
    for index in range(8 if chroma != 3 else 12):
        if not bits.read(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) & 255
            last = following or last


def _skip_order_count(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        count = bits.unsigned()
        if count > 255:
            raise PacketMalformed("impossible parameter set")
        for _ in range(count):
            bits.signed()


def avcc(sps: bytes, pps: bytes) -> bytes:
    """AVCDecoderConfigurationRecord (ISO 14496-15, 5.2.4.1) with one set of each, 4-byte lengths."""
    head = bytes((1, sps[1], sps[2], sps[3], 0xFF, 0xE1))
    return head + struct.pack("!H", len(sps)) + sps + b"\1" + struct.pack("!H", len(pps)) + pps


def with_lengths(nals: list[bytes]) -> bytes:
    """NAL units as Matroska and MP4 store them."""
    return b"".join(struct.pack("!I", len(nal)) + nal for nal in nals)
