"""A day as two CSV files: the callers and the roster.

Whoever writes one by hand, or has it from a spreadsheet, hears of every mistake at once: file, line, column, what to
write. At most so many rows are read.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from routing.policy import Policy
from routing.simulate.day import DAY_MS, Caller, Day, Duty, Habits
from routing.simulate.errors import DayInvalid

CALLER_COLUMNS = (
    *("id", "arrived", "matter", "language", "district", "priority"),
    *("patience_ms", "handle_ms", "ring_ms", "wrap_up_ms", "draw"),
)
DUTY_COLUMNS = ("id", "role", "skills", "languages", "district", "begins", "ends", "breaks", "backup")
CALLERS_FILE = "callers.csv"
ROSTER_FILE = "roster.csv"
MOST_ROWS = 100_000
MOST_BYTES = 20_000_000
MOST_PROBLEMS = 200

_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?")
_ID = re.compile(r"[A-Za-z0-9_.:@+-]{1,64}")


def write_day(day: Day, folder: Path) -> tuple[Path, Path]:
    """Write both files into the folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    callers, roster = folder / CALLERS_FILE, folder / ROSTER_FILE
    callers.write_text(callers_text(day.callers), encoding="utf-8")
    roster.write_text(roster_text(day.roster), encoding="utf-8")
    return callers, roster


def callers_text(callers: Iterable[Caller]) -> str:
    """The callers as CSV, in the order given."""
    rows = (
        (
            *(caller.id, clock(caller.arrived_ms), caller.matter, caller.language, caller.district),
            *(caller.priority, caller.patience_ms, caller.handle_ms, caller.ring_ms),
            *(caller.wrap_up_ms, caller.draw),
        )
        for caller in callers
    )
    return _text(CALLER_COLUMNS, rows)


def roster_text(roster: Iterable[Duty]) -> str:
    """The roster as CSV."""
    rows = (
        (
            *(duty.id, duty.role, " ".join(f"{matter}:{level}" for matter, level in duty.skills.items())),
            *(" ".join(duty.languages), duty.district, clock(duty.begins_ms), clock(duty.ends_ms)),
            " ".join(f"{clock(begin)}-{clock(begin + length)}" for begin, length in duty.breaks),
            "yes" if duty.backup else "no",
        )
        for duty in roster
    )
    return _text(DUTY_COLUMNS, rows)


def clock(ms: int) -> str:
    """Milliseconds since midnight as HH:MM:SS, with thousandths where there are any."""
    seconds, thousandths = divmod(ms, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{thousandths:03}" if thousandths else text


def _text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def read_day(
    callers: Path, roster: Path, policy: Policy, *, habits: Habits | None = None, on: date | None = None
) -> Day:
    """Read both files. Raises DayInvalid with every mistake in both."""
    problems: list[str] = []
    found = _read(callers, CALLER_COLUMNS, _caller, policy, problems)
    duties = _read(roster, DUTY_COLUMNS, _duty, policy, problems)
    if not problems and not duties:
        problems.append(f"{roster.name}: nobody is on duty; write one line for each volunteer")
    if not problems and not found:
        problems.append(f"{callers.name}: nobody calls; write one line for each caller")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        raise DayInvalid([*problems[:MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])
    ordered = sorted(found, key=lambda caller: (caller.arrived_ms, caller.id))
    return Day(callers.parent.name or callers.stem, tuple(ordered), tuple(duties), habits or Habits(), on)


class _Row:
    """One line: takes fields out of it and notes what is wrong with them."""

    def __init__(self, where: str, cells: dict[str, str], policy: Policy, problems: list[str]) -> None:
        self._where, self._cells, self._problems = where, cells, problems
        self.policy = policy

    def wrong(self, column: str, should: str) -> None:
        cell = self._cells.get(column, "")[:40]
        self._problems.append(f"{self._where}, {column}: {cell!r} is wrong; write {should}")

    def text(self, column: str) -> str:
        return self._cells.get(column, "").strip()

    def name(self, column: str) -> str:
        value = self.text(column)
        if not _ID.fullmatch(value):
            self.wrong(column, "1 to 64 letters, digits or _.:@+-")
        return value

    def one_of(self, column: str, known: Iterable[str], *, empty: str | None = None) -> str:
        value = self.text(column)
        if not value and empty is not None:
            return empty
        allowed = list(known)
        if value not in allowed:
            self.wrong(column, "one of " + ", ".join(allowed))
        return value

    def number(self, column: str, low: int, high: int, default: int | None = None) -> int:
        value = self.text(column)
        if not value and default is not None:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value[:18]) <= high:
            self.wrong(column, f"a whole number from {low} to {high}")
            return low
        return int(value)

    def clock(self, column: str, value: str | None = None) -> int:
        match = _CLOCK.fullmatch(self.text(column) if value is None else value)
        if match is None:
            self.wrong(column, "a time of the day as 09:30 or 09:30:15.250")
            return 0
        hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
        if hours > 24 or minutes > 59 or seconds > 59:
            self.wrong(column, "a time of the day from 00:00 to 24:00")
            return 0
        return ((hours * 60 + minutes) * 60 + seconds) * 1000 + int((match[4] or "0").ljust(3, "0"))


def _caller(row: _Row, line: int) -> Caller:
    policy = row.policy
    return Caller(
        id=row.name("id"),
        arrived_ms=row.clock("arrived"),
        matter=row.one_of("matter", (m.id for m in policy.matters), empty=policy.default_matter.id),
        language=row.one_of(
            "language", (one.id for one in policy.languages), empty=policy.default_language.id
        ),
        district=row.text("district"),
        priority=row.number("priority", 0, 9, 0),
        patience_ms=row.number("patience_ms", 0, DAY_MS),
        handle_ms=row.number("handle_ms", 1, DAY_MS),
        ring_ms=row.number("ring_ms", 0, 14_000, 5_000),
        wrap_up_ms=row.number("wrap_up_ms", 0, 3_600_000, 30_000),
        draw=row.number("draw", 0, 2**32 - 1, line),
    )


def _duty(row: _Row, line: int) -> Duty:
    policy = row.policy
    skills: dict[str, int] = {}
    for part in row.text("skills").split():
        matter, _, level = part.partition(":")
        if matter not in {m.id for m in policy.matters} or level not in ("1", "2", "3", "4", "5"):
            row.wrong("skills", "matter:level with levels 1 to 5, as labour:5 debt:3")
            break
        skills[matter] = int(level)
    known = [language.id for language in policy.languages]
    languages = tuple(row.text("languages").split())
    if not languages or not set(languages) <= set(known):
        row.wrong("languages", "one or more of " + " ".join(known))
    begins, ends = row.clock("begins"), row.clock("ends")
    if ends <= begins:
        row.wrong("ends", "a time after begins")
    return Duty(
        id=row.name("id"),
        role=row.one_of("role", (role.id for role in policy.roles)),
        skills=skills,
        languages=languages,
        district=row.text("district"),
        begins_ms=begins,
        ends_ms=ends,
        breaks=_breaks(row),
        backup=row.one_of("backup", ("yes", "no"), empty="no") == "yes",
    )


def _breaks(row: _Row) -> tuple[tuple[int, int], ...]:
    found = []
    for part in row.text("breaks").split():
        begin_text, _, end_text = part.partition("-")
        begin, end = row.clock("breaks", begin_text), row.clock("breaks", end_text)
        if end <= begin:
            row.wrong("breaks", "from-to, as 12:00-12:45 15:10-15:20")
            break
        found.append((begin, end - begin))
    return tuple(found)


T = TypeVar("T", Caller, Duty)


def _read(
    path: Path,
    columns: Sequence[str],
    parse: Callable[[_Row, int], T],
    policy: Policy,
    problems: list[str],
) -> list[T]:
    try:
        if path.stat().st_size > MOST_BYTES:
            problems.append(f"{path.name}: is larger than {MOST_BYTES // 1_000_000} MB")
            return []
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(f"{path.name}: cannot be read: {error.strerror}")
        return []
    except UnicodeDecodeError:
        problems.append(f"{path.name}: is not UTF-8; save it as CSV UTF-8")
        return []
    return _rows(csv.reader(io.StringIO(text)), path.name, columns, parse, policy, problems)


def _rows(
    reader: Iterator[list[str]],
    name: str,
    columns: Sequence[str],
    parse: Callable[[_Row, int], T],
    policy: Policy,
    problems: list[str],
) -> list[T]:
    found: list[T] = []
    lines: dict[str, int] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if sorted(header) != sorted(columns):
            problems.append(f"{name}, line 1: the columns must be {','.join(columns)}")
            return []
        for line, cells in enumerate(reader, 2):
            if not cells:
                continue
            if line > MOST_ROWS + 1:
                problems.append(f"{name}: has more than {MOST_ROWS} lines")
                break
            if len(cells) != len(header):
                problems.append(f"{name}, line {line}: has {len(cells)} columns; write {len(header)}")
                continue
            row = _Row(f"{name}, line {line}", dict(zip(header, cells, strict=True)), policy, problems)
            parsed = parse(row, line)
            if first := lines.get(parsed.id):
                row.wrong("id", f"another one: line {first} has it already")
            lines[parsed.id] = line
            found.append(parsed)
    except csv.Error as error:
        problems.append(f"{name}: is not CSV: {error}")
    return found
