"""``switchboard prompts``: what callers hear, checked, and replaced one by one with studio recordings.

It works on the folder of recordings itself, whether a switchboard runs or not; a running one plays a new recording from
the next call on.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ivr.prompts.catalogue import PromptSet
from ivr.prompts.check import check as find_problems
from ivr.prompts.errors import PromptError
from ivr.prompts.studio import MOST_BYTES, Entry, Studio
from switchboard.config import Config, load_config
from switchboard.errors import ConfigurationError, SwitchboardError
from switchboard.records.store import Records

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What callers hear: list, check, replace with studio recordings.",
)
out = Console()

Key = Annotated[str, typer.Argument(help="as the list names it: welcome", metavar="KEY")]
Language = Annotated[str, typer.Argument(help="zh, en, local, …", metavar="LANG")]
_SOURCES = {"studio": "recording", "rendered": "", "fallback": "said in Mandarin", "missing": "MISSING"}


@app.command("list")
def list_(
    language: Annotated[str, typer.Argument(help="zh, en, local, …; none: all of them")] = "",
    series: Annotated[bool, typer.Option("--series", help="numbers, days and hours too")] = False,
    recorded: Annotated[bool, typer.Option("--recorded", help="studio recordings only")] = False,
) -> None:
    """Every prompt with its words, its length and where its sound comes from."""
    studio = _studio(_config())
    if language and language not in studio.languages:
        _fail([f"{language}: write one of {', '.join(studio.languages)}"])
    for name in [language] if language else studio.languages:
        shown = [
            entry
            for entry in studio.entries(name)
            if (series or not entry.series) and (entry.source == "studio" or not recorded)
        ]
        _print(name, shown)


def _print(language: str, entries: list[Entry]) -> None:
    own = sum(entry.source == "studio" for entry in entries)
    table = Table(
        box=None, title=f"{language}: {len(entries)} prompts, {own} recordings", title_justify="left"
    )
    for heading in ("key", "s", "sound", "words"):
        table.add_column(heading, justify="right" if heading == "s" else "left", no_wrap=heading == "key")
    for entry in entries:
        source = _SOURCES[entry.source] + (" (one before is kept)" if entry.earlier else "")
        words = Text("\n".join([entry.text, *(f"! {problem}" for problem in entry.problems)]))
        table.add_row(entry.key, f"{entry.ms / 1000:.1f}", source, words)
    out.print(table)


@app.command()
def check() -> None:
    """Say what is missing, clipped, silent, unequal, stale or unplayable; 1 if anything is."""
    prompts = _studio(_config()).prompts
    with out.status("checking every sound"):
        present = bool(prompts.overlay and prompts.overlay.is_dir())
        problems = find_problems(prompts if present else PromptSet())
    for problem in problems:
        print(problem)
    counts = ", ".join(f"{language} {len(table)}" for language, table in prompts.phrases.items())
    print(f"{counts} prompts: {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


@app.command()
def play_path(key: Key, language: Language) -> None:
    """Print the file that a caller hears now."""
    studio = _studio(_config())
    try:
        print(studio.prompts.path(language, key))
    except PromptError as error:
        _fail([str(error)])


@app.command()
def upload(key: Key, language: Language, file: Annotated[Path, typer.Argument(help="a WAV file")]) -> None:
    """Use a speaker's recording from the next call on; it is brought to the form and level of the others."""
    config = _config()
    studio = _studio(config)
    try:
        with file.open("rb") as source:
            data = source.read(MOST_BYTES + 1)
    except OSError as error:
        _fail([f"{file}: cannot be read: {error.strerror}"])
    try:
        with out.status("converting"):
            recording = studio.upload(language, key, data)
    except PromptError as error:
        _fail([str(error)])
    _audit(config, "prompt.upload", language, key)
    print(f"{key} in {language}: {recording.ms / 1000:.1f} s, heard from the next call on")
    for note in recording.notes:
        print(f"  {note}")


@app.command()
def reset(
    key: Key,
    language: Language,
    earlier: Annotated[bool, typer.Option("--earlier", help="to the recording before instead")] = False,
) -> None:
    """Back to the sound that came with the software."""
    config = _config()
    studio = _studio(config)
    try:
        if earlier:
            studio.take_back(language, key)
        elif not studio.reset(language, key):
            _fail([f"{key} in {language}: there is no recording of your own"])
    except PromptError as error:
        _fail([str(error)])
    _audit(config, "prompt.earlier" if earlier else "prompt.reset", language, key)
    print(
        f"{key} in {language}: {'the recording before' if earlier else 'ours'} again, from the next call on"
    )


def _studio(config: Config) -> Studio:
    return Studio(PromptSet(config.recorded_prompts))


def _audit(config: Config, action: str, language: str, key: str) -> None:
    async def note() -> None:
        async with await Records.open(config.sql_url) as records:
            await records.audit(_who(), action, f"{language}:{key}")

    try:
        asyncio.run(note())
    except SwitchboardError as error:
        _fail([f"the change was made, but could not be noted in the audit log: {error}"])


def _who() -> str:
    """Whoever has this shell: the file's permissions have let them in."""
    try:
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return "local"


def _config() -> Config:
    try:
        return load_config()
    except ConfigurationError as error:
        _fail(error.problems)


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
