"""One task writes; everybody else hands it items and waits for the commit.

Whatever has gathered while one transaction ran goes into the next one, so that a hundred callers share one
flush to the disk. When the database is away the batch is tried again for ever, with back-off; items wait in a
bounded queue and their owners simply wait longer. A durable spool would stand between ``write`` and the
queue: a ``Draft`` holds all that is needed to commit it later, and ``commit(again=True)`` recognizes what was
committed after all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import IntegrityError

from switchboard.errors import RecordsAway, RecordsClosed
from switchboard.records.events import ContactEvent
from switchboard.records.journal import Item, Outcome

log = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0
_MOST_CONFLICTS = 20

Commit = Callable[..., Awaitable[list[Outcome]]]


@dataclass(slots=True)
class _Waiting:
    item: Item
    done: asyncio.Future[ContactEvent | None]

    def settle(self, outcome: Outcome) -> None:
        if self.done.done():  # its owner was cancelled meanwhile; the item is written all the same
            return
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class Writer:
    """``commit(items, again=bool)`` is one transaction; see ``Journal.commit``."""

    def __init__(self, commit: Commit, *, room: int = 10_000, most: int = 500) -> None:
        self._commit = commit
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(room)  # bounds the queue together with what is in hand
        self._most = most
        self._closing = False
        self._away_since: float | None = None
        self._in_hand: list[_Waiting] = []
        self._task = asyncio.create_task(self._run(), name="records writer")

    @property
    def away_s(self) -> float:
        """For how long the database has refused to commit; 0 while it works."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    @property
    def backlog(self) -> int:
        return self._queue.qsize() + len(self._in_hand)

    async def write(self, item: Item) -> ContactEvent | None:
        """Returns after the commit. Cancelling the caller does not take the item back once it is in the
        queue.
        """
        if self._closing:
            raise RecordsClosed
        await self._room.acquire()
        if self._closing:
            self._room.release()  # the next one that waits for room comes here too
            raise RecordsClosed
        waiting = _Waiting(item, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        return await waiting.done

    async def close(self, timeout: float = 10.0) -> None:
        """Writes what is queued, for at most ``timeout`` seconds; who still waits then gets RecordsClosed."""
        self._closing = True
        try:
            async with asyncio.timeout(timeout):
                self._queue.put_nowait(None)
                await asyncio.shield(self._task)
        except TimeoutError:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        left = self._in_hand
        while not self._queue.empty():
            waiting = self._queue.get_nowait()
            if waiting is not None:
                left.append(waiting)
        for waiting in left:
            self._done(waiting, RecordsClosed())
        if left:
            log.error("records.closed_with_backlog", items=len(left))

    async def _run(self) -> None:
        while True:
            batch, last = await self._gather()
            self._in_hand = batch
            if batch:
                await self._settle(batch)
            self._in_hand = []
            if last:
                return

    async def _gather(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        waiting = await self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            if len(batch) >= self._most or self._queue.empty():
                return batch, False
            waiting = self._queue.get_nowait()
        return batch, True

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        """Commits the batch whatever it takes; alone in a batch, a failing item fails its owner only."""
        wait_s, again, conflicts = _FIRST_WAIT_S, False, 0
        while True:
            try:
                outcomes = await self._commit([waiting.item for waiting in batch], again=again)
            except RecordsAway as error:
                self._went_away(error)
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311  # no secret, only jitter
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            except Exception as error:
                conflicts += 1
                if not isinstance(error, IntegrityError) or conflicts > _MOST_CONFLICTS:
                    await self._settle_singly(batch, error)
                    return
            else:
                self._came_back()
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    self._done(waiting, outcome)
                return
            again = True

    async def _settle_singly(self, batch: Sequence[_Waiting], error: Exception) -> None:
        if len(batch) == 1:
            log.error("records.refused", error=type(error).__name__)
            self._done(batch[0], error)
            return
        for waiting in batch:
            await self._settle([waiting])

    def _done(self, waiting: _Waiting, outcome: Outcome) -> None:
        self._room.release()
        waiting.settle(outcome)

    def _went_away(self, error: RecordsAway) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.error("records.away", error=str(error))

    def _came_back(self) -> None:
        if self._away_since is not None:
            log.info("records.back", away_ms=int(self.away_s * 1000), backlog=self.backlog)
            self._away_since = None
