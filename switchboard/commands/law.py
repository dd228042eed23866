"""``switchboard law``: what volunteers search beside a call. Works on the database, whether a node runs or not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from switchboard.commands.rules import author
from switchboard.config import load_config
from switchboard.errors import ConfigurationError, LawFileInvalid, SwitchboardError
from switchboard.law.files import SAMPLE, Defaults, read_articles
from switchboard.law.library import Library
from switchboard.law.model import Article
from switchboard.records.store import Records

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The collection of law that volunteers search beside a call.",
)
out = Console()
Work = Callable[[Library, Records], Awaitable[None]]


@app.command("import")
def import_(
    file: Annotated[Path | None, typer.Argument(help="articles as .jsonl, .csv or .txt")] = None,
    sample: Annotated[bool, typer.Option(help="the demonstration collection that comes with us")] = False,
    law: Annotated[str, typer.Option(help="the law's name, where the file does not say it")] = "",
    effective: Annotated[str, typer.Option(help="the day it applies from, as 2008-01-01")] = "",
    source: Annotated[str, typer.Option(help="where the text was taken from")] = "",
) -> None:
    """Add laws, each in place of what there was of it: all of the file, or none and every row that is wrong."""
    if (file is None) != sample:
        _fail(["name a file, or --sample"])
    try:
        articles = read_articles(file or SAMPLE, Defaults(law, effective, source))
    except OSError as error:
        _fail([f"the file cannot be read: {error.strerror or type(error).__name__}"])
    except LawFileInvalid as error:
        _fail(error.problems)

    async def work(library: Library, records: Records) -> None:
        count = await _put(library, articles)
        await records.audit(author(), "law.import")
        laws = len({article.law for article in articles})
        out.print(f"{len(articles)} articles of {laws} laws; the collection has {count} articles now")

    _run(work)


async def _put(library: Library, articles: list[Article]) -> int:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=out, transient=True
    ) as bar:
        task = bar.add_task("articles", total=1.0)
        return await library.put(
            articles, progress=lambda what, share: bar.update(task, description=what, completed=share)
        )


@app.command("list")
def list_() -> None:
    """The laws of the collection."""

    async def work(library: Library, _: Records) -> None:
        table = Table(box=None)
        for heading in ("law", "articles", "effective", "source"):
            table.add_column(heading)
        for one in await library.laws():
            table.add_row(one.law, str(one.articles), str(one.effective or "–"), one.source)
        out.print(table)

    _run(work)


@app.command()
def remove(law: Annotated[str, typer.Argument(help="the law's name, as listed")]) -> None:
    """Take one law out of the collection."""

    async def work(library: Library, records: Records) -> None:
        count = await library.remove(law)
        if not count:
            _fail([f"the collection has no law of this name: {law}"])
        await records.audit(author(), "law.remove")
        out.print(f"{count} articles removed")

    _run(work)


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(help="words and numbers, as: 劳动合同法 82")],
    limit: Annotated[int, typer.Option(min=1, max=60)] = 5,
) -> None:
    """What a volunteer would find."""

    async def work(library: Library, _: Records) -> None:
        answer = await library.search(" ".join(words), limit=limit)
        for one in answer.items:
            article = one.article
            out.print(f"[bold]{article.law} {article.article}[/] {article.title}", highlight=False)
            out.print(f"  {article.text}", highlight=False, markup=False)
            out.print(f"  {article.effective or '–'}  {article.source}", style="dim", highlight=False)
        if not answer.items:
            out.print(
                "nothing found" if answer.articles else "the collection is empty: switchboard law import"
            )

    _run(work)


def _run(work: Work) -> None:
    try:
        asyncio.run(_with_library(work))
    except ConfigurationError as error:
        _fail(error.problems)
    except SwitchboardError as error:
        _fail([str(error)])


async def _with_library(work: Work) -> None:
    records = await Records.open(load_config().sql_url)
    try:
        await work(Library(records.database), records)
    finally:
        await records.close()


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
