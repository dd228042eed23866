"""``/ws/desk``: the socket between one page and its desk (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import json
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
MOST_FRAME = 16 * 1024
MOST_WAITING = 500
BAD_FRAME, SECOND_TAB, TOO_SLOW = 4400, 4409, 4429

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


class DeskSocket:
    """One socket's life: hello, then commands in and frames out until either side ends."""

    def __init__(self, house: House, socket: web.WebSocketResponse, agent_id: str) -> None:
        self._house = house
        self._socket = socket
        self._agent = agent_id
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_WAITING)

    async def run(self) -> None:
        hello = await self._hello()
        if hello is None:
            await self._socket.close(code=BAD_FRAME, message=b"hello expected")
            return
        holder = self._house.desks.at(self._agent)
        if holder and holder.socket and not self._may_take(holder, hello):
            await self._refuse("second_tab")
            return
        if holder and holder.socket:
            await holder.socket.move_away()
        desk = await self._house.desks.sign_in(self._agent, hello.desk, hello.phone)
        also = await welcome(desk)
        desk.socket = self
        desk.send = self.push
        writer = asyncio.create_task(self._write(), name="desk writer")
        self.push(_welcome(self._house, desk) | also)
        if desk.contact and desk.phone == "browser" and not hello.in_call:
            self._house.ring_again(desk.contact["id"], desk.agent.id)
        try:
            await self._read(desk)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            if desk.socket is self:
                desk.socket = None
                await asyncio.shield(self._house.desks.socket_gone(desk))

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
        if not self._socket.closed:
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
            self.push(await desk.command(frame))

    async def _write(self) -> None:
        while not self._socket.closed:
            try:
                async with asyncio.timeout(1):
                    frame = await self._out.get()
            except TimeoutError:
                frame = {"type": "beat", "now": now_ms()}
            await self._socket.send_json(frame)


async def desk_socket(house: House, request: web.Request, agent_id: str) -> web.WebSocketResponse:
    """Upgrade and run. The caller has checked origin, session and role."""
    socket = web.WebSocketResponse(heartbeat=10, max_msg_size=MOST_FRAME)
    await socket.prepare(request)
    await DeskSocket(house, socket, agent_id).run()
    return socket


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
        "queue": house.live.queue_of(desk),
        "messages": desk.messages,
        "pause_reasons": desk.pause_reasons(),
        "dispositions": list(DISPOSITIONS),
        "matters": house.matters(),
    }
