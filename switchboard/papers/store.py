"""The tables of papers: a paper as it stands, changed by compare-and-set on its file's digest, and its steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from switchboard.papers.errors import NoSuchPaper, PaperMoved
from switchboard.papers.model import Signer
from switchboard.records.database import Database
from switchboard.records.paper_models import PaperRow, PaperStepRow

State = Literal["signing", "signed", "final", "by_hand", "refused", "withdrawn"]
How = Literal["made", "signed", "refused", "withdrawn"]
MOST_OF_CONTACT = 200


@dataclass(frozen=True, slots=True)
class StoredPaper:
    """A paper as it stands. ``head``: SHA-256 of its file; ``values``: of what it was made from; ``signed``: how many
    of ``signers`` have signed, in their order; ``revision`` counts the steps."""

    id: str
    contact: str
    key: str
    kind: str
    number: str
    state: State
    head: str
    values: str
    signers: tuple[Signer, ...]
    signed: int
    revision: int
    noted: int = field(compare=False)
    place: str
    made_by: str
    made_ms: int

    @property
    def turn(self) -> Signer | None:
        """Who signs next; None when nobody does."""
        return self.signers[self.signed] if self.state == "signing" else None


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a paper. ``base`` and ``head``: the file before and after; ``identity`` names the identity check;
    ``strokes`` and ``binding`` are files: the handwriting, and what it was bound to."""

    paper: str
    revision: int
    how: How
    by: str
    at_ms: int
    base: str
    head: str
    identity: str | None = None
    strokes: str | None = None
    binding: str | None = None
    reason: str | None = None


class PaperTables:
    """Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

    async def add(self, paper: StoredPaper, step: Step) -> StoredPaper:
        """The paper under this contact and key: the one given, or the one that was there before."""
        async with self._database.write() as connection:
            row = {**asdict(paper), "signers": [asdict(one) for one in paper.signers]}
            added = self._insert(PaperRow).values(**row).on_conflict_do_nothing().returning(PaperRow.id)
            if (await connection.execute(added)).first() is not None:
                await connection.execute(insert(PaperStepRow).values(**asdict(step)))
            same = (PaperRow.contact == paper.contact) & (PaperRow.key == paper.key)
            return _stored((await connection.execute(_papers().where(same))).one())

    async def advance(self, before: StoredPaper, after: StoredPaper, step: Step) -> StoredPaper:
        """From the one to the other, if nobody has changed it meanwhile. Raises PaperMoved."""
        row = PaperRow
        unchanged = (row.id == before.id) & (row.head == before.head) & (row.revision == before.revision)
        values = {
            "state": after.state,
            "head": after.head,
            "signed": after.signed,
            "revision": after.revision,
        }
        async with self._database.write() as connection:
            done = await connection.execute(update(row).where(unchanged).values(**values))
            if done.rowcount != 1:
                raise PaperMoved
            await connection.execute(insert(PaperStepRow).values(**asdict(step)))
        return after

    async def of(self, ident: str) -> StoredPaper:
        """Raises NoSuchPaper."""
        async with self._database.read() as connection:
            row = (await connection.execute(_papers().where(PaperRow.id == ident))).first()
        if row is None:
            raise NoSuchPaper
        return _stored(row)

    async def keyed(self, contact: str, key: str) -> StoredPaper | None:
        wanted = _papers().where(PaperRow.contact == contact, PaperRow.key == key)
        async with self._database.read() as connection:
            row = (await connection.execute(wanted)).first()
        return _stored(row) if row else None

    async def of_contact(self, contact: str) -> list[StoredPaper]:
        """In the order in which they were made."""
        wanted = _papers().where(PaperRow.contact == contact).order_by(PaperRow.made_ms, PaperRow.id)
        async with self._database.read() as connection:
            return [_stored(row) for row in await connection.execute(wanted.limit(MOST_OF_CONTACT))]

    async def steps(self, ident: str, *, after: int = 0) -> list[Step]:
        """In order; ``after``: only those of a later revision."""
        row = PaperStepRow
        columns = tuple(getattr(row, spec.name) for spec in fields(Step))
        wanted = select(*columns).where(row.paper == ident, row.revision > after).order_by(row.revision)
        async with self._database.read() as connection:
            return [Step(*one) for one in await connection.execute(wanted)]

    async def unnoted(self, *, limit: int = 1_000) -> list[StoredPaper]:
        """Papers of which a step is missing among their contact's events."""
        async with self._database.read() as connection:
            rows = await connection.execute(_papers().where(PaperRow.noted < PaperRow.revision).limit(limit))
            return [_stored(row) for row in rows]

    async def note(self, ident: str, revision: int) -> None:
        row = PaperRow
        async with self._database.write() as connection:
            await connection.execute(
                update(row).where(row.id == ident, row.noted < revision).values(noted=revision)
            )


_COLUMNS = tuple(getattr(PaperRow, spec.name) for spec in fields(StoredPaper))


def _papers() -> Any:
    return select(*_COLUMNS)


def _stored(row: Row[Any]) -> StoredPaper:
    values = dict(row._mapping)
    return StoredPaper(**{**values, "signers": tuple(Signer(**one) for one in values["signers"])})
