"""One history, three kernels: the server's functions, the twin and the specification must agree at every
step."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from routing.engine import Engine
from routing.model import Change, Entry, Snapshot, Step, Subscription
from routing.twin import Twin
from tests.routing.naive import Specification

STEPS_PER_HISTORY = 50
OPERATIONS = int(os.environ.get("ROUTING_OPERATIONS", "1500"))
"""How many operations one property test does; 100000 is the long form."""

HISTORIES = settings(
    max_examples=max(1, OPERATIONS // STEPS_PER_HISTORY),
    stateful_step_count=STEPS_PER_HISTORY,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    database=None,
)

ROLES = {"law": ("a", "b"), "not": ("n",)}
START_MS = 1_000_000_000
LARGEST_CREDIT_MS = 180_000

entries = st.integers(0, 11).map(lambda i: f"c{i}")
seats = st.integers(0, 6).map(lambda i: f"s{i}/live")
reasons = st.sampled_from(["break", "meal"])
credits = st.sampled_from([0, 0, 0, 90_000, LARGEST_CREDIT_MS])
needs = st.sampled_from([(role, matter) for role, matters in ROLES.items() for matter in matters])
numbers = st.integers(0, 10_000)
passing = st.sampled_from([0, 1, 300, 2_000, 3_000, 7_000, 10_000, 16_000, 61_000, 700_000])


@st.composite
def needed_steps(draw: st.DrawFn) -> tuple[Step, ...]:
    """Rings of one role, strictest first, sometimes after a wish for one agent."""
    role, matter = draw(needs)
    district = draw(st.sampled_from(["", "|d1"]))
    wished = draw(st.sampled_from([None, None, None, "s0", "s1"]))
    later = 15_000 if wished else 0
    rings = [(0, f"{role}|{matter}"), (10_000, f"{role}|f"), (20_000, f"{role}|*")]
    if district:
        rings.insert(0, (0, f"{role}|{matter}{district}"))
    steps = [Step(after + later, klass) for after, klass in rings]
    return (Step(0, f"@{wished}"), *steps) if wished else tuple(steps)


@st.composite
def offered(draw: st.DrawFn) -> tuple[Subscription, ...]:
    """What an agent of one role serves; sometimes nothing at all."""
    role = draw(st.sampled_from(sorted(ROLES)))
    matters = draw(st.sets(st.sampled_from(ROLES[role])))
    cost = draw(st.sampled_from([-20_000, 0, 30_000]))
    level = draw(st.sampled_from([0, 10_000, 50_000]))
    if draw(st.sampled_from([False] * 9 + [True])):
        return ()
    subs = [Subscription(f"{role}|{matter}|d1", level + 20_000, cost - level) for matter in sorted(matters)]
    subs += [Subscription(f"{role}|{matter}", level, cost - level) for matter in sorted(matters)]
    subs += [Subscription(f"{role}|f", -120_000, cost), Subscription(f"{role}|*", -480_000, cost)]
    return tuple(subs)


T = TypeVar("T")


class Agreement(RuleBasedStateMachine):
    """Random histories. Every rule does the same on all kernels and compares the answers."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], engine: Engine) -> None:
        super().__init__()
        self.run = run
        self.engine = engine
        self.seen: list[Change] = []
        self.twin = Twin(observe=self.seen.append)
        self.spec = Specification()
        self.now = START_MS
        self.reservations: list[int] = [7]
        self.entered = 0

    def both(self, name: str, *args: Any, **options: Any) -> Any:
        """Do it in the server and in the twin; the answers are equal."""
        answer = self.run(getattr(self.engine, name)(*args, **options, now_ms=self.now))
        twin = getattr(self.twin, name)(*args, **options, now_ms=self.now)
        assert answer == twin, (name, args, answer, twin)
        self.spec.now = self.now
        return answer

    def agree(self, answer: Any, expected: object) -> None:
        """The answer is what the specification decides."""
        decided = getattr(answer, "id", answer)
        assert decided == expected, (answer, expected)

    @rule(name=entries, steps=needed_steps(), credit=credits, earlier=st.sampled_from([0, 0, 5_000, 30_000]))
    def enter(self, name: str, steps: tuple[Step, ...], credit: int, earlier: int) -> None:
        entry = Entry(name, self.now - earlier, credit, steps)
        self.agree(self.both("enter", entry), self.spec.enter(entry))

    @rule(name=entries)
    def abandon(self, name: str) -> None:
        self.agree(self.both("abandon", name, "caller"), self.spec.abandon(name))

    @rule(name=seats, subs=offered())
    def ready(self, name: str, subs: tuple[Subscription, ...]) -> None:
        subs = (*subs, Subscription(f"@{name.partition('/')[0]}")) if subs else ()
        self.agree(self.both("ready", name, subs), self.spec.ready(name, subs))

    @rule(name=seats)
    def ready_again(self, name: str) -> None:
        self.agree(self.both("ready", name), self.spec.ready(name, None))

    @rule(name=seats, subs=offered())
    def subscribe(self, name: str, subs: tuple[Subscription, ...]) -> None:
        self.agree(self.both("subscribe", name, subs), self.spec.subscribe(name, subs))

    @rule(name=seats, reason=reasons)
    def pause(self, name: str, reason: str) -> None:
        self.agree(self.both("pause", name, reason), self.spec.pause(name, reason))

    @rule(name=seats)
    def leave(self, name: str) -> None:
        self.agree(self.both("leave", name), self.spec.leave(name))

    def some_reservation(self, pick: int) -> int:
        """Mostly a young one, sometimes one that ended long ago or never was."""
        recent = self.reservations[-6:] if pick % 4 else self.reservations
        return recent[pick % len(recent)]

    @rule(pick=numbers)
    def acknowledge(self, pick: int) -> None:
        number = self.some_reservation(pick)
        self.agree(self.both("acknowledge", number), self.spec.acknowledge(number))

    @rule(pick=numbers)
    def accept(self, pick: int) -> None:
        number = self.some_reservation(pick)
        self.agree(self.both("accept", number), self.spec.accept(number))

    @rule(pick=numbers, to=st.sampled_from(["paused", "available"]), exclude=st.sampled_from([0, 60_000]))
    def reject(self, pick: int, to: Any, exclude: int) -> None:
        number = self.some_reservation(pick)
        answer = self.both("reject", number, "busy", to, exclude_ms=exclude)
        self.agree(answer, self.spec.give_back(number, "rejected", "busy", to, exclude))

    @rule(pick=numbers, to=st.sampled_from(["paused", "available"]))
    def give_back(self, pick: int, to: Any) -> None:
        number = self.some_reservation(pick)
        answer = self.both("give_back", number, "leg_failed", to)
        self.agree(answer, self.spec.give_back(number, "returned", "leg_failed", to, 60_000))

    @rule(pick=numbers, wrap_up=st.sampled_from([0, 0, 5_000, 30_000]))
    def finish(self, pick: int, wrap_up: int) -> None:
        number = self.some_reservation(pick)
        if (
            number != self.reservations[0]
        ):  # one that never was leaves a mark, which the specification has not
            self.agree(self.both("finish", number, wrap_up), self.spec.finish(number, wrap_up))

    @rule(name=seats)
    def extend_wrap_up(self, name: str) -> None:
        self.agree(self.both("extend_wrap_up", name, 60_000), self.spec.extend(name, 60_000))

    @rule(ms=passing, limit=st.sampled_from([1, 2, 200, 200, 200]))
    def time_passes(self, ms: int, limit: int) -> None:
        self.now += ms
        answer = self.both("tick", limit=limit)
        assert (answer.next_due_ms, answer.handled) == self.spec.tick(limit)

    @invariant()
    def the_states_are_equal(self) -> None:
        server: Snapshot = self.run(self.engine.snapshot())
        twin = self.twin.snapshot()
        assert (server.entries, server.seats) == (twin.entries, twin.seats)
        assert (server.reservations, server.counters) == (twin.reservations, twin.counters)
        assert {e.id: (e.state, e.ring, e.reservation or 0) for e in twin.entries} == {
            e.id: (e.state, e.opened, e.hold) for e in self.spec.entries
        }
        assert {s.id: (s.state, s.reason, s.then, s.until_ms, s.reservation or 0) for s in twin.seats} == {
            s.id: (s.state, s.reason, s.then[0], s.until or None, s.hold) for s in self.spec.seats
        }
        for reservation in twin.reservations:
            if reservation.id not in self.reservations:
                self.reservations.append(reservation.id)
        check_invariants(twin, self.spec)

    def teardown(self) -> None:
        """The stream tells the same story, without a gap."""
        told: list[Change] = self.run(_read(self.engine, len(self.seen)))
        assert [_without_stream_id(change) for change in told] == self.seen


def check_invariants(snapshot: Snapshot, spec: Specification) -> None:
    """What must hold after every step, whatever happened before."""
    entries = {entry.id: entry for entry in snapshot.entries}
    seats = {seat.id: seat for seat in snapshot.seats}
    for reservation in snapshot.reservations:
        assert entries[reservation.entry].reservation == reservation.id == seats[reservation.seat].reservation
        assert entries[reservation.entry].seat == reservation.seat
        assert seats[reservation.seat].entry == reservation.entry
    held = {reservation.id for reservation in snapshot.reservations}
    assert held == {entry.reservation for entry in snapshot.entries if entry.state != "waiting"}
    assert held == {seat.reservation for seat in snapshot.seats if seat.state in ("reserved", "in_contact")}
    for waiting in spec.entries:
        assert waiting.state != "waiting" or spec.best_seat(waiting) is None, "somebody waits for a free seat"
    counted = snapshot.counters
    assert counted.entered == counted.finished + counted.abandoned + len(snapshot.entries)


async def _read(engine: Engine, count: int) -> list[Change]:
    told: list[Change] = []
    if count:
        async for change in engine.changes("0"):
            told.append(change)
            if len(told) == count:
                break
    return told


def _without_stream_id(change: Change) -> Change:
    assert change.stream_id
    return Change("", *(getattr(change, name) for name in Change.__slots__[1:]))


def run_on_loop(runner: asyncio.Runner) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Steps of a history are synchronous; the engine lives on this loop."""
    return runner.run
