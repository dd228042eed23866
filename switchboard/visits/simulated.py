"""A terminal without a machine: for the demonstration, and for tests. It speaks docs/protocol.md as a page does."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

import structlog
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType
from aiortc import MediaStreamTrack

from switchboard.visits.socket import PROTOCOL
from video.client import VideoClient

log = structlog.get_logger(__name__)

ANSWER_S = 10.0
AGAIN_S = 0.3
FINAL = (1000, 4400, 4401, 4409)


class TerminalRefused(Exception):
    """The switchboard said no; ``code`` is the stable one."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SimulatedTerminal:
    """``async with SimulatedTerminal(base_url, token) as terminal: await terminal.begin(matter="labour")``

    ``tracks`` makes microphone and camera for each room that is entered. ``view`` is what the terminal was told last;
    ``video`` the client in the room, None outside of one; ``ended`` the code with which the socket was closed.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        tracks: Callable[[], tuple[MediaStreamTrack | None, MediaStreamTrack | None]] = lambda: (None, None),
    ) -> None:
        self.base_url = base_url
        self.token = token
        self.view: dict[str, Any] = {}
        self.video: VideoClient | None = None
        self.frames: list[dict[str, Any]] = []
        self.ended: int | None = None
        self.enters = True
        """Whether it goes into the rooms it is shown."""
        self._tracks = tracks
        self._socket: ClientWebSocketResponse | None = None
        self._changed = asyncio.Event()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.token}", "Origin": self.base_url}
        self._http = await self._held.enter_async_context(ClientSession(self.base_url, headers=headers))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._held.aclose()

    async def begin(self, *, key: str | None = None, **wish: Any) -> str:
        """Press the button; the id of the visit. Raises TerminalRefused."""
        body = {"key": key or secrets.token_hex(8), **wish}
        async with self._http.post("/api/visits", json=body) as answer:
            told = await answer.json()
            if answer.status >= 400:
                raise TerminalRefused(told["code"])
        self.follow()
        return told["id"]

    def follow(self) -> None:
        """Stay on the socket until the visit is over, and in its rooms."""
        if any(not task.done() for task in self._tasks[-2:-1]):
            return
        for task in self._tasks:
            task.cancel()
        self.view, self.ended = {}, None
        self._tasks += [
            asyncio.create_task(self._stay(), name="terminal"),
            asyncio.create_task(self._go_into_rooms(), name="terminal's rooms"),
        ]

    async def order(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Raises TerminalRefused, TimeoutError."""
        ident = f"o{next(self._ids)}"
        waiting = self._answers[ident] = asyncio.get_running_loop().create_future()
        if self._socket is None:
            raise ConnectionError("no socket")
        try:
            await self._socket.send_json({"type": kind, "id": ident, **fields})
            async with asyncio.timeout(ANSWER_S):
                answer = await waiting
        finally:
            del self._answers[ident]
        if answer["type"] == "error":
            raise TerminalRefused(answer["code"])
        return answer

    async def until(
        self, seen: Callable[[dict[str, Any]], object], timeout_s: float = 20.0
    ) -> dict[str, Any]:
        """The view, as soon as it is so. Raises TimeoutError with what it was."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (self.view and seen(self.view)):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"the terminal was not told in {timeout_s} s; last: {self.view}") from None
        return self.view

    # ---- the socket

    async def _stay(self) -> None:
        while self.ended not in FINAL:
            with suppress(ClientError, OSError):
                async with self._http.ws_connect("/ws/visit") as self._socket:
                    await self._socket.send_json({"type": "hello", "protocol": PROTOCOL, "token": self.token})
                    async for message in self._socket:
                        if message.type is WSMsgType.TEXT:
                            await self._take(json.loads(message.data))
                    self.ended = self._socket.close_code
            self._changed.set()
            if self.ended not in FINAL:
                await asyncio.sleep(AGAIN_S)

    async def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "beat":
                if self._socket is not None:
                    await self._socket.send_json({"type": "here"})
                return
            case "welcome" | "visit":
                self.view = frame["visit"]
                self._changed.set()
            case "done" | "error":
                waiting = self._answers.get(frame["re"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
        self.frames.append(frame)
        del self.frames[:-200]

    # ---- rooms

    async def _go_into_rooms(self) -> None:
        """In the room that is shown, and out of it when another one is, or none."""
        inside: str | None = None
        async with AsyncExitStack() as held:
            while True:
                wanted = self.view.get("room") if self.enters else None
                if (wanted or {}).get("token") != inside:
                    await held.aclose()
                    self.video, inside = None, None
                    if wanted is not None:
                        inside = wanted["token"]
                        self.video = await held.enter_async_context(self._client(wanted))
                self._changed.clear()
                await self._changed.wait()

    def _client(self, room: dict[str, str]) -> VideoClient:
        microphone, camera = self._tracks()
        url = f"{self.base_url.replace('http', 'ws', 1)}{room['url']}/{room['room']}"
        return VideoClient(url, room["token"], microphone=microphone, camera=camera)
