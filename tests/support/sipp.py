"""SIPp (sip-tester 3.6.1) as a child process: scenarios, bounded time, parsed statistics, per-call events.

What 3.6.1 can and cannot, found by trying:
  - play_dtmf and play_pcap_audio open raw sockets and so need root; rtp_stream uses an ordinary socket. Keys
    are therefore sent as an rtp_stream of telephone-event payloads, see `key_file`.
  - rtp_stream knows only the payload types 0, 8, 9, 18 and 98, and file names cannot hold keywords.
  - keywords do not work in `<pause milliseconds=…>`, a variable does; no optional <recv> may stand before a
    pause, so what may come meanwhile is handled at the label _unexp.main.
  - without -rtp_echo nobody reads the media socket: sound that arrives costs nothing, as load wants it.
  - a variable that is assigned and never used is an error, unless a <Reference> names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import shutil
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support import alaw
from tests.support.ports import free_port, free_range, udp_is_bound

SCENARIOS = Path(__file__).with_name("sipp")
HOST = "127.0.0.1"
_STOP_S = 3.0
_MAX_EVENTS = 200_000
_EXIT = {
    0: "all calls succeeded",
    1: "at least one call failed",
    97: "stopped from outside",
    99: "no call was made",
    253: "bad option",
    254: "port in use",
    255: "fatal error",
}


class SippError(Exception):
    """SIPp did not do what the test needs; the text holds its exit code and its error log's end."""


@dataclass(frozen=True, slots=True)
class SippEvent:
    """One line that a scenario logged; `at_ns` is when it did, on time.monotonic_ns()'s clock."""

    kind: str
    call_id: str
    rest: tuple[str, ...]
    at_ns: int

    @classmethod
    def parse(cls, line: str) -> Self:
        """KIND;CALL-ID;…;DATE TIME SECONDS-SINCE-1970, the last with microseconds."""
        kind, call_id, *rest, when = line.split(";")
        ago_ns = time.time_ns() - round(float(when.split()[-1]) * 1e9)
        return cls(kind, call_id, tuple(rest), time.monotonic_ns() - ago_ns)


@dataclass(frozen=True, slots=True)
class SippResult:
    """How a run ended: statistics are the last row of SIPp's own file, cumulated."""

    exit_code: int
    statistics: Mapping[str, str]
    errors: str
    events: tuple[SippEvent, ...]

    @property
    def created(self) -> int:
        return self._number("TotalCallCreated")

    @property
    def succeeded(self) -> int:
        return self._number("SuccessfulCall(C)")

    @property
    def failed(self) -> int:
        return self._number("FailedCall(C)")

    @property
    def retransmissions(self) -> int:
        return self._number("Retransmissions(C)")

    @property
    def elapsed_s(self) -> float:
        hours, minutes, seconds = (self.statistics.get("ElapsedTime(C)") or "0:0:0").split(":")[:3]
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    def _number(self, name: str) -> int:
        return int(self.statistics.get(name) or 0)

    def describe(self) -> str:
        meaning = _EXIT.get(self.exit_code, "unknown")
        return (
            f"SIPp exit {self.exit_code} ({meaning}): {self.created} calls, {self.succeeded} succeeded, "
            f"{self.failed} failed, {self.retransmissions} sent again\n{self.errors[-2000:]}"
        )


def key_file(digit: str) -> bytes:
    """One pressed key as SIPp's rtp_stream sends it with payload type 98: frames of 50 bytes every 30 ms.

    Each frame begins with the four bytes of RFC 4733; receivers ignore the padding. rtp_stream moves the RTP
    timestamp on at each frame where the RFC keeps it, so the end is said once only: each end with another
    timestamp would be another key.
    """
    event = "0123456789*#ABCD".index(digit)
    frames = [struct.pack("!BBH", event, 10, 240 * n) for n in range(1, 5)]
    frames.append(struct.pack("!BBH", event, 0x80 | 10, 240 * 5))
    return b"".join(frame.ljust(50, b"\0") for frame in frames)


@dataclass
class Sipp:
    """One SIPp process. `async with Sipp("load", remote_port=5060, rows=[…], calls=50, rate=10) as sipp: …`

    Attributes:
        scenario: name of a file of tests/support/sipp, without .xml.
        remote_port: where the other side listens for SIP on 127.0.0.1.
        rows: the injection file; used in order, from the beginning again when it ends.
        keys: words the scenario replaces, besides rtp_ip and rtp_port, which are always set.
        calls: ends by itself after so many; None: runs until stop().
        rate, limit: new calls per second, and calls at the same time.
        rtp_port: where the sound goes; None: SIPp's own socket.
        echo: SIPp sends back what arrives there.
        timeout_s: bound of the whole run.
    """

    scenario: str
    remote_port: int
    rows: Sequence[Sequence[str]] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    calls: int | None = None
    rate: float = 10.0
    limit: int = 3000
    port: int = 0
    rtp_port: int | None = None
    echo: bool = False
    server: bool = False
    timeout_s: float = 120.0
    trace_messages: bool = False

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.media_port, _ = free_range(4)
        self.folder = Path()  # made by start()
        self._process: asyncio.subprocess.Process | None = None
        self._result: SippResult | None = None
        self._log_at = 0
        self.events: list[SippEvent] = []

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self.stop()
        if self.folder.is_absolute():
            shutil.rmtree(self.folder, ignore_errors=True)

    async def start(self) -> None:
        """Starts the child and waits until it listens.

        Raises:
            SippError: it ended at once, for instance over an error in the scenario.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="sipp-"))
        self._write_files()
        self._process = await asyncio.create_subprocess_exec(
            *self._command(),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=(self.folder / "stdout").open("wb"),
            stderr=(self.folder / "stderr").open("wb"),
            env={"TERM": "dumb", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
        deadline = time.monotonic() + 5
        while not udp_is_bound(self.port) and self._process.returncode is None:
            if time.monotonic() > deadline:
                await self.stop()
                raise SippError(f"SIPp does not listen after 5 s\n{self._errors()}")
            await asyncio.sleep(0.01)
        if self._process.returncode not in (None, 0):
            raise SippError(self._read_result().describe())

    def _write_files(self) -> None:
        if self.rows:
            lines = ["SEQUENTIAL", *(";".join(row) for row in self.rows)]
            (self.folder / "rows.csv").write_text("\n".join(lines) + "\n")
        (self.folder / "silence.alaw").write_bytes(alaw.silence(1000))
        (self.folder / "tone.alaw").write_bytes(alaw.tone(700))
        for digit in "0123456789*#":
            name = {"*": "star", "#": "pound"}.get(digit, digit)
            (self.folder / f"key_{name}.rtp").write_bytes(key_file(digit))

    def _command(self) -> list[str]:
        command = ["sipp", f"{HOST}:{self.remote_port}", "-sf", str(SCENARIOS / f"{self.scenario}.xml")]
        command += ["-i", HOST, "-p", str(self.port), "-mi", HOST, "-mp", str(self.media_port), "-nostdin"]
        command += ["-ci", HOST, "-cp", str(free_port("udp"))]
        command += ["-key", "rtp_ip", HOST, "-key", "rtp_port", str(self.rtp_port or self.media_port)]
        command += [part for key, value in self.keys.items() for part in ("-key", key, value)]
        if self.rows:
            command += ["-inf", "rows.csv"]
        if self.calls is not None:
            command += ["-m", str(self.calls)]
        if not self.server:
            # -rp in ms allows rates under one call a second
            command += ["-r", str(max(1, round(self.rate * 10))), "-rp", "10000", "-l", str(self.limit)]
        if self.echo:
            command += ["-rtp_echo"]
        command += ["-timeout", f"{self.timeout_s:.0f}s", "-timer_resol", "2", "-max_recv_loops", "3000"]
        command += [
            "-trace_stat",
            "-stf",
            "statistics.csv",
            "-fd",
            "1",
            "-trace_err",
            "-error_file",
            "errors.log",
        ]
        command += ["-trace_logs", "-log_file", "events.log"]
        if self.trace_messages:
            command += ["-trace_msg", "-message_file", "messages.log"]
        return command

    # ---- while it runs

    def read_events(self) -> list[SippEvent]:
        """All events that the scenario has logged so far, in order."""
        path = self.folder / "events.log"
        if not path.exists() or len(self.events) >= _MAX_EVENTS:
            return self.events
        with path.open("rb") as file:
            file.seek(self._log_at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._log_at += len(whole)
        self.events += [SippEvent.parse(line) for line in whole.decode(errors="replace").splitlines()]
        return self.events

    def statistics(self) -> dict[str, str]:
        """The newest row of SIPp's own statistics, at most a second old while it runs."""
        path = self.folder / "statistics.csv"
        if not path.exists():
            return {}
        with path.open(newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))
        return dict(zip(rows[0], rows[-1], strict=False)) if len(rows) > 1 else {}

    async def wait_event(
        self,
        kind: str,
        timeout: float = 10.0,
        *,
        where: Callable[[SippEvent], bool] = lambda _: True,
        nth: int = 1,
    ) -> SippEvent:
        """The nth event of this kind that `where` accepts, from the beginning of the run on.

        Raises:
            TimeoutError: it did not come; the text says which events did.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended = self._process is None or self._process.returncode is not None
            found = [event for event in self.read_events() if event.kind == kind and where(event)]
            if len(found) >= nth:
                return found[nth - 1]
            if ended or time.monotonic() > deadline:
                seen = [(event.kind, *event.rest) for event in self.events[-20:]]
                raise TimeoutError(f"no event {kind!r} in {timeout} s; seen {seen}\n{self._errors()[-1000:]}")
            await asyncio.sleep(0.005)

    def hang_up(self, call_id: str) -> None:
        """Makes SIPp's side of this call send BYE: a MESSAGE with its Call-ID moves the scenario on."""
        text = (
            f"MESSAGE sip:rig@{HOST}:{self.port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:9;branch=z9hG4bK-rig-{time.monotonic_ns()}\r\n"
            f"From: <sip:rig@{HOST}>;tag=rig\r\nTo: <sip:rig@{HOST}>\r\nCall-ID: {call_id}\r\n"
            "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), (HOST, self.port))

    # ---- the end

    async def wait(self) -> SippResult:
        """Waits for the run's own end, at most timeout_s and a little.

        Raises:
            SippError: it did not end in time and was stopped: SIPp's own -timeout only ends a run whose calls
                have all come to an end.
        """
        assert self._process is not None
        try:
            async with asyncio.timeout(self.timeout_s + 2):
                await self._process.wait()
        except TimeoutError:
            await self.stop()
            raise SippError(f"SIPp did not end in time\n{self._errors()}") from None
        return self._read_result()

    async def stop(self) -> SippResult:
        """Ends the child by its own id, if it still runs; calls that are open are dropped without a word."""
        process = self._process
        if process is None:
            raise SippError("SIPp was never started")
        for how in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                # not process.terminate(): it polls, and so takes the exit code from asyncio's own watcher
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, how)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_S):
                        await process.wait()
        return self._read_result()

    def _read_result(self) -> SippResult:
        if self._result is None:
            assert self._process is not None
            code = self._process.returncode
            self._result = SippResult(
                code if code is not None else -1, self.statistics(), self._errors(), tuple(self.read_events())
            )
        return self._result

    def _errors(self) -> str:
        texts = []
        for name in ("errors.log", "stderr"):
            path = self.folder / name
            if path.exists():
                texts.append(path.read_text(errors="replace")[-8000:])
        return "\n".join(texts)
