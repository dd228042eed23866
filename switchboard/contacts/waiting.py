"""Waiting in line: what a caller is told, and the other ways out of the queue.

A caller whom nobody on duty could serve is told so at once; under overload the other ways are offered first. Nobody
rings for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import structlog

from ivr.call import Call
from ivr.errors import AriError
from ivr.prompt import ask, say
from ivr.waiting import Band, Offers, Wish, wait_in_line
from routing.errors import RoutingError
from switchboard.contacts.callback import already_booked, book_callback, tell_booked
from switchboard.contacts.contact import Contact
from switchboard.contacts.message import already_left, leave_message

log = structlog.get_logger(__name__)

PATIENCE_MS = 3_000
AGAIN_S = 1.0

Instead = Literal["wait", "stay", "done"]
"""Wait in the queue, wait although nobody is on duty, or the call has its end."""


class Place:
    """A caller's place in the queue, as the announcements ask for it (``ivr.waiting.News``)."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact

    async def ahead(self) -> int | None:
        try:
            place = await self._contact.house.engine.place(self._contact.id)
        except RoutingError:
            return None
        return place.ahead if place else None

    async def band(self) -> Band | None:
        band = await self._contact.house.estimate(self._contact)
        return (band.low_min, band.high_min) if band else None

    async def served(self) -> bool:
        return await self._contact.house.on_duty(self._contact)


async def wait_or_choose(call: Call, contact: Contact, *, stay: bool) -> Wish | Literal["booked"]:
    """What a waiting caller hears, until another way is chosen; runs beside the queue, for as long as it takes."""
    while True:
        try:
            wish = await wait_in_line(call, Place(contact), offers_of(contact), stay=stay)
            if wish != "callback":
                return wish
            if await book_callback(call, contact):
                return "booked"
            await say(call, ["wait_go_on"])
        except AriError as error:  # who cannot be told anything just now still waits
            log.warning("nothing said to a waiting caller", contact=contact.id, error=error.code)
            await asyncio.sleep(AGAIN_S)


async def already_promised(call: Call, contact: Contact) -> bool:
    """After a restart: what the caller chose is in SQL, so the call has its end."""
    return await already_left(call, contact) or await already_booked(call, contact)


def overload_level(contact: Contact) -> str:
    house = contact.house
    return house.overload.level(house.policy.matter(contact.served_matter()).role)


def offers_of(contact: Contact) -> Offers:
    house = contact.house
    return Offers(
        callback=house.calls_out and not contact.demo,
        actively=overload_level(contact) == "callback",
    )


async def before_the_queue(call: Call, contact: Contact) -> Instead:
    """Nobody on duty, or too many calls: the caller is told at once. ``done``: the call has its end."""
    if contact.origin or contact.queued_ms:  # put ahead by a code, or found again in the queue
        return "wait"
    if not await contact.house.on_duty(contact):
        return await nobody_serves(call, contact)
    if overload_level(contact) == "message" and contact.priority == 0:
        if await ask(call, ["offer_message"], first_key_ms=PATIENCE_MS) == "0":
            return "wait"
        return await message_instead(call, contact, "overload")
    return "wait"


async def nobody_serves(call: Call, contact: Contact) -> Instead:
    """Nobody who could serve this caller is on duty: a message, a call-back, or wait all the same."""
    callback = offers_of(contact).callback
    choices = "nobody_choices" if callback else "nobody_choice_message"
    key = await ask(call, ["nobody_serves", choices], first_key_ms=PATIENCE_MS)
    if key == "0":
        return "stay"
    if key == "1" and callback and await book_callback(call, contact):
        await tell_booked(call, contact)
        return "done"
    return await message_instead(call, contact, "nobody")


async def message_instead(call: Call, contact: Contact, why: str, intro: Sequence[str] = ()) -> Instead:
    """Message mode as the way out: the call ends with it, whether or not anything was said."""
    if not await leave_message(call, contact, why, intro=intro):
        contact.end("timed_out" if why == "timed_out" else "no_agent", "system")
        await say(call, ["goodbye"])
    return "done"
