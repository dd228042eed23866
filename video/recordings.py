"""Rooms on tape: the recorder of ``video.recording`` as a room wants it, and sealed media files afterwards.

::

    recordings = Recordings(bridge.events)
    recordings.begin(bridge.rooms["s17"], folder)       # everybody in the main room, now and later
    manifest = await recordings.finish("s17", key)      # closes the tapes; mux, manifest and seal in another process
    recordings.stop()
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from video.events import Event, Events, RecordingBegan, RecordingEnded, RecordingFault, TapeEnded
from video.peer import Sent
from video.recording import jobs
from video.recording.errors import TrackInvalid
from video.recording.model import (
    MAIN,
    Codec,
    PacketsDropped,
    TapeClosed,
    TapeEvent,
    TapeFailed,
    TapeResumed,
    Track,
)
from video.recording.recorder import Recorder
from video.recording.tape import MANIFEST, Tape
from video.room import Room

log = structlog.get_logger(__name__)

_CLOSE_S = 30.0
_CHANNELS = {"opus": 2}


@dataclass(eq=False)
class RoomTapes:
    """The tapes of one room in one folder. Gives the same tape for the same track again, also for a later peer."""

    room: Room
    folder: Path
    session: str
    recorder: Recorder
    open: dict[str, Tape] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _holders: dict[str, Sent] = field(default_factory=dict)

    @property
    def working(self) -> bool:
        """False while a disk takes nothing: the act has to stop."""
        return not self.failing

    def tape(self, room: str, participant: str, sent: Sent) -> Tape | None:
        """The tape for this track; None once the recording is being finished."""
        if self.closed.is_set():
            return None
        source = sent.layers[0].track.source
        name = source.codec.lower()
        codec = Codec(name, source.clock_rate, _CHANNELS.get(name, 1))
        track = Track(
            self.session,
            participant,
            self._name(participant, sent),
            sent.kind,
            {source.payload_type: codec},
            sent.what if sent.what in ("document", "screen") else MAIN,
        )
        tape = self.recorder.open(self.folder, track)
        self.open[track.stem] = tape
        return tape

    def _name(self, participant: str, sent: Sent) -> str:
        """What it shows; with a number behind it while another track of theirs shows the same."""
        for number in range(1, 10):
            name = sent.what if number == 1 else f"{sent.what}-{number}"
            holder = self._holders.setdefault(f"{participant}.{name}", sent)
            if holder is sent or all(layer.track.closed for layer in holder.layers):
                self._holders[f"{participant}.{name}"] = sent
                return name
        return f"{sent.what}-{sent.mid}"


class Recordings:
    """Every recording of a process. What becomes of the tapes is told through ``events``."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder(self._heard)
        self._running: dict[str, RoomTapes] = {}

    @property
    def running(self) -> Mapping[str, RoomTapes]:
        """By name of the room."""
        return self._running

    def begin(self, room: Room, folder: Path, session: str = "") -> RoomTapes:
        """Record everybody in the main room of ``room``. Goes on where an earlier process stopped in this folder.

        ``session`` is written into tapes and manifest: letters, digits, - and _; the folder's name when not given.
        Raises TrackInvalid for anything else, or one that is being recorded in another room.
        """
        known = self._running.get(room.name)
        if known is not None:
            return known
        session = session or folder.name
        Track(session, "p", "t", "audio")  # raises now what would be in everybody's way later
        if any(one.session == session for one in self._running.values()):
            raise TrackInvalid("another room is recorded as this session")
        tapes = RoomTapes(room, folder, session, self._recorder)
        self._running[room.name] = tapes
        self._events.put(RecordingBegan(room=room.name, session=tapes.session))
        room.record(tapes)
        return tapes

    async def finish(
        self,
        room: str,
        key: Path,
        on_progress: Callable[[float, str], None] = lambda share, what: None,
    ) -> dict[str, Any]:
        """End the recording, then make media files, manifest and seal in another process; returns the manifest.

        Raises:
            KeyError: nothing of this room is recorded.
            RecordingError: the media could not be made; the tapes are kept.
        """
        from video.recording.manifest import load  # with all that reads tapes: not at every start

        tapes = self._running[room]
        await self.close(room)
        await jobs.run("mux", tapes.folder, key, on_progress)
        manifest = await asyncio.to_thread(load, tapes.folder / MANIFEST)
        self._events.put(RecordingEnded(room=room, session=tapes.session, sealed=True))
        return manifest

    async def close(self, room: str) -> None:
        """End the recording and wait until the disk has it. Raises KeyError, TimeoutError."""
        tapes = self._running[room]
        tapes.room.record(None)
        if tapes.open:
            for tape in tapes.open.values():
                tape.close()
            async with asyncio.timeout(_CLOSE_S):
                await tapes.closed.wait()
        tapes.closed.set()
        self._running.pop(room, None)

    def stop(self) -> None:
        """Close every tape and wait for the disk; at the end of the process. Blocks for up to five seconds."""
        for tapes in self._running.values():
            tapes.room.record(None)
        self._recorder.stop()

    # ------------------------------------------------------------------ what the recorder tells, from its thread

    def _heard(self, event: TapeEvent) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take, event)
        except RuntimeError:  # the loop is over: nobody is left to be told
            log.info("a tape's last word came late", what=type(event).__name__)

    def _take(self, event: TapeEvent) -> None:
        tapes = next((one for one in self._running.values() if one.session == event.track.session), None)
        if tapes is None:
            return
        told = _told(tapes.room.name, event)
        if told is not None:
            self._events.put(told)
        stem = event.track.stem
        if isinstance(event, TapeFailed):
            tapes.failing.add(stem)
        elif isinstance(event, TapeResumed | TapeClosed):
            tapes.failing.discard(stem)
        tapes.room.recording_works(tapes.working)
        if isinstance(event, TapeClosed):
            tapes.open.pop(stem, None)
            if not tapes.open:
                tapes.closed.set()


def _told(room: str, event: TapeEvent) -> Event | None:
    who, track = event.track.participant, event.track.name
    match event:
        case TapeFailed():
            return RecordingFault(room=room, participant=who, track=track, reason=event.reason)
        case PacketsDropped():
            return RecordingFault(room=room, participant=who, track=track, reason="dropped")
        case TapeResumed():
            return RecordingFault(room=room, participant=who, track=track, reason="")
        case TapeClosed():
            return TapeEnded(
                room=room,
                participant=who,
                track=track,
                digest=event.digest,
                packets=event.packets,
                dropped=event.dropped,
            )
        case _:
            return None
