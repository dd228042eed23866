"""Messages and call-backs in tests: callers who leave them, and the volunteers who answer them by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from switchboard.records.fold import ContactRecord
from tests.support.agents import Manner, Volunteers
from tests.support.phones import Caller
from tests.support.prompts import BOOKED, CHOICES, MENU, MESSAGE, NOBODY, NUMBER, WAITING, WHEN
from tests.support.switchboard import Switchboard, eventually

SPEECH = 700
"""Hz of what the caller says."""
PROMISES = {
    "WRAP_UP_MS": "8000",
    "MESSAGE_SILENCE_S": "2",
    "MESSAGE_MOST_S": "8",
    "MESSAGE_WARN_S": "2",
    "ATTEMPT_GAPS_MS": "[3000, 3000]",
    "CALL_FROM_HOUR": "0",
    "CALL_UNTIL_HOUR": "24",
    "PRESS_ONE_MS": "1500",
}
"""Settings under which a promise is kept, or given up, within seconds."""


async def choose_labour(caller: Caller) -> None:
    await caller.answered()
    await caller.rtp.hear(MENU)
    await caller.rtp.press("2")


async def to_message_mode(caller: Caller) -> None:
    """Nobody is on duty: the caller is told at once and does not press anything."""
    await choose_labour(caller)
    await caller.rtp.hear(NOBODY)
    await caller.rtp.hear(MESSAGE)


async def speak(caller: Caller, seconds: float, hertz: int = SPEECH) -> None:
    caller.rtp.play_tone(hertz)
    await caller.rtp.wait_quiet(0.4)  # the tone before it is over
    await asyncio.sleep(seconds)  # that is how long somebody speaks
    caller.rtp.play_silence()


async def message_of(switchboard: Switchboard) -> ContactRecord:
    found = [contact for contact in await switchboard.contacts() if contact.medium == "message"]
    assert len(found) == 1
    return found[0]


async def wait_in_line(caller: Caller) -> None:
    await choose_labour(caller)
    await caller.rtp.hear(WAITING)


async def book(caller: Caller, *, when: str = "1") -> None:
    """While waiting, in a pause of the volunteer: this number, as soon as it is my turn."""
    await wait_in_line(caller)
    await caller.rtp.hear(CHOICES, 20)
    await caller.rtp.press("1")
    await caller.rtp.hear(NUMBER)
    await caller.rtp.press("1")
    await caller.rtp.hear(WHEN)
    await caller.rtp.press(when)
    await caller.rtp.hear(BOOKED)


async def callback_of(switchboard: Switchboard) -> ContactRecord:
    found = [contact for contact in await switchboard.contacts() if contact.medium == "callback"]
    assert len(found) == 1
    return found[0]


@asynccontextmanager
async def staff_of(switchboard: Switchboard, count: int = 1) -> AsyncIterator[Volunteers]:
    async with Volunteers(
        switchboard.base_url, switchboard.sip_port, switchboard.accounts[:count], manner=Manner()
    ) as staff:
        yield staff


async def rated(switchboard: Switchboard, ident: str) -> None:
    """Until the answer to the survey's first question is stored."""

    async def stored() -> bool:
        return bool((await switchboard.contact(ident))[0].survey)

    await eventually(stored, 10, "an answer")


async def leave_one(switchboard: Switchboard, number: str = "13800138105") -> ContactRecord:
    async with Caller(switchboard.sip_port, number) as caller:
        await to_message_mode(caller)
        await speak(caller, 3.0)
        caller.hang_up()
        await caller.ended()
    await switchboard.wait_ended(1)
    return await message_of(switchboard)
