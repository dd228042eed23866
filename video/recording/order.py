"""Packets in the order they were sent: sequence numbers unwrapped, a bounded window for latecomers, duplicates out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
WINDOW = 512  # packets that are kept waiting for one that is missing
MAX_JUMP = 3000  # sequence numbers; a larger step is another stream or a stray packet (RFC 3550, A.1)


def step16(value: int, before: int) -> int:
    """From `before` to `value` the shorter way round, -32768 to 32767."""
    return ((value - before + 0x8000) & 0xFFFF) - 0x8000


def step32(value: int, before: int) -> int:
    """The same for 32-bit timestamps."""
    return ((value - before + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


@dataclass(frozen=True, slots=True)
class Missing:
    """`count` packets that never came."""

    count: int


class Reorder(Generic[T]):
    """Push packets with unwrapped numbers as they arrived; get them back in order, `Missing` in between."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._next: int | None = None
        self._kept: dict[int, T] = {}
        self._given_up: deque[tuple[int, int]] = deque(maxlen=64)
        self.duplicates = 0
        self.late = 0
        self._begun = False

    def push(self, number: int, item: T) -> Iterator[T | Missing]:
        if number in self._kept:
            self.duplicates += 1
            return
        if self._next is None:
            self._next = number
        if number < self._next:
            if self._begun:
                if any(begin <= number < end for begin, end in self._given_up):
                    self.late += 1
                else:
                    self.duplicates += 1
                return
            self._next = number
        if number == self._next and not self._kept and self._begun:
            self._next = number + 1
            yield item
            return
        self._kept[number] = item
        if not self._begun:
            # The very first packets may have come in disorder too: look at a few before beginning.
            if len(self._kept) < 8:
                return
            self._begun = True
        yield from self._run()
        if len(self._kept) > self._window:
            yield from self._jump()
            yield from self._run()

    def flush(self) -> Iterator[T | Missing]:
        self._begun = True
        yield from self._run()
        while self._kept:
            yield from self._jump()
            yield from self._run()

    def _run(self) -> Iterator[T | Missing]:
        while self._next is not None and self._next in self._kept:
            item = self._kept.pop(self._next)
            self._next += 1
            yield item

    def _jump(self) -> Iterator[T | Missing]:
        lowest = min(self._kept)
        if self._next is not None and lowest > self._next:
            self._given_up.append((self._next, lowest))
            yield Missing(lowest - self._next)
        self._next = lowest
