"""``/ws/visit``: the socket between a terminal and its visit (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from switchboard.times import now_ms
from video.errors import CaptureRefused

if TYPE_CHECKING:
    from switchboard.house import House
    from switchboard.records import Records
    from switchboard.records.terminals import Terminal
    from switchboard.visits.visitor import Visitor
    from switchboard.visits.visits import Visits

PROTOCOL = 1
HELLO_S = 10.0
BEAT_S = 1.0
SILENT_S = 5.0
CLOSE_S = 2.0
MOST_FRAME = 8 * 1024
MOST_WAITING = 200
OVER, BAD_FRAME, REFUSED, SILENT, ELSEWHERE, TOO_SLOW = 1000, 4400, 4401, 4408, 4409, 4429

WORDS = {
    "bad_frame": ("这条指令无法理解", "This command was not understood"),
    "not_now": ("现在不能进行此操作", "This cannot be done now"),
    "bad_number": (
        "这个电话号码无法回拨，请检查后重新输入",
        "This number cannot be called; check it and type it again",
    ),
    "empty": ("请先写下留言", "Write your message first"),
    "not_paired": (
        "此终端尚未配对或已停用，请联系管理员",
        "This terminal is not paired, or was switched off",
    ),
    "no_paper": ("现在传不了文件，请稍后再试", "A paper cannot be sent now; try again in a moment"),
    "no_visit": ("此终端上没有进行中的咨询", "No visit is open at this terminal"),
    "elsewhere": ("此咨询已在另一个窗口打开", "This visit is open in another window"),
}


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(_Frame):
    type: str = Field(pattern="^hello$")
    protocol: int = Field(ge=PROTOCOL, le=PROTOCOL)
    token: str = Field(min_length=1, max_length=100)


class Order(_Frame):
    """What a terminal may ask for. Only the fields of its own kind are read."""

    type: str = Field(pattern="^(consent|callback|message|answer|end|paper|leave)$")
    id: str = Field(min_length=1, max_length=64)
    recording: bool = False
    number: str = Field("", max_length=32)
    later: bool = False
    text: str = Field("", max_length=2_000)
    question: str = Field("", max_length=40)
    answer: str = Field("", max_length=8)


class VisitSocket:
    """One socket's life: hello, then orders in and frames out until the visit is over or either side has gone."""

    def __init__(
        self,
        records: Records,
        visits: Visits,
        dialable: Callable[[str | None], str | None],
        socket: web.WebSocketResponse,
    ) -> None:
        self._records = records
        self._visits = visits
        self._dialable = dialable
        self._socket = socket
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_WAITING)
        self._heard_s = 0.0
        self._code = OVER

    async def run(self) -> None:
        terminal = await self._hello()
        if terminal is None:
            return
        visitor = self._visits.at(terminal.id)
        if visitor is None:
            await self._refuse("no_visit", OVER)
            return
        older, visitor.send = visitor.send, self.push
        if older is not None:
            older({"type": "refused", "code": "elsewhere"})
        try:
            await self._serve(visitor)
        finally:
            if visitor.send == self.push:
                visitor.send = None
            with suppress(ConnectionError):
                await self._socket.close(code=self._code)

    async def _hello(self) -> Terminal | None:
        try:
            async with asyncio.timeout(HELLO_S):
                message = await self._socket.receive()
            hello = Hello.model_validate_json(message.data) if message.type is WSMsgType.TEXT else None
        except (TimeoutError, ValidationError):
            hello = None
        if hello is None:
            await self._socket.close(code=BAD_FRAME, message=b"hello expected")
            return None
        terminal = await self._records.terminals.by_token(hello.token, at_ms=now_ms())
        if terminal is None:
            await self._refuse("not_paired", REFUSED)
        return terminal

    async def _serve(self, visitor: Visitor) -> None:
        self._heard_s = time.monotonic()
        self.push({"type": "welcome", "protocol": PROTOCOL, "now": now_ms(), "visit": visitor.frame()})
        tasks = [
            asyncio.create_task(self._read(visitor), name="visit reader"),
            asyncio.create_task(self._write(), name="visit writer"),
            asyncio.create_task(self._until_silent(), name="visit listener"),
            asyncio.create_task(self._until_over(visitor), name="visit end"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, ConnectionError | TimeoutError):
                raise error

    def push(self, frame: dict[str, Any]) -> None:
        """Queue a frame; a page too slow to read is cut off, and learns everything anew when it comes back."""
        try:
            self._out.put_nowait(frame)
        except asyncio.QueueFull:
            self._code = TOO_SLOW
            self._heard_s = 0.0

    async def _until_over(self, visitor: Visitor) -> None:
        """The last word is sent before the socket ends."""
        await visitor.over.wait()
        async with asyncio.timeout(CLOSE_S):
            await self._out.join()

    async def _until_silent(self) -> None:
        left_s = SILENT_S
        while left_s > 0:
            await asyncio.sleep(min(left_s, BEAT_S))
            left_s = self._heard_s + SILENT_S - time.monotonic()
        self._code = self._code if self._code != OVER else SILENT

    async def _write(self) -> None:
        beat_at = time.monotonic() + BEAT_S
        while not self._socket.closed:
            try:
                async with asyncio.timeout(max(0.0, beat_at - time.monotonic())):
                    frame = await self._out.get()
            except TimeoutError:
                await self._socket.send_json({"type": "beat", "now": now_ms()})
                beat_at = time.monotonic() + BEAT_S
                continue
            if frame["type"] == "refused":
                await self._refuse(frame["code"], ELSEWHERE)
                return
            await self._socket.send_json(frame)
            self._out.task_done()

    async def _refuse(self, code: str, closing: int) -> None:
        zh, en = WORDS[code]
        with suppress(ConnectionError):
            await self._socket.send_json({"type": "refused", "code": code, "zh": zh, "en": en})
            await self._socket.close(code=closing, message=code.encode())

    async def _read(self, visitor: Visitor) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                self._code = BAD_FRAME
                return
            self._heard_s = time.monotonic()
            try:
                raw = json.loads(message.data)
            except ValueError:
                raw = None
            if not isinstance(raw, dict):
                self._code = BAD_FRAME
                return
            if raw.get("type") == "here":
                continue
            self.push(self._do(visitor, raw))

    def _do(self, visitor: Visitor, raw: dict[str, Any]) -> dict[str, Any]:
        """Do one order and give the answer. Doing it twice changes nothing."""
        try:
            order = Order.model_validate(raw)
        except ValidationError:
            return _error(str(raw.get("id", ""))[:64], "bad_frame")
        if order.type == "paper":
            return self._paper(visitor, order)
        why = self._done(visitor, order)
        return _error(order.id, why) if why else {"type": "done", "re": order.id}

    def _paper(self, visitor: Visitor, order: Order) -> dict[str, Any]:
        """Where the terminal may put the picture of a paper that it has just taken, once."""
        meeting = visitor.contact.meeting
        try:
            way = meeting.paper() if meeting else None
        except CaptureRefused:
            way = None
        return {"type": "done", "re": order.id, "paper": way} if way else _error(order.id, "no_paper")

    def _done(self, visitor: Visitor, order: Order) -> str | None:
        match order.type:
            case "consent":
                visitor.consents(order.recording)
            case "callback":
                number = self._dialable(order.number)
                if number is None:
                    return "bad_number"
                return None if visitor.wants_callback(number, later=order.later) else "not_now"
            case "message":
                text = "".join(char for char in order.text if char.isprintable() or char == "\n").strip()
                if not text:
                    return "empty"
                number = self._dialable(order.number) if order.number else None
                if order.number and number is None:
                    return "bad_number"
                return None if visitor.leaves_message(text, number) else "not_now"
            case "answer":
                return None if visitor.answers(order.question, order.answer) else "not_now"
            case "end":
                if visitor.contact.meeting is None:
                    return "not_now"
                visitor.contact.meeting.end_by_visitor()
            case "leave":
                visitor.leave()
            case _:
                pass
        return None


def _error(re: str, code: str) -> dict[str, Any]:
    zh, en = WORDS[code]
    return {"type": "error", "re": re, "code": code, "zh": zh, "en": en}


async def visit_socket(house: House, request: web.Request) -> web.WebSocketResponse:
    """Upgrade and run; the terminal says who it is in its first frame. The caller has checked the origin."""
    socket = web.WebSocketResponse(heartbeat=10.0, timeout=CLOSE_S, max_msg_size=MOST_FRAME)
    await socket.prepare(request)
    if house.visits is not None:
        await VisitSocket(house.records, house.visits, house.dialable, socket).run()
    return socket
