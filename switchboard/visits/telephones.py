"""Telephones in rooms: a host calls somebody in, and a caller of the hotline comes in with the room's code.

A number that a host typed becomes something to dial by ``house.dial_out`` only, as everywhere; what is said, asked and
heard on the way is ``phone_leg``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ivr.errors import IvrError, NotReached
from ivr.intake import CODE_LENGTH
from ivr.prompt import say
from switchboard.contacts.promises import new_code
from switchboard.errors import InvalidInput, LinesBusy, NoTelephone, NotFound, RecordsAway
from switchboard.records.hosted import RoomCode
from switchboard.records.numbers import mask_number
from switchboard.times import now_ms
from switchboard.visits.phone_leg import How, Kind, call_out, end_left_behind, new_leg_id, take_part
from switchboard.visits.rooms import Rooms
from video.tokens import Role

if TYPE_CHECKING:
    from ivr.ari.client import Ari, Reconciled
    from ivr.call import Call
    from switchboard.contacts.contact import Contact
    from switchboard.house import House

log = structlog.get_logger(__name__)

MOST_OF_ROOM, MOST = 4, 20
"""Telephones that ring for one room, and for all rooms of this node."""
KEPT = 20
TRIES = 20
PHONE = "phone-"


@dataclass(eq=False)
class RoomCall:
    """Somebody who was called into a room. ``how``: why it is over; None while it rings or they are inside."""

    id: str
    room: str
    person: str
    shown: str
    number: str
    since_ms: int
    how: str | None = None
    task: asyncio.Task[None] | None = None


class Telephones:
    """Of the rooms of this node."""

    def __init__(self, house: House, rooms: Rooms) -> None:
        self._house = house
        self._rooms = rooms
        self._calls: dict[str, deque[RoomCall]] = {}

    # ---- calling out

    @property
    def works(self) -> bool:
        """Whether somebody can be called: Asterisk runs, and a trunk takes calls to the outside."""
        return self._house.ari is not None and self._house.calls_out

    def call(
        self,
        room: str,
        contact: str,
        by: str,
        number: str,
        shown: str,
        *,
        kind: Kind,
        records: bool,
        language: str,
    ) -> RoomCall:
        """Ring this number; whoever presses 1 stands before the room's door, until a host admits.

        Raises:
            InvalidInput: nobody may be called at such a number.
            NoTelephone, LinesBusy.
        """
        house = self._house
        if not self.works:
            raise NoTelephone
        known = house.dialable(number)
        if known is None:
            raise InvalidInput(fields=("number",))
        ringing = [one for one in self._all() if one.how is None]
        if len(ringing) >= MOST or sum(one.room == room for one in ringing) >= MOST_OF_ROOM:
            raise LinesBusy
        leg = new_leg_id()
        made = RoomCall(leg, room, PHONE + secrets.token_hex(4), shown, mask_number(known), now_ms())
        self._calls.setdefault(room, deque(maxlen=KEPT)).append(made)
        self._note(contact, "called", room=room, leg=leg, by=by, number=known)
        work = self._called(made, contact, known, kind=kind, records=records, language=language)
        made.task = house.background(work)
        return made

    async def _called(
        self, made: RoomCall, contact: str, number: str, *, kind: Kind, records: bool, language: str
    ) -> None:
        house = self._house
        made.how = "failed"
        way = self._rooms.pass_for(made.room, made.person, made.shown, Role.PARTY, waits=True)
        made.how = None
        how: str = "failed"
        try:
            how = await call_out(
                house.require_ari(),
                house.dial_out(number),
                house.prompts,
                self._rooms.bridge,
                made.room,
                way.token,
                kind=kind,
                records=records,
                caller_id=f"12348 <{house.default_hotline.number}>",
                leg_id=made.id,
                language=language,
                timeout_ms=house.config.dial_ms,
            )
        except NotReached as missed:
            how = missed.how
        except IvrError as error:
            log.warning("telephone not called into a room", contact=contact, error=error.code)
        except asyncio.CancelledError:
            how = "withdrawn"
            raise
        finally:
            made.how = how
            if not house.stopping:
                self._note(contact, how, room=made.room, leg=made.id)

    def withdraw(self, room: str, leg: str) -> None:
        """Ring no more, or hang up. Raises NotFound."""
        made = next((one for one in self._calls.get(room, ()) if one.id == leg), None)
        if made is None:
            raise NotFound
        if made.how is None and made.task is not None:
            made.task.cancel()

    def of(self, room: str) -> list[RoomCall]:
        return list(self._calls.get(room, ()))

    def state(self, made: RoomCall) -> str:
        """``ringing``, ``inside`` (the room, or before its door), or how it ended."""
        if made.how is not None:
            return made.how
        return "inside" if self._rooms.person(made.room, made.person) is not None else "ringing"

    async def over(self, room: str) -> None:
        """The room has ended: nobody is rung for it any more, and its code is free. Whoever is inside hears it from the
        room."""
        for made in self._calls.pop(room, ()):
            if self.state(made) == "ringing" and made.task is not None:
                made.task.cancel()
        with suppress(RecordsAway):
            await self._house.records.hosted.forget_code(room)

    def _all(self) -> list[RoomCall]:
        return [one for calls in self._calls.values() for one in calls]

    def _note(self, contact: str, how: str, **facts: str | None) -> None:
        self._house.background(_noted(self._house, contact, how, facts))

    # ---- dialling in

    async def code(self, room: str, contact: str, person: str | None = None) -> str | None:
        """What is keyed in after # at the hotline to come into this room; the same at every asking. ``person``: whose
        place it is; without one somebody new comes and waits. None where no telephone runs, or SQL does not answer."""
        house = self._house
        if house.config.asterisk == "none":
            return None
        with suppress(RecordsAway):
            for _ in range(TRIES):
                known = await house.records.hosted.code_of(room)
                if known is not None:
                    return known.code
                made = RoomCode(await new_code(house), room, contact, person)
                await house.records.hosted.add_code(made, at_ms=now_ms())
        return None

    @property
    def number(self) -> str:
        """What is dialled before the code."""
        return self._house.default_hotline.number

    async def find(self, code: str) -> RoomCode | None:
        """The open room that this code leads into."""
        if len(code) != CODE_LENGTH:
            return None
        found = await self._house.records.hosted.by_code(code)
        return found if found is not None and self._rooms.is_open(found.room) else None

    async def again(self, contact: Contact) -> RoomCode | None:
        """After a restart: the room that this caller was in, if it is open."""
        room = self._rooms.of_contact(contact.origin or "")
        return await self._house.records.hosted.code_of(room) if room else None

    async def enter(self, call: Call, contact: Contact, found: RoomCode) -> How:
        """The caller takes part until the room or they end it. Raises CallerLeft."""
        records, token = self._way(contact, found)
        self._note(found.contact, "inside", room=found.room, call=contact.id)
        how: How = "hung_up"
        try:
            how = await take_part(call, self._rooms.bridge, found.room, token, records=records)
        finally:
            if not self._house.stopping:
                self._note(found.contact, how, room=found.room, call=contact.id)
        return how

    def _way(self, contact: Contact, found: RoomCode) -> tuple[bool, str]:
        """Whether the room may be recorded, and the token: of the visitor whose place it is, or of somebody new."""
        house = self._house
        live = house.live.contact(found.contact)
        if found.person is not None and live is not None and live.meeting is not None:
            records = live.records_talks and live.visitor is not None and live.visitor.consented is not False
            return records, live.meeting.pass_of_visitor.token
        hosted = house.hosting.at(found.room) if house.hosting else None
        shown = f"电话 {mask_number(contact.caller)}".strip()
        person = found.person or PHONE + contact.id
        way = self._rooms.pass_for(found.room, person, shown, Role.PARTY, waits=found.person is None)
        return hosted is not None and hosted.records, way.token

    # ---- after a start

    async def left_behind(self, ari: Ari, found: Reconciled) -> None:
        """Telephones that a process before this one had called: they are told, and hung up."""
        living = [one.id for one in self._all() if one.how is None]
        count = await end_left_behind(ari, found, self._house.prompts, living)
        if count:
            log.info("telephones left behind", count=count)


async def _noted(house: House, contact: str, how: str, facts: dict[str, str | None]) -> None:
    with suppress(RecordsAway):
        await house.records.append(contact, "room_call", at_ms=now_ms(), how=how, **facts)


async def take_room_code(call: Call, contact: Contact, code: str) -> bool:
    """Whether the keys lead into an open room. What is no such code may be another: nothing is said of it then."""
    telephones = contact.house.telephones
    caller = contact.caller or "withheld"
    if telephones is None or contact.house.wrong_codes.too_many(caller):
        return False
    found = await telephones.find(code)
    if found is None:
        return False
    contact.into_room = found
    contact.note("linked", to=found.contact)
    contact.origin = found.contact
    return True


async def go_into_room(call: Call, contact: Contact) -> None:
    """The call's part in the room, and its good-bye; the call has its end then."""
    telephones, found = contact.house.telephones, contact.into_room
    if telephones is None or found is None:
        contact.end("joined", "system")
        await say(call, ["room_over"])
        return
    contact.enter("room")
    await telephones.enter(call, contact, found)
    contact.end("joined", "system")
