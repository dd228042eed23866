"""The overload steps climb and fall one by one, and do not flutter."""

import copy
import tomllib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.errors import PolicyError
from routing.estimate import RoleLoad
from routing.overload import LEVELS, Overload, RoleState, advance, pressure
from routing.policy import Policy
from routing.policy_file import DEFAULT_FILE, Mark, OverloadRules, parse_policy

RULES = OverloadRules(Mark(20, 8, 60), Mark(40, 20, 60), Mark(90, 50, 60), rise_s=10)
RAW = tomllib.loads(DEFAULT_FILE.read_text(encoding="utf-8"))


def load(
    wait_s: float | None, *, waiting: int = 5, on_duty: int = 3, oldest_ms: int | None = None
) -> RoleLoad:
    return RoleLoad(waiting, oldest_ms, 0, on_duty, None if wait_s is None else round(wait_s * 1000))


def levels_over(waits_s: list[float]) -> list[str]:
    """The level after each second."""
    overload, seen = Overload(RULES), []
    for second, wait_s in enumerate(waits_s):
        overload.sample({"lawyer": load(wait_s)}, 1_000_000 + second * 1_000)
        seen.append(overload.level("lawyer"))
    return seen


def test_a_lasting_wait_climbs_step_by_step_and_a_lasting_calm_goes_back_the_same_way() -> None:
    seen = levels_over([100.0] * 60 + [0.0] * 300)
    assert list(dict.fromkeys(seen)) == ["normal", "backup", "callback", "message"]
    assert [level for level, following in pairwise(seen) if level != following] == [
        *("normal", "backup", "callback", "message", "callback", "backup"),
    ]
    assert seen[-1] == "normal"


def test_a_moment_is_no_overload_and_a_moment_is_no_calm() -> None:
    assert set(levels_over(([100.0] * 9 + [0.0]) * 20)) == {"normal"}
    climbed = levels_over([30.0] * 15 + ([0.0] * 50 + [30.0]) * 10)
    assert set(climbed[15:]) == {"backup"}


@given(st.lists(st.floats(8, 19.9), min_size=1, max_size=200))
def test_between_the_marks_nothing_happens(waits_s: list[float]) -> None:
    assert set(levels_over(waits_s)) == {"normal"}
    assert set(levels_over([30.0] * 12 + waits_s)[12:]) == {"backup"}


@given(st.lists(st.floats(0, 200), max_size=300))
def test_every_change_is_one_step(waits_s: list[float]) -> None:
    seen = [LEVELS.index(level) for level in ["normal", *levels_over(waits_s)]]  # pyright: ignore[reportArgumentType]
    assert all(abs(after - before) <= 1 for before, after in pairwise(seen))


def test_the_highest_step_is_not_exceeded() -> None:
    overload = Overload(RULES, highest="backup")
    for second in range(100):
        overload.sample({"lawyer": load(500)}, second * 1_000)
    assert overload.level("lawyer") == "backup"
    assert overload.at_least("lawyer", "backup")
    assert not overload.at_least("lawyer", "callback")


def test_roles_stand_for_themselves() -> None:
    overload = Overload(RULES)
    steps = [
        step
        for second in range(12)
        for step in overload.sample({"lawyer": load(30), "notary": load(1)}, second * 1_000)
    ]
    assert [(step.role, step.before, step.now, step.pressure_ms) for step in steps] == [
        ("lawyer", "normal", "backup", 30_000)
    ]
    assert overload.level("notary") == "normal"
    assert overload.level("never seen") == "normal"


def test_without_an_estimate_the_longest_wait_counts_and_without_anybody_every_mark_is_passed() -> None:
    assert pressure(load(None, oldest_ms=970_000), 1_000_000) == 30_000
    assert pressure(load(None, waiting=0), 1_000_000) == 0
    assert pressure(load(None, on_duty=0, oldest_ms=999_000), 1_000_000) > RULES.message.above_s * 1_000
    assert advance(RoleState(), 0, 1_000, RULES) == RoleState()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"backup": {"above_s": 10, "below_s": 10}}, "overload.backup"),
        ({"callback": {"above_s": 5, "below_s": 1}}, "in the order"),
        ({"callback": {"above_s": 5}}, "below_s"),
        ({"surprise": 1}, "surprise"),
        ({"rise_s": -1}, "rise_s"),
    ],
)
def test_wrong_thresholds_are_named(change: dict[str, object], named: str) -> None:
    raw = copy.deepcopy(RAW)
    raw["overload"] = raw["overload"] | change
    with pytest.raises(PolicyError) as caught:
        parse_policy(raw)
    assert named in "\n".join(caught.value.problems)


def test_a_policy_file_without_the_section_has_the_usual_steps() -> None:
    raw = copy.deepcopy(RAW)
    del raw["overload"]
    assert Policy(parse_policy(raw)).overload == OverloadRules()
