"""After the talk: a few questions of one key each, and a spoken remark for whoever wants to say more.

Silence is no answer: two questions in a row without one, and the caller is left in peace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from ivr.call import Call
from ivr.errors import IvrError
from ivr.hotline import Survey
from ivr.prompt import ask, say
from ivr.voice import Voice

PATIENCE_MS = 5_000
ROUNDS = 2
MOST_SILENT = 2
REMARK_SILENCE_S = 5
CLOSED_S = 3.0


async def survey(voice: Voice, asked: Survey, on_answer: Callable[[str, str], None]) -> dict[str, str]:
    """Ask every question; the answers by its id. Keys pressed in the talk do not count.

    ``on_answer`` is told of each answer at once, so that a hang-up in the middle keeps what was answered.
    """
    voice.forget_keys()
    answers: dict[str, str] = {}
    silent = 0
    intro = asked.intro
    for question in asked.questions:
        key = await _answer(voice, [*intro, question.prompt], question.prompt, asked.keys)
        intro = ()
        if key is None:
            silent += 1
            if silent == MOST_SILENT:
                break
            continue
        silent = 0
        answers[question.id] = key
        on_answer(question.id, key)
    return answers


async def _answer(voice: Voice, prompts: list[str], again: str, keys: str) -> str | None:
    """The key, or None for silence and for two keys that are no answer."""
    for _ in range(ROUNDS):
        key = await voice.ask(prompts, first_key_ms=PATIENCE_MS)
        if key is None or key in keys:
            return key
        prompts = [again]
    return None


async def wants_to_remark(call: Call) -> bool:
    return await ask(call, ["survey_remark"], first_key_ms=PATIENCE_MS) == "1"


async def remark(call: Call, name: str, *, longest_ms: int) -> None:
    """The caller speaks after a tone, until #, silence or ``longest_ms``; then Asterisk has closed the file ``name``.

    A hang-up ends it like #: what was said until then is in the file.
    """
    await say(call, ["survey_remark_speak"])
    recording = await call.channel.record(
        name,
        max_s=max(1, longest_ms // 1000),
        max_silence_s=REMARK_SILENCE_S,
        terminate_on="#",
        beep=True,
        if_exists="overwrite",
    )
    try:
        await recording.finished()
    finally:
        if recording.live:
            with suppress(IvrError, TimeoutError):
                await recording.stop()
                async with asyncio.timeout(CLOSED_S):
                    await recording.finished()


async def farewell(call: Call, answered: bool) -> None:
    """Thanks for the answer where there was one, and good-bye."""
    await say(call, ["survey_thanks", "goodbye"] if answered else ["goodbye"])
