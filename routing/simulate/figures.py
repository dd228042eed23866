"""How a day was: for the callers, for the volunteers, and how good the estimates were."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean, stdev

from routing.simulate.outcome import Outcome, Result

SERVICE_LEVEL_S = (20, 15)


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares are percent of all callers, waits are seconds.

    ``asa_s``, ``p95_s``: until the answer, of those answered on the line; ``queue_p95_s``: the time on the line of
    all, also of those who gave up. ``unserved``: gave up, or were promised a call-back that did not come about.
    ``passed_s``: the most by which an ordinary caller was passed by one of the same matter and language who came
    later. ``within_2``: percent of the estimates (of those who had to wait) between half and twice the true wait.
    ``gini``: inequality of the load of the volunteers (0: all alike), backups left out.
    """

    callers: float
    abandoned: float
    unserved: float
    sl20: float
    sl15: float
    asa_s: float
    p95_s: float
    queue_p95_s: float
    priority_p95_s: float
    priority_abandoned: float
    callbacks: float
    callback_min: float
    messages: float
    own_skill: float
    occupancy: float
    gini: float
    passed_s: float
    within_2: float


def figures(result: Result) -> Figures:
    """Of a whole run."""
    outcomes = result.outcomes
    live = [one for one in outcomes if one.how == "answered"]
    waits = [_waited_s(one) for one in live]
    called = [one for one in outcomes if one.how == "callback"]
    reached = [_waited_s(one) / 60 for one in called if one.answered_ms is not None]
    priority = [one for one in outcomes if one.caller.priority]
    regular = [duty.id for duty in result.roster if not duty.backup and result.duty_ms.get(duty.id, 0) > 0]
    loads = [result.busy_ms[name] / result.duty_ms[name] for name in regular]
    return Figures(
        callers=len(outcomes),
        abandoned=_share(outcomes, lambda one: one.how == "abandoned"),
        unserved=_share(
            outcomes,
            lambda one: one.how in ("abandoned", "") or (one.how == "callback" and one.answered_ms is None),
        ),
        sl20=_share(outcomes, lambda one: one.how == "answered" and _waited_s(one) <= SERVICE_LEVEL_S[0]),
        sl15=_share(outcomes, lambda one: one.how == "answered" and _waited_s(one) <= SERVICE_LEVEL_S[1]),
        asa_s=fmean(waits) if waits else 0.0,
        p95_s=percentile(waits, 0.95),
        queue_p95_s=percentile([_in_queue_s(one) for one in outcomes if one.how != "message"], 0.95),
        priority_p95_s=percentile([_waited_s(one) for one in priority if one.how == "answered"], 0.95),
        priority_abandoned=_share(priority, lambda one: one.how == "abandoned"),
        callbacks=_share(outcomes, lambda one: one.how == "callback"),
        callback_min=fmean(reached) if reached else 0.0,
        messages=_share(outcomes, lambda one: one.how == "message"),
        own_skill=_share(live, lambda one: one.distance == 0),
        occupancy=100 * fmean(loads) if loads else 0.0,
        gini=gini(loads),
        passed_s=max((one.passed_ms for one in outcomes if not one.caller.priority), default=0) / 1000,
        within_2=_within_2(outcomes),
    )


def by_matter(result: Result) -> dict[str, tuple[int, float, float]]:
    """Matter -> callers, abandoned (percent), P95 of the wait (seconds)."""
    found: dict[str, list[Outcome]] = {}
    for one in result.outcomes:
        found.setdefault(one.caller.matter, []).append(one)
    return {
        matter: (
            len(ones),
            _share(ones, lambda one: one.how == "abandoned"),
            percentile([_waited_s(one) for one in ones if one.how == "answered"], 0.95),
        )
        for matter, ones in sorted(found.items(), key=lambda item: -len(item[1]))
    }


def service_levels(result: Result, slot_ms: int = 900_000) -> list[tuple[int, float, int]]:
    """For each quarter of an hour with callers: when it begins, percent answered within 20 s, callers."""
    slots: dict[int, list[Outcome]] = {}
    for one in result.outcomes:
        slots.setdefault(one.caller.arrived_ms // slot_ms, []).append(one)
    return [
        (
            slot * slot_ms,
            _share(ones, lambda one: one.how == "answered" and _waited_s(one) <= SERVICE_LEVEL_S[0]),
            len(ones),
        )
        for slot, ones in sorted(slots.items())
    ]


def _waited_s(one: Outcome) -> float:
    return ((one.answered_ms or 0) - one.caller.arrived_ms) / 1000


def _in_queue_s(one: Outcome) -> float:
    ended = one.left_ms if one.left_ms is not None else one.answered_ms
    return ((ended or one.caller.arrived_ms) - one.caller.arrived_ms) / 1000


def _within_2(outcomes: Iterable[Outcome]) -> float:
    """Only of those to whom an estimate would have been said and who had to wait for a volunteer: whoever is rung
    for at once proves nothing."""
    ratios = [
        one.estimate_ms / max(1, 1000 * _waited_s(one))
        for one in outcomes
        if one.estimate_ms is not None and one.how == "answered"
    ]
    return 100 * sum(0.5 <= ratio <= 2 for ratio in ratios) / len(ratios) if ratios else 0.0


def _share(ones: Sequence[Outcome], wanted: Callable[[Outcome], bool]) -> float:
    return 100 * sum(map(wanted, ones)) / len(ones) if ones else 0.0


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that ``share`` of them do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def gini(values: Iterable[float]) -> float:
    """0: all alike, 1: one has everything."""
    ordered = sorted(values)
    total, count = sum(ordered), len(ordered)
    if total <= 0:
        return 0.0
    return (
        2 * sum(rank * value for rank, value in enumerate(ordered, 1)) / (count * total) - (count + 1) / count
    )


@dataclass(frozen=True, slots=True)
class Mean:
    """Over several seeds: the mean, and half the width of its 95 percent confidence interval."""

    mean: float
    half: float


_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)


def mean_of(values: Sequence[float]) -> Mean:
    """Student's interval; no width for a single value."""
    if len(values) < 2:
        return Mean(values[0] if values else 0.0, 0.0)
    t = _T95[len(values) - 2] if len(values) - 2 < len(_T95) else 1.96
    return Mean(fmean(values), t * stdev(values) / math.sqrt(len(values)))


def over_seeds(days: Sequence[Figures]) -> dict[str, Mean]:
    """Each figure over the seeds."""
    return {spec.name: mean_of([getattr(day, spec.name) for day in days]) for spec in fields(Figures)}
