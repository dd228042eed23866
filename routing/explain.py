"""Why a decision fell as it did, and why somebody still waits: facts, in values; words are the caller's.

A *decision* is what the change ``reservation.created`` says, in a form that is kept with the contact: the stream
itself forgets. *Why waiting* is made from what the kernel holds at this moment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from routing.model import Change, LiveEntry, RingView, Server, Standing, agent_of

RingKind = Literal["wished", "district", "matter", "family", "role"]
ChosenBy = Literal["entry", "seat", "pair"]
Why = Literal["offline", "kept_apart", "not_yet", "ringing", "talking", "wrapping_up", "paused", "free"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One reservation, explained.

    ``chosen_by``: ``entry`` when the one who waited looked among ``free`` seats (``order`` is idle since plus cost,
    in ms: the smallest won), ``seat`` when a seat that came free looked among the ``waiting`` (``order`` is the
    entry's order minus the bonus), ``pair`` when the two might meet again after a time apart. ``others`` are those
    who stood next, with the values of that set; ``passed_over`` the agents who had given this contact back.
    """

    reservation: int
    agent: str
    ring: int
    klass: str
    score: int
    order: int
    waited: int
    free: int
    waiting: int
    chosen_by: ChosenBy
    passed_over: tuple[str, ...] = ()
    others: tuple[tuple[str, int], ...] = ()

    def data(self) -> dict[str, Any]:
        """What is kept beside the reservation and the agent, ready for JSON."""
        return {
            "ring": self.ring,
            "klass": self.klass,
            "score": self.score,
            "order": self.order,
            "waited": self.waited,
            "free": self.free,
            "waiting": self.waiting,
            "chosen_by": self.chosen_by,
            "passed_over": list(self.passed_over),
            "others": [list(pair) for pair in self.others],
        }


def decision_of(change: Change) -> Decision | None:
    """The decision that a ``reservation.created`` tells; None for any other change."""
    if change.kind != "reservation.created" or not change.reservation or not change.seat:
        return None
    return Decision(
        change.reservation,
        agent_of(change.seat),
        change.ring or 1,
        change.klass,
        change.score or 0,
        change.order_ms or 0,
        change.waited_ms or 0,
        change.free or 0,
        change.waiting or 0,
        cast(ChosenBy, change.chosen_by or "entry"),
        tuple(agent_of(seat) for seat in change.passed_over),
        tuple((agent_of(name) if change.chosen_by == "entry" else name, at) for name, at in change.others),
    )


def decision_from(data: Mapping[str, object]) -> Decision | None:
    """The decision kept with a contact (``reservation``, ``agent`` and ``Decision.data``); None where a reservation
    was kept without its reasons, or by a program that wrote other fields."""
    try:
        values: Any = data
        return Decision(
            int(values["reservation"]),
            str(values["agent"]),
            *(int(values["ring"]), str(values["klass"]), int(values["score"]), int(values["order"])),
            *(int(values["waited"]), int(values["free"]), int(values["waiting"])),
            cast(ChosenBy, str(values["chosen_by"])),
            tuple(str(agent) for agent in values["passed_over"] or ()),
            tuple((str(name), int(at)) for name, at in values["others"] or ()),
        )
    except (KeyError, TypeError, ValueError):
        return None


def ring_kind(klass: str) -> RingKind:
    """Which kind of ring a class of the policy belongs to."""
    fields = klass.removeprefix("message|").split("|")
    if len(fields) < 2 or fields[1].startswith("@"):
        return "wished"
    if fields[1] == "*":
        return "role"
    if fields[1].startswith("family:"):
        return "family"
    return "district" if len(fields) > 3 else "matter"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signed-in agent who could serve somebody, and why it is not now. ``until_ms``: when the reason ends by
    itself, where that is known."""

    agent: str
    seat: str
    ring: RingKind
    why: Why
    reason: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class WhyWaiting:
    """One who waits. ``before``: who comes first in the widest open ring. ``next_ring_ms``: when the search widens;
    None when it is as wide as it gets. Without ``candidates`` nobody on duty could serve it in any ring."""

    entry: LiveEntry
    now_ms: int
    before: int
    rings: tuple[RingView, ...]
    next_ring_ms: int | None
    candidates: tuple[Candidate, ...]


def why_waiting(standing: Standing) -> WhyWaiting:
    """Who could serve the entry, the nearest first, and what keeps each of them from it."""
    opened = standing.entry.ring
    later = standing.rings[opened:]
    candidates = sorted(
        (_candidate(server, standing) for server in standing.servers),
        key=lambda candidate: (_NEAREST.index(candidate.why), candidate.until_ms or 0, candidate.seat),
    )
    return WhyWaiting(
        standing.entry,
        standing.now_ms,
        standing.rings[opened - 1].before,
        standing.rings,
        later[0].opens_ms if later else None,
        tuple(candidates),
    )


def count_of(candidates: Iterable[Candidate]) -> dict[Why, int]:
    """How many candidates there are for each reason."""
    counts: dict[Why, int] = {}
    for candidate in candidates:
        counts[candidate.why] = counts.get(candidate.why, 0) + 1
    return counts


_NEAREST: tuple[Why, ...] = (
    *("free", "not_yet", "ringing", "wrapping_up", "talking", "kept_apart", "paused", "offline"),
)
_BUSY: dict[str, Why] = {
    "reserved": "ringing",
    "in_contact": "talking",
    "wrap_up": "wrapping_up",
    "paused": "paused",
    "offline": "offline",
}


def _candidate(server: Server, standing: Standing) -> Candidate:
    seat = server.seat
    ring = standing.rings[server.ring - 1]
    kind = ring_kind(ring.klass)
    agent = agent_of(seat.id)
    if seat.state in _BUSY:
        return Candidate(agent, seat.id, kind, _BUSY[seat.state], seat.reason, seat.since_ms, seat.until_ms)
    if server.excluded_until_ms:
        return Candidate(agent, seat.id, kind, "kept_apart", "", seat.since_ms, server.excluded_until_ms)
    if server.ring > standing.entry.ring:
        return Candidate(agent, seat.id, kind, "not_yet", "", seat.since_ms, ring.opens_ms)
    return Candidate(agent, seat.id, kind, "free", "", seat.since_ms)
