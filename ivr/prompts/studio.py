"""Studio recordings: a WAV file of any rate becomes a prompt that sounds like the others, and can be taken back.

A recording is never kept as it came: it is read, mixed to one channel, brought to 8 kHz, freed of rumble and of
silence at both ends, set to the level of all prompts (see `level`), and written anew as
`<overlay>/<language>/<key>.wav` (8 kHz, mono, 16-bit). The one before lies in `<overlay>/.earlier/<language>/`. Plain
Python: no library has to parse a stranger's file, and a minute of sound takes about three seconds.
"""

from __future__ import annotations

import os
import secrets
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .alaw import encode
from .catalogue import LANGUAGE, TONES, PromptSet, wav_problem
from .check import level_problems
from .errors import NoEarlierRecording, NoOverlay, SoundTooLong, TooQuiet, UnknownPrompt
from .level import FRAME, SPEECH_DBFS, active_power, decibels, even, sample_powers
from .sounds import RATE, Sound, high_pass, read_wav, resampled, write_wav
from .texts import tail_ms

MOST_BYTES = 10 * 1024 * 1024
MOST_MS = 180_000
LEAST_MS = 200

_BEFORE_MS, _AFTER_MS = 40, 60  # soft beginnings and endings of words, as the rendered prompts have
_TOO_QUIET_DBFS = -55.0
_HUSHED_DB = 30.0  # below the level of speech: not a word any more
_NOISE_DB = 25.0
_CLIPPED = 0.999
_RUMBLE_HZ = 120.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A converted recording: A WAV file's bytes, its length, and what the speaker should know about it."""

    wav: bytes
    ms: int
    notes: tuple[str, ...]


def convert(data: bytes, key: str = "") -> Recording:
    """What a speaker sent as a prompt; `key` decides the pause behind it.

    Raises NotSound when it is no WAV that we can read, SoundTooLong beyond three minutes or ten megabytes, TooQuiet
    when there is no speech in it.
    """
    if len(data) > MOST_BYTES:
        raise SoundTooLong(f"the file has more than {MOST_BYTES // 2**20} MB")
    sound = read_wav(data)
    if sound.ms > MOST_MS:
        raise SoundTooLong(f"the recording is longer than {MOST_MS // 60_000} minutes")
    clipped = sum(1 for one in sound.samples if abs(one) >= _CLIPPED)
    narrow = high_pass(resampled(sound, RATE), _RUMBLE_HZ)
    powers = sample_powers(narrow)
    level = decibels(active_power(powers))
    if level < _TOO_QUIET_DBFS or sound.ms < LEAST_MS:
        raise TooQuiet(f"no speech was found (level {level:.0f} dBFS)")
    first, last = _spoken(powers, level)
    before, after = _BEFORE_MS * RATE // 1000, _AFTER_MS * RATE // 1000
    spoken = narrow[max(0, first * FRAME - before) : last * FRAME + after]
    finished = even(_faded(spoken)) + [0.0] * (tail_ms(key) * RATE // 1000)
    return Recording(
        write_wav(finished), len(finished) * 1000 // RATE, _notes(clipped, level, powers[first:last])
    )


def _spoken(powers: list[float], level: float) -> tuple[int, int]:
    """The first frame with words and the frame behind the last. There is one at least: the loudest."""
    least = 10 ** ((level - _HUSHED_DB) / 10)
    words = [at for at, power in enumerate(powers) if power >= least]
    return words[0], words[-1] + 1


def _faded(samples: array[float], in_ms: int = 4, out_ms: int = 20) -> list[float]:
    """No click at either end."""
    first, last = in_ms * RATE // 1000, out_ms * RATE // 1000
    shaped = list(samples)
    for at in range(min(first, len(shaped))):
        shaped[at] *= at / first
    for at in range(min(last, len(shaped))):
        shaped[-1 - at] *= at / last
    return shaped


def _notes(clipped: int, level: float, powers: list[float]) -> tuple[str, ...]:
    """Advice for the next recording; none of it forbids this one."""
    notes = []
    if clipped > 20:
        notes.append(f"clipped: {clipped} samples were cut off; record a little lower")
    if level < SPEECH_DBFS - 20:
        notes.append(f"low: spoken at {level:.0f} dBFS; go nearer to the microphone")
    floor = decibels(sorted(powers)[len(powers) // 20])
    if level - floor < _NOISE_DB and len(powers) > 100:
        notes.append(f"noise: only {level - floor:.0f} dB below the words; record in a quieter room")
    return tuple(notes)


# The overlay folder


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt in one language, as an administrator sees it.

    `source`: `studio` (a recording of the hotline's own), `rendered` (ours), `fallback` (Mandarin is played, because
    this language has no sound for it), `missing`. `series`: one of a row of numbers, days or hours.
    """

    key: str
    language: str
    text: str
    source: str
    ms: int
    series: bool
    changed_ms: int | None
    earlier: bool
    problems: tuple[str, ...]


class Studio:
    """The recordings laid over a set of prompts. Methods work on files: call them in a thread.

    Raises UnknownPrompt for a key or language that cannot be recorded, NoOverlay where no folder is configured.
    """

    def __init__(self, prompts: PromptSet) -> None:
        self.prompts = prompts
        self._checked: dict[Path, tuple[int, tuple[str, ...]]] = {}

    @property
    def languages(self) -> list[str]:
        """Those with words of their own, the local dialect, and what else has a folder of recordings."""
        known = [*self.prompts.phrases, "local"]
        overlay = self.prompts.overlay
        folders = sorted(overlay.iterdir()) if overlay and overlay.is_dir() else []
        own = [one.name for one in folders if one.is_dir() and LANGUAGE.fullmatch(one.name)]
        return list(dict.fromkeys([*known, *(name for name in own if name != "music")]))

    def entries(self, language: str) -> list[Entry]:
        """Every prompt of a language, in the order of its table."""
        table = self.prompts.phrases.get(language) or next(iter(self.prompts.phrases.values()))
        return [self.entry(language, key) for key in table]

    def entry(self, language: str, key: str) -> Entry:
        """One prompt as it is heard now."""
        own, earlier = self._own(language, key), self._earlier(language, key)
        return Entry(
            key,
            language,
            self.prompts.text(language, key),
            self._source(language, key),
            self._ms(language, key),
            self.prompts.is_series(key),
            own.stat().st_mtime_ns // 1_000_000 if own and own.is_file() else None,
            bool(earlier and earlier.is_file()),
            self._problems(own) if own and own.is_file() else (),
        )

    def _source(self, language: str, key: str) -> str:
        path, overlay = self.prompts.find(language, key), self.prompts.overlay
        if path is None:
            return "missing"
        if path.parent.name not in (language, self.prompts.spoken_in(language, key)):
            return "fallback"
        return "studio" if overlay and path.is_relative_to(overlay) else "rendered"

    def _problems(self, own: Path) -> tuple[str, ...]:
        """What is wrong with a recording, also with one that was put into the folder by hand; kept until it changes."""
        changed = own.stat().st_mtime_ns
        known = self._checked.get(own)
        if known is None or known[0] != changed:
            why = wav_problem(own)
            sound = [] if why else Sound.of_file(own).samples
            found = (why,) if why else level_problems(encode([round(one * 32767) for one in sound]))
            known = self._checked[own] = (changed, tuple(found))
        return known[1]

    def _ms(self, language: str, key: str) -> int:
        path = self.prompts.find(language, key)
        if path is None:
            return 0
        size = path.stat().st_size
        return (size - 44) // 16 if path.suffix == ".wav" else size // 8

    def wav(self, language: str, key: str) -> bytes:
        """What is heard now, as a WAV file for a page. Raises MissingSound too."""
        path = self.prompts.path(language, key)
        return write_wav(Sound.of_file(path).samples)

    def upload(self, language: str, key: str, data: bytes) -> Recording:
        """Convert and use a recording from the next call on; the one before can be taken back.

        Raises also what `convert` raises.
        """
        own, earlier = self._places(language, key)
        recording = convert(data, key)
        with _new_file(own) as file:
            file.write_bytes(recording.wav)
            _keep_as(own, earlier)
        return recording

    def reset(self, language: str, key: str) -> bool:
        """Back to the sound that came with the software. False when there was no recording."""
        own, earlier = self._places(language, key)
        if not own.is_file():
            return False
        _keep_as(own, earlier)
        own.unlink()
        return True

    def take_back(self, language: str, key: str) -> None:
        """Use the recording before; the present one becomes the one before. Raises NoEarlierRecording."""
        own, earlier = self._places(language, key)
        if not earlier.is_file():
            raise NoEarlierRecording(f"no earlier recording of {key} in {language}")
        with _new_file(own) as file:
            os.link(earlier, file)
            _keep_as(own, earlier)
            if not own.is_file():
                earlier.unlink()

    def _own(self, language: str, key: str) -> Path | None:
        overlay = self.prompts.overlay
        return overlay / language / f"{key}.wav" if overlay else None

    def _earlier(self, language: str, key: str) -> Path | None:
        overlay = self.prompts.overlay
        return overlay / ".earlier" / language / f"{key}.wav" if overlay else None

    def _places(self, language: str, key: str) -> tuple[Path, Path]:
        """Where the recording and the one before lie; their folders exist."""
        if not LANGUAGE.fullmatch(language) or language == "music":
            raise UnknownPrompt(f"{language!r} is no language")
        if key not in self.prompts.keys or key in TONES:
            raise UnknownPrompt(f"no prompt has the key {key!r}")
        own, earlier = self._own(language, key), self._earlier(language, key)
        if own is None or earlier is None:
            raise NoOverlay("no folder for recordings is configured (prompt_overlay)")
        for place in (own, earlier):
            place.parent.mkdir(parents=True, exist_ok=True)
        return own, earlier


def _keep_as(own: Path, earlier: Path) -> None:
    """The present recording, where there is one, is the earlier one from now on."""
    if own.is_file():
        with _new_file(earlier) as file:
            os.link(own, file)


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A place beside the file, which takes its name at the end: whoever opens it meets the old or the new one whole."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield new
        new.chmod(0o644)  # Asterisk may run as somebody else
        with new.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
