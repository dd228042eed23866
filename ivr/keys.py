"""Numbers keyed in on the telephone."""

from __future__ import annotations

from collections.abc import Sequence

from ivr.call import Call
from ivr.prompt import ask, key_within

FIRST_MS = 8_000
NEXT_MS = 4_000


async def read_number(call: Call, prompts: Sequence[str], *, most: int) -> str:
    """The digits pressed until ``#``, a pause, or ``most`` of them; ``*`` begins anew. Empty: nothing was pressed."""
    number = ""
    key = await ask(call, prompts, first_key_ms=FIRST_MS)
    while key is not None and key != "#":
        number = "" if key == "*" else number + key
        if len(number) >= most:
            break
        key = await key_within(call, NEXT_MS)
    return number
