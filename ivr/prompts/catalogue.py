"""The prompts that Asterisk plays: a language and a key become `sound:/…`, an Asterisk media URI.

The rendered A-law files of this package are the ground; a hotline lays its own recordings over them: a file
`<overlay>/<language>/<key>.wav` (8 kHz, mono, 16-bit) is played from the next call on, without a restart. A
language without a file falls back to Mandarin, so that nobody hears silence.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import structlog

from .alaw import clipped, lead_in_ms, peak_dbfs
from .errors import MissingSound, UnknownPrompt
from .sums import file_sum, read_sums
from .texts import HERE, LANGUAGES, Demonstration, Phrase, load_demonstrations, load_language, series_last

SOUND = HERE / "sound"
TONES = ("beep", "pause", "ring", "whisper")
"""Keys without words: before a message, between groups of digits, a soft ring, before a volunteer's cue."""

_DEFAULT = LANGUAGES[0]
_LANGUAGE = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})?")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a checker found: a stable code, the file it is about, and what to do in words."""

    code: str
    file: str
    words: str

    def __str__(self) -> str:
        return f"{self.file}: {self.words} [{self.code}]"


class PromptSet:
    """The texts and sounds of every language, with a hotline's own recordings laid over them.

    Raises BrokenTable when the tables of texts cannot be read. `media` asks the file system at each call
    (some microseconds), so that a recording that was added or taken away counts at once.
    """

    def __init__(self, overlay: Path | None = None, *, sound: Path = SOUND) -> None:
        self.overlay = overlay.absolute() if overlay else None
        self.sound = sound.absolute()
        self.phrases: dict[str, dict[str, Phrase]] = {lang: load_language(lang) for lang in LANGUAGES}
        self.demonstrations: list[Demonstration] = load_demonstrations()
        self.ahead_last = series_last("ahead")
        self.minutes_last = series_last("minutes")
        self._refused: dict[Path, int] = {}
        self._accepted: dict[Path, int] = {}

    @property
    def keys(self) -> frozenset[str]:
        """Every key that `media` knows."""
        return frozenset(self.phrases[_DEFAULT]) | frozenset(TONES)

    @property
    def music(self) -> Path:
        """The folder of music on hold: `<overlay>/music` when it holds a .wav file, else our own."""
        own = self.overlay / "music" if self.overlay else None
        return own if own and any(own.glob("*.wav")) else self.sound / "music"

    def text(self, language: str, key: str) -> str:
        """The words of a prompt as a page shows them; empty for a tone. Raises UnknownPrompt."""
        self._known(key)
        table = self.phrases.get(language, self.phrases[_DEFAULT])
        return table[key].text if key in table else ""

    def media(self, language: str, key: str) -> str:
        """`sound:/absolute/path` without its extension, as ARI wants it.

        Raises UnknownPrompt for a key in no table, MissingSound when not even Mandarin has a file.
        """
        self._known(key)
        for path in self._places(language, key):
            if path.suffix == ".wav" and not self._playable(path):
                continue
            if path.is_file():
                return f"sound:{path.with_suffix('')}"
        raise MissingSound(f"no sound file for prompt {key!r} in {language!r} or {_DEFAULT!r}")

    def sequence(self, language: str, keys: Iterable[str]) -> list[str]:
        """The media of several keys, to be played one after another."""
        return [self.media(language, key) for key in keys]

    def ahead(self, language: str, callers: int) -> list[str]:
        """How many callers stand before this one: "you are next", a whole phrase, or "more than fifty"."""
        if callers <= 0:
            return [self.media(language, "next_in_line")]
        return [self.media(language, f"ahead_{callers}" if callers <= self.ahead_last else "ahead_many")]

    def minutes(self, language: str, minutes: int) -> list[str]:
        """The wait in whole minutes, at least one; over an hour is said as such."""
        known = minutes <= self.minutes_last
        return [self.media(language, f"minutes_{max(1, minutes)}" if known else "minutes_many")]

    def digits(self, language: str, number: str) -> list[str]:
        """A telephone or ticket number: even groups of up to four digits with a pause between them.

        Mandarin says the digits in pairs, other languages one by one. Signs and blanks are
        left out. Raises ValueError for more than 32 digits.
        """
        plain = "".join(sign for sign in number if sign in "0123456789")
        if len(plain) > 32:
            raise ValueError("a number to be said has at most 32 digits")
        table = self.phrases.get(language, self.phrases[_DEFAULT])
        keys: list[str] = []
        for group in digit_groups(plain):
            keys += ["pause"] if keys else []
            parts = digit_pairs(group) if "digits_00" in table else group
            keys += [f"digits_{part}" for part in parts]
        return self.sequence(language, keys)

    def demonstration(self, key: str) -> Path:
        """The .alaw file of made-up speech. Raises UnknownPrompt."""
        if all(demo.phrase.key != key for demo in self.demonstrations):
            raise UnknownPrompt(f"no demonstration speech {key!r}")
        return self.sound / "demo" / f"{key}.alaw"

    def _known(self, key: str) -> None:
        if key not in self.phrases[_DEFAULT] and key not in TONES:
            raise UnknownPrompt(f"no prompt has the key {key!r}")

    def _places(self, language: str, key: str) -> Iterator[Path]:
        """Where the sound may lie, best first. A language never names a folder outside the two roots."""
        wished = [language] if _LANGUAGE.fullmatch(language) else []
        for name in dict.fromkeys([*wished, _DEFAULT]):
            phrase = self.phrases.get(name, {}).get(key)
            spoken_in = phrase.spoken_in if phrase else name
            for folder in dict.fromkeys([name, spoken_in]):
                if self.overlay:
                    yield self.overlay / folder / f"{key}.wav"
            yield self.sound / ("tones" if key in TONES else spoken_in) / f"{key}.alaw"

    def _playable(self, path: Path) -> bool:
        """A recording that Asterisk could not play is passed over, and said once in the log."""
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            return False
        if self._refused.get(path) == changed:
            return False
        if self._accepted.get(path) == changed:
            return True
        why = wav_problem(path)
        if why:
            self._refused[path] = changed
            log.warning("prompt_recording_refused", file=str(path), why=why)
        else:
            self._accepted[path] = changed
        return not why


def digit_groups(number: str) -> list[str]:
    """Even groups of at most four digits, the longer ones last: a mobile number becomes 3-4-4."""
    if not number:
        return []
    count = -(-len(number) // 4)
    ends = [len(number) * group // count for group in range(count + 1)]
    return [number[start:end] for start, end in pairwise(ends)]


def digit_pairs(group: str) -> list[str]:
    """A group as pairs; an odd group begins with its single digit: 138 is 1, 38."""
    odd = len(group) % 2
    return [*([group[0]] if odd else []), *(group[at : at + 2] for at in range(odd, len(group), 2))]


def wav_problem(path: Path) -> str:
    """Why Asterisk cannot play a recording as it is; empty when it can."""
    try:
        with wave.open(str(path), "rb") as sound:
            form = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            if form != (8000, 1, 2):
                is_form = f"{form[0]} Hz, {form[1]} channels, {form[2] * 8}-bit"
                return f"must be 8000 Hz, mono, 16-bit, but is {is_form}"
            return "" if sound.getnframes() else "is empty"
    except (OSError, EOFError, wave.Error) as error:
        return f"is not a WAV file that can be read ({error})"


def check(prompts: PromptSet) -> list[Problem]:
    """Everything that would be heard as a fault: missing, damaged, stale, ill-levelled or unusable files."""
    found: list[Problem] = []
    first, *others = (prompts.phrases[language] for language in LANGUAGES)
    for language, table in zip(LANGUAGES[1:], others, strict=True):
        for key in sorted(first.keys() ^ table.keys()):
            if key.startswith("digits_"):
                continue  # a language may say digits one by one
            lacking = language if key in first else _DEFAULT
            found.append(Problem("no_text", f"{lacking}.toml", f"has no text for {key}"))
    for language in LANGUAGES:
        own = {
            key: phrase for key, phrase in prompts.phrases[language].items() if phrase.spoken_in == language
        }
        found += _check_folder(prompts.sound / language, {key: own[key].fingerprint for key in own})
    demos = {demo.phrase.key: demo.phrase.fingerprint for demo in prompts.demonstrations}
    found += _check_folder(prompts.sound / "demo", demos)
    found += _check_folder(prompts.sound / "tones", dict.fromkeys(TONES, "tone"))
    found += _check_folder(prompts.sound / "music", {"calm": "music"})
    if prompts.overlay:
        found += _check_overlay(prompts, prompts.overlay)
    return found


def _check_folder(folder: Path, fingerprints: Mapping[str, str]) -> Iterator[Problem]:
    sums = read_sums(folder)
    for key, fingerprint in fingerprints.items():
        path, known = folder / f"{key}.alaw", sums.get(key)
        name = f"{folder.name}/{path.name}"
        if not path.is_file():
            yield Problem("missing", name, "is missing: render it")
        elif known is None:
            yield Problem("no_sum", name, "has no sum: render it again")
        elif known.file != file_sum(path):
            yield Problem("damaged", name, "is not the file that was rendered: render it again")
        elif known.words != fingerprint:
            yield Problem("stale", name, "says older words: render it again")
        else:
            yield from (
                Problem("level", name, words) for words in level_problems(path.read_bytes(), folder.name)
            )
    for path in sorted(folder.glob("*.alaw")):
        if path.stem not in fingerprints:
            yield Problem("unknown", f"{folder.name}/{path.name}", "belongs to no key: remove it")


def level_problems(sound: bytes, kind: str = "") -> Sequence[str]:
    """What is wrong with an A-law file's level: speech peaks within -9 to -3 dBFS, music and tones lower."""
    quiet = kind in ("music", "tones")
    peak, problems = peak_dbfs(sound), []
    if not quiet and not -9 <= peak <= -3:
        problems.append(f"peaks at {peak:.1f} dBFS, wanted is -9 to -3")
    if quiet and peak > -3:
        problems.append(f"peaks at {peak:.1f} dBFS, wanted is below -3")
    if clipped(sound):
        problems.append("is clipped")
    if not quiet and lead_in_ms(sound) > 150:
        problems.append(f"begins with {lead_in_ms(sound)} ms of silence")
    return problems


def _check_overlay(prompts: PromptSet, overlay: Path) -> Iterator[Problem]:
    if not overlay.is_dir():
        yield Problem("no_overlay", str(overlay), "is not a folder")
        return
    for path in sorted(overlay.glob("*/*")):
        name = str(path.relative_to(overlay))
        if path.parent.name != "music" and path.stem not in prompts.keys:
            yield Problem("unknown", name, "belongs to no key")
        elif path.suffix != ".wav":
            yield Problem("not_wav", name, "is not played: only .wav files are")
        elif why := wav_problem(path):
            yield Problem("unplayable", name, why)
