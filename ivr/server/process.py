"""Asterisk as a supervised child that outlives us.

A telephone call must not end because the switchboard was killed, so the child has a session of its own and
no parent-death signal. The next start finds it by its pid file, checks that it is ours (command line, name
and ARI password) and goes on with it. Only a clean `stop()` ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import structlog

from ivr.ari.client import probe
from ivr.errors import AriError, AsteriskFailed, PortTaken, Refused
from ivr.server.config import ServerOptions, ServerPorts, ServerSettings, write
from ivr.server.fetch import AsteriskHome
from ivr.server.own_user import own_user

log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_AFTER_S = 60.0
LOG_LIMIT_BYTES = 20_000_000
LOG_CHECK_S = 60.0


class AsteriskServer:
    """`async with AsteriskServer(...) as server`: a ready Asterisk inside, none (of ours) after.

    Entering raises PortTaken when something else listens where we are told to, AsteriskFailed when Asterisk
    does not become ready. Inside, an Asterisk that dies is started again, for ever, with growing pauses (0.1
    to 5 s). `adopted` says that entering found one still running from before. Folders are made if they are
    missing.
    """

    def __init__(
        self,
        home: AsteriskHome,
        run_dir: Path,
        ports: ServerPorts,
        *,
        ari_user: str,
        ari_password: str,
        sounds_dir: Path,
        recordings_dir: Path,
        options: ServerOptions | None = None,
    ) -> None:
        self.home = home
        self.settings = ServerSettings(
            run_dir=run_dir.absolute(),
            modules_dir=home.modules_dir,
            data_dir=home.data_dir,
            ports=ports,
            ari_user=ari_user,
            ari_password=ari_password,
            sounds_dir=sounds_dir.absolute(),
            recordings_dir=recordings_dir.absolute(),
            options=options or ServerOptions(),
        )
        self.adopted = False
        self.restarts = 0
        self._running: _Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def url(self) -> str:
        """Base address of ARI, without a path."""
        return f"http://127.0.0.1:{self.settings.ports.http}"

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    @property
    def ready(self) -> bool:
        """Whether ARI answered after the latest start."""
        return self._ready.is_set()

    async def __aenter__(self) -> AsteriskServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Adopt or start, and return when ARI answers."""
        before = await self._find_running()
        if before is not None:
            self._running, self.adopted = before, True
            self._ready.set()
            log.info("asterisk.adopted", pid=before.pid)
        else:
            _check_ports(self.settings)
            self._launch()
            try:
                await self._wait_ready()
            except BaseException:
                await self._end_child()
                raise
        self._supervisor = asyncio.create_task(self._supervise(), name="asterisk-supervisor")

    async def stop(self) -> None:
        """End Asterisk and with it every call on it. Safe to call twice."""
        await self._end_supervisor()
        await self._end_child()

    async def leave_running(self) -> None:
        """Stop looking after Asterisk without ending it, for an upgrade of the switchboard during calls."""
        await self._end_supervisor()
        if self._running is not None:
            self._running.close()
            self._running = None

    async def wait_ready(self, timeout: float = READY_TIMEOUT_S) -> None:
        """Return when ARI answers (again). Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._ready.wait()

    # --- one life of the child -----------------------------------------------------------------------------

    def _launch(self) -> None:
        write(self.settings)
        user = own_user(self.settings, Path(self.home.command[-1]))
        command = [*self.home.command, "-f", "-n", "-C", str(self.settings.config_file)]
        console = self.settings.run_dir / "log" / "console"
        with console.open(
            "ab" if console.exists() and console.stat().st_size < LOG_LIMIT_BYTES else "wb"
        ) as out:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.settings.run_dir,
                start_new_session=True,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LC_ALL": "C.UTF-8",
                    "HOME": str(self.settings.run_dir),
                },
            )
        self._running = _Process(child.pid, child)
        self._pid_file.write_text(f"{child.pid}\n")
        log.info("asterisk.started", pid=child.pid)

    @property
    def _pid_file(self) -> Path:
        return self.settings.run_dir / "child.pid"

    async def _wait_ready(self) -> None:
        running = self._running
        assert running is not None  # noqa: S101 - launched or adopted before
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if not running.alive():
                raise AsteriskFailed(f"Asterisk ended while starting: {self._last_words()}")
            # 404 is what its HTTP server says before ARI is loaded.
            if await self._answers():
                self._ready.set()
                return
            await asyncio.sleep(0.02)
        raise AsteriskFailed(f"ARI did not answer within {READY_TIMEOUT_S:.0f} s: {self._last_words()}")

    async def _answers(self) -> bool:
        """Whether the Asterisk behind our port is the one of our run folder."""
        settings = self.settings
        try:
            info = await probe(self.url, settings.ari_user, settings.ari_password)
        except Refused:
            raise
        except AriError:
            return False
        return info.get("config", {}).get("name") == settings.system_name

    def _last_words(self) -> str:
        """The end of the console log: Asterisk's complaint. No call was up, so no number is in it."""
        try:
            tail = (self.settings.run_dir / "log" / "console").read_bytes()[-600:].decode(errors="replace")
        except OSError:
            return "it said nothing"
        return " / ".join(tail.split("\n")[-5:]).strip() or "it said nothing"

    def _from_pid_file(self) -> _Process | None:
        """The process of the pid file, if it still is an Asterisk with our configuration."""
        try:
            pid = int(self._pid_file.read_text())
            found = _Process(pid, None)
            command_line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return found if str(self.settings.config_file).encode() in command_line else None

    async def _find_running(self) -> _Process | None:
        """The Asterisk that an earlier switchboard left running here, if it is fit to go on with."""
        found = self._from_pid_file()
        if found is None:
            return None
        with contextlib.suppress(Refused):
            if await self._answers():
                return found
        log.warning("asterisk.unfit", pid=found.pid)
        await found.end(STOP_TIMEOUT_S)
        return None

    # --- supervision ---------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        failures = 0
        while True:
            running = self._running
            assert running is not None  # noqa: S101 - set before supervision begins
            since = time.monotonic()
            await self._watch(running)
            self._ready.clear()
            code = running.reap()
            running.close()
            failures = 0 if time.monotonic() - since > STEADY_AFTER_S else failures + 1
            pause = BACK_OFF_S[min(max(failures - 1, 0), len(BACK_OFF_S) - 1)]
            log.error("asterisk.died", pid=running.pid, code=code, again_in_ms=int(pause * 1000))
            await asyncio.sleep(pause)
            self.restarts += 1
            self._launch()
            try:
                await self._wait_ready()
            except (AsteriskFailed, Refused) as error:
                log.error("asterisk.not_ready", why=str(error))
                if self._running is not None:
                    await self._running.end(STOP_TIMEOUT_S)

    async def _watch(self, running: _Process) -> None:
        """Return when the process has ended; meanwhile keep its log small."""
        ended = asyncio.create_task(running.ended())
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=LOG_CHECK_S)
                await asyncio.to_thread(_trim_log, self.settings.run_dir / "log" / "messages")
        finally:
            ended.cancel()

    async def _end_supervisor(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        self._ready.clear()

    async def _end_child(self) -> None:
        if self._running is not None:
            await self._running.end(STOP_TIMEOUT_S)
            self._running.close()
            self._running = None
            self._pid_file.unlink(missing_ok=True)
            log.info("asterisk.stopped")


class _Process:
    """A process held by a pidfd: waited for though not our child, never mistaken for another."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self._child = child
        self._fd = os.pidfd_open(pid)

    def alive(self) -> bool:
        # A dead child of ours stays in the table until reaped, so ask for it first.
        return self.reap() is None and self._signal(0)

    def reap(self) -> int | None:
        """The exit code of our own child, negative for a signal; None while it runs or is not our child."""
        return self._child.poll() if self._child is not None else None

    def _signal(self, number: int) -> bool:
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return False
        return True

    async def ended(self) -> None:
        """Return when the process is gone."""
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(self._fd, lambda: gone.done() or gone.set_result(None))
        try:
            await gone
        finally:
            loop.remove_reader(self._fd)

    async def end(self, patience_s: float) -> None:
        """SIGTERM, and SIGKILL when that is not enough."""
        if not self.alive():
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(), patience_s)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.ended()
        self.reap()

    def close(self) -> None:
        """Let go of the process, running or not."""
        if self._child is not None and self._child.returncode is None:
            self._child.returncode = 0  # it is meant to live on; Popen would warn of a forgotten child
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _check_ports(settings: ServerSettings) -> None:
    """Raise PortTaken naming the first port that is not free. Asterisk itself would run on, deaf."""
    ports, bind = settings.ports, settings.options.bind
    wanted = [
        ("HTTP", "127.0.0.1", ports.http, socket.SOCK_STREAM),
        ("SIP over UDP", bind, ports.sip, socket.SOCK_DGRAM),
        ("SIP over TCP", bind, ports.sip, socket.SOCK_STREAM),
    ]
    for what, address, port, kind in wanted:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, kind) as trial:
            if kind == socket.SOCK_STREAM:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address, port))
            except OSError as error:
                raise PortTaken(
                    f"Port {port} on {address} ({what}) cannot be used: {error.strerror}."
                ) from error


def _trim_log(path: Path) -> None:
    """Keep the last tenth of a log that has grown too large. Asterisk appends, so it writes on behind it."""
    try:
        if path.stat().st_size < LOG_LIMIT_BYTES:
            return
        with path.open("r+b") as log_file:
            log_file.seek(-LOG_LIMIT_BYTES // 10, os.SEEK_END)
            rest = log_file.read()
            log_file.seek(0)
            log_file.write(rest)
            log_file.truncate()
    except OSError:
        return
