"""Nodes and the routing server are killed with -9 under load: nobody is reserved twice, nothing is lost.

The short form kills a few; SWITCHBOARD_LONG=1 kills nodes 1,000 times and the server 50 times.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from routing.engine import Engine
from routing.model import Change
from routing.server import RoutingServer
from tests.faults.routing_node import Ledger, lives, seats_of
from tests.support.routing import routing_binaries, routing_dir

__all__ = ["routing_dir"]

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
NODE_KILLS = int(os.environ.get("ROUTING_NODE_KILLS", "1000" if LONG else "30"))
SERVER_KILLS = int(os.environ.get("ROUTING_SERVER_KILLS", "50" if LONG else "4"))
SEED = os.environ.get("ROUTING_SEED", "12348")
NODES = 3
LOOK_EVERY = 50
"""Kills between two comparisons of what the nodes know with what the kernel holds."""


@dataclass
class Watch:
    """Reads the stream of changes and holds every reservation against the others."""

    seats: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    resets: int = 0
    created: int = 0

    def take(self, change: Change) -> None:
        number, seat, entry = change.reservation or 0, change.seat or "", change.entry or ""
        match change.kind:
            case "reservation.created":
                self.created += 1
                if seat in self.seats or entry in self.entries:
                    self.faults.append(f"reserved twice: {entry} {seat} {number}")
                self.seats[seat], self.entries[entry] = number, number
            case "reservation.accepted" if self.seats.get(seat) != number:
                # a restored contact has no reservation.created: the pair must be free all the same
                if seat in self.seats or entry in self.entries:
                    self.faults.append(f"in contact twice: {entry} {seat} {number}")
                self.seats[seat], self.entries[entry] = number, number
            case (
                "reservation.rejected"
                | "reservation.timed_out"
                | "reservation.cancelled"
                | "reservation.returned"
                | "reservation.finished"
            ):
                self.seats = {held: rid for held, rid in self.seats.items() if rid != number}
                self.entries = {held: rid for held, rid in self.entries.items() if rid != number}
            case "entry.left":
                self.left[entry] += 1
            case "stream.reset":
                self.resets += 1
                self.seats.clear()
                self.entries.clear()
            case _:
                pass

    async def run(self, engine: Engine) -> None:
        async for change in engine.changes("0"):
            self.take(change)


class Nodes:
    """The node processes, by number."""

    def __init__(self, folder: Path, maker: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.maker = maker
        self.pids: dict[int, int] = {}
        self.lives: Counter[int] = Counter()

    async def start(self, number: int) -> None:
        assert self.maker.stdin
        assert self.maker.stdout
        self.lives[number] += 1
        self.maker.stdin.write(f"{number} {self.lives[number]}\n".encode())
        async with asyncio.timeout(20):
            self.pids[number] = int(await self.maker.stdout.readline())

    async def kill(self, number: int) -> None:
        os.kill(self.pids[number], signal.SIGKILL)
        await self.gone(self.pids.pop(number))

    async def gone(self, pid: int) -> None:
        async with asyncio.timeout(10):
            while _alive(pid):  # noqa: ASYNC110 - nothing tells the end of a grandchild
                await asyncio.sleep(0.001)

    def ledger(self, number: int) -> Ledger:
        """What the present life of this node knows."""
        path = self.folder / f"node-{number}.{self.lives[number]}.ledger"
        return Ledger.read(path) if path.exists() else Ledger()

    def tell(self, what: signal.Signals) -> None:
        for pid in self.pids.values():
            os.kill(pid, what)

    async def begun(self) -> None:
        """Every node has taken over what its earlier life left, and goes on from there."""
        await until(lambda: all(self.ledger(number).entered for number in self.pids), "a node does nothing")

    @contextlib.asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        await self.begun()
        before = {number: self.ledger(number).holds for number in self.pids}
        self.tell(signal.SIGUSR1)
        await until(
            lambda: all(self.ledger(number).holds > before[number] for number in self.pids),
            "a node does not come to rest",
        )
        try:
            yield
        finally:
            self.tell(signal.SIGUSR2)

    def all_ledgers(self) -> list[Ledger]:
        return [Ledger.read(path) for number in self.lives for path in lives(self.folder, number)]


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until(holds: Callable[[], bool], words: str) -> None:
    try:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - what is waited for happens in other processes
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(words)


@contextlib.asynccontextmanager
async def nodes_at(server: RoutingServer, folder: Path) -> AsyncIterator[Nodes]:
    maker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.routing_node", server.url, str(folder), SEED),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=(folder / "nodes.log").open("ab"),
        cwd=Path(__file__).parents[2],
    )
    nodes = Nodes(folder, maker)
    try:
        for number in range(NODES):
            await nodes.start(number)
        yield nodes
    finally:
        for pid in nodes.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert maker.stdin
        maker.stdin.close()
        await maker.wait()


@contextlib.asynccontextmanager
async def watched(engine: Engine) -> AsyncIterator[Watch]:
    watch = Watch()
    task = asyncio.create_task(watch.run(engine))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def compare(engine: Engine, nodes: Nodes) -> None:
    """Standing still: the kernel holds exactly whom the nodes know, once what is on its way has arrived."""
    last: list[str] = []

    async def differs() -> bool:
        differences: list[str] = []
        known = {
            name: (seat, rid)
            for number in nodes.pids
            for name, (_, seat, rid) in nodes.ledger(number).live.items()
        }
        seen = await engine.snapshot()
        held = {entry.id: entry for entry in seen.entries}
        differences.extend(f"lost: {name}" for name in known.keys() - held.keys())
        differences.extend(f"nobody's: {name}" for name in held.keys() - known.keys())
        for name, (seat, rid) in known.items():
            entry = held.get(name)
            if entry and seat and (entry.state, entry.seat, entry.reservation) != ("connected", seat, rid):
                differences.append(f"not in contact: {name} {seat} {rid}: {entry}")
        taken = Counter(entry.seat for entry in seen.entries if entry.seat)
        differences.extend(f"doubled: {seat}" for seat, count in taken.items() if count > 1)
        last[:] = differences
        return bool(differences)

    try:
        async with asyncio.timeout(20):
            while await differs():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail("\n".join(last[:20]))


async def drain(engine: Engine, nodes: Nodes) -> None:
    """All nodes are gone: whoever still waits is served, so that each acknowledged one is seen to its end."""
    for number in list(nodes.pids):
        await nodes.kill(number)
    for number in range(NODES):
        for seat in seats_of(number):
            await engine.ready(seat.id, seat.subscriptions)

    async def step() -> bool:
        await engine.tick()
        seen = await engine.snapshot()
        for reservation in seen.reservations:
            await engine.accept(reservation.id)
            await engine.finish(reservation.id, 0)
        for seat in seen.seats:
            if seat.state == "paused":
                await engine.ready(seat.id)
        return not seen.entries

    async with asyncio.timeout(60):
        while not await step():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def check(watch: Watch, nodes: Nodes) -> tuple[int, int]:
    """0 double reservations, 0 lost: returns how many were acknowledged and how many were served."""
    ledgers = nodes.all_ledgers()
    acknowledged = set().union(*(ledger.entered for ledger in ledgers))
    ended = set().union(*(ledger.ending for ledger in ledgers))
    last = set().union(*(nodes.ledger(number).live for number in nodes.lives))
    assert not watch.faults, watch.faults[:20]
    assert not {name for name, times in watch.left.items() if times > 1}, "somebody left twice"
    lost = acknowledged - watch.left.keys()
    assert not lost, f"{len(lost)} lost: {sorted(lost)[:20]}"
    dropped = acknowledged & watch.left.keys() - ended - last
    assert not dropped, f"{len(dropped)} ended without anybody's will: {sorted(dropped)[:20]}"
    return len(acknowledged), watch.created


@pytest.mark.parametrize("binary", sorted(routing_binaries()))
async def test_nodes_killed_at_random_moments_lose_nobody_and_reserve_nobody_twice(
    routing_dir: Path, binary: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    async with (
        RoutingServer(routing_dir / "server", binary=routing_binaries()[binary]) as server,
        await Engine.connect(server.url, owner="observer") as engine,
        watched(engine) as watch,
        nodes_at(server, routing_dir) as nodes,
    ):
        await nodes.begun()
        for kills in range(1, NODE_KILLS + 1):
            await asyncio.sleep(chance.uniform(0, 0.15))  # the moment is the random part
            victim = chance.randrange(NODES)
            await nodes.kill(victim)
            await nodes.start(victim)
            if kills % LOOK_EVERY == 0 or kills == NODE_KILLS:
                async with nodes.standing_still():
                    await compare(engine, nodes)
        await drain(engine, nodes)
        head = (await engine.snapshot()).counters
        await until(lambda: watch.left.total() >= head.finished + head.abandoned, "the stream stands still")
        entered, reservations = check(watch, nodes)
        assert watch.resets == 0
    with capsys.disabled():
        print(
            f"\nrouting kills={NODE_KILLS} on {binary}: {entered} entered, {reservations} reservations, "
            "0 doubled, 0 lost"
        )


async def test_a_killed_server_comes_back_with_every_waiting_contact_and_nobody_twice(
    routing_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the server's last second of writing lost is put back by the nodes' reconcile."""
    chance = random.Random(SEED)
    async with (
        RoutingServer(routing_dir / "server") as server,
        await Engine.connect(server.url, owner="observer", patience_ms=20_000) as engine,
        nodes_at(server, routing_dir) as nodes,
    ):
        await nodes.begun()
        for kills in range(1, SERVER_KILLS + 1):
            await asyncio.sleep(chance.uniform(0, 0.6))  # the moment is the random part
            assert server.pid
            os.kill(server.pid, signal.SIGKILL)
            await until(lambda kills=kills: server.restarts >= kills, "the server does not come back")
            async with nodes.standing_still():
                await compare(engine, nodes)
        entered = len(set().union(*(ledger.entered for ledger in nodes.all_ledgers())))
    with capsys.disabled():
        print(f"\nrouting server kills={SERVER_KILLS}: {entered} entered, 0 lost, 0 doubled")
