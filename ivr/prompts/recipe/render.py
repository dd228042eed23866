"""Render the prompts that are missing or stale: `python -m ivr.prompts.recipe.render --voices DIR`.

Build time only (README.md says what to install). Each finished file is noted in sums.toml at once, so a
stopped run goes on where it stopped; a file whose words, voice and content are unchanged is left alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ivr.prompts.alaw import BYTES_PER_MS
from ivr.prompts.recipe.level import pad, telephone, to_alaw
from ivr.prompts.recipe.voice import RATE, Voice
from ivr.prompts.sums import Sum, file_sum, read_sums, write_sums
from ivr.prompts.texts import HERE, LANGUAGES, Phrase, load_demonstrations, load_language, tail_ms

SOUND = HERE / "sound"


def wanted() -> Iterator[tuple[Path, list[Phrase]]]:
    """Each folder of sound with the phrases that belong into it."""
    for language in LANGUAGES:
        yield SOUND / language, [p for p in load_language(language).values() if p.spoken_in == language]
    if (HERE / "demo.toml").exists():
        yield SOUND / "demo", [demo.phrase for demo in load_demonstrations()]


def is_fresh(phrase: Phrase, folder: Path, sums: dict[str, Sum]) -> bool:
    """The file is there, whole, and says these words in this voice."""
    path, known = folder / f"{phrase.key}.alaw", sums.get(phrase.key)
    return bool(
        known and known.words == phrase.fingerprint and path.exists() and file_sum(path) == known.file
    )


def render(phrase: Phrase, folder: Path, voice: Voice) -> Sum:
    """Write one file and return its sum."""
    sound = telephone(voice.say(phrase.said, phrase.voice, phrase.speed), RATE)
    data = to_alaw(pad(sound, tail_ms(phrase.key)))
    path = folder / f"{phrase.key}.alaw"
    path.write_bytes(data)
    return Sum(phrase.fingerprint, file_sum(path), len(data) // BYTES_PER_MS)


def main() -> None:
    """Command line."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voices", type=Path, required=True, help="folder of <voice>.bin files")
    parser.add_argument("--only", default="", help="only keys that begin so, e.g. menu_")
    parser.add_argument("--folder", default="", help="only this folder: zh, en or demo")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    voice: Voice | None = None
    columns = [
        SpinnerColumn(),
        *Progress.get_default_columns()[:3],
        TimeRemainingColumn(),
        TextColumn("{task.fields[key]}"),
    ]
    with Progress(*columns) as progress:
        for folder, phrases in wanted():
            folder.mkdir(parents=True, exist_ok=True)
            sums = read_sums(folder)
            kept = {phrase.key: sums[phrase.key] for phrase in phrases if phrase.key in sums}
            todo = [p for p in phrases if p.key.startswith(args.only) and not is_fresh(p, folder, sums)]
            if args.folder not in ("", folder.name):
                continue
            task = progress.add_task(folder.name, total=len(todo), key="")
            for phrase in todo:
                progress.update(task, key=phrase.key)
                voice = voice or Voice(args.voices, args.threads)
                kept[phrase.key] = render(phrase, folder, voice)
                write_sums(folder, kept)
                progress.advance(task)
            if kept != sums:
                write_sums(folder, kept)


if __name__ == "__main__":
    main()
