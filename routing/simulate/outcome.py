"""What became of everybody: the common answer of all runs, ours and app_queue's."""

from dataclasses import dataclass, field
from typing import Literal

from routing.policy import Policy
from routing.simulate.day import Caller, Duty, Habits

How = Literal["", "answered", "abandoned", "callback", "message"]


@dataclass(slots=True)
class Outcome:
    """One caller. Times are milliseconds since midnight.

    ``how``: ``answered`` and ``abandoned`` on the line; ``callback`` chose to be called back, which ``answered_ms``
    says when it came about; ``message`` left one. ``distance``: 0 own skill, 1 family, 2 trade only.
    """

    caller: Caller
    how: How = ""
    answered_ms: int | None = None
    left_ms: int | None = None
    agent: str = ""
    distance: int = 0
    estimate_ms: int | None = None
    passed_ms: int = 0
    """By how much the latest comer of the same queue who was served before this one came later."""


@dataclass(slots=True)
class Result:
    """A whole run. ``busy_ms`` and ``duty_ms`` by volunteer, breaks taken off."""

    name: str
    outcomes: list[Outcome]
    roster: tuple[Duty, ...]
    busy_ms: dict[str, int] = field(default_factory=dict)
    duty_ms: dict[str, int] = field(default_factory=dict)
    steps: list[tuple[int, str, str]] = field(default_factory=list)
    """Overload: when, role, level."""


class Trades:
    """How near a volunteer's skills are to a matter, and how much longer the talk is for it."""

    def __init__(self, policy: Policy, habits: Habits) -> None:
        self._family = {matter.id: matter.family for matter in policy.matters}
        self._open = {matter.id for matter in policy.matters if matter.open_level}
        self._factors = (1.0, habits.family_factor, habits.role_factor)

    def distance(self, duty: Duty, matter: str) -> int:
        """0 own skill, 1 family, 2 trade only."""
        if matter in duty.skills or matter in self._open:
            return 0
        families = {self._family.get(skill) for skill in duty.skills}
        return 1 if self._family.get(matter) in families else 2

    def handle_ms(self, caller: Caller, distance: int) -> int:
        """How long this talk takes with somebody so far from the matter."""
        return round(caller.handle_ms * self._factors[distance])


class Passing:
    """Who waits in which queue, to see who is passed: by a later comer of the same matter and language, who is served
    by somebody who was not excluded for the one that waits."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], dict[str, Outcome]] = {}

    def waits(self, outcome: Outcome) -> None:
        """Enters, or comes back after nobody picked up."""
        caller = outcome.caller
        self._waiting.setdefault((caller.matter, caller.language), {})[caller.id] = outcome

    def gone(self, outcome: Outcome) -> None:
        """Left, or is being rung for."""
        caller = outcome.caller
        self._waiting.get((caller.matter, caller.language), {}).pop(caller.id, None)

    def served(self, caller: Caller, excluded: set[str]) -> None:
        """This one is given a volunteer who was excluded for ``excluded``."""
        for other in self._waiting.get((caller.matter, caller.language), {}).values():
            later_ms = caller.arrived_ms - other.caller.arrived_ms
            if later_ms > other.passed_ms and other.caller.id not in excluded:
                other.passed_ms = later_ms
