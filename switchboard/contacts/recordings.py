"""The recording of a talk: begun with it, kept after it, every gap listed. One that fails never ends a talk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog

from ivr.ari.bridge import Bridge
from ivr.call import Call
from ivr.errors import AriError, RecordingFailed
from ivr.recording import Running, discard, fetch_sides, join, let_end, recorded
from switchboard.contacts.contact import Contact
from switchboard.times import now_ms

log = structlog.get_logger(__name__)


@asynccontextmanager
async def recorded_talk(call: Call, contact: Contact, bridge: Bridge, *, adopt: bool) -> AsyncIterator[None]:
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
            contact.house.background(_discard(contact, recording))
        else:
            contact.house.background(keep_recording(contact, recording, made))


async def _discard(contact: Contact, recording: str) -> None:
    with suppress(AriError):
        await discard(contact.house.require_ari(), contact.house.recordings_spool, recording)


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
