"""The comparison: Asterisk's own queue application, as its source says (``apps/app_queue.c`` of Asterisk 22).

One queue for each matter, and one for each role in every language but the main one, as an administrator of Asterisk
would set it up; ``autofill=yes``, ``ringinuse=no``, ``timeout=15``, ``retry=5``, ``autopause=yes``,
``shared_lastcall=yes``, the wrap-up time of the callers' rows, the priority as QUEUE_PRIO, no penalties.

Each caller is a thread of its own (``queue_exec``): it looks at once whether it is its turn (``is_our_turn``: fewer
callers before it, not counting those being rung for, than members available), again every second (``RECHECK``), tries
the members one after the other in the order of the strategy (``calc_metric``, ``ring_one``, ``wait_for_answer``) for
15 s at most, and waits 5 s (``wait_a_bit``) after nobody answered. A busy member (here: one who rejects) is followed
by the next within the same 15 s. The pointer of rrmemory moves when the attempt is over (``store_next_rr``).

Looking every second is done here only when something has changed since the last look, at the same moments.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, Literal, get_args

from routing.policy import Policy
from routing.simulate.day import Day, Duty
from routing.simulate.outcome import Outcome, Passing, Result, Trades

Strategy = Literal["rrmemory", "leastrecent", "fewestcalls", "random"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
RECHECK_MS = 1_000
RETRY_MS = 5_000
TIMEOUT_MS = 15_000
ENOUGH_MS = 500
_FATE = 100


@dataclass(slots=True)
class _Member:
    duty: Duty
    state: Literal["away", "free", "ringing", "busy", "wrap_up", "paused"] = "away"
    queues: list["_Queue"] = field(default_factory=list)
    last_call_ms: int = -1
    calls: int = 0
    since: int = 0
    wanted: tuple[Callable[..., None], tuple[Any, ...]] | None = None
    """A break or the end of the shift that came during a call."""
    epoch: int = 0


@dataclass(slots=True)
class _Queue:
    members: list[_Member] = field(default_factory=list)
    callers: list["_Thread"] = field(default_factory=list)
    rrpos: int = 0
    wrapped: bool = False


@dataclass(slots=True)
class _Thread:
    """A caller in a queue. ``phase`` is when this thread looked first: it looks again at whole seconds from there."""

    outcome: Outcome
    queue: _Queue
    phase: int
    pending: bool = False
    retrying: bool = False
    looking: bool = False
    gone: bool = False
    attempt: int = 0
    ringing: _Member | None = None
    metrics: dict[int, int] = field(default_factory=dict)
    tried_until: int = 0
    round: int = 0


class AppQueueRun:
    """One day on app_queue, once."""

    def __init__(self, day: Day, policy: Policy, strategy: Strategy = "rrmemory") -> None:
        self._day, self._policy, self._strategy = day, policy, strategy
        self._dice = Random(f"app_queue {day.name}")  # noqa: S311
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._events = 0
        self._now = 0
        self._trades = Trades(policy, day.habits)
        self._passing = Passing()
        self._queues: dict[str, _Queue] = {}
        self._role_of = {matter.id: matter.role for matter in policy.matters}
        self._members = [_Member(duty) for duty in day.roster if not duty.backup]
        for member in self._members:
            for name in self._queues_of(member.duty):
                queue = self._queues.setdefault(name, _Queue())
                queue.members.append(member)
                member.queues.append(queue)
        self.result = Result(f"app_queue {strategy}", [Outcome(c) for c in day.callers], day.roster)

    def _queues_of(self, duty: Duty) -> list[str]:
        main = self._policy.default_language.id
        found = [
            matter.id
            for matter in self._policy.matters
            if matter.role == duty.role
            and main in duty.languages
            and (matter.id in duty.skills or matter.open_level)
        ]
        return found + [f"{duty.role}|{language}" for language in duty.languages if language != main]

    def _queue_for(self, outcome: Outcome) -> _Queue:
        caller = outcome.caller
        main = self._policy.default_language.id
        role = self._role_of[caller.matter]
        name = caller.matter if caller.language == main else f"{role}|{caller.language}"
        queue = self._queues.setdefault(name, _Queue())
        if not queue.members and caller.language != main:
            # Nobody speaks it: with joinempty=no the dialplan goes on to the queue of the matter.
            return self._queues.setdefault(caller.matter, _Queue())
        return queue

    def _at(self, when: int, what: Callable[..., None], *args: Any) -> None:
        self._events += 1
        heappush(self._heap, (when, self._events, what, args))

    def run(self) -> Result:
        """Let the day pass."""
        for outcome in self.result.outcomes:
            self._at(outcome.caller.arrived_ms, self._join, outcome)
        for member in self._members:
            duty = member.duty
            self.result.busy_ms[duty.id] = self.result.duty_ms[duty.id] = 0
            self._at(duty.begins_ms, self._free, member)
            self._at(duty.ends_ms, self._wish, member, self._go_home, ())
            for begin, length in duty.breaks:
                self._at(begin, self._wish, member, self._break, (length,))
        while self._heap:
            self._now, _, what, args = heappop(self._heap)
            what(*args)
        return self.result

    # ---- callers: queue_exec

    def _join(self, outcome: Outcome) -> None:
        """join_queue: behind everybody of the same or a higher priority."""
        queue = self._queue_for(outcome)
        thread = _Thread(outcome, queue, self._now)
        priority, place = outcome.caller.priority, len(queue.callers)
        while place > 0 and queue.callers[place - 1].outcome.caller.priority < priority:
            place -= 1
        queue.callers.insert(place, thread)
        self._passing.waits(outcome)
        self._at(self._now + outcome.caller.patience_ms, self._hang_up, thread)
        self._look(thread)

    def _look(self, thread: _Thread) -> None:
        thread.looking = False
        if not thread.gone and not thread.pending and not thread.retrying and self._is_our_turn(thread):
            self._try_calling(thread)

    def _is_our_turn(self, thread: _Thread) -> bool:
        available = sum(member.state == "free" for member in thread.queue.members)
        before = 0
        for other in thread.queue.callers:
            if other is thread or before >= available:
                break
            before += not other.pending
        return before < available

    def _changed(self, queue: _Queue) -> None:
        """Something that may give somebody the turn: those who could have it look at their next second."""
        available = sum(member.state == "free" for member in queue.members)
        before = 0
        for thread in queue.callers:
            if before >= available:
                break
            if thread.pending:
                continue
            before += 1
            if not thread.looking and not thread.retrying:
                thread.looking = True
                passed = (self._now - thread.phase) // RECHECK_MS + 1
                self._at(thread.phase + passed * RECHECK_MS, self._look, thread)

    def _hang_up(self, thread: _Thread) -> None:
        if thread.gone or thread.outcome.how:
            return
        thread.outcome.how, thread.outcome.left_ms = "abandoned", self._now
        self._leave(thread)
        if thread.ringing:
            member, thread.ringing = thread.ringing, None
            thread.round += 1
            self._store_next(thread)
            self._free(member)
        self._changed(thread.queue)

    def _leave(self, thread: _Thread) -> None:
        thread.gone = True
        thread.queue.callers.remove(thread)
        self._passing.gone(thread.outcome)

    # ---- trying members: try_calling, ring_one, wait_for_answer

    def _try_calling(self, thread: _Thread) -> None:
        thread.pending = True
        thread.tried_until = self._now + TIMEOUT_MS
        queue = thread.queue
        thread.metrics = {
            position: self._metric(queue, member, position) for position, member in enumerate(queue.members)
        }
        self._ring_one(thread)

    def _metric(self, queue: _Queue, member: _Member, position: int) -> int:
        """calc_metric: the smallest is rung first."""
        match self._strategy:
            case "rrmemory":
                if position > queue.rrpos:
                    queue.wrapped = True
                return position + 1_000 if position < queue.rrpos else position
            case "leastrecent":
                if member.last_call_ms < 0:
                    return 0
                return 1_000_000 - (self._now // 1_000 - member.last_call_ms // 1_000)
            case "fewestcalls":
                return member.calls
            case _:
                return self._dice.randrange(1_000)

    def _ring_one(self, thread: _Thread) -> None:
        """The best member not tried yet; those who cannot be rung are passed over at once."""
        while thread.metrics:
            position = min(thread.metrics, key=lambda one: (thread.metrics[one], one))
            del thread.metrics[position]
            member = thread.queue.members[position]
            if member.state == "free":
                self._ring(thread, member)
                return
        self._nobody(thread)

    def _ring(self, thread: _Thread, member: _Member) -> None:
        self._enter(member, "ringing")
        thread.ringing = member
        thread.round += 1
        self._passing.gone(thread.outcome)
        self._passing.served(thread.outcome.caller, set())
        caller, habits = thread.outcome.caller, self._day.habits
        fate = caller.chance(_FATE + thread.attempt)
        thread.attempt += 1
        if fate < habits.no_answer or self._now + caller.ring_ms > thread.tried_until:
            self._at(thread.tried_until, self._no_answer, thread, member, thread.round)
        elif fate < habits.no_answer + habits.reject:
            when = min(self._now + habits.reject_ms, thread.tried_until)
            self._at(when, self._rejected, thread, member, thread.round)
        else:
            self._at(self._now + caller.ring_ms, self._answer, thread, member, thread.round)

    def _answer(self, thread: _Thread, member: _Member, ring: int) -> None:
        if thread.gone or thread.round != ring:
            return
        outcome = thread.outcome
        self._store_next(thread)
        self._leave(thread)
        thread.ringing = None
        outcome.how, outcome.answered_ms, outcome.agent = "answered", self._now, member.duty.id
        outcome.distance = self._trades.distance(member.duty, outcome.caller.matter)
        self._enter(member, "busy")
        talk_ms = self._trades.handle_ms(outcome.caller, outcome.distance)
        self._at(self._now + talk_ms, self._talked, member, outcome.caller.wrap_up_ms)

    def _rejected(self, thread: _Thread, member: _Member, ring: int) -> None:
        """AST_CONTROL_BUSY: the next one, if there is time for it; the member is not paused."""
        if thread.gone or thread.round != ring:
            return
        thread.ringing = None
        self._passing.waits(thread.outcome)
        if thread.tried_until - self._now > ENOUGH_MS:
            self._ring_one(thread)
        else:
            self._nobody(thread)
        self._free(member)

    def _no_answer(self, thread: _Thread, member: _Member, ring: int) -> None:
        """rna with autopause: the member is paused until the click that brings it back."""
        if thread.gone or thread.round != ring:
            return
        thread.ringing = None
        self._passing.waits(thread.outcome)
        self._pause(member, self._day.habits.back_ms)
        self._nobody(thread)

    def _nobody(self, thread: _Thread) -> None:
        """wait_a_bit, then the turn is asked for anew, from when on the thread looks every second again."""
        self._store_next(thread)
        thread.pending, thread.retrying = False, True
        self._changed(thread.queue)
        self._at(self._now + RETRY_MS, self._again, thread)

    def _again(self, thread: _Thread) -> None:
        if not thread.gone:
            thread.retrying, thread.phase = False, self._now
            self._look(thread)

    def _store_next(self, thread: _Thread) -> None:
        """store_next_rr: where the next attempt of this queue begins."""
        if self._strategy != "rrmemory":
            return
        queue = thread.queue
        if thread.metrics:
            queue.rrpos = min(thread.metrics.values()) % 1_000
        elif queue.wrapped:
            queue.rrpos = 0
        else:
            queue.rrpos += 1
        queue.wrapped = False

    # ---- members

    def _enter(
        self, member: _Member, state: Literal["away", "free", "ringing", "busy", "wrap_up", "paused"]
    ) -> None:
        spent, name = self._now - member.since, member.duty.id
        if member.state in ("ringing", "busy", "wrap_up"):
            self.result.busy_ms[name] += spent
        if member.state in ("free", "ringing", "busy", "wrap_up"):
            self.result.duty_ms[name] += spent
        member.state, member.since = state, self._now
        member.epoch += 1

    def _free(self, member: _Member) -> None:
        """Free again, or off to the break that waited for the end of the call."""
        if member.wanted:
            (what, args), member.wanted = member.wanted, None
            what(member, *args)
            return
        self._enter(member, "free")
        for queue in member.queues:
            self._changed(queue)

    def _talked(self, member: _Member, wrap_up_ms: int) -> None:
        """The wrap-up is compared in whole seconds of the clock."""
        member.last_call_ms = self._now
        member.calls += 1
        self._enter(member, "wrap_up")
        until = (self._now // 1_000) * 1_000 + wrap_up_ms
        self._at(max(self._now, until), self._wrapped_up, member, member.epoch)

    def _wrapped_up(self, member: _Member, epoch: int) -> None:
        if member.epoch == epoch:
            self._free(member)

    def _wish(self, member: _Member, what: Callable[..., None], args: tuple[Any, ...]) -> None:
        if member.state in ("ringing", "busy"):
            member.wanted = (what, args)
        else:
            what(member, *args)

    def _break(self, member: _Member, length: int) -> None:
        self._pause(member, length)

    def _pause(self, member: _Member, length: int) -> None:
        if member.wanted:
            (what, args), member.wanted = member.wanted, None
            what(member, *args)
            return
        self._enter(member, "paused")
        self._at(self._now + length, self._back, member, member.epoch)

    def _back(self, member: _Member, epoch: int) -> None:
        if member.epoch == epoch:
            self._free(member)

    def _go_home(self, member: _Member) -> None:
        self._enter(member, "away")
