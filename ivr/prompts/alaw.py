"""A-law (ITU-T G.711) without any library: levels of the rendered files, and an encoder for the recipe.

Samples are 16-bit signed integers at 8 kHz, mono; one byte is one sample, 8 bytes are one millisecond.
"""

from __future__ import annotations

import math

BYTES_PER_MS = 8


def _expand(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0xF) << 4
    size = mantissa + 8 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)
    return size if code & 0x80 else -size


SAMPLES: tuple[int, ...] = tuple(_expand(code) for code in range(256))
"""The sample that each A-law byte stands for."""

FULL_SCALE = max(SAMPLES)


def _compress_table() -> bytes:
    """For each magnitude in steps of 16 the positive byte whose sample is nearest."""
    positive = sorted((SAMPLES[code], code) for code in range(256) if SAMPLES[code] > 0)
    table, at = bytearray(), 0
    for step in range(2048):
        wanted = step * 16 + 8
        while at + 1 < len(positive) and abs(positive[at + 1][0] - wanted) <= abs(positive[at][0] - wanted):
            at += 1
        table.append(positive[at][1])
    return bytes(table)


_POSITIVE = _compress_table()


def encode(samples: list[int]) -> bytes:
    """A-law bytes of 16-bit samples; what is out of range is clipped."""
    out = bytearray(len(samples))
    for at, sample in enumerate(samples):
        code = _POSITIVE[min(abs(sample), 32767) >> 4]
        out[at] = code if sample >= 0 else code ^ 0x80
    return bytes(out)


def peak_dbfs(sound: bytes) -> float:
    """The loudest sample in dB below full scale; minus infinity for no sound at all."""
    peak = max((abs(SAMPLES[code]) for code in set(sound)), default=0)
    return 20 * math.log10(peak / 32768) if peak else -math.inf


def clipped(sound: bytes) -> int:
    """How many samples stand at the loudest value that A-law can say."""
    return sum(sound.count(code) for code in range(256) if abs(SAMPLES[code]) == FULL_SCALE)


def lead_in_ms(sound: bytes, threshold_dbfs: float = -40) -> int:
    """Silence before the first sample above the threshold; the whole length when there is none."""
    least = 32768 * 10 ** (threshold_dbfs / 20)
    loud = bytes(1 if abs(SAMPLES[code]) >= least else 0 for code in range(256))
    first = sound.translate(loud).find(1)
    return (len(sound) if first < 0 else first) // BYTES_PER_MS
