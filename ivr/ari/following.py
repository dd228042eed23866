"""Who is told which events: followers by the ids they follow, and the stream that most of them use."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from ivr.ari.events import BridgeSnapshot, ChannelSnapshot, Event
from ivr.errors import Disconnected, IvrError, Overflowed


@dataclass(frozen=True, slots=True)
class Reconciled(Event):
    """What exists in Asterisk just after a connect; the first thing every follower hears after a gap.

    `restarted`: Asterisk itself was started anew since the connect before, so every earlier channel is gone.
    An event that came after the connect may tell of the same things again.
    """

    channels: Mapping[str, ChannelSnapshot]
    bridges: Mapping[str, BridgeSnapshot]
    restarted: bool


class Follower(Protocol):
    """Who is told events. `push` and `fail` are called by the reading task and must return at once."""

    def push(self, event: Event) -> None: ...
    def fail(self, error: IvrError) -> None: ...


class Followers:
    """The register of who follows what."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[Follower]] = {}
        self._ids: dict[Follower, list[str]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def attach(self, follower: Follower, *ids: str) -> None:
        known = self._ids.setdefault(follower, [])
        for subject in ids:
            if subject not in known:
                known.append(subject)
                self._by_id.setdefault(subject, []).append(follower)

    def detach(self, follower: Follower) -> None:
        for subject in self._ids.pop(follower, ()):
            others = self._by_id[subject]
            others.remove(follower)
            if not others:
                del self._by_id[subject]

    def tell(self, event: Event) -> None:
        """Push it to each follower of one of its subjects, to each once."""
        told: list[Follower] = []
        for subject in event.subjects():
            for follower in tuple(self._by_id.get(subject, ())):
                if follower not in told:
                    told.append(follower)
                    follower.push(event)

    def tell_all(self, event: Event) -> None:
        for follower in list(self._ids):
            follower.push(event)

    def end(self, error: IvrError) -> None:
        """Fail all, and forget them."""
        for follower in list(self._ids):
            follower.fail(error)
            self.detach(follower)


class _Owner(Protocol):
    def attach(self, follower: Follower, *ids: str) -> None: ...
    def detach(self, follower: Follower) -> None: ...


class EventStream:
    """Events about some ids, in order, for one reader.

    Use it as `with ari.follow(...) as events:` and `async for event in events` or `await
    events.get()`. After a reconnect a `Reconciled` is in the stream.
    """

    def __init__(self, owner: _Owner, limit: int) -> None:
        self._owner = owner
        self._limit = limit
        self._queue: collections.deque[Event] = collections.deque()
        self._error: IvrError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def add(self, *ids: str) -> None:
        """Follow these ids too."""
        self._owner.attach(self, *ids)

    async def get(self, timeout: float | None = None) -> Event:
        """The next event. Raises TimeoutError; Overflowed, StoodDown or Disconnected at the stream's end."""
        if not self._queue and self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._waiter
            finally:
                self._waiter = None
        if self._queue:
            return self._queue.popleft()
        raise self._error or Disconnected("the stream was closed")

    def push(self, event: Event) -> None:
        if self._error is not None:
            return
        if len(self._queue) >= self._limit:
            self._queue.clear()
            self.fail(Overflowed(f"a follower left {self._limit} events unread"))
            return
        self._queue.append(event)
        self._wake()

    def fail(self, error: IvrError) -> None:
        self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """No more events. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._owner.detach(self)
            self.fail(Disconnected("the stream was closed"))

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while not self._closed:
            yield await self.get()
