"""Dialling back in: the code that was told at the end of a message or a call-back."""

from __future__ import annotations

from ivr.call import Call
from ivr.keys import read_number

LENGTH = 6


async def read_code(call: Call) -> str | None:
    """Ask for the code. None when what was keyed in cannot be one."""
    code = await read_number(call, ["code_ask"], most=LENGTH)
    return code if len(code) == LENGTH else None
