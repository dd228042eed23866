"""Overload steps per role: normal, backup volunteers called in, call-back offered, message mode, and back.

A pure controller: it is told once a second how each role stands and says what changes. It climbs one step when the
wait was above the next step's mark for ``rise_s`` on end, and goes back one when it was below the present step's
lower mark for its ``fall_s`` on end; between the two marks nothing happens, so that it does not flutter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from routing.estimate import RoleLoad
from routing.policy_file import OverloadRules

Level = Literal["normal", "backup", "callback", "message"]
LEVELS: tuple[Level, ...] = ("normal", "backup", "callback", "message")


@dataclass(frozen=True, slots=True)
class Step:
    """One change of level. ``pressure_ms`` is the wait that led to it."""

    role: str
    before: Level
    now: Level
    at_ms: int
    pressure_ms: int


@dataclass(frozen=True, slots=True)
class RoleState:
    """Where a role stands, and since when the wait has been beyond a mark."""

    level: Level = "normal"
    since_ms: int = 0
    above_ms: int | None = None
    below_ms: int | None = None


def pressure(load: RoleLoad, now_ms: int) -> int:
    """How long a caller who comes now will wait, in milliseconds: as estimated, else as long as the first of those who
    wait has waited already. With callers and nobody on duty it is beyond every mark."""
    if load.waiting and not load.on_duty:
        return _BEYOND_MS
    waited_ms = now_ms - load.oldest_ms if load.oldest_ms is not None else 0
    return waited_ms if load.estimate_ms is None else load.estimate_ms


_BEYOND_MS = 86_400_000


def advance(
    state: RoleState, pressure_ms: int, now_ms: int, rules: OverloadRules, highest: Level = "message"
) -> RoleState:
    """The state after one sample. ``highest`` is the last step that may be taken."""
    index = LEVELS.index(state.level)
    marks = (rules.backup, rules.callback, rules.message)
    above = index < LEVELS.index(highest) and pressure_ms >= marks[index].above_s * 1000
    below = index > 0 and pressure_ms < marks[index - 1].below_s * 1000
    above_ms = (state.above_ms if state.above_ms is not None else now_ms) if above else None
    below_ms = (state.below_ms if state.below_ms is not None else now_ms) if below else None
    if above_ms is not None and now_ms - above_ms >= rules.rise_s * 1000:
        return RoleState(LEVELS[index + 1], now_ms)
    if below_ms is not None and now_ms - below_ms >= marks[index - 1].fall_s * 1000:
        return RoleState(LEVELS[index - 1], now_ms)
    return RoleState(state.level, state.since_ms, above_ms, below_ms)


class Overload:
    """The levels of all roles."""

    def __init__(self, rules: OverloadRules, *, highest: Level = "message") -> None:
        self.rules = rules
        self._highest: Level = highest
        self._states: dict[str, RoleState] = {}

    def level(self, role: str) -> Level:
        """The step on which a role stands; one that was never sampled is normal."""
        return self.state(role).level

    def state(self, role: str) -> RoleState:
        """The same with its times."""
        return self._states.get(role, RoleState())

    def resume(self, role: str, level: Level, since_ms: int) -> None:
        """Where a role stood before this process. If it is calm by now, the first sample steps down."""
        self._states[role] = RoleState(level, since_ms, below_ms=since_ms)

    def at_least(self, role: str, level: Level) -> bool:
        """Whether a role stands on this step or above it."""
        return LEVELS.index(self.level(role)) >= LEVELS.index(level)

    def sample(self, loads: Mapping[str, RoleLoad], now_ms: int) -> list[Step]:
        """Take one sample of each role; returns what changed."""
        steps = []
        for role, load in loads.items():
            before, pressure_ms = self.state(role), pressure(load, now_ms)
            after = self._states[role] = advance(before, pressure_ms, now_ms, self.rules, self._highest)
            if after.level != before.level:
                steps.append(Step(role, before.level, after.level, now_ms, pressure_ms))
        return steps
