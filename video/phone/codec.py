"""Opus in and out through libopus as PyAV carries it: 20 ms frames, mono."""

from __future__ import annotations

import fractions
from typing import Literal

from av import AudioFrame, CodecContext, Packet
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from video.phone.sound import FRAME_MS, Samples, from_pcm, silence, to_pcm

CLOCK = 48_000
"""Of RTP timestamps, and of what is decoded (RFC 7587, section 4.1)."""
BITS_PER_SECOND = 24_000
_LONGEST = CLOCK * 120 // 1000


class Decoder:
    """One voice's opus to samples at 48 kHz."""

    def __init__(self) -> None:
        self._codec = _mono("r", CLOCK)

    def take(self, payload: bytes) -> Samples:
        """At most 120 ms; nothing when the bytes are no opus."""
        if not payload:
            return silence(0)
        try:
            frames = self._codec.decode(Packet(payload))
        except (FFmpegError, ValueError):
            return silence(0)
        if not frames:
            return silence(0)
        frame = frames[0]
        return from_pcm(memoryview(frame.planes[0])[: 2 * frame.samples])[:_LONGEST]


class Encoder:
    """A telephone's voice to opus, with forward error correction for receivers on lossy lines."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._count = rate * FRAME_MS // 1000
        self._codec = _mono("w", rate)
        self._codec.time_base = fractions.Fraction(1, rate)
        self._codec.bit_rate = BITS_PER_SECOND
        self._codec.options = {
            "application": "voip",
            "frame_duration": str(FRAME_MS),
            "compression_level": "5",
            "fec": "1",
            "packet_loss": "5",
        }
        self._at = 0

    def take(self, samples: Samples) -> bytes:
        """One frame of 20 ms; one packet's payload."""
        frame = AudioFrame(format="s16", layout="mono", samples=self._count)
        frame.planes[0].update(to_pcm(samples))
        frame.sample_rate, frame.pts = self._rate, self._at
        frame.time_base = fractions.Fraction(1, self._rate)
        self._at += self._count
        packets = self._codec.encode(frame)
        return bytes(packets[0]) if packets else b""


def _mono(mode: Literal["r", "w"], rate: int) -> AudioCodecContext:
    codec = CodecContext.create("libopus", mode)
    if not isinstance(codec, AudioCodecContext):
        raise TypeError("libopus is no audio codec here")
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", rate  # type: ignore[assignment]
    return codec
