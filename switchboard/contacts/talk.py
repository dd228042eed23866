"""The talk: caller and volunteers in their bridges, recorded, until nobody of us is left with the caller."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from ivr.ari.bridge import Bridge
from ivr.call import Call
from ivr.hotline import Hotline
from switchboard.contacts.contact import Contact
from switchboard.contacts.conversation import Conversation, Over
from switchboard.contacts.legs import Party, finish_seat
from switchboard.contacts.recordings import recorded_talk
from switchboard.contacts.transfers import guests
from switchboard.visits.lift import lifted_again

if TYPE_CHECKING:
    from switchboard.contacts.found import Found

log = structlog.get_logger(__name__)


async def talk(
    call: Call,
    contact: Contact,
    hotline: Hotline,
    lead: Party,
    legs: AsyncExitStack,
    *,
    found: Found | None = None,
) -> Over:
    """Caller and volunteer in one bridge, recorded unless the caller refused; colleagues and another hotline come and
    go (``Conversation``). ``found``: they talked on while the switchboard was away.

    When the last volunteer leaves, the caller stays with another hotline that is in the talk, unrecorded.
    """
    ari = contact.house.require_ari()
    async with AsyncExitStack() as held:
        bridge = await held.enter_async_context(
            Bridge.mixing(ari, f"br-{contact.id}", outlived_by=call.channel.id)
        )
        if found is None and lead.line is not None:
            await asyncio.gather(bridge.add(call.channel.id), bridge.add(lead.line.channel.id))
            contact.connected()
        elif found and not found.caller_inside:
            await bridge.add(call.channel.id)
        third = await held.enter_async_context(guests(contact, hotline, bridge, resumed=found is not None))
        contact.talk = Conversation(call, contact, bridge, legs, lead, third)
        try:
            if found:
                await lifted_again(contact)
            over = await _with_volunteers(call, contact, hotline, bridge, contact.talk, found)
        finally:
            ended, contact.talk = contact.talk, None
            if contact.lift:
                await contact.lift.close()
            await ended.close()
        if over in ("left", "lost") and third.wanted:
            contact.enter("transfer")
            await finish_seat(contact, contact.reservation or 0)
            return "left" if await third.stay() else "alone"
    return over


async def _with_volunteers(
    call: Call,
    contact: Contact,
    hotline: Hotline,
    bridge: Bridge,
    conversation: Conversation,
    found: Found | None,
) -> Over:
    """The talk itself, from beginning to end; the recording runs through all of it."""
    ended_by = "caller"
    async with AsyncExitStack() as held:
        held.callback(lambda: contact.disconnected(ended_by))
        recording = hotline.record == "stereo" and contact.consent
        if recording:
            await held.enter_async_context(recorded_talk(call, contact, bridge, adopt=found is not None))
        conversation.recorded = recording
        if found:
            conversation.found(found)
            await conversation.begin()
        contact.house.desks.talking(contact, recording=recording)
        over = await conversation.run()
        ended_by = "system" if over == "lost" else "agent"
    return over
