"""Callers known by their number who go first: the over-80s, people with a disability, servicemen's families, minors.

Numbers are stored in the one form that ``ivr.dialling.caller_number`` gives to every caller's number.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select

from ivr.dialling import caller_number
from switchboard.errors import KnownCallersInvalid
from switchboard.records.database import Database
from switchboard.records.models import KnownCallerRow

MOST_AT_ONCE = 100_000
MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """``reason`` is an id of the routing policy's priorities."""

    number: str
    reason: str
    added_by: str
    added_ms: int


class KnownCallers:
    """The table. Every method raises RecordsAway while the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reason(self, number: str | None) -> str | None:
        """Why this caller goes first; None for everybody else and for a withheld number."""
        if not number:
            return None
        wanted = select(KnownCallerRow.reason).where(KnownCallerRow.number == number)
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar()

    async def put(self, callers: Sequence[KnownCaller]) -> int:
        """Add them, all or none; a number that is there already gets the new reason. Returns how many."""
        if not callers:
            return 0
        by_number = {caller.number: caller for caller in callers}
        async with self._database.write() as connection:
            for some in _in_parts(list(by_number)):
                await connection.execute(delete(KnownCallerRow).where(KnownCallerRow.number.in_(some)))
            await connection.execute(insert(KnownCallerRow), [asdict(one) for one in by_number.values()])
        return len(by_number)

    async def remove(self, number: str) -> bool:
        """False when it was not there."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(KnownCallerRow).where(KnownCallerRow.number == number))
        return gone.rowcount > 0

    async def listed(self, *, after: str = "", limit: int = 200) -> list[KnownCaller]:
        """In the order of their numbers, beginning behind ``after``."""
        columns = (
            KnownCallerRow.number,
            KnownCallerRow.reason,
            KnownCallerRow.added_by,
            KnownCallerRow.added_ms,
        )
        wanted = select(*columns).where(KnownCallerRow.number > after)
        async with self._database.read() as connection:
            rows = await connection.execute(wanted.order_by(KnownCallerRow.number).limit(limit))
            return [KnownCaller(*row) for row in rows]


def read_callers(lines: Iterable[str], reasons: Collection[str], *, by: str, at_ms: int) -> list[KnownCaller]:
    """Callers from CSV lines of ``number,reason`` (a heading line is passed over).

    Raises KnownCallersInvalid naming the lines that cannot be taken, never the numbers.
    """
    found: list[KnownCaller] = []
    problems: list[str] = []
    for line, row in enumerate(csv.reader(lines), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (line == 1 and cells[0].lower() in ("number", "号码", "电话")):
            continue
        number = caller_number(cells[0].removeprefix("\ufeff"))
        if len(cells) < 2 or number is None or cells[1] not in reasons:
            problems.append(
                f"line {line}: write a telephone number, a comma and one of {', '.join(sorted(reasons))}"
            )
        else:
            found.append(KnownCaller(number, cells[1], by, at_ms))
        if len(found) > MOST_AT_ONCE:
            problems.append(f"more than {MOST_AT_ONCE} lines")
        if len(problems) >= MOST_NAMED or len(found) > MOST_AT_ONCE:
            break
    if problems:
        raise KnownCallersInvalid(problems)
    return found


def _in_parts(values: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
