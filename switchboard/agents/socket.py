"""``/ws/desk``: the socket between one page and its desk (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from switchboard.agents.commands.table import welcome
from switchboard.agents.commands.talking import DISPOSITIONS
from switchboard.agents.desk import Desk, Reached
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.house import House

PROTOCOL = 1
HELLO_S = 10.0
BEAT_S = 1.0
SILENT_S = 3.5
"""A page that answers beats and has not for so long is asleep, frozen or gone, whatever its connection says."""
PING_S = 3.0
CLOSE_S = 2.0
MOST_FRAME = 16 * 1024
MOST_WAITING = 500
BAD_FRAME, SILENT, SECOND_TAB, TOO_SLOW = 4400, 4408, 4409, 4429

REFUSALS = {
    "second_tab": ("您的工作台已在另一个窗口打开", "Your desk is open in another window"),
    "taken_over": ("工作台已转到另一个窗口", "Your desk has moved to another window"),
}


class Hello(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: str = Field(pattern="^hello$")
    protocol: int = Field(ge=PROTOCOL, le=PROTOCOL)
    desk: str = Field(min_length=8, max_length=64)
    phone: Reached = "browser"
    takeover: bool = False
    in_call: bool = False
    answers_beats: bool = False


class DeskSocket:
    """One socket's life: hello, then commands in and frames out until either side ends."""

    def __init__(self, house: House, socket: web.WebSocketResponse, agent_id: str) -> None:
        self._house = house
        self._socket = socket
        self._agent = agent_id
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_WAITING)
        self._heard = 0.0
        self._doing = False

    async def run(self) -> None:
        hello = await self._hello()
        if hello is None:
            await self._socket.close(code=BAD_FRAME, message=b"hello expected")
            return
        desk = self._house.desks.at(self._agent)
        if desk and desk.socket and not self._may_take(desk, hello):
            await self._refuse("second_tab")
            return
        try:
            if desk:
                self._claim(desk)
            desk = await self._house.desks.sign_in(self._agent, hello.desk, hello.phone)
            self._claim(desk)
            await self._serve(desk, hello)
        finally:
            if desk and desk.socket is self:
                desk.socket = None
                await asyncio.shield(self._house.desks.socket_gone(desk))
            if not self._socket.closed:
                await self._socket.close(code=SILENT, message=b"no answer")

    def _claim(self, desk: Desk) -> None:
        """The desk is this page's from here on. The page before it is told, and is not waited for: it may be dead."""
        older, desk.socket = desk.socket, self
        if older and older is not self:
            self._house.background(older.move_away())

    async def _serve(self, desk: Desk, hello: Hello) -> None:
        """Until either side ends, or the page has fallen silent."""
        also = await welcome(desk)
        desk.send = self.push
        self.push(_welcome(self._house, desk) | also)
        if desk.contact and desk.phone == "browser" and not hello.in_call:
            self._house.ring_again(desk.contact["id"], desk.agent.id)
        self._heard = time.monotonic()
        reader = asyncio.create_task(self._read(desk), name="desk reader")
        others = [asyncio.create_task(self._write(), name="desk writer")]
        if hello.answers_beats:
            others.append(asyncio.create_task(self._until_silent(), name="desk listener"))
        try:
            await asyncio.wait({reader, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, *others):
                task.cancel()
            ended, *_ = await asyncio.gather(reader, *others, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended

    async def _until_silent(self) -> None:
        """Looks twice, so that a moment in which this process itself was too busy to read does not count."""
        late = False
        while True:
            left_s = self._heard + SILENT_S - time.monotonic()
            if left_s <= 0 and late and not self._doing:
                return
            late = left_s <= 0
            await asyncio.sleep(max(left_s, BEAT_S / 4))

    def push(self, frame: dict[str, Any]) -> None:
        """Queue a frame; a page too slow to read is cut off and comes back to a fresh welcome."""
        try:
            self._out.put_nowait(frame)
        except asyncio.QueueFull:
            self._house.background(self._socket.close(code=TOO_SLOW, message=b"too slow"))

    async def move_away(self) -> None:
        """Another tab was told to take this desk over."""
        await self._refuse("taken_over")

    @staticmethod
    def _may_take(holder: Desk, hello: Hello) -> bool:
        return hello.takeover or holder.id == hello.desk

    async def _hello(self) -> Hello | None:
        try:
            async with asyncio.timeout(HELLO_S):
                message = await self._socket.receive()
            return Hello.model_validate_json(message.data) if message.type is WSMsgType.TEXT else None
        except (TimeoutError, ValidationError):
            return None

    async def _refuse(self, code: str) -> None:
        zh, en = REFUSALS[code]
        if self._socket.closed:
            return
        with suppress(ConnectionError):
            await self._socket.send_json({"type": "refused", "code": code, "zh": zh, "en": en})
            await self._socket.close(code=SECOND_TAB, message=code.encode())

    async def _read(self, desk: Desk) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                await self._socket.close(code=BAD_FRAME, message=b"text frames only")
                return
            try:
                frame = json.loads(message.data)
            except ValueError:
                frame = None
            if not isinstance(frame, dict):
                await self._socket.close(code=BAD_FRAME, message=b"not a JSON object")
                return
            self._heard = time.monotonic()
            if frame.get("type") == "here":
                continue
            self._doing = True
            self.push(await desk.command(frame))
            self._doing = False
            self._heard = time.monotonic()

    async def _write(self) -> None:
        """Frames as they come, and a beat each second, however many frames there are."""
        beat_at = time.monotonic() + BEAT_S
        while not self._socket.closed:
            try:
                async with asyncio.timeout(beat_at - time.monotonic()):
                    frame = await self._out.get()
            except TimeoutError:
                frame = {"type": "beat", "now": now_ms()}
                beat_at = time.monotonic() + BEAT_S
            try:
                await self._socket.send_json(frame)
            except ConnectionError:
                return  # the reader sees the end too


async def desk_socket(house: House, request: web.Request, agent_id: str) -> web.WebSocketResponse:
    """Upgrade and run. The caller has checked origin, session and role."""
    socket = web.WebSocketResponse(heartbeat=PING_S, timeout=CLOSE_S, max_msg_size=MOST_FRAME)
    await socket.prepare(request)
    await DeskSocket(house, socket, agent_id).run()
    return socket


def _transcript(house: House, desk: Desk) -> list[dict[str, Any]]:
    contact = house.live.contact(desk.contact["id"]) if desk.contact else None
    return contact.transcript.frames() if contact and desk.contact and desk.contact["part"] == "lead" else []


def _welcome(house: House, desk: Desk) -> dict[str, Any]:
    config = house.config
    return {
        "type": "welcome",
        "protocol": PROTOCOL,
        "now": now_ms(),
        "agent": {"id": desk.agent.id, "name": desk.agent.name, "role": desk.agent.role},
        "phone": {
            "uri": f"sip:{desk.agent.id}@switchboard",
            "password": desk.password,
            "socket": "/ws/sip",
            "registrar": f"sip:{config.sip_host}:{config.sip_port}",
        },
        "state": desk.state,
        "reservation": desk.reservation,
        "contact": desk.contact,
        "transcript": _transcript(house, desk),
        "queue": house.live.queue_of(desk),
        "messages": desk.messages,
        "pause_reasons": desk.pause_reasons(),
        "dispositions": list(DISPOSITIONS),
        "matters": house.matters(),
    }
