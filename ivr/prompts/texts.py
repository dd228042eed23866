"""The tables of texts (zh.toml, en.toml, demo.toml), with their series spelled out.

A `Phrase` is one sound file's words: `text` as a page shows it, `said` as the voice is given it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BrokenTable

HERE = Path(__file__).resolve().parent
LANGUAGES = ("zh", "en")
"""The languages that come with rendered sound; the first is the one others fall back to."""

_RECIPE = 1  # raised when the recipe changes so much that every file must be rendered again


@dataclass(frozen=True, slots=True)
class Phrase:
    """One prompt: its words and the voice that says them (`spoken_in`: the language whose file is played)."""

    key: str
    text: str
    said: str
    voice: str
    speed: float
    spoken_in: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything the sound depends on; a rendered file with another one is stale."""
        words = f"{_RECIPE}\n{self.voice}\n{self.speed}\n{self.said}"
        return hashlib.sha256(words.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Made-up speech for a demonstration: a caller's question or a volunteer's answer."""

    phrase: Phrase
    kind: str
    """`question` or `answer`"""
    matter: str
    language: str


def load_language(language: str, folder: Path = HERE) -> dict[str, Phrase]:
    """Every phrase of a language by key, series included. Raises BrokenTable."""
    table = _read(folder / f"{language}.toml")
    try:
        voice, speed = str(table["voice"]["name"]), float(table["voice"]["speed"])
        lines = [*_said(table["say"], language), *_series(table, language), *_lists(table, language)]
        digits = [*_digits(table["digits"], language)]
        pace = float(table["digits"]["speed"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BrokenTable(f"{language}.toml: {error!r}") from error
    own = {key: float(pace) for key, pace in table["voice"].get("speeds", {}).items()}
    phrases = [
        Phrase(key, text, said, voice, own.get(key, speed), spoken) for key, text, said, spoken in lines
    ]
    phrases += [Phrase(key, text, said, voice, pace, spoken) for key, text, said, spoken in digits]
    return {phrase.key: phrase for phrase in phrases}


def load_demonstrations(folder: Path = HERE) -> list[Demonstration]:
    """The made-up questions and answers of demo.toml, in its order. Raises BrokenTable."""
    try:
        return [_demonstration(key, entry) for key, entry in _read(folder / "demo.toml").items()]
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenTable(f"demo.toml: {error!r}") from error


def series_last(name: str, folder: Path = HERE) -> int:
    """The last number for which there is a whole phrase, in every language."""
    try:
        return min(int(_read(folder / f"{lang}.toml")["series"][name]["last"]) for lang in LANGUAGES)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenTable(f"series {name}: {error!r}") from error


_DAYS = frozenset({"today", "tomorrow", "day_after_tomorrow"})
_PARTS = ("weekday_", "this_week_", "next_week_", "day_", "time_")


def tail_ms(key: str) -> int:
    """The pause behind a phrase: short within a number or a date, long after an entry of a menu.

    About 100 ms more are in the soft ends of both phrases, so that the parts of a moment stand 120 to 140 ms apart.
    """
    if key.startswith(("digits_", "month_")):
        return 20
    if key in _DAYS or key.startswith(_PARTS):
        return 40
    return 300 if key.startswith("menu_") else 120


_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def hanzi(number: int) -> str:
    """A count from 1 to 99 as it is said before a measure word: 2 is 两, 12 is 十二, 20 is 二十."""
    digits = "零一二三四五六七八九"
    if not 1 <= number <= 99:
        raise ValueError(f"no words for {number}")
    if number == 2:
        return "两"
    tens, ones = divmod(number, 10)
    lead = "" if tens == 0 else "十" if tens == 1 else digits[tens] + "十"
    return lead + (digits[ones] if ones else "")


def ordinal(number: int) -> str:
    """A place from 1 to 99 in English words: 22 is "twenty-second"."""
    lead, dash, last = english(number).rpartition("-")
    return lead + dash + (_ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th"))


def english(number: int) -> str:
    """A count from 1 to 99 in English words."""
    if not 1 <= number <= 99:
        raise ValueError(f"no words for {number}")
    if number < 20:
        return _SMALL[number]
    word = _TENS[number // 10 - 2]
    return word if number % 10 == 0 else f"{word}-{_SMALL[number % 10]}"


_COUNT: Mapping[str, Callable[[int], str]] = {"zh": hanzi, "en": english}
_BETWEEN_DIGITS: Mapping[str, str] = {"zh": "", "en": " "}

_LISTS: Mapping[str, int] = {
    "weekday": 7,
    "this_week": 7,
    "next_week": 7,
    "month": 12,
    "day": 31,
    "time": 48,
}

_Line = tuple[str, str, str, str]  # key, text, said, spoken_in


def _said(table: Mapping[str, Any], language: str) -> Iterator[_Line]:
    """The sentences; a table within (`[say.message]`) only groups them."""
    for key, entry in table.items():
        if isinstance(entry, str):
            yield key, entry, entry, language
        elif "spoken_in" in entry:
            other = _read(HERE / f"{entry['spoken_in']}.toml")["say"][key]
            yield key, other, other, str(entry["spoken_in"])
        elif "text" in entry:
            yield key, str(entry["text"]), str(entry["said"]), language
        else:
            yield from _said(entry, language)


def _series(table: Mapping[str, Any], language: str) -> Iterator[_Line]:
    for name, series in table["series"].items():
        for number in range(1, int(series["last"]) + 1):
            pattern = series.get("one", series["text"]) if number == 1 else series["text"]
            said = pattern.format(n=_COUNT[language](number))
            yield f"{name}_{number}", pattern.format(n=number), said, language


def _lists(table: Mapping[str, Any], language: str) -> Iterator[_Line]:
    """Days and hours: the words of a list by number, those of `time` by the half hours of a day."""
    lists = {name: [str(words) for words in entry] for name, entry in table["lists"].items()}
    for name, most in _LISTS.items():
        if len(lists[name]) != most:
            raise ValueError(f"lists.{name} must hold {most} phrases")
        for number, words in enumerate(lists[name]):
            key = f"{number // 2:02}{number % 2 * 30:02}" if name == "time" else str(number + 1)
            yield f"{name}_{key}", words, words, language


def _digits(table: Mapping[str, Any], language: str) -> Iterator[_Line]:
    names = [str(name) for name in table["names"]]
    if len(names) != 10:
        raise ValueError("digits.names must hold ten words")
    pairs = range(100) if table["pairs"] else ()
    for group in [*(f"{n}" for n in range(10)), *(f"{n:02}" for n in pairs)]:
        said = _BETWEEN_DIGITS[language].join(names[int(digit)] for digit in group)
        yield f"digits_{group}", group, said, language


def _demonstration(key: str, entry: Mapping[str, Any]) -> Demonstration:
    kind, language, text = str(entry["kind"]), str(entry["language"]), str(entry["text"])
    if kind not in ("question", "answer"):
        raise ValueError(f"{key}: kind is {kind!r}")
    phrase = Phrase(
        key, text, str(entry.get("said", text)), str(entry["voice"]), float(entry["speed"]), language
    )
    return Demonstration(phrase, kind, str(entry["matter"]), language)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenTable(f"{path.name}: {error}") from error
