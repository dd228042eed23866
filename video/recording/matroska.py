"""A Matroska/WebM writer (RFC 9559, webmproject.org/docs/container) for frames that are there already.

The same frames give the same bytes: whoever repeats the muxing of a tape gets the same file and the same digest.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

_WEBM_EPOCH_NS = 978_307_200_000_000_000  # 2001-01-01
_CLUSTER_MS = 5000
_CLUSTER_BYTES = 2 << 20
_MADE_BY = "switchboard-12348 recording 1"
_HEAD_BYTES = 256  # room for the table of contents, written last


@dataclass(frozen=True, slots=True)
class MediaTrack:
    """`codec`: "vp8", "h264", "opus", "pcmu" or "pcma". `config`: avcC for H.264; for sound it is made here."""

    codec: str
    name: str
    width: int = 0
    height: int = 0
    channels: int = 1
    config: bytes = b""

    @property
    def video(self) -> bool:
        return self.codec in ("vp8", "h264")


def suffix(tracks: Sequence[MediaTrack]) -> str:
    """`.webm` where the format allows the codecs, else `.mkv`."""
    return ".webm" if all(track.codec in ("vp8", "opus") for track in tracks) else ".mkv"


def _size(length: int, width: int = 0) -> bytes:
    width = width or next(n for n in range(1, 9) if length < (1 << (7 * n)) - 1)
    return ((1 << (7 * width)) | length).to_bytes(width, "big")


def _element(name: int, content: bytes, width: int = 0) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + _size(len(content), width) + content


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _float(name: int, value: float) -> bytes:
    return _element(name, struct.pack("!d", value))


def _text(name: int, value: str) -> bytes:
    return _element(name, value.encode())


def _void(length: int) -> bytes:
    return _element(0xEC, bytes(length - 9), 8)


def _track_entry(number: int, track: MediaTrack) -> bytes:
    codec, config = _codec(track)
    parts = [
        _number(0xD7, number),
        _number(0x73C5, number),
        _number(0x83, 1 if track.video else 2),
        _number(0x9C, 0),
        _text(0x22B59C, "und"),
        _text(0x536E, track.name),
        _text(0x86, codec),
    ]
    if config:
        parts.append(_element(0x63A2, config))
    if track.codec == "opus":
        parts += [_number(0x56AA, 0), _number(0x56BB, 80_000_000)]
    if track.video:
        parts.append(_element(0xE0, _number(0xB0, track.width) + _number(0xBA, track.height)))
    else:
        rate = 48000.0 if track.codec == "opus" else 8000.0
        depth = b"" if track.codec == "opus" else _number(0x6264, 8)
        parts.append(_element(0xE1, _float(0xB5, rate) + _number(0x9F, track.channels) + depth))
    return _element(0xAE, b"".join(parts))


def _codec(track: MediaTrack) -> tuple[str, bytes]:
    if track.codec == "opus":
        # RFC 7845, 5.1, without pre-skip: no sample that was sent is cut away.
        return "A_OPUS", b"OpusHead" + struct.pack("<BBHIhB", 1, track.channels, 0, 48000, 0, 0)
    if track.codec in ("pcmu", "pcma"):
        kind = 7 if track.codec == "pcmu" else 6
        return "A_MS/ACM", struct.pack("<HHIIHHH", kind, 1, 8000, 8000, 1, 8, 0)
    return ("V_VP8", b"") if track.codec == "vp8" else ("V_MPEG4/ISO/AVC", track.config)


class MatroskaWriter:
    """Write frames sorted by time, then `finish`. Times are ms from the file's beginning. Raises OSError."""

    def __init__(
        self, file: BinaryIO, tracks: Sequence[MediaTrack], *, title: str, began_wall_ns: int
    ) -> None:
        self._file = file
        self._tracks = list(tracks)
        self._has_video = any(track.video for track in tracks)
        self._cluster: list[bytes] = []
        self._cluster_ms = -1
        self._cluster_bytes = 0
        self._cluster_cues: list[int] = []
        self._cues: list[tuple[int, int, int]] = []  # ms, track, position
        self._write_head(title, began_wall_ns)

    def _write_head(self, title: str, began_wall_ns: int) -> None:
        kind = "webm" if suffix(self._tracks) == ".webm" else "matroska"
        ebml = b"".join(
            (
                _number(0x4286, 1),
                _number(0x42F7, 1),
                _number(0x42F2, 4),
                _number(0x42F3, 8),
                _text(0x4282, kind),
                _number(0x4287, 4),
                _number(0x4285, 2),
            )
        )
        self._file.write(_element(0x1A45DFA3, ebml))
        self._file.write(b"\x18\x53\x80\x67")
        self._size_at = self._file.tell()
        self._file.write(b"\x01" + b"\xff" * 7)  # length unknown until the end
        self._segment_at = self._file.tell()
        self._file.write(_void(_HEAD_BYTES))
        self._info_at = self._file.tell()
        self._title, self._date = title, began_wall_ns - _WEBM_EPOCH_NS
        self._file.write(self._info(0.0))
        self._tracks_at = self._file.tell()
        entries = b"".join(_track_entry(number + 1, track) for number, track in enumerate(self._tracks))
        self._file.write(_element(0x1654AE6B, entries))

    def _info(self, duration_ms: float) -> bytes:
        return _element(
            0x1549A966,
            _number(0x2AD7B1, 1_000_000)
            + _float(0x4489, duration_ms)
            + _element(0x4461, self._date.to_bytes(8, "big", signed=True))
            + _text(0x7BA9, self._title)
            + _text(0x4D80, _MADE_BY)
            + _text(0x5741, _MADE_BY),
        )

    def write(self, track: int, at_ms: int, data: bytes, *, key: bool) -> None:
        """`track`: index in `tracks`."""
        cue = key and self._tracks[track].video
        if self._cluster_ms < 0:
            self._cluster_ms = at_ms
        since = at_ms - self._cluster_ms
        full = since >= _CLUSTER_MS or self._cluster_bytes >= _CLUSTER_BYTES or (cue and since >= 1000)
        if self._cluster and (full or not -0x8000 <= since < 0x8000):
            self._end_cluster()
            self._cluster_ms = at_ms
        if cue or (not self._has_video and not self._cluster):
            self._cues.append((at_ms, track + 1, self._file.tell() - self._segment_at))
        head = _size(track + 1) + struct.pack("!hB", at_ms - self._cluster_ms, 0x80 if key else 0)
        self._cluster += (b"\xa3", _size(len(head) + len(data)), head, data)
        self._cluster_bytes += len(data) + 12

    def _end_cluster(self) -> None:
        content = _number(0xE7, self._cluster_ms) + b"".join(self._cluster)
        self._file.write(_element(0x1F43B675, content))
        self._cluster, self._cluster_bytes, self._cluster_ms = [], 0, -1

    def finish(self, duration_ms: int) -> None:
        """Write index, table of contents and length; the file is complete after that."""
        if self._cluster:
            self._end_cluster()
        cues_at = self._file.tell()
        points = b"".join(
            _element(0xBB, _number(0xB3, at) + _element(0xB7, _number(0xF7, track) + _number(0xF1, position)))
            for at, track, position in self._cues
        )
        if points:
            self._file.write(_element(0x1C53BB6B, points))
        end = self._file.tell()
        self._file.seek(self._size_at)
        self._file.write(_size(end - self._segment_at, 8))
        places = [(0x1549A966, self._info_at), (0x1654AE6B, self._tracks_at)]
        places += [(0x1C53BB6B, cues_at)] if points else []
        seeks = b"".join(
            _element(
                0x4DBB, _element(0x53AB, name.to_bytes(4, "big")) + _number(0x53AC, at - self._segment_at)
            )
            for name, at in places
        )
        contents = _element(0x114D9B74, seeks)
        self._file.write(contents + _void(_HEAD_BYTES - len(contents)))
        self._file.write(self._info(float(duration_ms)))
        self._file.seek(end)
