"""``switchboard terminals``: the terminals of the villages and their pairing codes. Works on the database, whether a
node runs or not."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from switchboard.commands.rules import author
from switchboard.config import load_config
from switchboard.errors import ConfigurationError, NameTaken, SwitchboardError
from switchboard.records.store import Records
from switchboard.records.terminals import CODE_MS, Terminal
from switchboard.times import now_ms

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Terminals in villages: add, pair with a code, switch off.",
)
out = Console()

Ident = Annotated[str, typer.Argument(help="the terminal's id, as t-qingshan")]


@app.command("list")
def list_() -> None:
    """All terminals, and when each was last heard of."""

    async def work(records: Records) -> None:
        table = Table(box=None)
        for heading in ("id", "name", "village", "district", "state", "last seen"):
            table.add_column(heading)
        for one in await records.terminals.all():
            state = "off" if one.disabled else "paired" if one.paired_ms else "not paired"
            seen = dt.datetime.fromtimestamp(one.seen_ms / 1000) if one.seen_ms else None
            table.add_row(
                one.id,
                one.name,
                one.village,
                one.district or "",
                state,
                f"{seen:%Y-%m-%d %H:%M}" if seen else "",
            )
        out.print(table)

    _run(work)


@app.command()
def add(
    village: Annotated[str, typer.Argument(help="where it stands, as the volunteer reads it")],
    name: Annotated[str, typer.Option(help="what it is called there")] = "终端",
    district: Annotated[str | None, typer.Option(help="a district of the roster")] = None,
    ident: Annotated[str | None, typer.Option("--id", help="an id of your own")] = None,
) -> None:
    """A new terminal, and the code that pairs it."""

    async def work(records: Records) -> None:
        try:
            made = Terminal(ident or f"t-{secrets.token_hex(4)}", name, village, district)
        except ValueError:
            _fail(["village and name: up to 80 characters; id and district: letters, digits and - only"])
        try:
            await records.terminals.add(made, by=author(), at_ms=now_ms())
        except NameTaken:
            _fail([f"there is a terminal {made.id} already"])
        out.print(f"terminal {made.id}")
        await _code(records, made.id)

    _run(work)


@app.command()
def code(terminal: Ident) -> None:
    """A new code for a terminal: to pair it, or another machine in its place."""
    _run(lambda records: _code(records, terminal))


@app.command()
def off(terminal: Ident) -> None:
    """Switch a terminal off: its token and code are void at once; a new code brings it back."""

    async def work(records: Records) -> None:
        if not await records.terminals.disable(terminal, by=author(), at_ms=now_ms()):
            _fail([f"there is no terminal {terminal}"])

    _run(work)


async def _code(records: Records, terminal: str) -> None:
    made = await records.terminals.new_code(terminal, by=author(), at_ms=now_ms())
    if made is None:
        _fail([f"there is no terminal {terminal}"])
    out.print(f"pairing code [bold]{made[:4]} {made[4:]}[/], once, within {CODE_MS // 60_000} minutes")


def _run(work: Callable[[Records], Awaitable[None]]) -> None:
    async def with_records() -> None:
        records = await Records.open(load_config().sql_url)
        try:
            await work(records)
        finally:
            await records.close()

    try:
        asyncio.run(with_records())
    except ConfigurationError as error:
        _fail(error.problems)
    except SwitchboardError as error:
        _fail([str(error)])


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
