"""Say what is missing, stale or unfit to be heard: `python -m ivr.prompts.check [--overlay DIR]`; 1 if anything is.

Whether the words are understood is another question: `python -m ivr.prompts.recipe.verify` listens to every prompt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .alaw import clipped, lead_in_ms, peak_dbfs
from .catalogue import TONES, PromptSet, wav_problem
from .errors import PromptError
from .level import FRAME, SPEECH_DBFS, active_dbfs, frame_powers
from .sums import file_sum, read_sums
from .texts import LANGUAGES

_OFF_LEVEL_DB = 1.5
_LEAD_IN_MS, _PAUSE_MS, _TAIL_MS = 150, 1_000, 700
_SILENT_DBFS = -60.0
_HUSH = 10**-4.6  # a frame below -46 dBFS is a pause


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a checker found: a stable code, the file it is about, and what to do in words."""

    code: str
    file: str
    words: str

    def __str__(self) -> str:
        return f"{self.file}: {self.words} [{self.code}]"


def check(prompts: PromptSet) -> list[Problem]:
    """Everything that would be heard as a fault: missing, damaged, stale, ill-levelled or unusable files."""
    found: list[Problem] = []
    first, *others = (prompts.phrases[language] for language in LANGUAGES)
    for language, table in zip(LANGUAGES[1:], others, strict=True):
        for key in sorted(first.keys() ^ table.keys()):
            if key.startswith("digits_"):
                continue  # a language may say digits one by one
            lacking = language if key in first else LANGUAGES[0]
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
            found = level_problems(path.read_bytes(), folder.name)
            yield from (Problem("level", name, words) for words in found)
    for path in sorted(folder.glob("*.alaw")):
        if path.stem not in fingerprints:
            yield Problem("unknown", f"{folder.name}/{path.name}", "belongs to no key: remove it")


def level_problems(sound: bytes, kind: str = "") -> list[str]:
    """What is wrong with how an A-law file sounds. Music and tones (`kind`) need only stay below -3 dBFS."""
    level, peak = active_dbfs(sound), peak_dbfs(sound)
    problems = ["is clipped"] if clipped(sound) else []
    if peak > -3:
        problems.append(f"peaks at {peak:.1f} dBFS, wanted is below -3")
    if kind in ("music", "tones"):
        return problems
    if level < _SILENT_DBFS:
        return ["is silent"]
    if abs(level - SPEECH_DBFS) > _OFF_LEVEL_DB:
        problems.append(f"speaks at {level:.1f} dBFS, wanted is {SPEECH_DBFS:.0f} within {_OFF_LEVEL_DB} dB")
    if lead_in_ms(sound) > _LEAD_IN_MS:
        problems.append(f"begins with {lead_in_ms(sound)} ms of silence")
    pause, tail = _pauses_ms(sound)
    if pause > _PAUSE_MS:
        problems.append(f"has a pause of {pause} ms")
    if tail > _TAIL_MS:
        problems.append(f"ends with {tail} ms of silence")
    return problems


def _pauses_ms(sound: bytes) -> tuple[int, int]:
    """The longest pause between words, and the silence after the last, both in whole frames of 20 ms."""
    hushed = "".join("." if power < _HUSH else "x" for power in frame_powers(sound))
    between = max(map(len, hushed.strip(".").split("x")), default=0)
    ms = FRAME // 8
    return between * ms, (len(hushed) - len(hushed.rstrip("."))) * ms


def _check_overlay(prompts: PromptSet, overlay: Path) -> Iterator[Problem]:
    if not overlay.is_dir():
        yield Problem("no_overlay", str(overlay), "is not a folder")
        return
    for path in sorted(overlay.glob("[!.]*/*")):
        name = str(path.relative_to(overlay))
        if path.parent.name != "music" and path.stem not in prompts.keys:
            yield Problem("unknown", name, "belongs to no key")
        elif path.suffix != ".wav":
            yield Problem("not_wav", name, "is not played: only .wav files are")
        elif why := wav_problem(path):
            yield Problem("unplayable", name, why)


def main(arguments: list[str] | None = None) -> int:
    """Print one line for each problem and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ivr.prompts.check", description=__doc__)
    parser.add_argument("--overlay", type=Path, help="the folder of a hotline's own recordings")
    args = parser.parse_args(arguments)
    try:
        prompts = PromptSet(args.overlay)
        problems = check(prompts)
    except PromptError as error:
        print(f"{error} [{error.code}]", file=sys.stderr)
        return 1
    for problem in problems:
        print(problem)
    counts = ", ".join(f"{language} {len(table)}" for language, table in prompts.phrases.items())
    print(f"{counts} prompts, {len(prompts.demonstrations)} demonstrations: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
