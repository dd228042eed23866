"""Shifts as a spreadsheet holds them: ``volunteer,date,from,to,matter,role,note``, one a line."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Collection, Iterable

from switchboard.errors import ShiftsInvalid
from switchboard.records.events import is_slug, is_text
from switchboard.records.queries import CHINA
from switchboard.records.shifts import MOST_NOTE, NewShift

COLUMNS = ("volunteer", "date", "from", "to", "matter", "role", "note")
MOST_ROWS = 20_000
MOST_NAMED = 50

Line = tuple[int, NewShift]
"""A shift and the number of its line, from 1."""


def read_shifts(
    lines: Iterable[str], *, agents: Collection[str], matters: Collection[str], roles: Collection[str]
) -> list[Line]:
    """Shifts from CSV lines; a heading line is passed over. Times are those of China; an end that is not after the
    begin is on the next day (22:00 to 06:00).

    Raises ShiftsInvalid naming each line that cannot be taken and what is wrong in it.
    """
    found: list[Line] = []
    problems: list[str] = []
    for number, row in enumerate(csv.reader(lines), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and _is_heading(cells)):
            continue
        try:
            found.append((number, _shift(cells, agents, matters, roles)))
        except _WrongCell as wrong:
            problems.append(f"{number}: {wrong}")
        if len(found) > MOST_ROWS:
            problems.append(f"{number}: 一次最多 {MOST_ROWS} 行 / at most {MOST_ROWS} rows at once")
        if len(problems) >= MOST_NAMED or len(found) > MOST_ROWS:
            break
    if problems:
        raise ShiftsInvalid(problems)
    return found


class _WrongCell(Exception):
    """One cell of a line; the text is for whoever wrote it."""


def _is_heading(cells: list[str]) -> bool:
    return cells[0].removeprefix("\ufeff").lower() in ("volunteer", "agent", "志愿者", "工号")


def _shift(
    cells: list[str], agents: Collection[str], matters: Collection[str], roles: Collection[str]
) -> NewShift:
    agent, day, begin, end, matter, role, note = (cells + [""] * len(COLUMNS))[: len(COLUMNS)]
    agent = agent.removeprefix("\ufeff")
    if agent not in agents:
        shown = agent if is_slug(agent) else "?"
        raise _WrongCell(f"没有编号为 {shown} 的志愿者 / there is no volunteer {shown}")
    since, to = shift_times(day, begin, end)
    if matter and matter not in matters:
        raise _WrongCell("没有这个咨询事项 / there is no such matter")
    if role and role not in roles:
        raise _WrongCell("没有这类志愿者 / there is no such role")
    if not is_text(note, MOST_NOTE):
        raise _WrongCell(f"备注最多 {MOST_NOTE} 字 / a note has at most {MOST_NOTE} characters")
    return NewShift(agent, since, to, matter or None, role or None, note)


def shift_times(day: str, begin: str, end: str) -> tuple[int, int]:
    """Begin and end in ms. Raises ``_WrongCell`` in words."""
    date, since, to = _date(day), _time(begin), _time(end)
    first = dt.datetime.combine(date, since, CHINA)
    last = dt.datetime.combine(date, to, CHINA)
    if last <= first:
        last += dt.timedelta(days=1)
    return int(first.timestamp()) * 1000, int(last.timestamp()) * 1000


def _date(text: str) -> dt.date:
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"):
        try:
            date = dt.datetime.strptime(text, form).date()
        except ValueError:
            continue
        if 2020 <= date.year <= 2099:
            return date
    raise _WrongCell("日期应写成 2026-11-25 / write the date as 2026-11-25")


def _time(text: str) -> dt.time:
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            return dt.datetime.strptime(text.replace("：", ":"), form).time().replace(second=0)
        except ValueError:
            continue
    raise _WrongCell("时间应写成 09:00 / write the time as 09:00")
