"""The caller's survey after the talk: one question, one key, asked again once."""

from __future__ import annotations

from ivr.call import Call
from ivr.hotline import Survey
from ivr.prompt import ask, say

PATIENCE_MS = 6_000
ROUNDS = 2


async def survey(call: Call, question: Survey) -> str | None:
    """Ask and return the key, or None when the caller gave no valid answer. Keys pressed in the talk do not count."""
    call.forget_keys()
    for _ in range(ROUNDS):
        key = await ask(call, [question.prompt], first_key_ms=PATIENCE_MS)
        if key is None:
            return None
        if key in question.keys:
            return key
    return None


async def farewell(call: Call, answered: bool) -> None:
    """Thanks for the answer where there was one, and good-bye."""
    await say(call, ["survey_thanks", "goodbye"] if answered else ["goodbye"])
