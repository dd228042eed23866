"""The prompts that Asterisk plays: a language and a key become `sound:/…`, an Asterisk media URI.

The rendered A-law files of this package are the ground; a hotline lays its own recordings over them: a file
`<overlay>/<language>/<key>.wav` (8 kHz, mono, 16-bit) is played from the next call on, without a restart. A
language without a file falls back to Mandarin, so that nobody hears silence.
"""

from __future__ import annotations

import os
import re
import wave
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path

import structlog

from . import compose
from .errors import MissingSound, UnknownPrompt
from .listing import Listing
from .texts import HERE, LANGUAGES, Demonstration, Phrase, load_demonstrations, load_language, series_last

SOUND = HERE / "sound"
TONES = ("beep", "pause", "ring", "whisper")
"""Keys without words: before a message, between groups of digits, a soft ring, before a volunteer's cue."""

_DEFAULT = LANGUAGES[0]
LANGUAGE = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})?")
"""How a language is named: the folder of its sounds."""
_SERIES = re.compile(r"(ahead|digits|weekday|this_week|next_week|month|day|time)_\d+")
_MOST_FOLDERS = 64

_Mark = tuple[int, int, int]  # which file, when it changed, how long it is

log = structlog.get_logger(__name__)


class PromptSet:
    """The texts and sounds of every language, with a hotline's own recordings laid over them.

    Raises BrokenTable when the tables of texts cannot be read. `media` asks the file system whether a folder has
    changed (a microsecond or two), so that a recording that was added or taken away counts at once.
    """

    def __init__(self, overlay: Path | None = None, *, sound: Path = SOUND) -> None:
        self.overlay = overlay.absolute() if overlay else None
        self.sound = sound.absolute()
        self._overlay, self._sound = str(self.overlay or ""), str(self.sound)
        self.phrases: dict[str, dict[str, Phrase]] = {lang: load_language(lang) for lang in LANGUAGES}
        self.demonstrations: list[Demonstration] = load_demonstrations()
        self.ahead_last = series_last("ahead")
        self._listings: dict[tuple[str, str], Listing] = {}
        self._seen: dict[Path, tuple[_Mark, bool]] = {}

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
        return f"sound:{str(self.path(language, key)).rpartition('.')[0]}"

    def path(self, language: str, key: str) -> Path:
        """The file that is played. Raises as `media` does."""
        found = self.find(language, key)
        if found is None:
            raise MissingSound(f"no sound file for prompt {key!r} in {language!r} or {_DEFAULT!r}")
        return found

    def find(self, language: str, key: str) -> Path | None:
        """The file that is played, None when not even Mandarin has one. Raises UnknownPrompt."""
        self._known(key)
        for folder, own in self._places(language, key):
            path = self._listed(folder, ".wav" if own else ".alaw").get(key)
            if path and (not own or self._playable(path)):
                return path
        return None

    def spoken_in(self, language: str, key: str) -> str:
        """The language in which a prompt is said: English is offered in English by all."""
        phrase = self.phrases.get(language, {}).get(key)
        return phrase.spoken_in if phrase else language

    @staticmethod
    def is_series(key: str) -> bool:
        """One of a row of numbers, days or hours rather than a sentence of its own."""
        return _SERIES.fullmatch(key) is not None

    def sequence(self, language: str, keys: Iterable[str]) -> list[str]:
        """The media of several keys, to be played one after another."""
        return [self.media(language, key) for key in keys]

    def ahead_keys(self, callers: int) -> list[str]:
        """How many callers stand before this one, as one phrase."""
        return compose.ahead_keys(callers, self.ahead_last)

    def band_keys(self, low: int, high: int | None) -> list[str]:
        """A wait of `low` to `high` minutes as one phrase; `high` is None for "over an hour"."""
        return compose.band_keys(low, high)

    def digits_keys(self, language: str, number: str) -> list[str]:
        """A telephone or ticket number in groups. Raises ValueError for more than 32 digits."""
        return compose.digits_keys(number, self.phrases.get(language, self.phrases[_DEFAULT]))

    def date_keys(self, language: str, day: date) -> list[str]:
        """Month, day and weekday."""
        return compose.date_keys(language, day)

    def moment_keys(self, language: str, when: datetime, now: datetime) -> list[str]:
        """A day as near as it is ("tomorrow", "Monday next week", else the date) and a half hour of that day."""
        return compose.moment_keys(language, when, now)

    def demonstration(self, key: str) -> Path:
        """The .alaw file of made-up speech. Raises UnknownPrompt."""
        if all(demo.phrase.key != key for demo in self.demonstrations):
            raise UnknownPrompt(f"no demonstration speech {key!r}")
        return self.sound / "demo" / f"{key}.alaw"

    def _known(self, key: str) -> None:
        if key not in self.phrases[_DEFAULT] and key not in TONES:
            raise UnknownPrompt(f"no prompt has the key {key!r}")

    def _places(self, language: str, key: str) -> Iterator[tuple[str, bool]]:
        """The folders of the sound, best first, and whether a hotline's own recordings lie there.

        A language never names a folder outside the two roots.
        """
        wished = [language] if LANGUAGE.fullmatch(language) else []
        for name in dict.fromkeys([*wished, _DEFAULT]):
            spoken_in = self.spoken_in(name, key)
            if self._overlay:
                for folder in dict.fromkeys([name, spoken_in]):
                    yield f"{self._overlay}/{folder}", True
            yield f"{self._sound}/{'tones' if key in TONES else spoken_in}", False

    def _listed(self, folder: str, suffix: str) -> Mapping[str, Path]:
        """The folder's files. Requests name languages too: what is remembered of them is bounded."""
        listing = self._listings.get((folder, suffix))
        if listing is None:
            if len(self._listings) >= _MOST_FOLDERS:
                self._listings.clear()
            listing = self._listings[folder, suffix] = Listing(Path(folder), suffix)
        return listing.files()

    def _playable(self, path: Path) -> bool:
        """A recording that Asterisk could not play is passed over, and said once in the log."""
        try:
            found = os.stat(path)
        except OSError:
            return False
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        seen = self._seen.get(path)
        if seen and seen[0] == mark:
            return seen[1]
        why = wav_problem(path)
        if why:
            log.warning("prompt_recording_refused", file=str(path), why=why)
        self._seen[path] = (mark, not why)
        return not why


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
