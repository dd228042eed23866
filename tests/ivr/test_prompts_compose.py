"""Numbers, waits and times come out as keys that have words and a sound in every language."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.prompts.catalogue import PromptSet
from ivr.prompts.compose import BANDS, digit_groups, digit_pairs, moment_keys
from ivr.prompts.texts import LANGUAGES, english, hanzi, ordinal

SHANGHAI = ZoneInfo("Asia/Shanghai")
FRIDAY = datetime(2026, 1, 2, 20, 15, tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def prompts() -> PromptSet:
    return PromptSet()


def heard(prompts: PromptSet, language: str, keys: list[str]) -> str:
    """The words of the keys, which must all have a sound."""
    assert all(prompts.media(language, key) for key in keys)
    return " ".join(prompts.text(language, key) for key in keys)


# The place and the wait


def test_the_place_in_the_queue_is_one_whole_phrase(prompts: PromptSet) -> None:
    assert prompts.ahead_keys(0) == ["next_in_line"]
    assert prompts.ahead_keys(-1) == ["next_in_line"]
    assert prompts.ahead_keys(3) == ["ahead_3"]
    assert prompts.ahead_keys(50) == ["ahead_50"]
    assert prompts.ahead_keys(51) == ["ahead_many"]
    assert prompts.text("zh", "ahead_3") == "您前面还有3位来电者。"
    assert prompts.phrases["zh"]["ahead_2"].said == "您前面还有两位来电者。"
    assert prompts.phrases["en"]["ahead_1"].said == "There is one person ahead of you."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_band_of_waiting_is_one_whole_phrase(prompts: PromptSet, language: str) -> None:
    for low, high in BANDS:
        (key,) = prompts.band_keys(low, high)
        assert key == (f"band_{low}" if high is None else f"band_{low}_{high}")
        assert heard(prompts, language, [key])
    assert prompts.text("zh", "band_5_10") == "预计要等五到十分钟。"
    assert prompts.text("en", "band_60") == "The wait is more than one hour."


def test_a_band_that_nobody_recorded_is_never_said_shorter_than_it_is(prompts: PromptSet) -> None:
    assert prompts.band_keys(0, 5) == ["band_3_5"]
    assert prompts.band_keys(5, 15) == ["band_10_15"]
    assert prompts.band_keys(45, None) == ["band_45_60"]
    assert prompts.band_keys(90, None) == ["band_60"]
    assert prompts.band_keys(-1, 0) == ["band_0_1"]


# Digits


def test_numbers_are_said_in_pairs_with_a_pause_between_groups(prompts: PromptSet) -> None:
    said = prompts.digits_keys("zh", "138 0013-8000")
    assert " ".join(said).replace("digits_", "") == "1 38 pause 00 13 pause 80 00"
    assert " ".join(prompts.digits_keys("en", "12348")).replace("digits_", "") == "1 2 pause 3 4 8"
    assert prompts.digits_keys("zh", "") == []
    with pytest.raises(ValueError, match="32"):
        prompts.digits_keys("zh", "1" * 33)


def test_a_dialect_says_numbers_as_mandarin_does(prompts: PromptSet) -> None:
    assert prompts.digits_keys("local", "12348") == prompts.digits_keys("zh", "12348")


@pytest.mark.parametrize(
    ("length", "sizes"),
    [(1, [1]), (4, [4]), (5, [2, 3]), (7, [3, 4]), (8, [4, 4]), (10, [3, 3, 4]), (11, [3, 4, 4])],
)
def test_groups_are_even_and_of_at_most_four(length: int, sizes: list[int]) -> None:
    number = "1234567890123"[:length]
    assert [len(group) for group in digit_groups(number)] == sizes
    assert "".join(digit_groups(number)) == number
    assert "".join("".join(digit_pairs(group)) for group in digit_groups(number)) == number


def test_counts_are_said_as_people_say_them() -> None:
    counts = {1: "一", 2: "两", 10: "十", 12: "十二", 20: "二十", 22: "二十二", 60: "六十"}
    assert {n: hanzi(n) for n in counts} == counts
    assert [english(n) for n in (1, 12, 20, 47)] == ["one", "twelve", "twenty", "forty-seven"]
    places = {1: "first", 12: "twelfth", 18: "eighteenth", 20: "twentieth", 23: "twenty-third"}
    assert {n: ordinal(n) for n in places} == places
    with pytest.raises(ValueError, match="no words"):
        hanzi(0)
    with pytest.raises(ValueError, match="no words"):
        english(100)


# Days and hours


@pytest.mark.parametrize(
    ("when", "zh", "en"),
    [
        ("2026-01-02 21:00", "今天 晚上九点", "today at nine in the evening"),
        ("2026-01-03 09:00", "明天 上午九点", "tomorrow at nine in the morning"),
        ("2026-01-04 13:30", "后天 下午一点半", "the day after tomorrow at half past one in the afternoon"),
        ("2026-01-05 09:00", "在下个星期一 上午九点", "Monday next week at nine in the morning"),
        ("2026-01-11 12:00", "在下个星期天 中午十二点", "Sunday next week at twelve noon"),
        ("2026-01-12 09:00", "在一月 十二号 那天是星期一 上午九点",
         "Monday January the twelfth at nine in the morning"),
        ("2026-01-03 00:00", "今天 夜里十二点", "today at midnight"),
        ("2026-01-03 00:30", "明天 凌晨十二点半", "tomorrow at half past midnight"),
        ("2026-01-02 23:45", "今天 夜里十二点", "today at midnight"),
        ("2026-01-03 08:45", "明天 上午九点", "tomorrow at nine in the morning"),
        ("2026-01-03 08:31", "明天 上午九点", "tomorrow at nine in the morning"),
        ("2026-01-01 09:00", "在一月 一号 那天是星期四 上午九点",
         "Thursday January the first at nine in the morning"),
    ],
)  # fmt: skip
def test_a_moment_is_said_as_near_as_it_is(prompts: PromptSet, when: str, zh: str, en: str) -> None:
    then = datetime.fromisoformat(when).replace(tzinfo=SHANGHAI)
    assert heard(prompts, "zh", prompts.moment_keys("zh", then, FRIDAY)) == zh
    assert heard(prompts, "en", prompts.moment_keys("en", then, FRIDAY)) == en


def test_a_later_day_of_this_week_is_said_by_its_name(prompts: PromptSet) -> None:
    monday, thursday = datetime(2026, 1, 5, 8), datetime(2026, 1, 8, 9)
    assert heard(prompts, "zh", prompts.moment_keys("zh", thursday, monday)) == "在这个星期四 上午九点"
    keys = prompts.moment_keys("en", thursday, monday)
    assert heard(prompts, "en", keys) == "this Thursday at nine in the morning"


def test_today_is_the_day_of_the_place_of_the_hotline(prompts: PromptSet) -> None:
    late = datetime(2026, 1, 2, 16, 30, tzinfo=UTC)  # already the 3rd in Shanghai
    nine = datetime(2026, 1, 3, 9, tzinfo=SHANGHAI)
    assert prompts.moment_keys("zh", nine, late) == ["today", "time_0900"]
    with pytest.raises(TypeError):
        prompts.moment_keys("zh", nine, datetime(2026, 1, 2))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_day_of_a_year_and_every_half_hour_can_be_said(prompts: PromptSet, language: str) -> None:
    now = datetime(2027, 12, 20, 11, 59, 59, 999_999)
    for days, half_hours in product(range(-2, 400), (0, 17, 18, 25, 34, 47)):
        then = datetime(2027, 12, 20) + timedelta(days=days, minutes=30 * half_hours)
        assert heard(prompts, language, prompts.moment_keys(language, then, now))
    assert prompts.date_keys(language, date(2028, 2, 29))


@given(moments := st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), moments)
def test_the_half_hour_said_is_the_next_one_so_that_nobody_comes_too_early(
    when: datetime, now: datetime
) -> None:
    said = moment_keys("zh", when, now)[-1]
    begin = when.replace(hour=0, minute=0, second=0, microsecond=0)
    late = timedelta(hours=int(said[5:7]), minutes=int(said[7:])) - (when - begin)
    assert late % timedelta(days=1) < timedelta(minutes=30)
