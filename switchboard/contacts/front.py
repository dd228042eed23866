"""The front of a call: greeting, consent, known callers, intake, recorded information, and what is said when closed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Literal

import structlog

from ivr.call import Call
from ivr.hotline import Hotline
from ivr.hours import Opening, opening
from ivr.intake import Closed, Intake, announce, intake, tell
from ivr.prompt import Telephone, say
from ivr.prompts.catalogue import PromptSet
from switchboard.contacts.contact import Contact
from switchboard.errors import RecordsAway
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

KNOWN_S = 1.0
"""A database that is slow costs a caller the priority, never a second more."""


async def ask(call: Call, contact: Contact, hotline: Hotline) -> Intake:
    """Greet, say that the talk is recorded, ask. Whether the number is known is looked up beside the greeting."""
    voice = Telephone(call)
    known = asyncio.create_task(known_reason(contact), name=f"known {contact.id}")
    try:
        await announce(voice, hotline)
        closed = closed_words(contact, hotline, hotline.default_matter)
        return await intake(voice, hotline, known=await known, closed=closed)
    finally:
        known.cancel()


async def known_reason(contact: Contact) -> str | None:
    """Why the caller of this number goes first; None for everybody else, and when nobody can say in time."""
    try:
        async with asyncio.timeout(KNOWN_S):
            reason = await contact.house.records.known_callers.reason(contact.caller)
    except (RecordsAway, TimeoutError):
        log.warning("known callers not asked", contact=contact.id)
        return None
    return reason if contact.level_of(reason) else None


async def inform(call: Call, contact: Contact, hotline: Hotline, wanted: str) -> Literal["person", "done"]:
    """Play the recorded information that was wished for."""
    information = hotline.recording_of(wanted)
    contact.heard(information.id, information.level)
    return await tell(Telephone(call), information, first_key_ms=hotline.first_key_ms)


def opening_now(contact: Contact, hotline: Hotline, matter: str) -> Opening:
    calendar = contact.rules.calendar
    return opening(hotline.hours, matter, calendar.local(now_ms()), calendar)


def closed_words(contact: Contact, hotline: Hotline, matter: str) -> Closed | None:
    """What is said before the menu while nobody answers for this matter; None while somebody does."""
    now = opening_now(contact, hotline, matter)
    if now.open:
        return None
    at = contact.rules.calendar.local(now_ms())
    return lambda language: [
        "closed_hours",
        *next_words(contact.house.prompts, language, now.next, at),
        "closed_choices",
    ]


def next_words(
    prompts: PromptSet, language: str, next_opening: dt.datetime | None, now: dt.datetime
) -> Sequence[str]:
    """When somebody answers next; nothing where nobody knows."""
    if next_opening is None:
        return ()
    return ("closed_next", *prompts.moment_keys(language, next_opening, now))


async def say_closed(call: Call, contact: Contact, hotline: Hotline, matter: str) -> None:
    """Nobody answers for this matter now. What was said before the menu already is not said again."""
    general = opening_now(contact, hotline, hotline.default_matter)
    own = opening_now(contact, hotline, matter)
    if general.open or own.next != general.next:
        at = contact.rules.calendar.local(now_ms())
        words = next_words(contact.house.prompts, call.language, own.next, at)
        await say(call, ["closed_matter_hours" if general.open else "closed_hours", *words])
