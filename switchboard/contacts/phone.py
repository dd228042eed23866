"""The life of a call: ``handle_call`` is read from top to bottom.

    answer -> announcement -> intake -> waiting -> (reserved, leg, bridge) talking -> survey -> record

A hang-up at any point leaves as ``CallerLeft`` and is closed by ``open_contact``. Each stage is a function that can be
entered anew: after a restart ``resume_call`` goes on where SQL says the contact was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog

from ivr.agent_leg import agent_leg
from ivr.ari.bridge import Bridge
from ivr.call import Call, Line
from ivr.errors import AriError, LegFailed, RecordingFailed
from ivr.hotline import Hotline
from ivr.intake import announce, intake
from ivr.prompt import say
from ivr.recording import join, recorded
from ivr.survey import farewell, survey
from ivr.waiting import keep_informed
from routing.engine import Engine
from switchboard.contacts.contact import Contact, open_contact
from switchboard.dispatch import Accepted, Inbox
from switchboard.times import now_ms

log = structlog.get_logger(__name__)


async def handle_call(call: Call, contact: Contact) -> None:
    """One call, from the first ring to the closed record."""
    house = contact.house
    async with open_contact(contact), call.while_connected():
        hotline = house.hotlines.get(contact.hotline)
        await call.channel.answer()
        if hotline is None:
            contact.end("unknown_number", "system")
            await say(call, ["unknown_number"])
            return
        contact.enter("intake")
        await announce(call, hotline)
        contact.understood(await intake(call, hotline))
        await serve(call, contact, hotline)


async def resume_call(call: Call, contact: Contact) -> None:
    """The same call after the switchboard was away: the caller heard music meanwhile and keeps the place."""
    hotline = contact.house.hotlines[contact.hotline]
    call.language = contact.language
    async with open_contact(contact), call.while_connected():
        if contact.stage == "survey":
            await ask_survey(call, contact, hotline)
            return
        if contact.matter is None:
            contact.understood(await intake(call, hotline))
        await serve(call, contact, hotline)


async def serve(call: Call, contact: Contact, hotline: Hotline) -> None:
    """Wait for a volunteer, talk, ask how it was. A leg that fails puts the caller back on the same place."""
    while True:
        async with AsyncExitStack() as held:
            leg = await reach_volunteer(call, contact, held)
            if leg is None:
                contact.end("timed_out", "system")
                await say(call, ["waited_too_long"])
                return
            ended_by = await talk(call, contact, hotline, leg)
        break
    contact.end("completed", ended_by)
    await ask_survey(call, contact, hotline)


async def reach_volunteer(call: Call, contact: Contact, held: AsyncExitStack) -> Line | None:
    """Music until a volunteer has accepted and answered the phone; None when the longest wait has passed.

    The line and the reservation are given to ``held``, which returns both at the end of the talk.
    """
    house = contact.house
    longest = house.config.longest_wait_ms / 1000
    contact.queued_ms = contact.queued_ms or now_ms()
    contact.enter("waiting")
    if not house.live.staffed(contact.matter, contact.language):
        await say(call, ["nobody_on_duty"])
    async with house.waiting_room.seat(call), _queued(contact) as inbox, _informed(call, contact):
        try:
            async with asyncio.timeout(longest):
                while True:
                    accepted = await inbox.accepted()
                    try:
                        return await _ring(contact, accepted, held)
                    except LegFailed as failed:
                        log.info("leg failed", contact=contact.id, agent=accepted.agent, cause=failed.cause)
                        contact.reservation_ended(accepted.reservation, "leg_failed", failed.code)
                        await house.engine.release(accepted.reservation, reason="no_answer")
        except TimeoutError:
            return None


async def _ring(contact: Contact, accepted: Accepted, held: AsyncExitStack) -> Line:
    house = contact.house
    desk = house.desks.at(accepted.agent)
    if desk is None:
        raise LegFailed(0, "the desk has closed")
    leg = await held.enter_async_context(
        agent_leg(
            house.require_ari(), desk.endpoint, leg_id=f"ag-{contact.id}-{accepted.reservation}",
            caller_id=f"12348 <{contact.hotline}>", timeout_ms=house.config.leg_ms,
        )
    )
    held.push_async_callback(_finish, contact, accepted)
    return leg


@asynccontextmanager
async def _queued(contact: Contact) -> AsyncIterator[Inbox]:
    """In the queue; a caller who leaves before anybody has answered leaves it too."""
    house = contact.house
    with house.dispatch.inbox(contact) as inbox:
        contact.note("queued", entry=contact.id)
        await house.engine.enter(house.entry_of(contact))
        try:
            yield inbox
        except BaseException:
            await asyncio.shield(house.engine.abandon(contact.id, reason="caller_left"))
            raise
        if not inbox.served:
            await house.engine.abandon(contact.id, reason="timed_out")


@asynccontextmanager
async def _informed(call: Call, contact: Contact) -> AsyncIterator[None]:
    task = asyncio.create_task(_inform(call, contact), name=f"inform {contact.id}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _inform(call: Call, contact: Contact) -> None:
    engine: Engine = contact.house.engine

    async def ahead() -> int | None:
        place = await engine.place(contact.id)
        return place.ahead if place else None

    await keep_informed(call, ahead)


async def _finish(contact: Contact, accepted: Accepted) -> None:
    """The talk is over: the volunteer's seat goes to wrap-up, whoever ended it."""
    await asyncio.shield(
        contact.house.engine.finish(accepted.reservation, wrap_up_ms=contact.house.config.wrap_up_ms)
    )


async def talk(call: Call, contact: Contact, hotline: Hotline, leg: Line) -> str:
    """Caller and volunteer in one bridge, recorded. Returns who ended it: ``agent`` or ``caller``."""
    house = contact.house
    ari = house.require_ari()
    recording = f"rec-{contact.id}-{contact.reservation}"
    ended_by = "caller"
    async with AsyncExitStack() as held:
        bridge = await held.enter_async_context(await Bridge.create(ari, f"br-{contact.id}", type="mixing"))
        await asyncio.gather(bridge.add(call.channel.id), bridge.add(leg.channel.id))
        contact.connected()
        held.callback(lambda: contact.disconnected(ended_by))
        if hotline.record == "stereo":
            await held.enter_async_context(_recorded(call, contact, recording))
        house.desks.talking(contact)
        await asyncio.shield(leg.gone)
        ended_by = "agent"
    return ended_by


@asynccontextmanager
async def _recorded(call: Call, contact: Contact, recording: str) -> AsyncIterator[None]:
    """A recording that fails never ends a talk: the desk and the record say that there is none."""
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(recorded(contact.house.require_ari(), call.channel, recording))
        except RecordingFailed as failed:
            log.error("no recording", contact=contact.id, error=failed.code)
            contact.note("recording", id=recording, file=None, ms=0, sha256=None, sm3=None, gaps=[failed.code])
            yield
            return
        held.callback(contact.house.background, keep_recording(contact, recording))
        yield


async def keep_recording(contact: Contact, recording: str) -> None:
    """After the talk: join both sides, take the digests, note the file. Runs beside the survey."""
    house = contact.house
    source = house.recordings_spool
    target: Path = house.config.data_dir / "recordings" / contact.id
    try:
        await house.recording_closed(recording)
        kept = await asyncio.to_thread(join, source, recording, target)
    except (RecordingFailed, OSError) as error:
        log.error("recording not kept", contact=contact.id, error=type(error).__name__)
        contact.note("recording", id=recording, file=None, ms=0, sha256=None, sm3=None, gaps=["lost"])
        return
    contact.note(
        "recording", id=recording, file=f"{contact.id}/{kept.name}", ms=kept.ms, sha256=kept.sha256, sm3=kept.sm3,
        gaps=[],
    )


async def ask_survey(call: Call, contact: Contact, hotline: Hotline) -> None:
    """Whoever stays on the line is asked; the answer counts once."""
    contact.enter("survey")
    if hotline.survey is None:
        return
    await say(call, ["agent_left"])
    contact.survey = await survey(call, hotline.survey)
    if contact.survey:
        contact.note("survey", key="survey", question=hotline.survey.prompt, answer=contact.survey)
        contact.show()
    with suppress(AriError):
        await farewell(call, contact.survey is not None)


