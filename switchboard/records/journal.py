"""Writes events and the folded rows of their contacts, many in one transaction."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import TooManyEvents
from switchboard.records.database import Database
from switchboard.records.events import MOST_EVENTS, ContactEvent
from switchboard.records.fold import ContactRecord, fold, pauses_of, recording_of
from switchboard.records.models import AgentState, ContactEventRow, ContactRow
from switchboard.times import now_ms, steady_ms

_KEPT_CONTACTS = 5_000
_FRESH_MS = 2_000


def _machine_clock() -> str:
    """Names the monotonic clock: the same for every process of this machine until it boots anew."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:36]
    except OSError:
        return secrets.token_hex(16)


_CLOCK = _machine_clock()


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has its place in the order. It holds all it takes to write it later or again."""

    contact: str
    kind: str
    data: Mapping[str, object]
    key: str
    at_ms: int
    tick_ms: int | None
    clock: str | None

    @classmethod
    def now(
        cls, contact: str, kind: str, data: Mapping[str, object], key: str | None, at_ms: int | None
    ) -> Draft:
        """``at_ms`` of long ago (a report that came late) has no monotonic time; a fresh one has."""
        now, tick = now_ms(), steady_ms()
        at = now if at_ms is None else at_ms
        fresh = abs(now - at) < _FRESH_MS
        # A key of our own lets a commit whose answer was lost be repeated without doubling the event.
        own = key or f"~{secrets.token_hex(8)}"
        return cls(
            contact, kind, data, own, at, tick - (now - at) if fresh else None, _CLOCK if fresh else None
        )

    def same_as(self, event: ContactEvent) -> bool:
        mine = (self.kind, self.at_ms, self.tick_ms, self.clock)
        return mine == (event.kind, event.at_ms, event.tick_ms, event.clock)


@dataclass(frozen=True, slots=True)
class StateDraft:
    """An agent's new state, for the log of states."""

    agent: str
    state: str
    reason: str | None
    at_ms: int


Item = Draft | StateDraft
Outcome = ContactEvent | None | Exception


@dataclass(slots=True)
class _Log:
    """The events of one contact that is still going on, as the database has them."""

    events: list[ContactEvent] = field(default_factory=list)
    by_key: dict[str | None, ContactEvent] = field(default_factory=dict)

    def keep(self, event: ContactEvent) -> None:
        self.events.append(event)
        self.by_key[event.key] = event


class Journal:
    """Commits batches of items. Not for several tasks at once: the writer is its only caller."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logs: OrderedDict[str, _Log] = OrderedDict()
        self._upsert = _upsert_statement(sqlite.insert if database.is_sqlite else postgresql.insert)

    async def commit(self, items: Sequence[Item], *, again: bool) -> list[Outcome]:
        """One transaction for all. Returns, in order, the event, None for a repeat or state, or what was
        refused.

        ``again`` says that an earlier try of the same items may have been committed after all. Raises
        RecordsAway, or IntegrityError when another node wrote to one of the contacts meanwhile; nothing is
        written then, and the next try reads those contacts anew.
        """
        drafts = [item for item in items if isinstance(item, Draft)]
        states = [asdict(item) for item in items if isinstance(item, StateDraft)]
        contacts = {draft.contact for draft in drafts}
        fresh: list[ContactEvent] = []
        try:
            async with self._database.write() as connection:
                await self._load(connection, contacts - self._logs.keys())
                outcomes = [
                    self._place(item, fresh, again=again) if isinstance(item, Draft) else None
                    for item in items
                ]
                records = await self._write_events(connection, fresh)
                if states:
                    await connection.execute(insert(AgentState), states)
        except BaseException:
            for contact in contacts:
                self._logs.pop(contact, None)
            raise
        self._forget(contacts, records)
        return outcomes

    async def _load(self, connection: AsyncConnection, contacts: set[str]) -> None:
        if not contacts:
            return
        for contact in contacts:
            self._logs[contact] = _Log()
        for event in await events_of(connection, contacts):
            self._logs[event.contact].keep(event)

    def _place(self, draft: Draft, fresh: list[ContactEvent], *, again: bool) -> Outcome:
        log = self._logs[draft.contact]
        known = log.by_key.get(draft.key)
        if known is not None:
            return known if again and draft.same_as(known) else None
        if len(log.events) >= MOST_EVENTS:
            return TooManyEvents(draft.contact)
        event = ContactEvent(
            contact=draft.contact,
            seq=log.events[-1].seq + 1 if log.events else 1,
            at_ms=draft.at_ms,
            kind=draft.kind,
            data=draft.data,
            key=draft.key,
            tick_ms=draft.tick_ms,
            clock=draft.clock,
        )
        log.keep(event)
        fresh.append(event)
        return event

    async def _write_events(
        self, connection: AsyncConnection, fresh: list[ContactEvent]
    ) -> list[ContactRecord]:
        if not fresh:
            return []
        rows = [
            {name: getattr(event, name) for name in _EVENT_FIELDS} | {"agent": event.data.get("agent")}
            for event in fresh
        ]
        await connection.execute(insert(ContactEventRow), rows)
        # In the order of ids, so that two nodes never wait for each other's rows.
        records = [fold(self._logs[contact].events) for contact in sorted({event.contact for event in fresh})]
        await connection.execute(self._upsert, [row_of(record) for record in records])
        return records

    def _forget(self, contacts: Iterable[str], records: list[ContactRecord]) -> None:
        for contact in contacts:
            self._logs.move_to_end(contact)
        for record in records:
            if record.final:
                self._logs.pop(record.id, None)
        while len(self._logs) > _KEPT_CONTACTS:
            self._logs.popitem(last=False)


_EVENT_FIELDS = tuple(spec.name for spec in fields(ContactEvent))
EVENT_COLUMNS = tuple(ContactEventRow.__table__.c[name] for name in _EVENT_FIELDS)
_RECORD_FIELDS = tuple(spec.name for spec in fields(ContactRecord))


async def events_of(connection: AsyncConnection, contacts: Iterable[str]) -> list[ContactEvent]:
    """The events of these contacts, each contact's in order."""
    found = await connection.execute(
        select(*EVENT_COLUMNS)
        .where(ContactEventRow.contact.in_(sorted(contacts)))
        .order_by(ContactEventRow.contact, ContactEventRow.seq)
    )
    return [ContactEvent(*row) for row in found]


def row_of(record: ContactRecord) -> dict[str, Any]:
    """The record as a row of ``contacts``."""
    row = {name: getattr(record, name) for name in _RECORD_FIELDS}
    row["survey"] = dict(record.survey)
    row["pauses"] = [list(pause) for pause in record.pauses]
    row["recordings"] = [asdict(recording) for recording in record.recordings]
    return row


def record_of(row: Row[Any]) -> ContactRecord:
    """The record that ``row_of`` made this row from."""
    values = dict(row._mapping)
    values["recordings"] = tuple(
        recording for one in values["recordings"] if (recording := recording_of(one)) is not None
    )
    values["pauses"] = pauses_of(values["pauses"])
    return ContactRecord(**values)


def _upsert_statement(dialect_insert: Callable[..., Any]) -> Any:
    statement = dialect_insert(ContactRow)
    changes = {name: statement.excluded[name] for name in _RECORD_FIELDS if name != "id"}
    return statement.on_conflict_do_update(index_elements=["id"], set_=changes)
