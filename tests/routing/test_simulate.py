"""The simulator is held to Erlang's formulas, to its own books, and to the rules that run live."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from routing.policy import Policy
from routing.simulate.app_queue import STRATEGIES, AppQueueRun, Strategy
from routing.simulate.compare import app_queue, compare, estimates_within_2, ours
from routing.simulate.day import Caller, Day, Duty, Habits
from routing.simulate.figures import figures, gini, mean_of, percentile
from routing.simulate.generate import Recipe, Surge, make_day
from routing.simulate.on_engine import on_engine
from routing.simulate.outcome import Result
from routing.simulate.run import Run
from tests.support.erlang import erlang_a, erlang_c, mean_wait_c, textbook_waits
from tests.support.routing import routing_binaries

POLICY = Policy.load()
HOUR_MS = 3_600_000
PLAIN = Habits(no_answer=0, reject=0, leg_ms=0)
"""Nobody hesitates: what is left is a queue as in the textbook."""


SERVERS = 10


def pooled_trace(
    seed: int, count: int, *, offered: float, service_s: float = 300.0, patience_s: float | None = None
) -> Iterator[tuple[int, int, int]]:
    """Poisson arrivals, exponential patience and service: (arrival, patience, service) in milliseconds."""
    rng = Random(seed)
    at = 0.0
    for _ in range(count):
        at += rng.expovariate(offered / service_s) * 1000
        patience_ms = 10**10 if patience_s is None else round(1000 * rng.expovariate(1 / patience_s))
        yield round(at), patience_ms, round(1000 * rng.expovariate(1 / service_s))


def pooled_day(trace: Iterable[tuple[int, int, int]]) -> Day:
    """The same as a day of one trade and one matter; no ring, no wrap-up, no breaks."""
    callers = tuple(
        Caller(f"c{n:06}", at, "notarization", "zh", "", 0, patience, handle, 0, 0, 1)
        for n, (at, patience, handle) in enumerate(trace)
    )
    roster = tuple(
        Duty(f"n{n:02}", "notary", {"notarization": 3}, ("zh",), "", 0, 10**10) for n in range(SERVERS)
    )
    return Day("pooled", callers, roster, PLAIN)


def waits_of(result: Result) -> list[tuple[int, bool]]:
    """How long each waited, and whether it was served."""
    return [
        ((one.answered_ms or one.left_ms or 0) - one.caller.arrived_ms, one.how == "answered")
        for one in result.outcomes
    ]


@pytest.mark.parametrize("patience_s", [None, 240.0])
@pytest.mark.parametrize("offered", [8.0, 9.5])
def test_one_pool_is_served_exactly_as_in_the_textbook(offered: float, patience_s: float | None) -> None:
    trace = list(pooled_trace(1, 2_000, offered=offered, patience_s=patience_s))
    assert waits_of(Run(pooled_day(trace), POLICY).run()) == textbook_waits(trace, SERVERS)


def test_endless_patience_waits_as_erlang_c_says() -> None:
    """With the test above: the simulator's own waits, over more callers than it need simulate here."""
    waits = textbook_waits(pooled_trace(2, 400_000, offered=8.0), SERVERS)
    assert sum(wait for wait, _ in waits) / len(waits) / 1000 == pytest.approx(
        mean_wait_c(8.0, SERVERS, 300), rel=0.1
    )
    assert sum(wait > 0 for wait, _ in waits) / len(waits) == pytest.approx(erlang_c(8.0, SERVERS), rel=0.03)


@pytest.mark.parametrize("offered", [7.0, 12.0])
def test_impatient_callers_give_up_as_erlang_a_says(offered: float) -> None:
    lost, wait_s = erlang_a(offered / 300, 300, 240, SERVERS)
    many = textbook_waits(pooled_trace(3, 400_000, offered=offered, patience_s=240), SERVERS)
    assert sum(not served for _, served in many) / len(many) == pytest.approx(lost, rel=0.06)
    assert sum(wait for wait, _ in many) / len(many) / 1000 == pytest.approx(wait_s, rel=0.06)


def test_a_simulated_overload_gives_up_as_erlang_a_says() -> None:
    lost, wait_s = erlang_a(12 / 300, 300, 240, SERVERS)
    waits = waits_of(Run(pooled_day(pooled_trace(4, 6_000, offered=12, patience_s=240)), POLICY).run())
    assert sum(not served for _, served in waits) / len(waits) == pytest.approx(lost, rel=0.1)
    assert sum(wait for wait, _ in waits) / len(waits) / 1000 == pytest.approx(wait_s, rel=0.1)


def test_app_queue_with_one_pool_is_erlang_a_but_for_its_look_once_a_second() -> None:
    trace = list(pooled_trace(5, 4_000, offered=12, patience_s=240))
    lost, _ = erlang_a(12 / 300, 300, 240, SERVERS)
    waits = waits_of(AppQueueRun(pooled_day(trace), POLICY).run())
    assert sum(not served for _, served in waits) / len(waits) == pytest.approx(lost, rel=0.1)


@pytest.fixture(scope="module")
def day() -> Day:
    """A third of a day's size, for what does not need a whole one."""
    return make_day(5, Recipe(calls=2_000, volunteers=40, backups=6), POLICY)


def test_a_seed_is_the_same_day_for_ever_and_another_seed_another(day: Day) -> None:
    again = make_day(5, Recipe(calls=2_000, volunteers=40, backups=6), POLICY)
    assert again == day
    assert make_day(6, Recipe(calls=2_000, volunteers=40, backups=6), POLICY).callers != day.callers
    assert len(day.callers) == 2_000
    assert sum(not duty.backup for duty in day.roster) == 40


def test_the_same_rules_on_the_same_day_give_the_same_answers(day: Day) -> None:
    one, two = (Run(day, POLICY, highest="message").run() for _ in range(2))
    assert one.outcomes == two.outcomes
    assert one.steps == two.steps


@pytest.mark.parametrize("highest", ["normal", "callback", "message"])
def test_everybody_ends_in_exactly_one_way_and_nobody_talks_to_two(day: Day, highest: str) -> None:
    result = Run(day, POLICY, highest=highest).run()  # pyright: ignore[reportArgumentType]
    assert [one.caller for one in result.outcomes] == list(day.callers)
    assert all(one.how for one in result.outcomes)
    talks: dict[str, list[tuple[int, int]]] = {}
    for one in result.outcomes:
        if one.answered_ms is None:
            assert one.how in ("abandoned", "message", "callback")
            continue
        assert one.how in ("answered", "callback")
        assert one.answered_ms >= one.caller.arrived_ms
        talks.setdefault(one.agent, []).append((one.answered_ms, one.answered_ms + one.caller.handle_ms))
    for spans in talks.values():
        spans.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_volunteers_are_busy_only_on_duty_and_backups_only_when_called(day: Day) -> None:
    alone = Run(day, POLICY).run()
    helped = Run(day, POLICY, highest="backup").run()
    for result in (alone, helped):
        assert all(0 <= result.busy_ms[duty.id] <= result.duty_ms[duty.id] for duty in day.roster)
    backups = [duty.id for duty in day.roster if duty.backup]
    assert sum(alone.duty_ms[name] for name in backups) == 0
    assert sum(helped.duty_ms[name] for name in backups) > 0
    assert {level for _, _, level in helped.steps} == {"backup", "normal"}


def test_a_call_back_keeps_the_place_and_is_not_made_twice(day: Day) -> None:
    result = Run(day, POLICY, highest="callback").run()
    called = [one for one in result.outcomes if one.how == "callback"]
    assert called
    assert all(one.left_ms is not None for one in called)
    reached = [one for one in called if one.answered_ms is not None]
    assert len(reached) > 0.8 * len(called)
    assert all(one.answered_ms > one.left_ms for one in reached if one.answered_ms and one.left_ms)


def test_nobody_ordinary_is_passed_by_more_than_the_largest_credit(day: Day) -> None:
    largest_s = max(POLICY.credit_ms(level) for level in range(3)) / 1000
    for highest in ("normal", "callback"):
        assert 0 < figures(Run(day, POLICY, highest=highest).run()).passed_s <= largest_s  # pyright: ignore[reportArgumentType]
    assert figures(AppQueueRun(day, POLICY).run()).passed_s > largest_s, "there, priority has no bound"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_app_queue_serves_everybody_with_their_skill_in_every_strategy(day: Day, strategy: Strategy) -> None:
    result = AppQueueRun(day, POLICY, strategy).run()
    agents = {duty.id: duty for duty in day.roster}
    open_matters = {matter.id for matter in POLICY.matters if matter.open_level}
    assert all(one.how in ("answered", "abandoned") for one in result.outcomes)
    for one in result.outcomes:
        if one.how == "answered" and one.caller.language == "zh":
            assert one.caller.matter in {*agents[one.agent].skills, *open_matters}
    assert all(result.busy_ms[name] <= result.duty_ms[name] for name in result.duty_ms)


def _small(callers: list[Caller], members: int) -> Day:
    roster = [
        Duty(f"n{n}", "notary", {"notarization": 3}, ("zh",), "", 0, 9 * HOUR_MS) for n in range(members)
    ]
    return Day("small", tuple(callers), tuple(roster), PLAIN)


def _caller(name: str, at: int, *, priority: int = 0, handle: int = 60_000, draw: int = 1) -> Caller:
    return Caller(name, at, "notarization", "zh", "", priority, HOUR_MS, handle, 2_000, 10_000, draw)


def test_app_queue_round_robin_goes_on_after_the_last_one_rung() -> None:
    day = _small([_caller(f"c{n}", 100_000 * n + 1_000) for n in range(1, 6)], 3)
    result = AppQueueRun(day, POLICY).run()
    assert [one.agent for one in result.outcomes] == ["n0", "n1", "n2", "n0", "n1"]


def test_app_queue_looks_again_every_second_and_wraps_up_by_the_clock() -> None:
    day = _small([_caller("c1", 1_000), _caller("c2", 1_700)], 1)
    first, second = AppQueueRun(day, POLICY).run().outcomes
    # Answered at 3.0 s, talked to 63.0 s, wrapped up at 73.0 s; c2 looks at x.7 s and rings for 2 s.
    assert (first.answered_ms, second.answered_ms) == (3_000, 75_700)


def test_app_queue_priority_goes_before_all_who_wait() -> None:
    day = _small([_caller("c1", 1_000), _caller("c2", 2_000), _caller("c3", 30_000, priority=1)], 1)
    outcomes = AppQueueRun(day, POLICY).run().outcomes
    assert sorted(outcomes, key=lambda one: one.answered_ms or 0)[1].caller.id == "c3"


def test_app_queue_waits_five_seconds_after_nobody_answered() -> None:
    silent = next(n for n in range(1, 10_000) if _caller("c", 0, draw=n).chance(100) < 0.03)
    habits = Habits(no_answer=0.03, reject=0, back_ms=120_000)
    day = replace(_small([_caller("c1", 1_000, draw=silent)], 2), habits=habits)
    (only,) = AppQueueRun(day, POLICY).run().outcomes
    assert only.caller.chance(101) >= 0.03
    assert only.answered_ms == 1_000 + 15_000 + 5_000 + 2_000


def test_the_real_server_makes_the_same_day_as_the_twin() -> None:
    small = make_day(3, Recipe(calls=120, volunteers=10, backups=2), POLICY)
    binary = next(iter(routing_binaries().values()))
    real = on_engine(POLICY, "callback", binary=binary).run(small)
    twin = Run(small, POLICY, highest="callback").run()
    assert real.outcomes == twin.outcomes
    assert real.steps == twin.steps


def test_with_the_same_staff_fewer_give_up_than_with_app_queue() -> None:
    """The short form of the ten days in docs/simulate.md: two whole days, with room for chance."""
    days = [make_day(seed, policy=POLICY) for seed in (1, 2)]
    found = compare(days, [app_queue(POLICY), ours(POLICY), ours(POLICY, "callback", "helped")])
    _, alone, helped = found.names
    assert found.ratio(alone, "abandoned") <= 0.95
    assert found.ratio(alone, "p95_s") <= 0.92
    assert found.ratio(alone, "priority_p95_s") <= 0.85
    assert found.ratio(alone, "gini") <= 1.0
    assert found.ratio(helped, "unserved") <= 0.62
    assert found.ratio(helped, "p95_s") <= 0.62
    assert all(day.passed_s <= 180 for name in (alone, helped) for day in found.figures[name])


def test_in_a_surge_half_as_many_give_up() -> None:
    day = make_day(1, Recipe(surge=Surge("labour")), POLICY)
    found = compare([day], [app_queue(POLICY), ours(POLICY, "callback")])
    assert found.ratio(found.names[1], "unserved") <= 0.55


def test_most_estimates_are_within_half_and_twice_the_wait() -> None:
    shares = [estimates_within_2(make_day(seed, policy=POLICY), POLICY) for seed in (1, 2)]
    assert sum(shares) / len(shares) >= 70


def test_the_committed_example_is_the_day_of_seed_one() -> None:
    from routing.simulate.files import CALLERS_FILE, ROSTER_FILE, callers_text, read_day, roster_text

    folder = Path("routing/simulate/example")
    made = make_day(1, policy=POLICY)
    assert (folder / CALLERS_FILE).read_text(encoding="utf-8") == callers_text(made.callers)
    assert (folder / ROSTER_FILE).read_text(encoding="utf-8") == roster_text(made.roster)
    read = read_day(folder / CALLERS_FILE, folder / ROSTER_FILE, POLICY)
    assert (read.callers, read.roster) == (made.callers, made.roster)
    assert len(read.callers) == 6_000
    assert Counter(duty.backup for duty in read.roster)[False] == 116


def test_the_figures_are_what_their_names_say() -> None:
    assert gini([1, 1, 1, 1]) == pytest.approx(0)
    assert gini([0, 0, 0, 4]) == pytest.approx(0.75)
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([], 0.95) == 0
    spread = mean_of([1.0, 2.0, 3.0])
    assert (spread.mean, round(spread.half, 2)) == (2.0, 2.48)
