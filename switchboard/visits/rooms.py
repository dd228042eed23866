"""The video rooms of this node: the bridge in this process, its events in SQL, and its rooms back after a restart.

Only the switchboard opens a room; a token alone opens none, and a room that has ended stays ended however long its
tokens last. What happens in a room goes to SQL in order and to whoever follows that room.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Self

import structlog

from switchboard.errors import ConfigurationError, RecordsAway
from switchboard.records.rooms import MOST_EVENTS_OF_ROOM, OpenRoom, RoomEvent
from switchboard.times import now_ms
from switchboard.visits.relay import ice_servers
from video.bridge import VideoBridge
from video.errors import PortError, RoomClosed, StateUnreadable, VideoError
from video.events import Event, EventsMissed
from video.participant import Outlet, Participant, Standing
from video.room import Room
from video.tokens import NAME_MAX, Invitation, Role, sign

if TYPE_CHECKING:
    from switchboard.config import Config
    from switchboard.records.rooms import RoomLog

log = structlog.get_logger(__name__)

TOKEN_MS = 12 * 3_600_000
"""A page that rejoins after a restart shows the token it was given: it must outlast any visit. The room's end is the
token's end too."""
SEATS = 4
"""Of a visit and of a lifted call: both of them, and who is called in by telephone (a relative, an interpreter)."""
AGAIN_S = 1.0
MOST_WAITING = 10_000
MOST_FOLLOWED = 1_000


class OwnRooms(VideoBridge):
    """A bridge in which only the switchboard opens rooms. ``refused``: who does not agree to be recorded, as (room,
    person): they are on no tape."""

    refused: set[tuple[str, str]]

    def enter(self, name: str, token: object, outlet: Outlet) -> tuple[Room, Participant]:
        if name not in self.rooms:
            raise RoomClosed("not open")
        room, person = super().enter(name, token, outlet)
        if (name, person.invitation.person) in self.refused:
            person.consents = False
            room.arrange()
        return room, person


@dataclass(frozen=True, slots=True)
class Pass:
    """What a page needs to enter: where the bridge is (the socket is ``URL/ROOM``), the room and the token."""

    room: str
    token: str

    def frame(self) -> dict[str, str]:
        return {"url": "/video", "room": self.room, "token": self.token}


class Rooms:
    """``async with Rooms(config, records.rooms, secret) as rooms``; the open rooms of before are open again then."""

    def __init__(self, config: Config, log_: RoomLog, secret: str) -> None:
        self._config = config
        self._log = log_
        self._secret = secret.encode()
        self._followers: dict[str, list[asyncio.Queue[Event]]] = {}
        self._contacts: dict[str, str] = {}
        self._written: dict[str, int] = {}
        self._waiting: deque[RoomEvent] = deque(maxlen=MOST_WAITING)
        self._changed: set[str] = set()
        self._there = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.bridge: OwnRooms

    async def __aenter__(self) -> Self:
        config = self._config
        turn = config.video_turn_secret
        try:
            self.bridge = OwnRooms(
                self._secret,
                config.video_host,
                config.video_port,
                config.video_addresses or own_addresses(config.video_host),
                ice_servers(config.video_turn_urls, turn.get_secret_value(), config.video_turn_s)
                if turn
                else lambda _: [],
                captures=config.run_dir / "captures",
            )
            self.bridge.refused = set()
        except PortError as error:
            raise ConfigurationError([f"video_port: {error}; choose another"]) from error
        await self.bridge.__aenter__()
        await self._open_again()
        self._tasks = [
            asyncio.create_task(self._read(), name="room events"),
            asyncio.create_task(self._write(), name="room log"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(RecordsAway):
            await self._flush()
        await self.bridge.__aexit__()

    def part(self) -> None:
        """The process is about to end, the rooms are not: every page is told to come back by itself."""
        for room in self.bridge.rooms.values():
            for person in list(room.people.values()):
                if person.outlet is not None:
                    person.outlet.end("")

    # ---- rooms

    async def open(self, name: str, contact: str, seats: int = SEATS) -> None:
        """Open a room, or leave it open. It is in SQL before anybody can enter. Raises RecordsAway, TooManyRooms."""
        if name in self.bridge.rooms:
            return
        await self._log.opened(OpenRoom(name, contact, seats, now_ms()))
        self._contacts[name] = contact
        self.bridge.open_room(
            name, seats
        ).empty_since_s = None  # it waits for its people as long as the contact lives

    def is_open(self, name: str) -> bool:
        return name in self.bridge.rooms

    async def end(self, name: str, reason: str) -> None:
        """Everybody is told that it is over; the room can never be entered again. Doing it twice changes nothing."""
        self.bridge.end_room(name, reason)
        self._contacts.pop(name, None)
        self._written.pop(name, None)
        self.bridge.refused = {one for one in self.bridge.refused if one[0] != name}
        while True:
            try:
                await self._log.ended(name, now_ms(), reason)
                return
            except RecordsAway:
                await asyncio.sleep(AGAIN_S)

    def opened(self) -> dict[str, str]:
        """The contact of each open room."""
        return dict(self._contacts)

    def of_contact(self, contact: str) -> str | None:
        """The open room of a contact; the newest, where there are several."""
        return next((name for name, of in reversed(self._contacts.items()) if of == contact), None)

    def pass_for(self, name: str, person: str, shown: str, role: Role, *, waits: bool = False) -> Pass:
        """The way in for one person: an id of ours, and the name that the others see. ``waits``: until a host
        admits."""
        printable = "".join(char for char in shown if char.isprintable())[:NAME_MAX] or person
        invitation = Invitation(name, person, printable, role, now_ms() + TOKEN_MS, waits)
        return Pass(name, sign(self._secret, invitation))

    def contact_of(self, name: str) -> str | None:
        """The contact of an open room."""
        return self._contacts.get(name)

    def agrees(self, name: str, person: str, *, agrees: bool) -> None:
        """Whether this person may be recorded in this room; from the moment they enter."""
        (self.bridge.refused.discard if agrees else self.bridge.refused.add)((name, person))

    def is_here(self, name: str, person: str) -> bool:
        """Whether this person's page is in the room now, by its heartbeat."""
        found = self.person(name, person)
        return found is not None and found.standing is not Standing.GONE and found.outlet is not None

    def media_flows(self, name: str, person: str) -> bool:
        """Whether an encrypted connection of this person stands and something came over it lately."""
        found = self.person(name, person)
        return bool(found and found.peer and found.peer.ready and not found.media_lost_ns)

    def send_back(self, name: str, host: str, person: str) -> bool:
        """This host puts that person before the door: nothing passes any more, in either direction. False when one of
        them is not there."""
        return self._moves(name, host, person, "send_back")

    def admit(self, name: str, host: str, person: str) -> bool:
        return self._moves(name, host, person, "admit")

    def _moves(self, name: str, host: str, person: str, how: Literal["admit", "send_back"]) -> bool:
        room, by, who = self.bridge.rooms.get(name), self.person(name, host), self.person(name, person)
        if room is None or by is None or who is None:
            return False
        try:
            (room.admit if how == "admit" else room.send_back)(by, who.id)
        except VideoError as error:
            log.warning("nobody moved", room=name, error=error.code)
            return False
        return True

    def people(self, name: str) -> int:
        """How many are in the room or before its door."""
        room = self.bridge.rooms.get(name)
        return len(room.people) if room else 0

    def person(self, name: str, person: str) -> Participant | None:
        room = self.bridge.rooms.get(name)
        people = room.people.values() if room else ()
        return next((one for one in people if one.invitation.person == person), None)

    @contextmanager
    def follow(self, name: str) -> Iterator[asyncio.Queue[Event]]:
        """All that happens in one room from now on; the oldest are dropped for one who does not read."""
        queue: asyncio.Queue[Event] = asyncio.Queue(MOST_FOLLOWED)
        self._followers.setdefault(name, []).append(queue)
        try:
            yield queue
        finally:
            self._followers[name].remove(queue)
            if not self._followers[name]:
                del self._followers[name]

    def works(self) -> bool:
        """Whether the UDP port is open and events are read."""
        return all(not task.done() for task in self._tasks)

    def counts(self) -> dict[str, int]:
        return self.bridge.counts()

    # ---- after a restart

    async def _open_again(self) -> None:
        """Whoever was in a room comes back with the token that the page still has."""
        for room in await self._log.open_rooms():
            self._contacts[room.name] = room.contact
            self._restore(room)
            self.bridge.open_room(room.name, room.seats).empty_since_s = None
            self._written[room.name] = await self._log.count(room.name)
            log.info("room open again", room=room.name)

    def _restore(self, room: OpenRoom) -> None:
        """With the places and groups it had. Recording begins when its contact says so again, not before."""
        if room.state is None:
            return
        for one in room.state.get("rooms", ()):
            one["recording"] = None
        try:
            self.bridge.restore(room.state)
        except StateUnreadable as error:
            log.warning("room begins anew", room=room.name, error=error.code)

    # ---- what happens

    async def _read(self) -> None:
        async for event in self.bridge.events:
            if isinstance(event, EventsMissed):
                log.error("room events missed", count=event.count)
            for follower in self._followers.get(event.room, ()):
                if follower.full():
                    follower.get_nowait()
                follower.put_nowait(event)
            room = self.bridge.rooms.get(event.room)
            if room is not None and room.empty_since_s is not None and event.room in self._contacts:
                room.empty_since_s = None  # kept by its contact, however long nobody is in it
            self._keep(event)

    def _keep(self, event: Event) -> None:
        written = self._written.get(event.room, 0)
        if written >= MOST_EVENTS_OF_ROOM:
            return
        self._written[event.room] = written + 1
        data = asdict(event)
        facts = (data.pop("room"), data.pop("at_ms"), data.pop("since_ms"))
        self._changed.add(event.room)
        self._waiting.append(RoomEvent(*facts, type(event).__name__, data))
        self._there.set()

    async def _write(self) -> None:
        while True:
            await self._there.wait()
            self._there.clear()
            try:
                await self._flush()
            except RecordsAway:
                await asyncio.sleep(AGAIN_S)
                self._there.set()

    async def _flush(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), 200))]
            try:
                await self._log.add(batch)
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise
        await self._keep_states()

    async def _keep_states(self) -> None:
        """What the rooms in which something has happened need to come back after a kill."""
        changed, self._changed = self._changed, set()
        kept = self.bridge.state() if changed else {"rooms": []}
        for room in kept["rooms"]:
            if room["name"] in changed and room["name"] in self._contacts:
                await self._log.keep_state(room["name"], {**kept, "rooms": [room]})


def own_addresses(host: str) -> tuple[str, ...]:
    """Where this machine is reached, for a bridge that listens on every address: the address of its way out, and
    itself for a page on this very machine."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return (host,)
    found: list[str] = []
    family, somewhere = (
        (socket.AF_INET, "198.51.100.1") if host == "0.0.0.0" else (socket.AF_INET6, "2001:db8::1")  # noqa: S104
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((somewhere, 9))  # UDP: nothing is sent
        found.append(probe.getsockname()[0])
    return tuple(dict.fromkeys([*found, "127.0.0.1" if family == socket.AF_INET else "::1"]))


@asynccontextmanager
async def rooms_of(config: Config, log_: RoomLog, secret: str) -> AsyncIterator[Rooms | None]:
    """None where video is switched off."""
    if not config.video_port:
        yield None
        return
    async with Rooms(config, log_, secret) as rooms:
        yield rooms
