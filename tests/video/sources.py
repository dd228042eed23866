"""A voice and a picture for participants without a browser."""

from __future__ import annotations

import asyncio
import fractions
import time

import numpy as np
from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame

from video.client import Received

RATE = 48_000
FRAME = 960


class Tone(MediaStreamTrack):
    """A sine at a quarter of full scale, 20 ms a frame."""

    kind = "audio"

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._hertz = hertz
        self._at = 0
        self._begun_s: float | None = None

    async def recv(self) -> AudioFrame:
        self._begun_s = time.monotonic() if self._begun_s is None else self._begun_s
        await asyncio.sleep(max(0.0, self._begun_s + self._at / RATE - time.monotonic()))
        wave = 8000 * np.sin(2 * np.pi * self._hertz * (np.arange(FRAME) + self._at) / RATE)
        frame = AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += FRAME
        return frame


class Picture(MediaStreamTrack):
    """Ten grey pictures a second, each of another grey."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._begun_s: float | None = None

    async def recv(self) -> VideoFrame:
        self._begun_s = time.monotonic() if self._begun_s is None else self._begun_s
        await asyncio.sleep(max(0.0, self._begun_s + self._count / 10 - time.monotonic()))
        pixels = np.full((120, 160, 3), self._count * 7 % 255, np.uint8)
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = self._count * 9_000, fractions.Fraction(1, 90_000)
        self._count += 1
        return frame


def loudness(received: Received | None, hertz: float) -> float:
    """Amplitude of a tone in what came last, full scale 1."""
    if received is None or len(received.sound) < 10:
        return 0.0
    pcm = np.concatenate(
        [frame.to_ndarray()[0][:: len(frame.layout.channels)] for frame in list(received.sound)[-10:]]
    )
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(pcm)) / RATE)
    return float(2 * abs(np.dot(pcm, wave)) / len(pcm) / 32768)
