"""State machines as data: a table of moves, and the one function that reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from switchboard.clinic.errors import CaseOver, NotNow, NotYours

SYSTEM = "system"
CITIZEN = "citizen"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. ``id`` is an account, a terminal or a party; ``role`` a profession or ``citizen``."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class Move:
    """``verb`` leads from any of ``since`` to ``to`` (None: the state stays); ``by`` are the roles that may."""

    verb: str
    since: frozenset[str]
    to: str | None
    by: frozenset[str]


def move(verb: str, since: str, to: str | None, by: str) -> Move:
    """The same with names parted by spaces."""
    return Move(verb, frozenset(since.split()), to, frozenset(by.split()))


@dataclass(frozen=True)
class Machine:
    """``begin`` is the first state, ``final`` those that nothing leads out of."""

    begin: str
    final: frozenset[str]
    moves: tuple[Move, ...]
    _table: Mapping[str, tuple[Move, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table: dict[str, tuple[Move, ...]] = {}
        for one in self.moves:
            table[one.verb] = (*table.get(one.verb, ()), one)
        object.__setattr__(self, "_table", table)

    @property
    def states(self) -> frozenset[str]:
        named = (one.since | ({one.to} if one.to else set()) for one in self.moves)
        return frozenset({self.begin}).union(self.final, *named)

    def verbs(self, state: str, role: str) -> tuple[str, ...]:
        """What this role may do now, in the order of the table."""
        return tuple(dict.fromkeys(one.verb for one in self.moves if state in one.since and role in one.by))

    def after(self, state: str, verb: str, role: str) -> str:
        """The state to which ``verb`` leads. Raises CaseOver, NotNow, NotYours."""
        here = [one for one in self._table.get(verb, ()) if state in one.since]
        if not here:
            raise CaseOver if state in self.final else NotNow
        for one in here:
            if role in one.by:
                return one.to or state
        raise NotYours

    def reachable(self) -> frozenset[str]:
        """The states that some way leads to."""
        found, fresh = {self.begin}, {self.begin}
        while fresh:
            fresh = {one.to for one in self.moves if one.to and one.since & fresh} - found
            found |= fresh
        return frozenset(found)


def machine(begin: str, final: str, moves: Iterable[Move]) -> Machine:
    return Machine(begin, frozenset(final.split()), tuple(moves))
