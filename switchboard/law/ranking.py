"""The index of a collection, and which articles come first for a question.

An index row holds, for one gram, pairs of 32-bit figures: an article's place in the collection, and how often the gram
is in its text (``_HEADING`` added where it is in the name of the law or the title).
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from switchboard.law.words import all_grams, grams

_HEADING = 1 << 16
_MOST_OFTEN = _HEADING - 1
_WORTH_HEADING = 6.0
_WORTH_OFTEN = 3
"""More than so many times in a text is no better than so many times."""

MOST_ENTRIES = 60_000
"""Of the articles that hold only some of the words, those with the rarest are looked at: no question is slow."""

TELL_EACH = 500


def index(
    texts: Iterable[tuple[str, str]], done: Callable[[int], None] = lambda _count: None
) -> dict[str, bytes]:
    """The index of (heading, text) pairs, by gram. ``done`` hears how many have been looked at."""
    made: dict[str, array[int]] = {}
    for place, (heading, text) in enumerate(texts):
        often = Counter(all_grams(text))
        weights = {gram: min(count, _MOST_OFTEN) for gram, count in often.items()}
        for gram in set(all_grams(heading)):
            weights[gram] = weights.get(gram, 0) + _HEADING
        for gram, weight in weights.items():
            made.setdefault(gram, array("I")).extend((place, weight))
        if place % TELL_EACH == 0:
            done(place)
    return {gram: _packed(pairs) for gram, pairs in made.items()}


def rank(
    words: Sequence[str],
    packed: Mapping[str, bytes],
    size: int,
    *,
    numbered: Collection[int] | None = None,
    most: int,
) -> list[int]:
    """The places of the best articles. ``size``: how many articles there are; ``numbered``: none but these.

    Articles in which every pair of every word is found come first; then those with some, where there are too few.
    """
    if not words:
        return sorted(numbered or ())[:most]
    postings = {gram: _unpacked(row) for gram, row in packed.items()}
    wanted = list(dict.fromkeys(gram for word in words for gram in grams(word)))
    worth = {gram: math.log(1 + size / len(found)) for gram, found in postings.items() if found}
    rarest = sorted(worth, key=lambda gram: len(postings[gram]))
    whole: set[int] = set()
    if rarest and all(gram in worth for gram in wanted):
        whole = set(postings[rarest[0]]).intersection(*(postings[gram].keys() for gram in rarest[1:]))
    if numbered is not None:
        whole &= set(numbered)
    ordered = _by_score(whole, rarest, postings, worth)[:most]
    if len(ordered) < most:
        some = set(numbered) if numbered is not None else _some(rarest, postings)
        scored = _by_score(some - whole, rarest, postings, worth)
        ordered += scored[: most - len(ordered)]
    return ordered


def _some(rarest: Sequence[str], postings: Mapping[str, Mapping[int, int]]) -> set[int]:
    found: set[int] = set()
    entries = 0
    for gram in rarest:
        entries += len(postings[gram])
        if found and entries > MOST_ENTRIES:
            break
        found.update(postings[gram])
    return found


def _by_score(
    places: Collection[int],
    known: Sequence[str],
    postings: Mapping[str, Mapping[int, int]],
    worth: Mapping[str, float],
) -> list[int]:
    """Those that hold anything of the question, the best first and of equals the earlier one."""
    scores: dict[int, float] = {}
    for gram in known:
        holds, value = postings[gram], worth[gram]
        for place in places if len(places) < len(holds) else holds.keys() & places:
            weight = holds.get(place)
            if weight:
                often = min(weight & _MOST_OFTEN, _WORTH_OFTEN)
                heading = _WORTH_HEADING if weight >= _HEADING else 0.0
                scores[place] = scores.get(place, 0.0) + value * (1 + often + heading)
    return sorted(scores, key=lambda place: (-scores[place], place))


def _packed(pairs: array[int]) -> bytes:
    if sys.byteorder == "big":
        pairs.byteswap()
    return pairs.tobytes()


def _unpacked(row: bytes) -> dict[int, int]:
    pairs = array("I")
    pairs.frombytes(row)
    if sys.byteorder == "big":
        pairs.byteswap()
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
