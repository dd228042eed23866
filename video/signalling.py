"""Signalling: protocol.md over a WebSocket, as an aiohttp application of its own or a route in a larger one."""

import asyncio
import json
import time
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from video.bridge import VideoBridge
from video.errors import InvalidMessage, NotAllowed, TooManyMessages, VideoError
from video.guard import Rate
from video.messages import (
    FRAME_MAX,
    VERSION,
    Admit,
    Caption,
    Caucus,
    Chat,
    EndRoom,
    Frame,
    Heartbeat,
    Hello,
    LayerFrame,
    Leave,
    Mute,
    OfferFrame,
    PictureFrame,
    Remove,
    SendBack,
    parse_frame,
)
from video.participant import Participant
from video.peer import Answered
from video.room import Room
from video.tokens import Role

log = structlog.get_logger(__name__)

HEARTBEAT_MS = 1_000
HELLO_S = 10.0
CLOSED = 4400
"""WebSocket close code of every ending that has a reason; the reason is a code of protocol.md."""
_WAITING_MAX = 256
_FRAMES_A_SECOND = 50
_SILENCE_S = 30.0
_CLOSE_S = 2.0


def routes(bridge: VideoBridge, prefix: str = "/video", origins: Collection[str] = ()) -> list[web.RouteDef]:
    """``GET {prefix}/{room}`` upgrades to the protocol. ``origins``: allowed besides the server's own.

    A server that is stopped should call ``bridge.end_all`` first, or it waits for the pages to go by themselves.
    """

    async def socket(request: web.Request) -> web.StreamResponse:
        if not _own_origin(request, origins):
            raise web.HTTPForbidden(text="foreign origin")
        ws = web.WebSocketResponse(max_msg_size=FRAME_MAX, compress=True, timeout=_CLOSE_S)
        try:
            await ws.prepare(request)
        except ConnectionError:  # the page is gone already
            return web.Response(status=400)
        await Session(bridge, request.match_info["room"], ws).run()
        return ws

    return [web.get(prefix + "/{room:[A-Za-z0-9_-]{1,64}}", socket)]


def application(bridge: VideoBridge, origins: Collection[str] = ()) -> web.Application:
    app = web.Application()
    app.add_routes(routes(bridge, origins=origins))

    async def end(_: web.Application) -> None:
        bridge.end_all("shutdown")

    app.on_shutdown.append(end)
    return app


def _own_origin(request: web.Request, origins: Collection[str]) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or origin in origins or urlsplit(origin).netloc == request.host


def refusal(error: VideoError, re: int) -> dict[str, Any]:
    """The ``error`` frame: a stable code, and words for the person in front of the page."""
    return {"type": "error", "re": re, "code": error.code, "zh": error.zh, "en": error.en}


class Session:
    """One socket, from ``hello`` to its end. It is the outlet of its participant; tasks end together."""

    def __init__(self, bridge: VideoBridge, room_name: str, ws: web.WebSocketResponse) -> None:
        self._bridge = bridge
        self._room_name = room_name
        self._ws = ws
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(_WAITING_MAX)
        self._reason = ""
        self._frames = Rate(_FRAMES_A_SECOND)

    # ------------------------------------------------------------------ Outlet

    def say(self, message: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        except asyncio.QueueFull:
            self.end("video.too_slow")

    def end(self, code: str) -> None:
        self._reason = self._reason or code
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    # ------------------------------------------------------------------

    async def run(self) -> None:
        """Until the page goes, is told to go, or makes no sense."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not writer.done():
                self.end(self._reason)
                await asyncio.wait({writer}, timeout=_CLOSE_S)
            for task in (writer, reader):
                task.cancel()
            results = await asyncio.gather(writer, reader, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                    log.error("a video session ended badly", exc_info=result)

    async def _write(self) -> None:
        while True:
            text = await self._waiting.get()
            if text is None:
                code = CLOSED if self._reason else WSCloseCode.OK
                await self._ws.close(code=code, message=self._reason.encode())
                return
            async with asyncio.timeout(_SILENCE_S):
                await self._ws.send_str(text)

    async def _read(self) -> None:
        try:
            room, person = await self._enter()
        except VideoError as error:
            self.say(refusal(error, 1))
            self.end(error.code)
            return
        except (TimeoutError, ConnectionError):
            self.end("video.message")
            return
        try:
            while (text := await self._next(_SILENCE_S)) is not None:
                if not await self._one(room, person, text):
                    return
        except (TimeoutError, ConnectionError):
            self.end("video.silent")
        finally:
            if person.outlet is self:
                person.outlet = None

    async def _next(self, patience_s: float) -> str | None:
        """The next text frame; None when the socket is closed or sends anything else."""
        async with asyncio.timeout(patience_s):
            message = await self._ws.receive()
        return message.data if message.type is WSMsgType.TEXT else None

    async def _enter(self) -> tuple[Room, Participant]:
        text = await self._next(HELLO_S)
        if text is None:
            raise InvalidMessage("closed before hello")
        hello = parse_frame(text)
        if not isinstance(hello, Hello):
            raise InvalidMessage("hello comes first")
        room = self._bridge.rooms.get(self._room_name)
        if hello.resume and room is not None:
            try:
                person = room.resume(hello.resume, self)
            except VideoError:
                if not hello.token:
                    raise
                room, person = self._bridge.enter(self._room_name, hello.token, self)
        else:
            room, person = self._bridge.enter(self._room_name, hello.token, self)
        self.say(
            {
                "type": "welcome",
                "v": VERSION,
                "re": hello.id,
                "participant": person.id,
                "role": person.role.value,
                "resume": person.resume,
                "heartbeat_ms": HEARTBEAT_MS,
                "peer": person.peer_number if person.peer is not None else 0,
                "ice": self._bridge.ice_servers(person.invitation.person),
                "now": _now_ms(),
            }
        )
        view = room.view(person)
        person.told_room = view
        self.say(view)
        return room, person

    async def _one(self, room: Room, person: Participant, text: str) -> bool:
        """Do one frame; False ends the session."""
        if person.outlet is not self:
            return False
        re = 0
        try:
            if not self._frames.take():
                raise TooManyMessages("frames")
            frame = parse_frame(text)
            re = frame.id
            room.beat_of(person)
            if isinstance(frame, Leave):
                room.leave(person, "left")
                self.end("")
                return False
            if isinstance(frame, Heartbeat):
                self.say({"type": "heartbeat", "now": _now_ms()})
            else:
                self.say(self._do(room, person, frame))
        except VideoError as error:
            self.say(refusal(error, re))
        return True

    def _do(self, room: Room, person: Participant, frame: Frame) -> dict[str, Any]:
        match frame:
            case OfferFrame():
                answered = room.offer(person, frame.peer, frame.sdp, frame.tracks)
                return _answer(frame, answered)
            case Admit():
                room.admit(person, frame.participant)
            case SendBack():
                room.send_back(person, frame.participant)
            case Remove():
                room.remove(person, frame.participant)
            case Mute():
                room.mute(person, frame.participant, frame.kind, frame.muted)
            case Caucus():
                room.caucus(person, frame.groups)
            case Chat():
                room.say(person, frame.text, captions=False)
            case Caption():
                room.say(person, frame.text, captions=True, final=frame.final)
            case LayerFrame():
                slot = person.peer.slots.get(frame.mid) if person.peer else None
                if slot is None or person.peer is None:
                    raise InvalidMessage("no such line")
                person.peer.switch(slot, frame.rid)
            case PictureFrame():
                room.stills.take(person, frame.ask, frame.mid, frame.data)
            case EndRoom():
                if person.role is not Role.HOST:
                    raise NotAllowed("hosts only")
                self._bridge.end_room(room.name, "ended_by_host")
            case _:
                raise InvalidMessage("not now")
        return {"type": "done", "re": frame.id}


def _answer(frame: OfferFrame, answered: Answered) -> dict[str, Any]:
    refused = [{"mid": one.mid, **refusal(one.reason, frame.id)} for one in answered.refused]
    for one in refused:
        del one["type"], one["re"]
    return {"type": "answer", "re": frame.id, "peer": frame.peer, "sdp": answered.sdp, "refused": refused}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def serve(bridge: VideoBridge, host: str, port: int) -> web.AppRunner:
    """The protocol on a port of its own; clean up the runner at the end."""
    runner = web.AppRunner(application(bridge), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
