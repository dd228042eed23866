"""A day as data: who calls when and about what, who is on duty, and how people behave.

Everything random is drawn here, before anything runs: two rules that are tried on one day meet the same callers,
the same patience, the same handle times and the same volunteers who do not pick up.
"""

from dataclasses import dataclass, field
from datetime import date

from routing.policy import Volunteer

MIDNIGHT_MS = 1_767_225_600_000
"""Where the simulated clock starts: any day does, the kernel only needs milliseconds since 1970."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller. Times are milliseconds, ``arrived_ms`` since midnight.

    ``handle_ms`` is the talk with somebody of the own skill; others take longer (``Habits``). ``ring_ms`` is how
    long whoever picks up takes to do so. ``draw`` seeds everything else that is random about this caller.
    """

    id: str
    arrived_ms: int
    matter: str
    language: str
    district: str
    priority: int
    patience_ms: int
    handle_ms: int
    ring_ms: int
    wrap_up_ms: int
    draw: int

    def chance(self, what: int) -> float:
        """A number in [0, 1) that belongs to this caller and to ``what`` (a small number), the same in every run."""
        # The finisher of splitmix64: cheap, and neighbouring numbers come out unlike each other.
        z = (self.draw * 0x9E3779B97F4A7C15 + what * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) >> 11) / (1 << 53)


_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Duty:
    """One volunteer's day. ``breaks``: (begin, length) in milliseconds, begin since midnight. A ``backup`` is on
    standby from ``begins_ms`` to ``ends_ms`` and answers only when called in."""

    id: str
    role: str
    skills: dict[str, int]
    languages: tuple[str, ...]
    district: str
    begins_ms: int
    ends_ms: int
    breaks: tuple[tuple[int, int], ...] = ()
    backup: bool = False

    def volunteer(self) -> Volunteer:
        """What the policy wants to know."""
        return Volunteer(self.id, self.role, self.skills, self.languages, self.district)


@dataclass(frozen=True, slots=True)
class Habits:
    """How people behave at the desk and on the line. Shares are of 1, times in milliseconds."""

    no_answer: float = 0.03
    reject: float = 0.015
    reject_ms: int = 4_000
    back_ms: int = 120_000
    """How long a volunteer who did not pick up stays paused."""
    leg_ms: int = 300
    """From accepting at the desk to the voice path; app_queue's telephones have the voice path when they answer."""
    family_factor: float = 1.15
    role_factor: float = 1.30
    """How much longer a talk is with somebody who knows only the family of the matter, or only the trade."""
    backup_ms: int = 120_000
    """From the call for help until a backup volunteer sits at the desk."""
    callback_taken: float = 0.5
    callback_answered: float = 0.9
    callback_ring_ms: int = 12_000
    message_left: float = 0.6


@dataclass(frozen=True, slots=True)
class Day:
    """Callers in the order of their arrival, and the roster."""

    name: str
    callers: tuple[Caller, ...]
    roster: tuple[Duty, ...]
    habits: Habits = field(default_factory=Habits)
    on: date | None = None

    @property
    def ends_ms(self) -> int:
        """When the last of the roster leaves."""
        return max((duty.ends_ms for duty in self.roster), default=DAY_MS)
