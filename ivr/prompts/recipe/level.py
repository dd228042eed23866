"""From a renderer's samples to what a telephone line carries: 8 kHz, even loudness, A-law. Build time."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from ivr.prompts.alaw import encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 8_000
_SPEECH_DBFS = -20.0  # mean level of the loud parts; all prompts alike, so that nobody moves the handset
_PEAK_HIGH, _PEAK_LOW = -4.5, -8.0


def telephone(sound: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Samples at 8 kHz without rumble, ends faded, speech at one loudness, peaks within -8 to -4.5 dBFS."""
    import numpy as np
    from scipy.signal import butter, resample_poly, sosfiltfilt

    shared = gcd(RATE, rate)
    narrow = resample_poly(np.asarray(sound, np.float64), RATE // shared, rate // shared)
    narrow = sosfiltfilt(butter(2, 150, "highpass", fs=RATE, output="sos"), np.pad(narrow, (0, 80)))
    return even(fade(narrow))


def even(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring the loud parts to one mean level; round off what then stands out, lift what stays too low."""
    import numpy as np

    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    active = power[power > power.max() * 10**-2.5].mean()
    sound = sound * (10 ** (_SPEECH_DBFS / 20) / np.sqrt(active))
    ceiling, knee = 10 ** (_PEAK_HIGH / 20), 10 ** (_PEAK_LOW / 20)
    over = np.abs(sound) - knee
    rounded = knee + (ceiling - knee) * np.tanh(np.maximum(over, 0) / (ceiling - knee))
    sound = np.where(over > 0, np.sign(sound) * rounded, sound)
    return sound * max(1.0, knee / float(np.abs(sound).max()))


def fade(sound: NDArray[np.float64], in_ms: int = 4, out_ms: int = 20) -> NDArray[np.float64]:
    """No click at either end."""
    import numpy as np

    shaped = np.array(sound, np.float64)
    first, last = RATE * in_ms // 1000, RATE * out_ms // 1000
    shaped[:first] *= np.linspace(0, 1, first)
    shaped[-last:] *= np.linspace(1, 0, last)
    return shaped


def pad(sound: NDArray[np.float64], tail_ms: int) -> NDArray[np.float64]:
    """With silence behind it, so that prompts played one after another do not run into each other."""
    import numpy as np

    return np.concatenate([sound, np.zeros(RATE * tail_ms // 1000)])


def to_alaw(sound: NDArray[np.float64]) -> bytes:
    """A-law bytes of samples between -1 and 1."""
    import numpy as np

    return encode(np.round(np.clip(sound, -1, 1) * 32767).astype(int).tolist())
