"""The index of a collection, and which articles come first for a question.

An index row holds, for one gram, the places of the articles that have it, as rising 32-bit figures, and behind them one
byte for each: how often the gram is in the text, with ``_HEADING`` where it is in the name of the law or the title.
"""

from __future__ import annotations

import heapq
import math
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from switchboard.law.words import all_grams, grams

_HEADING = 0x80
_MOST_OFTEN = 3
"""More than so many times in a text is no better than so many times."""
_WORTH_HEADING = 6.0

ENOUGH = 12
"""Where so many articles hold every word, those that hold some are not looked for."""
MOST_ENTRIES = 10_000
"""Of the articles that hold some of the words, those with the rarest are looked at: no question is slow."""
MOST_SCORED = 6
"""The rarest grams decide the order; the frequent ones hardly differ."""
SCAN = 8
"""Walking through a row is as fast as so many look-ups in it."""

TELL_EACH = 500


def index(
    texts: Iterable[tuple[str, str]], done: Callable[[int], None] = lambda _count: None
) -> dict[str, bytes]:
    """The index of (heading, text) pairs, by gram. ``done`` hears how many have been looked at."""
    made: dict[str, _Row] = {}
    for place, (heading, text) in enumerate(texts):
        weights = {gram: min(count, _MOST_OFTEN) for gram, count in Counter(all_grams(text)).items()}
        for gram in set(all_grams(heading)):
            weights[gram] = weights.get(gram, 0) | _HEADING
        for gram, weight in weights.items():
            row = made.setdefault(gram, _Row())
            row.places.append(place)
            row.weights.append(weight)
        if place % TELL_EACH == 0:
            done(place)
    return {gram: row.packed() for gram, row in made.items()}


@dataclass(slots=True)
class _Row:
    places: array[int] = field(default_factory=lambda: array("I"))
    weights: bytearray = field(default_factory=bytearray)

    def packed(self) -> bytes:
        places = array("I", self.places)
        if sys.byteorder == "big":
            places.byteswap()
        return places.tobytes() + bytes(self.weights)

    @classmethod
    def unpacked(cls, packed: bytes) -> _Row:
        size = len(packed) // 5
        row = cls(weights=bytearray(packed[4 * size :]))
        row.places.frombytes(packed[: 4 * size])
        if sys.byteorder == "big":
            row.places.byteswap()
        return row

    def weight(self, place: int) -> int:
        """0 where the article has it not."""
        at = bisect_left(self.places, place)
        return self.weights[at] if at < len(self.places) and self.places[at] == place else 0

    def among(self, wanted: Collection[int]) -> Iterable[tuple[int, int]]:
        """Place and weight of those that are wanted."""
        if len(wanted) * SCAN < len(self.places):
            return ((place, weight) for place in wanted if (weight := self.weight(place)))
        return (
            (place, weight)
            for place, weight in zip(self.places, self.weights, strict=True)
            if place in wanted
        )


def rank(
    words: Sequence[str],
    packed: Mapping[str, bytes],
    size: int,
    *,
    numbered: Collection[int] | None = None,
    most: int,
) -> list[int]:
    """The places of the best articles. ``size``: how many articles there are; ``numbered``: none but these.

    Articles in which every pair of every word is found come first; then those with some, where there are few.
    """
    if not words:
        return sorted(numbered or ())[:most]
    rows = {gram: _Row.unpacked(one) for gram, one in packed.items()}
    wanted = {gram for word in words for gram in grams(word)}
    rarest = sorted(rows, key=lambda gram: (len(rows[gram].places), gram))
    worth = [(rows[gram], math.log(1 + size / len(rows[gram].places))) for gram in rarest]
    whole = _with_all([row for row, _ in worth], numbered) if wanted <= rows.keys() else set()
    ordered = _by_score(whole, worth, most)
    if len(ordered) < min(most, ENOUGH):
        some = set(numbered) if numbered is not None else _with_some([row for row, _ in worth])
        ordered += _by_score(some - whole, worth, most - len(ordered))
    return ordered


def _with_all(rows: Sequence[_Row], numbered: Collection[int] | None) -> set[int]:
    """Articles that are in every row, of those that are ``numbered``."""
    found = set(rows[0].places) if numbered is None else set(numbered)
    for row in rows if numbered is not None else rows[1:]:
        found = {place for place, _ in row.among(found)}
    return found


def _with_some(rows: Sequence[_Row]) -> set[int]:
    found: set[int] = set()
    entries = 0
    for row in rows:
        entries += len(row.places)
        if found and entries > MOST_ENTRIES:
            break
        found.update(row.places)
    return found


def _by_score(places: Collection[int], worth: Sequence[tuple[_Row, float]], most: int) -> list[int]:
    """Those that hold anything of the question, the best first and of equals the earlier one."""
    scores: dict[int, float] = {}
    for row, value in worth[:MOST_SCORED]:
        # by weight, so that a long row costs a look-up and not a sum
        by_weight = [
            value * (1 + (w & ~_HEADING) + (_WORTH_HEADING if w & _HEADING else 0)) for w in range(256)
        ]
        for place, weight in row.among(places):
            scores[place] = scores.get(place, 0.0) + by_weight[weight]
    return heapq.nsmallest(most, scores, key=lambda place: (-scores[place], place))
