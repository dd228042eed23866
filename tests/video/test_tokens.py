"""Tokens: only what we signed, for this room, in its time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video.errors import TokenExpired, TokenOfAnotherRoom, TokenRefused
from video.tokens import Invitation, Role, sign, verify

SECRET = b"one"
GOOD = Invitation("r1", "p1", "王敏", Role.HOST, 2_000, True, 4)


def test_a_token_says_what_was_signed() -> None:
    assert verify(SECRET, sign(SECRET, GOOD), "r1", 1_000) == GOOD


def test_each_refusal_has_its_code() -> None:
    token = sign(SECRET, GOOD)
    for error, room, now_ms, text in (
        (TokenExpired, "r1", 2_000, token),
        (TokenOfAnotherRoom, "r2", 1_000, token),
        (TokenRefused, "r1", 1_000, sign(b"another", GOOD)),
    ):
        with pytest.raises(error) as refused:
            verify(SECRET, text, room, now_ms)
        assert type(refused.value) is error
    assert len({one.code for one in (TokenExpired, TokenOfAnotherRoom, TokenRefused)}) == 3


@given(st.one_of(st.text(max_size=300), st.none(), st.integers(), st.binary(max_size=20)))
def test_anything_else_is_refused(token: object) -> None:
    with pytest.raises(TokenRefused):
        verify(SECRET, token, "r1", 1_000)


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_one_changed_character_is_seen(at: int, new: str) -> None:
    token = sign(SECRET, GOOD)
    at %= len(token)
    last = at in (token.index(".") - 1, len(token) - 1)  # the last character of base64 has spare bits
    changed = token[:at] + new + token[at + 1 :]
    if changed != token and not last:
        with pytest.raises(TokenRefused):
            verify(SECRET, changed, "r1", 1_000)
