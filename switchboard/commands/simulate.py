"""``switchboard simulate``: try rules on a day before publishing them.

The very policy and kernel that run live pass a day of the hotline in about a second, beside Asterisk's app_queue on the
same callers. See docs/simulate.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from routing.errors import PolicyError
from routing.overload import LEVELS, Level
from routing.policy import Policy
from routing.simulate.app_queue import STRATEGIES, Strategy
from routing.simulate.compare import (
    Comparison,
    Way,
    app_queue,
    compare,
    estimates_within_2,
    ours,
)
from routing.simulate.day import Day
from routing.simulate.errors import DayInvalid
from routing.simulate.figures import by_matter
from routing.simulate.files import CALLERS_FILE, ROSTER_FILE, read_day, write_day
from routing.simulate.generate import Recipe, Surge, make_day
from routing.simulate.on_engine import on_engine
from routing.simulate.outcome import Result
from routing.simulate.plot import day_svg

out = Console(width=None if sys.stdout.isatty() else 120)

SHOWN = (
    ("abandoned", "gave up, %", 1),
    ("unserved", "not served at all, %", 1),
    ("sl20", "answered within 20 s, %", 1),
    ("sl15", "answered within 15 s, %", 1),
    ("asa_s", "mean wait, s", 1),
    ("p95_s", "P95 wait, s", 1),
    ("queue_p95_s", "P95 time in queue, all, s", 1),
    ("priority_p95_s", "priority callers' P95, s", 1),
    ("callbacks", "called back, %", 1),
    ("callback_min", "call-back after, min", 1),
    ("messages", "left a message, %", 1),
    ("own_skill", "own skill, %", 1),
    ("occupancy", "load of volunteers, %", 1),
    ("gini", "Gini of load", 3),
    ("passed_s", "most passed by, s", 1),
)
RATIOS = ("abandoned", "unserved", "p95_s", "queue_p95_s", "priority_p95_s", "gini")

WITH_STEPS: dict[Level, str] = {
    "backup": "with backups",
    "callback": "with backups and call-back",
    "message": "with backups, call-back, messages",
}

DayOption = Annotated[
    Path | None, typer.Option("--day", help=f"a folder with {CALLERS_FILE} and {ROSTER_FILE}; none: made up")
]
FileOption = Annotated[Path | None, typer.Option(help="a policy TOML file")]


def simulate(
    day: DayOption = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="how many made-up days")] = 1,
    first_seed: Annotated[int, typer.Option(min=0, help="the seed of the first")] = 1,
    calls: Annotated[int, typer.Option(min=1, max=50_000, help="calls on a made-up day")] = 6_000,
    volunteers: Annotated[int, typer.Option(min=10, max=2_000, help="volunteers on it")] = 116,
    backups: Annotated[int, typer.Option(min=0, max=500, help="backup volunteers on standby")] = 16,
    surge: Annotated[str, typer.Option(help="a matter about which many more call after lunch")] = "",
    policy: FileOption = None,
    against: Annotated[Path | None, typer.Option(help="other rules to compare with: a policy file")] = None,
    steps: Annotated[
        str, typer.Option(help="the last overload step taken: " + ", ".join(LEVELS))
    ] = "callback",
    strategy: Annotated[str, typer.Option(help="of app_queue: " + ", ".join(STRATEGIES))] = "rrmemory",
    write: Annotated[Path | None, typer.Option(help="write the day as CSV into this folder")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="draw the service level of the (first) day: an SVG file")
    ] = None,
    matters: Annotated[bool, typer.Option(help="show each matter of the (first) day")] = False,
    estimates: Annotated[bool, typer.Option(help="judge the estimates of the wait, too")] = False,
    engine: Annotated[
        bool, typer.Option(help="run on a real routing server: slower, the same answers")
    ] = False,
    record: Annotated[
        tuple[str, str] | None,
        typer.Option(help="FROM TO: write what happened between two times into --write, then stop"),
    ] = None,
) -> None:
    """Pass a day of the hotline under rules, beside Asterisk's app_queue, and print how it was."""
    if record:
        _record(record, write)
        return
    rules = _policy(policy)
    others = _policy(against) if against else None
    last = _level(steps)
    known = {matter.id for matter in rules.matters}
    problems = []
    if surge and surge not in known:
        problems.append(f"--surge: there is no matter {surge}; write one of {', '.join(sorted(known))}")
    if strategy not in STRATEGIES:
        problems.append(f"--strategy: write one of {', '.join(STRATEGIES)}")
    if day and surge:
        problems.append("--surge: only for made-up days; leave out --day")
    if problems:
        _fail(problems)
    days = _days(day, rules, seeds, first_seed, Recipe(calls, volunteers, backups), surge)
    if write:
        callers, roster = write_day(days[0], write)
        out.print(f"{callers} {roster}", highlight=False)
    ways = _ways(rules, others, last, strategy, engine)
    kept: list[tuple[Way, Result]] = []
    found = _compared(days, ways, kept)
    _show(found, days, against)
    if matters:
        _show_matters(kept)
    if plot:
        plot.write_text(day_svg([(way.name, result) for way, result in kept], days[0].name), encoding="utf-8")
        out.print(f"{plot}", highlight=False)
    if estimates:
        _show_estimates(days, rules, last)


def _ways(rules: Policy, others: Policy | None, last: Level, strategy: str, engine: bool) -> list[Way]:
    if others:
        return [ours(rules, last, "these rules"), ours(others, last, "the other rules")]
    known: dict[str, Strategy] = {one: one for one in STRATEGIES}
    ways = [app_queue(rules, known[strategy]), ours(rules)]
    if last != "normal":
        ways.append(ours(rules, last, WITH_STEPS[last]))
    if engine:
        ways.append(on_engine(rules))
    return ways


def _days(
    folder: Path | None, rules: Policy, seeds: int, first: int, recipe: Recipe, surge: str
) -> list[Day]:
    if folder:
        try:
            return [read_day(folder / CALLERS_FILE, folder / ROSTER_FILE, rules)]
        except DayInvalid as error:
            _fail(list(error.problems))
    made = Recipe(recipe.calls, recipe.volunteers, recipe.backups, surge=Surge(surge) if surge else None)
    return [make_day(seed, made, rules) for seed in range(first, first + seeds)]


def _compared(days: list[Day], ways: list[Way], kept: list[tuple[Way, Result]]) -> Comparison:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=len(days) * len(ways))

        def keep(day: Day, way: Way, result: Result) -> None:
            if day is days[0]:
                kept.append((way, result))

        return compare(
            days,
            ways,
            progress=lambda what: bar.update(task, advance=1, description=what),
            keep=keep,
        )


def _show(found: Comparison, days: list[Day], against: Path | None) -> None:
    several = len(days) > 1
    callers = sum(len(day.callers) for day in days) // len(days)
    title = f"{callers} callers, {sum(not duty.backup for duty in days[0].roster)} volunteers"
    table = Table(title=title + (f", {len(days)} days, ± 95%" if several else f", {days[0].name}"), box=None)
    table.add_column("")
    for name in found.names:
        table.add_column(name, justify="right")
    for name in found.names[1:]:
        table.add_column(f"{name}:\n{'difference' if against else 'ratio'}", justify="right")
    means = {name: found.means(name) for name in found.names}
    for figure, label, digits in SHOWN:
        if all(mean[figure].mean == 0 for mean in means.values()):
            continue
        cells = [
            f"{means[name][figure].mean:.{digits}f}"
            + (f" ± {means[name][figure].half:.{digits}f}" if several else "")
            for name in found.names
        ]
        for name in found.names[1:]:
            change = found.difference(name, figure)
            difference = f"{change.mean:+.{digits}f}" + (f" ± {change.half:.{digits}f}" if several else "")
            ratio = f"{found.ratio(name, figure):.2f}" if figure in RATIOS else ""
            cells.append(difference if against else ratio)
        table.add_row(label, *cells)
    out.print(table)


def _show_matters(kept: list[tuple[Way, Result]]) -> None:
    table = Table(title="by matter: gave up %, P95 s", box=None)
    for heading in ("matter", "callers", *(way.name for way, _ in kept)):
        table.add_column(heading, justify="left" if heading == "matter" else "right")
    rows = [by_matter(result) for _, result in kept]
    for matter, (callers, _, _) in rows[0].items():
        table.add_row(matter, str(callers), *(f"{row[matter][1]:.1f}  {row[matter][2]:.0f}" for row in rows))
    out.print(table)


def _show_estimates(days: list[Day], rules: Policy, last: Level) -> None:
    shown: dict[Level, str] = {"normal": "routing alone", last: WITH_STEPS.get(last, "routing alone")}
    for highest, name in shown.items():
        shares = [estimates_within_2(day, rules, highest) for day in days]
        out.print(
            f"estimate within twice and half, {name}: {sum(shares) / len(shares):.1f}%", highlight=False
        )


def _policy(file: Path | None) -> Policy:
    try:
        return Policy.load(file)
    except PolicyError as error:
        _fail([f"{error.source}: {problem}" for problem in error.problems])


def _level(steps: str) -> Level:
    known: dict[str, Level] = {level: level for level in LEVELS}
    return known.get(steps) or _fail([f"--steps: write one of {', '.join(LEVELS)}"])


def _record(span: tuple[str, str], folder: Path | None) -> None:
    from switchboard.commands.recorded import record

    if folder is None:
        _fail(["--write: say into which folder the recorded day goes"])
    day = record(*span, fail=_fail)
    callers, roster = write_day(day, folder)
    out.print(
        f"{len(day.callers)} callers: {callers}  {len(day.roster)} volunteers: {roster}", highlight=False
    )


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
