"""The kernel in plain Python, with the answers of ``functions.lua`` operation by operation.

It runs simulated days at the speed of a loop. It is not a second implementation to fall back on: in
production the kernel is always the server's. Whoever changes one of the two changes the other; the property
tests compare them.
"""

from bisect import bisect_left
from collections.abc import Iterable
from heapq import heappop
from typing import cast

from routing.errors import InvalidRouting, RoutingConflict
from routing.model import (
    EXCLUDE_MS,
    KEEP_MS,
    RING_MS,
    Counters,
    Entry,
    KnownEntry,
    LiveEntry,
    Place,
    Reservation,
    RingView,
    Seat,
    SeatState,
    Server,
    Snapshot,
    Standing,
    Subscription,
    TickResult,
    check_id,
    check_ms,
    check_reason,
    check_subscriptions,
)
from routing.twin_state import SeatTo, TwinState


class Twin(TwinState):
    """One shard in memory. The methods are those of ``Engine`` without ``await``; see there.

    ``observe`` is told of every change, in order (with an empty ``stream_id``). ``clock`` gives integer
    milliseconds where ``now_ms`` is 0.
    """

    # ------------------------------------------------------------------------------------------- entries

    def enter(self, entry: Entry, *, now_ms: int = 0, revive_ms: int = 0) -> Reservation | None:
        """See ``Engine.enter``."""
        self._begin(now_ms)
        e = self._make_entry(entry, revive_ms + self._skew if revive_ms else 0)
        if e is None:
            held = self._entries.get(entry.id)
            if held:
                held.owner = self.owner
            return self._answer(held.reservation) if held and held.state == "reserved" else None
        self._advance(e)
        self._emit(
            "entry.entered",
            entry=e.id,
            score=self._wall(e.score),
            ring=e.ring,
            klass=e.steps[e.ring - 1].klass,
        )
        return self._seek_seat(e, 0)

    def abandon(self, entry_id: str, reason: str, *, now_ms: int = 0) -> bool:
        """See ``Engine.abandon``."""
        check_id(entry_id)
        check_reason(reason)
        self._begin(now_ms)
        e = self._entries.get(entry_id)
        if e is None:
            how = self._left.get(entry_id, ("", 0))[0]
            if not how:
                self._remember_left(entry_id, "unknown")
            return how == "abandoned"
        if e.state == "connected":
            return False
        held = self._reservations[e.reservation] if e.state == "reserved" else None
        if held:
            self._end_reservation(held, "cancelled", reason)
        else:
            self._unqueue(e, e.ring)
        self._drop_entry(e, "abandoned", reason)
        if held:
            self._release(held.seat, "available", "", idle=self._seats[held.seat].idle)
        return True

    def place(self, entry_id: str) -> Place | None:
        """See ``Engine.place``."""
        e = self._entries.get(check_id(entry_id))
        if e is None:
            return None
        seats = max(self._staffed.get(step.klass, 0) for step in e.steps)
        return Place(self._places[e.steps[-1].klass].rank(e.id), seats)

    # --------------------------------------------------------------------------------------------- seats

    def ready(
        self, seat: str, subscriptions: Iterable[Subscription] | None = None, *, now_ms: int = 0
    ) -> Reservation | None:
        """See ``Engine.ready``."""
        subs = None if subscriptions is None else check_subscriptions(subscriptions)
        self._begin(now_ms)
        known = self._seats.get(check_id(seat))
        was = known.state if known else None
        s, changed = self._enrol(seat, known, subs)
        if s.busy:
            self._set_then(s, "", "")
            return self._answer(s.reservation) if was == "reserved" else None
        if was == "available" and not changed:
            return None
        if was == "wrap_up":
            self._untime("w", seat)
            s.then, s.then_reason = "", ""
        return self._seek_entry(s, s.idle if was == "available" else self._now)

    def subscribe(
        self, seat: str, subscriptions: Iterable[Subscription], *, now_ms: int = 0
    ) -> Reservation | None:
        """See ``Engine.subscribe``."""
        subs = check_subscriptions(subscriptions)
        self._begin(now_ms)
        known = self._seats.get(check_id(seat))
        if known is None:
            return None
        s, changed = self._enrol(seat, known, subs, claim=False)
        return self._seek_entry(s, s.idle) if s.state == "available" and changed else None

    def pause(
        self,
        seat: str,
        reason: str,
        subscriptions: Iterable[Subscription] | None = None,
        *,
        now_ms: int = 0,
    ) -> SeatState:
        """See ``Engine.pause``."""
        subs = None if subscriptions is None else check_subscriptions(subscriptions)
        check_id(seat)
        check_reason(reason)
        self._begin(now_ms)
        s, _ = self._enrol(seat, self._seats.get(seat), subs)
        if s.busy:
            self._set_then(s, "paused", reason)
            return cast(SeatState, s.state)
        self._unset_free(s)
        self._untime("w", seat)
        if s.state != "paused" or s.reason != reason:
            self._set_seat(s, "paused", reason)
        return "paused"

    def leave(self, seat: str, *, now_ms: int = 0) -> SeatState:
        """See ``Engine.leave``."""
        self._begin(now_ms)
        s = self._seats.get(check_id(seat))
        if s is None:
            return "offline"
        if s.busy:
            self._set_then(s, "offline", "")
            return cast(SeatState, s.state)
        self._unset_free(s)
        self._sign_out(s)
        return "offline"

    def extend_wrap_up(self, seat: str, ms: int, *, now_ms: int = 0) -> int | None:
        """See ``Engine.extend_wrap_up``."""
        check_ms(ms)
        self._begin(now_ms)
        s = self._seats.get(check_id(seat))
        if s is None or s.state != "wrap_up":
            return None
        if not s.extended:
            s.until, s.extended = s.until + ms, True
            self._time(s.until, "w", seat)
            self._emit(
                "seat.changed", seat=seat, state="wrap_up", reason=s.reason, until_ms=self._wall(s.until)
            )
        return self._wall(s.until)

    def staffed(self, *classes: str) -> tuple[int, ...]:
        """See ``Engine.staffed``."""
        return tuple(self._staffed.get(klass, 0) for klass in classes)

    # -------------------------------------------------------------------------------------- reservations

    def acknowledge(self, reservation: int, *, ring_ms: int = RING_MS, now_ms: int = 0) -> Reservation | None:
        """See ``Engine.acknowledge``."""
        check_ms(ring_ms)
        self._begin(now_ms)
        r = self._reservations.get(reservation)
        if r is None or r.how:
            return None
        if not r.acked and not r.accepted:
            r.acked, r.expires = True, self._now + ring_ms
            self._time(r.expires, "l", str(r.id))
            self._emit(
                "reservation.acknowledged",
                reservation=r.id,
                entry=r.entry,
                seat=r.seat,
                expires_ms=self._wall(r.expires),
            )
        return self._answer(r.id)

    def accept(self, reservation: int, *, now_ms: int = 0) -> bool:
        """See ``Engine.accept``."""
        self._begin(now_ms)
        r = self._reservations.get(reservation)
        if r is None or r.how:
            return False
        if not r.accepted:
            self._connect(r, self._entries[r.entry])
        return True

    def reject(
        self,
        reservation: int,
        reason: str,
        seat_to: SeatTo = "paused",
        *,
        exclude_ms: int = EXCLUDE_MS,
        now_ms: int = 0,
    ) -> bool:
        """See ``Engine.reject``."""
        return self._refuse(reservation, "rejected", False, check_reason(reason), seat_to, exclude_ms, now_ms)

    def give_back(
        self,
        reservation: int,
        reason: str,
        seat_to: SeatTo = "paused",
        *,
        exclude_ms: int = EXCLUDE_MS,
        now_ms: int = 0,
    ) -> bool:
        """See ``Engine.give_back``."""
        return self._refuse(reservation, "returned", True, check_reason(reason), seat_to, exclude_ms, now_ms)

    def finish(self, reservation: int, wrap_up_ms: int, *, now_ms: int = 0) -> bool:
        """See ``Engine.finish``."""
        check_ms(wrap_up_ms)
        self._begin(now_ms)
        r = self._reservations.get(reservation)
        if r is None:
            self._unknown[reservation] = self._now
            self._time(self._now + KEEP_MS, "gr", str(reservation))
            return False
        if r.how or not r.accepted:
            return r.how == "finished"
        self._end_reservation(r, "finished", "")
        self._drop_entry(self._entries[r.entry], "finished", "")
        if wrap_up_ms > 0:
            self._time(self._now + wrap_up_ms, "w", r.seat)
            self._set_seat(self._seats[r.seat], "wrap_up", "", until=self._now + wrap_up_ms)
        else:
            self._release(r.seat, "available", "")
        return True

    def restore(
        self,
        known: KnownEntry,
        subscriptions: Iterable[Subscription],
        *,
        now_ms: int = 0,
        revive_ms: int = 0,
        take_over: bool = False,
    ) -> Reservation | None:
        """See ``Engine.restore``."""
        if known.seat is None:
            raise InvalidRouting("only an entry in contact is restored; a waiting one enters")
        subs = check_subscriptions(subscriptions)
        self._begin(now_ms)
        revive = revive_ms + self._skew if revive_ms else 0
        e, s = self._entries.get(known.entry.id), self._seats.get(known.seat)
        if e and e.state != "waiting" and e.seat == known.seat:
            if e.state == "reserved":
                self._connect(self._reservations[e.reservation], e)
            e.owner = self._seats[known.seat].owner = self.owner
            return self._answer(e.reservation)
        ended = self._ended(known.reservation)
        if ended is not None and ended >= revive:
            return None
        if s and s.state == "in_contact" and not take_over:
            raise RoutingConflict("the seat is in contact")
        if e and e.state == "connected" and not take_over:
            raise RoutingConflict("the entry is in contact")
        left = self._reservations[e.reservation] if e and e.state != "waiting" else None
        if e and left:
            self._end_reservation(left, "cancelled" if e.state == "reserved" else "returned", "restored")
        elif e:
            self._unqueue(e, e.ring)
        if e:
            e.owner = self.owner
        else:
            e = self._make_entry(known.entry, revive)
            if e is None:
                return None
            e.ring = 1
            self._emit("entry.entered", entry=e.id, score=self._wall(e.score), ring=1, klass=e.steps[0].klass)
        return self._restore_pair(e, known.seat, s, subs, known.reservation, left)

    # ------------------------------------------------------------------------------------- time and view

    def tick(self, *, limit: int = 200, now_ms: int = 0) -> TickResult:
        """See ``Engine.tick``."""
        self._begin(now_ms)
        batch: list[tuple[int, str, tuple[str, ...]]] = []
        while self._heap and self._heap[0][0] <= self._now and len(batch) < limit:
            item = heappop(self._heap)
            if self._timers.get(item[2]) == item[0] and (not batch or batch[-1] != item):
                batch.append(item)
        handled = 0
        for _, _, timer in batch:
            if self._timers.get(timer, self._now + 1) <= self._now:
                del self._timers[timer]
                handled += 1
                self._fall_due(*timer)
        return TickResult(self._next_due(), handled)

    def find_entry(self, entry_id: str) -> LiveEntry | None:
        """See ``Engine.find_entry``."""
        e = self._entries.get(check_id(entry_id))
        return self._entry_view(e) if e else None

    def find_seat(self, seat_id: str) -> Seat | None:
        """See ``Engine.find_seat``."""
        s = self._seats.get(check_id(seat_id))
        return self._view(s) if s else None

    def standing(self, entry_id: str, *, now_ms: int = 0) -> Standing | None:
        """See ``Engine.standing``."""
        e = self._entries.get(check_id(entry_id))
        if e is None:
            return None
        rings = []
        for step in e.steps:
            queue = self._queues[step.klass].rows
            before, seats = bisect_left(queue, (e.score, "")), self._staffed.get(step.klass, 0)
            free, opens = len(self._free[step.klass].rows), self._wall(e.arrived + step.after_ms)
            rings.append(RingView(opens, step.klass, seats, free, before, len(queue)))
        ring_of = {step.klass: ring for ring, step in enumerate(e.steps, 1)}
        servers = []
        for s in self._seats.values():
            shared = [(ring_of[sub.klass], sub) for sub in s.subs if sub.klass in ring_of]
            if shared:
                ring, sub = min(shared, key=lambda pair: pair[0])
                until = self._wall(e.excluded[s.id]) if s.id in e.excluded else None
                servers.append(
                    Server(self._view(s), ring, sub.bonus_ms, sub.cost_ms, self._wall(s.idle), until)
                )
        now = self._wall(max((now_ms or self._clock()) + self._skew, self._now))
        return Standing(now, self._entry_view(e), self._wall(e.score), tuple(rings), tuple(servers))

    def next_due_ms(self) -> int | None:
        """When something falls due next: where a simulation may jump to."""
        return self._next_due()

    def snapshot(self) -> Snapshot:
        """See ``Engine.snapshot``."""
        entries, reservations = [], []
        for e in self._entries.values():
            entries.append(self._entry_view(e))
            if e.reservation:
                reservations.append(self._answer(e.reservation))
        counters = Counters(self._entered, self._finished, self._abandoned)
        seats = tuple(self._view(s) for s in self._seats.values())
        return Snapshot(self._wall(self._now), "", tuple(entries), seats, tuple(reservations), counters)
