"""The life of a visit: ``handle_visit`` is read from top to bottom.

    button -> what it is about -> waiting, with place and time on the screen
           -> (reserved, room) talking -> survey -> record

The same as a call with a room in place of a bridge, and the same queue, reservation, wrap-up, ticket and record. A
visitor who leaves at any point leaves as ``CallerLeft`` and is closed by ``open_contact``. After a restart
``resume_visit`` goes on where SQL says the contact was; terminal and desk come back by themselves.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Literal

import structlog

from ivr.intake import Intake
from routing.errors import RoutingError
from routing.model import KnownEntry, live_seat
from switchboard.contacts import front
from switchboard.contacts.contact import Contact, open_contact
from switchboard.contacts.found import Recalled
from switchboard.contacts.legs import RELOAD_S, Party, finish_seat
from switchboard.contacts.queue import give_back, queued, volunteer_or
from switchboard.dispatch import Accepted
from switchboard.times import now_ms
from switchboard.visits.meeting import Meeting, Over, new_room
from switchboard.visits.orphans import seal_folder
from switchboard.visits.visitor import Visitor

log = structlog.get_logger(__name__)

COMES_S = 20.0
"""How long a volunteer who has accepted may take to be in the room: a browser asks for the camera first."""
COMES_BACK_S = 2 * RELOAD_S
"""How long a volunteer has after a restart of the switchboard."""
READ_S = 120.0
"""How long a screen that says that nobody answers stays, before the visit ends by itself."""


async def handle_visit(visitor: Visitor, wish: Intake, *, asked: bool) -> None:
    """One visit, from the button to the closed record. ``asked``: the terminal has asked whether to record."""
    contact = visitor.contact
    async with open_contact(contact), visitor.while_there():
        contact.enter("intake")
        contact.understood(wish, asked=asked)
        if not opened(visitor):
            contact.otherwise = "closed"
            await nobody_answers(visitor, "closed")
            return
        await serve(visitor)


async def resume_visit(visitor: Visitor, recalled: Recalled) -> None:
    """The same visit after the switchboard was away."""
    contact = visitor.contact
    contact.requeued = True
    async with open_contact(contact), visitor.while_there():
        if contact.stage == "survey":
            contact.end("completed", "agent")
            await ask_survey(visitor)
            return
        await serve(visitor, recalled if contact.stage == "talking" else None)


def opened(visitor: Visitor) -> bool:
    """Whether anybody answers for this matter now; else the terminal learns when."""
    contact = visitor.contact
    hotline = contact.rules.hotlines.get(contact.hotline)
    if hotline is None:
        return True
    opening = front.door(contact, hotline).opening(contact.matter or hotline.default_matter)
    if opening.next is not None:
        visitor.opens_ms = int(opening.next.timestamp() * 1000)
    return opening.open


async def serve(visitor: Visitor, recalled: Recalled | None = None) -> None:
    """Wait for a volunteer, talk, ask how it was. A visitor whose volunteer is lost goes to the head of the queue."""
    contact = visitor.contact
    while True:
        async with AsyncExitStack() as held:
            meeting = await find_meeting(visitor, recalled, held) if recalled else None
            found, recalled = meeting is not None, None
            meeting = meeting or await wait_for_volunteer(visitor, held)
            if meeting is None:
                return
            over = await talk(visitor, meeting, found=found)
        if over == "left":
            break
        visitor.notice = "passed_on" if over == "passed" else "volunteer_lost"
        if over == "passed":
            contact.once_more()
        else:
            contact.left_alone()
    contact.end("completed", meeting.left_by)
    await ask_survey(visitor)


async def wait_for_volunteer(visitor: Visitor, held: AsyncExitStack) -> Meeting | None:
    """The queue and the ways out of it. None when the visit has its end by one of them."""
    contact, house = visitor.contact, visitor.contact.house
    since_ms = now_ms()
    contact.queued_ms = contact.queued_ms or since_ms
    contact.enter("waiting")
    async with queued(contact, since_ms) as inbox, visitor.kept_told():
        with suppress(TimeoutError):
            async with asyncio.timeout(house.config.longest_wait_ms / 1000):
                while True:
                    met = await volunteer_or(contact, inbox, visitor.chooses())
                    if not isinstance(met, Accepted):  # a call-back is booked
                        return None
                    if meeting := await _volunteer_comes(visitor, met, held):
                        return meeting
                    await give_back(contact, inbox, met)
    contact.requeued = True
    await nobody_answers(visitor, "timed_out")
    return None


async def _volunteer_comes(visitor: Visitor, met: Accepted, held: AsyncExitStack) -> Meeting | None:
    """The room opens at desk and terminal; None when the volunteer who accepted does not come into it."""
    contact = visitor.contact
    meeting = Meeting(visitor, Party(met.agent, met.reservation, contact.entry_id), new_room(contact.id))
    try:
        await meeting.open()
        came = await meeting.volunteer_comes(COMES_S)
    except BaseException:
        await _close(meeting, contact, "left")
        raise
    if not came:
        log.info("volunteer did not come", contact=contact.id, agent=met.agent)
        await meeting.close("no_answer")
        return None
    held.push_async_callback(_free_seat, contact, met.reservation)
    return meeting


async def talk(visitor: Visitor, meeting: Meeting, *, found: bool) -> Over:
    """Visitor and volunteer see and hear each other; recorded when the visitor has agreed."""
    contact = visitor.contact
    visitor.notice = None
    ended_by = "caller"
    try:
        if not found:
            contact.connected()
        contact.house.desks.talking(contact, recording=False)
        if visitor.consented:
            meeting.record(True)
            if (
                "secret" in contact.stops
            ):  # paused when the switchboard went away: nothing is said aloud to the tape
                contact.stops.clear()
                meeting.pause(paused=True)
        over = await meeting.run(COMES_BACK_S if found else RELOAD_S)
        ended_by = "system" if over == "lost" else meeting.left_by
        return over
    finally:
        if not contact.house.stopping:
            contact.disconnected(ended_by)
        await _close(meeting, contact, "lost" if ended_by == "system" else "over")


async def _close(meeting: Meeting, contact: Contact, reason: str) -> None:
    """The room ends with the talk; not when the switchboard stops, whose next start goes on with both."""
    if not contact.house.stopping:
        await asyncio.shield(meeting.close(reason))


async def _free_seat(contact: Contact, reservation: int) -> None:
    if not contact.house.stopping:
        await finish_seat(contact, reservation)


async def nobody_answers(visitor: Visitor, why: Literal["closed", "timed_out"]) -> None:
    """The screen says so, and offers to call back; the visit ends with that, or by itself."""
    contact = visitor.contact
    visitor.notice = why
    visitor.changed()
    if visitor.choices:
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_S):
                await visitor.chooses()
    contact.end("timed_out" if why == "timed_out" else "closed", "system")


async def ask_survey(visitor: Visitor) -> None:
    """Whoever stays is asked; each answer counts once and as soon as it is given."""
    visitor.contact.enter("survey")
    if visitor.survey is not None:
        await visitor.answered_all()


async def find_meeting(visitor: Visitor, recalled: Recalled, held: AsyncExitStack) -> Meeting | None:
    """After a restart: the volunteer whom SQL says was in the room, if the routing engine agrees. Both pages come back
    into it by themselves."""
    contact, house = visitor.contact, visitor.contact.house
    room = visitor.rooms.of_contact(contact.id)
    if room is None or recalled.agent is None or recalled.reservation is None:
        return None
    agent = await house.records.agent(recalled.agent)
    if agent is None:
        return None
    contact.agent, contact.reservation = recalled.agent, recalled.reservation
    known = KnownEntry(house.entry_of(contact), live_seat(recalled.agent), recalled.reservation)
    try:
        restored = await house.engine.restore(known, house.subscriptions_of(agent))
    except RoutingError as error:
        log.warning("visit not held again", contact=contact.id, error=error.code)
        restored = None
    if restored is None:
        await _not_found(contact, room, visitor)
        return None
    held.push_async_callback(_free_seat, contact, restored.id)
    contact.reservation = restored.id
    meeting = Meeting(visitor, Party(recalled.agent, restored.id, contact.entry_id), room)
    await meeting.open()
    return meeting


async def _not_found(contact: Contact, room: str, visitor: Visitor) -> None:
    contact.agent = contact.reservation = None
    await visitor.rooms.end(room, "lost")
    folder = contact.house.recordings_dir / contact.id / room
    contact.house.background(seal_folder(contact.house, contact.id, folder))
