"""Booking a call-back: the number read back and confirmed or keyed in, and one of two times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ivr.call import Call
from ivr.keys import read_number
from ivr.prompt import ask, say

When = Literal["turn", "later"]

LONGEST = 16
PATIENCE_MS = 8_000
ROUNDS = 3


async def ask_number(call: Call, known: str | None, valid: Callable[[str], str | None]) -> str | None:
    """The number to call: the caller's own once confirmed, or one keyed in. None when there is none.

    ``known`` is None for a withheld number; ``valid`` gives a number as it is to be dialled, None for one that may
    not be dialled.
    """
    prompts = [] if known else ["callback_number_hidden"]
    number = known
    for _ in range(ROUNDS):
        if number is None:
            typed = await read_number(call, [*prompts, "callback_number_ask"], most=LONGEST)
            number = valid(typed) if typed else None
            if number is None:
                prompts = ["callback_number_wrong"] if typed else []
                continue
        said = [
            "callback_number_is",
            *call.prompts.digits_keys(call.language, number),
            "callback_number_right",
        ]
        key = await ask(call, said, first_key_ms=PATIENCE_MS)
        if key == "1":
            return number
        prompts = []
        if key is not None:
            number = None
    await say(call, ["callback_no_number"])
    return None


async def ask_when(call: Call) -> When | None:
    """As soon as it is the caller's turn, or the next working day. None: no answer, twice."""
    for _ in range(2):
        key = await ask(call, ["callback_when"], first_key_ms=PATIENCE_MS)
        if key == "1":
            return "turn"
        if key == "2":
            return "later"
    return None
