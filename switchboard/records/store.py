"""``Records``: all that the rest of the switchboard asks of SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from sqlalchemy import func, insert, select

from switchboard.records import events, queries
from switchboard.records.audit import Audit, AuditEntry
from switchboard.records.database import Database
from switchboard.records.events import ContactEvent, is_slug, is_text
from switchboard.records.fold import ContactRecord, fold
from switchboard.records.help_calls import HelpCalls
from switchboard.records.hosted import HostedRooms
from switchboard.records.journal import Draft, Journal, StateDraft, events_of, record_of
from switchboard.records.known_callers import KnownCallers
from switchboard.records.models import Agent, AgentState, ContactRow
from switchboard.records.overload import OverloadSteps
from switchboard.records.own_figures import OwnFiguresOf
from switchboard.records.people import Account, AgentRow, Passwords, People, Role
from switchboard.records.phones import Phone, Phones
from switchboard.records.published import Kind, Published, Version
from switchboard.records.queries import ContactQuery, Figures, Page, Rated, TaskFigures
from switchboard.records.rooms import RoomLog
from switchboard.records.shifts import Shifts
from switchboard.records.terminal_reports import TerminalReports
from switchboard.records.terminals import Terminals
from switchboard.records.tickets import Tickets
from switchboard.records.writer import Writer
from switchboard.times import now_ms

AGENT_STATES = frozenset({"offline", "available", "reserved", "in_contact", "wrap_up", "paused"})


@dataclass(frozen=True, slots=True)
class StateChange:
    """One row of the log of agent states."""

    agent: str
    state: str
    reason: str | None
    at_ms: int


class Records:
    """What happened, and who the people are. Open it once per process; every method may be used by any task.

    Reading raises RecordsAway while the database does not answer; ``append`` and ``log_agent_state`` wait
    instead and return after their commit. All times are integer milliseconds since 1970.
    """

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._writer = Writer(Journal(database).commit)
        self._audit = Audit(database)
        self.people = People(database, passwords)
        self.known_callers = KnownCallers(database)
        self.phones = Phones(database, passwords)
        self.rules = Published(database, self._audit)
        self.help_calls = HelpCalls(database, self._audit)
        self.shifts = Shifts(database, self._audit)
        self.own = OwnFiguresOf(database)
        self.overload = OverloadSteps(database, self._audit)
        self.tickets = Tickets(database)
        self.terminals = Terminals(database, self._audit)
        self.terminal_reports = TerminalReports(database, self._audit)
        self.rooms = RoomLog(database)
        self.hosted = HostedRooms(database)

    @classmethod
    async def open(cls, url: str, *, passwords: Passwords | None = None) -> Self:
        """Connects and brings the schema up to date. ``url``: sqlite:///FILE, postgresql://... or a file
        name.
        """
        database = Database(url)
        try:
            await database.upgrade()
        except BaseException:
            await database.close()
            raise
        return cls(database, passwords or Passwords())

    @property
    def database(self) -> Database:
        """For parts of the switchboard with tables of their own."""
        return self._database

    async def close(self, timeout: float = 10.0) -> None:
        """Writes what is still waiting, for at most ``timeout`` seconds, and lets the database go."""
        await self._writer.close(timeout)
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    # What happened

    async def append(
        self,
        contact: str,
        kind: str,
        /,
        *,
        at_ms: int | None = None,
        key: str | None = None,
        **data: object,
    ) -> ContactEvent | None:
        """Adds one event and returns it after the commit; None when ``key`` was used in this contact before.

        Raises InvalidEvent at once, before anything is queued. While the database is away it waits.
        Cancelling the caller does not take the event back.
        """
        checked = events.check(contact, kind, data, key)
        return await self._writer.write(Draft.now(contact, kind, checked, key, at_ms))

    async def log_agent_state(
        self, agent: str, state: str, reason: str | None = None, at_ms: int | None = None
    ) -> None:
        """Adds to the log of states; returns after the commit."""
        if not is_slug(agent) or state not in AGENT_STATES or not (reason is None or is_text(reason, 64)):
            raise ValueError("not an agent's state")
        await self._writer.write(StateDraft(agent, state, reason, now_ms() if at_ms is None else at_ms))

    async def contact(self, ident: str) -> tuple[ContactRecord, list[ContactEvent]] | None:
        """The record, folded from its events here and now, and the events."""
        async with self._database.read() as connection:
            found = await events_of(connection, [ident])
        return (fold(found), found) if found else None

    async def contacts(self, query: ContactQuery) -> Page:
        """Raises BadCursor on a mark that we did not give out."""
        async with self._database.read() as connection:
            rows = (await connection.execute(queries.contacts_page(query))).all()
        items = tuple(record_of(row) for row in rows[: query.limit])
        return Page(items, queries.mark_of(items[-1]) if len(rows) > query.limit else None)

    async def contacts_named(self, idents: Collection[str]) -> list[ContactRecord]:
        """Those of these that there are, in no order."""
        wanted = select(ContactRow.__table__).where(ContactRow.id.in_(sorted(idents)))
        async with self._database.read() as connection:
            return [record_of(row) for row in await connection.execute(wanted)]

    async def open_contacts(self) -> list[ContactRecord]:
        """All that are not final: still going on (``ended_ms`` None) or waiting for the wrap-up. Oldest
        first.
        """
        wanted = select(ContactRow.__table__).where(ContactRow.final.is_(False))
        async with self._database.read() as connection:
            rows = await connection.execute(wanted.order_by(ContactRow.arrived_ms, ContactRow.id))
            return [record_of(row) for row in rows]

    async def follow_ups(self, *, limit: int = 200) -> list[ContactRecord]:
        """Contacts that somebody still has to look into, oldest first."""
        wanted = select(ContactRow.__table__).where(ContactRow.follow_up == "open")
        async with self._database.read() as connection:
            rows = await connection.execute(
                wanted.order_by(ContactRow.arrived_ms, ContactRow.id).limit(limit)
            )
            return [record_of(row) for row in rows]

    async def open_follow_ups(self) -> int:
        """How many there are."""
        wanted = select(func.count()).select_from(ContactRow).where(ContactRow.follow_up == "open")
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one()

    async def appeals(self, *, limit: int = 200) -> list[ContactRecord]:
        """Contacts whose rating a volunteer objects to, undecided, oldest first."""
        wanted = select(ContactRow.__table__).where(ContactRow.appeal == "open")
        async with self._database.read() as connection:
            rows = await connection.execute(
                wanted.order_by(ContactRow.arrived_ms, ContactRow.id).limit(limit)
            )
            return [record_of(row) for row in rows]

    async def open_appeals(self) -> int:
        """How many there are."""
        wanted = select(func.count()).select_from(ContactRow).where(ContactRow.appeal == "open")
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one()

    async def bad_ratings(self, agent: str, since_ms: int, *, limit: int = 100) -> list[ContactRecord]:
        """Contacts of this volunteer that ended since then and whose caller was dissatisfied, newest first."""
        row = ContactRow
        wanted = select(row.__table__).where(
            row.agent == agent, row.ended_ms >= since_ms, row.follow_up.is_not(None)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(wanted.order_by(row.ended_ms.desc(), row.id.desc()).limit(limit))
            return [record_of(one) for one in rows]

    async def earlier_contacts(self, caller: str | None, *, before_ms: int | None = None) -> int:
        """How many contacts this number had before ``before_ms`` (now). 0 for a withheld number."""
        if not caller:
            return 0
        before = now_ms() if before_ms is None else before_ms
        same = (ContactRow.caller == caller) & (ContactRow.arrived_ms < before)
        async with self._database.read() as connection:
            counted = await connection.execute(select(func.count()).select_from(ContactRow).where(same))
            return counted.scalar_one()

    async def figures_today(self, *, at_ms: int | None = None, demo: bool | None = None) -> Figures:
        """Since midnight in China. ``demo`` counts only demonstration contacts (True) or leaves them out
        (False).
        """
        return await self.figures(queries.begin_of_day_ms(now_ms() if at_ms is None else at_ms), demo=demo)

    async def figures(
        self, since_ms: int, until_ms: int | None = None, *, demo: bool | None = None
    ) -> Figures:
        async with self._database.read() as connection:
            row = (await connection.execute(queries.figures(since_ms, until_ms, demo))).one()
        return queries.figures_of(since_ms, row)

    async def tasks(
        self,
        media: Collection[str] = queries.TASK_MEDIA,
        *,
        agent: str | None = None,
        limit: int = 10_000,
    ) -> list[ContactRecord]:
        """Open messages and call-backs, the one due first at first; ``agent``: those given to this volunteer."""
        async with self._database.read() as connection:
            rows = await connection.execute(queries.tasks(media, agent, limit))
            return [record_of(row) for row in rows]

    async def open_by_code(self, code: str) -> ContactRecord | None:
        """The open message or call-back whose code was told to its caller."""
        async with self._database.read() as connection:
            row = (await connection.execute(queries.open_by_code(code))).first()
        return record_of(row) if row else None

    async def task_figures(self, *, at_ms: int | None = None) -> TaskFigures:
        """How many messages and call-backs are open, due today, overdue."""
        async with self._database.read() as connection:
            row = (await connection.execute(queries.task_figures(now_ms() if at_ms is None else at_ms))).one()
        return TaskFigures(*(int(value) for value in row))

    async def rated(self, *, since_ms: int, most: int = 20_000) -> list[Rated]:
        """Who was rated how in contacts that arrived since then; the newest ``most`` of them."""
        async with self._database.read() as connection:
            rows = await connection.execute(queries.rated(since_ms, most))
            return [Rated(row.agent, row.hotline, dict(row.survey)) for row in rows]

    async def agent_states(self, agent: str, *, since_ms: int = 0, limit: int = 1_000) -> list[StateChange]:
        """The newest ``limit`` states since then, oldest first."""
        wanted = (
            select(AgentState.agent, AgentState.state, AgentState.reason, AgentState.at_ms)
            .where(AgentState.agent == agent, AgentState.at_ms >= since_ms)
            .order_by(AgentState.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(wanted)).all()
        return [StateChange(*row) for row in reversed(rows)]

    async def close_states(self, at_ms: int, *, but: Collection[str] = ()) -> int:
        """Nobody knows what became of the volunteers after ``at_ms``, when the switchboard was last alive: whoever was
        not offline then is noted as offline. ``but``: who is known to be at another node. Returns how many.
        """
        newest = select(AgentState.state).where(AgentState.agent == Agent.id)
        last = newest.order_by(AgentState.at_ms.desc(), AgentState.id.desc()).limit(1).scalar_subquery()
        when = select(func.max(AgentState.at_ms)).where(AgentState.agent == Agent.id).scalar_subquery()
        async with self._database.write() as connection:
            found = await connection.execute(select(Agent.id, last.label("state"), when.label("at_ms")))
            rows = [
                {"agent": row.id, "state": "offline", "reason": "restart", "at_ms": max(at_ms, row.at_ms)}
                for row in found
                if row.state not in (None, "offline") and row.id not in but
            ]
            if rows:
                await connection.execute(insert(AgentState), rows)
        return len(rows)

    # Who the people are

    async def agents(self) -> list[AgentRow]:
        return await self.people.agents()

    async def agent(self, ident: str) -> AgentRow | None:
        return await self.people.agent(ident)

    async def upsert_agent(self, agent: AgentRow) -> None:
        await self.people.upsert_agent(agent)

    async def account(self, name: str) -> Account | None:
        return await self.people.account(name)

    async def create_account(
        self, name: str, password: str, role: Role, agent_id: str | None = None
    ) -> Account:
        return await self.people.create_account(name, password, role, agent_id)

    async def phone_of(self, agent: str) -> Phone | None:
        return await self.phones.of(agent)

    async def verify_password(self, name: str, password: str) -> Account | None:
        return await self.people.verify_password(name, password)

    # The rules, as published versions (switchboard.rules checks what they say)

    async def save_draft(
        self, kind: Kind, name: str, text: str, *, author: str, note: str = "", base: int | None = None
    ) -> Version:
        return await self.rules.save_draft(
            kind, name, text, author=author, note=note, base=base, at_ms=now_ms()
        )

    async def publish(self, kind: Kind, name: str, number: int, *, author: str) -> Version:
        """Raises NotThere, VersionMoved."""
        return await self.rules.publish(kind, name, number, author=author, at_ms=now_ms())

    async def roll_back(
        self, kind: Kind, name: str, *, author: str, seed: str | None = None, over: int | None = None
    ) -> Version:
        """Raises NothingEarlier, VersionMoved."""
        return await self.rules.roll_back(kind, name, author=author, seed=seed, over=over, at_ms=now_ms())

    async def published(self, kind: Kind) -> dict[str, Version]:
        """What is in force, by name."""
        return {version.name: version for version in await self.rules.published(kind)}

    async def versions(self, kind: Kind, name: str, *, limit: int = 200) -> list[Version]:
        """Newest first."""
        return await self.rules.versions(kind, name, limit=limit)

    # Trust

    async def audit(
        self, actor: str, action: str, object_: str | None = None, outcome: str = "done"
    ) -> AuditEntry:
        """Adds a row to the audit log; all four are identifiers, never free text."""
        return await self._audit.add(now_ms(), actor, action, object_, outcome)

    async def verify_audit(self) -> int:
        """The number of rows; raises AuditBroken with the first that does not fit."""
        return await self._audit.verify()

    # Health

    async def ping(self) -> None:
        """Raises RecordsAway when the database does not answer."""
        await self._database.ping()

    @property
    def away_s(self) -> float:
        """For how long commits have failed; 0 while they work."""
        return self._writer.away_s

    @property
    def backlog(self) -> int:
        """How many events wait for their commit."""
        return self._writer.backlog
