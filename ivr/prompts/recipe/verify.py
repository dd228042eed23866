"""Transcribe the rendered prompts and compare: `python -m ivr.prompts.recipe.verify --model DIR`.

Build time only. Mandarin is judged by PER, the error rate of toneless pinyin syllables (homophones count as
right: what matters is what was heard), English by WER. The worst are listed first: re-word those.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ivr.prompts.alaw import SAMPLES
from ivr.prompts.catalogue import PromptSet
from ivr.prompts.recipe.render import wanted
from ivr.prompts.texts import LANGUAGES, Phrase, english, hanzi, ordinal

_DIGITS = {
    "zh": list("零一二三四五六七八九"),
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
}
_HOMOPHONES = {"weight": "wait"}
_ALSO = {"幺": frozenset({"yi"}), "两": frozenset({"er"}), "二": frozenset({"liang"})}
_SHORT_WINDOW, _FULL_WINDOW = 1_000, 3_000  # frames of 10 ms


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recognizer heard in one file, and how many of its units (syllables or words) are wrong."""

    phrase: Phrase
    folder: str
    heard: str
    wrong: int
    units: int


Unit = frozenset[str]
"""One syllable or word, in every way in which it may be read."""


def distance(said: Sequence[Unit], heard: Sequence[Unit]) -> int:
    """Levenshtein distance in units; two are alike when one reading of each is."""
    row = list(range(len(heard) + 1))
    for at, unit in enumerate(said, 1):
        above, row[0] = row[0], at
        for column, other in enumerate(heard, 1):
            kept = above + unit.isdisjoint(other)
            above, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, kept)
    return row[-1]


def syllables(words: str, count: Callable[[int], str]) -> list[Unit]:
    """Toneless pinyin without punctuation; digits as `count` says them, 幺 as one and 两 as two."""
    from pypinyin import Style, pinyin  # pyright: ignore[reportMissingImports]

    spelled = re.sub(r"\d+", lambda digits: count(int(digits[0])), words)
    plain = re.sub(r"[\W_]", "", spelled)
    units = []
    for sign in plain:
        readings = {reading for one in pinyin(sign, style=Style.NORMAL, heteronym=True) for reading in one}
        units.append(frozenset(readings | _ALSO.get(sign, frozenset())))
    return units


def english_words(text: str, count: Callable[[int], str]) -> list[Unit]:
    """Lower-case words, homophones alike; digits as `count` says them, those of "30th" as a place."""
    places = re.sub(r"\b([1-9]\d?)(?:st|nd|rd|th)\b", lambda place: f" {ordinal(int(place[1]))} ", text)
    spelled = re.sub(r"\d+", lambda digits: f" {count(int(digits[0]))} ", places)
    words = re.sub(r"[^a-z' ]", " ", spelled.lower().replace("-", " ")).split()
    return [frozenset({_HOMOPHONES.get(word, word)}) for word in words]


def _ways(language: str) -> list[Callable[[int], str]]:
    """The ways in which a recognizer's digits may have been said: one by one, or as a number."""
    names = _DIGITS[language]
    between, count = ("", hanzi) if language == "zh" else (" ", english)

    def one_by_one(number: int) -> str:
        return between.join(names[int(digit)] for digit in str(number))

    return [one_by_one, lambda number: count(number) if 1 <= number <= 99 else one_by_one(number)]


def judge(phrase: Phrase, folder: str, heard: str) -> Heard:
    """Count the wrong units in the reading of digits, and of the dashes between them, that fits best."""
    units, to = (syllables, "到") if phrase.spoken_in == "zh" else (english_words, " to ")
    ways = _ways(phrase.spoken_in)
    said = units(phrase.said, ways[0])
    written = [re.sub(r"(?<=\d)[-–](?=\d)", dash, heard) for dash in (to, " ")]
    wrong = min(distance(said, units(one, way)) for one in written for way in ways)
    return Heard(phrase, folder, heard, wrong, len(said))


class Listener:
    """faster-whisper on one thread: A-law bytes in, simplified text out.

    Speech under 9.5 s is first heard in a window of 10 s (five times as fast as the usual 30); what is not understood
    there is heard again in the usual way.
    """

    def __init__(self, model: Path) -> None:
        import faster_whisper  # pyright: ignore[reportMissingImports]
        import faster_whisper.transcribe  # pyright: ignore[reportMissingImports]
        import numpy as np
        import opencc  # pyright: ignore[reportMissingImports]

        self._whisper = faster_whisper.WhisperModel(
            str(model), device="cpu", compute_type="int8", cpu_threads=1
        )
        self._simplify = opencc.OpenCC("t2s").convert
        self._table = np.array(SAMPLES, np.float32) / 32768
        self._window = _FULL_WINDOW
        faster_whisper.transcribe.pad_or_trim = self._pad_or_trim

    def _pad_or_trim(self, features: Any, length: int | None = None, *, axis: int = -1) -> Any:
        import numpy as np

        kept = features.take(indices=range(min(self._window, features.shape[axis])), axis=axis)
        room = [(0, 0)] * kept.ndim
        room[axis] = (0, self._window - kept.shape[axis])
        return np.pad(kept, room)

    def text(self, sound: bytes, language: str, *, quick: bool) -> str:
        """What was heard. `quick` looks through the short window where the sound fits."""
        import numpy as np
        from scipy.signal import resample_poly

        self._window = _SHORT_WINDOW if quick and len(sound) < 9 * 8000 else _FULL_WINDOW
        quiet = np.zeros(4000, np.float32)
        narrow = self._table[np.frombuffer(sound, np.uint8)]
        wide = resample_poly(np.concatenate([quiet, narrow, quiet]), 2, 1).astype(np.float32)
        options: dict[str, Any] = {"beam_size": 5, "temperature": 0.0, "without_timestamps": True}
        if language == "zh":
            options["initial_prompt"] = "以下是普通话的句子。"
        parts, _ = self._whisper.transcribe(
            wide, language=language, condition_on_previous_text=False, **options
        )
        return self._simplify("".join(part.text for part in parts).strip())

    def judge(self, phrase: Phrase, folder: str, sound: bytes) -> Heard:
        """The better of the quick and, where that was not perfect, the thorough hearing."""
        heard = judge(phrase, folder, self.text(sound, phrase.spoken_in, quick=True))
        if not heard.wrong:
            return heard
        again = judge(phrase, folder, self.text(sound, phrase.spoken_in, quick=False))
        return min(heard, again, key=lambda one: one.wrong)


def composed(count: int, seed: int = 12348) -> Iterator[tuple[str, Phrase, bytes]]:
    """Numbers, dates and moments as a caller hears them, put together from their parts, as one phrase each."""
    chance, prompts = random.Random(seed), PromptSet()  # noqa: S311 - a sample, always the same
    now = datetime(2026, 9, 14, 10)
    for language in LANGUAGES:
        between = "" if language == "zh" else " "
        for _ in range(count):
            number = "1" + "".join(chance.choice("0123456789") for _ in range(chance.choice((5, 7, 10))))
            when = now + timedelta(minutes=30 * chance.randrange(48 * 30))
            for name, keys in (
                ("number", prompts.digits_keys(language, number)),
                ("date", prompts.date_keys(language, when.date())),
                ("moment", prompts.moment_keys(language, when, now)),
            ):
                known = [prompts.phrases[language][key] for key in keys if key != "pause"]
                said = between.join(phrase.said for phrase in known)
                sound = b"".join(prompts.path(language, key).read_bytes() for key in keys)
                phrase = Phrase(" ".join(keys), said, said, "", 1.0, language)
                yield f"composed {name}, {language}", phrase, sound


def files(
    folders: str, only: tuple[str, ...], without: tuple[str, ...]
) -> Iterator[tuple[str, Phrase, bytes]]:
    """The rendered files that were asked for: folder, words, sound."""
    for folder, phrases in wanted():
        for phrase in phrases:
            path = folder / f"{phrase.key}.alaw"
            asked = folders in ("", folder.name) and phrase.key.startswith(only)
            if asked and not (without and phrase.key.startswith(without)) and path.exists():
                yield folder.name, phrase, path.read_bytes()


def report(results: Sequence[Heard], most: float) -> bool:
    """Print what was misheard, the worst first, and the rate of each folder. False where one is above `most`."""
    for one in sorted(results, key=lambda one: -one.wrong / one.units):
        if one.wrong:
            print(f"{one.wrong}/{one.units} {one.folder}/{one.phrase.key}: {one.phrase.said} -> {one.heard}")
    fine = True
    for folder in sorted({one.folder for one in results}):
        part = [one for one in results if one.folder == folder]
        wrong, units = sum(one.wrong for one in part), sum(one.units for one in part)
        right = sum(not one.wrong for one in part)
        print(f"{folder}: {wrong}/{units} units wrong = {wrong / units:.1%}; {right} of {len(part)} perfect")
        fine = fine and wrong <= most * units
    return fine


def main() -> int:
    """Command line."""
    from rich.progress import track

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of a faster-whisper model")
    parser.add_argument("--only", default="", help="only keys that begin so; several with commas")
    parser.add_argument("--folder", default="", help="only this folder: zh, en or demo")
    parser.add_argument("--without", default="digits_", help="no keys that begin so; several with commas")
    parser.add_argument("--composed", type=int, default=0, metavar="N", help="N numbers, dates, moments too")
    parser.add_argument("--most", type=float, default=3.0, help="percent of units that may be wrong")
    args = parser.parse_args()
    without = tuple(filter(None, args.without.split(",")))
    todo = [*files(args.folder, tuple(args.only.split(",")), without), *composed(args.composed)]
    listener = Listener(args.model)
    results = [listener.judge(phrase, folder, sound) for folder, phrase, sound in track(todo, "listening")]
    return 0 if report(results, args.most / 100) else 1


if __name__ == "__main__":
    raise SystemExit(main())
