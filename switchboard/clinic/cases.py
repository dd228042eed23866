"""Cases: everything at the clinic that has a state, kept in one way.

A kind of case is a ``Subject``: a frozen dataclass for what is known, a ``Machine`` for its states, and a pure function
that says what a step changes. ``Cases`` reads the row, asks the two, writes the event and the row in one transaction.
A step whose ``key`` was seen before changes nothing; two at once are one after the other.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.clinic.errors import CaseMoved, KeyReused, TooMany
from switchboard.clinic.machine import Actor, Machine
from switchboard.errors import NotFound
from switchboard.records.clinic_models import ClinicCaseRow, ClinicEventRow, ClinicHoldRow
from switchboard.records.database import Database

T = TypeVar("T")

MOST_EVENTS = 1_000
MOST_LISTED = 500
FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one case. ``data`` is what it brings; only what ``Subject.told`` names goes into the event."""

    verb: str
    actor: Actor
    at_ms: int
    key: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]


@dataclass(frozen=True, slots=True)
class Index:
    """What lists are made by."""

    agent: str | None = None
    terminal: str | None = None
    from_ms: int | None = None
    due_ms: int | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Subject(Generic[T]):
    """A kind of case. ``apply(value, step, state)`` returns the new value or raises a Refused; it is pure.

    ``told`` are the names of a step's data that may stand in the log for ever: nothing personal.
    """

    kind: str
    prefix: str
    machine: Machine
    type: type[T]
    apply: Callable[[T, Step, str], T]
    index: Callable[[T], Index]
    told: frozenset[str] = frozenset()

    def dump(self, value: T) -> dict[str, Any]:
        return _adapter(self.type).dump_python(value, mode="json")

    def load(self, kept: object) -> T:
        return _adapter(self.type).validate_python(kept)


@lru_cache(maxsize=64)
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True)
class Case(Generic[T]):
    """``revision`` counts the events."""

    id: str
    kind: str
    number: str | None
    state: str
    revision: int
    opened_ms: int
    changed_ms: int
    demo: bool
    value: T


@dataclass(frozen=True, slots=True)
class CaseEvent:
    seq: int
    at_ms: int
    verb: str
    state: str
    actor: str
    role: str
    key: str
    data: Mapping[str, Any]
    digest: str


Within = Callable[[AsyncConnection, str, Any], Awaitable[None]]
"""Something more in the same transaction: the connection, the case's id, its new value."""


class Cases:
    """The tables. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        subject: Subject[T],
        value: T,
        step: Step,
        *,
        number: bool = False,
        demo: bool = False,
        within: Within | None = None,
    ) -> Case[T]:
        """A new case, in its machine's first state; the same kind, actor and key again is the same case."""
        opened = open_key(subject, step)
        try:
            async with self._database.write() as connection:
                if known := await _by_open_key(connection, opened):
                    return _case(subject, known)
                ident = f"{subject.prefix}-{step.at_ms:011x}{secrets.token_hex(5)}"
                row = {
                    "id": ident,
                    "kind": subject.kind,
                    "number": await _new_number(connection) if number else None,
                    "open_key": opened,
                    "opened_ms": step.at_ms,
                    "demo": demo,
                } | _columns(subject, value, subject.machine.begin, 1, step.at_ms, FIRST)
                row["digest"] = await _log(connection, subject, ident, step, row, FIRST)
                await connection.execute(insert(ClinicCaseRow).values(**row))
                if within is not None:
                    await within(connection, ident, value)
                return _case(subject, await _row(connection, ident))
        except IntegrityError:
            async with self._database.read() as connection:  # another node was quicker with the same key
                if known := await _by_open_key(connection, opened):
                    return _case(subject, known)
            raise

    async def do(
        self,
        subject: Subject[T],
        ident: str,
        step: Step,
        *,
        base: int | None = None,
        within: Within | None = None,
    ) -> Case[T]:
        """One step. ``base``: the revision that whoever asks has seen, where it matters.

        Raises NotFound, CaseMoved, KeyReused, and what machine and ``apply`` refuse; nothing is changed then.
        """
        async with self._database.write() as connection:
            row = await _row(connection, ident, subject.kind, lock=True)
            if verb := await _verb_of(connection, ident, step.key):
                if verb != step.verb:
                    raise KeyReused
                return _case(subject, row)
            if base is not None and base != row.revision:
                raise CaseMoved
            if row.revision >= MOST_EVENTS:
                raise TooMany
            state = subject.machine.after(row.state, step.verb, step.actor.role)
            value = subject.apply(subject.load(row.value), step, row.state)
            columns = _columns(subject, value, state, row.revision + 1, step.at_ms, row.digest)
            columns["digest"] = await _log(connection, subject, ident, step, columns, row.digest)
            await connection.execute(update(ClinicCaseRow).where(ClinicCaseRow.id == ident).values(**columns))
            if within is not None:
                await within(connection, ident, value)
            return _case(subject, await _row(connection, ident))

    async def verb_of(self, ident: str, key: str) -> str | None:
        """What was done under this key already."""
        async with self._database.read() as connection:
            return await _verb_of(connection, ident, key)

    async def of(self, subject: Subject[T], ident: str) -> Case[T]:
        """Raises NotFound."""
        async with self._database.read() as connection:
            return _case(subject, await _row(connection, ident, subject.kind))

    async def numbered(self, subject: Subject[T], number: str) -> Case[T]:
        """By what the person was told. Raises NotFound."""
        found = await self.listed(subject, ClinicCaseRow.number == number, limit=1)
        if not found:
            raise NotFound
        return found[0]

    async def listed(
        self,
        subject: Subject[T],
        *which: Any,
        states: Collection[str] = (),
        agent: str | None = None,
        terminal: str | None = None,
        parent: str | None = None,
        limit: int = MOST_LISTED,
    ) -> list[Case[T]]:
        """The one due first at first; ``which``: more conditions on ``ClinicCaseRow``."""
        row = ClinicCaseRow
        wanted = select(row.__table__).where(row.kind == subject.kind, *which)
        if states:
            wanted = wanted.where(row.state.in_(sorted(states)))
        for column, value in ((row.agent, agent), (row.terminal, terminal), (row.parent, parent)):
            if value is not None:
                wanted = wanted.where(column == value)
        ordered = wanted.order_by(func.coalesce(row.due_ms, row.from_ms, row.opened_ms), row.id).limit(limit)
        async with self._database.read() as connection:
            return [_case(subject, one) for one in await connection.execute(ordered)]

    async def events(self, ident: str) -> list[CaseEvent]:
        """In their order."""
        row = ClinicEventRow
        columns = (
            row.seq,
            row.at_ms,
            row.verb,
            row.state,
            row.actor,
            row.role,
            row.key,
            row.data,
            row.digest,
        )
        async with self._database.read() as connection:
            found = await connection.execute(select(*columns).where(row.case_id == ident).order_by(row.seq))
            return [CaseEvent(*one) for one in found]

    async def whole(self, subject: Subject[T], ident: str) -> bool:
        """Whether every event is bound to the one before and the value to the last."""
        found = await self.events(ident)
        before = FIRST
        for seq, one in enumerate(found, 1):
            if (
                one.seq != seq
                or one.data.get("value") is None
                or one.digest != _event_digest(ident, one, before)
            ):
                return False
            before = one.digest
        async with self._database.read() as connection:
            row = await _row(connection, ident, subject.kind)
        return bool(found) and row.digest == before and found[-1].data["value"] == _value_digest(row.value)


# ---- times held for a case, inside a transaction of its step


async def hold(connection: AsyncConnection, ident: str, resource: str, quarters: Iterable[int]) -> None:
    rows = [{"resource": resource, "quarter_ms": one, "case_id": ident} for one in quarters]
    await connection.execute(insert(ClinicHoldRow), rows)


async def release(connection: AsyncConnection, ident: str) -> None:
    await connection.execute(delete(ClinicHoldRow).where(ClinicHoldRow.case_id == ident))


def open_key(subject: Subject[Any], step: Step) -> str:
    """What a case is known by to whoever opened it, before its id is."""
    return _digest(f"{subject.kind}/{step.actor.id}/{step.key}".encode())


# ---- rows


def _columns(
    subject: Subject[T], value: T, state: str, revision: int, at_ms: int, digest: str
) -> dict[str, Any]:
    index = subject.index(value)
    return {
        "state": state,
        "revision": revision,
        "changed_ms": at_ms,
        "digest": digest,
        "value": subject.dump(value),
        "agent": index.agent,
        "terminal": index.terminal,
        "from_ms": index.from_ms,
        "due_ms": index.due_ms,
        "parent": index.parent,
    }


async def _log(
    connection: AsyncConnection,
    subject: Subject[T],
    ident: str,
    step: Step,
    columns: Mapping[str, Any],
    before: str,
) -> str:
    told = {name: step.data[name] for name in sorted(subject.told & step.data.keys())}
    plain = json.loads(json.dumps(told, ensure_ascii=False)) | {"value": _value_digest(columns["value"])}
    event = CaseEvent(
        columns["revision"],
        step.at_ms,
        step.verb,
        columns["state"],
        step.actor.id,
        step.actor.role,
        step.key,
        plain,
        "",
    )
    digest = _event_digest(ident, event, before)
    row = {name: getattr(event, name) for name in CaseEvent.__slots__} | {"case_id": ident, "digest": digest}
    await connection.execute(insert(ClinicEventRow).values(**row))
    return digest


def _digest(said: bytes) -> str:
    return hashlib.sha256(said).hexdigest()


def _value_digest(value: object) -> str:
    return _digest(json.dumps(value, ensure_ascii=True, sort_keys=True).encode())


def _event_digest(ident: str, event: CaseEvent, before: str) -> str:
    said = [
        *(before, ident, event.seq, event.at_ms, event.verb),
        *(event.state, event.actor, event.role, event.key, event.data),
    ]
    return _digest(json.dumps(said, ensure_ascii=True, sort_keys=True).encode())


async def _row(
    connection: AsyncConnection, ident: str, kind: str | None = None, *, lock: bool = False
) -> Row[Any]:
    wanted = select(ClinicCaseRow.__table__).where(ClinicCaseRow.id == ident)
    found = (await connection.execute(wanted.with_for_update() if lock else wanted)).first()
    if found is None or (kind is not None and found.kind != kind):
        raise NotFound
    return found


async def _by_open_key(connection: AsyncConnection, opened: str) -> Row[Any] | None:
    wanted = select(ClinicCaseRow.__table__).where(ClinicCaseRow.open_key == opened)
    return (await connection.execute(wanted)).first()


async def _verb_of(connection: AsyncConnection, ident: str, key: str) -> str | None:
    row = ClinicEventRow
    wanted = select(row.verb).where(row.case_id == ident, row.key == key)
    return (await connection.execute(wanted)).scalar_one_or_none()


async def _new_number(connection: AsyncConnection) -> str:
    """Eight digits that no case has; nobody can guess one from another."""
    while True:
        number = str(10_000_000 + secrets.randbelow(90_000_000))
        taken = select(ClinicCaseRow.id).where(ClinicCaseRow.number == number)
        if (await connection.execute(taken)).first() is None:
            return number


def _case(subject: Subject[T], row: Row[Any]) -> Case[T]:
    return Case(
        row.id,
        row.kind,
        row.number,
        row.state,
        row.revision,
        row.opened_ms,
        row.changed_ms,
        row.demo,
        subject.load(row.value),
    )
