"""The collection in SQL: articles, and for every gram the articles that hold it. One way for every database.

A collection is written whole, as a new generation beside the one in use, in small transactions, so that a running
switchboard is never held up; one last small transaction turns to it. Whoever searches meanwhile finds all of the old
one. Removing old generations comes after, and may be interrupted. ``ranking`` says what an index row holds.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import LawMoved
from switchboard.law.model import Article
from switchboard.law.ranking import index, rank
from switchboard.law.words import MOST_GRAMS, Question, folded, grams, in_legal_words, read_question, same_law
from switchboard.records.database import Database
from switchboard.records.models import LawArticleRow, LawGenerationRow, LawGramRow
from switchboard.times import now_ms

_LOCK = 12350
AT_ONCE = 500
MOST_LOOKED_AT = 50

Progress = Callable[[str, float], None]


def _silent(_what: str, _share: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """An article as it was found. ``imported_ms``: when it came into the collection; ``whole``: every word is in it."""

    article: Article
    imported_ms: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """``words`` are what to mark in the texts; ``articles`` how many the collection holds (0: nothing was imported)."""

    items: tuple[Found, ...]
    words: tuple[str, ...]
    articles: int


@dataclass(frozen=True, slots=True)
class LawSummary:
    """One law of the collection."""

    law: str
    articles: int
    effective: dt.date | None
    source: str
    imported_ms: int


class Library:
    """The collection. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, typed: str, *, limit: int = 20) -> Answer:
        """Articles for words and numbers as somebody types them, the best first.

        Those that hold every word come before those that hold some; a figure asks for the article of that number.
        """
        question = read_question(typed)
        async with self._database.read() as connection:
            if not self._database.is_sqlite:  # one state from begin to end, as SQLite gives by itself
                await connection.execution_options(isolation_level="REPEATABLE READ")
            state = await _in_use(connection)
            if state is None or not (question.words or question.number):
                return Answer((), question.words, state.articles if state else 0)
            items = await _look(connection, state, question)
            for other in _otherwise(question):
                if any(one.whole for one in items):
                    break
                if found := await _look(connection, state, other):
                    items, question = found, other
        return Answer(tuple(items[:limit]), _marks(question, items), state.articles)

    async def laws(self) -> list[LawSummary]:
        """What the collection holds, law by law."""
        row = LawArticleRow
        async with self._database.read() as connection:
            state = await _in_use(connection)
            if state is None:
                return []
            wanted = (
                select(
                    row.law,
                    func.count(),
                    func.max(row.effective),
                    func.max(row.source),
                    func.max(row.imported_ms),
                )
                .where(row.generation == state.generation)
                .group_by(row.law)
                .order_by(row.law)
            )
            return [LawSummary(*one) for one in await connection.execute(wanted)]

    async def put(self, articles: Sequence[Article], *, progress: Progress = _silent) -> int:
        """Adds these laws, each in place of what the collection had of it. Returns how many articles there are then.

        ``progress`` hears what is done and the share of it. Raises LawMoved when somebody else changed the collection
        meanwhile: nothing is changed then.
        """
        new = {article.law for article in articles}
        return await self._replace(lambda law: law not in new, articles, progress)

    async def remove(self, law: str, *, progress: Progress = _silent) -> int:
        """Takes one law out. Returns how many articles went. Raises LawMoved."""
        had = sum(one.articles for one in await self.laws() if one.law == law)
        if had:
            await self._replace(lambda name: name != law, (), progress)
        return had

    # ---- writing

    async def _replace(self, keep: Callable[[str], bool], new: Sequence[Article], progress: Progress) -> int:
        async with self._database.read() as connection:
            state = await _in_use(connection)
            before = state.generation if state else 0
            kept = [_plain(row) for row in await _all(connection, before) if keep(row.law)]
        now = now_ms()
        rows = [*kept, *({**asdict(article), "imported_ms": now} for article in new)]
        rows = [row | {"place": place} for place, row in enumerate(rows)]
        generation = await self._begin(len(rows))
        await self._write(LawArticleRow, generation, rows, lambda share: progress("articles", share / 4))
        postings = await asyncio.to_thread(
            index, (_texts(row) for row in rows), lambda n: progress("index", 0.25 + n / len(rows) / 2)
        )
        grams_rows = [{"gram": gram, "postings": packed} for gram, packed in postings.items()]
        await self._write(
            LawGramRow, generation, grams_rows, lambda share: progress("index", 0.75 + share / 4)
        )
        await self._turn_to(generation, before, now)
        await self._forget_before(generation)
        return len(rows)

    async def _begin(self, articles: int) -> int:
        """The number of a new generation."""
        row = LawGenerationRow
        async with self._database.write() as connection:
            await self._alone(connection)
            newest = (await connection.execute(select(func.max(row.generation)))).scalar() or 0
            await connection.execute(insert(row).values(generation=newest + 1, articles=articles))
        return newest + 1

    async def _alone(self, connection: AsyncConnection) -> None:
        """No other importer, to the end of this transaction. On SQLite whoever writes is alone already."""
        if not self._database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})

    async def _write(
        self, table: type, generation: int, rows: list[dict[str, Any]], done: Callable[[float], None]
    ) -> None:
        for start in range(0, len(rows), AT_ONCE):
            some = [row | {"generation": generation} for row in rows[start : start + AT_ONCE]]
            async with self._database.write() as connection:
                await connection.execute(insert(table), some)
            done(min(1.0, (start + AT_ONCE) / len(rows)))

    async def _turn_to(self, generation: int, before: int, at_ms: int) -> None:
        row = LawGenerationRow
        async with self._database.write() as connection:
            await self._alone(connection)
            state = await _in_use(connection)
            if (state.generation if state else 0) != before:
                raise LawMoved
            in_use = update(row).where(row.generation == generation).values(in_use_ms=at_ms)
            await connection.execute(in_use)

    async def _forget_before(self, generation: int) -> None:
        """What is left of earlier generations, in small steps: a switchboard may be writing calls."""
        for table, key in ((LawGramRow, LawGramRow.gram), (LawArticleRow, LawArticleRow.place)):
            while True:
                async with self._database.write() as connection:
                    oldest = (await connection.execute(select(func.min(table.generation)))).scalar()
                    if oldest is None or oldest >= generation:
                        break
                    some = select(key).where(table.generation == oldest).limit(AT_ONCE)
                    await connection.execute(delete(table).where(table.generation == oldest, key.in_(some)))
        async with self._database.write() as connection:
            row = LawGenerationRow
            await connection.execute(delete(row).where(row.generation < generation))


# ---- searching


@dataclass(frozen=True, slots=True)
class _State:
    generation: int
    articles: int


async def _in_use(connection: AsyncConnection) -> _State | None:
    row = LawGenerationRow
    wanted = select(row.generation, row.articles).where(row.in_use_ms.is_not(None))
    newest = (await connection.execute(wanted.order_by(row.generation.desc()).limit(1))).first()
    return _State(*newest) if newest else None


async def _look(connection: AsyncConnection, state: _State, question: Question) -> list[Found]:
    """At most ``MOST_LOOKED_AT``, the best first."""
    wanted = list(dict.fromkeys(gram for word in question.words for gram in grams(word)))[:MOST_GRAMS]
    row, generation = LawGramRow, state.generation
    in_grams = select(row.gram, row.postings).where(row.generation == generation, row.gram.in_(wanted))
    packed = {one.gram: one.postings for one in await connection.execute(in_grams)}
    numbered = await _numbered(connection, generation, question.number) if question.number else None
    places = await asyncio.to_thread(
        rank, question.words, packed, state.articles, numbered=numbered, most=MOST_LOOKED_AT
    )
    article = LawArticleRow
    by_place = article.__table__.select().where(article.generation == generation, article.place.in_(places))
    rows = {row.place: row for row in await connection.execute(by_place)}
    found = [_found(rows[place], question) for place in places if place in rows]
    return sorted(found, key=lambda one: (one.whole, _names_law(one, question)), reverse=True)


def _otherwise(question: Question) -> list[Question]:
    """What else may have been meant: a bare figure is a word of the text, everyday words are said by the law."""
    meant = [in_legal_words(question)]
    if question.number and not question.certain:
        meant.insert(0, Question((*question.words, str(question.number))))
    return [one for one in meant if one is not None]


async def _numbered(connection: AsyncConnection, generation: int, number: int) -> set[int]:
    row = LawArticleRow
    wanted = select(row.place).where(row.generation == generation, row.number == number)
    return set((await connection.execute(wanted)).scalars())


def _found(row: Row[Any], question: Question) -> Found:
    article = Article(row.law, row.article, row.text, row.title, row.effective, row.source, row.number)
    everything = folded(f"{row.law} {row.title} {row.text}")
    return Found(article, row.imported_ms, all(word in everything for word in question.words))


def _names_law(found: Found, question: Question) -> bool:
    """Somebody who writes the name of a law wants it, not the regulations that carry out this law."""
    return any(same_law(found.article.law, word) for word in question.words)


def _marks(question: Question, items: Sequence[Found]) -> tuple[str, ...]:
    """What to mark: each word, and of one that is nowhere as a whole its pairs."""
    texts = [folded(f"{one.article.law} {one.article.title} {one.article.text}") for one in items]
    marks: list[str] = []
    for word in question.words:
        whole = any(word in text for text in texts)
        marks += [word] if whole else [gram for gram in grams(word) if len(gram) > 1]
    return tuple(dict.fromkeys(marks))


async def _all(connection: AsyncConnection, generation: int) -> list[Row[Any]]:
    table = LawArticleRow.__table__
    wanted = table.select().where(table.c.generation == generation).order_by(table.c.place)
    return list(await connection.execute(wanted))


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in ("generation", "place")}


def _texts(row: dict[str, Any]) -> tuple[str, str]:
    """The heading and the text of an article."""
    return f"{row['law']} {row['title']}", row["text"]
