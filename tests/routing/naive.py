"""The specification: what the kernel must decide, said with plain lists and full scans.

No queues, no free sets, no timers, no counters: everything is looked up anew among all entries and seats. It
is slow and meant to be read.
"""

from dataclasses import dataclass, field

from routing.model import KEEP_MS, LEASE_MS, Entry, Step, Subscription, accepts_by_itself


@dataclass
class Waiting:
    id: str
    arrived: int
    credit: int
    steps: tuple[Step, ...]
    state: str = "waiting"
    opened: int = 0
    hold: int = 0

    @property
    def classes(self) -> list[str]:
        return [step.klass for step in self.steps[: self.opened]]


@dataclass
class Desk:
    id: str
    subs: tuple[Subscription, ...]
    idle: int
    state: str = "offline"
    reason: str = ""
    until: int = 0
    extended: bool = False
    then: tuple[str, str] = ("", "")
    hold: int = 0


@dataclass
class Hold:
    id: int
    entry: str
    seat: str
    expires: int
    acked: bool = False
    accepted: bool = False
    how: str = ""
    ended: int = 0


@dataclass
class Specification:
    now: int = 0
    last: int = 0
    entries: list[Waiting] = field(default_factory=list)
    seats: list[Desk] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    excluded: list[tuple[str, str, int]] = field(default_factory=list)
    left: list[tuple[str, str, int]] = field(default_factory=list)

    # ---------------------------------------------------------------------------------------- looking

    def entry(self, name: str) -> Waiting | None:
        return next((e for e in self.entries if e.id == name), None)

    def seat(self, name: str) -> Desk | None:
        return next((s for s in self.seats if s.id == name), None)

    def hold(self, number: int) -> Hold | None:
        return next((h for h in self.holds if h.id == number), None)

    def may_meet(self, e: Waiting, s: Desk) -> bool:
        kept_apart = any(pair[:2] == (e.id, s.id) for pair in self.excluded)
        return not kept_apart and any(sub.klass in e.classes for sub in s.subs)

    def staffed(self, klass: str) -> bool:
        return any(sub.klass == klass for s in self.seats for sub in s.subs)

    def best_seat(self, e: Waiting) -> Desk | None:
        """The strictest ring with anybody in it; there, the longest idle after costs."""
        for klass in e.classes:
            standing = [
                (s.idle + sub.cost_ms, s.id)
                for s in self.seats
                if s.state == "available" and self.may_meet(e, s)
                for sub in s.subs
                if sub.klass == klass
            ]
            if standing:
                return self.seat(min(standing)[1])
        return None

    def best_entry(self, s: Desk) -> Waiting | None:
        """The earliest after credit and bonus, among all classes of the seat."""
        waiting = [
            (e.arrived - e.credit - sub.bonus_ms, e.id)
            for e in self.entries
            if e.state == "waiting" and self.may_meet(e, s)
            for sub in s.subs
            if sub.klass in e.classes
        ]
        return self.entry(min(waiting)[1]) if waiting else None

    # --------------------------------------------------------------------------------------- changing

    def open_rings(self, e: Waiting) -> None:
        while e.opened < len(e.steps):
            due = e.arrived + e.steps[e.opened].after_ms <= self.now
            if not due and any(self.staffed(klass) for klass in e.classes):
                return
            e.opened += 1

    def meet(self, e: Waiting, s: Desk) -> None:
        self.last = max(self.last + 1, self.now * 10)
        self.holds.append(Hold(self.last, e.id, s.id, self.now + LEASE_MS))
        e.state, e.hold = "reserved", self.last
        s.state, s.reason, s.hold = "reserved", "", self.last
        if accepts_by_itself(s.id):
            self.holds[-1].accepted = True
            e.state, s.state = "connected", "in_contact"

    def look_for_seat(self, e: Waiting) -> None:
        found = self.best_seat(e)
        if found:
            self.meet(e, found)

    def look_for_entry(self, s: Desk) -> None:
        found = self.best_entry(s)
        if found:
            self.meet(found, s)

    def make_free(self, s: Desk, idle: int) -> None:
        s.state, s.reason, s.hold, s.until, s.then, s.idle = "available", "", 0, 0, ("", ""), idle
        self.look_for_entry(s)

    def make_paused(self, s: Desk, reason: str) -> None:
        s.state, s.reason, s.hold, s.until, s.then = "paused", reason, 0, 0, ("", "")

    def come_free(self, s: Desk, to: str, reason: str, idle: int, own: bool = False) -> None:
        if s.then[0] == "offline":
            self.seats.remove(s)
        elif s.then[0] == "paused" and not (own and to == "paused"):
            self.make_paused(s, s.then[1])
        elif to == "paused":
            self.make_paused(s, reason)
        else:
            self.make_free(s, idle)

    def end(self, h: Hold, how: str) -> None:
        h.how, h.ended = how, self.now

    def forget(self, e: Waiting, how: str) -> None:
        self.entries.remove(e)
        self.excluded = [pair for pair in self.excluded if pair[0] != e.id]
        self.left.append((e.id, how, self.now))

    def back(self, h: Hold, how: str, to: str, reason: str, exclude_ms: int, own: bool = False) -> None:
        e, s = self.entry(h.entry), self.seat(h.seat)
        assert e
        assert s
        self.end(h, how)
        if exclude_ms:
            self.excluded.append((e.id, s.id, self.now + exclude_ms))
        e.state, e.hold = "waiting", 0
        self.open_rings(e)
        self.look_for_seat(e)
        self.come_free(s, to, reason, self.now, own)

    def sign_in(self, name: str, subs: tuple[Subscription, ...] | None) -> tuple[Desk, bool]:
        s = self.seat(name)
        if s is None:
            s = Desk(name, subs or (), self.now)
            self.seats.append(s)
            return s, True
        changed = subs is not None and subs != s.subs
        s.subs = s.subs if subs is None else subs
        return s, changed

    # ------------------------------------------------------------------------------------------ steps

    def enter(self, entry: Entry) -> int | None:
        known = self.entry(entry.id)
        if known or any(name == entry.id for name, _, _ in self.left):
            return known.hold if known and known.state == "reserved" else None
        arrived = min(entry.arrived_ms or self.now, self.now)
        e = Waiting(entry.id, arrived, entry.credit_ms, entry.steps)
        self.entries.append(e)
        self.open_rings(e)
        self.look_for_seat(e)
        return e.hold or None

    def abandon(self, name: str) -> bool:
        e = self.entry(name)
        if e is None:
            if not any(left == name for left, _, _ in self.left):
                self.left.append((name, "unknown", self.now))
            return any((left, how) == (name, "abandoned") for left, how, _ in self.left)
        if e.state == "connected":
            return False
        h = self.hold(e.hold)
        self.forget(e, "abandoned")
        if h:
            s = self.seat(h.seat)
            assert s
            self.end(h, "cancelled")
            self.come_free(s, "available", "", s.idle)
        return True

    def ready(self, name: str, subs: tuple[Subscription, ...] | None) -> int | None:
        s, changed = self.sign_in(name, subs)
        if s.state in ("reserved", "in_contact"):
            s.then = ("", "")
            return s.hold if s.state == "reserved" else None
        if s.state == "available":
            if changed:
                self.look_for_entry(s)
        else:
            self.make_free(s, self.now)
        return s.hold or None

    def subscribe(self, name: str, subs: tuple[Subscription, ...]) -> int | None:
        if self.seat(name) is None:
            return None
        s, changed = self.sign_in(name, subs)
        if s.state != "available" or not changed:
            return None
        self.look_for_entry(s)
        return s.hold or None

    def pause(self, name: str, reason: str) -> str:
        s, _ = self.sign_in(name, None)
        if s.state in ("reserved", "in_contact"):
            s.then = ("paused", reason)
        else:
            self.make_paused(s, reason)
        return s.state

    def leave(self, name: str) -> str:
        s = self.seat(name)
        if s is None:
            return "offline"
        if s.state in ("reserved", "in_contact"):
            s.then = ("offline", "")
            return s.state
        self.seats.remove(s)
        return "offline"

    def acknowledge(self, number: int, ring_ms: int) -> int | None:
        h = self.hold(number)
        if h is None or h.how:
            return None
        if not h.acked and not h.accepted:
            h.acked, h.expires = True, self.now + ring_ms
        return h.id

    def accept(self, number: int) -> bool:
        h = self.hold(number)
        if h is None or h.how:
            return False
        e, s = self.entry(h.entry), self.seat(h.seat)
        assert e
        assert s
        h.accepted = True
        e.state, s.state = "connected", "in_contact"
        return True

    def give_back(self, number: int, how: str, reason: str, to: str, exclude_ms: int) -> bool:
        h = self.hold(number)
        if h is None or h.how or h.accepted != (how == "returned"):
            return h is not None and h.how == how
        self.back(h, how, to, reason, exclude_ms)
        return True

    def finish(self, number: int, wrap_up_ms: int) -> bool:
        h = self.hold(number)
        if h is None or h.how == "unknown":  # remembered, so that a late restore does not bring it to life
            self.holds = [other for other in self.holds if other is not h]
            self.holds.append(Hold(number, "", "", 0, how="unknown", ended=self.now))
            return False
        if h.how or not h.accepted:
            return h.how == "finished"
        e, s = self.entry(h.entry), self.seat(h.seat)
        assert e
        assert s
        self.end(h, "finished")
        self.forget(e, "finished")
        if wrap_up_ms:
            s.state, s.hold, s.until, s.extended = "wrap_up", 0, self.now + wrap_up_ms, False
        else:
            self.come_free(s, "available", "", self.now)
        return True

    def extend(self, name: str, ms: int) -> int | None:
        s = self.seat(name)
        if s is None or s.state != "wrap_up":
            return None
        if not s.extended:
            s.until, s.extended = s.until + ms, True
        return s.until

    # ------------------------------------------------------------------------------------------- time

    def due(self) -> list[tuple[int, str]]:
        """Everything that is scheduled, in the order in which it happens."""
        pending = [h for h in self.holds if not h.how and not h.accepted]
        relaxing = [e for e in self.entries if e.state != "connected" and e.opened < len(e.steps)]
        return sorted(
            [(h.expires, f"l\t{h.id}") for h in pending]
            + [(e.arrived + e.steps[e.opened].after_ms, f"r\t{e.id}") for e in relaxing]
            + [(s.until, f"w\t{s.id}") for s in self.seats if s.state == "wrap_up"]
            + [(until, f"x\t{e}\t{s}") for e, s, until in self.excluded]
            + [(at + KEEP_MS, f"ge\t{name}") for name, _, at in self.left]
            + [(h.ended + KEEP_MS, f"gr\t{h.id}") for h in self.holds if h.how]
        )

    def tick(self, limit: int) -> tuple[int | None, int]:
        handled = 0
        for item in [item for item in self.due() if item[0] <= self.now][:limit]:
            if item in self.due():
                handled += 1
                self.happen(*item[1].split("\t"))
        return (self.due()[0][0] if self.due() else None), handled

    def happen(self, kind: str, name: str, other: str = "") -> None:
        if kind == "l":
            h = self.hold(int(name))
            assert h
            reason = "no_answer" if h.acked else "desk_gone"
            self.back(h, "timed_out", "paused", reason, 60_000, own=True)
        elif kind == "r":
            e = self.entry(name)
            assert e
            self.open_rings(e)
            if e.state == "waiting":
                self.look_for_seat(e)
        elif kind == "w":
            s = self.seat(name)
            assert s
            self.come_free(s, "available", "", self.now)
        elif kind == "x":
            self.excluded = [pair for pair in self.excluded if pair[:2] != (name, other)]
            e, s = self.entry(name), self.seat(other)
            if e and s and e.state == "waiting" and s.state == "available" and self.may_meet(e, s):
                self.meet(e, s)
        elif kind == "ge":
            self.left = [row for row in self.left if row[0] != name]
        else:
            self.holds = [h for h in self.holds if h.id != int(name)]
