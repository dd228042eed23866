"""Working days in China: the statutory holidays and make-up working days of the State Council's yearly notices.

The table comes from the ``holidays`` package; an override table (TOML) corrects and completes it. A year whose notice
is not known yet has no holidays here: its weekdays count as working days. So a hotline rather opens than stays shut,
and a message is rather due too early than too late; the board says so (``warning``).
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import holidays
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from switchboard.errors import CalendarInvalid

SEED = Path(__file__).with_name("calendar.toml")
FIRST_YEAR = 2010
MOST_DAYS = 2_000
LONGEST_HOLIDAY = 31
MOST_BYTES = 200_000
WARN_DAYS = 60
"""The notice for a year comes in November: from then on somebody can do something about its absence."""


def _days(given: object) -> object:
    """Dates and "first/last" spans, spelled out. Raises ValueError in words."""
    if not isinstance(given, list | set | frozenset):
        raise ValueError("must be a list of days")
    found: set[dt.date] = set()
    for one in given:
        first, last = _ends(one)
        if last < first or (last - first).days > 31:
            raise ValueError(f"{first}/{last} is no span of at most a month")
        found |= {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}
    return frozenset(found)


def _ends(given: object) -> tuple[dt.date, dt.date]:
    if isinstance(given, dt.date) and not isinstance(given, dt.datetime):
        return given, given
    if isinstance(given, str):
        first, _, last = given.partition("/")
        try:
            return dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
        except ValueError:
            pass
    raise ValueError(f'{str(given)[:30]!r} is no day: write 2027-01-01 or "2027-01-01/2027-01-03"')


DaySet = Annotated[frozenset[dt.date], BeforeValidator(_days), Field(max_length=MOST_DAYS)]


class Overrides(BaseModel):
    """What goes before the table of the package, day by day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    announced_until: dt.date | None = None
    days_off: DaySet = frozenset()
    working_days: DaySet = frozenset()


class Calendar:
    """``announced_until``: the last day for which the holiday notice is known, by the package or by the overrides."""

    def __init__(self, overrides: Overrides | None = None, time_zone: str = "Asia/Shanghai") -> None:
        self._overrides = overrides or Overrides()
        self.zone = ZoneInfo(time_zone)
        self.time_zone = time_zone
        known = last_announced()
        self.announced_until = max(known, self._overrides.announced_until or known)

    def is_working_day(self, date: dt.date, /) -> bool:
        if date in self._overrides.working_days:
            return True
        if date in self._overrides.days_off:
            return False
        if date > last_announced():
            return date.weekday() < 5
        return date in _make_up_days(date.year) or (date.weekday() < 5 and date not in _days_off(date.year))

    def is_holiday(self, date: dt.date, /) -> bool:
        """A day that a notice gives off, weekends within included: it lies in a run of days off with a named one."""
        return any(self._is_named(day) for day in self._run_of_days_off(date))

    def overrides(self, date: dt.date, /) -> bool:
        """Whether the override table says what this day is."""
        return date in self._overrides.working_days or date in self._overrides.days_off

    def _run_of_days_off(self, date: dt.date) -> Iterator[dt.date]:
        for step in (dt.timedelta(days=1), dt.timedelta(days=-1)):
            day = date
            while not self.is_working_day(day) and abs((day - date).days) < LONGEST_HOLIDAY:
                yield day
                day += step

    def _is_named(self, date: dt.date) -> bool:
        if date in self._overrides.days_off:
            return True
        return date <= last_announced() and date in _days_off(date.year)

    def add_working_days(self, date: dt.date, count: int) -> dt.date:
        """The ``count``-th working day after ``date``. Raises ValueError for fewer than 1 or more than 1000."""
        if not 1 <= count <= 1_000:
            raise ValueError("1 to 1000 working days can be added")
        while count:
            date += dt.timedelta(days=1)
            count -= self.is_working_day(date)
        return date

    def due_ms(self, from_ms: int, working_days: int = 3) -> int:
        """The last millisecond of the local day by which something is due; the day it came on does not count."""
        day = self.add_working_days(self.local(from_ms).date(), working_days)
        midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=self.zone)
        return int(midnight.timestamp()) * 1000 - 1

    def local(self, at_ms: int) -> dt.datetime:
        """A moment as the clock on the wall here shows it."""
        return dt.datetime.fromtimestamp(at_ms / 1000, self.zone)

    def warning(self, today: dt.date) -> tuple[str, str] | None:
        """What the board says while the holidays of the near future are not known; in Chinese and English."""
        if self.announced_until >= today + dt.timedelta(days=WARN_DAYS):
            return None
        until = self.announced_until
        return (
            f"{until} 之后的放假安排尚未录入，暂按周一至周五为工作日计算",
            f"holidays after {until} are not known yet: until then Monday to Friday count as working days",
        )


def parse_calendar(text: str) -> Overrides:
    """The override table of a TOML text. Raises CalendarInvalid naming every mistake."""
    if len(text) > MOST_BYTES:
        raise CalendarInvalid([f"the text is longer than {MOST_BYTES} characters"])
    try:
        made = Overrides.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CalendarInvalid([f"not TOML: {error}"]) from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise CalendarInvalid(
            [f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in found]
        ) from None
    both = sorted(made.days_off & made.working_days)
    if both:
        raise CalendarInvalid([f"{day}: is both a day off and a working day" for day in both])
    return made


def load_calendar(file: Path | None = None, time_zone: str = "Asia/Shanghai") -> Calendar:
    """The calendar with the overrides of a file (the built-in one, which says nothing). Raises CalendarInvalid."""
    try:
        text = (file or SEED).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CalendarInvalid([f"cannot be read: {type(error).__name__}"]) from error
    return Calendar(parse_calendar(text), time_zone)


@lru_cache(maxsize=1)
def last_announced() -> dt.date:
    """The last day of the last year for which the package has a notice: every notice so far moved some weekends."""
    year = dt.date.today().year + 2
    while year > FIRST_YEAR and not _make_up_days(year):
        year -= 1
    return dt.date(year, 12, 31)


@lru_cache(maxsize=64)
def _table(year: int) -> holidays.HolidayBase:
    return holidays.country_holidays("CN", years=year)


def _days_off(year: int) -> frozenset[dt.date]:
    return frozenset(day for day in _table(year) if day.year == year)


@lru_cache(maxsize=64)
def _make_up_days(year: int) -> frozenset[dt.date]:
    return frozenset(day for day in _table(year).weekend_workdays if day.year == year)
