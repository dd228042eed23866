"""The volunteer's leg: made only for a reservation, never tied to the caller's channel.

A volunteer who hangs up ends the talk, not the call. A desk's own phone is rung after the reservation was accepted
(``agent_leg``). An ordinary telephone may be answered by anybody, or by a machine: whoever picks up is told what it is
and must press 1 (``phone_leg``); the line then outlives the talk, for a word at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.call import Call, Line
from ivr.errors import AriError, CallerLeft, LegFailed
from ivr.prompt import ask, say
from ivr.prompts.catalogue import PromptSet

T = TypeVar("T")

LATE_S = 2.0
ACCEPT_KEY = "1"
KEY_MS = 3_000


class PhoneLine(Call):
    """A volunteer's own telephone: prompts can be said to it, and the end of a talk does not hang it up."""

    async def part(self) -> None:
        """The line stays up: whoever rang it says good-bye."""


@asynccontextmanager
async def agent_leg(
    ari: Ari, endpoint: str, *, leg_id: str, caller_id: str, timeout_ms: int
) -> AsyncIterator[Line]:
    """Ring the phone of the volunteer's desk and give the answered line; it is hung up at the end.

    ``endpoint`` is made by the server from an allow-list, never by a browser. Raises ``LegFailed`` with Asterisk's
    hang-up cause when the phone is not registered, does not answer in ``timeout_ms``, or refuses.
    """
    async with Line(ari, Channel(ari, leg_id)) as line:
        await _ring(line, endpoint, caller_id, timeout_ms)
        yield line


@asynccontextmanager
async def phone_leg(
    ari: Ari,
    endpoint: str,
    prompts: PromptSet,
    *,
    leg_id: str,
    caller_id: str,
    timeout_ms: int,
    accept_ms: int,
    withdrawn: asyncio.Event,
    language: str = "zh",
) -> AsyncIterator[PhoneLine]:
    """Ring a volunteer's own telephone through a trunk; give the line once somebody there has pressed 1, within
    ``accept_ms`` of picking up.

    ``endpoint`` comes from ``ivr.dialling``. ``withdrawn`` set: the caller has left, the ringing ends and whoever has
    picked up is told. Raises ``LegFailed`` for busy, no answer, a refusal, a machine (no key), and when withdrawn.
    """
    async with PhoneLine(ari, Channel(ari, leg_id), prompts, language) as line:
        try:
            await unless(withdrawn, _ring(line, endpoint, caller_id, timeout_ms))
            taken = await unless(withdrawn, _takes_it(line, accept_ms))
        except Withdrawn:
            await tell(line, "agent_caller_left")
            raise LegFailed(0, "the caller left") from None
        if not taken:
            raise LegFailed(0, "nobody pressed the key")
        yield line


async def tell(line: PhoneLine, prompt: str) -> None:
    """Say one thing to whoever is on the line, if anybody is."""
    if line.entered.is_set():
        with suppress(CallerLeft, AriError):
            async with line.while_connected():
                await say(line, [prompt])


async def _takes_it(line: PhoneLine, accept_ms: int) -> bool:
    """Whether a person on the line has pressed 1. A greeting that talks for a minute presses nothing."""
    try:
        async with asyncio.timeout(accept_ms / 1000), line.while_connected():
            while await ask(line, ["agent_accept_key"], first_key_ms=KEY_MS) != ACCEPT_KEY:
                pass
            return True
    except CallerLeft as left:
        raise LegFailed(left.cause, "the phone was hung up") from left
    except TimeoutError:
        return False


async def _ring(line: Line, endpoint: str, caller_id: str, timeout_ms: int) -> None:
    """Call ``endpoint`` and return when it was answered. Raises LegFailed."""
    try:
        await Channel.originate(
            line.ari,
            endpoint,
            id=line.channel.id,
            caller_id=caller_id,
            timeout_s=max(1, timeout_ms // 1000),
            app_args=("agent",),
        )
    except AriError as error:
        line.mark_gone(0)
        raise LegFailed(0, f"the phone could not be rung: {error.code}") from error
    await _answered(line, timeout_ms / 1000 + LATE_S)


async def _answered(line: Line, patience_s: float) -> None:
    up = asyncio.create_task(line.entered.wait())
    try:
        await asyncio.wait({up, line.gone}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
    if line.gone.done():
        raise LegFailed(line.gone.result(), "the phone did not answer")
    if not line.entered.is_set():
        raise LegFailed(0, "the phone did not answer in time")


class Withdrawn(Exception):
    """Nobody wants the phone to be answered any more, while it still rings or nobody has pressed the key."""


async def unless(withdrawn: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, unless ``withdrawn`` is set before: then ``work`` is cancelled and Withdrawn raised."""
    task = asyncio.create_task(work)
    stop = asyncio.create_task(withdrawn.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Withdrawn
    finally:
        task.cancel()
        stop.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)


async def standing_legs(ari: Ari, prefix: str, *, ringing: bool = False) -> list[Channel]:
    """The legs whose channel id begins with ``prefix`` and that are up in Asterisk now, or not answered yet."""
    channels = await ari.request("GET", "channels")
    ours = (raw for raw in channels if raw["id"].startswith(prefix))
    return [Channel(ari, raw["id"]) for raw in ours if (raw["state"] != "Up") is ringing]
