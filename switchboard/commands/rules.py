"""``switchboard rules``: hotlines, routing policy and calendar as published versions.

It works on the database itself, whether a switchboard runs or not; running nodes take a newly published version within
three seconds, for the next contact.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import pwd
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ivr.prompts.catalogue import PromptSet
from switchboard.config import load_config
from switchboard.errors import ConfigurationError, RulesInvalid, SwitchboardError
from switchboard.records.published import KINDS, MOST_BYTES, Kind, Version
from switchboard.records.store import Records
from switchboard.rules import ONLY_NAME, RuleBook, difference, read_seeds

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hotlines, routing policy and calendar as published versions.",
)
out = Console()

Name = Annotated[str, typer.Argument(help="a hotline's number; not needed for policy and calendar")]
WhichKind = Annotated[str, typer.Argument(help="hotline, policy or calendar", metavar="KIND")]
File = Annotated[Path, typer.Argument(help="a TOML file, - for standard input")]
Work = Callable[[Records, RuleBook], Awaitable[None]]


@app.command("list")
def list_() -> None:
    """What is in force, and the drafts that wait."""

    async def work(records: Records, book: RuleBook) -> None:
        table = Table(box=None)
        for heading in ("kind", "name", "in force", "since", "by", "newest draft"):
            table.add_column(heading)
        for kind in KINDS:
            for name in await book.names(kind):
                table.add_row(*await _summary(records, kind, name))
        out.print(table)

    _run(work)


async def _summary(records: Records, kind: Kind, name: str) -> tuple[str, ...]:
    versions = await records.versions(kind, name)
    now = next((one for one in versions if one.state == "published"), None)
    drafts = [one for one in versions if one.state == "draft" and (now is None or one.base >= now.number)]
    draft = f"{drafts[0].number} by {drafts[0].author}" if drafts else ""
    if now is None:
        return kind, name, "file on disk", "", "", draft
    return kind, name, str(now.number), _time(now.published_ms), now.author, draft


@app.command()
def show(
    kind: WhichKind,
    name: Name = "",
    number: Annotated[int | None, typer.Option(help="a version; none: what is in force")] = None,
    history: Annotated[bool, typer.Option("--history", help="the list of versions instead")] = False,
) -> None:
    """Print a text as it was published, or all versions of it."""
    which, called = _which(kind, name)

    async def work(records: Records, book: RuleBook) -> None:
        if history:
            _print_history(await records.versions(which, called))
        else:
            print(await _text_of(records, book, which, called, number), end="")

    _run(work)


@app.command()
def draft(
    kind: WhichKind,
    file: File,
    name: Name = "",
    note: Annotated[str, typer.Option(help="why, in a few words")] = "",
) -> None:
    """Keep a text as a draft. It may still have mistakes; they are named."""
    which, called = _which(kind, name)
    text = _read(file)

    async def work(records: Records, book: RuleBook) -> None:
        kept = await records.save_draft(which, called, text, author=author(), note=note)
        out.print(f"draft {kept.number} of {which} {called} is kept", highlight=False)
        for problem in await book.check(which, called, text):
            print(f"  {problem}", file=sys.stderr)

    _run(work)


@app.command()
def check(kind: WhichKind, file: File, name: Name = "") -> None:
    """Say everything that keeps a file from being published."""
    which, called = _which(kind, name)
    text = _read(file)

    async def work(_: Records, book: RuleBook) -> None:
        if problems := await book.check(which, called, text):
            _fail(problems)
        out.print("[green]It can be published.[/]")

    _run(work)


@app.command()
def diff(
    kind: WhichKind,
    name: Name = "",
    before: Annotated[int | None, typer.Option(help="a version; none: what is in force")] = None,
    after: Annotated[int | None, typer.Option(help="a version; none: the newest")] = None,
) -> None:
    """What a version changes."""
    which, called = _which(kind, name)

    async def work(records: Records, book: RuleBook) -> None:
        newest = await records.versions(which, called, limit=1)
        old = await _text_of(records, book, which, called, before)
        number = after if after is not None else newest[0].number if newest else None
        new = await _text_of(records, book, which, called, number)
        for line in difference(old, new):
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            out.print(Text(line, style))

    _run(work)


@app.command()
def publish(kind: WhichKind, name: Name, number: Annotated[int, typer.Argument(help="a draft")]) -> None:
    """Put a draft in force for every contact that arrives from now on."""
    which, called = _which(kind, name)

    async def work(_: Records, book: RuleBook) -> None:
        done = await book.publish(which, called, number, author=author())
        out.print(f"{which} {called} {done.number} is in force", highlight=False)

    _run(work)


@app.command("roll-back")
def roll_back(kind: WhichKind, name: Name = "") -> None:
    """Put the text before the present one in force again, under a new number."""
    which, called = _which(kind, name)

    async def work(_: Records, book: RuleBook) -> None:
        done = await book.roll_back(which, called, author=author())
        of = f"the text of {done.restores}" if done.restores else "the file on disk"
        out.print(f"{which} {called} {done.number} is in force: {of}", highlight=False)

    _run(work)


def _run(work: Work) -> None:
    """Every refusal in plain words on standard error, one reason a line, and exit code 2."""
    try:
        asyncio.run(_with_book(work))
    except (ConfigurationError, RulesInvalid) as error:
        _fail(error.problems)
    except SwitchboardError as error:
        _fail([f"{error.zh} {error}"])
    except ValueError as error:
        _fail([str(error)])


async def _with_book(work: Work) -> None:
    config = load_config()
    async with await Records.open(config.sql_url) as records:
        prompts = PromptSet(overlay=config.recorded_prompts)
        await work(records, RuleBook(records, read_seeds(config), prompts.keys))


async def _text_of(records: Records, book: RuleBook, kind: Kind, name: str, number: int | None) -> str:
    if number is None or number == 0:
        seed = book.seed(kind, name)
        found = await book.text(kind, name) if number is None else None if seed is None else (0, seed)
        text = found[1] if found else None
    else:
        version = await records.rules.version(kind, name, number)
        text = version.text if version else None
    if text is None:
        _fail([f"there is no {kind} {name} {'' if number is None else number}".rstrip()])
    return text


def _print_history(versions: list[Version]) -> None:
    table = Table(box=None)
    for heading in ("number", "state", "kept", "published", "by", "note"):
        table.add_column(heading)
    for one in versions:
        table.add_row(
            str(one.number),
            one.state,
            _time(one.created_ms),
            _time(one.published_ms),
            one.author,
            Text(one.note),
        )
    out.print(table)


def _which(kind: str, name: str) -> tuple[Kind, str]:
    for known in KINDS:
        if known == kind:
            return known, ONLY_NAME.get(known, name or "12348")
    return _fail([f"{kind}: write one of {', '.join(KINDS)}"])


def _read(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _fail([f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"])


def author() -> str:
    """Whoever has this shell: the file's permissions have let them in."""
    try:
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return "local"


def _time(at_ms: int | None) -> str:
    return "" if at_ms is None else dt.datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M")


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
