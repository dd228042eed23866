"""Calling somebody back: the call through the trunk, and whether a person took it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.call import Call
from ivr.errors import AriError, NotReached
from ivr.prompt import ask
from ivr.prompts.catalogue import PromptSet

LATE_S = 2.0
ROUNDS = 3
PATIENCE_MS = 4_000
BUSY = 17

How = Literal["busy", "no_answer", "not_confirmed", "failed"]


@asynccontextmanager
async def outbound_call(
    ari: Ari,
    endpoint: str,
    prompts: PromptSet,
    *,
    channel_id: str,
    language: str,
    caller_id: str,
    timeout_ms: int,
    adopt: bool = False,
) -> AsyncIterator[Call]:
    """Ring somebody and give the answered call; it is hung up at the end.

    ``adopt``: the channel rings or talks already, from before this process. Raises ``NotReached``.
    """
    async with Call(ari, Channel(ari, channel_id), prompts, language) as call:
        try:
            if adopt:
                await _adopt(call)
            else:
                await Channel.originate(
                    ari,
                    endpoint,
                    id=channel_id,
                    caller_id=caller_id,
                    timeout_s=max(1, timeout_ms // 1000),
                    app_args=("outbound",),
                )
        except AriError as error:
            call.mark_gone(0)
            raise NotReached("failed", 0) from error
        await _answered(call, timeout_ms / 1000 + LATE_S)
        yield call


async def _adopt(call: Call) -> None:
    raw = await call.ari.request("GET", f"channels/{call.channel.id}")
    if raw["state"] == "Up":
        call.entered.set()


async def _answered(call: Call, patience_s: float) -> None:
    up = asyncio.create_task(call.entered.wait())
    try:
        await asyncio.wait({up, call.gone}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
    if call.gone.done():
        cause = call.gone.result()
        raise NotReached("busy" if cause == BUSY else "no_answer", cause)
    if not call.entered.is_set():
        raise NotReached("no_answer", 0)


async def person_answers(call: Call, prompts: Sequence[str], *, patience_ms: int = PATIENCE_MS) -> bool:
    """Ask for the key 1. A machine that took the call never presses it, nor does whoever is surprised by it."""
    for _ in range(ROUNDS):
        if await ask(call, prompts, first_key_ms=patience_ms) == "1":
            return True
    return False
