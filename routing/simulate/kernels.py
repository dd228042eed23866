"""On what a day runs: the twin in memory, or the real server through the engine."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from redis import Redis

from routing import wire
from routing.engine import Engine
from routing.model import Change, Entry, Reservation, SeatState, Subscription, TickResult
from routing.twin import Twin

Observe = Callable[[Change], None]


class Kernel(Protocol):
    """The steps that a day needs; see ``Engine``."""

    def enter(self, entry: Entry, *, now_ms: int) -> Reservation | None: ...
    def abandon(self, entry_id: str, reason: str, *, now_ms: int) -> bool: ...
    def ready(
        self, seat: str, subscriptions: Iterable[Subscription] | None = None, *, now_ms: int
    ) -> Reservation | None: ...
    def pause(
        self,
        seat: str,
        reason: str,
        subscriptions: Iterable[Subscription] | None = None,
        *,
        now_ms: int,
    ) -> SeatState: ...
    def leave(self, seat: str, *, now_ms: int) -> SeatState: ...
    def acknowledge(self, reservation: int, *, now_ms: int) -> Reservation | None: ...
    def accept(self, reservation: int, *, now_ms: int) -> bool: ...
    def reject(
        self,
        reservation: int,
        reason: str,
        seat_to: Literal["paused", "available"] = "paused",
        *,
        now_ms: int,
    ) -> bool: ...
    def finish(self, reservation: int, wrap_up_ms: int, *, now_ms: int) -> bool: ...
    def tick(self, *, now_ms: int) -> TickResult: ...
    def next_due_ms(self) -> int | None: ...


def twin_kernel(observe: Observe) -> Kernel:
    """The kernel in plain Python."""
    return Twin(observe=observe)


class EngineKernel:
    """The real engine, one step after the other, its changes told after each step.

    For showing that the twin and the server make the same day; slower by the way to the server and back.
    """

    def __init__(self, url: str, shard: str, observe: Observe) -> None:
        self._observe = observe
        self._runner = asyncio.Runner()
        self._engine = self._runner.run(Engine.connect(url, shard=shard))
        self._redis = Redis.from_url(url, decode_responses=True, protocol=2)
        self._events = f"{{{shard}}}:events"
        self._read_to = "0-0"
        self._last_ms = 0

    def close(self) -> None:
        """Let the connections go."""
        self._redis.close()
        self._runner.run(self._engine.close())
        self._runner.close()

    def __getattr__(self, step: str) -> Any:
        """Any step of the engine, waited for, and its changes told."""
        method = getattr(self._engine, step)

        def call(*args: Any, now_ms: int, **named: Any) -> Any:
            self._last_ms = now_ms
            answer = self._runner.run(method(*args, now_ms=now_ms, **named))
            self._tell()
            return answer

        return call

    def next_due_ms(self) -> int | None:
        """Asked by a tick, which does what is due by now in any case."""
        if not self._last_ms:
            return None
        result: TickResult = self._runner.run(self._engine.tick(now_ms=self._last_ms))
        self._tell()
        return result.next_due_ms

    def _tell(self) -> None:
        rows: Any = self._redis.xrange(self._events, f"({self._read_to}")
        for stream_id, fields in rows:
            self._read_to = stream_id
            self._observe(wire.change(stream_id, fields))
