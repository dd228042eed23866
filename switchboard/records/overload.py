"""On which overload step each role stands: one row for each role, changed by whichever node is first.

Every node comes to the same step within a second or two. Only the change of this row is a step of the house, and only
with it goes a row into the audit log; both are one transaction.
"""

from __future__ import annotations

from sqlalchemy import insert, select, update

from switchboard.records.audit import Audit
from switchboard.records.database import Database
from switchboard.records.models import OverloadRow

NORMAL = "normal"


class OverloadSteps:
    """Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    async def now(self) -> dict[str, tuple[str, int]]:
        """Level and since when (ms), by role; a role that was never above normal is left out."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(OverloadRow.role, OverloadRow.level, OverloadRow.at_ms))
            return {row.role: (row.level, row.at_ms) for row in rows}

    async def step(self, role: str, before: str, now: str, at_ms: int) -> bool:
        """Go from one step to the next. False when the role does not stand on ``before``: another node was first."""
        async with self._database.write() as connection:
            await self._audit.lock(connection)
            wanted = select(OverloadRow.level).where(OverloadRow.role == role)
            stands = (await connection.execute(wanted)).scalar()
            if (stands or NORMAL) != before:
                return False
            change = (
                insert(OverloadRow) if stands is None else update(OverloadRow).where(OverloadRow.role == role)
            )
            await connection.execute(change.values(role=role, level=now, at_ms=at_ms))
            await self._audit.add_in(connection, at_ms, "switchboard", f"overload_{now}", role, "done")
        return True
