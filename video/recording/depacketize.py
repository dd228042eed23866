"""From RTP payloads in order to whole frames: opus (RFC 7587), G.711 (RFC 3551), VP8 (RFC 7741), H.264 (RFC 6184).

A video frame with a packet missing is left out, and so is everything that builds on it, up to the next key frame; what
was left out is told as `Dropped`. Sound packets stand for themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from video.recording import h264
from video.recording.errors import PacketMalformed
from video.recording.h264 import Size
from video.recording.rtp import Rtp

MAX_FRAME = 8 << 20
_OPUS_SILK = (480, 960, 1920, 2880)
_OPUS_HYBRID = (480, 960)
_OPUS_CELT = (120, 240, 480, 960)


@dataclass(frozen=True, slots=True)
class Frame:
    """`timestamp`: RTP time, unwrapped; `ticks`: how long it sounds in RTP time, 0 when that is not known (video)."""

    timestamp: int
    data: bytes
    key: bool
    ticks: int = 0
    size: Size | None = None
    config: bytes = b""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A frame that cannot be used; `why` is "incomplete", "no_key_frame" or "malformed"."""

    timestamp: int
    why: str


class Assembler(Protocol):
    """Takes packets in order; `lost` says that some are missing before the next one; `flush` at a stream's end."""

    def push(self, timestamp: int, packet: Rtp) -> Iterator[Frame | Dropped]: ...
    def lost(self, count: int) -> Iterator[Frame | Dropped]: ...
    def flush(self) -> Iterator[Frame | Dropped]: ...


def opus_ticks(payload: bytes) -> int:
    """How long an opus packet sounds, in 1/48000 s (RFC 6716, 3.1 and 3.2). Raises ``PacketMalformed``."""
    if not payload:
        raise PacketMalformed("empty opus packet")
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        one = _OPUS_SILK[config & 3]
    elif config < 16:
        one = _OPUS_HYBRID[config & 1]
    else:
        one = _OPUS_CELT[config & 3]
    count = (1, 2, 2, 0)[code]
    if code == 3:
        if len(payload) < 2:
            raise PacketMalformed("opus packet cut off")
        count = payload[1] & 63
    if not 0 < one * count <= 5760:
        raise PacketMalformed("opus packet longer than 120 ms")
    return one * count


def opus_is_stereo(payload: bytes) -> bool:
    return bool(payload and payload[0] & 4)


class Sound:
    """Opus and G.711: each packet is a frame."""

    def __init__(self, codec: str) -> None:
        self._opus = codec == "opus"

    def push(self, timestamp: int, packet: Rtp) -> Iterator[Frame | Dropped]:
        if not packet.payload:
            return
        try:
            ticks = opus_ticks(packet.payload) if self._opus else len(packet.payload)
        except PacketMalformed:
            yield Dropped(timestamp, "malformed")
            return
        yield Frame(timestamp, packet.payload, True, ticks)

    def lost(self, count: int) -> Iterator[Frame | Dropped]:
        yield from ()

    def flush(self) -> Iterator[Frame | Dropped]:
        yield from ()


@dataclass(slots=True)
class _Vp8Piece:
    data: bytes
    begins: bool
    spare: bool  # nothing builds on this frame (N bit)
    picture: int | None
    bits: int  # of the picture number: 7 or 15


def vp8_piece(payload: bytes) -> _Vp8Piece:
    """Split the payload descriptor off (RFC 7741, 4.2). Raises ``PacketMalformed``."""
    try:
        first, at = payload[0], 1
        picture, bits = None, 7
        if first & 0x80:
            more, at = payload[1], 2
            if more & 0x80:
                picture, at = payload[at] & 0x7F, at + 1
                if payload[at - 1] & 0x80:
                    picture, bits, at = (picture << 8) | payload[at], 15, at + 1
            at += bool(more & 0x40)
            at += bool(more & 0x30)
    except IndexError as error:
        raise PacketMalformed("VP8 descriptor cut off") from error
    if at >= len(payload):
        raise PacketMalformed("VP8 packet without content")
    return _Vp8Piece(payload[at:], bool(first & 0x10) and not first & 7, bool(first & 0x20), picture, bits)


def vp8_key_size(frame: bytes) -> Size | None:
    """The size a VP8 key frame declares (RFC 6386, 9.1); None for any other frame. Raises ``PacketMalformed``."""
    if frame[0] & 1:
        return None
    if len(frame) < 10 or frame[3:6] != b"\x9d\x01\x2a":
        raise PacketMalformed("VP8 key frame without its start code")
    width, height = int.from_bytes(frame[6:8], "little"), int.from_bytes(frame[8:10], "little")
    if not (width & 0x3FFF and height & 0x3FFF):
        raise PacketMalformed("VP8 key frame without a size")
    return Size(width & 0x3FFF, height & 0x3FFF)


class Vp8:
    """VP8 frames. The picture number, where the sender gives one, tells whether lost packets held a frame."""

    def __init__(self) -> None:
        self._parts: list[_Vp8Piece] = []
        self._timestamp = 0
        self._bytes = 0
        self._broken = False  # this frame
        self._waiting = True  # for a key frame
        self._hole = False  # packets are missing before the next one
        self._picture: int | None = None

    def push(self, timestamp: int, packet: Rtp) -> Iterator[Frame | Dropped]:
        if not packet.payload:
            return
        if (self._parts or self._broken) and timestamp != self._timestamp:
            yield from self._end()
        self._timestamp = timestamp
        try:
            piece = vp8_piece(packet.payload)
        except PacketMalformed:
            self._broken = True
        else:
            self._take(piece)
        if packet.marker:
            yield from self._end()

    def _take(self, piece: _Vp8Piece) -> None:
        if self._hole:
            self._hole = False
            if self._parts:
                self._broken = True
            elif piece.begins:
                self._waiting = self._waiting or self._frame_lost(piece)
        if not self._parts and not piece.begins:
            self._broken = True
        self._bytes += len(piece.data)
        if self._bytes <= MAX_FRAME:
            self._parts.append(piece)
        else:
            self._broken = True

    def _frame_lost(self, piece: _Vp8Piece) -> bool:
        if piece.picture is None or self._picture is None:
            return True
        return (piece.picture - self._picture) & ((1 << piece.bits) - 1) != 1

    def lost(self, count: int) -> Iterator[Frame | Dropped]:
        self._hole = True
        yield from ()

    def flush(self) -> Iterator[Frame | Dropped]:
        if self._hole:
            self._broken = self._broken or bool(self._parts)
        if self._parts or self._broken:
            yield from self._end()

    def _end(self) -> Iterator[Frame | Dropped]:
        parts, broken = self._parts, self._broken or (self._hole and bool(self._parts))
        # A hole after the frame's beginning, then another frame: the end is missing, and what followed it perhaps too.
        self._parts, self._bytes, self._broken = [], 0, False
        if not parts or broken:
            if parts and parts[0].begins and parts[0].spare:
                self._picture = parts[0].picture
            else:
                self._waiting = True
            yield Dropped(self._timestamp, "incomplete")
            return
        self._picture = parts[0].picture if parts[0].picture is not None else self._picture
        data = parts[0].data if len(parts) == 1 else b"".join(part.data for part in parts)
        try:
            size = vp8_key_size(data)
        except PacketMalformed:
            self._waiting = True
            yield Dropped(self._timestamp, "malformed")
            return
        if size is None and self._waiting:
            yield Dropped(self._timestamp, "no_key_frame")
            return
        self._waiting = False
        yield Frame(self._timestamp, data, size is not None, size=size)


class H264:
    """H.264 access units: single NAL units, STAP-A and FU-A, what WebRTC sends (packetization-mode 0, 1)."""

    def __init__(self) -> None:
        self._nals: list[bytes] = []
        self._fragment: list[bytes] = []
        self._open = False
        self._timestamp = 0
        self._bytes = 0
        self._broken = False
        self._hole = False
        self._unsure = False  # packets were missing right before this access unit: is this its beginning?
        self._waiting = True
        self._sps = b""
        self._pps = b""

    def push(self, timestamp: int, packet: Rtp) -> Iterator[Frame | Dropped]:
        if not packet.payload:
            return
        if self._open and timestamp != self._timestamp:
            yield from self._end()
        if not self._open:
            self._open, self._unsure = True, self._hole
        elif self._hole:
            self._broken = True
        self._hole = False
        self._timestamp = timestamp
        self._bytes += len(packet.payload)
        try:
            if self._bytes > MAX_FRAME:
                raise PacketMalformed("access unit too long")
            self._take(packet.payload)
        except PacketMalformed:
            self._broken = True
        if packet.marker:
            yield from self._end()

    def _take(self, payload: bytes) -> None:
        kind = payload[0] & 31
        if self._fragment and kind != 28:
            raise PacketMalformed("a fragment without its end")
        if 1 <= kind <= 23:
            self._nals.append(payload)
        elif kind == 24:
            self._take_aggregate(payload)
        elif kind == 28:
            self._take_fragment(payload)
        else:
            raise PacketMalformed("a packet type that is not used in WebRTC")

    def _take_aggregate(self, payload: bytes) -> None:
        at = 1
        while at < len(payload):
            length = int.from_bytes(payload[at : at + 2], "big")
            if not length or at + 2 + length > len(payload):
                raise PacketMalformed("STAP-A cut off")
            self._nals.append(payload[at + 2 : at + 2 + length])
            at += 2 + length

    def _take_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise PacketMalformed("FU-A cut off")
        head = payload[1]
        if head & 0x80:
            if self._fragment:
                raise PacketMalformed("a fragment without its end")
            self._fragment.append(bytes((payload[0] & 0xE0 | head & 0x1F,)))
        elif not self._fragment:
            raise PacketMalformed("a fragment without its beginning")
        self._fragment.append(payload[2:])
        if head & 0x40:
            self._nals.append(b"".join(self._fragment))
            self._fragment = []

    def lost(self, count: int) -> Iterator[Frame | Dropped]:
        self._hole = True
        yield from ()

    def flush(self) -> Iterator[Frame | Dropped]:
        if self._open:
            yield from self._end()

    def _end(self) -> Iterator[Frame | Dropped]:
        nals, broken = self._nals, self._broken or bool(self._fragment) or self._hole
        unsure = self._unsure
        self._nals, self._fragment, self._bytes = [], [], 0
        self._open = self._broken = self._unsure = False
        if broken or not nals or (unsure and not _first_of_its_picture(nals[0])):
            self._waiting = True
            yield Dropped(self._timestamp, "incomplete")
            return
        if unsure:
            self._waiting = True  # whole pictures may be missing
        yield from self._whole(nals, unsure)

    def _whole(self, nals: list[bytes], unsure: bool) -> Iterator[Frame | Dropped]:
        own = {nal[0] & 31: nal for nal in nals if nal[0] & 31 in (h264.SPS, h264.PPS)}
        key = any(nal[0] & 31 == h264.IDR for nal in nals)
        if unsure and key and self._sps and h264.SPS not in own:
            # Its parameter sets usually come with it: they were in what is missing, and may have been new ones.
            yield Dropped(self._timestamp, "incomplete")
            return
        sps, pps = own.get(h264.SPS, self._sps), own.get(h264.PPS, self._pps)
        size = None
        if key:
            try:
                size = h264.sps_size(sps) if sps and pps else None
            except PacketMalformed:
                yield Dropped(self._timestamp, "malformed")
                self._waiting = True
                return
        self._sps, self._pps = sps, pps
        if not any(1 <= nal[0] & 31 <= 5 for nal in nals):
            return  # parameter sets by themselves: no picture
        if (self._waiting and not key) or (key and size is None):
            self._waiting = True
            yield Dropped(self._timestamp, "no_key_frame")
            return
        self._waiting = False
        config = h264.avcc(sps, pps) if key else b""
        kept = [nal for nal in nals if nal[0] & 31 != h264.DELIMITER]
        yield Frame(self._timestamp, h264.with_lengths(kept), key, size=size, config=config)


def _first_of_its_picture(nal: bytes) -> bool:
    """Whether an access unit can begin with this NAL unit (H.264, 7.4.1.2.3): no slice, or one at macroblock 0."""
    kind = nal[0] & 31
    if kind in (h264.SEI, h264.SPS, h264.PPS, h264.DELIMITER):
        return True
    return kind in (h264.SLICE, h264.IDR) and len(nal) > 1 and bool(nal[1] & 0x80)


def assembler(codec: str) -> Assembler | None:
    """For a codec's name; None for one that stays on the tape only."""
    if codec in ("opus", "pcmu", "pcma"):
        return Sound(codec)
    return {"vp8": Vp8, "h264": H264}[codec]() if codec in ("vp8", "h264") else None
