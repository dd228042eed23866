"""A day on our own kernel: callers arrive, give up, are offered a call-back; volunteers ring, talk, write, take breaks.

The kernel is ``Twin`` or, through ``kernels.EngineKernel``, the real server. All that it decides is learned from its
changes, as the live switchboard does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from routing.estimate import Estimator
from routing.model import EXCLUDE_MS, Change, live_seat
from routing.overload import Level, Overload
from routing.policy import Policy
from routing.simulate.day import MIDNIGHT_MS, Day, Duty
from routing.simulate.kernels import Kernel, Observe, twin_kernel
from routing.simulate.outcome import Outcome, Passing, Result, Trades

SAMPLE_MS = 5_000
OFFER_MS = 30_000
"""How often a waiting caller hears the announcement, and with it an offer of a call-back."""
SEEN_MS = 100
AGAIN_MS = 300_000
"""After a call-back that nobody picked up."""
CALLBACK_TRIES = 3
AFTER_MS = 3_600_000
_TAKES_CALLBACK, _LEAVES_MESSAGE, _FATE, _PICKS_UP = 1, 2, 100, 200


@dataclass(slots=True)
class _At:
    """A volunteer during the run."""

    duty: Duty
    seat: str
    klasses: frozenset[str] = frozenset()
    state: str = "offline"
    since: int = 0
    break_ms: int = 0
    called: bool = False


@dataclass(slots=True)
class _Entry:
    """An entry of the kernel: a caller on the line, or the call-back of one."""

    outcome: Outcome
    callback: bool = False
    tries: int = 0
    attempt: int = 0
    excluded: dict[str, int] = field(default_factory=dict)


class Run:
    """One day, once. ``highest`` is the highest overload step that may be taken: ``normal`` is routing alone."""

    def __init__(
        self,
        day: Day,
        policy: Policy,
        *,
        highest: Level = "normal",
        kernel: Callable[[Observe], Kernel] = twin_kernel,
        progress: Callable[[float], None] = lambda _share: None,
    ) -> None:
        self._day, self._policy, self._progress = day, policy, progress
        self._kernel = kernel(self._changed)
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._events = 0
        self._now = 0
        self._trades = Trades(policy, day.habits)
        self._role_of_matter = {matter.id: matter.role for matter in policy.matters}
        self._agents = {duty.id: _At(duty, live_seat(duty.id)) for duty in day.roster}
        self._seats = {at.seat: at for at in self._agents.values()}
        self._roles = sorted({duty.role for duty in day.roster})
        self._estimator = Estimator(lambda seat: self._seats[seat].duty.role)
        self._overload = Overload(policy.overload, highest=highest)
        self._watch = highest != "normal"
        self._entries: dict[str, _Entry] = {}
        self._rung: set[str] = set()
        self._arrived = 0
        self._owed = 0
        self._passing = Passing()
        self._excluded: dict[str, dict[str, int]] = {}
        self.result = Result(day.name, [Outcome(caller) for caller in day.callers], day.roster)

    # ---- the clock

    def _at(self, when: int, what: Callable[..., None], *args: Any) -> None:
        self._events += 1
        heappush(self._heap, (when, self._events, what, args))

    @property
    def _clock(self) -> int:
        return MIDNIGHT_MS + self._now

    def run(self) -> Result:
        """Let the day pass."""
        self._plan()
        until = self._day.ends_ms + AFTER_MS
        total = max(1, len(self.result.outcomes))
        while self._heap or self._owed:
            due = self._kernel.next_due_ms()
            due = due - MIDNIGHT_MS if due is not None else None
            if due is not None and (not self._heap or due <= self._heap[0][0]):
                if not self._heap and due > until:
                    break
                self._now = max(self._now, due)
                self._kernel.tick(now_ms=self._clock)
            elif self._heap:
                self._now, _, what, args = heappop(self._heap)
                what(*args)
            else:
                break
            self._progress(self._arrived / total)
        self._close()
        return self.result

    def _plan(self) -> None:
        for outcome in self.result.outcomes:
            self._at(outcome.caller.arrived_ms, self._arrive, outcome)
        for at in self._agents.values():
            duty = at.duty
            self.result.busy_ms[duty.id] = self.result.duty_ms[duty.id] = 0
            self._at(duty.begins_ms, self._sign_in, at)
            self._at(duty.ends_ms, self._go_home, at)
            for begin, length in duty.breaks:
                self._at(begin, self._break, at, length)
        if self._watch and self.result.outcomes:
            self._at(self.result.outcomes[0].caller.arrived_ms, self._sample)

    def _close(self) -> None:
        for at in self._agents.values():
            self._leave_state(at)

    # ---- callers

    def _arrive(self, outcome: Outcome) -> None:
        self._arrived += 1
        caller = outcome.caller
        role = self._role_of_matter[caller.matter]
        level = self._overload.level(role)
        asked = level == "message" and caller.priority == 0
        if asked and caller.chance(_LEAVES_MESSAGE) < self._day.habits.message_left:
            outcome.how, outcome.left_ms = "message", self._now
            return
        self._enter(caller.id, _Entry(outcome))
        if self._waits(caller.id):
            outcome.estimate_ms = self._estimator.estimate(caller.id, self._clock)
        self._at(self._now + caller.patience_ms, self._give_up, outcome)
        if self._watch:
            self._offer(outcome, role)

    def _enter(self, name: str, entry: _Entry) -> None:
        caller = entry.outcome.caller
        self._entries[name] = entry
        self._passing.waits(entry.outcome)
        self._kernel.enter(
            self._policy.entry(
                name,
                matter=caller.matter,
                language=caller.language,
                arrived_ms=MIDNIGHT_MS + caller.arrived_ms,
                priority=caller.priority,
                district=caller.district or None,
            ),
            now_ms=self._clock,
        )

    def _offer(self, outcome: Outcome, role: str) -> None:
        """With every announcement while the step lasts, until it was offered once."""
        caller = outcome.caller
        entry = self._entries.get(caller.id)
        if entry is None or outcome.how:
            return
        if not self._overload.at_least(role, "callback"):
            self._at(self._now + OFFER_MS, self._offer, outcome, role)
        elif caller.chance(_TAKES_CALLBACK) < self._day.habits.callback_taken and self._waits(caller.id):
            outcome.how = "callback"
            outcome.left_ms = self._now
            self._kernel.abandon(caller.id, "callback_booked", now_ms=self._clock)
            self._owed += 1
            self._enter(f"cb-{caller.id}", _Entry(outcome, callback=True))

    def _waits(self, name: str) -> bool:
        """On the line and not being rung for."""
        return name in self._entries and name not in self._rung

    def _give_up(self, outcome: Outcome) -> None:
        if not outcome.how and self._kernel.abandon(outcome.caller.id, "caller_left", now_ms=self._clock):
            outcome.how, outcome.left_ms = "abandoned", self._now

    # ---- what the kernel says

    def _changed(self, change: Change) -> None:
        self._estimator.take(change)
        kind, name = change.kind, change.entry
        if kind == "seat.changed" and change.seat:
            self._seat_changed(self._seats[change.seat], change)
        elif name is None or name not in self._entries:
            return
        elif kind == "reservation.created" and change.seat:
            self._reserved(name, self._entries[name], self._seats[change.seat], change)
        elif kind in ("reservation.timed_out", "reservation.rejected") and change.seat:
            entry = self._entries[name]
            self._rung.discard(name)
            entry.excluded[change.seat] = self._now + EXCLUDE_MS
            self._excluded.setdefault(change.seat, {})[entry.outcome.caller.id] = self._now + EXCLUDE_MS
            self._passing.waits(entry.outcome)
        elif kind == "entry.left":
            self._rung.discard(name)
            self._passing.gone(self._entries.pop(name).outcome)

    def _reserved(self, name: str, entry: _Entry, at: _At, change: Change) -> None:
        number = change.reservation or 0
        caller, habits = entry.outcome.caller, self._day.habits
        self._rung.add(name)
        self._passing.gone(entry.outcome)
        excluded = self._excluded.get(at.seat, {})
        if excluded:
            excluded = self._excluded[at.seat] = {k: v for k, v in excluded.items() if v > self._now}
        self._passing.served(caller, set(excluded))
        fate = caller.chance(_FATE + entry.attempt)
        entry.attempt += 1
        self._at(self._now + SEEN_MS, self._seen, number)
        if fate < habits.no_answer:
            return
        if fate < habits.no_answer + habits.reject:
            self._at(self._now + habits.reject_ms, self._reject, number)
        else:
            self._at(self._now + caller.ring_ms, self._accept, number, name, entry, at)

    def _seen(self, number: int) -> None:
        self._kernel.acknowledge(number, now_ms=self._clock)

    def _reject(self, number: int) -> None:
        self._kernel.reject(number, "declined", "available", now_ms=self._clock)

    def _accept(self, number: int, name: str, entry: _Entry, at: _At) -> None:
        if not self._kernel.accept(number, now_ms=self._clock):
            return
        self._rung.discard(name)
        outcome, habits = entry.outcome, self._day.habits
        caller = outcome.caller
        if entry.callback:
            entry.tries += 1
            if caller.chance(_PICKS_UP + entry.tries) >= habits.callback_answered:
                self._at(self._now + 2 * habits.callback_ring_ms, self._not_there, number, entry)
                return
        begins = self._now + (habits.callback_ring_ms if entry.callback else habits.leg_ms)
        outcome.answered_ms, outcome.agent = begins, at.duty.id
        outcome.how = outcome.how or "answered"
        outcome.distance = self._trades.distance(at.duty, caller.matter)
        talk_ms = self._trades.handle_ms(caller, outcome.distance)
        self._at(begins + talk_ms, self._finish, number, entry)

    def _finish(self, number: int, entry: _Entry) -> None:
        self._owed -= entry.callback
        self._kernel.finish(number, entry.outcome.caller.wrap_up_ms, now_ms=self._clock)

    def _not_there(self, number: int, entry: _Entry) -> None:
        self._kernel.finish(number, 0, now_ms=self._clock)
        if entry.tries < CALLBACK_TRIES:
            self._at(self._now + AGAIN_MS, self._call_again, entry)
        else:
            self._owed -= 1

    def _call_again(self, entry: _Entry) -> None:
        self._enter(f"cb-{entry.outcome.caller.id}-{entry.tries}", entry)

    # ---- volunteers

    def _seat_changed(self, at: _At, change: Change) -> None:
        state = change.state or "offline"
        if state != at.state or change.reason:
            self._leave_state(at)
            at.state, at.since = state, self._now
        if state == "paused" and change.reason == "break" and at.break_ms:
            self._at(self._now + at.break_ms, self._back, at)
            at.break_ms = 0
        elif state == "paused" and change.reason in ("no_answer", "desk_gone"):
            self._at(self._now + self._day.habits.back_ms, self._back, at)
        elif state == "available" and at.duty.backup and not self._called(at):
            self._at(self._now, self._stand_by, at)

    def _leave_state(self, at: _At) -> None:
        """Book the time in the state that ends. A break, and standby, are no duty."""
        spent = self._now - at.since
        if at.state in ("reserved", "in_contact", "wrap_up"):
            self.result.busy_ms[at.duty.id] += spent
        if at.state in ("available", "reserved", "in_contact", "wrap_up"):
            self.result.duty_ms[at.duty.id] += spent

    def _sign_in(self, at: _At) -> None:
        subscriptions = self._policy.subscriptions(at.duty.volunteer(), today=self._day.on)
        if at.duty.backup:
            self._kernel.pause(at.seat, "standby", subscriptions, now_ms=self._clock)
        else:
            self._kernel.ready(at.seat, subscriptions, now_ms=self._clock)

    def _break(self, at: _At, length: int) -> None:
        at.break_ms = length
        self._kernel.pause(at.seat, "break", now_ms=self._clock)

    def _back(self, at: _At) -> None:
        if at.state == "paused":
            self._kernel.ready(at.seat, now_ms=self._clock)

    def _go_home(self, at: _At) -> None:
        at.called = False
        self._kernel.leave(at.seat, now_ms=self._clock)

    # ---- overload

    def _sample(self) -> None:
        loads = {role: self._estimator.load(role, self._clock) for role in self._roles}
        for step in self._overload.sample(loads, self._now):
            self.result.steps.append((self._now, step.role, step.now))
            helping = self._overload.at_least(step.role, "backup")
            for at in self._agents.values():
                if at.duty.backup and at.duty.role == step.role and at.called != helping:
                    at.called = helping
                    self._at(
                        self._now + (self._day.habits.backup_ms if helping else 0), self._follow_call, at
                    )
        if self._now < self._day.ends_ms:
            self._at(self._now + SAMPLE_MS, self._sample)

    def _called(self, at: _At) -> bool:
        return at.called

    def _follow_call(self, at: _At) -> None:
        if at.called and at.state == "paused":
            self._kernel.ready(at.seat, now_ms=self._clock)
        elif not at.called and at.state == "available":
            self._stand_by(at)

    def _stand_by(self, at: _At) -> None:
        if at.state == "available" and not at.called:
            self._kernel.pause(at.seat, "standby", now_ms=self._clock)
