"""Rooms that staff open by themselves: a notary's session, a mediation, a meeting of several parties.

Such a room belongs to the account that opened it; ``staff`` are more hosts (a judge, a second mediator). Everybody else
comes by a link made for them (``/v/TOKEN``), by telephone with the room's code, or is called, and waits until a host
admits. It is a contact of the medium ``meeting``: recordings, pictures and telephones stand in that contact's record.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import structlog

from switchboard.contacts.contact import Contact, new_contact_id
from switchboard.errors import LinkExpired, NoConsent, RecordsAway
from switchboard.records.hosted import HostedRoom, Recording
from switchboard.records.queries import MEETING
from switchboard.times import now_ms
from switchboard.visits.lift import qr_of
from switchboard.visits.meeting import new_room
from switchboard.visits.rooms import TOKEN_MS, Pass, Rooms
from switchboard.visits.tapes import RoomRecording
from video.events import RoomEnded
from video.tokens import SEATS_MAX, Role

if TYPE_CHECKING:
    from switchboard.house import House
    from switchboard.records.people import Account

log = structlog.get_logger(__name__)

Kind = Literal["mediation", "notarization", "meeting"]
KINDS: tuple[Kind, ...] = ("mediation", "notarization", "meeting")
LOOK_S = 60.0
LINK_MS = 24 * 3_600_000
"""How long a party's link may be opened: it is sent before the day."""
PARTY = "party-"
HOST = "host-"


@dataclass(frozen=True, slots=True)
class Invited:
    """The way in for one party. ``url`` is shown once."""

    url: str
    qr: str
    expires_ms: int


class Hosting:
    """The open rooms of this kind. Everything that somebody asks for has been allowed by whoever calls."""

    def __init__(self, house: House, rooms: Rooms) -> None:
        self._house = house
        self._rooms = rooms
        self._open: dict[str, HostedRoom] = {}
        self._contacts: dict[str, Contact] = {}
        self._recordings: dict[str, RoomRecording] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def of(self, account: str) -> list[HostedRoom]:
        """The open rooms of which this account is a host, the newest first."""
        return [one for one in reversed(self._open.values()) if one.is_of(account)]

    def at(self, name: str) -> HostedRoom | None:
        return self._open.get(name)

    def contact(self, name: str) -> Contact | None:
        return self._contacts.get(name)

    async def open(
        self,
        owner: str,
        kind: Kind,
        title: str,
        *,
        staff: tuple[str, ...] = (),
        records: bool = True,
        language: str = "zh",
    ) -> HostedRoom:
        """A new room and its contact, both in SQL. Raises RecordsAway, TooManyRooms."""
        house = self._house
        contact = Contact(
            house=house,
            id=new_contact_id(),
            medium=MEETING,
            hotline=house.default_hotline.number,
            caller=None,
            channel=f"room-{secrets.token_hex(4)}",
            demo=False,
            arrived_ms=now_ms(),
            stage="talking",
            language=language,
        )
        room = HostedRoom(
            new_room(contact.id), contact.id, kind, title, owner, staff, records, "off", contact.arrived_ms
        )
        await house.records.hosted.add(room)
        await contact.note(
            "arrived",
            once="arrived",
            medium=MEETING,
            hotline=contact.hotline,
            caller=None,
            channel=contact.channel,
            demo=False,
            rules=contact.rules.numbers_for(contact.hotline),
        )
        await contact.note("stage", stage="talking")
        await self._rooms.open(room.name, contact.id, SEATS_MAX)
        self._begin(room, contact)
        return room

    def _begin(self, room: HostedRoom, contact: Contact) -> None:
        self._open[room.name], self._contacts[room.name] = room, contact
        self._recordings[room.name] = RoomRecording(contact, self._rooms, room.name)
        task = asyncio.create_task(self._until_ended(room.name), name=f"room {room.name}")
        self._tasks[room.name] = task
        task.add_done_callback(lambda _: self._tasks.pop(room.name, None))

    # ---- ways in

    async def pass_of(self, room: HostedRoom, account: Account) -> Pass:
        """For a host, under the name that people know them by."""
        agent = await self._house.records.agent(account.agent_id) if account.agent_id else None
        return self._rooms.pass_for(
            room.name, HOST + account.name, agent.name if agent else account.name, Role.HOST
        )

    async def invite(self, room: HostedRoom, by: str, shown: str) -> Invited:
        """A link for one party. Raises RecordsAway."""
        at_ms = now_ms()
        token = await self._house.records.rooms.make_link(
            room.name,
            room.contact,
            by,
            at_ms=at_ms,
            lasts_ms=LINK_MS,
            person=PARTY + secrets.token_hex(6),
            shown=shown,
        )
        url = f"{self._house.public_url}/v/{token}"
        return Invited(url, qr_of(url), at_ms + LINK_MS)

    def pass_of_party(self, name: str, person: str, shown: str, *, consent: bool | None) -> Pass:
        """Raises LinkExpired when the room is over, NoConsent when nobody said whether they agree to be recorded."""
        room = self._open.get(name)
        if room is None:
            raise LinkExpired
        if room.records and consent is None:
            raise NoConsent
        self._rooms.agrees(name, person, agrees=not room.records or bool(consent))
        self._contacts[name].note("consent", recording=room.records and bool(consent), person=person)
        return self._rooms.pass_for(name, person, shown, Role.PARTY, waits=True)

    # ---- recording

    def recording(self, name: str) -> Recording:
        tapes = self._recordings.get(name)
        if tapes is None or not tapes.runs:
            return "off"
        return "paused" if tapes.paused else "on"

    async def record(self, name: str, wanted: Recording) -> bool:
        """Begin, pause, go on, or end for good. False where the room may not be recorded, or it did not begin."""
        room, tapes = self._open[name], self._recordings[name]
        if not room.records:
            return wanted == "off"
        if wanted == "off":
            tapes.end()
        elif wanted == "on":
            tapes.resume() if tapes.paused else tapes.begin()
        else:
            tapes.pause()
        is_now = self.recording(name)
        self._open[name] = replace(room, recording=is_now)
        await self._house.records.hosted.record(name, is_now)
        return is_now == wanted

    # ---- the end

    async def _until_ended(self, name: str) -> None:
        """A host ends the session, or nobody was in it for as long as an invitation lasts."""
        seen_s = time.monotonic()
        with self._rooms.follow(name) as events:
            while self._rooms.is_open(name):
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        if isinstance(await events.get(), RoomEnded):
                            break
                if self._rooms.people(name):
                    seen_s = time.monotonic()
                elif time.monotonic() - seen_s > TOKEN_MS / 1000:
                    break
        await asyncio.shield(self.end(name, "over"))

    async def end(self, name: str, reason: str) -> None:
        """Everybody is told; the recording is sealed; the contact has its end. Doing it twice changes nothing."""
        room, contact = self._open.pop(name, None), self._contacts.pop(name, None)
        tapes = self._recordings.pop(name, None)
        if room is None or contact is None or self._house.stopping:
            return
        if tapes is not None:
            tapes.end()
        await self._rooms.end(name, reason)
        contact.end("completed", "agent")
        contact.note("ended", once="ended", reason=contact.end_reason, by="agent", hangup_cause=None)
        with suppress(RecordsAway):
            await contact.stored()
        if self._house.telephones is not None:
            await self._house.telephones.over(name)
        task = self._tasks.get(name)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    # ---- after a start

    async def resume(self) -> None:
        """The rooms of before are open again; what was recorded goes on."""
        records = {one.id: one for one in await self._house.records.open_contacts()}
        for room in await self._house.records.hosted.open():
            record = records.get(room.contact)
            if record is None or not self._rooms.is_open(room.name):
                continue
            contact = Contact.from_record(self._house, record, record.channel or "")
            contact.stage = "talking"
            self._begin(room, contact)
            if room.recording != "off":
                self._recordings[room.name].begin()
            if room.recording == "paused":
                self._recordings[room.name].pause()

    async def close(self) -> None:
        """Stop without ending the rooms: the next start goes on with them."""
        self._house.stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
