"""Video rooms in SQL: which are open, what happened in them, and the links that lead into one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from switchboard.records.database import Database
from switchboard.records.models import RoomEventRow, RoomLinkRow, RoomRow

MOST_EVENTS_OF_ROOM = 20_000
"""Of one room no more are kept; a loop somewhere must not fill the disk."""

LinkState = Literal["open", "used", "expired"]


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """A room that has not ended. ``state``: what the bridge said of it last."""

    name: str
    contact: str
    seats: int
    opened_ms: int
    state: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RoomEvent:
    room: str
    at_ms: int
    since_ms: int
    kind: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A link into one room. ``state`` says whether it may still be used. ``person``, ``shown``: whom it is for, in a
    room with several parties."""

    room: str
    contact: str
    made_by: str
    expires_ms: int
    state: LinkState
    person: str | None = None
    shown: str | None = None


class RoomLog:
    """The tables. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def opened(self, room: OpenRoom) -> None:
        """Doing it twice changes nothing; a room that had ended is open again."""
        make = sqlite.insert if self._database.is_sqlite else postgresql.insert
        values = {
            "name": room.name,
            "contact": room.contact,
            "seats": room.seats,
            "opened_ms": room.opened_ms,
        }
        statement = make(RoomRow).values(**values)
        again = statement.on_conflict_do_update(
            index_elements=["name"], set_={"ended_ms": None, "reason": None, "seats": room.seats}
        )
        async with self._database.write() as connection:
            await connection.execute(again)

    async def ended(self, name: str, at_ms: int, reason: str) -> None:
        row = RoomRow
        open_ = (row.name == name) & row.ended_ms.is_(None)
        async with self._database.write() as connection:
            await connection.execute(
                update(row).where(open_).values(ended_ms=at_ms, reason=reason[:40], state=None)
            )

    async def keep_state(self, name: str, state: dict[str, Any]) -> None:
        row = RoomRow
        async with self._database.write() as connection:
            await connection.execute(
                update(row).where((row.name == name) & row.ended_ms.is_(None)).values(state=state)
            )

    async def open_rooms(self) -> list[OpenRoom]:
        row = RoomRow
        columns = (row.name, row.contact, row.seats, row.opened_ms, row.state)
        wanted = select(*columns).where(row.ended_ms.is_(None)).order_by(row.opened_ms)
        async with self._database.read() as connection:
            return [OpenRoom(*one) for one in await connection.execute(wanted)]

    async def of_contact(self, contact: str) -> list[str]:
        """The names of a contact's rooms, ended ones included."""
        wanted = select(RoomRow.name).where(RoomRow.contact == contact).order_by(RoomRow.opened_ms)
        async with self._database.read() as connection:
            return list((await connection.execute(wanted)).scalars())

    async def contact_of(self, name: str) -> tuple[str, str | None] | None:
        """The contact of a room and why it ended (None while it is open); None for a room that never was."""
        wanted = select(RoomRow.contact, RoomRow.reason, RoomRow.ended_ms).where(RoomRow.name == name)
        async with self._database.read() as connection:
            found = (await connection.execute(wanted)).first()
        if found is None:
            return None
        return found.contact, (found.reason or "") if found.ended_ms is not None else None

    # ---- what happened

    async def add(self, events: Sequence[RoomEvent]) -> None:
        """All of them, or none."""
        if not events:
            return
        rows = [
            {
                "room": one.room,
                "at_ms": one.at_ms,
                "since_ms": one.since_ms,
                "kind": one.kind,
                "data": one.data,
            }
            for one in events
        ]
        async with self._database.write() as connection:
            await connection.execute(insert(RoomEventRow), rows)

    async def count(self, room: str) -> int:
        wanted = select(func.count()).select_from(RoomEventRow).where(RoomEventRow.room == room)
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one()

    async def events(self, room: str, *, limit: int = MOST_EVENTS_OF_ROOM) -> list[RoomEvent]:
        """In the order in which they happened."""
        row = RoomEventRow
        columns = (row.room, row.at_ms, row.since_ms, row.kind, row.data)
        wanted = select(*columns).where(row.room == room).order_by(row.id).limit(limit)
        async with self._database.read() as connection:
            return [RoomEvent(*one) for one in await connection.execute(wanted)]

    # ---- links

    async def make_link(
        self,
        room: str,
        contact: str,
        by: str,
        *,
        at_ms: int,
        lasts_ms: int,
        person: str | None = None,
        shown: str | None = None,
    ) -> str:
        """The token of a link that may be used once. Earlier links of the same person into this room are void."""
        token = secrets.token_urlsafe(24)
        row = RoomLinkRow
        same = row.person.is_(None) if person is None else row.person == person
        unused = (row.room == room) & same & row.used_ms.is_(None) & (row.expires_ms > at_ms)
        values = {
            "token_hash": _digest(token),
            "room": room,
            "contact": contact,
            "made_by": by,
            "made_ms": at_ms,
            "expires_ms": at_ms + lasts_ms,
            "person": person,
            "shown": shown,
        }
        async with self._database.write() as connection:
            await connection.execute(update(row).where(unused).values(expires_ms=at_ms))
            await connection.execute(insert(row).values(**values))
        return token

    async def link(self, token: str, *, at_ms: int) -> Link | None:
        """What a link leads to, without using it; None for one that was never made."""
        row = RoomLinkRow
        columns = (row.room, row.contact, row.made_by, row.expires_ms, row.used_ms, row.person, row.shown)
        async with self._database.read() as connection:
            found = (
                await connection.execute(select(*columns).where(row.token_hash == _digest(token)))
            ).first()
        if found is None:
            return None
        state: LinkState = (
            "used" if found.used_ms is not None else "open" if found.expires_ms > at_ms else "expired"
        )
        return Link(
            found.room, found.contact, found.made_by, found.expires_ms, state, found.person, found.shown
        )

    async def use_link(self, token: str, *, at_ms: int) -> bool:
        """True for exactly one of all who try, and only in time."""
        row = RoomLinkRow
        mine = (row.token_hash == _digest(token)) & row.used_ms.is_(None) & (row.expires_ms > at_ms)
        async with self._database.write() as connection:
            done = await connection.execute(update(row).where(mine).values(used_ms=at_ms))
        return done.rowcount == 1


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
