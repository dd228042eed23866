"""A voice and a picture for a terminal without microphone and camera."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from fractions import Fraction

from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame

RATE = 48_000
FRAME = 960
"""Samples of 20 ms."""
WIDTH, HEIGHT, FPS = 320, 180, 10
BAR = 16


class Tone(MediaStreamTrack):
    """A sine at a quarter of full scale; a whole number of ``hertz``, so that a second fits to the next."""

    kind = "audio"

    def __init__(self, hertz: int = 440) -> None:
        super().__init__()
        wave = (round(8_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE))
        self._second = array("h", wave).tobytes()
        self._at = 0
        self._begun_s: float | None = None

    async def recv(self) -> AudioFrame:
        self._begun_s = time.monotonic() if self._begun_s is None else self._begun_s
        await asyncio.sleep(max(0.0, self._begun_s + self._at / RATE - time.monotonic()))
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        place = 2 * (self._at % RATE)
        frame.planes[0].update(self._second[place : place + 2 * FRAME])
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, Fraction(1, RATE)
        self._at += FRAME
        return frame


class Picture(MediaStreamTrack):
    """A bright bar that walks over a blue field: whoever sees it move sees a live picture."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._begun_s: float | None = None

    async def recv(self) -> VideoFrame:
        self._begun_s = time.monotonic() if self._begun_s is None else self._begun_s
        await asyncio.sleep(max(0.0, self._begun_s + self._count / FPS - time.monotonic()))
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        left = self._count * 8 % (WIDTH - BAR)
        row = bytearray([90]) * WIDTH
        row[left : left + BAR] = bytes([235]) * BAR
        _fill(frame, 0, bytes(row))
        _fill(frame, 1, bytes([170]) * (WIDTH // 2))
        _fill(frame, 2, bytes([100]) * (WIDTH // 2))
        frame.pts, frame.time_base = self._count * 90_000 // FPS, Fraction(1, 90_000)
        self._count += 1
        return frame


def _fill(frame: VideoFrame, plane: int, row: bytes) -> None:
    wanted = frame.planes[plane]
    wanted.update(row.ljust(wanted.line_size, b"\x80") * wanted.height)
