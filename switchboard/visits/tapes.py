"""The recording of a room: begun with consent, paused for a secret, kept as evidence under the contact's folder.

The tapes go to ``recordings/CONTACT/ROOM``; after the talk media files, manifest and seal are made from them in another
process (``video.recordings``). A recording that fails never ends a visit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from switchboard.contacts.contact import Contact
from switchboard.evidence.provider import SEAL_KEY
from switchboard.times import now_ms
from switchboard.visits.rooms import Rooms
from video.recording.errors import RecordingError
from video.recording.evidence import Digests, digests_of
from video.recording.tape import MANIFEST
from video.recordings import RoomTapes

if TYPE_CHECKING:
    from switchboard.records.store import Records

log = structlog.get_logger(__name__)


class RoomRecording:
    """The recording of one room. Times are milliseconds since its beginning."""

    def __init__(self, contact: Contact, rooms: Rooms, room: str) -> None:
        self._contact = contact
        self._rooms = rooms
        self._room = room
        self._tapes: RoomTapes | None = None
        self._begun_ms: int | None = None
        self._paused_ms: int | None = None
        self.why: str | None = None
        """Why it is paused."""
        self._gaps: list[tuple[int, int]] = []

    @property
    def runs(self) -> bool:
        return self._begun_ms is not None

    @property
    def paused(self) -> bool:
        return self._paused_ms is not None

    @property
    def ident(self) -> str:
        return f"room-{self._room}"

    @property
    def folder(self) -> Path:
        return self._contact.house.recordings_dir / self._contact.id / self._room

    def begin(self) -> None:
        """Everybody in the room from now on; after a restart it goes on in the same folder."""
        room = self._rooms.bridge.rooms.get(self._room)
        if self.runs or room is None:
            return
        try:
            self._tapes = self._rooms.bridge.record(self._room, self.folder)
        except RecordingError as error:
            log.error("no recording", contact=self._contact.id, error=error.code)
            return
        self._begun_ms = now_ms()

    def pause(self, why: str = "secret") -> None:
        """What is said and shown from now on goes onto no tape. ``why``: ``secret`` or ``hold``."""
        room = self._rooms.bridge.rooms.get(self._room)
        if not self.runs or self.paused or room is None:
            return
        room.record(None)
        self._paused_ms, self.why = self._now(), why
        self._contact.note("recording_paused", id=self.ident, from_ms=self._paused_ms, why=why)

    def resume(self) -> None:
        room = self._rooms.bridge.rooms.get(self._room)
        if self._paused_ms is None or room is None:
            return
        room.record(self._tapes)
        gap, self._paused_ms, self.why = (self._paused_ms, self._now()), None, None
        self._gaps.append(gap)
        self._contact.note("recording_resumed", id=self.ident, from_ms=gap[0], to_ms=gap[1])

    def end(self) -> None:
        """No packet is taken any more; the files are made beside whatever comes next."""
        if not self.runs:
            return
        room = self._rooms.bridge.rooms.get(self._room)
        if room is not None:
            room.record(None)
        if self._paused_ms is not None:
            self._gaps.append((self._paused_ms, self._now()))
        ms, self._begun_ms, self._paused_ms = self._now(), None, None
        self._contact.house.background(self._keep(ms, list(self._gaps)))

    def _now(self) -> int:
        return max(0, now_ms() - (self._begun_ms or now_ms()))

    async def _keep(self, ms: int, gaps: list[tuple[int, int]]) -> None:
        """Manifest, media and seal; the record names every file with its digests. What fails is listed as a gap."""
        contact, key = self._contact, self._contact.house.config.data_dir / SEAL_KEY
        try:
            manifest = await self._rooms.bridge.finish_recording(self._room, key)
            sealed = await asyncio.to_thread(digests_of, self.folder / MANIFEST)
        except (RecordingError, KeyError, TimeoutError, OSError) as error:
            log.error("recording not sealed", contact=contact.id, error=type(error).__name__)
            contact.note("recording", id=self.ident, file="", ms=ms, gaps=[[0, ms]], kind="room")
            return
        await note_sealed(contact.house.records, contact.id, self._room, manifest, sealed, ms, gaps)


async def note_sealed(
    records: Records,
    contact: str,
    room: str,
    manifest: Mapping[str, Any],
    sealed: Digests,
    ms: int,
    gaps: Sequence[tuple[int, int]],
) -> None:
    """The manifest of a room's recording and each of its media files stand in the contact's record. Doing it twice
    changes nothing. ``gaps`` are on the recording's own time."""
    at, ident = f"{contact}/{room}", f"room-{room}"
    await records.append(
        contact,
        "recording",
        key=ident,
        id=ident,
        file=f"{at}/{MANIFEST}",
        ms=ms,
        sha256=sealed.sha256,
        sm3=sealed.sm3,
        gaps=[list(gap) for gap in gaps],
        kind="room",
    )
    for media in manifest["media"]:
        own = f"{ident}-{media['participant']}-{media['bundle']}"
        await records.append(
            contact,
            "recording",
            key=own,
            id=own,
            file=f"{at}/{media['file']}",
            ms=media["duration_ms"],
            sha256=media["sha256"],
            sm3=media["sm3"],
            kind="room",
        )
