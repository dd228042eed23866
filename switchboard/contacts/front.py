"""The front of a call: greeting, consent, known callers, intake, recorded information, and what is said when closed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from ivr.call import Call
from ivr.hotline import Hotline
from ivr.hours import Opening, opening
from ivr.intake import Closed, Intake, announce, intake, tell
from ivr.prompt import Telephone
from ivr.prompts.catalogue import PromptSet
from switchboard.calendar import Calendar
from switchboard.contacts.code import take_code
from switchboard.contacts.contact import Contact
from switchboard.errors import RecordsAway
from switchboard.times import now_ms
from switchboard.visits.telephones import take_room_code

log = structlog.get_logger(__name__)

MOST_CODES = 3
KNOWN_S = 1.0
"""A database that is slow costs a caller the priority, never a second more."""


@dataclass(frozen=True)
class Door:
    """Whether somebody answers at one moment, and the words where nobody does."""

    hotline: Hotline
    calendar: Calendar
    prompts: PromptSet
    now: dt.datetime

    def opening(self, matter: str | None = None) -> Opening:
        return opening(self.hotline.hours, matter or self.hotline.default_matter, self.now, self.calendar)

    def words_before_menu(self) -> Closed | None:
        """None while a person can be reached."""
        general = self.opening()
        if general.open:
            return None
        return lambda language: ["closed_hours", *self._next(language, general), "closed_choices"]

    def words_for(self, matter: str, language: str) -> Sequence[str]:
        """Nobody answers for this matter now. What was said before the menu already is not said again."""
        general, own = self.opening(), self.opening(matter)
        if not general.open and own.next == general.next:
            return ()
        return ["closed_matter_hours" if general.open else "closed_hours", *self._next(language, own)]

    def _next(self, language: str, opening: Opening) -> Sequence[str]:
        if opening.next is None:
            return ()
        return ["closed_next", *self.prompts.moment_keys(language, opening.next, self.now)]


def door(contact: Contact, hotline: Hotline) -> Door:
    calendar = contact.rules.calendar
    return Door(hotline, calendar, contact.house.prompts, calendar.local(now_ms()))


async def ask(call: Call, contact: Contact, hotline: Hotline) -> Intake:
    """Greet, say that the talk is recorded, ask. Whether the number is known is looked up beside the greeting."""
    voice = Telephone(call)
    known = asyncio.create_task(known_reason(contact), name=f"known {contact.id}")
    try:
        await announce(voice, hotline)
        closed = door(contact, hotline).words_before_menu()
        taken = await intake(voice, hotline, known=await known, closed=closed)
        for _ in range(MOST_CODES):
            if taken.wish != "code":
                break
            if await take_room_code(call, contact, taken.what or ""):
                return taken
            if await take_code(call, contact, taken.what or ""):
                return replace(taken, language=contact.language, matter=contact.matter or taken.matter)
            taken = await intake(voice, hotline, known=await known, closed=closed)
        return taken if taken.wish != "code" else replace(taken, wish="person")
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
