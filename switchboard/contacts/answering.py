"""Keeping the promise: a message on a volunteer's desk, a call-back when it is its turn, and the call to the caller.

``serve_message`` and ``serve_callback`` are each the life of one promise, read from top to bottom. Both live as long as
the promise is open, begin anew after a restart from what SQL says, and end with one closed record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from ivr.agent_leg import standing_legs
from ivr.ari.channel import Channel
from ivr.call import Call
from ivr.errors import AriError, CallerLeft, LegFailed, NotReached, NumberRefused
from ivr.hotline import Hotline
from ivr.outbound import outbound_call, person_answers
from ivr.prompt import say
from routing.errors import RoutingConflict
from routing.model import Entry, KnownEntry, live_seat
from switchboard.contacts.after import ask_survey
from switchboard.contacts.contact import Contact, open_task
from switchboard.contacts.conversation import Over
from switchboard.contacts.found import Found, find_conversation, recall
from switchboard.contacts.legs import Party, ring_desk
from switchboard.contacts.promises import decent_ms, next_try_ms
from switchboard.contacts.talk import talk
from switchboard.dispatch import Inbox
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 60.0
DECLINED_MS = 3_600_000
"""For so long a message does not come back to the volunteer who gave it back, while others could serve it."""


async def serve_message(contact: Contact) -> None:
    """From the promise to the answer: on a volunteer's desk, called on a click, closed."""
    async with open_task(contact) as inbox:
        await go_on_talking(contact)
        while contact.end_reason is None:
            await until_due(contact)
            if contact.held is None and not await given_to_volunteer(contact, inbox):
                break
            await work_on(contact)
        if contact.end_reason is not None:
            await off_the_desk(contact)


async def serve_callback(contact: Contact) -> None:
    """From the promise to the talk: in the queue at the old place, called when a volunteer has accepted."""
    async with open_task(contact) as inbox:
        await go_on_talking(contact)
        while contact.end_reason is None:
            await until_due(contact)
            if not await accepted_by_volunteer(contact, inbox):
                break
            outcome = await answer(contact, contact.house.entry_of(contact), "callback_here")
            conclude(contact, outcome)


async def until_due(contact: Contact) -> None:
    """Wait for the time before which nobody is to be called; the wall clock counts, so that a jump is followed."""
    while contact.next_ms is not None and (left_ms := contact.next_ms - now_ms()) > 0 and not served(contact):
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left_ms / 1000, LOOK_AGAIN_S)):
                await contact.served.wait()
    contact.show()


def served(contact: Contact) -> bool:
    """Whether the caller has dialled back in meanwhile and talked."""
    if contact.served.is_set():
        contact.end("completed", "agent")
    return contact.end_reason is not None


async def _next_volunteer(contact: Contact, inbox: Inbox, entry: Entry) -> bool:
    """In the queue until a volunteer has it. False when it was served otherwise; it is out of the queue then."""
    engine = contact.house.engine
    inbox.served = False
    pending = await engine.enter(entry, revive_ms=await engine.now_ms())
    if pending:
        inbox.met(pending)
    volunteer = asyncio.create_task(inbox.accepted())
    otherwise = asyncio.create_task(contact.served.wait())
    try:
        await asyncio.wait({volunteer, otherwise}, return_when=asyncio.FIRST_COMPLETED)
        if not served(contact):
            return True
    finally:
        for task in (volunteer, otherwise):
            task.cancel()
        await asyncio.gather(volunteer, otherwise, return_exceptions=True)
    if not await engine.abandon(contact.id, reason="served") and contact.reservation:
        await engine.finish(contact.reservation, wrap_up_ms=0)
    return False


async def accepted_by_volunteer(contact: Contact, inbox: Inbox) -> bool:
    contact.show()
    return await _next_volunteer(contact, inbox, contact.house.entry_of(contact))


# ---- messages on desks


async def given_to_volunteer(contact: Contact, inbox: Inbox) -> bool:
    """Wait for a message seat. One who gave this message back gets it again only when nobody else is there."""
    house = contact.house
    while await _next_volunteer(contact, inbox, house.message_entry_of(contact)):
        reservation, agent = contact.reservation, contact.agent
        contact.reservation = None
        if reservation is None or agent is None:
            continue
        if _declined(contact, agent) and house.desks.others_for(contact, agent):
            contact.agent = None
            await house.engine.give_back(reservation, "declined", "available", exclude_ms=DECLINED_MS)
            continue
        contact.assigned(reservation, agent)
        return True
    return False


def _declined(contact: Contact, agent: str) -> bool:
    return now_ms() - contact.declined.get(agent, 0) < DECLINED_MS


async def work_on(contact: Contact) -> None:
    """A volunteer has the message: call, finish, or give it back."""
    house = contact.house
    while contact.end_reason is None and contact.held is not None:
        order = await contact.orders.get()
        log.info("message order", contact=contact.id, order=order)
        if order == "return":
            await back_in_line(contact, DECLINED_MS)
        elif order == "finish":
            contact.end("completed", "agent")
        elif order == "served":
            served(contact)
        elif order == "call" and await seat_taken(contact):
            agent = contact.agent or "nobody"
            outcome = await answer(contact, house.call_entry_of(contact), "answer_here")
            conclude(contact, outcome)
            if outcome == "broken":
                contact.note("returned", agent=agent, reason="broken")
                await back_in_line(contact, 0)
            elif contact.next_ms is not None and contact.next_ms > now_ms():
                contact.note("returned", agent=contact.agent or "nobody", reason="not_reached")
                await off_the_desk(contact)


async def back_in_line(contact: Contact, exclude_ms: int) -> None:
    """The message goes from this volunteer to the next."""
    held, contact.held, contact.agent = contact.held, None, None
    if held is not None:
        await contact.house.engine.give_back(held, "returned", "available", exclude_ms=exclude_ms)
    contact.show()


async def off_the_desk(contact: Contact) -> None:
    """The volunteer's message seat is free again."""
    held, contact.held = contact.held, None
    if held is not None:
        await contact.house.engine.finish(held, wrap_up_ms=0)
        contact.show()


async def seat_taken(contact: Contact) -> bool:
    """The volunteer's live seat is in contact from here on, so that no call is offered there meanwhile."""
    house = contact.house
    desk = house.desks.at(contact.agent or "")
    if desk is None or desk.state["name"] in ("reserved", "in_contact", "wrap_up"):
        return False
    paused = desk.state["reason"] if desk.state["name"] == "paused" else None
    seat = live_seat(contact.agent or "")
    try:
        taken = await house.engine.restore(
            KnownEntry(house.call_entry_of(contact), seat),
            desk.subscriptions,
            revive_ms=await house.engine.now_ms(),
        )
    except RoutingConflict:
        return False
    if taken is None:
        return False
    contact.reservation = taken.id
    if paused is not None:
        await house.engine.pause(seat, paused)
    return True


# ---- the call


async def answer(contact: Contact, entry: Entry, prompt: str, *, adopt: bool = False) -> str:
    """Call the caller for the volunteer whose live seat is in contact. Returns how it ended (``events.CallEnd``), or
    "broken": they talked, and the volunteer was lost; somebody is to call again.

    The volunteer's phone is rung only after a person has pressed the key. A contact that was connected counts as
    reached however it went on.
    """
    house = contact.house
    talks = contact.talks
    hotline = house.hotlines.get(contact.hotline) or house.default_hotline
    if not adopt:
        contact.calling()
        await contact.stored()
    house.desks.serving(contact)
    cause = 0
    try:
        async with AsyncExitStack() as held:
            held.push_async_callback(_free_seat, contact)
            call = await held.enter_async_context(_line(contact, adopt=adopt))
            outcome = await _talk_to(call, contact, hotline, prompt, held)
    except NotReached as missed:
        outcome, cause = missed.how, missed.cause
    except CallerLeft as left:
        outcome, cause = ("reached" if contact.in_talk else "not_confirmed"), left.cause
    if contact.talks > talks:
        return "broken"
    if contact.agent_done and not contact.in_talk:
        outcome = "given_up"
    if not contact.in_talk:
        contact.called(outcome, next_ms=_again_ms(contact, outcome), hangup_cause=cause)
    return outcome


@asynccontextmanager
async def _line(contact: Contact, *, adopt: bool) -> AsyncIterator[Call]:
    house = contact.house
    try:
        if contact.demo:
            raise NumberRefused("no_trunk", "a simulated caller has no telephone")
        endpoint = house.dial_out(contact.caller or "")
    except NumberRefused as refused:
        log.warning("not called", contact=contact.id, why=refused.why)
        raise NotReached("failed", 0) from refused
    channel = channel_of(contact)
    contact.channel = channel
    async with outbound_call(
        house.require_ari(),
        endpoint,
        house.prompts,
        channel_id=channel,
        language=contact.language,
        caller_id=f"12348 <{contact.hotline}>",
        timeout_ms=house.config.dial_ms,
        adopt=adopt,
    ) as call:
        yield call


def channel_of(contact: Contact) -> str:
    return f"out-{contact.id}-{contact.reservation}"


async def _talk_to(call: Call, contact: Contact, hotline: Hotline, prompt: str, held: AsyncExitStack) -> str:
    house = contact.house
    async with call.while_connected():
        if not await person_answers(call, [prompt], patience_ms=house.config.press_one_ms):
            await say(call, ["answer_later"])
            raise NotReached("not_confirmed", 0)
        await say(call, ["recording_notice", "answer_connecting"])
        async with AsyncExitStack() as legs:
            lead = Party(contact.agent or "", contact.reservation or 0, contact.entry_id)
            try:
                await ring_desk(contact, lead, legs)
            except (
                LegFailed
            ):  # a phone that cannot be rung must not let this citizen be called again and again
                await house.engine.pause(live_seat(contact.agent or ""), "no_answer")
                await say(call, ["answer_volunteer_gone"])
                return "given_up"
            over = await _talk(call, contact, hotline, lead, legs)
        await _part(call, contact, hotline, over)
    return "reached"


async def _part(call: Call, contact: Contact, hotline: Hotline, over: Over) -> None:
    """After the talk: how was it; or, when nobody has finished it, the word that we call again, before all others."""
    if over == "left":
        contact.end("completed", "agent")
    await _free_seat(contact)
    if over == "left":
        await ask_survey(call, contact, hotline)
    else:
        contact.left_alone()
        await say(call, ["answer_volunteer_gone"])


async def _talk(
    call: Call,
    contact: Contact,
    hotline: Hotline,
    lead: Party,
    legs: AsyncExitStack,
    found: Found | None = None,
) -> Over:
    if found is None:
        contact.called("reached")
    return await talk(call, contact, hotline, lead, legs, found=found)


async def _free_seat(contact: Contact) -> None:
    """The volunteer wraps up after a talk; after a call that reached nobody the seat is free at once."""
    reservation, contact.reservation = contact.reservation, None
    if reservation is not None:
        wrap_up_ms = contact.house.config.wrap_up_ms if contact.in_talk else 0
        await asyncio.shield(contact.house.engine.finish(reservation, wrap_up_ms=wrap_up_ms))


def _again_ms(contact: Contact, outcome: str) -> int | None:
    house = contact.house
    if outcome in ("given_up", "lost"):
        return None
    return next_try_ms(house.config, house.calendar, now_ms(), contact.attempts + 1)


def conclude(contact: Contact, outcome: str) -> None:
    """What follows from a call: the end, or another try."""
    if outcome == "broken":
        contact.tries, contact.next_ms = 0, None
    elif contact.in_talk:
        contact.end("completed", contact.ended_by or "caller")
    elif outcome not in ("given_up", "lost") and contact.next_ms is None:
        contact.end("not_reached", "system")
    else:
        contact.tries = 0


# ---- after a restart


async def go_on_talking(contact: Contact) -> None:
    """A call that went on, or rang, while the switchboard was away: go on with it, or take it for ended.

    ``contact.reservation`` is that of the live seat, if the routing engine or a leg still knows it.
    """
    house = contact.house
    if contact.stage not in ("calling", "talking", "ringing"):
        return
    stage, contact.stage = contact.stage, "waiting"
    if stage == "talking":
        talks = contact.talks
        await _go_on(contact)
        if contact.talks == talks:
            contact.end("completed", contact.ended_by or "caller")
        return
    if (
        stage == "calling"
        and contact.reservation
        and await Channel(house.require_ari(), channel_of(contact)).exists()
    ):
        contact.stage = "calling"
        entry = house.call_entry_of(contact) if contact.medium == "message" else house.entry_of(contact)
        prompt = "answer_here" if contact.medium == "message" else "callback_here"
        conclude(contact, await answer(contact, entry, prompt, adopt=True))
        return
    if stage == "calling":
        contact.called("lost", next_ms=decent_ms(house.config, house.calendar, now_ms()))
    await _free_seat(contact)


async def _go_on(contact: Contact) -> None:
    """Caller and volunteer talked all the time: take the talk over, with its recording."""
    house = contact.house
    ari = house.require_ari()
    hotline = house.hotlines.get(contact.hotline) or house.default_hotline
    lines = await standing_legs(ari, f"out-{contact.id}-")
    contact.stage = "talking"
    async with AsyncExitStack() as held:
        held.push_async_callback(_free_seat, contact)
        recalled = await recall(contact)
        recalled.reservation = recalled.reservation or contact.reservation
        contact.channel = lines[-1].id if lines else ""
        found = await find_conversation(contact, recalled, held)
        if found is None or not lines:
            contact.reservation = contact.reservation or recalled.reservation
            await asyncio.gather(*(line.hangup() for line in lines), return_exceptions=True)
            return
        call = await held.enter_async_context(Call(ari, lines[-1], house.prompts, contact.language))
        with suppress(CallerLeft, AriError):
            async with call.while_connected():
                over = await _talk(call, contact, hotline, found.lead, held, found)
                await _part(call, contact, hotline, over)
