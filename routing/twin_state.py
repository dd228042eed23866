"""What the twin holds: the tables of ``functions.lua`` as dictionaries, and the moves between them.

A move here has the name and the order of its counterpart in Lua, so that the two can be read side by side.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Literal, cast

from routing.model import (
    EXCLUDE_MS,
    KEEP_MS,
    LEASE_MS,
    OTHERS,
    Change,
    ChangeKind,
    Entry,
    EntryState,
    LiveEntry,
    Reservation,
    Seat,
    SeatState,
    Step,
    Subscription,
    accepts_by_itself,
    check_ms,
)

_JUMP_MS = 1_000
SeatTo = Literal["paused", "available"]


@dataclass(slots=True)
class _Entry:
    id: str
    arrived: int
    credit: int
    steps: tuple[Step, ...]
    state: EntryState = "waiting"
    ring: int = 0
    reservation: int = 0
    seat: str = ""
    owner: str = ""
    entered: int = 0
    excluded: dict[str, int] = field(default_factory=dict)

    @property
    def score(self) -> int:
        return self.arrived - self.credit


@dataclass(slots=True)
class _Seat:
    id: str
    subs: tuple[Subscription, ...]
    idle: int
    since: int
    state: SeatState | Literal["released"] = "offline"
    reason: str = ""
    until: int = 0
    extended: bool = False
    then: Literal["", "paused", "offline"] = ""
    then_reason: str = ""
    entry: str = ""
    reservation: int = 0
    owner: str = ""
    signed_in: int = 0

    @property
    def busy(self) -> bool:
        return self.state in ("reserved", "in_contact")


@dataclass(slots=True)
class _Reservation:
    id: int
    entry: str
    seat: str
    ring: int
    klass: str
    expires: int
    acked: bool = False
    accepted: bool = False
    how: str = ""
    ended: int = 0


class _Sorted:
    """A sorted set: smallest score first, ties by name."""

    __slots__ = ("rows", "scores")

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []
        self.scores: dict[str, int] = {}

    def add(self, score: int, name: str) -> None:
        self.remove(name)
        self.scores[name] = score
        insort(self.rows, (score, name))

    def remove(self, name: str) -> None:
        score = self.scores.pop(name, None)
        if score is not None:
            del self.rows[bisect_left(self.rows, (score, name))]

    def rank(self, name: str) -> int:
        score = self.scores.get(name)
        return 0 if score is None else bisect_left(self.rows, (score, name))


class _Sets(dict[str, _Sorted]):
    def __missing__(self, key: str) -> _Sorted:
        found = self[key] = _Sorted()
        return found


class TwinState:
    """One shard in memory, and how it moves."""

    def __init__(
        self,
        *,
        observe: Callable[[Change], None] | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        owner: str = "",
    ) -> None:
        self.owner = owner
        self._observe = observe
        self._clock = clock
        self._now = 0
        self._skew = 0
        self._last_reservation = 0
        self._seq = 0
        self._entered = self._finished = self._abandoned = 0
        self._entries: dict[str, _Entry] = {}
        self._left: dict[str, tuple[str, int]] = {}
        self._seats: dict[str, _Seat] = {}
        self._reservations: dict[int, _Reservation] = {}
        self._unknown: dict[int, int] = {}
        self._queues, self._places, self._free = _Sets(), _Sets(), _Sets()
        self._staffed: dict[str, int] = {}
        self._exclusions: dict[str, int] = {}
        self._timers: dict[tuple[str, ...], int] = {}
        self._heap: list[tuple[int, str, tuple[str, ...]]] = []

    def _begin(self, now_ms: int) -> None:
        raw = now_ms or self._clock()
        now = raw + self._skew
        if self._now - now > _JUMP_MS:
            self._skew = self._now - raw
        self._now = max(now, self._now)

    def _wall(self, ms: int) -> int:
        return ms - self._skew

    def _emit(self, kind: ChangeKind, **fields: Any) -> None:
        self._seq += 1
        if self._observe is not None:
            self._observe(Change("", self._seq, self._wall(self._now), kind, **fields))

    def _time(self, due: int, *timer: str) -> None:
        self._timers[timer] = due
        heappush(self._heap, (due, "\t".join(timer), timer))

    def _untime(self, *timer: str) -> None:
        self._timers.pop(timer, None)

    def _next_due(self) -> int | None:
        while self._heap and self._timers.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._wall(self._heap[0][0]) if self._heap else None

    def _answer(self, number: int) -> Reservation:
        r = self._reservations[number]
        return Reservation(r.id, r.entry, r.seat, r.ring, r.klass, self._wall(r.expires), r.acked, r.accepted)

    def _view(self, s: _Seat) -> Seat:
        until = self._wall(s.until) if s.until else None
        state = cast(SeatState, s.state)
        number, entry = s.reservation or None, s.entry or None
        return Seat(
            s.id,
            state,
            s.reason,
            self._wall(s.since),
            until,
            s.then,
            s.then_reason,
            number,
            entry,
            s.owner,
            self._wall(s.signed_in),
        )

    def _entry_view(self, e: _Entry) -> LiveEntry:
        number, klass = e.reservation or None, e.steps[e.ring - 1].klass
        seat = e.seat if number else None
        return LiveEntry(
            e.id,
            e.state,
            self._wall(e.arrived),
            e.credit,
            e.ring,
            klass,
            number,
            seat,
            e.owner,
            self._wall(e.entered),
        )

    # queues and sets

    def _enqueue(self, e: _Entry, start: int) -> None:
        for step in e.steps[start : e.ring]:
            self._queues[step.klass].add(e.score, e.id)
        if start == 0:
            self._places[e.steps[-1].klass].add(e.score, e.id)

    def _unqueue(self, e: _Entry, upto: int) -> None:
        for step in e.steps[:upto]:
            self._queues[step.klass].remove(e.id)
        self._places[e.steps[-1].klass].remove(e.id)

    def _unset_free(self, s: _Seat) -> None:
        if s.state == "available":
            for sub in s.subs:
                self._free[sub.klass].remove(s.id)

    def _staff(self, subs: Iterable[Subscription], by: int) -> None:
        for sub in subs:
            count = self._staffed.get(sub.klass, 0) + by
            if count > 0:
                self._staffed[sub.klass] = count
            else:
                self._staffed.pop(sub.klass, None)

    def _set_seat(
        self, s: _Seat, state: SeatState, reason: str, entry: str = "", number: int = 0, until: int = 0
    ) -> None:
        s.state, s.reason, s.since = state, reason, self._now
        s.entry, s.reservation, s.until, s.extended = entry, number, until, False
        if state in ("available", "paused"):
            s.then, s.then_reason = "", ""
        self._emit(
            "seat.changed",
            seat=s.id,
            state=state,
            reason=reason,
            entry=entry or None,
            reservation=number or None,
            until_ms=self._wall(until) if until else None,
        )

    # matching

    def _new_number(self) -> int:
        self._last_reservation = max(self._last_reservation + 1, self._now * 10)
        return self._last_reservation

    def _reserve(self, e: _Entry, s: _Seat, by: str, ring: int, order: int) -> Reservation:
        number, klass = self._new_number(), e.steps[ring - 1].klass
        r = _Reservation(number, e.id, s.id, ring, klass, self._now + LEASE_MS)
        self._reservations[number] = r
        e.state, e.reservation, e.seat = "reserved", number, s.id
        self._time(r.expires, "l", str(number))
        self._emit(
            "reservation.created",
            reservation=number,
            entry=e.id,
            seat=s.id,
            ring=ring,
            klass=klass,
            score=self._wall(e.score),
            order_ms=self._wall(order),
            chosen_by=by,
            free=len(self._free[klass].rows),
            waiting=len(self._queues[klass].rows),
            passed_over=tuple(sorted(e.excluded)),
            others=self._others(by, klass, s.id if by == "entry" else e.id),
            waited_ms=self._now - e.arrived,
            expires_ms=self._wall(r.expires),
        )
        free_before = s.state == "available" and by != "seat"
        if free_before:
            self._unset_free(s)
        self._set_seat(s, "reserved", "", e.id, number)
        if accepts_by_itself(s.id):
            self._connect(r, e)
        return self._answer(number)

    def _others(self, by: str, klass: str, chosen: str) -> tuple[tuple[str, int], ...]:
        if by == "pair":
            return ()
        rows = (self._free if by == "entry" else self._queues)[klass].rows[: OTHERS + 1]
        return tuple((name, self._wall(value)) for value, name in rows if name != chosen)[:OTHERS]

    def _advance(self, e: _Entry) -> int:
        start = e.ring
        staffed = any(step.klass in self._staffed for step in e.steps[:start])
        while e.ring < len(e.steps) and (e.arrived + e.steps[e.ring].after_ms <= self._now or not staffed):
            staffed = staffed or e.steps[e.ring].klass in self._staffed
            e.ring += 1
        if e.ring < len(e.steps):
            self._time(e.arrived + e.steps[e.ring].after_ms, "r", e.id)
        else:
            self._untime("r", e.id)
        return start

    def _seek_seat(self, e: _Entry, start: int) -> Reservation | None:
        for ring in range(start + 1, e.ring + 1):
            for order, name in self._free[e.steps[ring - 1].klass].rows:
                if name not in e.excluded:
                    if start > 0:
                        self._unqueue(e, start)
                    return self._reserve(e, self._seats[name], "entry", ring, order)
        self._enqueue(e, start)
        return None

    def _seek_entry(self, s: _Seat, idle: int) -> Reservation | None:
        excluded = self._exclusions.get(s.id, 0)
        best: tuple[int, str] | None = None
        best_class = ""
        for sub in s.subs:
            queue = self._queues.get(sub.klass)
            if queue is None:
                continue
            for score, name in queue.rows:
                if not excluded or s.id not in self._entries[name].excluded:
                    if best is None or (score - sub.bonus_ms, name) < best:
                        best, best_class = (score - sub.bonus_ms, name), sub.klass
                    break
        s.idle = idle
        if best is not None:
            e = self._entries[best[1]]
            ring = next(i for i, step in enumerate(e.steps[: e.ring], 1) if step.klass == best_class)
            answer = self._reserve(e, s, "seat", ring, best[0])
            self._unqueue(e, e.ring)
            return answer
        if s.state != "available":
            self._set_seat(s, "available", "")
        for sub in s.subs:
            self._free[sub.klass].add(idle + sub.cost_ms, s.id)
        return None

    # endings and returns

    def _requeue(self, e: _Entry) -> None:
        e.state, e.reservation, e.seat = "waiting", 0, ""
        self._advance(e)
        self._seek_seat(e, 0)

    def _sign_out(self, s: _Seat) -> None:
        self._staff(s.subs, -1)
        del self._seats[s.id]
        self._untime("w", s.id)
        self._emit("seat.changed", seat=s.id, state="offline")

    def _release(
        self, seat: str, to: SeatTo, reason: str, *, idle: int | None = None, own: bool = False
    ) -> None:
        s = self._seats[seat]
        if s.then == "offline":
            self._sign_out(s)
        elif s.then == "paused" and not (own and to == "paused"):
            self._set_seat(s, "paused", s.then_reason)
        elif to == "paused":
            self._set_seat(s, "paused", reason)
        else:
            s.state = "released"
            self._seek_entry(s, self._now if idle is None else idle)

    def _end_reservation(self, r: _Reservation, how: str, reason: str) -> None:
        r.how, r.ended = how, self._now
        self._untime("l", str(r.id))
        self._time(self._now + KEEP_MS, "gr", str(r.id))
        self._emit(
            cast(ChangeKind, f"reservation.{how}"),
            reservation=r.id,
            entry=r.entry,
            seat=r.seat,
            ring=r.ring,
            klass=r.klass,
            reason=reason,
        )

    def _ended(self, number: int) -> int | None:
        r = self._reservations.get(number)
        if r is not None:
            return r.ended if r.how else None
        return self._unknown.get(number)

    def _include(self, entry: str, seat: str) -> None:
        e = self._entries.get(entry)
        if e:
            e.excluded.pop(seat, None)
        left = self._exclusions.get(seat, 0) - 1
        if left > 0:
            self._exclusions[seat] = left
        else:
            self._exclusions.pop(seat, None)

    def _refuse(
        self, number: int, how: str, accepted: bool, reason: str, to: SeatTo, exclude_ms: int, now_ms: int
    ) -> bool:
        check_ms(exclude_ms)
        self._begin(now_ms)
        r = self._reservations.get(number)
        if r is None or r.how or r.accepted != accepted:
            return r is not None and r.how == how
        self._give_back(r, how, reason, to, exclude_ms)
        return True

    def _give_back(self, r: _Reservation, how: str, reason: str, to: SeatTo, exclude_ms: int) -> None:
        self._end_reservation(r, how, reason)
        e = self._entries[r.entry]
        if exclude_ms > 0:
            e.excluded[r.seat] = self._now + exclude_ms
            self._exclusions[r.seat] = self._exclusions.get(r.seat, 0) + 1
            self._time(self._now + exclude_ms, "x", r.entry, r.seat)
        self._requeue(e)
        self._release(r.seat, to, reason, own=how == "timed_out")

    def _remember_left(self, entry: str, how: str) -> None:
        self._left[entry] = (how, self._now)
        self._time(self._now + KEEP_MS, "ge", entry)

    def _drop_entry(self, e: _Entry, how: Literal["finished", "abandoned"], reason: str) -> None:
        for seat in list(e.excluded):
            self._include(e.id, seat)
            self._untime("x", e.id, seat)
        del self._entries[e.id]
        self._untime("r", e.id)
        if how == "finished":
            self._finished += 1
        else:
            self._abandoned += 1
        self._remember_left(e.id, how)
        self._emit("entry.left", entry=e.id, reason=reason, how=how, waited_ms=self._now - e.arrived)

    def _make_entry(self, entry: Entry, revive: int) -> _Entry | None:
        if entry.id in self._entries:
            return None
        left = self._left.get(entry.id)
        if left is not None and left[1] >= revive:
            return None
        self._left.pop(entry.id, None)
        self._untime("ge", entry.id)
        arrived = min(entry.arrived_ms + self._skew, self._now) if entry.arrived_ms else self._now
        e = _Entry(entry.id, arrived, entry.credit_ms, entry.steps, owner=self.owner, entered=self._now)
        self._entries[entry.id] = e
        self._entered += 1
        return e

    def _enrol(
        self, seat: str, s: _Seat | None, subs: tuple[Subscription, ...] | None, *, claim: bool = True
    ) -> tuple[_Seat, bool]:
        if s is None:
            s = self._seats[seat] = _Seat(
                seat, subs or (), self._now, self._now, owner=self.owner, signed_in=self._now
            )
            self._staff(s.subs, 1)
            return s, True
        if claim:
            s.owner = self.owner
        if subs is None or subs == s.subs:
            return s, False
        self._unset_free(s)
        self._staff(s.subs, -1)
        self._staff(subs, 1)
        s.subs = subs
        return s, True

    def _set_then(self, s: _Seat, then: Literal["", "paused", "offline"], reason: str) -> None:
        if (s.then, s.then_reason) == (then, reason):
            return
        s.then, s.then_reason = then, reason
        self._emit(
            "seat.changed",
            seat=s.id,
            state=s.state,
            reason=s.reason,
            entry=s.entry or None,
            reservation=s.reservation or None,
            then=then,
        )

    def _connect(self, r: _Reservation, e: _Entry) -> None:
        r.accepted = True
        self._untime("l", str(r.id))
        self._untime("r", e.id)
        e.state = "connected"
        self._emit(
            "reservation.accepted",
            reservation=r.id,
            entry=e.id,
            seat=r.seat,
            ring=r.ring,
            klass=r.klass,
            waited_ms=self._now - e.arrived,
        )
        self._set_seat(self._seats[r.seat], "in_contact", "", e.id, r.id)

    def _restore_pair(
        self,
        e: _Entry,
        seat: str,
        s: _Seat | None,
        subs: tuple[Subscription, ...],
        number: int,
        left: _Reservation | None,
    ) -> Reservation:
        other = self._reservations[s.reservation] if s and s.busy else None
        if s and other:
            self._end_reservation(other, "cancelled" if s.state == "reserved" else "returned", "restored")
        s, _ = self._enrol(seat, s, subs)
        self._unset_free(s)
        self._untime("w", seat)
        if number == 0 or number in self._reservations or number in self._unknown:
            number = max(self._last_reservation + 1, self._now * 10)
        self._last_reservation = max(self._last_reservation, number)
        klass = e.steps[e.ring - 1].klass
        r = _Reservation(number, e.id, seat, e.ring, klass, self._now, acked=True)
        self._reservations[number] = r
        e.reservation, e.seat = number, seat
        self._connect(r, e)
        if other:
            self._requeue(self._entries[other.entry])
        if left:
            self._release(left.seat, "available", "")
        return self._answer(number)

    # time

    def _fall_due(self, kind: str, first: str, second: str = "") -> None:
        if kind == "r":
            self._relax(self._entries[first])
        elif kind == "l":
            r = self._reservations[int(first)]
            reason = "no_answer" if r.acked else "desk_gone"
            self._give_back(r, "timed_out", reason, "paused", EXCLUDE_MS)
        elif kind == "w":
            self._release(first, "available", "")
        elif kind == "x":
            self._include(first, second)
            self._meet(first, second)
        elif kind == "ge":
            self._left.pop(first, None)
        else:
            self._reservations.pop(int(first), None)
            self._unknown.pop(int(first), None)

    def _relax(self, e: _Entry) -> None:
        start = self._advance(e)
        if e.ring == start:
            return
        klass = e.steps[e.ring - 1].klass
        waited = self._now - e.arrived
        self._emit(
            "entry.relaxed", entry=e.id, ring=e.ring, klass=klass, score=self._wall(e.score), waited_ms=waited
        )
        if e.state == "waiting":
            self._seek_seat(e, start)

    def _meet(self, entry: str, seat: str) -> None:
        e, s = self._entries.get(entry), self._seats.get(seat)
        if e is None or e.state != "waiting" or s is None or s.state != "available":
            return
        for ring, step in enumerate(e.steps[: e.ring], 1):
            order = self._free[step.klass].scores.get(seat)
            if order is not None:
                self._reserve(e, s, "pair", ring, order)
                self._unqueue(e, e.ring)
                return
