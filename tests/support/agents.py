"""Volunteers by script: clients of /ws/desk (docs/protocol.md) whose telephone speaks plain SIP."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, cast

import aiohttp

from tests.support.phones import Phones

PROTOCOL = 1
COMMAND_S = 10.0
_KEEP_FRAMES = 500


class DeskRefused(Exception):
    """The switchboard refused a command or the hello; `code` is the frame's."""

    def __init__(self, code: str, frame: dict[str, Any]) -> None:
        super().__init__(f"{code}: {frame}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Manner:
    """What a volunteer does without being told.

    Attributes:
        answer: accept, reject or ignore each reservation; None leaves it to the test.
        seen: acknowledge the card at once, as a page does.
        after_s: from the card to the answer.
        talk_s: hang up after so long; None: the caller or the test ends the talk.
        wrap_up_s: from the end of the talk to the stored outcome; None leaves it to the test.
        then: what follows the outcome.
    """

    answer: Literal["accept", "reject", "ignore"] | None = None
    seen: bool = True
    after_s: float = 0.0
    talk_s: float | None = None
    wrap_up_s: float | None = None
    matter: str | None = None
    disposition: str = "advised"
    then: Literal["ready", "pause"] = "ready"


PROMPT = Manner(answer="accept", wrap_up_s=0.0)


class ScriptedDesk:
    """One volunteer's desk. `async with ScriptedDesk(base_url, "v001", password) as desk: await desk.command("ready")`

    Attributes:
        welcome: the first frame; its `phone` holds what the telephone registers with.
        state, reservation, contact, queue: as last told by the switchboard.
        frames: the last 500 frames, newest last.
        problems: what went wrong in the volunteer's own doings; a test ends with `assert not desk.problems`.
        close_code: of the socket, None while it is open.
        wrapped_ns: when the last outcome was sent (time.monotonic_ns()).
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        password: str,
        *,
        manner: Manner | None = None,
        desk: str | None = None,
        takeover: bool = False,
    ):
        self.base_url = base_url
        self.name = name
        self.manner = manner or Manner()
        self.desk = desk or f"desk-{secrets.token_hex(8)}"
        self.welcome: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.reservation: dict[str, Any] | None = None
        self.contact: dict[str, Any] | None = None
        self.queue: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self.frames: deque[dict[str, Any]] = deque(maxlen=_KEEP_FRAMES)
        self.problems: list[str] = []
        self.close_code: int | None = None
        self.wrapped_ns = 0
        self._password = password
        self._takeover = takeover
        self._ids = itertools.count(1)
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self._doing: set[asyncio.Task[None]] = set()
        self._hung_up: str | None = None
        self._wrapped: str | None = None
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    # ---- coming and going

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            self.base_url, headers={"Origin": self.base_url}, cookie_jar=aiohttp.CookieJar(unsafe=True)
        )
        try:
            await self.sign_in()
            await self.connect(takeover=self._takeover)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()
        if self._http is not None:
            await self._http.close()

    async def sign_in(self) -> None:
        assert self._http is not None
        async with self._http.post(
            "/api/session", json={"name": self.name, "password": self._password}
        ) as answer:
            if answer.status >= 400:
                raise DeskRefused(str(answer.status), {"body": await answer.text()})

    async def connect(self, *, takeover: bool = False, phone: str = "sip") -> None:
        """Opens the socket and waits for `welcome`; also after `disconnect`, then as the same desk.

        Raises:
            DeskRefused: the answer was `refused`; the code is second_tab, for instance.
        """
        assert self._http is not None
        self._socket = await self._http.ws_connect("/ws/desk", heartbeat=10)
        self.close_code = None
        hello = {
            "type": "hello",
            "protocol": PROTOCOL,
            "desk": self.desk,
            "phone": phone,
            "takeover": takeover,
        }
        await self._socket.send_json(hello)
        first = await self._socket.receive_json(timeout=COMMAND_S)
        if first["type"] != "welcome":
            await self._socket.receive(timeout=COMMAND_S)
            self.close_code = self._socket.close_code
            raise DeskRefused(str(first.get("code")), first)
        self.welcome = first
        self.state, self.queue, self.messages = first["state"], first["queue"], first["messages"]
        self.reservation, self.contact = first["reservation"], first["contact"]
        self._reader = asyncio.create_task(self._read(self._socket), name=f"desk {self.name}")

    async def disconnect(self) -> None:
        """Closes the socket as a closing tab does: nothing is said before."""
        tasks = [*self._doing, *([self._reader] if self._reader else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reader = None
        if self._socket is not None:
            await self._socket.close()

    @property
    def telephone(self) -> tuple[str, str]:
        """User and password with which this desk's telephone registers."""
        user = self.welcome["phone"]["uri"].removeprefix("sip:").partition("@")[0]
        return user, self.welcome["phone"]["password"]

    # ---- commands

    async def command(self, kind: str, **fields: Any) -> dict[str, Any]:
        """One command; its `done` frame.

        Raises:
            DeskRefused: it was answered with `error`.
        """
        frame = {"type": kind, "id": f"{self.desk}-{next(self._ids)}", **fields}
        return await self.send(frame)

    async def send(self, frame: dict[str, Any]) -> dict[str, Any]:
        """A frame as it is, with its `id`; for saying the same thing twice."""
        assert self._socket is not None
        future = self._answers.setdefault(frame["id"], asyncio.get_running_loop().create_future())
        await self._socket.send_json(frame)
        async with asyncio.timeout(COMMAND_S):
            answer = await asyncio.shield(future)
        self._answers.pop(frame["id"], None)
        if answer["type"] == "error":
            raise DeskRefused(answer["code"], answer)
        return answer

    async def ready(self) -> None:
        await self.command("ready")

    async def accept(self) -> None:
        await self.command("accept", reservation=self._reservation_id())

    async def reject(self, reason: str = "declined") -> None:
        await self.command("reject", reservation=self._reservation_id(), reason=reason)

    async def hang_up(self) -> None:
        await self.command("hang_up", contact=self._contact_id())

    async def wrap_up(self, matter: str | None = None, *, then: str = "ready", note: str = "") -> None:
        """Stores the outcome; without a matter the one of the card stays."""
        assert self.contact is not None, "no contact on this desk"
        matter = matter or self.manner.matter or _matter_of(self.contact["card"])
        fields = {"matter": matter, "disposition": self.manner.disposition, "note": note, "then": then}
        self.wrapped_ns = time.monotonic_ns()
        await self.command("wrap_up", contact=self._contact_id(), **fields)

    def _reservation_id(self) -> int:
        assert self.reservation is not None, "no reservation on this desk"
        return self.reservation["id"]

    def _contact_id(self) -> str:
        assert self.contact is not None, "no contact on this desk"
        return self.contact["id"]

    # ---- waiting

    async def until(self, seen: Callable[[Self], object], timeout: float = 10.0, what: str = "") -> None:
        """Looks again after each frame.

        Raises:
            TimeoutError: with the desk's state and its last frames.
        """
        try:
            async with asyncio.timeout(timeout):
                while not seen(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            last = [f for f in self.frames if f["type"] not in ("beat", "queue")][-6:]
            raise TimeoutError(
                f"{self.name}: not in {timeout} s: {what}; state {self.state}, problems {self.problems}, {last}"
            ) from None

    async def wait_state(self, name: str, timeout: float = 10.0) -> None:
        await self.until(lambda desk: desk.state.get("name") == name, timeout, f"state {name}")

    async def wait_reservation(self, timeout: float = 10.0) -> dict[str, Any]:
        await self.until(lambda desk: desk.reservation, timeout, "a reservation")
        return cast(dict[str, Any], self.reservation)

    async def wait_contact(self, stage: str = "talking", timeout: float = 10.0) -> dict[str, Any]:
        await self.until(
            lambda d: d.contact and d.contact["stage"] == stage, timeout, f"a contact in {stage}"
        )
        return cast(dict[str, Any], self.contact)

    # ---- what it hears, and what it does by itself

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._hear(message.json())
        self.close_code = socket.close_code
        for future in self._answers.values():
            if not future.done():
                future.set_result({"type": "error", "code": "closed"})
        self._changed.set()

    def _hear(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        kind = frame["type"]
        if kind in ("done", "error") and (future := self._answers.get(frame["re"])):
            if not future.done():
                future.set_result(frame)
        elif kind == "state":
            self.state = frame["state"]
        elif kind == "reservation":
            self._reserved(frame["reservation"])
        elif kind == "reservation_gone":
            self.reservation = None
        elif kind == "contact":
            self._contact_changed(frame["contact"])
        elif kind == "contact_gone":
            self.contact = None
        elif kind == "messages":
            self.messages = frame["messages"]
        elif kind == "queue":
            self.queue = {key: value for key, value in frame.items() if key != "type"}
        self._changed.set()

    def _reserved(self, reservation: dict[str, Any]) -> None:
        known = self.reservation is not None and self.reservation["id"] == reservation["id"]
        self.reservation = reservation
        if not known:
            self._do(self._answer(reservation["id"]))

    async def _answer(self, reservation: int) -> None:
        if self.manner.seen and self.manner.answer is not None:
            await self.command("seen", reservation=reservation)
        if self.manner.answer in (None, "ignore"):
            return
        await asyncio.sleep(self.manner.after_s)
        fields = {} if self.manner.answer == "accept" else {"reason": "declined"}
        await self.command(self.manner.answer, reservation=reservation, **fields)

    def _contact_changed(self, contact: dict[str, Any]) -> None:
        self.contact = contact
        ident, stage = contact["id"], contact["stage"]
        if stage != "wrap_up":
            self.reservation = None
        if stage == "talking" and self.manner.talk_s is not None and self._hung_up != ident:
            self._hung_up = ident
            self._do(self._end_talk(ident, self.manner.talk_s))
        if stage == "wrap_up" and self.manner.wrap_up_s is not None and self._wrapped != ident:
            self._wrapped = ident
            self._do(self._store(self.manner.wrap_up_s))

    async def _end_talk(self, contact: str, talk_s: float) -> None:
        await asyncio.sleep(talk_s)
        if self.contact and self.contact["id"] == contact and self.contact["stage"] == "talking":
            await self.command("hang_up", contact=contact)

    async def _store(self, wrap_up_s: float) -> None:
        await asyncio.sleep(wrap_up_s)
        await self.wrap_up(then=self.manner.then)

    def _do(self, doing: Any) -> None:
        task = asyncio.create_task(self._note_problems(doing), name=f"desk {self.name} doing")
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _note_problems(self, doing: Any) -> None:
        """A caller may leave at any moment: being too late for that is no problem, all else is."""
        try:
            await doing
        except DeskRefused as refused:
            if refused.code not in ("too_late", "not_yours", "closed"):
                self.problems.append(str(refused))
        except Exception as error:
            self.problems.append(repr(error))


def _matter_of(card: dict[str, Any]) -> str:
    matter = card.get("matter") or {}
    return matter["id"] if isinstance(matter, dict) and "id" in matter else "law_inquiry"


class Volunteers:
    """Several desks and their telephones, all signed in, registered and (if wanted) ready.

    async with Volunteers(base_url, sip_port, accounts, manner=PROMPT) as volunteers: …
    """

    def __init__(
        self,
        base_url: str,
        sip_port: int,
        accounts: Iterable[tuple[str, str]],
        *,
        manner: Manner = PROMPT,
        ready: bool = True,
        ring_ms: int = 0,
        scenario: str = "agents",
        rtp_port: int | None = None,
        echo: bool = False,
    ):
        self.desks = [ScriptedDesk(base_url, name, password, manner=manner) for name, password in accounts]
        self.phones: Phones | None = None
        self._sip_port = sip_port
        self._ready = ready
        self._telephone = {"ring_ms": ring_ms, "scenario": scenario, "rtp_port": rtp_port, "echo": echo}
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            for desk in self.desks:
                await held.enter_async_context(desk)
            users: Sequence[tuple[str, str]] = [desk.telephone for desk in self.desks]
            telephone: dict[str, Any] = self._telephone
            self.phones = await held.enter_async_context(Phones(self._sip_port, users, **telephone))
            if self._ready:
                await asyncio.gather(*(desk.ready() for desk in self.desks))
            self._held = held.pop_all()
        return self

    async def __aexit__(self, *error: Any) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            await self._held.__aexit__(*error)

    @property
    def problems(self) -> list[str]:
        return [problem for desk in self.desks for problem in desk.problems]
