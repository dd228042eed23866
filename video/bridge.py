"""The video bridge: one UDP port, many rooms, events out. One process per core; a room never spans processes."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog

from video import state
from video.captures import Captured, Captures
from video.dtls import Identity
from video.errors import TooManyRooms
from video.events import Events, FrameCaptured
from video.participant import KEPT_S, Outlet, Participant
from video.peer import Peer
from video.port import Port
from video.room import Room
from video.tokens import verify

if TYPE_CHECKING:
    from video.phone.peer import Line, PhonePeer
    from video.phone.phones import Phones
    from video.recordings import Recordings, RoomTapes

log = structlog.get_logger(__name__)

ROOMS_MAX = 200
BEAT_S = 0.1


class VideoBridge:
    """``async with VideoBridge(secret, host, port) as bridge``; then mount ``video.signalling.routes(bridge)``.

    Args:
        secret: what tokens are signed with (``video.tokens.sign``).
        host, port: the UDP address to bind; port 0 takes a free one.
        announced: the addresses that pages are told, when they are not ``host``.
        ice_servers: makes the ``iceServers`` that a page is told (TURN with short-lived credentials), for a person.
        captures: the folder for frozen frames, one below it for each room; none are taken without it.
        native: forward in C (True, or NotBuilt is raised), in Python (False), or as well as it goes here (None).
    """

    def __init__(
        self,
        secret: bytes,
        host: str = "127.0.0.1",
        port: int = 0,
        announced: Sequence[str] = (),
        ice_servers: Callable[[str], list[dict[str, Any]]] = lambda _: [],
        captures: Path | None = None,
        native: bool | None = None,
    ) -> None:
        self.ice_servers = ice_servers
        self.events = Events()
        self.captures = Captures(captures)
        self.rooms: dict[str, Room] = {}
        self.port = Port(host, port, announced, native)
        self._secret = secret
        self._identity = Identity()
        self._recordings: Recordings | None = None
        self._beating: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._phones: Phones | None = None

    async def __aenter__(self) -> Self:
        await self.port.__aenter__()
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end_all("shutdown")
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._recordings is not None:
            await asyncio.to_thread(self._recordings.stop)
        if self._phones is not None:
            await self._phones.close()
        await self.port.__aexit__()

    def open_room(self, name: str, seats: int = 8) -> Room:
        """The room of this name, made when it is not there. Raises TooManyRooms."""
        room = self.rooms.get(name)
        if room is None:
            if len(self.rooms) >= ROOMS_MAX:
                raise TooManyRooms("rooms")
            self._identity.prepare()
            room = self.rooms[name] = Room(name, seats, self.port, self._identity, self.events)
        return room

    def end_room(self, name: str, reason: str) -> None:
        """Everybody is told that the session has ended."""
        room = self.rooms.pop(name, None)
        if room is not None:
            room.end(reason)
            self._close(room.closing)

    def end_all(self, reason: str) -> None:
        """End every room. A web server that carries the protocol calls this before it waits for its handlers."""
        for name in list(self.rooms):
            self.end_room(name, reason)

    def enter(self, name: str, token: object, outlet: Outlet) -> tuple[Room, Participant]:
        """Let in whoever holds a token for this room. Raises TokenRefused, RoomRefused and what is below them."""
        invitation = verify(self._secret, token, name)
        room = self.open_room(name, invitation.seats)
        return room, room.enter(invitation, outlet)

    def captured(self, picture: Captured) -> None:
        """A frozen frame has come: the room, its recording and the events know it by its digests."""
        wish = picture.wish
        self.events.put(
            FrameCaptured(
                room=wish.room,
                participant=wish.participant,
                by=wish.by,
                what=wish.what,
                capture=wish.id,
                file=str(picture.file),
                size=picture.size,
                sha256=picture.sha256,
                sm3=picture.sm3,
                width=picture.width,
                height=picture.height,
            )
        )
        if (room := self.rooms.get(wish.room)) is not None:
            room.frozen(picture)

    # ------------------------------------------------------------------ recordings

    def record(self, name: str, folder: Path, session: str = "") -> "RoomTapes":
        """Record everybody in the main room of an open room, now and later. Raises KeyError, TrackInvalid."""
        if self._recordings is None:
            from video.recordings import Recordings

            self._recordings = Recordings(self.events)
        return self._recordings.begin(self.rooms[name], folder, session)

    async def finish_recording(
        self, name: str, key: Path, on_progress: Callable[[float, str], None] = lambda share, what: None
    ) -> dict[str, Any]:
        """End the recording of a room, also of one that has ended: see ``Recordings.finish``."""
        if self._recordings is None:
            raise KeyError(name)
        return await self._recordings.finish(name, key, on_progress)

    # ------------------------------------------------------------------ restarts

    def state(self) -> dict[str, Any]:
        """All rooms as plain data (``video.state``), for ``restore`` in a later process. Cheap: keep it every second
        or at every event."""
        recorded = self._recordings.running if self._recordings is not None else {}
        return {
            "v": state.VERSION,
            "at_ms": time.time_ns() // 1_000_000,
            "rooms": [
                state.state_of_room(
                    room,
                    {"folder": str(tapes.folder), "session": tapes.session}
                    if (tapes := recorded.get(room.name))
                    else None,
                )
                for room in self.rooms.values()
            ],
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Make the rooms of an earlier process again: everybody is gone, has 120 s to come back, and comes back by
        themselves. Rooms that are open here already stay as they are.

        Raises:
            StateUnreadable: nothing was changed.
        """
        read = state.read(kept)
        for one in read.rooms:
            if one.name in self.rooms or len(self.rooms) >= ROOMS_MAX:
                continue
            room = self.open_room(one.name, one.seats)
            heard = [person.heard_at_ms for person in one.people]
            room.restore(list(zip(state.people_of(one), heard, strict=True)), one.groups, read.at_ms)
            if one.recording is not None:
                self.record(one.name, Path(one.recording.folder), one.recording.session)

    def enter_by_phone(
        self, name: str, token: object, outlet: Outlet, line: "Line", *, consents: bool = True
    ) -> "tuple[Room, Participant, PhonePeer]":
        """Let in whoever holds this token, by telephone. What comes from the telephone goes to ``PhonePeer.take``; at
        its end ``Room.leave``. Whoever is in the room under the same ``person`` comes by telephone from now on.

        Args:
            consents: whether this person's voice may be on a tape.

        Raises what ``enter`` raises.
        """
        room, person = self.enter(name, token, outlet)
        phone = self.phones.join(line, person.id)
        room.attach(person, phone, consents=consents)
        return room, person, phone

    @property
    def phones(self) -> "Phones":
        """The telephones of all rooms."""
        if self._phones is None:
            from video.phone.phones import Phones  # numpy is loaded when the first telephone comes

            self._phones = Phones(self.port.forwarder)
        return self._phones

    def peers(self) -> list[Peer]:
        """Every WebRTC connection; telephones have none."""
        people = [one for room in self.rooms.values() for one in room.people.values()]
        return [one.peer for one in people if isinstance(one.peer, Peer)]

    def counts(self) -> dict[str, int]:
        """Figures for a metrics page."""
        return {
            "rooms": len(self.rooms),
            "participants": sum(len(room.people) for room in self.rooms.values()),
            "phones": len(self._phones) if self._phones is not None else 0,
            **self.port.counts(),
        }

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                self._beat_once()
            except Exception:
                log.exception("beat of the video rooms failed")

    def _beat_once(self) -> None:
        for room in list(self.rooms.values()):
            room.beat()
            self._close(room.closing)
            if room.empty_since_s is not None and time.monotonic() - room.empty_since_s > KEPT_S:
                self.end_room(room.name, "empty")

    def _close(self, peers: "list[Peer | PhonePeer]") -> None:
        for peer in peers:
            task = asyncio.create_task(peer.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        peers.clear()
