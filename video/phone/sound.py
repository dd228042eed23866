"""Sound as numbers: cutting and stretching without a click, filling a hole, adding voices without clipping.

Everything takes and gives one-dimensional float32 arrays of samples in the range of 16 bits (-32768 to 32767), mono.
Rates are in Hz. Nothing here keeps a state except ``Limiter`` and ``Decimator``.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FRAME_MS = 20
CEILING = 23_000.0
"""The loudest sample that a telephone is given: 3 dB under full scale, however many talk at once."""
_FADES = (1.0, 0.7, 0.45, 0.2, 0.0)
"""How loud each 20 ms of an invented voice are at their beginning; after the last there is silence."""
_PITCH_MS = (2.5, 15.0)
_OVERLAP_MS = 5
_RELEASE = 1.06


def silence(count: int) -> Samples:
    return np.zeros(count, np.float32)


def from_pcm(data: bytes | memoryview) -> Samples:
    """Little-endian 16-bit samples; half a sample at the end is left out."""
    return np.frombuffer(data, "<i2", count=len(data) // 2).astype(np.float32)


def to_pcm(samples: Samples) -> bytes:
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def resampled(samples: Samples, rate: int, to: int) -> Samples:
    """Speech from one rate to a higher one, by straight lines between samples: good enough for prompts."""
    if rate == to or not len(samples):
        return samples
    count = len(samples) * to // rate
    at = np.arange(count, dtype=np.float64) * rate / to
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def joined(first: Samples, second: Samples, overlap: int) -> Samples:
    """One after the other, the last ``overlap`` samples of the first fading into the first ones of the second."""
    overlap = min(overlap, len(first), len(second))
    if overlap <= 0:
        return np.concatenate((first, second))
    ramp = np.linspace(0.0, 1.0, overlap, endpoint=False).astype(np.float32)
    middle = (first[len(first) - overlap :] * (1 - ramp) + second[:overlap] * ramp).astype(np.float32)
    return np.concatenate((first[: len(first) - overlap], middle, second[overlap:]))


def shorter(samples: Samples, rate: int) -> Samples:
    """The same with 2.5 to 15 ms less, cut where it is most like itself; unchanged when it is too short for that."""
    least, most, overlap = _lags(rate)
    if len(samples) < most + overlap:
        return samples
    lag = _alike(samples[:overlap], samples[least : most + overlap]) + least
    return joined(samples[:overlap], samples[lag:], overlap)


def longer(before: Samples, samples: Samples, rate: int) -> Samples:
    """``samples``, which go on where ``before`` ended, after one more pitch period of ``before``."""
    _, _, overlap = _lags(rate)
    lag = _period(before, rate)
    if not lag:
        return samples
    lead = before[len(before) - lag :][np.arange(lag + overlap) % lag]
    return joined(lead, samples, overlap)


def invented(before: Samples, count: int, rate: int, since: int) -> Samples:
    """What may have been said in a hole: the last pitch period again and again, fading.

    Args:
        before: the last 40 ms or more that were heard.
        since: how many samples of this hole were invented before.
    """
    frame = rate * FRAME_MS // 1000
    lag = _period(before, rate)
    if not lag or since >= frame * (len(_FADES) - 1):
        return silence(count)
    period = before[len(before) - lag :]
    at = np.arange(since, since + count)
    known = np.arange(len(_FADES)) * frame
    gain = np.interp(at, known, _FADES).astype(np.float32)
    return period[at % lag] * gain


def _lags(rate: int) -> tuple[int, int, int]:
    """The shortest and longest pitch period that is looked for, and how much is faded over, in samples."""
    return int(_PITCH_MS[0] * rate / 1000), int(_PITCH_MS[1] * rate / 1000), _OVERLAP_MS * rate // 1000


def _period(before: Samples, rate: int) -> int:
    """The pitch period at the end, in samples; 0 when too little is known."""
    least, most, overlap = _lags(rate)
    if len(before) < most + overlap:
        return 0
    tail = before[len(before) - overlap :]
    return most - _alike(tail, before[len(before) - overlap - most : len(before) - least])


def _alike(pattern: Samples, among: Samples) -> int:
    """Where in ``among`` the stretch begins that is most like ``pattern``. At 48 kHz it looks at every third sample."""
    step = 3 if len(pattern) > 200 else 1
    small, wide = pattern[::step], among[::step]
    products = np.correlate(wide, small, "valid")
    powers = np.cumsum(np.concatenate((np.zeros(1, np.float32), wide * wide)), dtype=np.float64)
    power = powers[len(small) :] - powers[: len(powers) - len(small)]
    score = products / np.sqrt(power[: len(products)] + 1.0)
    return int(np.argmax(score)) * step


class Limiter:
    """Adds up voices and turns the sum down while it is too loud, within one frame and back over a second."""

    def __init__(self) -> None:
        self._gain = 1.0

    def take(self, total: Samples) -> Samples:
        peak = float(np.abs(total).max()) if len(total) else 0.0
        wanted = min(1.0, CEILING / peak) if peak else 1.0
        gain = wanted if wanted < self._gain else min(wanted, self._gain * _RELEASE)
        before, self._gain = self._gain, gain
        if before == gain == 1.0:
            return total
        if gain < before:  # at once: a peak may stand at the frame's beginning
            return total * np.float32(gain)
        return total * np.linspace(before, gain, len(total), endpoint=False).astype(np.float32)


class Decimator:
    """From 48 kHz to 16 or 8 kHz, frame by frame, with a low-pass of 96 taps before."""

    _TAPS = 96

    def __init__(self, to: int) -> None:
        self._step = 48_000 // to
        cutoff = 0.45 / self._step
        at = np.arange(self._TAPS) - (self._TAPS - 1) / 2
        kernel = 2 * cutoff * np.sinc(2 * cutoff * at) * np.hamming(self._TAPS)
        self._kernel = (kernel / kernel.sum()).astype(np.float32)
        self._kept = silence(self._TAPS - 1)

    def take(self, samples: Samples) -> Samples:
        """``samples``: a multiple of the step long."""
        line = np.concatenate((self._kept, samples))
        self._kept = line[len(samples) :]
        windows = np.ascontiguousarray(sliding_window_view(line, self._TAPS)[:: self._step])
        return windows @ self._kernel
