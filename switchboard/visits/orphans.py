"""Recordings of rooms that nobody ended: after a kill, those whose talk does not go on are sealed as they are.

What is missing since the last packet is listed, and the manifest says what ended it ("killed"). A room that goes on
keeps its folder: its recording goes on in it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from switchboard.errors import RecordsAway
from switchboard.visits.tapes import SEAL_KEY, note_sealed
from video.recording import jobs
from video.recording.errors import RecordingError
from video.recording.evidence import digests_of
from video.recording.manifest import SEAL, load
from video.recording.tape import MANIFEST

if TYPE_CHECKING:
    from switchboard.house import House

log = structlog.get_logger(__name__)

KILLED = "killed"
ENDED_WELL = frozenset({"over", "passed", "ended_by_host"})
"""Reasons of a room's end after which only the sealing was left."""


async def seal_left_behind(house: House) -> int:
    """Seal every folder of tapes without a seal whose room is not open. Returns how many there were."""
    folders = await asyncio.to_thread(_unsealed, house.recordings_dir)
    sealed = 0
    for folder in folders:
        sealed += await seal_folder(house, folder.parent.name, folder)
    return sealed


async def seal_folder(house: House, contact: str, folder: Path) -> bool:
    """Seal the recording of one room that is over, if it has tapes without a seal. False when there is nothing to do,
    or it did not work: it is tried again at the next start."""
    rooms = house.rooms
    if rooms is None or rooms.is_open(folder.name) or not await asyncio.to_thread(_is_unsealed, folder):
        return False
    try:
        known = await house.records.rooms.contact_of(folder.name)
        ended = "" if known is not None and known[1] in ENDED_WELL else KILLED
        await jobs.run("mux", folder, house.config.data_dir / SEAL_KEY, ended=ended)
        manifest = await asyncio.to_thread(load, folder / MANIFEST)
        digests = await asyncio.to_thread(digests_of, folder / MANIFEST)
        ms = max((track["ended_ms"] or 0 for track in manifest["tracks"]), default=0)
        gaps = [(gap["from_ms"], gap["to_ms"]) for gap in manifest.get("gaps", ())]
        await note_sealed(house.records, contact, folder.name, manifest, digests, ms, gaps)
    except (RecordingError, RecordsAway, OSError, json.JSONDecodeError) as error:
        log.error("recording not sealed", contact=contact, error=type(error).__name__)
        return False
    log.info("recording sealed after a kill", contact=contact, ended=ended or "well")
    return True


def _unsealed(root: Path) -> list[Path]:
    return sorted(folder for folder in root.glob("*/*") if folder.is_dir() and _is_unsealed(folder))


def _is_unsealed(folder: Path) -> bool:
    if (folder / MANIFEST).exists() and (folder / SEAL).exists():
        return False
    return next(folder.glob("*.tape"), None) is not None
