"""Messages left while the switchboard was away: the dialplan took them, the next minute takes them in.

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
from ivr.recording import digests

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
        for file in sorted(folder.glob("*.wav")):
            try:
                await take_in(house, file)
            except (OSError, ValueError, wave.Error) as error:
                log.error("message not taken in", error=type(error).__name__)
        await asyncio.sleep(LOOK_EVERY_S)


async def take_in(house: House, file: Path) -> str | None:
    """One message: stored as a contact, then moved beside the other recordings. Returns the contact's id.

    None when it is still being spoken or its name is none of ours. Raises ``wave.Error`` for a file that is no sound.
    """
    named = _NAME.fullmatch(file.name)
    if named is None or not await asyncio.to_thread(_is_quiet, file):
        return None
    at_ms = int(named["seconds"]) * 1000
    contact = f"m-{named['seconds']}-{named['id']}"
    kept = house.config.data_dir / "recordings" / contact / f"{contact}.wav"
    ms, sha256, sm3 = await asyncio.to_thread(_measure, file)
    records = house.records
    caller = caller_number(named["caller"])
    await records.append(
        contact, "arrived", key="arrived", at_ms=at_ms, medium="message", hotline="12348", caller=caller
    )
    await records.append(
        contact,
        "recording",
        key="recording",
        id=contact,
        file=f"{contact}/{kept.name}",
        ms=ms,
        sha256=sha256,
        sm3=sm3,
    )
    await asyncio.to_thread(_keep, file, kept)
    log.info("message taken in", contact=contact, ms=ms)
    return contact


def _is_quiet(file: Path) -> bool:
    return time.time() - file.stat().st_mtime >= QUIET_S


def _measure(file: Path) -> tuple[int, str, str]:
    with wave.open(str(file)) as sound:
        ms = sound.getnframes() * 1000 // sound.getframerate()
    return (ms, *digests(file))


def _keep(file: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    file.chmod(0o440)
    file.replace(kept)
