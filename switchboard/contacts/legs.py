"""A volunteer's place in a conversation: the reservation, the line to the phone, and the phone rung again.

Of a phone in the browser the end of the channel is never the volunteer's word: hanging up is a command of the desk
(``Party.done``). So a line that ends, or falls silent while the page is gone, is made anew as soon as the page is there
again. A telephone beside the desk is another matter: whoever puts its receiver down has left.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from ivr.agent_leg import agent_leg
from ivr.call import Line
from ivr.errors import AriError, LegFailed

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)

RELOAD_S = 15.0
"""How long a conversation waits for a desk that was reloaded; a caller who is alone then hears music."""
REGISTER_S = 4.5
"""How long a page that has just gone, or just come, may be without a phone before that counts as not reached."""
RING_AGAIN_S = 0.15
SILENT_S = 1.0
BRIEF_S = 20.0
MOST_BRIEF = 3
"""So many lines in a row that ended by themselves so soon: the sound does not come through, another volunteer's may."""


@dataclass(eq=False)
class Party:
    """One volunteer in a conversation. ``entry`` is what the routing engine holds the seat for; ``done``: told to
    leave, so that the phone is not rung again. ``lost``: the desk is gone and did not come back."""

    agent: str
    reservation: int
    entry: str
    line: Line | None = None
    done: bool = False
    lost: bool = False
    brief: int = 0
    since_s: float = field(default_factory=time.monotonic)
    ring_again: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def up(self) -> bool:
        return self.line is not None and not self.line.gone.done()

    async def hang_up(self) -> None:
        """Out of the conversation, for good."""
        self.done = True
        self.ring_again.set()  # ends a ringing that is under way
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


async def ring_desk(contact: Contact, party: Party, held: AsyncExitStack) -> None:
    """The volunteer who has accepted. A page that is being reloaded has no phone for a moment: it is rung once it has.

    Raises ``LegFailed``, with the reservation as it was.
    """
    contact.ringing = party
    try:
        while True:
            try:
                if await _ring_once(contact, party, held):
                    return
            except LegFailed:
                if contact.agent_done or party.done or not _coming_back(contact, party):
                    raise
            await _again_soon(party)
    finally:
        contact.ringing = None


async def wants_new_leg(contact: Contact, party: Party, moved: asyncio.Event) -> bool:
    """Wait for the end of the line, or until ``moved`` is set. True when the volunteer did not mean it: the desk is to
    be rung again."""
    line = party.line
    if line is None:
        return False
    party.since_s = time.monotonic()
    again = asyncio.create_task(party.ring_again.wait())
    elsewhere = asyncio.create_task(moved.wait())
    silent = asyncio.create_task(_falls_silent(contact, party, line))
    try:
        await asyncio.wait({line.gone, again, elsewhere, silent}, return_when=asyncio.FIRST_COMPLETED)
        if elsewhere.done() or party.done:
            return False
        return again.done() or (_in_browser(contact, party) and not _too_brief(party))
    finally:
        for task in (again, elsewhere, silent):
            task.cancel()
        await asyncio.gather(again, elsewhere, silent, return_exceptions=True)
        party.ring_again.clear()


def _too_brief(party: Party) -> bool:
    """Whether too many lines in a row did not last; then this volunteer is lost too."""
    party.brief = party.brief + 1 if time.monotonic() - party.since_s < BRIEF_S else 0
    party.lost = party.brief >= MOST_BRIEF
    return party.lost


async def ring_until_back(contact: Contact, party: Party, held: AsyncExitStack) -> None:
    """A reloaded desk registers its phone within a moment: try until it has. Raises ``LegFailed``."""
    try:
        async with asyncio.timeout(RELOAD_S):
            while not party.done:
                try:
                    if await _ring_once(contact, party, held):
                        return
                except LegFailed:
                    await _again_soon(party)
    except TimeoutError as error:
        raise LegFailed(0, "the desk did not come back") from error
    raise LegFailed(0, "the volunteer has hung up")


async def _ring_once(contact: Contact, party: Party, held: AsyncExitStack) -> Line | None:
    """None when the page came anew while the older one was still being rung."""
    party.ring_again.clear()
    ringing = asyncio.create_task(ring_volunteer(contact, party, held))
    again = asyncio.create_task(party.ring_again.wait())
    try:
        await asyncio.wait({ringing, again}, return_when=asyncio.FIRST_COMPLETED)
        return ringing.result() if ringing.done() else None
    finally:
        for task in (ringing, again):
            task.cancel()
        await asyncio.gather(ringing, again, return_exceptions=True)


async def _again_soon(party: Party) -> None:
    """A moment, or less when the page says hello."""
    again = asyncio.create_task(party.ring_again.wait())
    await asyncio.wait({again}, timeout=RING_AGAIN_S)
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def _falls_silent(contact: Contact, party: Party, line: Line) -> None:
    """Returns when the page is gone and its phone sends no more sound: a killed browser says no good-bye.

    A page that has only lost its socket goes on sending: that talk is left alone.
    """
    before: int | None = None
    while True:
        await asyncio.sleep(SILENT_S)
        if not contact.house.desks.is_away(party.agent):
            before = None
            continue
        try:
            received = await line.channel.received()
        except AriError:
            continue
        if received is not None and received == before:
            return
        before = received


def _in_browser(contact: Contact, party: Party) -> bool:
    desk = contact.house.desks.at(party.agent)
    return desk is not None and desk.phone == "browser"


def _coming_back(contact: Contact, party: Party) -> bool:
    desk = contact.house.desks.at(party.agent)
    return desk is not None and desk.phone == "browser" and time.monotonic() - desk.moved_s < REGISTER_S


async def finish_seat(contact: Contact, reservation: int) -> None:
    """The talk is over for this volunteer: the seat goes to wrap-up, whoever ended it. Repeating it does no harm."""
    await asyncio.shield(contact.house.engine.finish(reservation, wrap_up_ms=contact.house.config.wrap_up_ms))
