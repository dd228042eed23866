"""The audit log: who did what to which object, each row bound to the one before it.

No personal text goes in: actor, action, object and outcome are identifiers, which are looked up elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import AuditBroken
from switchboard.records.database import Database
from switchboard.records.events import is_slug
from switchboard.records.models import AuditRow

_BEGIN = "0" * 64
_LOCK = 12349
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    at_ms: int
    actor: str
    action: str
    object: str | None
    outcome: str
    before: str

    def hash(self) -> str:
        """SHA-256, in hex, of the row in one fixed writing."""
        row = [self.id, self.at_ms, self.actor, self.action, self.object, self.outcome, self.before]
        return hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, at_ms: int, actor: str, action: str, object_: str | None, outcome: str) -> AuditEntry:
        """Raises ValueError on anything that is not an identifier: free text may be personal."""
        async with self._database.write() as connection:
            return await self.add_in(connection, at_ms, actor, action, object_, outcome)

    async def add_in(
        self,
        connection: AsyncConnection,
        at_ms: int,
        actor: str,
        action: str,
        object_: str | None,
        outcome: str,
    ) -> AuditEntry:
        """The same inside a transaction that is under way: the row exists exactly if what it tells of does."""
        if not (is_slug(actor) and is_slug(action) and is_slug(outcome, 32)):
            raise ValueError("audit rows hold identifiers only")
        if object_ is not None and not is_slug(object_, 128):
            raise ValueError("audit rows hold identifiers only")
        await self.lock(connection)
        last = (await connection.execute(_last())).first()
        entry = AuditEntry(
            id=last.id + 1 if last else 1,
            at_ms=at_ms,
            actor=actor,
            action=action,
            object=object_,
            outcome=outcome,
            before=last.hash if last else _BEGIN,
        )
        await connection.execute(insert(AuditRow).values(**_values(entry), hash=entry.hash()))
        return entry

    async def lock(self, connection: AsyncConnection) -> None:
        """Nobody else adds a row until this transaction has ended; on SQLite a writing one is alone already."""
        if not self._database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})

    async def verify(self) -> int:
        """The number of rows, all of them bound; raises AuditBroken with the id of the first that is not."""
        before, count = _BEGIN, 0
        async with self._database.read() as connection:
            while rows := await _rows_after(connection, count):
                for entry, stored in rows:
                    if entry.id != count + 1 or entry.before != before or entry.hash() != stored:
                        raise AuditBroken(f"row {count + 1}")
                    before, count = stored, count + 1
        return count


_COLUMNS = (
    AuditRow.id,
    AuditRow.at_ms,
    AuditRow.actor,
    AuditRow.action,
    AuditRow.object,
    AuditRow.outcome,
    AuditRow.before,
)


def _last():
    return select(AuditRow.id, AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)


def _values(entry: AuditEntry) -> dict[str, object]:
    return {column.key: getattr(entry, column.key) for column in _COLUMNS}


async def _rows_after(connection: AsyncConnection, ident: int) -> list[tuple[AuditEntry, str]]:
    wanted = select(*_COLUMNS, AuditRow.hash).where(AuditRow.id > ident).order_by(AuditRow.id).limit(_AT_ONCE)
    return [(AuditEntry(*row[:-1]), row[-1]) for row in await connection.execute(wanted)]
