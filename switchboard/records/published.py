"""Versions of the rules: hotlines, routing policy, calendar. Written once, published, retired, never deleted.

Numbers grow per kind and name. At most one version of a name is published; the database itself holds to that. Every
step is one transaction with its audit row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Select, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import NothingEarlier, NotThere, VersionMoved
from switchboard.records.audit import Audit
from switchboard.records.database import Database
from switchboard.records.events import is_slug, is_text
from switchboard.records.models import RuleVersionRow

Kind = Literal["hotline", "policy", "calendar"]
State = Literal["draft", "published", "retired"]

KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_BYTES = 64 * 1024
MOST_NOTE = 200
_LOCK = 12350


@dataclass(frozen=True, slots=True)
class Version:
    """One text of one name. ``base`` is the number that was published when the author began (0: none was).

    ``restores`` is the number whose text a roll-back published anew; 0 is the file on disk, None no roll-back.
    """

    kind: Kind
    name: str
    number: int
    text: str
    state: State
    author: str
    note: str
    created_ms: int
    published_ms: int | None = None
    base: int = 0
    restores: int | None = None


_COLUMNS = tuple(RuleVersionRow.__table__.c[name] for name in Version.__dataclass_fields__)


class Published:
    """The versions in the database. Raises ValueError on what can be no kind, name, author, note or text."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    async def save_draft(
        self, kind: Kind, name: str, text_: str, *, author: str, note: str, base: int | None, at_ms: int
    ) -> Version:
        """A new draft. ``base`` None: begun from what is published now. Raises VersionMoved for a base of the
        future.
        """
        _check(kind, name, author, note)
        if not is_text(text_, MOST_BYTES) or len(text_.encode()) > MOST_BYTES:
            raise ValueError("the text of a version has at most 64 KB")
        async with self._database.write() as connection:
            await self._alone(connection)
            present = await _present(connection, kind, name)
            now = present.number if present else 0
            if base is not None and base > now:
                raise VersionMoved(now)
            draft = Version(
                kind=kind,
                name=name,
                number=await _next_number(connection, kind, name),
                text=text_,
                state="draft",
                author=author,
                note=note,
                created_ms=at_ms,
                base=now if base is None else base,
            )
            await connection.execute(insert(RuleVersionRow).values(**_values(draft)))
            await self._audit.add_in(connection, at_ms, author, "rules.draft", _object(draft), "done")
        return draft

    async def publish(self, kind: Kind, name: str, number: int, *, author: str, at_ms: int) -> Version:
        """The draft is in force from now on; publishing what is in force changes nothing.

        Raises NotThere for no such version and VersionMoved when something else was published since the draft was
        begun, or when the version was in force once and is not any more.
        """
        _check(kind, name, author, "")
        async with self._database.write() as connection:
            await self._alone(connection)
            found = (await connection.execute(_of(kind, name).where(_is(number)))).first()
            if found is None:
                raise NotThere
            version, present = Version(*found), await _present(connection, kind, name)
            if version.state == "published":
                return version
            now = present.number if present else 0
            if version.state == "retired" or version.base != now:
                raise VersionMoved(now)
            await self._put_in_force(connection, version, at_ms)
            await self._audit.add_in(connection, at_ms, author, "rules.publish", _object(version), "done")
            return Version(*(await connection.execute(_of(kind, name).where(_is(number)))).one())

    async def restorable(self, kind: Kind, name: str) -> tuple[int, Version | None]:
        """The number in force, and the version before it; None is the file on disk. Raises NothingEarlier."""
        _check(kind, name, "anybody", "")
        async with self._database.read() as connection:
            return await _earlier(connection, kind, name)

    async def roll_back(
        self, kind: Kind, name: str, *, author: str, at_ms: int, seed: str | None, over: int | None
    ) -> Version:
        """The text before the present one is published anew, under a new number.

        Raises NothingEarlier, and VersionMoved when the present version is not ``over`` (None: whichever it is).
        Before the first version lies ``seed``, the file on disk.
        """
        _check(kind, name, author, "")
        async with self._database.write() as connection:
            await self._alone(connection)
            now, earlier = await _earlier(connection, kind, name)
            if over is not None and over != now:
                raise VersionMoved(now)
            if earlier is None and seed is None:
                raise NothingEarlier
            restores = 0 if earlier is None else earlier.restores or earlier.number
            again = Version(
                kind=kind,
                name=name,
                number=await _next_number(connection, kind, name),
                text=earlier.text if earlier else seed or "",
                state="draft",
                author=author,
                note="",
                created_ms=at_ms,
                base=now,
                restores=restores,
            )
            await connection.execute(insert(RuleVersionRow).values(**_values(again)))
            await self._put_in_force(connection, again, at_ms)
            await self._audit.add_in(connection, at_ms, author, "rules.roll_back", _object(again), "done")
            return Version(*(await connection.execute(_of(kind, name).where(_is(again.number)))).one())

    async def published(self, kind: Kind | None = None) -> list[Version]:
        """What is in force, of one kind or of all."""
        wanted = select(*_COLUMNS).where(RuleVersionRow.state == "published")
        if kind is not None:
            wanted = wanted.where(RuleVersionRow.kind == kind)
        async with self._database.read() as connection:
            rows = await connection.execute(wanted.order_by(RuleVersionRow.kind, RuleVersionRow.name))
            return [Version(*row) for row in rows]

    async def numbers(self) -> dict[tuple[str, str], int]:
        """The number in force of each kind and name: cheap enough to be asked every second."""
        row = RuleVersionRow
        wanted = select(row.kind, row.name, row.number).where(row.state == "published")
        async with self._database.read() as connection:
            return {(kind, name): number for kind, name, number in await connection.execute(wanted)}

    async def names(self, kind: Kind) -> list[str]:
        """Every name that has a version."""
        wanted = select(RuleVersionRow.name).where(RuleVersionRow.kind == kind).distinct()
        async with self._database.read() as connection:
            return sorted((await connection.execute(wanted)).scalars())

    async def versions(self, kind: Kind, name: str, *, limit: int) -> list[Version]:
        """Newest first."""
        wanted = _of(kind, name).order_by(RuleVersionRow.number.desc()).limit(limit)
        async with self._database.read() as connection:
            return [Version(*row) for row in await connection.execute(wanted)]

    async def version(self, kind: Kind, name: str, number: int) -> Version | None:
        async with self._database.read() as connection:
            row = (await connection.execute(_of(kind, name).where(_is(number)))).first()
        return Version(*row) if row else None

    async def _alone(self, connection: AsyncConnection) -> None:
        """Two who publish at once come one after the other; a writing transaction on SQLite is alone already."""
        if not self._database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})

    async def _put_in_force(self, connection: AsyncConnection, version: Version, at_ms: int) -> None:
        row = RuleVersionRow
        same = (row.kind == version.kind) & (row.name == version.name)
        retire = update(row).where(same, row.state == "published").values(state="retired")
        await connection.execute(retire)
        in_force = update(row).where(same, row.number == version.number)
        await connection.execute(in_force.values(state="published", published_ms=at_ms))


def _check(kind: str, name: str, author: str, note: str) -> None:
    if kind not in KINDS or not is_slug(name, 32) or not is_slug(author) or not is_text(note, MOST_NOTE):
        raise ValueError("kind, name and author of a version are identifiers, its note a short text")


def _values(version: Version) -> dict[str, Any]:
    return {column.key: getattr(version, column.key) for column in _COLUMNS}


def _object(version: Version) -> str:
    return f"{version.kind}/{version.name}/{version.number}"


def _of(kind: str, name: str) -> Select[Any]:
    return select(*_COLUMNS).where(RuleVersionRow.kind == kind, RuleVersionRow.name == name)


def _is(number: int) -> Any:
    return RuleVersionRow.number == number


async def _present(connection: AsyncConnection, kind: str, name: str) -> Version | None:
    row = (await connection.execute(_of(kind, name).where(RuleVersionRow.state == "published"))).first()
    return Version(*row) if row else None


async def _next_number(connection: AsyncConnection, kind: str, name: str) -> int:
    row = RuleVersionRow
    highest = select(func.max(row.number)).where(row.kind == kind, row.name == name)
    return ((await connection.execute(highest)).scalar() or 0) + 1


async def _earlier(connection: AsyncConnection, kind: str, name: str) -> tuple[int, Version | None]:
    """Rolling back twice goes back twice: what a roll-back published counts as the version that it restored."""
    present = await _present(connection, kind, name)
    if present is None or present.restores == 0:
        raise NothingEarlier
    stands_for = present.restores or present.number
    wanted = _of(kind, name).where(
        RuleVersionRow.published_ms.is_not(None), RuleVersionRow.number < stands_for
    )
    row = (await connection.execute(wanted.order_by(RuleVersionRow.number.desc()).limit(1))).first()
    return present.number, Version(*row) if row else None
