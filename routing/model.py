"""The words of the kernel as frozen values.

An *entry* is one waiting item, a *seat* one place at which an agent takes one contact at a time
(``"v001/live"``), a *class* an opaque string that both sides name. An entry opens its steps one after the
other and waits in the queue of every opened class; an available seat stands in the free set of every class it
subscribes to.

All times are integer milliseconds since 1970 of the server's clock.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from routing.errors import InvalidRouting

SeatState = Literal["offline", "available", "reserved", "in_contact", "wrap_up", "paused"]
EntryState = Literal["waiting", "reserved", "connected"]
ChangeKind = Literal[
    "entry.entered",
    "entry.relaxed",
    "entry.left",
    "seat.changed",
    "reservation.created",
    "reservation.acknowledged",
    "reservation.accepted",
    "reservation.rejected",
    "reservation.timed_out",
    "reservation.cancelled",
    "reservation.returned",
    "reservation.finished",
    "stream.reset",
]

LEASE_MS = 2_000
"""How long a reservation lives until the desk has acknowledged it."""
RING_MS = 15_000
"""How long it lives from then on, unless the seat needs longer to be rung."""
EXCLUDE_MS = 60_000
"""How long a seat that gave an entry back is not tried for it again."""
OTHERS = 3
"""How many of those who stood behind the chosen one a decision names."""
KEEP_MS = 600_000
"""How long an ended entry or reservation is remembered, so that a late repetition changes nothing."""

MAX_STEPS = 16
MAX_SUBSCRIPTIONS = 512
_ID = re.compile(r"[A-Za-z0-9_.:@/+-]{1,100}")
_REASON = re.compile(r"[a-z0-9_.]{0,40}")
_CLASS = re.compile(r"[^\s\x00-\x1f]{1,200}")


@dataclass(frozen=True, slots=True)
class Step:
    """One ring: ``after_ms`` after arrival the entry may also be served by seats of ``klass``."""

    after_ms: int
    klass: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One waiting item. Its order is ``arrived_ms - credit_ms``, the same in every queue and for ever.

    ``arrived_ms`` 0 means now. The last step should be the widest: it decides the place in the order.
    Raises InvalidRouting for what the kernel cannot hold.
    """

    id: str
    arrived_ms: int
    credit_ms: int
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        check_id(self.id)
        check_ms(self.arrived_ms, self.credit_ms, signed=True)
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise InvalidRouting(f"an entry needs 1 to {MAX_STEPS} steps, not {len(self.steps)}")
        if len({step.klass for step in self.steps}) != len(self.steps):
            raise InvalidRouting("an entry names one class twice")
        after = 0
        if self.steps[0].after_ms != 0:
            raise InvalidRouting("the first step of an entry opens at once")
        for step in self.steps:
            check_class(step.klass)
            check_ms(step.after_ms)
            if step.after_ms < after:
                raise InvalidRouting("the steps of an entry are not in the order of their times")
            after = step.after_ms


@dataclass(frozen=True, slots=True)
class Subscription:
    """A seat takes entries of ``klass``.

    ``bonus_ms`` counts when the seat chooses an entry (its order minus the bonus: smallest first),
    ``cost_ms`` when an entry chooses a seat (idle since plus the cost: smallest first).
    """

    klass: str
    bonus_ms: int = 0
    cost_ms: int = 0

    def __post_init__(self) -> None:
        check_class(self.klass)
        check_ms(self.bonus_ms, self.cost_ms, signed=True)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The hold of one seat for one entry. ``id`` grows for ever and fences out stale answers.

    ``ring`` is the number of the step (1 is the strictest) through which the two met.
    """

    id: int
    entry: str
    seat: str
    ring: int
    klass: str
    expires_ms: int
    acknowledged: bool = False
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat as it stands. ``then`` is what was asked while it was busy: applied when it comes free.
    ``owner`` is the node at which its desk stands."""

    id: str
    state: SeatState
    reason: str
    since_ms: int
    until_ms: int | None = None
    then: Literal["", "paused", "offline"] = ""
    then_reason: str = ""
    reservation: int | None = None
    entry: str | None = None
    owner: str = ""
    signed_in_ms: int = 0


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """An entry as it stands. ``ring`` is the number of opened steps, ``klass`` the widest of them.
    ``owner`` is the node that speaks for it."""

    id: str
    state: EntryState
    arrived_ms: int
    credit_ms: int
    ring: int
    klass: str
    reservation: int | None = None
    seat: str | None = None
    owner: str = ""
    entered_ms: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """``ahead``: waiting entries before this one that could take the same seats. ``seats``: seats signed in
    (any state but offline) that serve it in its widest ring."""

    ahead: int
    seats: int


@dataclass(frozen=True, slots=True)
class RingView:
    """One ring of a living entry: when it opens, how many ``seats`` are signed in and ``free`` in its class, how
    many entries wait there and how many of them come first."""

    opens_ms: int
    klass: str
    seats: int
    free: int
    before: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Server:
    """A seat that could take an entry: through which ring (1 is the strictest), with which bonus and cost there,
    idle since when, and until when it is kept away from this entry."""

    seat: Seat
    ring: int
    bonus_ms: int
    cost_ms: int
    idle_ms: int
    excluded_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """All about one living entry at one moment: its order, its rings, and who could serve it."""

    now_ms: int
    entry: LiveEntry
    score: int
    rings: tuple[RingView, ...]
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True)
class TickResult:
    """``next_due_ms`` is None when nothing is scheduled; ``handled`` counts what fell due in this call."""

    next_due_ms: int | None
    handled: int


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the state began: ``entered == finished + abandoned + live`` at all times."""

    entered: int = 0
    finished: int = 0
    abandoned: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that lives. ``stream_id``: changes after this id happened after the snapshot."""

    now_ms: int
    stream_id: str
    entries: tuple[LiveEntry, ...]
    seats: tuple[Seat, ...]
    reservations: tuple[Reservation, ...]
    counters: Counters = Counters()


@dataclass(frozen=True, slots=True)
class Change:
    """One transition, with what explaining it needs. Fields that do not belong to the kind are None or empty.

    ``seq`` counts all changes of a shard without a gap. ``score`` is the entry's order, ``order_ms`` the
    value that won the comparison, ``how`` whether an entry left ``finished`` or ``abandoned``, ``chosen_by``
    who looked (``entry``, ``seat`` or ``pair`` when an exclusion ended), ``free`` and ``waiting`` how many
    stood in that class, ``passed_over`` the seats that were excluded for this entry, ``others`` who stood next
    to the chosen one with their values: seats where the entry chose, entries where the seat chose.
    """

    stream_id: str
    seq: int
    at_ms: int
    kind: ChangeKind
    entry: str | None = None
    seat: str | None = None
    reservation: int | None = None
    reason: str = ""
    how: str = ""
    state: SeatState | None = None
    then: str = ""
    ring: int | None = None
    klass: str = ""
    score: int | None = None
    order_ms: int | None = None
    chosen_by: str = ""
    free: int | None = None
    waiting: int | None = None
    passed_over: tuple[str, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    waited_ms: int | None = None
    expires_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """For ``reconcile``: an entry that the owner knows to live. With ``seat`` (and the ``reservation`` it was
    connected under) it is in contact; without, it waits."""

    entry: Entry
    seat: str | None = None
    reservation: int = 0


@dataclass(frozen=True, slots=True)
class KnownSeat:
    """For ``reconcile``: a seat that is signed in. ``available`` False means paused with ``reason``. A seat
    in contact is named by its KnownEntry; what is said here applies when it comes free."""

    id: str
    subscriptions: tuple[Subscription, ...] = field(default=())
    available: bool = True
    reason: str = ""


def check_id(value: str) -> str:
    """Return the id of an entry or seat, or raise InvalidRouting."""
    if not _ID.fullmatch(value):
        raise InvalidRouting("an id must be 1 to 100 letters, digits or _.:@/+-")
    return value


def check_reason(value: str) -> str:
    """Return the reason (a code, never words of a person), or raise InvalidRouting."""
    if not _REASON.fullmatch(value):
        raise InvalidRouting("a reason must be at most 40 small letters, digits, dots or underscores")
    return value


def check_class(value: str) -> str:
    """Return the class name, or raise InvalidRouting."""
    if not _CLASS.fullmatch(value):
        raise InvalidRouting("a class must be 1 to 200 characters without white space")
    return value


def check_ms(*values: int, signed: bool = False) -> None:
    """Raise InvalidRouting for a time that would not stay exact in a sorted set's score."""
    for value in values:
        if abs(value) >= 10_000_000_000_000 or (value < 0 and not signed):
            raise InvalidRouting(f"{value} is no time in milliseconds")


def check_subscriptions(subscriptions: Iterable[Subscription]) -> tuple[Subscription, ...]:
    """Return them as a tuple, or raise InvalidRouting when there are too many or one class twice."""
    known = tuple(subscriptions)
    if len(known) > MAX_SUBSCRIPTIONS:
        raise InvalidRouting(f"a seat takes at most {MAX_SUBSCRIPTIONS} classes, not {len(known)}")
    if len({sub.klass for sub in known}) != len(known):
        raise InvalidRouting("a seat names one class twice")
    return known


def live_seat(agent_id: str) -> str:
    """The seat at which an agent talks, by voice or video: one contact at a time."""
    return f"{agent_id}/live"


def message_seats(agent_id: str, count: int) -> tuple[str, ...]:
    """The seats at which an agent holds messages, beside the live one: ``count`` of them, one message each.

    The kernel knows them by their name: nobody rings, a message is in contact with such a seat from the moment
    the two meet. ``Engine.accept`` does no harm.
    """
    return tuple(f"{agent_id}/message-{n}" for n in range(1, count + 1))


def accepts_by_itself(seat: str) -> bool:
    """Whether what is reserved for this seat is in contact with it at once."""
    return "/message-" in seat


def agent_of(seat: str) -> str:
    """Whose seat it is."""
    return seat.partition("/")[0]
