"""Nodes to be killed: each a process with an engine, callers who come and go, and desks that answer.

``python -m tests.faults.routing_node URL FOLDER SEED`` reads ``NUMBER LIFE`` from its input, forks that node and
prints its process id: a fork of a warm process begins within milliseconds.

What a node knows stands in a ledger, a line before and after each thing it does, as the switchboard has it in SQL.
A new life of a node carries on what the ledger of its earlier one says and reconciles. SIGUSR1 makes a node stand
still (``held`` in its ledger), SIGUSR2 go on.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routing.engine import Engine
from routing.model import Change, Entry, KnownEntry, KnownSeat, Step, Subscription

MOST_LIVE = 15
SEATS = 4
CALLER, MESSAGE = "lawyer|labour|zh", "message|lawyer|labour|zh"


@dataclass
class Ledger:
    """What one node knows to be true: who lives (and, in contact, at which seat under which reservation)."""

    live: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    entered: set[str] = field(default_factory=set)
    ending: set[str] = field(default_factory=set)
    holds: int = 0

    def take(self, line: str) -> None:
        word, *rest = line.split()
        if word == "enter":
            self.live[rest[0]] = (int(rest[1]), "", 0)
            self.begun.add(rest[0])
        elif word == "entered":
            self.entered.add(rest[0])
        elif word == "talking" and rest[0] in self.live:
            self.live[rest[0]] = (self.live[rest[0]][0], rest[1], int(rest[2]))
        elif word == "waiting" and rest[0] in self.live:
            self.live[rest[0]] = (self.live[rest[0]][0], "", 0)
        elif word == "end":
            self.live.pop(rest[0], None)
            self.ending.add(rest[0])
        elif word == "held":
            self.holds += 1

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        ledger = cls()
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                ledger.take(line)
        return ledger


def lives(folder: Path, number: int) -> list[Path]:
    """The ledgers of one node, the earliest first."""
    return sorted(folder.glob(f"node-{number}.*.ledger"), key=lambda path: int(path.name.split(".")[1]))


def seats_of(number: int) -> list[KnownSeat]:
    """The desks at this node: live seats, and a message seat each."""
    live = [KnownSeat(f"v{number}{n}/live", (Subscription(CALLER),)) for n in range(SEATS)]
    return live + [KnownSeat(f"v{number}{n}/message-1", (Subscription(MESSAGE),)) for n in range(SEATS)]


def entry_of(name: str, arrived_ms: int) -> Entry:
    return Entry(name, arrived_ms, 0, (Step(0, MESSAGE if name.startswith("m") else CALLER),))


class Node:
    """One life of a node."""

    def __init__(self, url: str, folder: Path, seed: str, number: int, life: int) -> None:
        self.url = url
        self.number = number
        self.life = life
        self.chance = random.Random(f"{seed}/{number}/{life}")
        earlier = lives(folder, number)
        self.known = Ledger.read(earlier[-1]) if earlier else Ledger()
        self.path = folder / f"node-{number}.{life}.ledger"
        self.going = asyncio.Event()
        self.going.set()
        self.doing = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.restoring: asyncio.Task[None] | None = None

    def note(self, *words: object) -> None:
        """In the page cache it outlives the process, however that ends."""
        line = " ".join(map(str, words)) + "\n"
        os.write(self.out, line.encode())
        self.known.take(line)

    def carry_over(self) -> None:
        """Begin this life's ledger with what still lives; it counts once it is whole."""
        lines = [f"enter {name} {arrived}" for name, (arrived, _, _) in self.known.live.items()]
        lines += [f"talking {name} {seat} {rid}" for name, (_, seat, rid) in self.known.live.items() if seat]
        draft = self.path.with_suffix(".draft")
        draft.write_text("".join(line + "\n" for line in lines))
        draft.rename(self.path)
        self.out = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    async def run(self) -> None:
        self.carry_over()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.going.clear)
        loop.add_signal_handler(signal.SIGUSR2, self.going.set)
        owner = f"node-{self.number}"
        async with await Engine.connect(self.url, patience_ms=20_000, owner=owner) as self.engine:
            start = (await self.engine.snapshot()).stream_id
            await self.reconcile()
            for name, (_, seat, reservation) in list(self.known.live.items()):
                if seat:
                    self.beside(self.talk(name, reservation))
            async with asyncio.TaskGroup() as group:
                group.create_task(self.follow(start))
                group.create_task(self.engine.keep_time(interval_ms=20))
                group.create_task(self.callers())
                group.create_task(self.stand_still())

    async def reconcile(self) -> None:
        as_of_ms = await self.engine.now_ms()
        entries = [
            KnownEntry(entry_of(name, arrived), seat or None, rid)
            for name, (arrived, seat, rid) in self.known.live.items()
        ]
        await self.engine.reconcile(entries, seats_of(self.number), as_of_ms=as_of_ms)
        for known in entries:
            self.note("entered", known.entry.id)

    async def stand_still(self) -> None:
        """Say ``held`` once nothing is under way."""
        while True:
            await asyncio.sleep(0.005)
            if not self.going.is_set() and not self.doing:
                self.note("held")
                await self.going.wait()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        self.doing += 1
        try:
            yield
        finally:
            self.doing -= 1

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def callers(self) -> None:
        """They come, and some hang up while they wait."""
        number = 0
        while True:
            await self.going.wait()
            with self.under_way():
                if len(self.known.live) < MOST_LIVE:
                    number += 1
                    kind = self.chance.choice("cccm")
                    name = f"{kind}{self.number}-{self.life}-{number}"
                    entry = entry_of(name, await self.engine.now_ms())
                    self.note("enter", name, entry.arrived_ms)
                    await self.engine.enter(entry)
                    self.note("entered", name)
                elif self.chance.random() < 0.3:
                    waiting = [name for name, (_, seat, _) in self.known.live.items() if not seat]
                    if waiting:
                        await self.hang_up(self.chance.choice(waiting))
            await asyncio.sleep(self.chance.uniform(0, 0.004))

    async def hang_up(self, name: str) -> None:
        """Leave the queue; somebody may have accepted in the same moment, and is thanked then."""
        self.note("end", name)
        if not await self.engine.abandon(name, "caller"):
            entry = await self.engine.find_entry(name)
            if entry and entry.reservation:
                await self.engine.finish(entry.reservation, 0)

    async def follow(self, start: str) -> None:
        ours = {seat.id for seat in seats_of(self.number)}
        async for change in self.engine.changes(start):
            if change.kind == "stream.reset":
                if self.restoring:
                    self.restoring.cancel()  # what it knows is from before the loss
                self.restoring = asyncio.create_task(self.restore(self.restoring))
            elif change.kind == "reservation.created" and change.seat in ours:
                self.beside(self.answer(change))
            elif change.kind == "seat.changed" and change.seat in ours and change.state == "paused":
                self.beside(self.back(change.seat or ""))
            elif change.entry in self.known.live:
                self.told(change)

    async def restore(self, earlier: asyncio.Task[None] | None) -> None:
        with self.under_way():
            if earlier:
                await asyncio.wait([earlier])
            await self.reconcile()

    async def answer(self, change: Change) -> None:
        """A desk sees a reservation, and mostly accepts it."""
        await self.going.wait()
        with self.under_way():
            number = change.reservation or 0
            await self.engine.acknowledge(number)
            await asyncio.sleep(self.chance.uniform(0, 0.005))
            if self.chance.random() < 0.1:
                to = self.chance.choice(("paused", "available"))
                await self.engine.reject(number, "declined", to, exclude_ms=500)
            else:
                await self.engine.accept(number)

    async def back(self, seat: str) -> None:
        await self.going.wait()
        with self.under_way():
            await self.engine.ready(seat)

    def told(self, change: Change) -> None:
        """A contact of this node is in contact: it ends after a while."""
        name = change.entry or ""
        if change.kind == "reservation.accepted":
            self.note("talking", name, change.seat, change.reservation)
            self.beside(self.talk(name, change.reservation or 0))
        elif change.kind == "reservation.returned":
            self.note("waiting", name)

    async def talk(self, name: str, reservation: int) -> None:
        await asyncio.sleep(self.chance.uniform(0, 0.02))
        await self.going.wait()
        with self.under_way():
            held = self.known.live.get(name)
            if held and held[2] == reservation:
                self.note("end", name)
                await self.engine.finish(reservation, self.chance.choice((0, 10)))


def fork_nodes(url: str, folder: Path, seed: str) -> None:
    """Fork whoever is asked for, until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        number, life = map(int, line.split())
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(Node(url, folder, seed, number, life).run())
            os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    fork_nodes(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
