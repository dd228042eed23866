"""Our own music on hold and tones, out of numpy: `python -m ivr.prompts.recipe.music`. Nobody's copyright.

A slow arpeggio like a soft celesta over a pad, in eight bars that come round. Every note is written into a
ring: what rings on past the end is heard at the beginning, so the loop has no seam. All partials lie between
300 and 3400 Hz, and none is louder than a telephone line carries well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr.prompts.alaw import BYTES_PER_MS
from ivr.prompts.catalogue import SOUND
from ivr.prompts.recipe.level import RATE, fade, to_alaw
from ivr.prompts.sums import Sum, file_sum, write_sums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BEAT = 0.48  # seconds; eight beats are one bar
_BARS = 18  # 69 s

# Chords as semitones over B4 (494 Hz), lowest note 330 Hz; names as if the reference were A4.
_CHORDS = (
    (-7, -3, 0, 5),  # D   F#  A   D
    (-3, 2, 5, 9),  # F#  B   D   F#
    (-2, 2, 5, 9),  # G   B   D   F#
    (-5, 0, 4, 7),  # E   A   C#  E
    (-3, 0, 5, 9),  # F#  A   D   F#
    (-2, 2, 5, 7),  # G   B   D   E
)
_FIGURES = ((0, 1, 2, 3, 2, 1, 2, 1), (0, 2, 1, 3, 1, 2, 3, 2), (0, 1, 3, 2, 3, 1, 2, 1))


def _pitch(semitones: float) -> float:
    return 493.88 * 2 ** (semitones / 12)


def _add(ring: NDArray[np.float64], start: float, note: NDArray[np.float64]) -> None:
    """Add a note to the ring; what reaches past the end goes on at the beginning."""
    import numpy as np

    at = (int(start * RATE) + np.arange(len(note))) % len(ring)
    np.add.at(ring, at, note)


def _bell(pitch: float, loudness: float) -> NDArray[np.float64]:
    """A struck note that fades over three seconds; the upper partials fade first."""
    import numpy as np

    time = np.arange(int(3.2 * RATE)) / RATE
    note = np.zeros(len(time))
    for partial, share, decay in ((1, 1.0, 1.5), (2, 0.28, 2.6), (3, 0.10, 4.5), (4, 0.05, 7.0)):
        if pitch * partial < 3300:
            note += share * np.exp(-decay * time) * np.sin(2 * np.pi * pitch * partial * time)
    return fade(loudness * note * np.minimum(1, time / 0.012), 1, 60)


def _pad(pitch: float, seconds: float, loudness: float) -> NDArray[np.float64]:
    """A held note that swells and sinks; two voices a little apart make it warm."""
    import numpy as np

    time = np.arange(int(seconds * RATE)) / RATE
    swell = np.sin(np.pi * np.clip(time / seconds, 0, 1)) ** 1.3
    voices = sum(np.sin(2 * np.pi * pitch * (1 + off) * time) for off in (-0.0012, 0.0012))
    return loudness * swell * (voices + 0.18 * np.sin(4 * np.pi * pitch * time))


def calm() -> NDArray[np.float64]:
    """The loop, 69 s, peak at -11 dBFS: under a voice's loudness, so that the next prompt stands out."""
    import numpy as np

    chance = np.random.default_rng(12348)
    bar = 8 * _BEAT
    ring = np.zeros(int(_BARS * bar * RATE))
    for number in range(_BARS):
        chord, figure = _CHORDS[number % 6], _FIGURES[(number // 2) % 3]
        for semitones in chord[:3]:
            _add(ring, number * bar - 0.8, _pad(_pitch(semitones), bar + 1.8, 0.05))
        for beat, step in enumerate(figure):
            late = float(chance.normal(0, 0.006))
            loudness = 0.30 * (1.0 if beat in (0, 4) else 0.78) * float(chance.uniform(0.9, 1.05))
            _add(ring, number * bar + beat * _BEAT + late, _bell(_pitch(chord[step]), loudness))
        if number % 2:
            _add(
                ring,
                number * bar + 5 * _BEAT,
                _bell(_pitch(chord[3] + 12 if chord[3] < 6 else chord[3]), 0.16),
            )
    return ring * (10 ** (-11 / 20) / np.abs(ring).max())


def _tone(pitches: tuple[float, ...], ms: int, dbfs: float, rise_ms: int = 15) -> NDArray[np.float64]:
    import numpy as np

    time = np.arange(RATE * ms // 1000) / RATE
    sound = sum(np.sin(2 * np.pi * pitch * time) for pitch in pitches) / len(pitches)
    return fade(np.asarray(sound) * 10 ** (dbfs / 20), rise_ms, rise_ms)


def tones() -> dict[str, NDArray[np.float64]]:
    """beep: before a message. ring: one soft ring and the silence behind it. whisper: two notes."""
    import numpy as np

    hush = np.zeros(RATE * 2)
    ring = np.concatenate([_tone((450, 480), 900, -16, 120), hush])
    whisper = np.concatenate(
        [_tone((660,), 120, -14), np.zeros(RATE * 40 // 1000), _tone((880,), 180, -14), hush[:1200]]
    )
    beep = np.concatenate([hush[:1600], _tone((880,), 420, -12, 25), hush[:400]])
    return {"beep": beep, "ring": ring, "whisper": whisper, "pause": hush[: RATE * 220 // 1000]}


def main() -> None:
    """Write music and tones with their sums; the same bytes each time."""
    for name, sounds, words in (("music", {"calm": calm()}, "music"), ("tones", tones(), "tone")):
        folder = SOUND / name
        folder.mkdir(parents=True, exist_ok=True)
        sums: dict[str, Sum] = {}
        for key, sound in sounds.items():
            path = folder / f"{key}.alaw"
            path.write_bytes(to_alaw(sound))
            sums[key] = Sum(words, file_sum(path), path.stat().st_size // BYTES_PER_MS)
        write_sums(folder, sums)


if __name__ == "__main__":
    main()
