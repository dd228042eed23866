"""A contact in the queue: entering, leaving, and given back when a volunteer who had accepted was not reached.

The same for callers and visitors: one order, one engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from routing.model import EXCLUDE_MS
from switchboard.contacts.contact import Contact
from switchboard.dispatch import Accepted, Inbox

_Wish = TypeVar("_Wish")


async def volunteer_or(
    contact: Contact, inbox: Inbox, wish: Coroutine[Any, Any, _Wish]
) -> Accepted | _Wish | Literal["booked"]:
    """The volunteer who accepts, or what whoever waits wishes instead: whichever comes first, the volunteer in doubt. A
    call-back that is being booked is booked, also when a volunteer accepts meanwhile."""
    wishing = asyncio.create_task(wish, name=f"waiting {contact.id}")
    volunteer = asyncio.create_task(inbox.accepted())
    try:
        await asyncio.wait({wishing, volunteer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (wishing, volunteer):
            task.cancel()
        await asyncio.gather(wishing, volunteer, return_exceptions=True)
        if contact.booking:
            await asyncio.shield(contact.booking)
    if contact.booking:
        inbox.served = False
        return "booked"
    return wishing.result() if not wishing.cancelled() and not inbox.served else volunteer.result()


async def give_back(contact: Contact, inbox: Inbox, accepted: Accepted) -> None:
    """The place is kept; a volunteer whose page was gone may meet this contact again as soon as it is back."""
    inbox.served = False
    gone = contact.house.desks.is_away(accepted.agent)
    reason, exclude_ms = ("desk_gone", 0) if gone else ("no_answer", EXCLUDE_MS)
    contact.reservation_ended(accepted.reservation, "leg_failed", reason)
    await contact.house.engine.give_back(accepted.reservation, reason, "paused", exclude_ms=exclude_ms)


@asynccontextmanager
async def queued(contact: Contact, since_ms: int) -> AsyncIterator[Inbox]:
    """In the queue; who leaves before anybody has answered leaves it too."""
    house = contact.house
    with house.dispatch.inbox(contact) as inbox:
        contact.note("queued", at_ms=since_ms, entry=contact.id)
        try:  # a hang-up while entering counts too: the engine may have let the entry in already
            revive_ms = await house.engine.now_ms() if contact.requeued else 0
            pending = await house.engine.enter(house.entry_of(contact), revive_ms=revive_ms)
            if pending:
                inbox.met(pending)
            yield inbox
        except BaseException:
            await asyncio.shield(leave_queue(contact, "caller_left"))
            raise
        if not inbox.served:
            await leave_queue(contact, contact.end_reason or "exited")


async def leave_queue(contact: Contact, reason: str) -> None:
    """Out of the queue; where a volunteer has accepted in the same moment, that seat comes free again."""
    engine = contact.house.engine
    if not await engine.abandon(contact.id, reason=reason) and contact.reservation:
        await engine.finish(contact.reservation, wrap_up_ms=0)
