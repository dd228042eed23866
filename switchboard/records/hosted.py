"""Rooms that staff open by themselves, and the codes by which telephones come into any room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, Boolean, String, UniqueConstraint, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from switchboard.records.database import Database
from switchboard.records.models import Base, Json, RoomRow

Recording = Literal["off", "on", "paused"]


class HostedRoomRow(Base):
    """What a room is for and whose it is; that it is open says ``rooms``."""

    __tablename__ = "hosted_rooms"
    __table_args__ = (UniqueConstraint("contact", name="hosted_rooms_contact"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    contact: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(120))
    owner: Mapped[str] = mapped_column(String(64))
    staff: Mapped[list[Any]] = mapped_column(Json)
    records: Mapped[bool] = mapped_column(Boolean)
    recording: Mapped[str] = mapped_column(String(8))
    made_ms: Mapped[int] = mapped_column(BigInteger)


class RoomCodeRow(Base):
    """What is keyed in on a telephone to come into a room. ``person``: whose place that is; none: somebody new."""

    __tablename__ = "room_codes"
    __table_args__ = (UniqueConstraint("room", name="room_codes_room"),)

    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    room: Mapped[str] = mapped_column(String(64))
    contact: Mapped[str] = mapped_column(String(64))
    person: Mapped[str | None] = mapped_column(String(64))
    made_ms: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class HostedRoom:
    """``owner`` and ``staff`` are names of accounts: they are its hosts. ``records``: whether it may be recorded;
    ``recording``: whether it is."""

    name: str
    contact: str
    kind: str
    title: str
    owner: str
    staff: tuple[str, ...]
    records: bool
    recording: Recording
    made_ms: int

    def is_of(self, account: str) -> bool:
        return account == self.owner or account in self.staff


@dataclass(frozen=True, slots=True)
class RoomCode:
    code: str
    room: str
    contact: str
    person: str | None


class HostedRooms:
    """The tables. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, room: HostedRoom) -> None:
        columns = HostedRoom.__slots__
        values = {name: getattr(room, name) for name in columns} | {"staff": list(room.staff)}
        async with self._database.write() as connection:
            await connection.execute(insert(HostedRoomRow).values(**values))

    async def of(self, name: str) -> HostedRoom | None:
        return await self._one(HostedRoomRow.name == name)

    async def of_contact(self, contact: str) -> HostedRoom | None:
        return await self._one(HostedRoomRow.contact == contact)

    async def open(self) -> list[HostedRoom]:
        """Those whose room has not ended, oldest first."""
        row = HostedRoomRow
        wanted = (
            select(row.__table__)
            .join(RoomRow, RoomRow.name == row.name)
            .where(RoomRow.ended_ms.is_(None))
            .order_by(row.made_ms)
        )
        async with self._database.read() as connection:
            return [_hosted(one) for one in await connection.execute(wanted)]

    async def record(self, name: str, recording: Recording) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(HostedRoomRow).where(HostedRoomRow.name == name).values(recording=recording)
            )

    async def _one(self, where: Any) -> HostedRoom | None:
        async with self._database.read() as connection:
            found = (await connection.execute(select(HostedRoomRow.__table__).where(where))).first()
        return _hosted(found) if found else None

    # ---- codes

    async def add_code(self, code: RoomCode, *, at_ms: int) -> bool:
        """False when there is such a code, or the room has one: ask again."""
        values = {name: getattr(code, name) for name in RoomCode.__slots__}
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(RoomCodeRow).values(**values, made_ms=at_ms))
        except IntegrityError:
            return False
        return True

    async def by_code(self, code: str) -> RoomCode | None:
        return await self._code(RoomCodeRow.code == code)

    async def code_of(self, room: str) -> RoomCode | None:
        return await self._code(RoomCodeRow.room == room)

    async def forget_code(self, room: str) -> None:
        """The room has ended: the code may be given out again."""
        async with self._database.write() as connection:
            await connection.execute(delete(RoomCodeRow).where(RoomCodeRow.room == room))

    async def _code(self, where: Any) -> RoomCode | None:
        row = RoomCodeRow
        wanted = select(row.code, row.room, row.contact, row.person).where(where)
        async with self._database.read() as connection:
            found = (await connection.execute(wanted)).first()
        return RoomCode(*found) if found else None


def _hosted(row: Any) -> HostedRoom:
    recording: Recording = row.recording if row.recording in ("on", "paused") else "off"
    return HostedRoom(
        row.name,
        row.contact,
        row.kind,
        row.title,
        row.owner,
        tuple(row.staff or ()),
        row.records,
        recording,
        row.made_ms,
    )
