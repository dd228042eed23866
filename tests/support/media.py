"""Real media for the tests of recording: frames that carry their number, encoded and packed by aiortc, as RTP packets.

A picture's number stands in it as twelve black or white fields, so that it is known after decoding which one it is.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder

from video.recording.model import Codec

OPUS, VP8, H264 = Codec("opus", 48000, 2), Codec("vp8", 90000), Codec("h264", 90000)
PAYLOAD_TYPES = {111: OPUS, 96: VP8, 102: H264}
SECOND = 1_000_000_000
_BITS, _FIELD = 12, 16
_NTP_EPOCH_S = 2_208_988_800


@dataclass(frozen=True)
class Packet:
    """An RTP packet and when it arrives; `frame` is the number of the frame it belongs to."""

    arrival_ns: int
    data: bytes
    frame: int
    last: bool = True

    def later(self, ns: int) -> Packet:
        return replace(self, arrival_ns=self.arrival_ns + ns)


def picture(number: int, width: int = 256, height: int = 144) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    row = bytearray()
    for bit in range(_BITS):
        row += bytes([235 if number >> bit & 1 else 16]) * _FIELD
    row += bytes([60 + number * 7 % 120]) * (width - len(row))
    stride = frame.planes[0].line_size
    line = bytes(row[:width]) + bytes(stride - width)
    frame.planes[0].update(line * height)
    for plane in frame.planes[1:]:
        plane.update(bytes([128]) * plane.buffer_size)
    return frame


def number_in(frame: av.VideoFrame) -> int:
    """Which picture this is."""
    plane = frame.reformat(format="yuv420p").planes[0]
    middle = memoryview(bytes(plane))[plane.line_size * (frame.height // 2) :]
    return sum((middle[bit * _FIELD + _FIELD // 2] > 128) << bit for bit in range(_BITS))


@cache
def pictures(
    codec: str, count: int, fps: int = 25, key_every: int = 25, width: int = 256, height: int = 144
) -> tuple[tuple[bytes, ...], ...]:
    """RTP payloads of each encoded picture."""
    encoder = Vp8Encoder() if codec == "vp8" else H264Encoder()
    made = []
    for number in range(count):
        frame = picture(number, width, height)
        frame.pts, frame.time_base = number * 90000 // fps, Fraction(1, 90000)
        payloads, _ = encoder.encode(frame, force_keyframe=number % key_every == 0)
        made.append(tuple(payloads))
    return tuple(made)


@cache
def sounds(count: int, hz: int = 440) -> tuple[tuple[bytes, ...], ...]:
    """Opus payloads of 20 ms each, a tone."""
    encoder = OpusEncoder()
    made: list[tuple[bytes, ...]] = []
    for number in range(count + 2):
        samples = array("h")
        for at in range(number * 960, number * 960 + 960):
            value = int(8000 * math.sin(2 * math.pi * hz * at / 48000))
            samples.extend((value, value))
        frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * 960, Fraction(1, 48000)
        payloads, _ = encoder.encode(frame)
        made += [(payload,) for payload in payloads]
    return tuple(made[:count])


@dataclass
class Sender:
    """Makes RTP packets as a browser does. `step` is a frame's length in RTP time."""

    payload_type: int
    step: int
    clock: int
    ssrc: int = 0x1234
    sequence: int = 0
    timestamp: int = 0
    begins_ns: int = 0
    delay_ns: int = 20_000_000

    def packets(self, frames: Iterable[Sequence[bytes]], first: int = 0) -> list[Packet]:
        made = []
        for number, payloads in enumerate(frames, first):
            at_ns = self.sent_ns(number)
            for place, payload in enumerate(payloads):
                last = place == len(payloads) - 1
                head = struct.pack(
                    "!BBHII",
                    0x80,
                    self.payload_type | (0x80 if last else 0),
                    self.sequence & 0xFFFF,
                    (self.timestamp + number * self.step) & 0xFFFFFFFF,
                    self.ssrc,
                )
                self.sequence += 1
                made.append(Packet(at_ns + self.delay_ns + place * 100_000, head + payload, number, last))
        return made

    def sent_ns(self, number: int) -> int:
        return self.begins_ns + number * self.step * SECOND // self.clock

    def report(self, number: int, ntp_s: float = 1_700_000_000.0) -> tuple[int, bytes]:
        """Arrival and bytes of a sender report made as frame `number` was sent."""
        sent_ns = self.sent_ns(number)
        ntp = int((_NTP_EPOCH_S + ntp_s + sent_ns / SECOND) * (1 << 32))
        timestamp = (self.timestamp + number * self.step) & 0xFFFFFFFF
        return sent_ns + self.delay_ns, struct.pack(
            "!BBHIQIII", 0x80, 200, 6, self.ssrc, ntp, timestamp, 0, 0
        )


def video_sender(codec: str = "vp8", fps: int = 25, **given: int) -> Sender:
    return Sender(96 if codec == "vp8" else 102, 90000 // fps, 90000, **given)


def sound_sender(**given: int) -> Sender:
    return Sender(111, 960, 48000, **{"ssrc": 0x5678, **given})


@dataclass
class Played:
    """What a media file gives when it is played. Times in ms."""

    duration_ms: float
    pictures: list[tuple[int, int]] = field(default_factory=list)  # ms, number
    sizes: list[tuple[int, int]] = field(default_factory=list)
    sound: list[tuple[int, int]] = field(default_factory=list)  # ms, length in ms
    streams: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.pictures]


def play(path: Path) -> Played:
    """Decode everything. Raises av.error.FFmpegError for what cannot be decoded."""
    with av.open(str(path)) as container:
        played = Played((container.duration or 0) / 1000)
        for stream in container.streams:
            stream.codec_context.options = {"err_detect": "explode"}
            played.streams.append(stream.codec_context.name)
        for packet in container.demux():
            for frame in packet.decode():
                if not isinstance(frame, av.VideoFrame | av.AudioFrame):
                    continue
                at_ms = round(float((frame.pts or 0) * (frame.time_base or 0)) * 1000)
                if isinstance(frame, av.VideoFrame):
                    played.pictures.append((at_ms, number_in(frame)))
                    if (frame.width, frame.height) not in played.sizes[-1:]:
                        played.sizes.append((frame.width, frame.height))
                else:
                    played.sound.append((at_ms, frame.samples * 1000 // frame.sample_rate))
    return played


def undecodable(sent: Sequence[Packet], arrived: Iterable[Packet], key_every: int) -> Iterator[int]:
    """The naive truth: frames that did not come whole, and those after them up to the next key frame."""
    whole = {packet.data for packet in arrived}
    broken = True
    by_frame: dict[int, bool] = {}
    for packet in sent:
        by_frame[packet.frame] = by_frame.get(packet.frame, True) and packet.data in whole
    for number, complete in by_frame.items():
        broken = not complete or (broken and number % key_every != 0)
        if broken:
            yield number
