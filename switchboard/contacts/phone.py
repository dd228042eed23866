"""The life of a call: ``handle_call`` is read from top to bottom.

    answer -> announcement -> intake -> (information, another hotline, closed)
           -> waiting -> (reserved, leg, bridge) talking -> survey -> record

A hang-up at any point leaves as ``CallerLeft`` and is closed by ``open_contact``. Each stage is a function that can be
entered anew: after a restart ``resume_call`` goes on where SQL says the contact was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Literal

import structlog

from ivr.call import Call
from ivr.errors import AriError, LegFailed
from ivr.hotline import Hotline
from ivr.prompt import say
from switchboard.contacts import front
from switchboard.contacts.after import ask_survey
from switchboard.contacts.callback import tell_booked
from switchboard.contacts.contact import Contact, open_contact
from switchboard.contacts.found import Recalled, find_conversation, recall
from switchboard.contacts.legs import Party, finish_seat, ring_desk
from switchboard.contacts.message import leave_message
from switchboard.contacts.queue import give_back, queued, volunteer_or
from switchboard.contacts.talk import talk
from switchboard.contacts.transfers import resume_transfer, transfer_caller
from switchboard.contacts.waiting import (
    already_promised,
    before_the_queue,
    message_instead,
    nobody_serves,
    wait_or_choose,
)
from switchboard.dispatch import Accepted
from switchboard.times import now_ms
from switchboard.visits.telephones import go_into_room

log = structlog.get_logger(__name__)


async def handle_call(call: Call, contact: Contact) -> None:
    """One call, from the first ring to the closed record."""
    async with open_contact(contact), call.while_connected():
        hotline = contact.rules.hotlines.get(contact.hotline)
        await call.channel.answer()
        if hotline is None:
            contact.end("unknown_number", "system")
            await say(call, ["unknown_number"])
            return
        contact.enter("intake")
        taken = await front.ask(call, contact, hotline)
        if contact.into_room is not None:
            await go_into_room(call, contact)
            return
        if taken.wish == "code":
            await serve(call, contact, hotline)
            return
        contact.understood(taken)
        if (
            taken.wish == "information"
            and await front.inform(call, contact, hotline, taken.what or "") == "done"
        ):
            contact.end("information", "caller")
            await say(call, ["goodbye"])
            return
        if taken.wish == "transfer" and await transfer_caller(call, contact, hotline, taken.what or ""):
            return
        await reach_somebody(call, contact, hotline, message=taken.wish == "message")


async def reach_somebody(call: Call, contact: Contact, hotline: Hotline, *, message: bool = False) -> None:
    """To a person, or to message mode: because the caller wishes it, or because nobody answers for this matter now."""
    matter = contact.matter or hotline.default_matter
    door = front.door(contact, hotline)
    if door.opening(matter).open and not message:
        await serve(call, contact, hotline)
        return
    closed = [] if message else door.words_for(matter, call.language)
    contact.otherwise = None if message else "closed"
    if not await leave_message(call, contact, "wish" if message else "closed", intro=closed):
        contact.end(contact.otherwise or "no_agent", "system")
        await say(call, ["goodbye"])


async def resume_call(call: Call, contact: Contact) -> None:
    """The same call after the switchboard was away: the caller heard music or the volunteer meanwhile."""
    hotline = contact.rules.hotlines[contact.hotline]
    call.language = contact.language
    async with open_contact(contact), call.while_connected():
        recalled = await recall(contact)
        if contact.stage == "transfer" and not contact.talked and await resume_transfer(call, contact):
            contact.end("transferred", "system")
            await say(call, ["transfer_over", "goodbye"])
            return
        if contact.stage == "transfer" and contact.talked:
            if not await resume_transfer(call, contact) and contact.transferred_to is None:
                await _left_alone(call, contact)  # it rang when we went away
                await serve(call, contact, hotline)
                return
            contact.stage = "survey"
        if contact.stage == "room":
            contact.into_room = (
                await contact.house.telephones.again(contact) if contact.house.telephones else None
            )
            await go_into_room(call, contact)
            return
        if contact.stage == "survey":
            contact.end("completed", "agent")
            await ask_survey(call, contact, hotline)
            return
        if await already_promised(call, contact):
            return
        if contact.stage == "message" and await leave_message(call, contact, "found"):
            return
        if contact.matter is None:
            contact.understood(await front.ask(call, contact, hotline))
        if contact.queued_ms is None:
            await reach_somebody(call, contact, hotline)
            return
        await serve(call, contact, hotline, recalled if contact.stage == "talking" else None)


async def serve(call: Call, contact: Contact, hotline: Hotline, recalled: Recalled | None = None) -> None:
    """Wait for a volunteer, talk, ask how it was. A caller who was passed on waits for the next volunteer at the old
    place; one whom the volunteer left with somebody who did not answer, or whose volunteer is lost, goes
    to the head of the queue."""
    while True:
        async with AsyncExitStack() as held:
            found = await find_conversation(contact, recalled, held) if recalled else None
            recalled = None
            lead = found.lead if found else await wait_for_volunteer(call, contact, held)
            if lead is None:
                return
            try:
                over = await talk(call, contact, hotline, lead, held, found=found)
            finally:
                contact.house.tasks.served_by(contact)
        if over == "left":
            break
        if over == "passed":
            contact.once_more()
        else:
            await _left_alone(call, contact, "connection_failed" if over == "lost" else "transfer_failed")
    contact.end("completed", "agent")
    await ask_survey(call, contact, hotline)


async def _left_alone(call: Call, contact: Contact, told: str = "transfer_failed") -> None:
    contact.left_alone()
    await say(call, [told])


async def wait_for_volunteer(call: Call, contact: Contact, held: AsyncExitStack) -> Party | None:
    """The queue and the ways out of it. None when the call has its end by one of them."""
    instead = await before_the_queue(call, contact)
    while instead != "done":
        met = await reach_volunteer(call, contact, held, stay=instead == "stay")
        if isinstance(met, Party):
            return met
        contact.requeued = True
        if met == "nobody":
            instead = await nobody_serves(call, contact)
        elif met == "message":
            instead = "done" if await leave_message(call, contact, "key") else "wait"
        elif met == "booked":
            await tell_booked(call, contact)
            return None
        else:
            instead = await message_instead(call, contact, "timed_out", ["waited_too_long"])
    return None


async def reach_volunteer(
    call: Call, contact: Contact, held: AsyncExitStack, *, stay: bool = False
) -> Party | Literal["nobody", "message", "callback", "booked", "timed_out"]:
    """Music until a volunteer has accepted and answered the phone, or the caller has chosen another way.

    A leg that fails puts the caller back on the same place. The line and the reservation are given to ``held``, which
    returns both at the end of the talk.
    """
    house = contact.house
    since_ms = now_ms()
    contact.queued_ms = contact.queued_ms or since_ms
    contact.enter("waiting")
    async with (
        queued(contact, since_ms) as inbox,
        house.waiting_room.seat(call),
        _told(call, contact) as told,
    ):
        try:
            async with asyncio.timeout(house.config.longest_wait_ms / 1000):
                while True:
                    met = await volunteer_or(contact, inbox, _wait_or_choose(call, contact, told, stay=stay))
                    if not isinstance(met, Accepted):
                        return met
                    party = Party(met.agent, met.reservation, contact.entry_id)
                    try:
                        await ring_desk(contact, party, held)
                    except LegFailed as failed:
                        log.info("leg failed", contact=contact.id, agent=met.agent, cause=failed.cause)
                        await give_back(contact, inbox, met)
                        continue
                    held.push_async_callback(finish_seat, contact, met.reservation)
                    await told
                    return party
        except TimeoutError:
            return "timed_out"


@asynccontextmanager
async def _told(call: Call, contact: Contact) -> AsyncIterator[asyncio.Task[None]]:
    """Who comes next is said to a caller who was passed on, to the end, while the next volunteer is found already."""
    prompts, contact.intro = contact.intro, ()
    telling = asyncio.create_task(_tell(call, prompts), name=f"telling {contact.id}")
    try:
        yield telling
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(call: Call, prompts: Sequence[str]) -> None:
    with suppress(AriError):
        await say(call, prompts)


async def _wait_or_choose(
    call: Call, contact: Contact, told: asyncio.Task[None], *, stay: bool
) -> Literal["nobody", "message", "callback", "booked"]:
    await asyncio.wait([told])
    return await wait_or_choose(call, contact, stay=stay)
