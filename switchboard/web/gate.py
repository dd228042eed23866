"""How often anybody may ask for what needs no sign-in: a bucket for each address that fills again with time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from switchboard.errors import TooManyTries

MOST_KEYS = 20_000


class Gate:
    """``burst`` at once, ``a_minute`` for ever. Bounded."""

    def __init__(self, burst: int, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._per_s = a_minute / 60
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Raises TooManyTries."""
        now = self._clock()
        left, since = self._left.get(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_s)
        if left < 1:
            raise TooManyTries(retry_after_s=int((1 - left) / self._per_s) + 1)
        self._left[key] = (left - 1, now)
        self._left.move_to_end(key)
        while len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
