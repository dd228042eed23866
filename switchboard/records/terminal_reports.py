"""What terminals say of themselves, and who calls for help at them: one row a terminal, the newest report only.

Nothing in it is about a visitor. A call for help is asked at the terminal, seen by somebody of the staff and closed;
each step leaves an audit row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, String, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from switchboard.records.audit import Audit
from switchboard.records.database import Database
from switchboard.records.events import is_text
from switchboard.records.models import Base, TerminalRow

PARTS: Mapping[str, frozenset[str]] = {
    "camera": frozenset({"ok", "missing", "denied", "busy", "unknown"}),
    "microphone": frozenset({"ok", "missing", "denied", "busy", "unknown"}),
    "speaker": frozenset({"ok", "missing", "unknown"}),
    "printer": frozenset({"ok", "paper_out", "offline", "none", "unknown"}),
    "network": frozenset({"ok", "slow"}),
}
"""The parts of a terminal and how each may be. ``none`` is a terminal without one, ``unknown`` not looked at yet."""
GOOD = frozenset({"ok", "none", "unknown"})
FRESH_MS = 600_000
"""A report older than this says nothing about now: a terminal that is switched off at night is no trouble."""
MOST_SHOWN = 500


class TerminalReportRow(Base):
    __tablename__ = "terminal_reports"

    terminal: Mapped[str] = mapped_column(String(64), primary_key=True)
    at_ms: Mapped[int | None] = mapped_column(BigInteger)
    camera: Mapped[str] = mapped_column(String(16))
    microphone: Mapped[str] = mapped_column(String(16))
    speaker: Mapped[str] = mapped_column(String(16))
    printer: Mapped[str] = mapped_column(String(16))
    network: Mapped[str] = mapped_column(String(16))
    version: Mapped[str] = mapped_column(String(120))
    help_ms: Mapped[int | None] = mapped_column(BigInteger)
    help_why: Mapped[str | None] = mapped_column(String(16))
    help_seen_by: Mapped[str | None] = mapped_column(String(64))
    help_seen_ms: Mapped[int | None] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Health:
    """Each part by its word in ``PARTS``; ``version`` is the page's own."""

    camera: str = "unknown"
    microphone: str = "unknown"
    speaker: str = "unknown"
    printer: str = "unknown"
    network: str = "ok"
    version: str = ""

    def __post_init__(self) -> None:
        if any(getattr(self, part) not in words for part, words in PARTS.items()):
            raise ValueError("not how a part of a terminal can be")
        if not (is_text(self.version, 120) and (self.version == "" or self.version.isprintable())):
            raise ValueError("not a version")

    @property
    def troubles(self) -> tuple[str, ...]:
        """``part:word`` of each part that does not work."""
        found = ((part, getattr(self, part)) for part in PARTS)
        return tuple(f"{part}:{word}" for part, word in found if word not in GOOD)


@dataclass(frozen=True, slots=True)
class Help:
    """Somebody at the terminal, or the terminal itself (``why``), wants somebody to come."""

    asked_ms: int
    why: str = "asked"
    seen_by: str | None = None
    seen_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """``at_ms`` None: it has never reported. ``village`` and ``name`` are the terminal's."""

    terminal: str
    name: str
    village: str
    at_ms: int | None
    health: Health
    help: Help | None

    def is_fresh(self, at_ms: int) -> bool:
        return self.at_ms is not None and at_ms - self.at_ms < FRESH_MS


class TerminalReports:
    """The table. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    async def put(self, terminal: str, health: Health, *, at_ms: int) -> None:
        """What the terminal says now takes the place of what it said before; a call for help stays."""
        values = {
            "at_ms": at_ms,
            "version": health.version,
            **{part: getattr(health, part) for part in PARTS},
        }
        async with self._database.write() as connection:
            await _write(connection, terminal, values)

    async def ask_help(self, terminal: str, *, why: str, at_ms: int) -> Help:
        """A call, or the one that is open already: asking twice is asking once."""
        async with self._database.write() as connection:
            known = await _one(connection, terminal)
            if known is not None and known.help is not None:
                return known.help
            values = {"help_ms": at_ms, "help_why": why, "help_seen_by": None, "help_seen_ms": None}
            await _write(connection, terminal, values)
            await self._audit.add_in(connection, at_ms, terminal, "terminal.help", terminal, "done")
        return Help(at_ms, why)

    async def seen(self, terminal: str, *, by: str, at_ms: int) -> bool:
        """Somebody goes there; the first stays. False where nobody calls."""
        row = TerminalReportRow
        async with self._database.write() as connection:
            known = await _one(connection, terminal)
            if known is None or known.help is None:
                return False
            if known.help.seen_ms is None:
                seen = {"help_seen_by": by, "help_seen_ms": at_ms}
                await connection.execute(update(row).where(row.terminal == terminal).values(**seen))
                await self._audit.add_in(connection, at_ms, by, "terminal.help_seen", terminal, "done")
        return True

    async def close(self, terminal: str, *, by: str, at_ms: int) -> bool:
        """The call is over. False where nobody calls."""
        row = TerminalReportRow
        none = {"help_ms": None, "help_why": None, "help_seen_by": None, "help_seen_ms": None}
        async with self._database.write() as connection:
            mine = (row.terminal == terminal) & row.help_ms.is_not(None)
            done = await connection.execute(update(row).where(mine).values(**none))
            if done.rowcount:
                await self._audit.add_in(connection, at_ms, by, "terminal.help_over", terminal, "done")
        return done.rowcount > 0

    async def of(self, terminal: str) -> Report | None:
        async with self._database.read() as connection:
            return await _one(connection, terminal)

    async def all(self) -> dict[str, Report]:
        async with self._database.read() as connection:
            found = await connection.execute(_reports())
        return {one.terminal: one for one in map(_report, found)}

    async def alerts(self, *, at_ms: int) -> list[Report]:
        """Terminals at which somebody calls, or something does not work now; at most 500."""
        row = TerminalReportRow
        bad = or_(*(getattr(row, part).not_in(GOOD) for part in PARTS))
        wanted = or_(row.help_ms.is_not(None), and_(bad, row.at_ms > at_ms - FRESH_MS))
        async with self._database.read() as connection:
            found = await connection.execute(
                _reports().where(wanted, TerminalRow.disabled.is_(False)).limit(MOST_SHOWN)
            )
        return [_report(one) for one in found]


def _reports() -> Any:
    row = TerminalReportRow
    columns = (row.terminal, TerminalRow.name, TerminalRow.village, row.at_ms, *_parts())
    helping = (row.help_ms, row.help_why, row.help_seen_by, row.help_seen_ms)
    joined = select(*columns, *helping).join(TerminalRow, TerminalRow.id == row.terminal)
    return joined.order_by(row.terminal)


def _parts() -> tuple[Any, ...]:
    row = TerminalReportRow
    return (row.camera, row.microphone, row.speaker, row.printer, row.network, row.version)


def _report(found: Any) -> Report:
    terminal, name, village, at_ms, *rest = found
    asked_ms, why, seen_by, seen_ms = rest[6:]
    helping = Help(asked_ms, why or "asked", seen_by, seen_ms) if asked_ms is not None else None
    return Report(terminal, name, village, at_ms, Health(*rest[:6]), helping)


async def _one(connection: AsyncConnection, terminal: str) -> Report | None:
    found = (await connection.execute(_reports().where(TerminalReportRow.terminal == terminal))).first()
    return _report(found) if found else None


async def _write(connection: AsyncConnection, terminal: str, values: Mapping[str, Any]) -> None:
    """Change the row, or make it."""
    row = TerminalReportRow
    mine = update(row).where(row.terminal == terminal).values(**values)
    if (await connection.execute(mine)).rowcount:
        return
    blank = {part: getattr(Health(), part) for part in (*PARTS, "version")}
    try:
        async with connection.begin_nested():
            await connection.execute(insert(row).values(terminal=terminal, **{**blank, **values}))
    except IntegrityError:  # made at another node meanwhile
        await connection.execute(mine)
