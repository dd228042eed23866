"""How long a caller will wait, out of nothing but the stream of changes.

A Markov chain of the queue's length at the level of a role: with ``n`` before me, ``c`` volunteers at work, a mean
service time ``s`` and a patience that ends at the rate ``a``, the queue before me moves at ``c/s + n*a``, then at
``c/s + (n-1)*a`` and so on; the sum of the expected steps is my wait. What this leaves out (skills, languages, own
skill first) is learned from the waits that ended lately, as one factor for each matter and language.

Said as a band, never as a number, and not at all without a recent sample.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field

from routing.model import Change, SeatState, Snapshot

RECENT_MS = 3_600_000
"""A role in which nobody finished a contact for so long is not estimated."""
LEAST_SAMPLE = 5
_FADE_MS = 1_800_000
_SERVICE_WEIGHT = 0.02
_FACTOR_STEP = 0.025
_FACTOR_MOST = 1.2
_SEARCH_WEIGHT = 0.05
_AT_ONCE_MS = 500
_ON_DUTY: frozenset[SeatState] = frozenset({"available", "reserved", "in_contact", "wrap_up"})
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Band:
    """What is said to a caller: minutes from ``low_min`` to ``high_min``; None: more than ``low_min``."""

    low_min: int
    high_min: int | None


BANDS = tuple(
    Band(low, high)
    for low, high in (
        *((0, 1), (1, 3), (3, 5), (5, 10), (10, 15)),
        *((15, 20), (20, 30), (30, 45), (45, 60), (60, None)),
    )
)


def band_of(estimate_ms: int) -> Band:
    """The band in which a wait lies."""
    for band in BANDS:
        if band.high_min is None or estimate_ms < band.high_min * MINUTE_MS:
            return band
    return BANDS[-1]


@dataclass(frozen=True, slots=True)
class RoleLoad:
    """One role now. ``estimate_ms`` is for a caller who comes now; None without a recent sample. ``free``,
    ``on_duty``: volunteers; ``oldest_ms``: when the first of those who wait arrived."""

    waiting: int
    oldest_ms: int | None
    free: int
    on_duty: int
    estimate_ms: int | None


@dataclass(slots=True)
class _Role:
    queue: list[tuple[int, str]] = field(default_factory=list)
    seats: dict[str, SeatState] = field(default_factory=dict)
    on_duty: int = 0
    free: int = 0
    service_ms: float = 0.0
    ring_ms: float = 5_000.0
    search_ms: float = 14_000.0
    finished: int = 0
    finished_ms: int = 0
    left: float = 0.0
    waited_ms: float = 0.0
    faded_ms: int = 0


@dataclass(slots=True)
class _Waiting:
    role: str
    score: int
    since_ms: int
    kind: str
    guess_ms: int | None
    searches: bool
    queued: bool = False
    reserved_ms: int = 0


@dataclass(slots=True)
class _Seat:
    role: str
    begun_ms: int = 0
    served: bool = False


class Estimator:
    """Feed it every ``Change`` in order. ``role_of`` names the role of a seat, None for one that it does not know
    (message seats, strangers): such a seat counts nowhere. ``priority_ms`` credits need no word here: the order of the
    queue is the score."""

    def __init__(self, role_of: Callable[[str], str | None]) -> None:
        self._role_of = role_of
        self._roles: dict[str, _Role] = {}
        self._entries: dict[str, _Waiting] = {}
        self._seats: dict[str, _Seat] = {}
        self._factors: dict[str, float] = {}

    # ---- what happened

    def take(self, change: Change) -> None:
        """One transition. Of kinds and seats that it does not know it takes no notice."""
        kind = change.kind
        if kind == "seat.changed" and change.seat:
            self._seat_changed(change.seat, change)
        elif kind == "stream.reset":
            self.forget()
        elif not change.entry:
            return
        elif kind == "entry.entered":
            self._entered(change.entry, change)
        elif kind == "entry.left":
            self._left(change.entry, change)
        elif kind == "reservation.created":
            self._reserved(change.entry, change.at_ms)
        elif kind == "reservation.accepted":
            self._accepted(change.entry, change)
        elif kind in ("reservation.rejected", "reservation.timed_out", "reservation.returned"):
            self._queue_again(change.entry)

    def forget(self) -> None:
        """Who waits and who sits where is not known any more; what was learned stays."""
        self._entries.clear()
        self._seats.clear()
        for role in self._roles.values():
            role.queue.clear()
            role.seats.clear()
            role.on_duty = role.free = 0

    def begin(self, snapshot: Snapshot) -> None:
        """What lives already, before the first change after the snapshot is taken."""
        self.forget()
        for seat in snapshot.seats:
            # In contact or wrapping up already: when that began is not known, so it is no sample.
            self.take(Change("", 0, seat.since_ms, "seat.changed", seat=seat.id, state=seat.state))
            if known := self._seats.get(seat.id):
                known.begun_ms = 0
        for entry in snapshot.entries:
            if entry.state != "connected":
                score = entry.arrived_ms - entry.credit_ms
                fields = {"entry": entry.id, "score": score, "klass": entry.klass}
                self.take(Change("", 0, entry.arrived_ms, "entry.entered", **fields))
                if entry.state == "reserved":
                    self._reserved(entry.id, snapshot.now_ms)

    def _entered(self, entry: str, change: Change) -> None:
        if entry in self._entries:
            return
        role, _, about = change.klass.partition("|")
        if role.startswith("@"):
            role, about = self._role_of(f"{role[1:]}/live") or "", ""
        if not role or not about:
            return
        score = change.score if change.score is not None else change.at_ms
        parts = about.split("|")
        kind = "|".join((role, *parts[:2]))
        seen = self._role(role)
        ahead = bisect_left(seen.queue, (score, entry))
        guess = self._said(role, kind, ahead, change.at_ms)
        self._entries[entry] = waiting = _Waiting(role, score, change.at_ms, kind, guess, seen.free > ahead)
        self._put(entry, waiting)

    def _put(self, entry: str, waiting: _Waiting) -> None:
        if not waiting.queued:
            insort(self._role(waiting.role).queue, (waiting.score, entry))
            waiting.queued = True

    def _take_out(self, entry: str, waiting: _Waiting) -> None:
        if waiting.queued:
            queue = self._role(waiting.role).queue
            at = bisect_left(queue, (waiting.score, entry))
            if at < len(queue) and queue[at][1] == entry:
                del queue[at]
            waiting.queued = False

    def _reserved(self, entry: str, at_ms: int) -> None:
        if waiting := self._entries.get(entry):
            self._take_out(entry, waiting)
            waiting.reserved_ms = at_ms

    def _queue_again(self, entry: str) -> None:
        if waiting := self._entries.get(entry):
            self._put(entry, waiting)

    def _accepted(self, entry: str, change: Change) -> None:
        waiting = self._entries.pop(entry, None)
        if waiting is None:
            return
        role = self._role(waiting.role)
        self._take_out(entry, waiting)
        waited_ms = max(1, change.at_ms - waiting.since_ms)
        self._fade(role, change.at_ms)
        role.waited_ms += waited_ms
        if waiting.reserved_ms:
            role.ring_ms += 0.05 * (change.at_ms - waiting.reserved_ms - role.ring_ms)
        if waiting.reserved_ms - waiting.since_ms > _AT_ONCE_MS:
            self._learn(role, waiting, waited_ms, ended=True)

    def _learn(self, role: _Role, waiting: _Waiting, waited_ms: int, *, ended: bool) -> None:
        """One step towards the true wait. Whoever gave up sooner than was said teaches nothing."""
        if waiting.searches:
            if ended:
                role.search_ms += _SEARCH_WEIGHT * (min(waited_ms, 60_000) - role.search_ms)
        elif waiting.guess_ms and (ended or waited_ms > waiting.guess_ms):
            step = _FACTOR_STEP if waited_ms > waiting.guess_ms else -_FACTOR_STEP
            known = self._factors.get(waiting.kind, 0.0)
            self._factors[waiting.kind] = max(-_FACTOR_MOST, min(_FACTOR_MOST, known + step))

    def _left(self, entry: str, change: Change) -> None:
        waiting = self._entries.pop(entry, None)
        if waiting is None:
            return
        self._take_out(entry, waiting)
        if change.how == "abandoned":
            role = self._role(waiting.role)
            self._fade(role, change.at_ms)
            waited_ms = max(0, change.at_ms - waiting.since_ms)
            role.waited_ms += waited_ms
            role.left += 1
            self._learn(role, waiting, waited_ms, ended=False)

    def _seat_changed(self, name: str, change: Change) -> None:
        state = change.state or "offline"
        seat = self._seats.get(name)
        if seat is None:
            role_name = self._role_of(name)
            if role_name is None:
                return
            seat = self._seats[name] = _Seat(role_name)
        role = self._role(seat.role)
        before = role.seats.get(name, "offline")
        role.on_duty += (state in _ON_DUTY) - (before in _ON_DUTY)
        role.free += (state == "available") - (before == "available")
        if state == "offline":
            role.seats.pop(name, None)
            del self._seats[name]
        else:
            role.seats[name] = state
        self._cycle(role, seat, state, change.at_ms)

    def _cycle(self, role: _Role, seat: _Seat, state: SeatState, at_ms: int) -> None:
        """From being reserved until being free again: what one contact costs a volunteer."""
        if state == "in_contact":
            seat.served = True
            return
        if state == "wrap_up":
            return
        if seat.served and seat.begun_ms:
            took = float(at_ms - seat.begun_ms)
            role.finished += 1
            role.finished_ms = at_ms
            weight = max(_SERVICE_WEIGHT, 1 / role.finished)
            role.service_ms += weight * (took - role.service_ms)
        seat.served = False
        seat.begun_ms = at_ms if state == "reserved" else 0

    def _role(self, name: str) -> _Role:
        return self._roles.setdefault(name, _Role())

    def _fade(self, role: _Role, now_ms: int) -> None:
        gone = now_ms - role.faded_ms
        if gone > 0:
            keep = math.exp(-gone / _FADE_MS) if role.faded_ms else 1.0
            role.left *= keep
            role.waited_ms *= keep
            role.faded_ms = now_ms

    # ---- what it means

    def estimate(self, entry: str, now_ms: int) -> int | None:
        """How much longer an entry that waits will wait, in milliseconds; None when nobody can say."""
        waiting = self._entries.get(entry)
        if waiting is None or not self._recent(waiting.role, now_ms):
            return None
        if not waiting.queued:
            return round(self._role(waiting.role).ring_ms)
        ahead = bisect_left(self._role(waiting.role).queue, (waiting.score, entry))
        return self._said(waiting.role, waiting.kind, ahead, now_ms)

    def newcomer(self, role: str, now_ms: int, *, matter: str = "", language: str = "") -> int | None:
        """How long a caller who comes now would wait; None when nobody can say."""
        if not self._recent(role, now_ms):
            return None
        known = self._role(role)
        ahead = bisect_left(known.queue, (now_ms, ""))
        if known.free > ahead:
            return round(known.ring_ms)
        return self._said(role, f"{role}|{matter}|{language}", ahead, now_ms)

    def load(self, role: str, now_ms: int) -> RoleLoad:
        """The whole role, for the overload steps and the board."""
        known = self._role(role)
        oldest = min((self._entries[e].since_ms for _, e in known.queue if e in self._entries), default=None)
        return RoleLoad(len(known.queue), oldest, known.free, known.on_duty, self.newcomer(role, now_ms))

    def _recent(self, role: str, now_ms: int) -> bool:
        known = self._roles.get(role)
        return (
            known is not None and known.finished >= LEAST_SAMPLE and now_ms - known.finished_ms <= RECENT_MS
        )

    def _said(self, role: str, kind: str, ahead: int, now_ms: int) -> int | None:
        known = self._role(role)
        if known.finished < LEAST_SAMPLE or not known.service_ms or not known.on_duty:
            return None
        if (
            known.free > ahead
        ):  # somebody of the role is free, of another skill: the search widens in a moment
            return round(known.search_ms)
        self._fade(known, now_ms)
        patience = (known.left + 1) / (known.waited_ms + 600_000)
        rate = known.on_duty / known.service_ms
        steps_ms = sum(1 / (rate + n * patience) for n in range(ahead - known.free, -1, -1))
        factor = math.exp(self._factors.get(kind, 0.0))
        return round(max(known.search_ms, (known.ring_ms + steps_ms) * factor))
