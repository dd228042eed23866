"""The video bridge under load: CPU for each packet it forwards, added delay, loss, memory for each peer.

``python -m tests.load.video [--rooms 4 8 16 40] [--viewers 200] [--seconds 8] [--against janus]``. Rooms of four, each
sending VP8 at 300 kbit/s and opus at 50 packets a second to the three others; then one stream to many viewers. The
bridge forwards in C and in plain Python, Janus's videoroom (Debian's package) does the same in the same run. Delay is
also measured while the bridge's event loop is blocked for 300 ms each second.

CPU is the forwarding process's own, all its threads. The last line is ``video ratio=… against=janus …``: the worst
ratio of CPU a packet over all loads at which Janus still kept up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import uvloop
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector

from tests.load.measure import cpu_s, percentile, say
from tests.load.video_janus import Janus
from tests.load.video_peers import Heard, Load, LoadPeer, environment, resident_kb
from video.tokens import Invitation, Role, sign

SECRET = "only for the benchmark"
ROOM = 4
KEPT_UP = 0.001
"""Of its packets a side may lose and still count as keeping up."""


class Side(Protocol):
    """Something that forwards, running in a process of its own."""

    name: str
    pid: int

    async def room(self, number: int) -> list[LoadPeer]:
        """Four people in one room, all connected; the peers that they use."""
        ...

    async def audience(self, number: int, viewers: int) -> list[LoadPeer]:
        """One who sends, and so many who only receive."""
        ...


class Bridge:
    """``video.serve`` and its protocol."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, http: int) -> None:
        self.name = name
        self.pid = process.pid
        self._http = http
        self._session = ClientSession(connector=TCPConnector(limit=0))  # a socket for each viewer
        self._sockets: list[ClientWebSocketResponse] = []
        self._beating: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, name: str) -> AsyncIterator[Bridge]:
        """``name``: c or python, for the way of forwarding."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.load.video_serve",
            env=environment(VIDEO_SECRET=SECRET, VIDEO_NATIVE="need" if name == "c" else "off"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        line = b"start"
        while line and not line.startswith(b"{"):
            line = await process.stdout.readline()
        side = cls(name, process, json.loads(line)["http"])
        try:
            await side._warm()
            yield side
        finally:
            for task in side._beating:
                task.cancel()
            await side._session.close()
            process.terminate()
            await process.wait()

    async def _warm(self) -> None:
        """What is loaded with the first room is no peer's memory."""
        peer = await self._enter("warm", "nobody", _receiving(0, 1), Role.PARTY, measures=False)
        await self._sockets[-1].send_json({"type": "leave"})
        await peer.close()

    async def room(self, number: int) -> list[LoadPeer]:
        lines = [("audio", "0", "sendonly"), ("video", "1", "sendonly"), *_receiving(2, ROOM - 1)]
        name = f"load-{number}"
        return [
            await self._enter(name, f"p{index}", lines, Role.PARTY, measures=index == 0)
            for index in range(ROOM)
        ]

    async def audience(self, number: int, viewers: int) -> list[LoadPeer]:
        name, lines = f"load-{number}", [("audio", "0", "sendonly"), ("video", "1", "sendonly")]
        return [
            await self._enter(name, "judge", lines, Role.HOST, measures=False),
            *[
                await self._enter(name, f"v{index}", _receiving(0, 1), Role.VIEWER, measures=not index % 10)
                for index in range(viewers)
            ],
        ]

    def block(self) -> None:
        os.kill(self.pid, signal.SIGUSR1)

    async def _enter(
        self, room: str, person: str, lines: list[tuple[str, str, str]], role: Role, *, measures: bool
    ) -> LoadPeer:
        expires_ms = time.time_ns() // 1_000_000 + 600_000
        token = sign(SECRET.encode(), Invitation(room, person, "load", role, expires_ms))
        ws = await self._session.ws_connect(f"ws://127.0.0.1:{self._http}/video/{room}")
        self._sockets.append(ws)
        await ws.send_json({"type": "hello", "v": 1, "id": 1, "token": token})
        await self._answer(ws, 1)
        peer = LoadPeer(role is not Role.VIEWER, measures=measures)
        sdp = peer.description(lines, "actpass")
        await ws.send_json({"type": "offer", "id": 2, "peer": 1, "sdp": sdp})
        await peer.connect((await self._answer(ws, 2))["sdp"])
        self._beating.add(asyncio.create_task(self._beat(ws)))
        return peer

    @staticmethod
    async def _answer(ws: ClientWebSocketResponse, number: int) -> dict[str, str]:
        async with asyncio.timeout(30):
            while True:
                frame = json.loads((await ws.receive()).data)
                if frame.get("re") == number:
                    if frame["type"] == "error":
                        raise RuntimeError(frame["code"])
                    return frame

    @staticmethod
    async def _beat(ws: ClientWebSocketResponse) -> None:
        async def listen() -> None:
            async for _ in ws:
                pass

        listening = asyncio.create_task(listen())
        try:
            while not ws.closed:
                await ws.send_str('{"type":"heartbeat"}')
                await asyncio.sleep(1)
        finally:
            listening.cancel()


def _receiving(first: int, people: int) -> list[tuple[str, str, str]]:
    return [
        (kind, f"{first + 2 * seat + offset}", "recvonly")
        for seat in range(people)
        for offset, kind in enumerate(("audio", "video"))
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    what: str
    forwarded: int
    us_per_packet: float
    core_share: float
    lost: int
    p50_ms: float
    p99_ms: float
    kb_per_peer: float
    late: int
    blocked_p99_ms: float = float("nan")
    blocked_lost: int = 0

    @property
    def kept_up(self) -> bool:
        return self.lost <= KEPT_UP * self.forwarded

    def __str__(self) -> str:
        blocked = ""
        if self.blocked_p99_ms == self.blocked_p99_ms:
            blocked = f", loop blocked: p99 {self.blocked_p99_ms:.2f} ms, {self.blocked_lost} lost"
        return (
            f"{self.what}: {self.us_per_packet:.1f} us CPU a forwarded packet, {self.core_share:.0%} of a core, "
            f"{self.forwarded} forwarded, {self.lost} lost, delay p50 {self.p50_ms:.2f} p99 {self.p99_ms:.2f} ms"
            f"{blocked}, {self.kb_per_peer:.0f} KB a peer" + (f", {self.late} sent late" if self.late else "")
        )


async def measure(side: Side, arguments: argparse.Namespace, rooms: int = 0, viewers: int = 0) -> Outcome:
    """Bring up the rooms or the audience, let them talk, count."""
    empty_kb = resident_kb(side.pid)
    if viewers:
        peers, fan_out = await side.audience(1, viewers), viewers
    else:
        peers, fan_out = [peer for number in range(rooms) for peer in await side.room(number + 1)], ROOM - 1
    async with Load(peers) as load:
        await load.talk(2.5)
        before_s = cpu_s([side.pid])
        heard = await load.talk(arguments.seconds)
        used_s = cpu_s([side.pid]) - before_s
        kb = (resident_kb(side.pid) - empty_kb) / len(peers)
        blocked: Heard | None = None
        if isinstance(side, Bridge):
            blocking = asyncio.create_task(_block(side))
            blocked = await load.talk(5.0)
            blocking.cancel()
    outcome = Outcome(
        f"{viewers} viewers" if viewers else f"{rooms} rooms",
        heard.packets,
        used_s / max(1, heard.packets) * 1e6,
        used_s / heard.took_s,
        heard.sent * fan_out - heard.packets,
        percentile(heard.delays_ms, 0.5),
        percentile(heard.delays_ms, 0.99),
        kb,
        heard.late,
        percentile(blocked.delays_ms, 0.99) if blocked else float("nan"),
        blocked.sent * fan_out - blocked.packets if blocked else 0,
    )
    for peer in peers:
        await peer.close()
    return outcome


def _before_others(pid: int) -> None:
    """Every thread of it, and those that these begin. Raises PermissionError without CAP_SYS_NICE."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(1))


async def _block(side: Bridge) -> None:
    while True:
        await asyncio.sleep(1)
        side.block()


async def run(arguments: argparse.Namespace) -> None:
    outcomes: dict[str, list[Outcome]] = {"c": [], "python": [], "janus": []}
    loads = [{"rooms": rooms} for rooms in arguments.rooms]
    loads += [{"viewers": viewers} for viewers in arguments.viewers]
    for load in loads:
        for name, found in outcomes.items():
            if name not in arguments.sides or (name == "janus" and arguments.against != "janus"):
                continue
            async with Janus.open() if name == "janus" else Bridge.open(name) as side:
                if arguments.alone:
                    _before_others(side.pid)
                found.append(await measure(side, arguments, **load))
                say(f"{name:6} {found[-1]}")
    last(outcomes)


def last(outcomes: dict[str, list[Outcome]]) -> None:
    """The line that programs read: CPU a packet against Janus's, below 1 is less."""

    def ratio(name: str) -> float:
        found = [
            ours.us_per_packet / theirs.us_per_packet
            for ours, theirs in zip(outcomes[name], outcomes["janus"], strict=False)
            if theirs.kept_up
        ]
        return max(found, default=float("nan"))

    detail = "; ".join(
        f"{name} " + ", ".join(f"{one.what} {one.us_per_packet:.1f}" for one in found)
        for name, found in outcomes.items()
        if found
    )
    ours = outcomes["c"]
    p99 = max((one.p99_ms for one in ours), default=float("nan"))
    blocked = max((one.blocked_p99_ms for one in ours), default=float("nan"))
    lost = sum(one.lost + one.blocked_lost for one in ours)
    against = "janus" if outcomes["janus"] else "nothing"
    print(
        f"video ratio={ratio('c'):.2f} against={against} python={ratio('python'):.2f} lost={lost} p99_ms={p99:.2f} "
        f"blocked_p99_ms={blocked:.2f} (us a packet: {detail})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=re.sub(r"\s+", " ", __doc__ or ""))
    parser.add_argument("--rooms", type=int, nargs="*", default=[4])
    parser.add_argument("--viewers", type=int, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--sides", nargs="+", default=["c", "python", "janus"])
    parser.add_argument(
        "--alone",
        action="store_true",
        help="all sides before everything else of the machine (real-time priority), as if it were theirs",
    )
    parser.add_argument("--against", choices=["janus", "nothing"], default="nothing")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
