"""The video bridge under load: CPU for each packet it forwards, added delay, loss, memory for each peer.

``python -m tests.load.video [--rooms 4 8 16] [--seconds 10] [--against janus]``. Rooms of four, each sending VP8 at
300 kbit/s and opus at 50 packets a second to the three others. ``--against janus`` does the same with Janus's
videoroom (Debian's package) in the same run. The last line is ``video ratio=… against=… (…)``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import uvloop
from aiohttp import ClientSession, ClientWebSocketResponse

from tests.load.measure import cpu_s, percentile, say
from tests.load.video_janus import Janus
from tests.load.video_peers import LoadPeer, drive, environment, resident_kb
from video.tokens import Invitation, Role, sign

SECRET = "only for the benchmark"
ROOM = 4


class Side(Protocol):
    """Something that forwards, running in a process of its own."""

    name: str
    pid: int

    async def room(self, number: int) -> list[LoadPeer]:
        """Four people in one room, all connected; the peers that they use."""
        ...


class Bridge:
    """``python -m video.serve`` and its protocol."""

    name = "bridge"

    def __init__(self, process: asyncio.subprocess.Process, http: int) -> None:
        self.pid = process.pid
        self._http = http
        self._session = ClientSession()
        self._sockets: list[ClientWebSocketResponse] = []
        self._beating: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Bridge]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "video.serve",
            "--every",
            "3600",
            env=environment(VIDEO_SECRET=SECRET),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        side = cls(process, json.loads(await process.stdout.readline())["http"])
        try:
            yield side
        finally:
            for task in side._beating:
                task.cancel()
            await side._session.close()
            process.terminate()
            await process.wait()

    async def room(self, number: int) -> list[LoadPeer]:
        return [await self._enter(f"load-{number}", index) for index in range(ROOM)]

    async def _enter(self, room: str, index: int) -> LoadPeer:
        expires_ms = time.time_ns() // 1_000_000 + 600_000
        token = sign(SECRET.encode(), Invitation(room, f"p{index}", "load", Role.PARTY, expires_ms))
        ws = await self._session.ws_connect(f"ws://127.0.0.1:{self._http}/video/{room}")
        self._sockets.append(ws)
        await ws.send_json({"type": "hello", "v": 1, "id": 1, "token": token})
        await self._answer(ws, 1)
        peer = LoadPeer(True, measures=index == 0)
        lines = [("audio", "0", "sendonly"), ("video", "1", "sendonly")]
        lines += [
            (kind, f"{2 + 2 * seat + offset}", "recvonly")
            for seat in range(ROOM - 1)
            for offset, kind in enumerate(("audio", "video"))
        ]
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


@dataclass(frozen=True, slots=True)
class Outcome:
    rooms: int
    forwarded: int
    us_per_packet: float
    core_share: float
    lost: int
    delay_p50_ms: float
    delay_p99_ms: float
    kb_per_peer: float

    def __str__(self) -> str:
        return (
            f"{self.rooms} rooms: {self.us_per_packet:.1f} us CPU a forwarded packet, {self.core_share:.0%} of a core, "
            f"{self.forwarded} forwarded, {self.lost} lost, delay p50 {self.delay_p50_ms:.1f} p99 "
            f"{self.delay_p99_ms:.1f} ms (with the load generator's own), {self.kb_per_peer:.0f} KB a peer"
        )


async def measure(side: Side, rooms: int, seconds: float, first: int) -> Outcome:
    """Bring up the rooms, let them talk, count."""
    empty_kb = resident_kb(side.pid)
    peers = [peer for number in range(rooms) for peer in await side.room(first + number)]
    await drive(peers, 2.5)
    senders = [peer for peer in peers if peer.sends]
    await asyncio.sleep(0.3)
    for peer in peers:
        peer.heard.packets, peer.sent = 0, 0
        peer.heard.delays_ms.clear()
    before_s = cpu_s([side.pid])
    took_s = await drive(peers, seconds)
    used_s = cpu_s([side.pid]) - before_s
    await asyncio.sleep(0.3)
    forwarded = sum(peer.heard.packets for peer in peers)
    delays = [delay for peer in peers for delay in peer.heard.delays_ms]
    outcome = Outcome(
        rooms,
        forwarded,
        used_s / max(1, forwarded) * 1e6,
        used_s / took_s,
        sum(peer.sent for peer in senders) * (ROOM - 1) - forwarded,
        percentile(delays, 0.5),
        percentile(delays, 0.99),
        (resident_kb(side.pid) - empty_kb) / max(1, len(peers)),
    )
    for peer in peers:
        await peer.close()
    return outcome


async def run(arguments: argparse.Namespace) -> None:
    outcomes: dict[str, list[Outcome]] = {"bridge": [], "janus": []}
    for rooms in arguments.rooms:
        async with Bridge.open() as bridge:
            outcomes["bridge"].append(await measure(bridge, rooms, arguments.seconds, 1))
            say(f"bridge {outcomes['bridge'][-1]}")
        if arguments.against == "janus":
            async with Janus.open() as janus:
                outcomes["janus"].append(await measure(janus, rooms, arguments.seconds, 1))
                say(f"janus  {outcomes['janus'][-1]}")
    last(outcomes["bridge"], outcomes["janus"])


def last(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> None:
    """The line that programs read: CPU a packet against Janus's, below 1 is less."""
    detail = ", ".join(f"{one.rooms} rooms {one.us_per_packet:.1f} us" for one in ours)
    if theirs:
        ratio = ours[-1].us_per_packet / theirs[-1].us_per_packet
        detail += " against " + ", ".join(f"{one.us_per_packet:.1f}" for one in theirs)
        print(f"video ratio={ratio:.2f} against=janus ({detail})")
    else:
        print(f"video ratio=nan against=nothing ({detail})")


def main() -> None:
    parser = argparse.ArgumentParser(description=re.sub(r"\s+", " ", __doc__ or ""))
    parser.add_argument("--rooms", type=int, nargs="+", default=[4])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--against", choices=["janus", "nothing"], default="nothing")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
