"""What one decision costs, at 100 to 100,000 waiting and 10,000 agents signed in.

``python -m tests.load.routing`` prints a table and, last, the ratio of the median at the most waiting to that at the
fewest. A decision is one ``Engine.ready`` that meets a caller, from the call to its answer, client and server included.
What it is held against is the same decision by a full scan, which is what one writes first and what app_queue does with
its members: looking at everybody who waits.
"""

import asyncio
import itertools
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Iterable
from pathlib import Path

import uvloop

from routing.engine import Engine
from routing.model import Entry, live_seat
from routing.policy import Policy, Volunteer
from routing.server import RoutingServer
from tests.routing.naive import Desk, Specification, Waiting

WAITING = (100, 1_000, 10_000, 100_000)
AGENTS = 10_000
DECISIONS = 1_000
AT_ONCE = 64


async def main() -> None:
    """Fill the shard step by step and measure at each size."""
    folder = Path(tempfile.mkdtemp(prefix="rt-"))
    try:
        async with RoutingServer(folder) as server, await Engine.connect(server.url) as engine:
            await measure(engine, random.Random(12348))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def measure(engine: Engine, chance: random.Random) -> None:
    """Sign the agents in, let callers wait, and time steps that decide."""
    policy = Policy.load()
    lawyers = [matter.id for matter in policy.matters if matter.role == "lawyer"]
    volunteers = [volunteer(n, chance, lawyers) for n in range(AGENTS)]
    # Nobody is free yet: paused agents make the rings staffed, so that callers wait as they do on a busy day.
    await in_parallel(
        engine.pause(live_seat(v.agent_id), "signed_in", policy.subscriptions(v)) for v in volunteers
    )
    medians: dict[int, float] = {}
    p99 = 0.0
    for fewer, size in itertools.pairwise((0, *WAITING)):
        await in_parallel(engine.enter(caller(n, policy, chance, lawyers)) for n in range(fewer, size))
        costs = [
            await decide(engine, chance.choice(volunteers), caller(f"{size}-{n}", policy, chance, lawyers))
            for n in range(DECISIONS)
        ]
        medians[size] = statistics.median(costs)
        p99 = statistics.quantiles(costs, n=100)[98]
        print(f"waiting={size:>7} agents={AGENTS} p50={medians[size]:6.1f} us p99={p99:6.1f} us", flush=True)
    most, fewest = medians[WAITING[-1]], medians[WAITING[0]]
    scans = [scan(policy, chance, lawyers, size) for size in (WAITING[-1], WAITING[0])]
    print(
        f"routing ratio={most / fewest:.2f} against={scans[0] / scans[1]:.0f} (decision p50 {most:.0f} us, p99 "
        f"{p99:.0f} us with {WAITING[-1]:,} waiting and {AGENTS:,} agents, p50 {fewest:.0f} us with {WAITING[0]:,}; "
        f"against: the ratio of a full scan, {scans[0] / 1000:,.0f} ms to {scans[1] / 1000:.2f} ms)"
    )


def scan(policy: Policy, chance: random.Random, lawyers: list[str], size: int) -> float:
    """Microseconds of the same decision by looking at everybody who waits."""
    asked = Specification(now=1_000_000)
    for n in range(size):
        entry = caller(n, policy, chance, lawyers)
        asked.entries.append(Waiting(entry.id, n, entry.credit_ms, entry.steps, opened=1))
    desk = Desk("v1/live", policy.subscriptions(volunteer(1, chance, lawyers)), 0)
    costs = []
    for _ in range(3):
        begin = time.perf_counter()
        asked.best_entry(desk)
        costs.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(costs)


def volunteer(n: int, chance: random.Random, lawyers: list[str]) -> Volunteer:
    """A lawyer with two to five matters, one in five with English."""
    skills = {matter: chance.randint(2, 5) for matter in chance.sample(lawyers, chance.randint(2, 5))}
    return Volunteer(f"v{n:05}", "lawyer", skills, ("zh", "en") if chance.random() < 0.2 else ("zh",))


def caller(n: int | str, policy: Policy, chance: random.Random, lawyers: list[str]) -> Entry:
    """A caller as the hotline has them; a tenth in English, a twentieth with priority."""
    return policy.entry(
        f"c{n}",
        matter=chance.choice(lawyers),
        language="en" if chance.random() < 0.1 else "zh",
        priority=chance.choice([0] * 19 + [2]),
    )


async def decide(engine: Engine, agent: Volunteer, following: Entry) -> float:
    """An agent becomes free and takes the best of all who wait; another caller comes instead, so that the
    queue keeps its length. Returns the microseconds of the decision."""
    seat = live_seat(agent.agent_id)
    begin = time.perf_counter()
    reservation = await engine.ready(seat)
    cost = (time.perf_counter() - begin) * 1e6
    if reservation is not None:
        await engine.accept(reservation.id)
        await engine.pause(seat, "signed_in")
        await engine.finish(reservation.id, 0)
        await engine.enter(following)
    return cost


async def in_parallel(steps: Iterable[Awaitable[object]]) -> None:
    """Do them all, a bounded number at a time."""
    remaining = iter(steps)
    while batch := list(itertools.islice(remaining, AT_ONCE)):
        await asyncio.gather(*batch)


if __name__ == "__main__":
    uvloop.run(main())
