"""How loud speech is: the mean power of its loud parts, the same measure for rendered and for studio sound.

A sound is cut into frames of 20 ms; those within 25 dB of the loudest count as speech (pauses do not make a prompt
"quieter"); their mean power is the active level, in dB below a full-scale square wave (as ITU-T P.56 states speech
levels, with a simpler activity detector). Every prompt is brought to `SPEECH_DBFS`, so that nobody moves the handset.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .alaw import SAMPLES

FRAME = 160
"""Samples in 20 ms at 8 kHz."""
SPEECH_DBFS = -20.0
PEAK_DBFS = -4.5
KNEE_DBFS = -8.0
"""Peaks above the knee are rounded off so that none passes the highest peak."""

_WITHIN = 10**-2.5
_FULL = 32768.0
_SQUARES = tuple((sample / _FULL) ** 2 for sample in SAMPLES)


def frame_powers(sound: bytes) -> list[float]:
    """Mean power of each whole frame of A-law sound; full scale is 1."""
    square = _SQUARES.__getitem__
    return [
        sum(map(square, sound[at : at + FRAME])) / FRAME for at in range(0, len(sound) - FRAME + 1, FRAME)
    ]


def sample_powers(sound: Sequence[float]) -> list[float]:
    """Mean power of each whole frame of samples within ±1."""
    return [
        sum(one * one for one in sound[at : at + FRAME]) / FRAME
        for at in range(0, len(sound) - FRAME + 1, FRAME)
    ]


def active_power(powers: Sequence[float]) -> float:
    """Mean power of the frames within 25 dB of the loudest; 0 where there is no sound."""
    least = max(powers, default=0.0) * _WITHIN
    active = [power for power in powers if power > least]
    return sum(active) / len(active) if active else 0.0


def decibels(power: float) -> float:
    """Power in dB below full scale; minus infinity for none."""
    return 10 * math.log10(power) if power > 0 else -math.inf


def active_dbfs(sound: bytes) -> float:
    """The active speech level of A-law sound."""
    return decibels(active_power(frame_powers(sound)))


def even(sound: Sequence[float]) -> list[float]:
    """Samples within ±1 at 8 kHz brought to the one level, their peaks rounded off; unchanged if silent."""
    powers = sample_powers(sound)
    active = active_power(powers)
    if active <= 0:
        return list(sound)
    return _rounded(sound, math.sqrt(10 ** (SPEECH_DBFS / 10) / active))


def _rounded(sound: Iterable[float], gain: float) -> list[float]:
    knee, room = 10 ** (KNEE_DBFS / 20), 10 ** (PEAK_DBFS / 20) - 10 ** (KNEE_DBFS / 20)
    rounded: list[float] = []
    for one in sound:
        one *= gain
        over = abs(one) - knee
        rounded.append(one if over <= 0 else math.copysign(knee + room * math.tanh(over / room), one))
    return rounded
