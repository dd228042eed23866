"""Messages that lie in the folder: the dialplan took them while the switchboard was away, or nobody kept them yet.

Each file becomes one contact (medium ``message``), open until somebody has answered it. The file's own name is the
idempotency key, so that a message is taken in once however often this runs.
"""

from __future__ import annotations

import asyncio
import re
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ivr.dialling import caller_number
from ivr.errors import IvrError
from switchboard.contacts.message import store, take_in_spoken
from switchboard.contacts.promises import promised_contact
from switchboard.errors import RecordsAway
from switchboard.records.fold import ContactRecord

if TYPE_CHECKING:
    from switchboard.house import House

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 20.0
QUIET_S = 5.0
"""A file that was written to a moment ago is still being spoken."""

_NAME = re.compile(r"(?P<seconds>\d{9,11})-(?P<caller>[0-9+]{0,32})-(?P<id>[0-9.]+)\.wav")


async def take_messages_in(house: House) -> None:
    """For as long as the node runs."""
    folder = house.recordings_spool / "away"
    while True:
        try:
            await take_in_spoken(house)
        except (IvrError, RecordsAway, OSError) as error:
            log.error("spoken messages not taken in", error=type(error).__name__)
        for file in sorted(folder.glob("*.wav")):
            try:
                await take_in(house, file)
            except (IvrError, OSError, ValueError, wave.Error) as error:
                log.error("message not taken in", error=type(error).__name__)
        await asyncio.sleep(LOOK_EVERY_S)


async def take_in(house: House, file: Path) -> str | None:
    """One message: stored as a contact, then moved beside the other recordings. Returns the contact's id.

    None when it is still being spoken or its name is none of ours. Raises ``RecordingFailed`` for one without sound.
    """
    named = _NAME.fullmatch(file.name)
    if named is None or not await asyncio.to_thread(_is_quiet, file):
        return None
    message = f"m-{named['seconds']}-{named['id']}"
    call = ContactRecord(
        id=message,
        hotline=house.default_hotline.number,
        caller=caller_number(named["caller"]),
        language=house.default_hotline.language,
        matter=house.default_hotline.default_matter,
        arrived_ms=int(named["seconds"]) * 1000,
    )
    await store(house, message, call, file, confirmed=False)
    if kept := await promised_contact(house, message):
        house.tasks.begin(kept)
    log.info("message taken in", contact=message)
    return message


def _is_quiet(file: Path) -> bool:
    return time.time() - file.stat().st_mtime >= QUIET_S
