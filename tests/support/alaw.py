"""G.711 A-law, tones and their energy, in plain Python (8,000 samples/s, one byte a sample)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

RATE = 8000
FRAME = 160  # bytes in 20 ms
SILENCE = 0xD5  # the code of +0
FULL_SCALE = 32635


def _expand(code: int) -> int:
    """One A-law byte as a linear sample of 16 bits (G.711, table 1a)."""
    code ^= 0x55
    segment = (code & 0x70) >> 4
    value = ((code & 0x0F) << 4) + 8
    if segment:
        value = (value + 0x100) << (segment - 1)
    return value if code & 0x80 else -value


_LINEAR: tuple[int, ...] = tuple(_expand(code) for code in range(256))


def _compress(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample), FULL_SCALE) >> 4
    segment = max(0, magnitude.bit_length() - 4)
    step = magnitude & 0x0F if segment == 0 else (magnitude >> (segment - 1)) & 0x0F
    return (sign | (segment << 4) | step) ^ 0x55


def encode(samples: Sequence[int]) -> bytes:
    """Linear samples (-32768..32767) to A-law, one byte each."""
    return bytes(_compress(sample) for sample in samples)


def decode(payload: bytes) -> list[int]:
    """A-law bytes to linear samples, as many as bytes."""
    table = _LINEAR
    return [table[code] for code in payload]


@functools.lru_cache(maxsize=32)
def tone(frequency: int, level_db: float = -12.0, ms: int = 1000) -> bytes:
    """A sine of `frequency` Hz, `level_db` (negative) against full scale. Whole seconds join."""
    peak = FULL_SCALE * 10 ** (level_db / 20)
    turn = 2 * math.pi * frequency / RATE
    return encode([round(peak * math.sin(turn * n)) for n in range(RATE * ms // 1000)])


def silence(ms: int) -> bytes:
    return bytes([SILENCE]) * (RATE * ms // 1000)


def energy(samples: Sequence[int]) -> float:
    """Mean square of the samples; 0.0 for none."""
    return sum(s * s for s in samples) / len(samples) if samples else 0.0


def tone_share(samples: Sequence[int], frequency: float) -> float:
    """The part of the whole energy that sits at one frequency (Goertzel), 0.0 to about 1.0."""
    count = len(samples)
    if not count:
        return 0.0
    factor = 2 * math.cos(2 * math.pi * frequency / RATE)
    before, last = 0.0, 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    power = last * last + before * before - factor * last * before
    total = energy(samples) * count
    return 2 * power / (count * total) if total else 0.0


def is_loud(payload: bytes, threshold: int = 100) -> bool:
    """True when a frame holds sound. Quick: looks at every fourth sample."""
    table = _LINEAR
    return any(abs(table[code]) > threshold for code in payload[::4])
