"""Reading the stream of changes without ever missing that something was missed.

Every change carries a number that grows by one. A gap means that the stream was trimmed before it was read; a
server that is not the one we last spoke to may have lost its last second, or everything.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from routing import wire
from routing.model import Change

log = structlog.get_logger(__name__)

_BLOCK_MS = 1_000
_ANSWER_S = 3.0
_COUNT = 500
_BACK_OFF_S = (0.02, 1.0)


@dataclass(slots=True)
class _Position:
    stream_id: str
    seq: int
    server: str


class ChangeReader:
    """Follows one shard's stream with a connection of its own, which it closes at the end."""

    def __init__(self, redis: Redis, tag: str) -> None:
        self._redis = redis
        self._events = f"{tag}:events"
        self._meta = f"{tag}:m"
        self._position: _Position | None = None

    async def follow(self, after: str) -> AsyncIterator[Change]:
        """Yield changes after the id for ever; a ``stream.reset`` stands where some may be missing."""
        delay = _BACK_OFF_S[0]
        try:
            while True:
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        first = await self._attach(after)
                    for change in first:
                        yield change
                    delay = _BACK_OFF_S[0]
                    while True:
                        async with asyncio.timeout(_ANSWER_S):
                            changes = await self._read()
                        for change in changes:
                            yield change
                except (RedisConnectionError, RedisTimeoutError, OSError, ResponseError) as error:
                    log.info("routing.stream_away", error=type(error).__name__, again_in_s=delay)
                    await self._redis.connection_pool.disconnect()
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, _BACK_OFF_S[1])
        finally:
            await self._redis.aclose()

    async def _attach(self, after: str) -> list[Change]:
        """Find our place on this server; a reset where changes may be missing. The place is only taken when that is
        known: a server that is still loading says who it is, and nothing else."""
        server = (await self._redis.info("server"))["run_id"]
        if self._position is not None:
            return [] if self._position.server == server else [await self._reset("restarted", server)]
        if after == "$":
            self._position = await self._head(server)
        elif after in ("0", "0-0"):
            self._position = _Position("0-0", 0, server)
        elif found := await self._found(after):
            self._position = _Position(after, found, server)
        else:
            return [await self._reset("lost", server)]
        return []

    async def _found(self, stream_id: str) -> int:
        """The number of this event; 0 when it is not there any more."""
        found: Any = await self._redis.xrange(self._events, stream_id, stream_id)
        return int(found[0][1]["seq"]) if found else 0

    async def _read(self) -> list[Change]:
        position = self._position
        assert position is not None  # noqa: S101 - follow attaches first
        reply: Any = await self._redis.xread(
            {self._events: position.stream_id}, count=_COUNT, block=_BLOCK_MS
        )
        if not reply:
            numbered = int(await self._redis.hget(self._meta, "events") or 0)  # pyright: ignore[reportGeneralTypeIssues]
            return [await self._reset("lost", position.server)] if numbered < position.seq else []
        changes: list[Change] = []
        for stream_id, fields in reply[0][1]:
            change = wire.change(stream_id, fields)
            if change.seq != position.seq + 1:
                reason = "trimmed" if change.seq > position.seq else "lost"
                return [*changes, await self._reset(reason, position.server)]
            position.stream_id, position.seq = stream_id, change.seq
            changes.append(change)
        return changes

    async def _reset(self, reason: str, server: str) -> Change:
        """Go to the end: what the owner learns from a snapshot now contains all before it."""
        head = await self._head(server)
        log.warning("routing.stream_reset", reason=reason, seq=head.seq)
        self._position = head
        at_ms = int(head.stream_id.partition("-")[0])
        return Change(head.stream_id, head.seq, at_ms, "stream.reset", reason=reason)

    async def _head(self, server: str) -> _Position:
        last: Any = await self._redis.xrevrange(self._events, count=1)
        return _Position(last[0][0], int(last[0][1]["seq"]), server) if last else _Position("0-0", 0, server)
