"""When volunteers are expected, whether they came, and their wishes to be relieved of a shift."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import and_, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import NoSuchShift, ShiftOverlaps, SwapDecided, UnknownAgent
from switchboard.records.audit import Audit
from switchboard.records.database import Database
from switchboard.records.events import is_slug, is_text
from switchboard.records.models import Agent, AgentState, ShiftRow, ShiftSwapRow

LONGEST_MS = 24 * 3_600_000
MOST_NOTE = 200
MOST_TEXT = 1_000
AT_WORK = ("available", "reserved", "in_contact", "wrap_up")
"""States in which a volunteer is on duty; a backup volunteer also standing by (paused, standby)."""

_LOCK = 12350

SwapState = Literal["open", "approved", "declined", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Shift:
    """From ``from_ms`` until ``to_ms``, at most a day. ``matter``, ``role``: what it is for, None for all.

    ``begun_ms``: when the volunteer was first seen on duty in it. ``swap``: how the newest wish to be relieved stands.
    """

    id: int
    agent: str
    name: str | None
    from_ms: int
    to_ms: int
    matter: str | None = None
    role: str | None = None
    note: str = ""
    begun_ms: int | None = None
    swap: str | None = None


@dataclass(frozen=True, slots=True)
class NewShift:
    agent: str
    from_ms: int
    to_ms: int
    matter: str | None = None
    role: str | None = None
    note: str = ""

    def check(self) -> None:
        """Raises ValueError on what can be no shift."""
        if not is_slug(self.agent) or not 0 < self.to_ms - self.from_ms <= LONGEST_MS or self.from_ms < 0:
            raise ValueError("a shift has a volunteer, begins before it ends and lasts a day at most")
        if not all(one is None or is_slug(one) for one in (self.matter, self.role)):
            raise ValueError("matter and role of a shift are identifiers")
        if not is_text(self.note, MOST_NOTE):
            raise ValueError("the note of a shift is a short text")


@dataclass(frozen=True, slots=True)
class Swap:
    """A wish to be relieved of ``shift``. Approved without ``to_agent``: the shift was taken out of the plan."""

    id: int
    shift: int
    agent: str
    name: str | None
    from_ms: int
    to_ms: int
    text: str
    asked_ms: int
    state: str
    decided_by: str | None
    decided_ms: int | None
    to_agent: str | None
    to_name: str | None
    note: str


class Shifts:
    """The tables. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    # ---- the plan

    async def add(self, shift: NewShift, *, by: str, at_ms: int) -> Shift:
        """Raises ValueError, UnknownAgent, ShiftOverlaps."""
        shift.check()
        async with self._database.write() as connection:
            await self._alone(connection)
            await _check_agent(connection, shift.agent)
            await _check_free(connection, shift)
            made = await connection.execute(insert(ShiftRow).values(**_values(shift)))
            ident = int(made.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]
            await self._audit.add_in(connection, at_ms, by, "shift.added", f"shift/{ident}", "done")
            return await _shift(connection, ident)

    async def add_all(self, shifts: Sequence[NewShift], *, by: str, at_ms: int) -> tuple[int, list[int]]:
        """All of them or, when some overlap others, none. Returns how many were new and the places (from 0) of those
        that overlap. One that is there already, with the same times, is passed over.
        """
        for shift in shifts:
            shift.check()
        overlapping: list[int] = []
        fresh: list[NewShift] = []
        async with self._database.write() as connection:
            await self._alone(connection)
            taken = await _taken(connection, shifts)
            for place, shift in enumerate(shifts):
                mine = taken.setdefault(shift.agent, [])
                if (shift.from_ms, shift.to_ms) in mine:
                    continue
                if any(shift.from_ms < to and since < shift.to_ms for since, to in mine):
                    overlapping.append(place)
                    continue
                mine.append((shift.from_ms, shift.to_ms))
                fresh.append(shift)
            if overlapping or not fresh:
                return 0, overlapping
            await connection.execute(insert(ShiftRow), [_values(shift) for shift in fresh])
            await self._audit.add_in(connection, at_ms, by, "shifts.imported", None, "done")
        return len(fresh), []

    async def change(self, ident: int, shift: NewShift, *, by: str, at_ms: int) -> Shift:
        """Raises ValueError, NoSuchShift, UnknownAgent, ShiftOverlaps."""
        shift.check()
        async with self._database.write() as connection:
            await self._alone(connection)
            before = await _shift(connection, ident)
            await _check_agent(connection, shift.agent)
            await _check_free(connection, shift, but=ident)
            same = (before.agent, before.from_ms) == (shift.agent, shift.from_ms)
            values = _values(shift) if same else _values(shift) | {"begun_ms": None}
            await connection.execute(update(ShiftRow).where(ShiftRow.id == ident).values(**values))
            await self._audit.add_in(connection, at_ms, by, "shift.changed", f"shift/{ident}", "done")
            return await _shift(connection, ident)

    async def remove(self, ident: int, *, by: str, at_ms: int) -> None:
        """Out of the plan; the row stays, marked. Raises NoSuchShift."""
        async with self._database.write() as connection:
            await _shift(connection, ident)
            await connection.execute(update(ShiftRow).where(ShiftRow.id == ident).values(removed_ms=at_ms))
            await self._audit.add_in(connection, at_ms, by, "shift.removed", f"shift/{ident}", "done")

    async def listed(
        self,
        since_ms: int,
        until_ms: int,
        *,
        agent: str | None = None,
        after: tuple[int, int] = (-1, 0),
        limit: int = 500,
    ) -> list[Shift]:
        """Shifts that touch the span, by their begin; ``after``: begin and id of the last one seen."""
        row = ShiftRow
        later = or_(row.from_ms > after[0], and_(row.from_ms == after[0], row.id > after[1]))
        # A shift lasts a day at most, so that the index on its begin finds those that are still going on.
        span = and_(row.from_ms >= since_ms - LONGEST_MS, row.from_ms < until_ms, row.to_ms > since_ms)
        which = [span, later] + ([] if agent is None else [row.agent == agent])
        async with self._database.read() as connection:
            rows = await connection.execute(_wanted(*which).limit(limit))
            return [Shift(*one) for one in rows]

    async def coming(self, agents: Collection[str], now_ms: int, *, each: int = 5) -> dict[str, list[Shift]]:
        """For each of them the shifts that are not over, the next ``each`` of them, within sixty days."""
        if not agents:
            return {}
        found = await self._of_many(sorted(agents), now_ms, now_ms + 60 * 86_400_000)
        by_agent: dict[str, list[Shift]] = {agent: [] for agent in agents}
        for shift in found:
            if len(by_agent[shift.agent]) < each:
                by_agent[shift.agent].append(shift)
        return by_agent

    async def _of_many(self, agents: list[str], since_ms: int, until_ms: int) -> list[Shift]:
        row = ShiftRow
        span = and_(row.from_ms >= since_ms - LONGEST_MS, row.from_ms < until_ms, row.to_ms > since_ms)
        async with self._database.read() as connection:
            rows = await connection.execute(_wanted(span, row.agent.in_(agents)))
            return [Shift(*one) for one in rows]

    # ---- who came

    async def missing(self, now_ms: int) -> list[Shift]:
        """Shifts that are going on and have not been begun, after those that have been meanwhile are marked so."""
        row = ShiftRow
        going = [row.from_ms > now_ms - LONGEST_MS, row.from_ms <= now_ms, row.to_ms > now_ms]
        async with self._database.read() as connection:
            waiting = [
                Shift(*one) for one in await connection.execute(_wanted(*going, row.begun_ms.is_(None)))
            ]
            begun = {shift.id: at for shift in waiting if (at := await _begun(connection, shift)) is not None}
        if begun:
            async with self._database.write() as connection:
                for ident, at in begun.items():
                    mine = (row.id == ident) & row.begun_ms.is_(None)
                    await connection.execute(update(row).where(mine).values(begun_ms=at))
        return [shift for shift in waiting if shift.id not in begun]

    # ---- wishes to be relieved

    async def ask_swap(self, ident: int, agent: str, wish: str, at_ms: int) -> Swap:
        """Raises NoSuchShift where it is not theirs or over; asking again while one is open changes nothing."""
        if not is_text(wish, MOST_TEXT):
            raise ValueError("not a text")
        async with self._database.write() as connection:
            await self._alone(connection)
            shift = await _shift(connection, ident)
            if shift.agent != agent or shift.to_ms <= at_ms:
                raise NoSuchShift
            mine = (ShiftSwapRow.shift == ident, ShiftSwapRow.state == "open")
            if known := await _swap(connection, *mine):
                return known
            values = {
                "shift": ident,
                "agent": agent,
                "text": wish,
                "asked_ms": at_ms,
                "state": "open",
                "note": "",
            }
            await connection.execute(insert(ShiftSwapRow).values(**values))
            await self._audit.add_in(connection, at_ms, agent, "swap.asked", f"shift/{ident}", "done")
            made = await _swap(connection, *mine)
        if made is None:
            raise NoSuchShift
        return made

    async def withdraw_swap(self, ident: int, agent: str, at_ms: int) -> bool:
        """The volunteer will come after all. False where nothing was open."""
        row = ShiftSwapRow
        mine = (row.shift == ident) & (row.agent == agent) & (row.state == "open")
        async with self._database.write() as connection:
            values = {"state": "withdrawn", "decided_by": agent, "decided_ms": at_ms}
            done = await connection.execute(update(row).where(mine).values(**values))
            if done.rowcount:
                await self._audit.add_in(connection, at_ms, agent, "swap.withdrawn", f"shift/{ident}", "done")
        return done.rowcount > 0

    async def decide_swap(
        self,
        ident: int,
        outcome: Literal["approved", "declined"],
        *,
        to: str | None,
        note: str,
        by: str,
        at_ms: int,
    ) -> Swap:
        """Approved, the shift goes to ``to``, or out of the plan where nobody takes it.

        Raises NoSuchShift, SwapDecided, UnknownAgent, ShiftOverlaps.
        """
        if not is_text(note, MOST_TEXT):
            raise ValueError("not a note")
        async with self._database.write() as connection:
            await self._alone(connection)
            swap = await _swap(connection, ShiftSwapRow.id == ident)
            if swap is None:
                raise NoSuchShift
            if swap.state != "open":
                raise SwapDecided
            to = to if outcome == "approved" else None
            if outcome == "approved":
                await self._give(connection, swap, to, at_ms)
            values = {"state": outcome, "decided_by": by, "decided_ms": at_ms, "to_agent": to, "note": note}
            await connection.execute(update(ShiftSwapRow).where(ShiftSwapRow.id == ident).values(**values))
            await self._audit.add_in(connection, at_ms, by, f"swap.{outcome}", f"shift/{swap.shift}", "done")
            decided = await _swap(connection, ShiftSwapRow.id == ident)
        if decided is None:
            raise NoSuchShift
        return decided

    async def _give(self, connection: AsyncConnection, swap: Swap, to: str | None, at_ms: int) -> None:
        shift = await _shift(connection, swap.shift)
        if to is None:
            values: dict[str, Any] = {"removed_ms": at_ms}
        else:
            await _check_agent(connection, to)
            taken = NewShift(to, shift.from_ms, shift.to_ms, shift.matter, shift.role, shift.note)
            await _check_free(connection, taken, but=None if to != shift.agent else shift.id)
            values = {"agent": to, "begun_ms": None}
        await connection.execute(update(ShiftRow).where(ShiftRow.id == shift.id).values(**values))

    async def swaps(self, *, since_ms: int, agent: str | None = None, limit: int = 200) -> list[Swap]:
        """Open ones, and those asked since then; the open first, each oldest first."""
        row = ShiftSwapRow
        which = [or_(row.state == "open", row.asked_ms >= since_ms)]
        which += [] if agent is None else [row.agent == agent]
        async with self._database.read() as connection:
            rows = await connection.execute(_swaps_wanted(*which).limit(limit))
            return [Swap(*one) for one in rows]

    async def open_swaps(self) -> int:
        wanted = select(func.count()).select_from(ShiftSwapRow).where(ShiftSwapRow.state == "open")
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one()

    async def _alone(self, connection: AsyncConnection) -> None:
        """Two nodes must not both find the same time free; on SQLite a writing transaction is alone already."""
        if not self._database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _values(shift: NewShift) -> dict[str, Any]:
    return {name: getattr(shift, name) for name in ("agent", "from_ms", "to_ms", "matter", "role", "note")}


_NEWEST_SWAP = (
    select(ShiftSwapRow.state)
    .where(ShiftSwapRow.shift == ShiftRow.id, ShiftSwapRow.agent == ShiftRow.agent)
    .order_by(ShiftSwapRow.id.desc())
    .limit(1)
    .scalar_subquery()
)


def _wanted(*which: Any) -> Any:
    row = ShiftRow
    columns = (
        row.id,
        row.agent,
        Agent.name,
        row.from_ms,
        row.to_ms,
        row.matter,
        row.role,
        row.note,
        row.begun_ms,
    )
    named = select(*columns, _NEWEST_SWAP.label("swap")).outerjoin(Agent, Agent.id == row.agent)
    return named.where(row.removed_ms.is_(None), *which).order_by(row.from_ms, row.id)


async def _shift(connection: AsyncConnection, ident: int) -> Shift:
    row = (await connection.execute(_wanted(ShiftRow.id == ident))).first()
    if row is None:
        raise NoSuchShift
    return Shift(*row)


async def _check_agent(connection: AsyncConnection, agent: str) -> None:
    if (await connection.execute(select(Agent.id).where(Agent.id == agent))).first() is None:
        raise UnknownAgent


async def _check_free(connection: AsyncConnection, shift: NewShift, *, but: int | None = None) -> None:
    row = ShiftRow
    same = [row.agent == shift.agent, row.from_ms < shift.to_ms, row.to_ms > shift.from_ms]
    same += [] if but is None else [row.id != but]
    if (await connection.execute(_wanted(*same))).first() is not None:
        raise ShiftOverlaps


async def _taken(connection: AsyncConnection, shifts: Sequence[NewShift]) -> dict[str, list[tuple[int, int]]]:
    """The times at which the volunteers of ``shifts`` are planned already."""
    taken: dict[str, list[tuple[int, int]]] = {}
    if not shifts:
        return taken
    first = min(shift.from_ms for shift in shifts)
    last = max(shift.to_ms for shift in shifts)
    row = ShiftRow
    span = and_(row.from_ms >= first - LONGEST_MS, row.from_ms < last, row.removed_ms.is_(None))
    for agent, since, to in await connection.execute(select(row.agent, row.from_ms, row.to_ms).where(span)):
        taken.setdefault(agent, []).append((since, to))
    return taken


async def _begun(connection: AsyncConnection, shift: Shift) -> int | None:
    """When the volunteer was first on duty in this shift: ready at its begin already, or since then."""
    row = AgentState
    working = or_(row.state.in_(AT_WORK), and_(row.state == "paused", row.reason == "standby"))
    mine = row.agent == shift.agent
    first = select(func.min(row.at_ms)).where(
        mine, row.at_ms >= shift.from_ms, row.at_ms < shift.to_ms, working
    )
    found = (await connection.execute(first)).scalar()
    before = (
        select(row.state, row.reason)
        .where(mine, row.at_ms < shift.from_ms)
        .order_by(row.at_ms.desc(), row.id.desc())
        .limit(1)
    )
    last = (await connection.execute(before)).first()
    if last and (last.state in AT_WORK or (last.state, last.reason) == ("paused", "standby")):
        return shift.from_ms
    return found


def _swaps_wanted(*which: Any) -> Any:
    row, other = ShiftSwapRow, Agent.__table__.alias("other")
    columns = (
        row.id,
        row.shift,
        row.agent,
        Agent.name,
        ShiftRow.from_ms,
        ShiftRow.to_ms,
        row.text,
        row.asked_ms,
    )
    decided = (row.state, row.decided_by, row.decided_ms, row.to_agent, other.c.name, row.note)
    named = select(*columns, *decided).join(ShiftRow, ShiftRow.id == row.shift)
    named = named.outerjoin(Agent, Agent.id == row.agent).outerjoin(other, other.c.id == row.to_agent)
    return named.where(*which).order_by((row.state != "open"), row.asked_ms, row.id)


async def _swap(connection: AsyncConnection, *which: Any) -> Swap | None:
    row = (await connection.execute(_swaps_wanted(*which))).first()
    return None if row is None else Swap(*row)
