"""The volunteer's leg: rung, lost with a page that was reloaded or killed, and rung again.

Of a phone in the browser the end of the channel is never the volunteer's word: hanging up is a command of the desk
(``Contact.agent_done``). So a leg that ends, or falls silent while the page is gone, is made anew as soon as the page
is there again; the caller stays in the bridge and hears music meanwhile. A telephone beside the desk is another matter:
whoever puts its receiver down has ended the talk.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import structlog

from ivr.agent_leg import agent_leg
from ivr.ari.bridge import Bridge
from ivr.call import Line
from ivr.errors import AriError, LegFailed
from switchboard.agents.desk import Desk
from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)

RELOAD_S = 15.0
"""How long a caller in a talk waits, with music, for a desk that is gone."""
REGISTER_S = 4.5
"""How long a page that has just gone, or just come, may be without a phone before that counts as not reached."""
RING_AGAIN_S = 0.15
SILENT_S = 1.0
BRIEF_S = 20.0
MOST_BRIEF = 3
"""So many legs in a row that ended by themselves so soon: the sound does not come through, another volunteer's will."""


async def ring_desk(contact: Contact, held: AsyncExitStack) -> Line:
    """The volunteer who has accepted. A page that is being reloaded has no phone for a moment: it is rung once it has.

    Raises LegFailed, with the reservation as it was.
    """
    while True:
        try:
            if leg := await _ring_once(contact, held):
                return leg
        except LegFailed:
            if contact.agent_done or not _coming_back(contact):
                raise
        await _again_soon(contact)


async def wants_new_leg(contact: Contact, leg: Line) -> bool:
    """Wait for the end of the leg. True when the volunteer did not mean it: the desk is to be rung again."""
    again = asyncio.create_task(contact.ring_again.wait())
    silent = asyncio.create_task(_falls_silent(contact, leg))
    try:
        await asyncio.wait({leg.gone, again, silent}, return_when=asyncio.FIRST_COMPLETED)
        return not contact.agent_done and (again.done() or _in_browser(contact))
    finally:
        for task in (again, silent):
            task.cancel()
        await asyncio.gather(again, silent, return_exceptions=True)
        await leg.part()


async def ring_again(contact: Contact, bridge: Bridge, legs: AsyncExitStack) -> Line | None:
    """Music for the caller until the desk's phone has answered. None: it did not within RELOAD_S, or has hung up."""
    await bridge.start_moh("default")
    try:
        async with asyncio.timeout(RELOAD_S):
            while not contact.agent_done:
                try:
                    if leg := await _ring_once(contact, legs):
                        await bridge.add(leg.channel.id)
                        return leg
                except LegFailed:
                    await _again_soon(contact)
    except TimeoutError:
        log.info("desk did not come back", contact=contact.id, agent=contact.agent)
    finally:
        await bridge.stop_moh()
    return None


class Brief:
    """Counts the legs in a row that did not last."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._count = 0

    def too_many(self) -> bool:
        """A leg has ended by itself; the next one begins."""
        lasted, self._since = time.monotonic() - self._since, time.monotonic()
        self._count = self._count + 1 if lasted < BRIEF_S else 0
        return self._count >= MOST_BRIEF


async def _ring_once(contact: Contact, held: AsyncExitStack) -> Line | None:
    """None when the page came anew while the older one was still being rung."""
    contact.ring_again.clear()
    ringing = asyncio.create_task(ring_volunteer(contact, held))
    again = asyncio.create_task(contact.ring_again.wait())
    try:
        await asyncio.wait({ringing, again}, return_when=asyncio.FIRST_COMPLETED)
        return ringing.result() if ringing.done() else None
    finally:
        for task in (ringing, again):
            task.cancel()
        await asyncio.gather(ringing, again, return_exceptions=True)


async def _again_soon(contact: Contact) -> None:
    """A moment, or less when the page says hello."""
    again = asyncio.create_task(contact.ring_again.wait())
    await asyncio.wait({again}, timeout=RING_AGAIN_S)
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def _falls_silent(contact: Contact, leg: Line) -> None:
    """Returns when the page is gone and its phone sends no more sound: a killed browser says no good-bye.

    A page that has only lost its socket goes on sending: that talk is left alone.
    """
    before: int | None = None
    while True:
        await asyncio.sleep(SILENT_S)
        if not contact.house.desks.is_away(contact.agent):
            before = None
            continue
        try:
            received = await leg.channel.received()
        except AriError:
            continue
        if received is not None and received == before:
            return
        before = received


def _desk(contact: Contact) -> Desk | None:
    return contact.house.desks.at(contact.agent or "")


def _in_browser(contact: Contact) -> bool:
    desk = _desk(contact)
    return desk is not None and desk.phone == "browser"


def _coming_back(contact: Contact) -> bool:
    desk = _desk(contact)
    return desk is not None and desk.phone == "browser" and time.monotonic() - desk.moved_s < REGISTER_S


async def ring_volunteer(contact: Contact, held: AsyncExitStack) -> Line:
    """Ring the volunteer's phone; each try has a channel id of its own."""
    house = contact.house
    desk = _desk(contact)
    if desk is None:
        raise LegFailed(0, "the desk has closed")
    if desk.phone == "trunk":
        return await _ring_own_phone(contact, desk)
    contact.tries += 1
    contact.leg = f"ag-{contact.id}-{contact.reservation}-{contact.tries}"
    return await held.enter_async_context(
        agent_leg(
            house.require_ari(),
            desk.endpoint,
            leg_id=contact.leg,
            caller_id=f"12348 <{contact.hotline}>",
            timeout_ms=house.config.leg_ms,
        )
    )


async def _ring_own_phone(contact: Contact, desk: Desk) -> Line:
    """The volunteer's ordinary telephone, answered with the key; its line belongs to the ring and outlives the talk."""
    ring = desk.ring_phone(contact, contact.reservation or 0, accepted=True)
    contact.leg = ring.leg_id
    try:
        return await ring.answered()
    except BaseException:
        ring.withdrawn.set()
        raise
