"""Working days against the notices themselves.

The days are typed, independently of any library, from the notices of the General Office of the State Council:
国务院办公厅关于2025年部分节假日安排的通知 (12 November 2024) and that for 2026 (4 November 2025).
"""

from __future__ import annotations

import datetime as dt

import pytest

from switchboard.calendar import Calendar, Overrides, last_announced, load_calendar, parse_calendar
from switchboard.errors import CalendarInvalid

HOLIDAYS = {
    2025: "1/1 1/28-2/4 4/4-4/6 5/1-5/5 5/31-6/2 10/1-10/8",
    2026: "1/1-1/3 2/15-2/23 4/4-4/6 5/1-5/5 6/19-6/21 9/25-9/27 10/1-10/7",
}
MAKE_UP = {2025: "1/26 2/8 4/27 9/28 10/11", 2026: "1/4 2/14 2/28 5/9 9/20 10/10"}
DAY = dt.timedelta(days=1)
NEVER = dt.date(2031, 6, 2)
"""A Monday of a year without any notice."""


def _day(year: int, text: str) -> dt.date:
    month, day = text.split("/")
    return dt.date(year, int(month), int(day))


def _spelled_out(table: dict[int, str]) -> set[dt.date]:
    found: set[dt.date] = set()
    for year, text in table.items():
        for part in text.split():
            first, _, last = part.partition("-")
            day, end = _day(year, first), _day(year, last or first)
            while day <= end:
                found.add(day)
                day += DAY
    return found


OFF, WORKED = _spelled_out(HOLIDAYS), _spelled_out(MAKE_UP)
EVERY_DAY = [dt.date(2025, 1, 1) + n * DAY for n in range(365 * 2)]
CALENDAR = Calendar()


def _works(day: dt.date) -> bool:
    return day in WORKED or (day.weekday() < 5 and day not in OFF)


def test_every_day_of_2025_and_2026_is_what_the_notices_say() -> None:
    assert [day for day in EVERY_DAY if CALENDAR.is_working_day(day) != _works(day)] == []
    assert [day for day in EVERY_DAY if CALENDAR.is_holiday(day) != (day in OFF)] == []


def test_the_due_day_is_right_for_every_day_of_2025_and_2026() -> None:
    """Three working days after the day it came on, counted on the typed days; New Year 2027 is taken as free."""
    calendar = Calendar(Overrides(days_off=frozenset([dt.date(2027, 1, 1)])))
    for day in EVERY_DAY:
        due, left = day, 3
        while left:
            due += DAY
            left -= _works(due) and due != dt.date(2027, 1, 1)
        noon = dt.datetime(day.year, day.month, day.day, 12, tzinfo=calendar.zone)
        due_ms = calendar.due_ms(int(noon.timestamp()) * 1000)
        assert calendar.local(due_ms).date() == due
        assert (
            calendar.local(due_ms + 1)
            == dt.datetime(due.year, due.month, due.day, tzinfo=calendar.zone) + DAY
        )


@pytest.mark.parametrize(
    ("came", "due"),
    [
        (
            "2025-01-24T23:59:59",
            "2025-02-05",
        ),  # Friday; Sunday 26 is worked, 27 too, then the Spring Festival
        ("2025-09-26T09:00:00", "2025-09-30"),  # Friday; Sunday 28 is worked
        ("2026-02-13T00:00:00", "2026-02-25"),  # Friday; Saturday 14 is worked, then nine days off
        ("2026-09-30T17:30:00", "2026-10-10"),  # the third working day is a Saturday
    ],
)
def test_make_up_days_count_and_holidays_do_not(came: str, due: str) -> None:
    at = dt.datetime.fromisoformat(came).replace(tzinfo=CALENDAR.zone)
    assert str(CALENDAR.local(CALENDAR.due_ms(int(at.timestamp()) * 1000)).date()) == due


def test_the_day_is_the_local_one_and_not_that_of_utc() -> None:
    late = dt.datetime(2026, 3, 2, 23, 30, tzinfo=CALENDAR.zone)  # Monday here, 15:30 in UTC
    early = dt.datetime(2026, 3, 3, 0, 30, tzinfo=CALENDAR.zone)  # Tuesday here, still Monday in UTC
    dues = [CALENDAR.local(CALENDAR.due_ms(int(at.timestamp()) * 1000)).date() for at in (late, early)]
    assert dues == [dt.date(2026, 3, 5), dt.date(2026, 3, 6)]


def test_without_a_notice_weekdays_are_working_days_and_the_board_says_so() -> None:
    assert CALENDAR.announced_until == last_announced() >= dt.date(2026, 12, 31)
    assert CALENDAR.is_working_day(NEVER)
    assert not CALENDAR.is_working_day(NEVER - DAY)
    assert CALENDAR.is_working_day(dt.date(2031, 10, 1))
    assert not CALENDAR.is_holiday(dt.date(2031, 10, 1))
    until = CALENDAR.announced_until
    assert CALENDAR.warning(until - dt.timedelta(days=200)) is None
    warning = CALENDAR.warning(until - dt.timedelta(days=30))
    assert warning is not None
    assert all(str(until) in words for words in warning)


def test_the_override_table_goes_before_the_package() -> None:
    text = """
    announced_until = 2031-12-31
    days_off = ["2031-06-02/2031-06-04", 2026-03-02]
    working_days = [2031-06-07, 2026-10-01]
    """
    calendar = Calendar(parse_calendar(text))
    assert not any(calendar.is_working_day(NEVER + n * DAY) for n in range(3))
    assert calendar.is_working_day(dt.date(2031, 6, 7))
    assert calendar.is_working_day(dt.date(2026, 10, 1))
    assert not calendar.is_working_day(dt.date(2026, 3, 2))
    assert calendar.add_working_days(NEVER - 3 * DAY, 3) == dt.date(2031, 6, 7)
    assert calendar.warning(dt.date(2031, 1, 1)) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("days_off = ", "not TOML"),
        ("days_off = 3", "days_off"),
        ('days_off = ["2027-02-30"]', "days_off"),
        ('days_off = ["2027-03-01/2027-02-01"]', "days_off"),
        ('days_off = ["2027-01-01/2028-01-01"]', "days_off"),
        ("colour = 1", "colour"),
        ("announced_until = 3", "announced_until"),
        ("days_off = [2027-01-01]\nworking_days = [2027-01-01]", "2027-01-01"),
    ],
)
def test_a_mistake_in_the_table_is_named(text: str, named: str) -> None:
    with pytest.raises(CalendarInvalid, match=named):
        parse_calendar(text)


def test_the_built_in_table_of_overrides_is_valid() -> None:
    assert load_calendar().announced_until >= dt.date(2026, 12, 31)
