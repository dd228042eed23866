"""From a renderer's samples to what a telephone line carries: 8 kHz, even loudness, A-law. Build time."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from ivr.prompts.alaw import encode
from ivr.prompts.level import even

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 8_000


def telephone(sound: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Samples at 8 kHz without rumble, ends faded, speech at one loudness."""
    import numpy as np
    from scipy.signal import butter, resample_poly, sosfiltfilt

    shared = gcd(RATE, rate)
    narrow = resample_poly(np.asarray(sound, np.float64), RATE // shared, rate // shared)
    narrow = sosfiltfilt(butter(2, 150, "highpass", fs=RATE, output="sos"), np.pad(narrow, (0, 80)))
    return np.array(even(fade(narrow).tolist()))


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
