"""One voice, evened out: what comes when it comes goes out as exactly one frame every 20 ms.

Three troubles look the same from here and are met by the same means. A frame that is late (jitter) or lost leaves a
hole, which is filled with an invented voice; a late one then makes the store one frame deeper, so the store grows to
what the line needs. A clock that is faster or slower than ours makes it ever fuller or emptier. Once a second the least
that was in store is looked at, and a pitch period is taken out or put in.
"""

from __future__ import annotations

import numpy as np

from video.phone.sound import FRAME_MS, Samples, invented, joined, longer, shorter, silence

BEGIN_MS = 40
"""Kept in store before the first frame goes out, and after each pause."""
DEEP_MS = 60
"""What was always in store for a second and more than this is too much delay."""
LEAST_MS = 8
FULL_MS = 400
"""Nothing beyond this is kept: the oldest goes."""
_LOOK_EVERY = 50
_PAUSE = 10
_HISTORY_MS = 60


class Playout:
    """``put`` what came, ``take`` a frame every 20 ms. ``rate`` in Hz."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.frame = rate * FRAME_MS // 1000
        self.filled = 0
        """Frames that had to be invented while somebody spoke or might have."""
        self.shortened = 0
        self.lengthened = 0
        self.dropped = 0
        self._store = silence(0)
        self._history = silence(rate * _HISTORY_MS // 1000)
        self._running = False
        self._hole = 0
        self._looks = 0
        self._least = FULL_MS * rate // 1000

    @property
    def held_ms(self) -> float:
        return len(self._store) * 1000 / self.rate

    @property
    def running(self) -> bool:
        """Whether there is anything to be taken: False in pauses."""
        return self._running

    def put(self, samples: Samples) -> None:
        self._store = np.concatenate((self._store, samples)) if len(self._store) else samples
        most = FULL_MS * self.rate // 1000
        if len(self._store) > most:
            over = len(self._store) - BEGIN_MS * self.rate // 1000
            self.dropped += over // self.frame
            self._store = self._store[over:]

    def lost(self, frames: int) -> None:
        """So many frames are known not to come (a hole in the sender's numbers)."""
        for _ in range(min(frames, _PAUSE)):
            base = np.concatenate((self._history, self._store))[-len(self._history) :]
            self.put(invented(base, self.frame, self.rate, 0))
            self.filled += 1

    def forget(self) -> None:
        """Nothing of what came until now goes out."""
        self._store = silence(0)
        self._history = silence(len(self._history))
        self._running, self._hole = False, 0

    def take(self) -> Samples | None:
        """The next frame; None while there is a pause."""
        if not self._running:
            if len(self._store) < BEGIN_MS * self.rate // 1000:
                return None
            self._running, self._hole = True, 0
            self._begin_look()
        self._look()
        if len(self._store) < self.frame:
            return self._fill()
        taken, self._store = self._store[: self.frame], self._store[self.frame :]
        if self._hole:
            overlap = self.frame // 4
            bridge = invented(self._history, overlap, self.rate, self._hole)
            taken = joined(bridge, taken, overlap)
            self._hole = 0
        self._least = min(self._least, len(self._store))
        return self._keep(taken)

    def _keep(self, taken: Samples) -> Samples:
        if not self._hole:
            self._history = np.concatenate((self._history[self.frame :], taken))
        return taken

    def _fill(self) -> Samples | None:
        made = invented(self._history, self.frame, self.rate, self._hole)
        self._hole += self.frame
        self._least = 0
        if self._hole > _PAUSE * self.frame:
            self._running = False  # nobody sends: what comes next is kept for a moment again
            return None
        self.filled += 1
        return made

    def _begin_look(self) -> None:
        self._looks, self._least = 0, FULL_MS * self.rate // 1000

    def _look(self) -> None:
        self._looks += 1
        if self._looks < _LOOK_EVERY:
            return
        least_ms = self._least * 1000 / self.rate
        if least_ms > DEEP_MS + FRAME_MS * 5:
            over = int((least_ms - BEGIN_MS) * self.rate / 1000)
            kept = self._store[over:]
            self._store = joined(self._store[: self.frame], kept, self.frame) if len(kept) else kept
            self.shortened += 1
        elif least_ms > DEEP_MS:
            self._store = shorter(self._store, self.rate)
            self.shortened += 1
        elif least_ms < LEAST_MS and not self._hole:
            self._store = longer(self._history, self._store, self.rate)
            self.lengthened += 1
        self._begin_look()
