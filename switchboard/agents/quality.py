"""What callers' answers after the talk say about each volunteer; how much it counts is the policy's (``[rating]``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ivr.hotline import Hotline
from routing.policy import Quality
from switchboard.records.queries import Rated

BEST, WORST = 5.0, 1.0
DAYS_COUNTED = 90
MOST_COUNTED = 20_000


def qualities(rated: Iterable[Rated], hotlines: Mapping[str, Hotline]) -> dict[str, Quality]:
    """The mean of each volunteer's contacts (1 to 5) and how many there were.

    A contact counts once, by the mean of its answers; keys go from good to bad, as its hotline says. Answers that the
    hotline no longer takes count for nothing.
    """
    sums: dict[str, tuple[float, int]] = {}
    for contact in rated:
        hotline = hotlines.get(contact.hotline or "")
        if hotline is None or hotline.survey is None:
            continue
        keys = hotline.survey.keys
        marks = [_mark(keys, answer) for answer in contact.answers.values() if answer and answer in keys]
        if marks:
            total, count = sums.get(contact.agent, (0.0, 0))
            sums[contact.agent] = (total + sum(marks) / len(marks), count + 1)
    return {agent: Quality(total / count, count) for agent, (total, count) in sums.items()}


def _mark(keys: str, answer: str) -> float:
    return BEST - (BEST - WORST) * keys.index(answer) / (len(keys) - 1)
