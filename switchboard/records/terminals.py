"""Terminals: where they stand, the code with which one is paired, and the token that it has from then on.

Code and token are stored as digests: whoever reads the database can be no terminal. A code is used once; pairing
anew ends the older token at once.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from switchboard.errors import NameTaken
from switchboard.records.audit import Audit
from switchboard.records.database import Database
from switchboard.records.events import is_slug, is_text
from switchboard.records.models import TerminalRow

CODE_MS = 900_000
"""How long a pairing code may be used."""
CODE_DIGITS = 8
SEEN_EVERY_MS = 60_000
MOST_TERMINALS = 5_000

_CODE = re.compile(rf"[0-9]{{{CODE_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Terminal:
    """``district`` is an id of the roster's districts; ``village`` the words a volunteer reads on the card."""

    id: str
    name: str
    village: str
    district: str | None = None
    paired_ms: int | None = None
    seen_ms: int | None = None
    disabled: bool = False
    demo: bool = False

    def __post_init__(self) -> None:
        named = all(
            is_text(one, 80) and one.strip() and one.isprintable() for one in (self.name, self.village)
        )
        if not (is_slug(self.id, 40) and named and (self.district is None or is_slug(self.district))):
            raise ValueError("not a terminal")


class Terminals:
    """The table. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    async def add(self, terminal: Terminal, *, by: str, at_ms: int) -> None:
        """A new one, not paired yet. Raises NameTaken."""
        row = {
            "id": terminal.id,
            "name": terminal.name,
            "village": terminal.village,
            "district": terminal.district,
            "disabled": False,
            "demo": terminal.demo,
            "created_ms": at_ms,
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(TerminalRow).values(**row))
                await self._audit.add_in(connection, at_ms, by, "terminal.added", terminal.id, "done")
        except IntegrityError as error:
            raise NameTaken(terminal.id) from error

    async def of(self, ident: str) -> Terminal | None:
        found = await self._rows(TerminalRow.id == ident)
        return found[0] if found else None

    async def all(self) -> list[Terminal]:
        return await self._rows(TerminalRow.id.is_not(None))

    async def new_code(self, ident: str, *, by: str, at_ms: int) -> str | None:
        """A code that pairs this terminal once, within ``CODE_MS``; the one before is void. None: no such terminal."""
        code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
        values = {"code_hash": _digest(code), "code_until_ms": at_ms + CODE_MS, "disabled": False}
        async with self._database.write() as connection:
            done = await connection.execute(
                update(TerminalRow).where(TerminalRow.id == ident).values(**values)
            )
            if not done.rowcount:
                return None
            await self._audit.add_in(connection, at_ms, by, "terminal.code", ident, "done")
        return code

    async def pair(self, code: str, *, at_ms: int) -> tuple[Terminal, str] | None:
        """The terminal and the token it has from now on; None for a code that is wrong, used or too old."""
        if not _CODE.fullmatch(code):
            return None
        token = secrets.token_urlsafe(32)
        row = TerminalRow
        right = (row.code_hash == _digest(code)) & (row.code_until_ms > at_ms) & row.disabled.is_(False)
        async with self._database.write() as connection:
            ident = (await connection.execute(select(row.id).where(right))).scalar_one_or_none()
            if ident is None:
                return None
            values = {"token_hash": _digest(token), "code_hash": None, "code_until_ms": None}
            await connection.execute(
                update(row).where(row.id == ident).values(**values, paired_ms=at_ms, seen_ms=at_ms)
            )
            await self._audit.add_in(connection, at_ms, ident, "terminal.paired", ident, "done")
        found = await self.of(ident)
        return (found, token) if found else None

    async def by_token(self, token: str, *, at_ms: int) -> Terminal | None:
        """Whose token it is; None for nobody's. When it was seen is noted once a minute."""
        if not 20 <= len(token) <= 100 or not token.isascii():
            return None
        row = TerminalRow
        found = await self._rows((row.token_hash == _digest(token)) & row.disabled.is_(False))
        if not found:
            return None
        terminal = found[0]
        if at_ms - (terminal.seen_ms or 0) >= SEEN_EVERY_MS:
            async with self._database.write() as connection:
                await connection.execute(update(row).where(row.id == terminal.id).values(seen_ms=at_ms))
        return terminal

    async def disable(self, ident: str, *, by: str, at_ms: int) -> bool:
        """Its token and code are void from now on; a new code brings it back."""
        values: dict[str, Any] = {
            "disabled": True,
            "token_hash": None,
            "code_hash": None,
            "code_until_ms": None,
        }
        async with self._database.write() as connection:
            done = await connection.execute(
                update(TerminalRow).where(TerminalRow.id == ident).values(**values)
            )
            if done.rowcount:
                await self._audit.add_in(connection, at_ms, by, "terminal.disabled", ident, "done")
        return done.rowcount > 0

    async def remove(self, ident: str, *, by: str, at_ms: int) -> bool:
        """Out of the list; what it did stays in the records."""
        async with self._database.write() as connection:
            done = await connection.execute(delete(TerminalRow).where(TerminalRow.id == ident))
            if done.rowcount:
                await self._audit.add_in(connection, at_ms, by, "terminal.removed", ident, "done")
        return done.rowcount > 0

    async def _rows(self, which: Any) -> list[Terminal]:
        row = TerminalRow
        columns = (
            row.id,
            row.name,
            row.village,
            row.district,
            row.paired_ms,
            row.seen_ms,
            row.disabled,
            row.demo,
        )
        wanted = select(*columns).where(which).order_by(row.id).limit(MOST_TERMINALS)
        async with self._database.read() as connection:
            return [Terminal(*one) for one in await connection.execute(wanted)]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
