"""Calls per second, delays and CPU: this project's call flow against Asterisk's own dialplan and app_queue.

    python -m tests.load.calls [--only app_queue]

Both sides run one after the other on this machine in one run, with the same Asterisk program, prompts of the same
lengths, the same callers (SIPp) and the same volunteers' telephones (SIPp). Nothing here is asserted: the last line
holds the ratios. Everything is on loopback, bounded in number and time (about two minutes a side).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.load.measure import Spread, cpu_s, say
from tests.load.sides import MENU_HZ, WELCOME_MS, AppQueue, OpenSide, Ours, Side
from tests.support.asterisk import home
from tests.support.phones import Caller
from tests.support.sipp import Sipp, SippEvent, SippResult

MOST_S = 360.0
DELAY_CALLS = 40
FREE_CALLS = 12
TALKS = 2
AGENTS = 150
STEP_S = 3
RATES = (30, 50, 65, 80, 90, 100, 110, 120)
CPU_RATE, CPU_S = 30, 6
KEY_AT_MS = WELCOME_MS + 500
STAY_MS = 1_500  # from the end of the key: next prompt, ringing and about a second of talk
GOOD = 0.97  # of a step's calls must reach a volunteer, or the side is at its limit
RESULT = Path("bench-results/calls.json")


@dataclass
class Figures:
    """What one side reached. Delays in ms, CPU in ms of one core for one whole call."""

    name: str
    calls_per_s: float = 0.0
    at_limit: bool = False
    key_ms: list[float] = field(default_factory=list)
    prompt_to_invite_ms: list[float] = field(default_factory=list)
    free_to_ring_ms: list[float] = field(default_factory=list)
    cpu_ms: dict[str, float] = field(default_factory=dict)
    steps: list[dict[str, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def cpu_per_call_ms(self) -> float:
        return sum(self.cpu_ms.values())

    def tell(self) -> None:
        say(f"{self.name}: {self.calls_per_s:.1f} calls/s{'' if self.at_limit else ' (limit not reached)'}")
        say(f"  key to next prompt ms      {Spread.of(self.key_ms)}")
        say(f"  prompt or key to INVITE ms {Spread.of(self.prompt_to_invite_ms)}")
        say(f"  agent free to next ring ms {Spread.of(self.free_to_ring_ms)}")
        parts = ", ".join(f"{name} {ms:.1f}" for name, ms in self.cpu_ms.items())
        say(f"  CPU ms per call at {CPU_RATE}/s     {self.cpu_per_call_ms:.1f} ({parts})")
        for problem in self.problems:
            say(f"  problem: {problem}")


async def measure(side: Side) -> Figures:
    """All parts of one side, each on a freshly opened one."""
    figures = Figures(side.name)
    async with side.open(TALKS) as opened:
        await _delays(opened, figures)
        figures.problems += opened.problems()
    async with side.open(TALKS) as opened:
        await _free_to_ring(opened, figures)
        figures.problems += opened.problems()
    async with side.open(AGENTS) as opened:
        await _cpu(opened, figures)
        await _steps(opened, figures)
        figures.problems += opened.problems()
    return figures


# ---- delays of single calls


async def _delays(opened: OpenSide, figures: Figures) -> None:
    """One call after the other: key -> next sound, end of the prompt before the queue -> ringing."""
    for number in range(DELAY_CALLS):
        rung = _count(opened, "ringing")
        async with Caller(opened.sip_port, f"1380001{number:04}") as caller:
            await caller.answered()
            await caller.rtp.wait_tone(MENU_HZ, 0.1)
            press = await caller.rtp.press(opened.key)
            try:
                begins_ns = await caller.rtp.wait_change(MENU_HZ, press.begin_ns)
            except TimeoutError:  # on a busy machine a volunteer may answer before the prompt begins
                begins_ns = press.end_ns
                figures.problems.append(f"call {number + 1}: nothing was said before a volunteer answered")
            else:
                figures.key_ms.append((begins_ns - press.end_ns) / 1e6)
            ringing = await opened.phones.sipp.wait_event("ringing", nth=rung + 1)
            answered = await opened.phones.sipp.wait_event("answered", nth=rung + 1)
            queued_ns = begins_ns + opened.next_ms * 1_000_000 if opened.next_ms else press.end_ns
            figures.prompt_to_invite_ms.append((ringing.at_ns - queued_ns) / 1e6)
            await opened.finish(answered)
            caller.hang_up()
            with suppress(TimeoutError):  # two good-byes may cross on the line
                await caller.ended(2)


async def _free_to_ring(opened: OpenSide, figures: Figures) -> None:
    """All volunteers talk, others wait; a volunteer comes free: when does that telephone ring again?"""
    waiting = FREE_CALLS + TALKS + 2
    rows = [(f"1380002{n:04}", "12348", opened.key, str(KEY_AT_MS), "60000") for n in range(waiting)]
    async with Sipp("load", opened.sip_port, rows=rows, calls=waiting, rate=10, timeout_s=60) as callers:
        await callers.wait_event("answered", nth=waiting)
        await opened.phones.sipp.wait_event("answered", nth=TALKS)
        await asyncio.sleep(KEY_AT_MS / 1000 + 1.0)  # the last one too is in the queue now
        for turn in range(FREE_CALLS):
            # uneven pauses, so that no side's own rhythm is met always at the same point
            await asyncio.sleep(0.1 + 0.137 * (turn % 5))
            calls = [event for event in opened.phones.sipp.read_events() if event.kind == "answered"]
            free_ns = await opened.finish(calls[turn])
            ringing = await opened.phones.sipp.wait_event("ringing", 15, nth=TALKS + turn + 1)
            await opened.phones.sipp.wait_event("answered", nth=TALKS + turn + 1)
            figures.free_to_ring_ms.append((ringing.at_ns - free_ns) / 1e6)


# ---- many calls


async def _cpu(opened: OpenSide, figures: Figures) -> None:
    """A steady rate well below the limit; CPU from before the first call to after the last."""
    await _run(opened, 5, 2)  # caches and heaps are warm
    before = {name: cpu_s(pids) for name, pids in opened.pids().items()}
    result, reached = await _run(opened, CPU_RATE, CPU_S)
    for name, pids in opened.pids().items():
        figures.cpu_ms[name] = (cpu_s(pids) - before[name]) * 1000 / max(1, reached)
    say(f"{figures.name}: {reached} of {result.created} calls at {CPU_RATE}/s for the CPU")


async def _steps(opened: OpenSide, figures: Figures) -> None:
    """Steps of a growing rate until one is not good any more."""
    for rate in RATES:
        result, reached = await _run(opened, rate, STEP_S)
        share = reached / max(1, result.created)
        pace = result.created / _arrivals_s(result)
        figures.steps.append(
            {"rate": rate, "pace": pace, "reached": reached, "failed": result.failed, "share": share}
        )
        say(f"{figures.name}: {rate}/s: {pace:.1f} calls/s begun, {share:.1%} reached a volunteer")
        figures.calls_per_s = max(figures.calls_per_s, pace * share)
        if share < GOOD or result.failed or pace < GOOD * rate:
            figures.at_limit = True
            return


async def _run(opened: OpenSide, rate: float, seconds: float) -> tuple[SippResult, int]:
    """Calls at a steady rate; SIPp's result and how many of them a volunteer answered."""
    calls = round(rate * seconds)
    rows = [(f"139{n % 10**8:08}", "12348", opened.key, str(KEY_AT_MS), str(STAY_MS)) for n in range(calls)]
    before = _count(opened, "answered")
    async with Sipp(
        "load", opened.sip_port, rows=rows, calls=calls, rate=rate, timeout_s=seconds + 20
    ) as callers:
        result = await callers.wait()
    await asyncio.sleep(0.5)  # the last telephones' BYE
    return result, _count(opened, "answered") - before


def _arrivals_s(result: SippResult) -> float:
    """From the first call's answer to the last one's, and one call more, as the first has no gap before it."""
    times = sorted(event.at_ns for event in result.events if event.kind == "answered")
    if len(times) < 2:
        return float("inf")
    return (times[-1] - times[0]) / 1e9 * len(times) / (len(times) - 1)


def _count(opened: OpenSide, kind: str) -> int:
    events: Sequence[SippEvent] = opened.phones.sipp.read_events()
    return sum(event.kind == kind for event in events)


# ---- the whole


def last_line(ours: Figures, theirs: Figures) -> str:
    """The line that scripts read."""

    def both(name: str) -> str:
        mine, other = (Spread.of(getattr(side, name)) for side in (ours, theirs))
        return f"{name}={mine.p50:.1f} (p95 {mine.p95:.1f}) vs {other.p50:.1f} (p95 {other.p95:.1f})"

    ratio = ours.calls_per_s / theirs.calls_per_s if theirs.calls_per_s else float("nan")
    cpu = f"cpu_per_call_ms={ours.cpu_per_call_ms:.1f} vs {theirs.cpu_per_call_ms:.1f}"
    return (
        f"calls ratio={ratio:.2f} against={theirs.name} ({both('key_ms')}, {both('free_to_ring_ms')}, {cpu})"
    )


def _keep(found: Sequence[Figures]) -> None:
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([asdict(figures) for figures in found], indent=1))


async def run(only: str | None) -> None:
    asterisk = await asyncio.to_thread(home)
    sides: list[Side] = [AppQueue(asterisk), Ours()]
    found: list[Figures] = []
    async with asyncio.timeout(MOST_S):
        for side in sides:
            if only in (None, side.name):
                figures = await measure(side)
                figures.tell()
                found.append(figures)
    _keep(found)
    by_name = {figures.name: figures for figures in found}
    if len(by_name) == 2:
        theirs = by_name.pop("app_queue")
        (ours,) = by_name.values()
        print(last_line(ours, theirs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="one side's name, such as app_queue")
    asyncio.run(run(parser.parse_args().only))


if __name__ == "__main__":
    main()
