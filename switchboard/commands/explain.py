"""``switchboard explain CONTACT``: why this volunteer, or why it still waits.

A running switchboard is asked through its control socket, since only it knows the queue; without one an ended contact
is explained from the database.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Annotated, Any, NoReturn

import aiohttp
import typer
from rich.console import Console
from rich.text import Text

from switchboard.config import Config, load_config
from switchboard.errors import ConfigurationError
from switchboard.explanation import explain as explanation_of
from switchboard.records.store import Records

out = Console()


def explain(contact: Annotated[str, typer.Argument(help="the contact's id, as on the board")]) -> None:
    """Say why a contact met its volunteer, or why it still waits and who could serve it."""
    try:
        config = load_config()
    except ConfigurationError as error:
        _fail(*error.problems)
    found = asyncio.run(_ask(config, contact))
    if found is None:
        _fail("没有这个来电。 There is no such contact.")
    out.print(Text(f"{found['contact']}  {found['stage']}", style="bold"))
    for line in found["lines"]:
        at = line["at_ms"]
        when = time.strftime("%H:%M:%S", time.localtime(at / 1000)) if at else "现在 now"
        out.print(Text.assemble((f"{when:>9}  ", "dim"), line["zh"]))
        out.print(Text(f"{'':>9}  {line['en']}", style="dim"))


async def _ask(config: Config, contact: str) -> dict[str, Any] | None:
    connector = aiohttp.UnixConnector(path=str(config.control_socket))
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://switchboard/api/contacts/{contact}/explanation") as answer,
        ):
            if answer.status == 404:
                return None
            answer.raise_for_status()
            return await answer.json()
    except aiohttp.ClientConnectionError:
        return await _from_records(config, contact)
    except aiohttp.ClientResponseError as error:
        _fail(f"无法查询（{error.status}）。 The switchboard cannot say: {error.status}.")


async def _from_records(config: Config, contact: str) -> dict[str, Any] | None:
    async with await Records.open(config.sql_url) as records:
        found = await records.contact(contact)
        if found is None:
            return None
        names = {agent.id: agent.name for agent in await records.agents()}
    told = explanation_of(*found, None, names)
    lines = [{"at_ms": line.at_ms, "zh": line.zh, "en": line.en} for line in told.lines]
    return {"contact": told.contact, "stage": told.stage, "lines": lines}


def _fail(*problems: str) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
