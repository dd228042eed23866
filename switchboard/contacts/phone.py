"""The life of a call: ``handle_call`` is read from top to bottom.

    answer -> announcement -> intake -> (information, another hotline, closed)
           -> waiting -> (reserved, leg, bridge) talking -> survey -> record

A hang-up at any point leaves as ``CallerLeft`` and is closed by ``open_contact``. Each stage is a function that can be
entered anew: after a restart ``resume_call`` goes on where SQL says the contact was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import structlog

from ivr.agent_leg import agent_leg, standing_legs
from ivr.ari.bridge import Bridge
from ivr.call import Call, Line
from ivr.errors import AriError, LegFailed, RecordingFailed
from ivr.hotline import Hotline
from ivr.prompt import say
from ivr.recording import Running, fetch_sides, join, let_end, recorded
from routing.model import KnownEntry
from switchboard.agents.desk import Desk
from switchboard.contacts import front
from switchboard.contacts.after import ask_survey
from switchboard.contacts.callback import tell_booked
from switchboard.contacts.contact import Contact, open_contact
from switchboard.contacts.message import leave_message
from switchboard.contacts.transfers import guests, resume_transfer, transfer_caller
from switchboard.contacts.waiting import (
    already_promised,
    before_the_queue,
    message_instead,
    nobody_serves,
    wait_or_choose,
)
from switchboard.dispatch import Accepted, Inbox
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

RELOAD_S = 15.0
"""How long a caller in a talk waits, with music, for a desk that was reloaded."""
RING_AGAIN_S = 0.25


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
        await serve(call, contact, hotline, resumed=contact.stage == "talking")


async def serve(call: Call, contact: Contact, hotline: Hotline, *, resumed: bool = False) -> None:
    """Wait for a volunteer, talk, ask how it was. A caller whom the volunteer left with a hotline that did not answer
    goes to the head of the queue."""
    while True:
        async with AsyncExitStack() as held:
            leg = await find_leg(contact, held) if resumed else None
            resumed = leg is not None
            leg = leg or await wait_for_volunteer(call, contact, held)
            if leg is None:
                return
            try:
                ended_by = await talk(call, contact, hotline, leg, held, resumed=resumed)
            finally:
                contact.house.tasks.served_by(contact)
        if ended_by:
            break
        resumed = False
        await _left_alone(call, contact)
    contact.end("completed", ended_by)
    await ask_survey(call, contact, hotline)


async def _left_alone(call: Call, contact: Contact) -> None:
    contact.left_alone()
    await say(call, ["transfer_failed"])


async def wait_for_volunteer(call: Call, contact: Contact, held: AsyncExitStack) -> Line | None:
    """The queue and the ways out of it. None when the call has its end by one of them."""
    instead = await before_the_queue(call, contact)
    while instead != "done":
        met = await reach_volunteer(call, contact, held, stay=instead == "stay")
        if isinstance(met, Line):
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
) -> Line | Literal["nobody", "message", "callback", "booked", "timed_out"]:
    """Music until a volunteer has accepted and answered the phone, or the caller has chosen another way.

    A leg that fails puts the caller back on the same place. The line and the reservation are given to ``held``, which
    returns both at the end of the talk.
    """
    house = contact.house
    contact.queued_ms = contact.queued_ms or now_ms()
    contact.enter("waiting")
    async with _queued(contact) as inbox, house.waiting_room.seat(call):
        try:
            async with asyncio.timeout(house.config.longest_wait_ms / 1000):
                while True:
                    met = await _volunteer_or_wish(call, contact, inbox, stay=stay)
                    if not isinstance(met, Accepted):
                        return met
                    try:
                        leg = await ring_volunteer(contact, held)
                    except LegFailed as failed:
                        log.info("leg failed", contact=contact.id, agent=met.agent, cause=failed.cause)
                        await _give_back(contact, inbox, met)
                        continue
                    held.push_async_callback(_finish, contact, met.reservation)
                    return leg
        except TimeoutError:
            return "timed_out"


async def _volunteer_or_wish(
    call: Call, contact: Contact, inbox: Inbox, *, stay: bool
) -> Accepted | Literal["nobody", "message", "callback", "booked"]:
    """Whichever comes first. A call-back that is being booked is booked, also when a volunteer accepts meanwhile."""
    wish = asyncio.create_task(wait_or_choose(call, contact, stay=stay), name=f"waiting {contact.id}")
    volunteer = asyncio.create_task(inbox.accepted())
    try:
        await asyncio.wait({wish, volunteer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (wish, volunteer):
            task.cancel()
        await asyncio.gather(wish, volunteer, return_exceptions=True)
        if contact.booking:
            await asyncio.shield(contact.booking)
    if contact.booking:
        inbox.served = False
        return "booked"
    return wish.result() if not wish.cancelled() and not inbox.served else volunteer.result()


async def _give_back(contact: Contact, inbox: Inbox, accepted: Accepted) -> None:
    inbox.served = False
    contact.reservation_ended(accepted.reservation, "leg_failed", "no_answer")
    await contact.house.engine.give_back(accepted.reservation, reason="no_answer", seat_to="paused")


async def ring_volunteer(contact: Contact, held: AsyncExitStack) -> Line:
    """Ring the volunteer's phone; each try has a channel id of its own."""
    house = contact.house
    desk = house.desks.at(contact.agent or "")
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


async def find_leg(contact: Contact, held: AsyncExitStack) -> Line | None:
    """The volunteer's leg that went on talking while the switchboard was away; its id names the reservation.

    The routing engine is told again that the two are in contact, in case it was away too. Without a leg the caller
    goes back to the place in the queue.
    """
    house = contact.house
    legs = await standing_legs(house.require_ari(), f"ag-{contact.id}-")
    agent = await house.records.agent(contact.agent or "")
    if not legs or agent is None:
        entry = await house.engine.find_entry(contact.id)
        if entry and entry.state == "connected" and entry.reservation:
            await house.engine.give_back(entry.reservation, "restart", "available", exclude_ms=0)
        return None
    contact.leg = legs[-1].id
    known = KnownEntry(house.entry_of(contact), f"{agent.id}/live", int(contact.leg.rsplit("-", 2)[1]))
    reservation = await house.engine.restore(known, house.subscriptions_of(agent))
    contact.reservation = reservation.id if reservation else known.reservation
    held.push_async_callback(_finish, contact, contact.reservation)
    return await held.enter_async_context(Line(house.require_ari(), legs[-1]))


@asynccontextmanager
async def _queued(contact: Contact) -> AsyncIterator[Inbox]:
    """In the queue; a caller who leaves before anybody has answered leaves it too."""
    house = contact.house
    with house.dispatch.inbox(contact) as inbox:
        contact.note("queued", entry=contact.id)
        try:  # a hang-up while entering counts too: the engine may have let the entry in already
            revive_ms = await house.engine.now_ms() if contact.requeued else 0
            pending = await house.engine.enter(house.entry_of(contact), revive_ms=revive_ms)
            if pending:
                inbox.met(pending)
            yield inbox
        except BaseException:
            await asyncio.shield(_leave_queue(contact, "caller_left"))
            raise
        if not inbox.served:
            await _leave_queue(contact, contact.end_reason or "exited")


async def _leave_queue(contact: Contact, reason: str) -> None:
    """Out of the queue; where a volunteer has accepted in the same moment, that seat comes free again."""
    engine = contact.house.engine
    if not await engine.abandon(contact.id, reason=reason) and contact.reservation:
        await engine.finish(contact.reservation, wrap_up_ms=0)


async def _finish(contact: Contact, reservation: int) -> None:
    """The talk is over: the volunteer's seat goes to wrap-up, whoever ended it."""
    await asyncio.shield(contact.house.engine.finish(reservation, wrap_up_ms=contact.house.config.wrap_up_ms))


async def talk(
    call: Call, contact: Contact, hotline: Hotline, leg: Line, legs: AsyncExitStack, *, resumed: bool
) -> str | None:
    """Caller and volunteer in one bridge, recorded unless the caller refused. Returns who ended it: ``agent``.

    A third party (another hotline) may be added; when the volunteer leaves, the caller stays with it, unrecorded. None:
    it still rang then and did not answer, so that the caller is alone.
    """
    ari = contact.house.require_ari()
    async with AsyncExitStack() as held:
        bridge = await held.enter_async_context(await Bridge.create(ari, f"br-{contact.id}", type="mixing"))
        await asyncio.gather(bridge.add(call.channel.id), bridge.add(leg.channel.id))
        if not resumed:
            contact.connected()
        third = await held.enter_async_context(guests(contact, hotline, bridge, resumed=resumed))
        await _with_volunteer(call, contact, hotline, bridge, leg, legs, resumed=resumed)
        if third.wanted:
            contact.enter("transfer")
            await _finish(contact, contact.reservation or 0)
            if not await third.stay():
                return None
    return "agent"


async def _with_volunteer(
    call: Call,
    contact: Contact,
    hotline: Hotline,
    bridge: Bridge,
    leg: Line,
    legs: AsyncExitStack,
    *,
    resumed: bool,
) -> None:
    """The talk itself, until the volunteer has left."""
    ended_by = "caller"
    async with AsyncExitStack() as held:
        held.callback(lambda: contact.disconnected(ended_by))
        recording = hotline.record == "stereo" and contact.consent
        if recording:
            await held.enter_async_context(_recorded(call, contact, bridge, adopt=resumed))
        contact.house.desks.talking(contact, recording=recording)
        while await _wants_new_leg(contact, leg):
            leg = await _ring_again(contact, bridge, legs)
        ended_by = "agent"


async def _wants_new_leg(contact: Contact, leg: Line) -> bool:
    """Wait for the end of the leg. True when the desk was only reloaded and is to be rung again."""
    again = asyncio.create_task(contact.ring_again.wait())
    try:
        await asyncio.wait({leg.gone, again}, return_when=asyncio.FIRST_COMPLETED)
        if not again.done() and not contact.agent_done and contact.house.desks.is_away(contact.agent):
            await asyncio.wait({again}, timeout=RELOAD_S)
        return again.done() and not contact.agent_done
    finally:
        again.cancel()
        contact.ring_again.clear()
        await leg.part()


async def _ring_again(contact: Contact, bridge: Bridge, legs: AsyncExitStack) -> Line:
    """A reloaded desk registers its phone within a moment: try until it has, with music for the caller."""
    await bridge.start_moh("default")
    try:
        async with asyncio.timeout(RELOAD_S):
            while True:
                try:
                    leg = await ring_volunteer(contact, legs)
                except LegFailed:
                    await asyncio.sleep(RING_AGAIN_S)
                    continue
                await bridge.add(leg.channel.id)
                return leg
    except TimeoutError as error:
        raise LegFailed(0, "the desk did not come back") from error
    finally:
        await bridge.stop_moh()


@asynccontextmanager
async def _recorded(call: Call, contact: Contact, bridge: Bridge, *, adopt: bool) -> AsyncIterator[None]:
    """A recording that fails never ends a talk: the record lists the whole talk as a gap."""
    recording = contact.recording_id
    age_ms = max(0, now_ms() - (contact.talking_ms or now_ms())) if adopt else None
    running = AsyncExitStack()
    try:
        contact.recording = await running.enter_async_context(
            recorded(
                contact.house.require_ari(), call.channel, recording, adopt_age_ms=age_ms, gaps=contact.pauses
            )
        )
    except RecordingFailed as failed:
        log.error("no recording", contact=contact.id, error=failed.code)
    except asyncio.CancelledError:  # hung up in the moment in which it began
        contact.house.background(_keep_beginning(contact, recording))
        raise
    made, contact.bridge = contact.recording, bridge
    try:
        yield
    finally:
        contact.recording = contact.bridge = None
        await running.aclose()
        if made is None:
            _note_gap(contact, recording)
        else:
            contact.house.background(keep_recording(contact, recording, made))


def _note_gap(contact: Contact, recording: str) -> None:
    lost = max(0, now_ms() - (contact.talking_ms or now_ms()))
    contact.note("recording", id=recording, file="", ms=lost, gaps=[[0, lost]])


async def _keep_beginning(contact: Contact, recording: str) -> None:
    """Of a talk that ended while its recording began, what there is."""
    await let_end(contact.house.require_ari(), recording)
    await keep_recording(contact, recording, Running([], 0))


async def keep_recording(contact: Contact, recording: str, made: Running) -> None:
    """After the talk: join both sides, take the digests, note the file. Runs beside the survey."""
    house = contact.house
    source = house.recordings_spool
    target: Path = house.config.data_dir / "recordings" / contact.id
    try:
        if house.config.asterisk == "external":
            await fetch_sides(house.require_ari(), source, recording)
        kept = await asyncio.to_thread(join, source, recording, target)
    except (AriError, RecordingFailed, OSError) as error:
        log.error("recording not kept", contact=contact.id, error=type(error).__name__)
        _note_gap(contact, recording)
        return
    contact.note(
        "recording",
        id=recording,
        file=f"{contact.id}/{kept.name}",
        ms=kept.ms,
        sha256=kept.sha256,
        sm3=kept.sm3,
        gaps=made.gaps(kept.ms),
    )
