"""When a person answers, and when next: make-up days, holidays, several spans, hours of one matter."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.hours import HoursRule, Opening, opening, spans_of

ZONE = ZoneInfo("Asia/Shanghai")


class Spring2026:
    """The Spring Festival of 2026: 15 to 23 February off, Saturdays 14 and 28 worked."""

    def is_working_day(self, date: dt.date, /) -> bool:
        if date in (dt.date(2026, 2, 14), dt.date(2026, 2, 28)):
            return True
        return date.weekday() < 5 and not self.is_holiday(date)

    def is_holiday(self, date: dt.date, /) -> bool:
        return dt.date(2026, 2, 15) <= date <= dt.date(2026, 2, 23)


OFFICE = [HoursRule.model_validate({"days": ["working_days"], "open": ["13:30-17:00", "09:00-12:00"]})]
MIXED = [
    HoursRule.model_validate({"days": ["holidays"], "open": []}),
    HoursRule.model_validate({"days": ["sat", "sun"], "open": ["10:00-12:00"]}),
    HoursRule.model_validate({"days": ["every_day"], "open": ["08:00-24:00"]}),
    HoursRule.model_validate(
        {"days": ["working_days"], "open": ["10:00-16:00"], "matters": ["notarization"]}
    ),
    HoursRule.model_validate({"days": ["days_off"], "open": [], "matters": ["notarization"]}),
]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZONE)


def ask(hours: list[HoursRule], text: str, matter: str = "labour") -> Opening:
    return opening(hours, matter, at(text), Spring2026())


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("02-12T09:00", None),
        ("02-12T11:59", None),
        ("02-12T08:59", "02-12T09:00"),
        ("02-12T12:00", "02-12T13:30"),
        ("02-12T17:00", "02-13T09:00"),
        ("02-14T10:00", None),  # a Saturday that is worked
        ("02-14T17:00", "02-24T09:00"),  # nine days off
        ("02-16T10:00", "02-24T09:00"),  # a Monday that is off
        ("02-27T18:00", "02-28T09:00"),
        ("02-28T18:00", "03-02T09:00"),
    ],
)
def test_office_hours_follow_working_days_and_make_up_days(now: str, then: str | None) -> None:
    assert ask(OFFICE, now) == Opening(then is None, at(then) if then else None)


@pytest.mark.parametrize(
    ("now", "matter", "then"),
    [
        ("02-12T23:59", "labour", None),
        ("02-13T00:00", "labour", "02-13T08:00"),
        ("02-16T10:00", "labour", "02-24T08:00"),
        ("02-14T10:00", "labour", None),
        ("02-14T12:00", "labour", "02-24T08:00"),
        ("03-07T12:00", "labour", "03-08T10:00"),
        ("02-14T10:00", "notarization", None),
        ("02-12T09:00", "notarization", "02-12T10:00"),
        ("03-07T10:00", "notarization", "03-09T10:00"),
    ],
)
def test_the_first_rule_that_covers_a_day_decides_and_a_matters_own_go_first(
    now: str, matter: str, then: str | None
) -> None:
    assert ask(MIXED, now, matter) == Opening(then is None, at(then) if then else None)


def test_without_rules_a_person_answers_day_and_night() -> None:
    assert ask([], "02-16T03:00") == Opening(True)


def test_hours_that_never_come_have_no_next_opening() -> None:
    never = [HoursRule.model_validate({"days": ["every_day"], "open": []})]
    assert ask(never, "02-16T03:00") == Opening(False, None)


def test_a_night_is_two_spans() -> None:
    night = [HoursRule.model_validate({"days": ["every_day"], "open": ["00:00-06:00", "22:00-24:00"]})]
    assert ask(night, "02-16T23:59").open
    assert ask(night, "02-17T00:00").open
    assert ask(night, "02-17T06:00") == Opening(False, at("02-17T22:00"))


@given(
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2026, 12, 1)),
    st.sampled_from(["labour", "notarization"]),
)
def test_at_the_next_opening_it_is_open_and_not_a_minute_before(now: dt.datetime, matter: str) -> None:
    found = opening(MIXED, matter, now, Spring2026())
    if found.open:
        assert any(
            span.begin <= now.hour * 60 + now.minute < span.end
            for span in spans_of(MIXED, matter, now.date(), Spring2026())
        )
        return
    assert found.next is not None
    assert found.next > now
    assert opening(MIXED, matter, found.next, Spring2026()).open
    assert not opening(MIXED, matter, found.next - dt.timedelta(minutes=1), Spring2026()).open
