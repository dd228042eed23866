"""What is promised to a caller who does not wait: its id, its code, when it is due, when it is tried again."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ivr.intake import CODE_LENGTH
from switchboard.contacts.contact import Contact

if TYPE_CHECKING:
    from switchboard.calendar import Calendar
    from switchboard.config import Config
    from switchboard.house import House
    from switchboard.records.events import ContactEvent
    from switchboard.records.fold import ContactRecord

MORNING_HOUR = 9
PROMPTLY_DAYS, MESSAGE_DAYS = 1, 3
"""Working days until a call-back and a message are due."""


def message_id(call: str) -> str:
    """The message of a call: the same id whoever takes it in, so that it is taken in once."""
    return "m-" + call.removeprefix("c-")


def callback_id(call: str) -> str:
    return "cb-" + call.removeprefix("c-")


def call_of(promise: str) -> str:
    return "c-" + promise.partition("-")[2]


async def new_code(house: House) -> str:
    """A code that no open contact has; nobody can guess it from another."""
    while True:
        first = 10 ** (CODE_LENGTH - 1)  # none begins with 0, which is a person in every menu
        code = str(first + secrets.randbelow(9 * first))
        if await house.records.open_by_code(code) is None:
            return code


async def promise(
    house: House,
    ident: str,
    call: ContactRecord,
    *,
    medium: str,
    days: int,
    caller: str | None,
    next_ms: int | None = None,
    confirmed: bool = True,
) -> None:
    """Write down a message or call-back of ``call``: returns when it is committed. Doing it twice changes nothing."""
    records = house.records
    await records.append(
        ident,
        "arrived",
        key="arrived",
        at_ms=call.arrived_ms,
        medium=medium,
        hotline=call.hotline,
        caller=caller,
        demo=call.demo,
    )
    await records.append(
        ident,
        "intake",
        key="intake",
        language=call.language,
        matter=call.matter,
        priority=call.priority,
        priority_reason=call.priority_reason,
        how=call.intake_how,
    )
    await records.append(
        ident,
        "promised",
        key="promised",
        origin=call.id if call.medium in ("call", "visit") else None,
        due_ms=house.calendar.due_ms(call.arrived_ms, days),
        next_ms=next_ms,
        code=await new_code(house),
        confirmed=confirmed,
    )


async def promised_contact(house: House, ident: str) -> Contact | None:
    """The contact as SQL has it, None when there is none."""
    found = await house.records.contact(ident)
    if found is None:
        return None
    contact = Contact.from_record(house, found[0], "")
    contact.written = written_in(found[1])
    return contact


def written_in(events: Iterable[ContactEvent]) -> str | None:
    """What its caller wrote, in place of speaking."""
    return next((str(event.data["text"]) for event in events if event.kind == "written"), None)


def next_morning_ms(calendar: Calendar, at_ms: int) -> int:
    """The morning of the next working day."""
    day = calendar.add_working_days(calendar.local(at_ms).date(), 1)
    morning = dt.datetime.combine(day, dt.time(MORNING_HOUR), calendar.local(at_ms).tzinfo)
    return int(morning.timestamp() * 1000)


def decent_ms(config: Config, calendar: Calendar, at_ms: int) -> int:
    """The same moment, or the next working morning when nobody wants to be called at that hour."""
    if config.call_from_hour <= calendar.local(at_ms).hour < config.call_until_hour:
        return at_ms
    return next_morning_ms(calendar, at_ms)


def next_try_ms(config: Config, calendar: Calendar, at_ms: int, failed: int) -> int | None:
    """When to call again after so many calls that did not reach the caller; None: no more."""
    if failed > len(config.attempt_gaps_ms):
        return None
    return decent_ms(config, calendar, at_ms + config.attempt_gaps_ms[failed - 1])
