"""Calling somebody back: which numbers may be dialled, the call through the trunk, and whether a person took it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import phonenumbers
from phonenumbers import PhoneNumberType

from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.call import Call
from ivr.errors import AriError, NotReached
from ivr.prompt import ask
from ivr.prompts.catalogue import PromptSet

TRUNK = "trunk"
LATE_S = 2.0
ROUNDS = 3
PATIENCE_MS = 4_000
BUSY, ANSWERED_ELSEWHERE = 17, 26
_KINDS = frozenset(
    {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
)

How = Literal["busy", "no_answer", "not_confirmed", "failed"]


def dialable(number: str | None) -> str | None:
    """A Chinese mobile or landline number as it is dialled here, digits only; None for anything else.

    Short, premium and foreign numbers are never called back: who could make us dial them could make us pay.
    """
    if not number or not number.removeprefix("+").isascii() or not number.removeprefix("+").isdigit():
        return None
    try:
        parsed = phonenumbers.parse(number, "CN")
    except phonenumbers.NumberParseException:
        return None
    if parsed.country_code != 86 or not phonenumbers.is_valid_number(parsed):
        return None
    if phonenumbers.number_type(parsed) not in _KINDS:
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(sign for sign in written if sign in "0123456789")


def trunk_endpoint(number: str) -> str:
    """What to originate to. Raises ValueError for a number that is not ``dialable``."""
    digits = dialable(number)
    if digits is None:
        raise ValueError("not a number that may be dialled")
    return f"PJSIP/{digits}@{TRUNK}"


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
