"""Ours against app_queue, and one set of rules against another, over one or several days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from routing.overload import Level
from routing.policy import Policy
from routing.simulate.app_queue import AppQueueRun, Strategy
from routing.simulate.day import DAY_MS, Day
from routing.simulate.figures import Figures, Mean, figures, mean_of, over_seeds
from routing.simulate.outcome import Result
from routing.simulate.run import Run

PROBE_EVERY = 20
"""Every so many callers have endless patience when the estimates are judged: who gives up is never known."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to pass a day: a name and what runs it."""

    name: str
    run: Callable[[Day], Result]


def app_queue(policy: Policy, strategy: Strategy = "rrmemory") -> Way:
    """Asterisk's queues with the same staff."""
    return Way(f"app_queue {strategy}", lambda day: AppQueueRun(day, policy, strategy).run())


def ours(policy: Policy, highest: Level = "normal", name: str = "") -> Way:
    """Our kernel under this policy; ``highest`` is the last overload step that may be taken."""
    said = name or ("routing alone" if highest == "normal" else f"with {highest}")
    return Way(said, lambda day: Run(day, policy, highest=highest).run())


def with_probes(day: Day) -> Day:
    """The same day; some callers wait however long it takes, so that every estimate said to them is judged."""
    callers = tuple(
        replace(caller, patience_ms=DAY_MS) if caller.draw % PROBE_EVERY == 0 else caller
        for caller in day.callers
    )
    return replace(day, callers=callers)


def estimates_within_2(day: Day, policy: Policy, highest: Level = "normal") -> float:
    """Percent of the probes for whom the estimate was between half and twice the wait."""
    result = Run(with_probes(day), policy, highest=highest).run()
    probes = [one for one in result.outcomes if one.caller.draw % PROBE_EVERY == 0]
    return figures(replace(result, outcomes=probes)).within_2


@dataclass(frozen=True, slots=True)
class Comparison:
    """All ways over all days. ``figures`` by way, in the order of the days."""

    names: tuple[str, ...]
    figures: dict[str, list[Figures]]

    def means(self, name: str) -> dict[str, Mean]:
        """Each figure of a way over the days."""
        return over_seeds(self.figures[name])

    def ratio(self, name: str, figure: str, to: str | None = None) -> float:
        """Of the means over all days; 0 where the other is 0."""
        base = self.means(to or self.names[0])[figure].mean
        return self.means(name)[figure].mean / base if base else 0.0

    def difference(self, name: str, figure: str, to: str | None = None) -> Mean:
        """Day by day on one trace, so that the interval is that of the difference."""
        pairs = zip(self.figures[name], self.figures[to or self.names[0]], strict=True)
        return mean_of([getattr(mine, figure) - getattr(other, figure) for mine, other in pairs])


def compare(
    days: Sequence[Day],
    ways: Sequence[Way],
    *,
    progress: Callable[[str], None] = lambda _what: None,
    keep: Callable[[Day, Way, Result], None] = lambda _day, _way, _result: None,
) -> Comparison:
    """Pass every day in every way. ``progress`` is told after each; ``keep`` is given each result."""
    found: dict[str, list[Figures]] = {way.name: [] for way in ways}
    for day in days:
        for way in ways:
            result = way.run(day)
            found[way.name].append(figures(result))
            keep(day, way, result)
            progress(f"{day.name}: {way.name}")
    return Comparison(tuple(found), found)
