"""Numbers, waits and times as sequences of keys: what `ivr.prompt.say(call, keys)` takes.

A day and an hour are whole phrases, because syllables put in one by one are hard to understand on the phone; a
sentence is laid out so that the composed part comes last ("We open again: tomorrow, at nine in the morning").
Every key that can come out of here stands in the tables of texts: the tests try them all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from itertools import pairwise

BANDS: tuple[tuple[int, int | None], ...] = (
    *((0, 1), (1, 3), (3, 5), (5, 10), (10, 15), (15, 20), (20, 30), (30, 45), (45, 60), (60, None)),
)
"""The waits, in minutes, for which there is a phrase; the last has no upper end."""

MOST_DIGITS = 32
_HALF_HOUR = 30
_DAYS_BY_NAME = ("today", "tomorrow", "day_after_tomorrow")
_WEEKDAY_FIRST = frozenset({"en"})


def ahead_keys(callers: int, last: int) -> list[str]:
    """How many callers stand before this one: "you are next", a whole phrase, or "more than" `last`."""
    if callers <= 0:
        return ["next_in_line"]
    return [f"ahead_{callers}" if callers <= last else "ahead_many"]


def band_keys(low: int, high: int | None) -> list[str]:
    """The wait in whole minutes. A band without a phrase of its own is said as the one that its end lies in."""
    if (low, high) not in BANDS:
        end = low if high is None else max(low, high - 1)
        low, high = next(band for band in reversed(BANDS) if band[0] <= max(0, end))
    return [f"band_{low}" if high is None else f"band_{low}_{high}"]


def digits_keys(number: str, known: Collection[str]) -> list[str]:
    """A telephone or ticket number: even groups of up to four digits with a pause between them.

    Where the language has pairs (`known` holds its keys) the digits are said in pairs, else one by one. Signs and
    blanks are left out. Raises ValueError for more than 32 digits.
    """
    plain = "".join(sign for sign in number if sign in "0123456789")
    if len(plain) > MOST_DIGITS:
        raise ValueError(f"a number to be said has at most {MOST_DIGITS} digits")
    keys: list[str] = []
    for group in digit_groups(plain):
        keys += ["pause"] if keys else []
        parts: Iterable[str] = digit_pairs(group) if "digits_00" in known else group
        keys += [f"digits_{part}" for part in parts]
    return keys


def digit_groups(number: str) -> list[str]:
    """Even groups of at most four digits, the longer ones last: a mobile number becomes 3-4-4."""
    if not number:
        return []
    count = -(-len(number) // 4)
    ends = [len(number) * group // count for group in range(count + 1)]
    return [number[start:end] for start, end in pairwise(ends)]


def digit_pairs(group: str) -> list[str]:
    """A group as pairs; an odd group begins with its single digit: 138 is 1, 38."""
    odd = len(group) % 2
    return [*([group[0]] if odd else []), *(group[at : at + 2] for at in range(odd, len(group), 2))]


def date_keys(language: str, day: date) -> list[str]:
    """Month, day and weekday, in the order of the language; the year is never said."""
    month_and_day = [f"month_{day.month}", f"day_{day.day}"]
    weekday = f"weekday_{day.isoweekday()}"
    return [weekday, *month_and_day] if language in _WEEKDAY_FIRST else [*month_and_day, weekday]


def moment_keys(language: str, when: datetime, now: datetime) -> list[str]:
    """A day and a time of day: today, tomorrow, the day after, a weekday of this or the next week, else the date.

    Times are said in half hours; what lies between is said as the next one, so that nobody comes too early. Both
    are naive, or both aware: `now` is then seen in the zone of `when`. Raises TypeError when only one is aware.
    """
    if when.tzinfo is not None and now.tzinfo is not None:
        now = now.astimezone(when.tzinfo)
    elif when.tzinfo is not now.tzinfo:
        raise TypeError("of two times to be compared, both have a zone or neither")
    when = _next_half_hour(when.replace(tzinfo=None))
    # Midnight ends a day for those who listen: "tonight at twelve" is 0:00 of tomorrow.
    day = (when - timedelta(days=1)).date() if when.time() == time() else when.date()
    return [*_day_keys(language, day, now.date()), f"time_{when:%H%M}"]


def _next_half_hour(when: datetime) -> datetime:
    whole = when.replace(second=0, microsecond=0)
    if whole != when:
        whole += timedelta(minutes=1)
    return whole + timedelta(minutes=-whole.minute % _HALF_HOUR)


def _day_keys(language: str, day: date, today: date) -> list[str]:
    days = (day - today).days
    if 0 <= days < len(_DAYS_BY_NAME):
        return [_DAYS_BY_NAME[days]]
    weeks = (_monday(day) - _monday(today)).days // 7
    if days > 0 and weeks in (0, 1):
        return [f"{'next' if weeks else 'this'}_week_{day.isoweekday()}"]
    return date_keys(language, day)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
