"""A volunteer's calls for help: asked, seen by a supervisor, closed with a note. Each step leaves an audit row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.records.audit import Audit
from switchboard.records.database import Database
from switchboard.records.events import is_slug, is_text
from switchboard.records.models import Agent, HelpCallRow

MOST_NOTE = 2_000


@dataclass(frozen=True, slots=True)
class HelpCall:
    """``name`` is the volunteer's. ``closed_by`` is the volunteer where they took it back themselves."""

    id: int
    agent: str
    name: str | None
    team: str | None
    contact: str
    asked_ms: int
    seen_by: str | None = None
    seen_ms: int | None = None
    closed_by: str | None = None
    closed_ms: int | None = None
    note: str = ""


class HelpCalls:
    """The table. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    async def ask(self, agent: str, contact: str, team: str | None, at_ms: int) -> HelpCall:
        """A new call, or the one of this volunteer that is still open: asking twice is asking once."""
        if not (is_slug(agent) and is_slug(contact)):
            raise ValueError("not a volunteer or contact")
        try:
            async with self._database.write() as connection:
                known = await _one(connection, HelpCallRow.agent == agent, HelpCallRow.closed_ms.is_(None))
                if known:
                    return known
                values = {"agent": agent, "contact": contact, "team": team, "asked_ms": at_ms, "note": ""}
                made = await connection.execute(insert(HelpCallRow).values(**values))
                ident = int(made.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]
                await self._audit.add_in(connection, at_ms, agent, "help.asked", f"help/{ident}", "done")
                return await _known(connection, ident)
        except IntegrityError:  # asked at two nodes at once
            async with self._database.read() as connection:
                known = await _one(connection, HelpCallRow.agent == agent, HelpCallRow.closed_ms.is_(None))
            if known is None:
                raise
            return known

    async def seen(self, ident: int, by: str, at_ms: int) -> HelpCall | None:
        """Somebody sees to it; the first stays. None where there is no such open call."""
        async with self._database.write() as connection:
            row = HelpCallRow
            mine = (row.id == ident) & row.closed_ms.is_(None) & row.seen_ms.is_(None)
            done = await connection.execute(update(row).where(mine).values(seen_by=by, seen_ms=at_ms))
            if done.rowcount:
                await self._audit.add_in(connection, at_ms, by, "help.seen", f"help/{ident}", "done")
            return await _one(connection, row.id == ident, row.closed_ms.is_(None))

    async def close(self, ident: int, by: str, note: str, at_ms: int) -> HelpCall | None:
        """Dealt with; the first note stays. None where there is no such call."""
        if not is_text(note, MOST_NOTE):
            raise ValueError("not a note")
        async with self._database.write() as connection:
            row = HelpCallRow
            mine = (row.id == ident) & row.closed_ms.is_(None)
            values = {"closed_by": by, "closed_ms": at_ms, "note": note}
            done = await connection.execute(update(row).where(mine).values(**values))
            if done.rowcount:
                await self._audit.add_in(connection, at_ms, by, "help.closed", f"help/{ident}", "done")
            return await _one(connection, row.id == ident)

    async def take_back(self, agent: str, at_ms: int) -> bool:
        """The volunteer needs no help any more. False where nothing was open."""
        async with self._database.write() as connection:
            known = await _one(connection, HelpCallRow.agent == agent, HelpCallRow.closed_ms.is_(None))
            if known is None:
                return False
            values = {"closed_by": agent, "closed_ms": at_ms}
            mine = (HelpCallRow.id == known.id) & HelpCallRow.closed_ms.is_(None)
            done = await connection.execute(update(HelpCallRow).where(mine).values(**values))
            if done.rowcount:
                await self._audit.add_in(
                    connection, at_ms, agent, "help.taken_back", f"help/{known.id}", "done"
                )
            return done.rowcount > 0

    async def open(self, *, closed_since_ms: int | None = None, limit: int = 500) -> list[HelpCall]:
        """Oldest first; with ``closed_since_ms`` also those that were closed since then."""
        which = HelpCallRow.closed_ms.is_(None)
        if closed_since_ms is not None:
            which = or_(which, HelpCallRow.closed_ms >= closed_since_ms)
        async with self._database.read() as connection:
            rows = await connection.execute(_wanted(which).limit(limit))
            return [HelpCall(*row) for row in rows]

    async def of(self, ident: int) -> HelpCall | None:
        async with self._database.read() as connection:
            return await _one(connection, HelpCallRow.id == ident)

    async def since(self, since_ms: int, *, limit: int = 500) -> list[HelpCall]:
        """Open and closed ones that were asked since then, oldest first."""
        async with self._database.read() as connection:
            rows = await connection.execute(_wanted(HelpCallRow.asked_ms >= since_ms).limit(limit))
            return [HelpCall(*row) for row in rows]


def _wanted(*which: Any) -> Any:
    row = HelpCallRow
    named = select(row.id, row.agent, Agent.name, row.team, row.contact, row.asked_ms)
    named = named.add_columns(row.seen_by, row.seen_ms, row.closed_by, row.closed_ms, row.note)
    return named.outerjoin(Agent, Agent.id == row.agent).where(*which).order_by(row.asked_ms, row.id)


async def _one(connection: AsyncConnection, *which: Any) -> HelpCall | None:
    row = (await connection.execute(_wanted(*which))).first()
    return None if row is None else HelpCall(*row)


async def _known(connection: AsyncConnection, ident: int) -> HelpCall:
    found = await _one(connection, HelpCallRow.id == ident)
    if found is None:
        raise LookupError(ident)
    return found
