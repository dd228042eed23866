"""Whom we may call, and who called."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialling import TrunkRules, caller_number, own_number, trunk_endpoint
from ivr.errors import NumberRefused

TRUNK = TrunkRules("trunk")
OPEN = dataclasses.replace(TRUNK, international=True, premium=True)


@pytest.mark.parametrize(
    ("number", "dialled"),
    [
        ("13800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("013800138000", "13800138000"),
        ("138 0013-8000", "13800138000"),
        ("010-85281700", "01085281700"),
        ("+86 10 8528 1700", "01085281700"),
        ("8008101234", "8008101234"),
    ],
)
def test_a_national_number_is_called_in_the_national_form(number: str, dialled: str) -> None:
    assert trunk_endpoint(number, TRUNK) == f"PJSIP/{dialled}@trunk"


def test_a_trunk_may_want_e164_and_a_prefix() -> None:
    trunk = dataclasses.replace(TRUNK, form="e164", prefix="9", endpoint="trunk-north")
    assert trunk_endpoint("010 85281700", trunk) == "PJSIP/9861085281700@trunk-north"


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("", "not_digits"),
        ("12", "not_digits"),
        ("anonymous", "not_digits"),
        ("13800138000@evil.example", "not_digits"),
        ("13800138000&PJSIP/900", "not_digits"),
        ("138\r\nX: y", "not_digits"),
        ("１３８００１３８０００", "not_digits"),
        ("1380013800" * 4, "not_digits"),
        ("*31#13800138000", "not_digits"),
        ("110", "not_listed"),
        ("12345", "not_listed"),
        ("95555", "not_listed"),
        ("85281700", "not_valid"),
        ("23800138000", "not_valid"),
        ("+493012345678", "international"),
        ("00493012345678", "international"),
        ("+85221234567", "international"),
        ("16812345", "premium"),
        ("4008123123", "premium"),
    ],
)
def test_what_may_not_be_called_is_refused_with_its_reason(number: str, why: str) -> None:
    with pytest.raises(NumberRefused) as refused:
        trunk_endpoint(number, TRUNK)
    assert refused.value.why == why
    assert not re.search(r"\d{4}", str(refused.value))


def test_short_numbers_are_called_when_the_hotline_lists_them() -> None:
    assert trunk_endpoint("12345", TRUNK, listed=["12345", "110"]) == "PJSIP/12345@trunk"
    assert (
        trunk_endpoint("110", dataclasses.replace(TRUNK, short_numbers=frozenset({"110"})))
        == "PJSIP/110@trunk"
    )
    with pytest.raises(NumberRefused):
        trunk_endpoint("119", TRUNK, listed=["12345", "110"])


def test_what_the_operator_opens_is_called() -> None:
    assert trunk_endpoint("+493012345678", OPEN) == "PJSIP/00493012345678@trunk"
    assert trunk_endpoint("4008123123", OPEN) == "PJSIP/4008123123@trunk"


@given(st.text(max_size=60) | st.from_regex(r"\+?[0-9 ()-]{0,20}", fullmatch=True))
def test_whatever_is_given_only_digits_reach_the_trunk(number: str) -> None:
    try:
        dialled = trunk_endpoint(number, OPEN, listed=[number])
    except NumberRefused:
        return
    assert re.fullmatch(r"PJSIP/[0-9]{3,20}@trunk", dialled)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("13800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("013800138000", "13800138000"),
        ("+861085281700", "01085281700"),
        ("01085281700", "01085281700"),
        ("+493012345678", "+493012345678"),
        ("00493012345678", "+493012345678"),
        ("85281700", "85281700"),
        ("12345", "12345"),
        ("110", "110"),
        ("", None),
        (None, None),
        ("anonymous", None),
        ("Anonymous", None),
        ("Unavailable", None),
        ("+", None),
        ("99", None),
        ("abcdefghijkl", None),
        ("<b>1</b>", None),
        ("138\r\nX: y", None),
        ("1" * 400, None),
        ("1" * 16, None),
    ],
)
def test_who_called_is_kept_in_one_form_or_not_at_all(given: str | None, kept: str | None) -> None:
    assert caller_number(given) == kept


@given(st.text(max_size=500))
def test_a_caller_s_number_is_never_anything_but_a_number(text: str) -> None:
    kept = caller_number(text)
    assert kept is None or re.fullmatch(r"\+?[0-9]{3,15}", kept)


def test_the_kept_form_can_be_called_back() -> None:
    for given_number in ("+8613800138000", "01085281700", "861085281700"):
        kept = caller_number(given_number)
        assert kept is not None
        assert trunk_endpoint(kept, TRUNK) == f"PJSIP/{kept}@trunk"


def test_a_volunteer_s_own_telephone_is_an_ordinary_number_of_the_country() -> None:
    assert own_number("+86 138 0013 8000") == "13800138000"
    for unfit in ("110", "12348", "4008123123", "8008101234", "+493012345678", "85281700", "anonymous"):
        with pytest.raises(NumberRefused):
            own_number(unfit)
