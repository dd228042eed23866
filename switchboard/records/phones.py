"""Volunteers' own telephones. A number is stored to be called and to be recognised; nothing here shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from switchboard.errors import PhoneTaken
from switchboard.records.database import Database
from switchboard.records.models import AgentPhone
from switchboard.records.people import Passwords

Duty = Literal["ready", "paused"]


@dataclass(frozen=True, slots=True)
class Phone:
    """``number`` in the form of ``ivr.dialling.caller_number``; never printed. ``duty`` None: not by telephone now."""

    agent: str
    number: str = field(repr=False)
    has_pin: bool
    duty: Duty | None


class Phones:
    """The table of telephones."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def of(self, agent: str) -> Phone | None:
        found = await self._rows(AgentPhone.agent == agent)
        return found[0] if found else None

    async def on_duty(self) -> list[Phone]:
        """Who serves by telephone without a desk, for a start after the switchboard was away."""
        return await self._rows(AgentPhone.duty.is_not(None))

    async def store(self, agent: str, number: str, pin: str | None) -> None:
        """Without ``pin`` the one before stays. Raises WeakPin, and PhoneTaken when another volunteer has it."""
        values: dict[str, str | None] = {"number": number}
        if pin is not None:
            values["pin_hash"] = await self._passwords.hash_pin(pin)
        try:
            async with self._database.write() as connection:
                mine = update(AgentPhone).where(AgentPhone.agent == agent)
                known = await connection.execute(mine.values(**values))
                if known.rowcount == 0:
                    await connection.execute(insert(AgentPhone).values(agent=agent, **values))
        except IntegrityError as error:
            raise PhoneTaken from error

    async def remove(self, agent: str) -> bool:
        async with self._database.write() as connection:
            gone = await connection.execute(delete(AgentPhone).where(AgentPhone.agent == agent))
        return gone.rowcount > 0

    async def set_duty(self, agent: str, duty: Duty | None) -> None:
        async with self._database.write() as connection:
            mine = update(AgentPhone).where(AgentPhone.agent == agent)
            await connection.execute(mine.values(duty=duty))

    async def verify_pin(self, number: str | None, pin: str) -> str | None:
        """The volunteer's id, or None: it takes as long for a number nobody has as for a wrong PIN."""
        wanted = select(AgentPhone.agent, AgentPhone.pin_hash).where(AgentPhone.number == (number or ""))
        async with self._database.read() as connection:
            row = (await connection.execute(wanted)).first()
        right = await self._passwords.verify(row.pin_hash if row else None, pin)
        return row.agent if row and right else None

    async def _rows(self, which: object) -> list[Phone]:
        wanted = select(AgentPhone.__table__).where(which).order_by(AgentPhone.agent)  # pyright: ignore[reportArgumentType]
        async with self._database.read() as connection:
            rows = await connection.execute(wanted)
            return [Phone(row.agent, row.number, row.pin_hash is not None, row.duty) for row in rows]
