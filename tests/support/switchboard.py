"""The switchboard as tests see it: a real child process on ports of its own, and what one can ask it."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Self

import aiohttp

from routing.engine import Engine
from routing.model import Snapshot
from switchboard.records.events import ContactEvent
from switchboard.records.fold import ContactRecord
from switchboard.records.people import AgentRow
from switchboard.records.queries import ContactQuery
from switchboard.records.store import Records
from tests.support.asterisk import CACHE, ROOT
from tests.support.ports import free_port, free_range
from tests.support.prompts import MENU, write_tones

PASSWORD = "only-for-tests-12348"
SUPERVISOR = "s900"
ADMINISTRATOR = "a900"
START_S = 90.0  # the first start of all fetches Asterisk
STOP_S = 20.0
_LAWYER = {"law_inquiry": 3, "labour": 4, "marriage_family": 3, "housing_land": 3, "debt": 3, "contract": 3}


class SwitchboardError(Exception):
    """The child did not start or did not answer; the text holds the end of its log."""


@dataclass
class Switchboard:
    """`async with Switchboard(volunteers=2) as switchboard:`; on leaving, it and all its children are gone.

    Attributes:
        volunteers: how many people v901, v902 … exist at the start, each a lawyer who can sign in with PASSWORD.
        demo: none, data or live.
        env: more SWITCHBOARD_… settings, without the prefix, such as {"WRAP_UP_MS": "2000"}.
        languages: of every volunteer.
        roles: of the first volunteers; the others are lawyers.
        tones: every prompt is a short tone (tests.support.prompts) instead of words.
    """

    volunteers: int = 0
    demo: str = "none"
    env: Mapping[str, str] = field(default_factory=dict)
    languages: Sequence[str] = ("zh", "en")
    roles: Sequence[str] = ()
    skills: Mapping[str, int] = field(default_factory=lambda: dict(_LAWYER))
    tones: bool = True

    def __post_init__(self) -> None:
        self.http_port, self.sip_port, self.ari_port = free_port(), free_port(), free_port()
        self.video_port = free_port("udp")
        self.rtp_first, self.rtp_last = free_range(1000)
        self.base_url = f"http://127.0.0.1:{self.http_port}"
        self.data_dir = Path()  # made on entering; its name is short because of the unix sockets in it
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def accounts(self) -> list[tuple[str, str]]:
        """Names and passwords of the volunteers."""
        return [(f"v{901 + n}", PASSWORD) for n in range(self.volunteers)]

    # ---- starting and ending

    async def __aenter__(self) -> Self:
        self.data_dir = Path(tempfile.mkdtemp(prefix="sb-"))
        try:
            await self._prepare()
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self.stop()
        if self.data_dir.is_absolute():
            _end_left_behind(self.data_dir)
            shutil.rmtree(self.data_dir, ignore_errors=True)

    async def start(self, *, wait: bool = True) -> None:
        """Starts the child on the same data folder and ports.

        Raises:
            SwitchboardError: it ended, or was not healthy in time.
        """
        log = (self.data_dir / "log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switchboard", "serve"),
            cwd=ROOT,
            env={**_without_settings(os.environ), **self._settings()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        if wait:
            await self.wait_healthy()

    async def wait_healthy(self, timeout: float = START_S) -> None:
        """Until /healthz says that every part works."""
        deadline = time.monotonic() + timeout
        seen: object = "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            while time.monotonic() < deadline:
                if self._process is None or self._process.returncode is not None:
                    raise SwitchboardError(f"it ended while starting\n{self.log()[-4000:]}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(f"{self.base_url}/healthz") as answer:
                        seen = await answer.text()
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise SwitchboardError(f"not healthy after {timeout} s: {seen}\n{self.log()[-4000:]}")

    async def stop(self, timeout: float = STOP_S) -> int:
        """A clean end; the exit code. Asterisk and Redis go with it."""
        assert self._process is not None
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        return self._process.returncode if self._process.returncode is not None else -1

    async def kill(self) -> None:
        """kill -9: its children live on, as after a crash."""
        assert self._process is not None
        self._signal(signal.SIGKILL)
        await self._process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _settings(self) -> dict[str, str]:
        settings = {
            "DATA_DIR": self.data_dir,
            "CACHE_DIR": CACHE,
            "HTTP_PORT": self.http_port,
            "HTTPS_PORT": 0,
            "SIP_PORT": self.sip_port,
            "ASTERISK_HTTP_PORT": self.ari_port,
            "VIDEO_PORT": self.video_port,
            "RTP_FIRST": self.rtp_first,
            "RTP_LAST": self.rtp_last,
            "DEMO": self.demo,
            **({"PROMPT_OVERLAY": self.data_dir / "tones"} if self.tones else {}),
            **self.env,
        }
        return {f"SWITCHBOARD_{name}": str(value) for name, value in settings.items()}

    async def _prepare(self) -> None:
        """People and tones; made once for all switchboards of this process that begin alike."""
        if self.tones and "PROMPT_OVERLAY" not in self.env:
            shutil.copytree(_tones(), self.data_dir / "tones", copy_function=os.link)
        if "DATABASE_URL" in self.env:
            await self._make_people()
            return
        key = repr((self.accounts, list(self.roles), list(self.languages), sorted(self.skills.items())))
        made = _templates() / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not made.exists():
            await self._make_people()
            shutil.copytree(self.data_dir, made, ignore=shutil.ignore_patterns("tones"))
        else:
            shutil.copytree(made, self.data_dir, dirs_exist_ok=True)

    async def _make_people(self) -> None:
        """Before the first start, straight into the records, as an administrator's import would."""
        async with self.records() as records:
            for (name, password), role in zip(
                self.accounts, chain(self.roles, repeat("lawyer")), strict=False
            ):
                await records.upsert_agent(
                    AgentRow(
                        id=name,
                        name=f"志愿者 {name}",
                        role=role,
                        languages=tuple(self.languages),
                        skills=dict(self.skills),
                    )
                )
                await records.create_account(name, password, "volunteer", name)
            await records.create_account(SUPERVISOR, PASSWORD, "supervisor", None)
            await records.create_account(ADMINISTRATOR, PASSWORD, "administrator", None)

    # ---- asking

    def pids(self) -> dict[str, list[int]]:
        """Process ids under "python", "asterisk" and "redis" (empty where that runs elsewhere)."""
        children = _children(self.data_dir)
        asterisk = [pid for pid, line in children.items() if "asterisk" in line.partition(" -C ")[0]]
        others = [pid for pid in children if pid not in asterisk]
        return {"python": [self.pid], "asterisk": asterisk, "redis": others}

    def log(self) -> str:
        path = self.data_dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @asynccontextmanager
    async def records(self) -> AsyncIterator[Records]:
        """What SQL holds, read beside the running switchboard."""
        url = self.env.get("DATABASE_URL") or f"sqlite+aiosqlite:///{self.data_dir / 'switchboard.sqlite'}"
        records = await Records.open(url)
        try:
            yield records
        finally:
            await records.close()

    async def contacts(self) -> list[ContactRecord]:
        """Every contact's record, oldest first."""
        found: list[ContactRecord] = []
        async with self.records() as records:
            mark: str | None = None
            while True:
                page = await records.contacts(ContactQuery(after=mark, limit=200))
                found += page.items
                mark = page.next
                if mark is None:
                    return found[::-1]

    async def contact(self, ident: str) -> tuple[ContactRecord, list[ContactEvent]]:
        async with self.records() as records:
            found = await records.contact(ident)
        if found is None:
            raise SwitchboardError(f"no contact {ident}")
        return found

    async def wait_ended(self, count: int = 1, timeout: float = 15.0) -> list[ContactRecord]:
        """Until `count` contacts have ended; all contacts, oldest first.

        Raises:
            TimeoutError: with each contact's stage and end.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = await self.contacts()
            if sum(contact.ended_ms is not None for contact in found) >= count:
                return found
            if time.monotonic() > deadline:
                seen = [(contact.id, contact.stage, contact.end_reason) for contact in found]
                raise TimeoutError(f"{count} ended contacts wanted, seen {seen}\n{self.log()[-3000:]}")
            await asyncio.sleep(0.1)

    async def snapshot(self) -> Snapshot:
        """What Redis holds of the queue and the seats."""
        url = self.env.get("REDIS_URL") or f"unix://{self.data_dir / 'run' / 'redis' / 'routing.sock'}"
        engine = await Engine.connect(url)
        try:
            return await engine.snapshot()
        finally:
            await engine.close()

    async def ari(self, path: str) -> Any:
        """GET of Asterisk's own REST interface, such as `channels`."""
        password = await asyncio.to_thread((self.data_dir / "ari-password").read_text)
        headers = {"Authorization": aiohttp.encode_basic_auth("switchboard", password)}
        url = f"http://127.0.0.1:{self.ari_port}/ari/{path}"
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def metrics(self) -> dict[str, float]:
        """/metrics: every sample, by name with its labels as they are printed."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.base_url}/metrics") as answer:
            answer.raise_for_status()
            lines = (await answer.text()).splitlines()
        samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    @asynccontextmanager
    async def sign_in(
        self, name: str = SUPERVISOR, password: str = PASSWORD
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP session with this person's cookie; paths are relative, as in `session.get("/api/session")`."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(
            self.base_url, headers={"Origin": self.base_url}, cookie_jar=jar
        ) as http:
            async with http.post("/api/session", json={"name": name, "password": password}) as answer:
                if answer.status >= 400:
                    raise SwitchboardError(f"{name} was not let in: {answer.status} {await answer.text()}")
            yield http

    @asynccontextmanager
    async def board(self, name: str = SUPERVISOR, password: str = PASSWORD) -> AsyncIterator[Board]:
        """The live board, as a supervisor sees it."""
        async with self.sign_in(name, password) as http, http.ws_connect("/ws/board") as socket:
            board = Board(socket)
            reader = asyncio.create_task(board.read(), name="board")
            try:
                await board.until(lambda b: b.seq is not None, what="a snapshot")
                yield board
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)


@cache
def _templates() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sb-made-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _tones() -> Path:
    return write_tones(_templates() / "tones", lengths={MENU: 160})


async def eventually(seen: Callable[[], Awaitable[bool]], timeout: float, what: str) -> None:
    """Asks again until it is so, for what no event tells.

    Raises:
        TimeoutError: it was not so in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        if await seen():
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {timeout} s: {what}")
        await asyncio.sleep(0.1)


class Board:
    """Folds the snapshot and the numbered changes of /ws/board (docs/protocol.md).

    Attributes:
        items: by key, such as "contact/c-…" and "figures/all".
        gaps: changes that did not follow the one before; always empty on a right server.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.seq: int | None = None
        self.gaps: list[tuple[int, int]] = []
        self.beats = 0
        self._socket = socket
        self._changed = asyncio.Event()

    async def read(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._fold(json.loads(message.data))
                self._changed.set()

    def _fold(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "beat":
            self.beats += 1
            return
        if frame["type"] == "snapshot":
            self.items = dict(frame["items"])
        elif frame["type"] == "change":
            if self.seq is not None and frame["seq"] != self.seq + 1:
                self.gaps.append((self.seq, frame["seq"]))
            self.items.update(frame.get("set") or {})
            for key in frame.get("del") or ():
                self.items.pop(key, None)
        self.seq = frame["seq"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All items of one kind: contact, agent, matter, figures or health."""
        return [item for key, item in self.items.items() if key.startswith(f"{kind}/")]

    async def until(self, seen: Callable[[Board], object], timeout: float = 10.0, what: str = "") -> None:
        """Looks again after each change.

        Raises:
            TimeoutError: with the contacts and agents as the board has them.
        """
        try:
            async with asyncio.timeout(timeout):
                while not seen(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(
                f"the board did not show in {timeout} s: {what}; {self.of('contact')} {self.of('agent')}"
            ) from None

    async def wait_stage(self, stage: str, count: int = 1, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Until at least `count` contacts are in this stage; those."""

        def there() -> list[dict[str, Any]]:
            return [contact for contact in self.of("contact") if contact["stage"] == stage]

        await self.until(lambda _: len(there()) >= count, timeout, f"{count} contacts in {stage}")
        return there()


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("SWITCHBOARD_")}


def _end_left_behind(data_dir: Path) -> None:
    """Ends what a killed switchboard has left, by their ids."""
    for pid in _children(data_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _children(data_dir: Path) -> dict[int, str]:
    """Processes whose command line names this very data folder: the id and how the command line begins."""
    wanted = str(data_dir).encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes()
                if wanted in line:
                    found[int(folder.name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found
