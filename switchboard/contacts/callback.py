"""Booking a call-back while waiting: the place is kept, the line is free."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from ivr.call import Call
from ivr.callback import ask_number, ask_when
from ivr.prompt import say
from switchboard.contacts.contact import Contact
from switchboard.contacts.message import code_prompts
from switchboard.contacts.promises import (
    PROMPTLY_DAYS,
    callback_id,
    next_morning_ms,
    promise,
    promised_contact,
)
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.house import House

log = structlog.get_logger(__name__)


async def book_callback(call: Call, contact: Contact) -> bool:
    """Ask for number and time, and promise the call (``tell_booked`` says so). False when the caller did not get so
    far; waiting goes on.

    The promise is in SQL before it is in the queue, and in the queue before the call leaves it: the place is never
    free in between.
    """
    house = contact.house
    if not house.calls_out:
        return False
    number = await ask_number(call, house.dialable(contact.caller), house.dialable)
    when = await ask_when(call) if number else None
    if number is None or when is None:
        return False
    later_ms = next_morning_ms(house.calendar, now_ms()) if when == "later" else None
    contact.booking = asyncio.create_task(book(house, contact, number, later_ms))
    await asyncio.shield(contact.booking)
    return True


async def tell_booked(call: Call, contact: Contact) -> None:
    """What was booked, and the code for dialling back in."""
    if contact.booking is not None:
        await say(call, booked_prompts(call, await contact.booking))


async def book(house: House, contact: Contact, number: str, next_ms: int | None) -> Contact:
    """Not given up half-way, whoever hangs up or accepts meanwhile."""
    ident = callback_id(contact.id)
    await contact.stored()
    record = await house.records.contact(contact.id)
    if record is None:
        raise LookupError(contact.id)
    await promise(
        house, ident, record[0], medium="callback", days=PROMPTLY_DAYS, caller=number, next_ms=next_ms
    )
    # The wait began when the call did: that is the place.
    await house.records.append(
        ident, "queued", key="queued", at_ms=contact.queued_ms or contact.arrived_ms, entry=ident
    )
    booked = await promised_contact(house, ident)
    if booked is None:
        raise LookupError(ident)
    contact.end("callback_booked", "caller")
    house.tasks.begin(booked)
    log.info("call-back booked", contact=ident, later=next_ms is not None)
    return booked


def booked_prompts(call: Call, booked: Contact) -> list[str]:
    said = "callback_booked" if booked.next_ms is None else "callback_booked_later"
    return [said, *code_prompts(call, booked.code)]


async def already_booked(call: Call, contact: Contact) -> bool:
    """After a restart: the call-back of this call was promised, and the caller may not have heard it."""
    booked = await promised_contact(contact.house, callback_id(contact.id))
    if booked is None or booked.due_ms is None:
        return False
    contact.end("callback_booked", "caller")
    await say(call, booked_prompts(call, booked))
    return True
