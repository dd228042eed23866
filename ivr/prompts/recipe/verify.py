"""Transcribe the rendered prompts and compare: `python -m ivr.prompts.recipe.verify --model DIR`.

Build time only. Mandarin is judged by PER, the error rate of toneless pinyin syllables (homophones count as
right: what matters is what was heard), English by WER. The worst are listed first: re-word those.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.prompts.alaw import SAMPLES
from ivr.prompts.recipe.render import wanted
from ivr.prompts.texts import Phrase, english, hanzi

_DIGITS = {
    "zh": list("零一二三四五六七八九"),
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
}
_HOMOPHONES = {"weight": "wait"}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recognizer heard in one file, and how many of its units (syllables or words) are wrong."""

    phrase: Phrase
    folder: str
    heard: str
    wrong: int
    units: int


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein distance in units."""
    row = list(range(len(heard) + 1))
    for at, unit in enumerate(said, 1):
        above, row[0] = row[0], at
        for column, other in enumerate(heard, 1):
            above, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, above + (unit != other)),
            )
    return row[-1]


def syllables(words: str, count: Callable[[int], str]) -> list[str]:
    """Toneless pinyin without punctuation; digits as `count` says them."""
    from pypinyin import lazy_pinyin  # pyright: ignore[reportMissingImports]

    spelled = re.sub(r"\d+", lambda digits: count(int(digits[0])), words)
    plain = re.sub(r"[\W_]", "", spelled).replace("幺", "一").replace("两", "二")
    return lazy_pinyin(plain)


def english_words(text: str, count: Callable[[int], str]) -> list[str]:
    """Lower-case words, homophones alike; digits as `count` says them."""
    spelled = re.sub(r"\d+", lambda digits: f" {count(int(digits[0]))} ", text)
    words = re.sub(r"[^a-z' ]", " ", spelled.lower().replace("-", " ")).split()
    return [_HOMOPHONES.get(word, word) for word in words]


def _ways(language: str) -> list[Callable[[int], str]]:
    """The ways in which a recognizer's digits may have been said: one by one, or as a number."""
    names = _DIGITS[language]
    between, count = ("", hanzi) if language == "zh" else (" ", english)

    def one_by_one(number: int) -> str:
        return between.join(names[int(digit)] for digit in str(number))

    return [one_by_one, lambda number: count(number) if 1 <= number <= 99 else one_by_one(number)]


def judge(phrase: Phrase, folder: str, heard: str) -> Heard:
    """Count the wrong units in the reading of the digits that fits best."""
    units = syllables if phrase.spoken_in == "zh" else english_words
    ways = _ways(phrase.spoken_in)
    said = units(phrase.said, ways[0])
    return Heard(phrase, folder, heard, min(distance(said, units(heard, way)) for way in ways), len(said))


def listener(model: Path) -> Callable[[Path, str], str]:
    """A function from (file, language) to simplified text; faster-whisper on one thread."""
    import faster_whisper  # pyright: ignore[reportMissingImports]
    import numpy as np
    import opencc  # pyright: ignore[reportMissingImports]
    from scipy.signal import resample_poly

    whisper = faster_whisper.WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)
    simplify = opencc.OpenCC("t2s").convert
    table = np.array(SAMPLES, np.float32) / 32768

    def listen(path: Path, language: str) -> str:
        sound = table[np.frombuffer(path.read_bytes(), np.uint8)]
        quiet = np.zeros(4000, np.float32)
        wide = resample_poly(np.concatenate([quiet, sound, quiet]), 2, 1).astype(np.float32)
        options: dict[str, Any] = {"beam_size": 5, "temperature": 0.0, "without_timestamps": True}
        if language == "zh":
            options["initial_prompt"] = "以下是普通话的句子。"
        parts, _ = whisper.transcribe(wide, language=language, condition_on_previous_text=False, **options)
        return simplify("".join(part.text for part in parts).strip())

    return listen


def main() -> None:
    """Command line."""
    from rich.progress import track

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of a faster-whisper model")
    parser.add_argument("--only", default="", help="only keys that begin so")
    parser.add_argument("--folder", default="", help="only this folder: zh, en or demo")
    parser.add_argument("--without", default="digits_", help="no keys that begin so")
    args = parser.parse_args()
    todo = [
        (folder, phrase)
        for folder, phrases in wanted()
        for phrase in phrases
        if args.folder in ("", folder.name)
        and phrase.key.startswith(args.only)
        and not (args.without and phrase.key.startswith(args.without))
    ]
    listen, results = listener(args.model), []
    for folder, phrase in track(todo, "listening"):
        path = folder / f"{phrase.key}.alaw"
        if path.exists():
            results.append(judge(phrase, folder.name, listen(path, phrase.spoken_in)))
    for result in sorted(results, key=lambda result: -result.wrong / result.units):
        if result.wrong:
            name = f"{result.folder}/{result.phrase.key}"
            print(f"{result.wrong}/{result.units} {name}: {result.phrase.said} -> {result.heard}")
    for folder in sorted({result.folder for result in results}):
        part = [result for result in results if result.folder == folder]
        wrong, units = sum(result.wrong for result in part), sum(result.units for result in part)
        right = sum(not result.wrong for result in part)
        rate = f"{wrong}/{units} units wrong = {wrong / units:.1%}"
        print(f"{folder}: {rate}; {right} of {len(part)} files perfect")


if __name__ == "__main__":
    main()
