"""One history, three kernels: the server's functions, the twin and the specification must agree at every
step."""

import contextlib
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from routing.engine import Engine
from routing.errors import RoutingConflict
from routing.model import RING_MS, Change, Entry, KnownEntry, Snapshot, Step, Subscription
from routing.twin import Twin
from tests.routing.naive import Desk, Specification, Waiting

STEPS_PER_HISTORY = 150
LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
OPERATIONS = int(os.environ.get("ROUTING_OPERATIONS", "100000" if LONG else "2000"))
"""How many operations one property test does; 100000 is the long form."""

HISTORIES = settings(
    max_examples=max(1, OPERATIONS // STEPS_PER_HISTORY),
    stateful_step_count=STEPS_PER_HISTORY,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
    print_blob=True,
    database=None,
)

ROLES = {"law": ("a", "b"), "not": ("n",)}
NEVER = 7
"""A reservation that nobody ever made."""
START_MS = 1_000_000_000
LARGEST_CREDIT_MS = 180_000

entries = st.integers(0, 23).map(lambda i: f"c{i}")
seats = st.integers(0, 7).map(lambda i: f"s{i}/live" if i < 6 else f"s{i}/message-1")
before = st.sampled_from([0, 0, 5_000, 30_000, -5_000])
"""How long ago somebody arrived; in the future where the node's clock is ahead of the server's."""
answers = st.sampled_from(
    ["acknowledge", "accept", "accept", "accept", "reject", "give_back", "finish", "finish"]
)
seat_to = st.sampled_from(["paused", "available", "available"])
credits = st.sampled_from([0, 0, 0, 90_000, LARGEST_CREDIT_MS, -86_400_000])
"""Negative for a message, whose order is when it is due."""
needs = st.sampled_from([("law", "a"), ("law", "a"), ("law", "b"), ("not", "n")])
numbers = st.integers(0, 10_000)
durations = st.sampled_from([0, 1, 300, 300, 900, 900, 1_500, 5_000, 10_000, 16_000, 61_000, 700_000])


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
    role = draw(st.sampled_from(["law", "law", "law", "not"]))
    matters = draw(st.sets(st.sampled_from(ROLES[role]), max_size=2))
    cost = draw(st.sampled_from([-20_000, 0, 30_000]))
    level = draw(st.sampled_from([0, 10_000, 50_000]))
    if draw(st.sampled_from([False] * 9 + [True])):
        return ()
    subs = [Subscription(f"{role}|{matter}|d1", level + 20_000, cost - level) for matter in sorted(matters)]
    subs += [Subscription(f"{role}|{matter}", level, cost - level) for matter in sorted(matters)]
    subs += [Subscription(f"{role}|f", -120_000, cost), Subscription(f"{role}|*", -480_000, cost)]
    return tuple(subs)


class Agreement(RuleBasedStateMachine):
    """Random histories. Every rule does the same on all kernels and compares the answers."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], nodes: Sequence[Engine]) -> None:
        super().__init__()
        self.run = run
        self.nodes = nodes
        self.engine = nodes[0]
        self.seen: list[Change] = []
        self.twin = Twin(observe=self.seen.append)
        self.spec: Specification | None = Specification()
        self.now = START_MS
        self.reservations = [NEVER]
        self.log: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def both(self, name: str, *args: Any, **options: Any) -> Any:
        """Do it in the server and in the twin; the answers are equal."""
        self.log.append((name, args, {**options, "now_ms": self.now}))
        answer = self.run(getattr(self.engine, name)(*args, **options, now_ms=self.now))
        twin = getattr(self.twin, name)(*args, **options, now_ms=self.now)
        assert answer == twin, (name, args, answer, twin)
        return answer

    def agree(self, answer: Any, step: str, *args: object) -> None:
        """The answer is what the specification decides."""
        if self.spec is not None:
            self.spec.now = self.now
            expected = getattr(self.spec, step)(*args)
            assert getattr(answer, "id", answer) == expected, (step, args, answer, expected)

    def enter(self, name: str, steps: tuple[Step, ...], credit: int, earlier: int) -> None:
        entry = Entry(name, self.now - earlier, credit, steps)
        self.agree(self.both("enter", entry), "enter", entry)

    def ready(self, name: str, subs: tuple[Subscription, ...] | None) -> None:
        if subs:
            subs = (*subs, Subscription(f"@{name.partition('/')[0]}"))
        self.agree(self.both("ready", name, subs), "ready", name, subs)

    def answer(self, how: str, pick: int, to: Any, ms: int) -> None:
        """Mostly about a reservation that lives, sometimes about one that ended long ago or never was."""
        live = [reservation.id for reservation in self.twin.snapshot().reservations]
        known = live if live and pick % 5 else self.reservations
        number = known[pick % len(known)]
        if how == "acknowledge":
            ring_ms = RING_MS if ms else 40_000
            self.agree(self.both("acknowledge", number, ring_ms=ring_ms), "acknowledge", number, ring_ms)
        elif how == "accept":
            self.agree(self.both("accept", number), "accept", number)
        elif how == "finish":
            self.agree(self.both("finish", number, ms), "finish", number, ms)
        else:
            ended, exclude = ("rejected", 60_000 if ms else 0) if how == "reject" else ("returned", 60_000)
            answer = self.both(how, number, "busy", to, exclude_ms=exclude)
            self.agree(answer, "give_back", number, ended, "busy", to, exclude)

    def time(self, ms: int, limit: int) -> None:
        self.now += ms
        answer = self.both("tick", limit=limit)
        self.agree((answer.next_due_ms, answer.handled), "tick", limit)

    # The same rule under several names comes up more often.
    entering = rule(name=entries, steps=needed_steps(), credit=credits, earlier=before)
    enter_1, enter_2, enter_3 = entering(enter), entering(enter), entering(enter)
    serving = rule(name=seats, subs=st.one_of(offered(), offered(), st.none()))
    ready_1, ready_2, ready_3 = serving(ready), serving(ready), serving(ready)
    answering = rule(how=answers, pick=numbers, to=seat_to, ms=st.sampled_from([0, 5_000]))
    answer_1, answer_2 = answering(answer), answering(answer)
    answer_3, answer_4 = answering(answer), answering(answer)
    passing = rule(ms=durations, limit=st.sampled_from([1, 2, 200, 200, 200]))
    time_1, time_2 = passing(time), passing(time)

    @rule(node=st.integers(0, 1))
    def another_node_speaks(self, node: int) -> None:
        self.engine = self.nodes[node]
        self.twin.owner = self.engine.owner

    @rule(entry=entries, seat=seats)
    def ask(self, entry: str, seat: str) -> None:
        """A question changes nothing; a replay does without it."""
        for name, asked in (("find_entry", entry), ("find_seat", seat), ("place", entry)):
            answer = self.run(getattr(self.engine, name)(asked))
            assert answer == getattr(self.twin, name)(asked), (name, asked)
        answer = self.run(self.engine.standing(entry, now_ms=self.now))
        assert answer == self.twin.standing(entry, now_ms=self.now)

    @rule(name=entries)
    def abandon(self, name: str) -> None:
        self.agree(self.both("abandon", name, "caller"), "abandon", name)

    @rule(name=seats, how=st.sampled_from(["break", "meal", "leave", "extend", "subscribe"]), subs=offered())
    def disturb(self, name: str, how: str, subs: tuple[Subscription, ...]) -> None:
        if how == "leave":
            self.agree(self.both("leave", name), "leave", name)
        elif how == "extend":
            self.agree(self.both("extend_wrap_up", name, 60_000), "extend", name, 60_000)
        elif how == "subscribe":
            self.agree(self.both("subscribe", name, subs), "subscribe", name, subs)
        else:
            self.agree(self.both("pause", name, how), "pause", name, how)

    @invariant()
    def the_states_are_equal(self) -> None:
        server: Snapshot = self.run(self.engine.snapshot())
        twin = self.twin.snapshot()
        assert (server.entries, server.seats) == (twin.entries, twin.seats)
        assert (server.reservations, server.counters) == (twin.reservations, twin.counters)
        if self.spec is not None:
            specified(self.spec, twin)
        for reservation in twin.reservations:
            if reservation.id not in self.reservations:
                self.reservations.append(reservation.id)
        check_invariants(self.twin)

    def teardown(self) -> None:
        """The stream tells the same story, without a gap; and the same log twice gives the same one."""
        told: list[Change] = self.run(_read(self.engine, len(self.seen)))
        assert [_without_stream_id(change) for change in told] == self.seen
        again: list[Change] = []
        twin = Twin(observe=again.append)
        for name, args, options in self.log:
            with contextlib.suppress(RoutingConflict):
                getattr(twin, name)(*args, **options)
        assert again[: len(self.seen)] == self.seen


class Disorder(Agreement):
    """The same with clocks that go back and contacts that are restored: server and twin agree, all invariants
    hold."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], nodes: Sequence[Engine]) -> None:
        super().__init__(run, nodes)
        self.spec = None

    @rule(ms=st.sampled_from([1, 900, 1_100, 60_000, 3_600_000]))
    def the_clock_goes_back(self, ms: int) -> None:
        self.now -= ms

    @rule(name=entries, steps=needed_steps(), seat=seats, subs=offered(), pick=numbers, how=st.integers(0, 3))
    def restore(
        self,
        name: str,
        steps: tuple[Step, ...],
        seat: str,
        subs: tuple[Subscription, ...],
        pick: int,
        how: int,
    ) -> None:
        number = self.reservations[pick % len(self.reservations)] if pick % 3 else 0
        known = KnownEntry(Entry(name, self.now - 9_000, 0, steps), seat, number)
        revive_ms, take_over = self.now if how & 1 else 0, bool(how & 2)
        try:
            self.both("restore", known, subs, revive_ms=revive_ms, take_over=take_over)
        except RoutingConflict:
            with pytest.raises(RoutingConflict):
                self.twin.restore(known, subs, revive_ms=revive_ms, now_ms=self.now)

    @rule(name=entries, steps=needed_steps())
    def revive(self, name: str, steps: tuple[Step, ...]) -> None:
        self.both("enter", Entry(name, self.now - 9_000, 0, steps), revive_ms=self.now)


def specified(spec: Specification, twin: Snapshot) -> None:
    """The states are those of the specification."""
    assert {e.id: (e.state, e.ring, e.reservation or 0) for e in twin.entries} == {
        e.id: (e.state, e.opened, e.hold) for e in spec.entries
    }
    assert {s.id: (s.state, s.reason, s.then, s.until_ms, s.reservation or 0) for s in twin.seats} == {
        s.id: (s.state, s.reason, s.then[0], s.until or None, s.hold) for s in spec.seats
    }


def as_specification(twin: Twin) -> Specification:
    """What the twin holds, laid open for a full scan."""
    held = Specification()
    for e in twin._entries.values():
        held.entries.append(Waiting(e.id, e.arrived, e.credit, e.steps, e.state, e.ring))
        held.excluded += [(e.id, seat, until) for seat, until in e.excluded.items()]
    held.seats = [Desk(s.id, s.subs, s.idle, s.state) for s in twin._seats.values()]
    return held


def check_invariants(twin: Twin) -> None:
    """What must hold after every step, whatever happened before."""
    snapshot, held_open = twin.snapshot(), as_specification(twin)
    entries = {entry.id: entry for entry in snapshot.entries}
    seats = {seat.id: seat for seat in snapshot.seats}
    for reservation in snapshot.reservations:
        assert entries[reservation.entry].reservation == reservation.id == seats[reservation.seat].reservation
        assert entries[reservation.entry].seat == reservation.seat
        assert seats[reservation.seat].entry == reservation.entry
    held = {reservation.id for reservation in snapshot.reservations}
    assert held == {entry.reservation for entry in snapshot.entries if entry.state != "waiting"}
    assert held == {seat.reservation for seat in snapshot.seats if seat.state in ("reserved", "in_contact")}
    for waiting in held_open.entries:
        assert waiting.state != "waiting" or held_open.best_seat(waiting) is None, (
            "somebody waits for a free seat"
        )
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
    return replace(change, stream_id="")
