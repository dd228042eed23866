"""What a volunteer writes about a contact: kept with every pause of the keys, and closed when it is filed.

A ticket belongs to one contact and one volunteer (after a transfer each writes their own). It begins with the talk and
is open until it is filed with a matter and an outcome; whatever happens in between, what was saved stays.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import TicketFiled, TicketMoved, TicketTooLong
from switchboard.records.database import Database
from switchboard.records.models import TicketRow

MOST_BYTES = 100_000
"""Of all texts of one ticket together, as UTF-8: about 33,000 Chinese characters."""

MOST_SHORT = 80
MOST_OPEN = 200
MOST_NOTE = 4_000

_HEADINGS = {"facts": "情况", "advice": "意见", "follow_up": "跟进"}


@dataclass(frozen=True, slots=True)
class TicketText:
    """What is typed. ``matter`` and ``disposition`` are empty until they are chosen; the rest is plain text."""

    matter: str = ""
    disposition: str = ""
    name: str = ""
    district: str = ""
    facts: str = ""
    advice: str = ""
    follow_up: str = ""

    def check(self) -> None:
        """Raises TicketTooLong."""
        if sum(len(value.encode()) for value in asdict(self).values()) > MOST_BYTES:
            raise TicketTooLong

    def note(self) -> str:
        """The texts under headings, at most ``MOST_NOTE`` long: what the contact's record shows."""
        said = [f"{word}：{getattr(self, name).strip()}" for name, word in _HEADINGS.items()]
        whole = "\n".join(line for line in said if not line.endswith("："))
        return whole if len(whole) <= MOST_NOTE else f"{whole[: MOST_NOTE - 1]}…"

    def digest(self) -> str:
        """SHA-256, in hex, of the ticket in one fixed writing."""
        return hashlib.sha256(
            json.dumps(asdict(self), ensure_ascii=True, sort_keys=True).encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Ticket:
    """``revision`` grows with every save, 0 before the first; ``writer`` is the page that saved last."""

    contact: str
    agent: str
    text: TicketText
    revision: int = 0
    writer: str = ""
    begun_ms: int = 0
    saved_ms: int | None = None
    filed_ms: int | None = None


class Tickets:
    """The table. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

    async def begin(self, contact: str, agent: str, *, matter: str = "", at_ms: int) -> None:
        """There is an open ticket from now on. Doing it twice changes nothing.

        A second talk of the same two opens the filed one again: what was filed before stands in the events.
        """
        row = TicketRow
        async with self._database.write() as connection:
            await self._begin(connection, contact, agent, matter, at_ms)
            await connection.execute(
                update(row)
                .where(row.contact == contact, row.agent == agent, row.filed_ms.is_not(None))
                .values(filed_ms=None)
            )

    async def of(self, contact: str, agent: str) -> Ticket | None:
        async with self._database.read() as connection:
            row = (await connection.execute(_one(contact, agent))).first()
        return _ticket(row) if row else None

    async def save(
        self,
        contact: str,
        agent: str,
        text: TicketText,
        *,
        revision: int,
        base: int,
        writer: str,
        at_ms: int,
    ) -> Ticket:
        """Keeps the text as ``revision`` and returns what is kept now.

        The page that wrote last goes on with any higher revision; one that comes again, or late, changes nothing.
        Another page must have seen the newest (``base``). Raises TicketMoved where it has not, TicketFiled,
        TicketTooLong.
        """
        text.check()
        async with self._database.write() as connection:
            await self._begin(connection, contact, agent, text.matter, at_ms)
            row = (await connection.execute(_one(contact, agent).with_for_update())).one()
            now = _ticket(row)
            if now.filed_ms is not None:
                raise TicketFiled
            if now.writer == writer and revision <= now.revision:
                return now
            if now.writer != writer and base != now.revision:
                raise TicketMoved
            kept = max(revision, now.revision + 1)
            await connection.execute(
                update(TicketRow)
                .where(TicketRow.contact == contact, TicketRow.agent == agent)
                .values(**asdict(text), revision=kept, writer=writer, saved_ms=at_ms)
            )
        return Ticket(contact, agent, text, kept, writer, now.begun_ms, at_ms)

    async def file(self, contact: str, agent: str, matter: str, disposition: str, *, at_ms: int) -> None:
        """Closes it: nobody writes on a filed ticket. Filing twice changes nothing."""
        async with self._database.write() as connection:
            await connection.execute(
                update(TicketRow)
                .where(TicketRow.contact == contact, TicketRow.agent == agent, TicketRow.filed_ms.is_(None))
                .values(matter=matter, disposition=disposition, filed_ms=at_ms)
            )

    async def open_of(self, agent: str, *, limit: int = MOST_OPEN) -> list[Ticket]:
        """What this volunteer has not filed yet, the newest first."""
        wanted = select(TicketRow.__table__).where(TicketRow.agent == agent, TicketRow.filed_ms.is_(None))
        newest = wanted.order_by(TicketRow.begun_ms.desc(), TicketRow.contact.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_ticket(row) for row in await connection.execute(newest)]

    async def of_contact(self, contact: str) -> list[Ticket]:
        """Everybody's tickets about a contact, in the order in which they began."""
        wanted = select(TicketRow.__table__).where(TicketRow.contact == contact)
        async with self._database.read() as connection:
            rows = await connection.execute(wanted.order_by(TicketRow.begun_ms, TicketRow.agent))
            return [_ticket(row) for row in rows]

    async def _begin(
        self, connection: AsyncConnection, contact: str, agent: str, matter: str, at_ms: int
    ) -> None:
        empty = asdict(TicketText(matter=matter))
        fresh = {"contact": contact, "agent": agent, "revision": 0, "writer": "", "begun_ms": at_ms}
        await connection.execute(self._insert(TicketRow).values(**fresh, **empty).on_conflict_do_nothing())


def _one(contact: str, agent: str) -> Any:
    return select(TicketRow.__table__).where(TicketRow.contact == contact, TicketRow.agent == agent)


_TEXTS = tuple(spec.name for spec in fields(TicketText))


def _ticket(row: Row[Any]) -> Ticket:
    values = row._asdict()
    text = TicketText(**{name: values[name] for name in _TEXTS})
    others = {spec.name: values[spec.name] for spec in fields(Ticket) if spec.name != "text"}
    return Ticket(text=text, **others)
