"""``switchboard known-callers``: numbers whose callers go first. Works on the database, whether a node runs or not."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from ivr.dialling import caller_number
from switchboard.commands.rules import author
from switchboard.config import load_config
from switchboard.errors import ConfigurationError, KnownCallersInvalid, SwitchboardError
from switchboard.records.known_callers import KnownCaller, read_callers
from switchboard.records.store import Records
from switchboard.rules import RuleBook, read_seeds
from switchboard.times import now_ms

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Numbers whose callers go first, and why.",
)
out = Console()

Number = Annotated[str, typer.Argument(help="a telephone number, as 13800138000")]
Work = Callable[[Records, frozenset[str]], Awaitable[None]]


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200) -> None:
    """The numbers, in order."""

    async def work(records: Records, _reasons: frozenset[str]) -> None:
        table = Table(box=None)
        for heading in ("number", "reason", "added by", "added"):
            table.add_column(heading)
        for one in await records.known_callers.listed(limit=limit):
            added = dt.datetime.fromtimestamp(one.added_ms / 1000).strftime("%Y-%m-%d %H:%M")
            table.add_row(one.number, one.reason, one.added_by, added)
        await records.audit(author(), "known_callers.read")
        out.print(table)

    _run(work)


@app.command()
def add(
    number: Number, reason: Annotated[str, typer.Argument(help="a reason of the policy, as over_80")]
) -> None:
    """Let the callers of a number go first."""

    async def work(records: Records, reasons: frozenset[str]) -> None:
        known = caller_number(number)
        if known is None:
            _fail(["the number: write 3 to 15 digits"])
        if reason not in reasons:
            _fail([f"the reason: write one of {', '.join(sorted(reasons))}"])
        await records.known_callers.put([KnownCaller(known, reason, author(), now_ms())])
        await records.audit(author(), "known_callers.add")

    _run(work)


@app.command()
def remove(number: Number) -> None:
    """Let them wait like everybody."""

    async def work(records: Records, _reasons: frozenset[str]) -> None:
        if not await records.known_callers.remove(caller_number(number) or ""):
            _fail(["the number is not on the list"])
        await records.audit(author(), "known_callers.remove")

    _run(work)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: number,reason in each line; - for standard input")],
) -> None:
    """Add many at once: all of them, or none and every line that is wrong."""

    async def work(records: Records, reasons: frozenset[str]) -> None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
            found = read_callers(text.splitlines(), reasons, by=author(), at_ms=now_ms())
        except (OSError, UnicodeDecodeError) as error:
            _fail([f"the file cannot be read: {type(error).__name__}"])
        except KnownCallersInvalid as error:
            _fail(error.problems)
        count = await records.known_callers.put(found)
        await records.audit(author(), "known_callers.import")
        out.print(f"{count} numbers")

    _run(work)


def _run(work: Work) -> None:
    try:
        asyncio.run(_with_records(work))
    except ConfigurationError as error:
        _fail(error.problems)
    except SwitchboardError as error:
        _fail([str(error)])


async def _with_records(work: Work) -> None:
    config = load_config()
    records = await Records.open(config.sql_url)
    try:
        rules = await RuleBook(records, read_seeds(config), time_zone=config.time_zone).in_force()
        await work(records, frozenset(reason.id for reason in rules.policy.priorities))
    finally:
        await records.close()


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
