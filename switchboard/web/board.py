"""The live queue board: one set of keyed values, and everybody who watches it (docs/protocol.md).

Changes are gathered for a moment and numbered; a watcher begins with a snapshot of what was last published and gets
every change after it, so that snapshot N and changes N+1, N+2, ... make the same picture everywhere.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from switchboard.errors import Unavailable
from switchboard.times import now_ms

BAD_FRAME, NOT_SIGNED_IN, TOO_SLOW, GOING_AWAY, NORMAL = 4400, 4401, 4429, 1001, 1000


BEAT_S = 1.0
LOOK_AGAIN_S = 30.0
SEND_S = 15.0
CLOSE_S = 5.0
MOST_WATCHERS = 500


class Watcher:
    """One page that watches. ``frames`` is bounded; ``too_slow`` is set when it overflows, and nothing comes after."""

    def __init__(self, seq: int, snapshot: str, room: int) -> None:
        self.seq = seq
        self.snapshot = snapshot
        self.frames: asyncio.Queue[tuple[int, str]] = asyncio.Queue(room)
        self.too_slow = asyncio.Event()

    def offer(self, seq: int, frame: str) -> None:
        if self.too_slow.is_set():
            return
        try:
            self.frames.put_nowait((seq, frame))
        except asyncio.QueueFull:
            self.too_slow.set()


class LiveBoard:
    """``set`` and ``delete`` from any task of the loop; ``attach`` to watch."""

    def __init__(self, *, gather_s: float = 0.05, room: int = 1_000) -> None:
        self._gather_s = gather_s
        self._room = room
        self._values: dict[str, Mapping[str, Any]] = {}
        self._published: dict[str, str] = {}
        self._changed: dict[str, str | None] = {}
        self._watchers: set[Watcher] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.seq = 0

    def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Shows ``value`` under ``key``; the same again changes nothing. It must be JSON: else TypeError or
        ValueError.
        """
        text = _json(value)
        self._values[key] = json.loads(text)
        self._change(key, text)

    def delete(self, key: str) -> None:
        """Takes the key away; none there is no error."""
        self._values.pop(key, None)
        self._change(key, None)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """What was last set."""
        return self._values.get(key)

    def keys(self, prefix: str) -> list[str]:
        """The keys now set that begin so."""
        return [key for key in self._values if key.startswith(prefix)]

    @property
    def watched(self) -> bool:
        """Whether any page shows this board now."""
        return bool(self._watchers)

    def attach(self) -> Watcher:
        """Begin to watch. Raises Unavailable when too many do."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise Unavailable
        items = ",".join(f"{_json(key)}:{text}" for key, text in self._published.items())
        snapshot = f'{{"type":"snapshot","seq":{self.seq},"now":{now_ms()},"items":{{{items}}}}}'
        watcher = Watcher(self.seq, snapshot, self._room)
        self._watchers.add(watcher)
        return watcher

    def detach(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def flush(self) -> None:
        """Publishes what has gathered; called by the timer, and by tests that do not want to wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._changed = self._changed, {}
        put = {k: text for k, text in gathered.items() if text is not None and self._published.get(k) != text}
        gone = [key for key, text in gathered.items() if text is None and key in self._published]
        if not put and not gone:
            return
        self._published.update(put)
        for key in gone:
            del self._published[key]
        self.seq += 1
        body = ",".join(f"{_json(key)}:{text}" for key, text in put.items())
        frame = f'{{"type":"change","seq":{self.seq},"now":{now_ms()},"set":{{{body}}},"del":{_json(gone)}}}'
        for watcher in self._watchers:
            watcher.offer(self.seq, frame)

    def _change(self, key: str, text: str | None) -> None:
        self._changed[key] = text
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._gather_s, self.flush)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


async def watch_board(
    board: LiveBoard,
    request: web.Request,
    still_allowed: Callable[[], Awaitable[bool]],
    going: asyncio.Event,
) -> web.WebSocketResponse:
    """``/ws/board``: snapshot, changes and beats until either side ends. Origin, session and role were checked."""
    watcher = board.attach()
    socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=1024, timeout=CLOSE_S, compress=False)
    try:
        await socket.prepare(request)
        ends = {
            asyncio.create_task(_show(watcher, socket, still_allowed), name="board show"),
            asyncio.create_task(_listen(socket), name="board listen"),
            asyncio.create_task(_when(watcher.too_slow, TOO_SLOW), name="board slow"),
            asyncio.create_task(_when(going, GOING_AWAY), name="board going"),
        }
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done = [end for end in ends if end.done()]
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        code = max(NORMAL, *(end.result() for end in done))
        await _close(request, socket, code)
    finally:
        board.detach(watcher)
    return socket


async def _show(
    watcher: Watcher, socket: web.WebSocketResponse, still_allowed: Callable[[], Awaitable[bool]]
) -> int:
    """Returns the close code. A page that reads nothing for a while is too slow, however few the changes are."""
    loop = asyncio.get_running_loop()
    seq = watcher.seq
    try:
        await _send(socket, watcher.snapshot)
        next_beat, look_again = loop.time() + BEAT_S, loop.time() + LOOK_AGAIN_S
        while True:
            try:
                async with asyncio.timeout_at(next_beat):
                    seq, frame = await watcher.frames.get()
                await _send(socket, frame)
            except TimeoutError:
                if loop.time() < next_beat:
                    return TOO_SLOW
            if loop.time() >= look_again:
                look_again = loop.time() + LOOK_AGAIN_S
                if not await still_allowed():
                    return NOT_SIGNED_IN
            if loop.time() >= next_beat:
                next_beat = loop.time() + BEAT_S
                await _send(socket, f'{{"type":"beat","seq":{seq},"now":{now_ms()}}}')
    except TimeoutError:
        return TOO_SLOW
    except ConnectionError:
        return NORMAL


async def _send(socket: web.WebSocketResponse, frame: str) -> None:
    async with asyncio.timeout(SEND_S):
        await socket.send_str(frame)


async def _listen(socket: web.WebSocketResponse) -> int:
    """A board says nothing; whoever does is not a board."""
    async for message in socket:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return BAD_FRAME
    return NORMAL


async def _when(event: asyncio.Event, code: int) -> int:
    await event.wait()
    return code


async def _close(request: web.Request, socket: web.WebSocketResponse, code: int) -> None:
    """Says why and goes; a peer that does not even read that is cut off."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await socket.close(code=code)
    except (TimeoutError, ConnectionError):
        pass
    if request.transport is not None and code == TOO_SLOW:
        request.transport.abort()
