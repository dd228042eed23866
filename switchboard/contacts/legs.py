"""A volunteer's place in a conversation: the reservation, the line to the phone, and the phone rung again after a
reload of the desk.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from ivr.agent_leg import agent_leg
from ivr.call import Line
from ivr.errors import LegFailed

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)

RELOAD_S = 15.0
"""How long a conversation waits for a desk that was reloaded; a caller who is alone then hears music."""
RING_AGAIN_S = 0.25


@dataclass(eq=False)
class Party:
    """One volunteer in a conversation. ``entry`` is what the routing engine holds the seat for; ``done``: told to
    leave, so that the phone is not rung again."""

    agent: str
    reservation: int
    entry: str
    line: Line | None = None
    done: bool = False
    ring_again: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def up(self) -> bool:
        return self.line is not None and not self.line.gone.done()

    async def hang_up(self) -> None:
        """Out of the conversation, for good."""
        self.done = True
        if self.line is not None and not self.line.gone.done():
            await self.line.channel.hangup()


async def ring_volunteer(contact: Contact, party: Party, held: AsyncExitStack) -> Line:
    """Ring this volunteer's phone; each try has a channel id of its own. The line is given to ``held``, which hangs it
    up. Raises ``LegFailed``."""
    house = contact.house
    desk = house.desks.at(party.agent)
    if desk is None:
        raise LegFailed(0, "the desk has closed")
    if desk.phone == "trunk":
        return await _ring_own_phone(contact, party, desk)
    contact.tries += 1
    leg = leg_id(contact, party.reservation, contact.tries)
    if party.agent == contact.agent:
        contact.leg = leg
    party.line = await held.enter_async_context(
        agent_leg(
            house.require_ari(),
            desk.endpoint,
            leg_id=leg,
            caller_id=f"12348 <{contact.hotline}>",
            timeout_ms=house.config.leg_ms,
        )
    )
    return party.line


async def _ring_own_phone(contact: Contact, party: Party, desk: Desk) -> Line:
    """The volunteer's ordinary telephone, answered with the key; its line belongs to the ring and outlives the talk."""
    ring = desk.ring_phone(contact, party.reservation, accepted=True)
    if party.agent == contact.agent:
        contact.leg = ring.leg_id
    try:
        party.line = await ring.answered()
    except BaseException:
        ring.withdrawn.set()
        raise
    return party.line


def leg_id(contact: Contact, reservation: int, tries: int) -> str:
    return f"ag-{contact.id}-{reservation}-{tries}"


def reservation_of(leg: str) -> int:
    """Under which reservation a leg was rung, by its id."""
    return int(leg.rsplit("-", 2)[1])


async def wants_new_leg(contact: Contact, party: Party, moved: asyncio.Event) -> bool:
    """Wait for the end of the line, or until ``moved`` is set. True when the desk was only reloaded and is to be rung
    again."""
    line = party.line
    if line is None:
        return False
    again = asyncio.create_task(party.ring_again.wait())
    elsewhere = asyncio.create_task(moved.wait())
    try:
        await asyncio.wait({line.gone, again, elsewhere}, return_when=asyncio.FIRST_COMPLETED)
        if elsewhere.done():
            return False
        if not again.done() and not party.done and contact.house.desks.is_away(party.agent):
            await asyncio.wait({again, elsewhere}, timeout=RELOAD_S, return_when=asyncio.FIRST_COMPLETED)
        return again.done() and not party.done
    finally:
        for task in (again, elsewhere):
            task.cancel()
        await asyncio.gather(again, elsewhere, return_exceptions=True)
        party.ring_again.clear()


async def ring_until_back(contact: Contact, party: Party, held: AsyncExitStack) -> Line:
    """A reloaded desk registers its phone within a moment: try until it has. Raises ``LegFailed``."""
    try:
        async with asyncio.timeout(RELOAD_S):
            while True:
                try:
                    return await ring_volunteer(contact, party, held)
                except LegFailed:
                    await asyncio.sleep(RING_AGAIN_S)
    except TimeoutError as error:
        raise LegFailed(0, "the desk did not come back") from error


async def finish_seat(contact: Contact, reservation: int) -> None:
    """The talk is over for this volunteer: the seat goes to wrap-up, whoever ended it. Repeating it does no harm."""
    await asyncio.shield(contact.house.engine.finish(reservation, wrap_up_ms=contact.house.config.wrap_up_ms))
