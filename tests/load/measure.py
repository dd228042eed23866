"""What the benchmarks share: medians, a process's CPU time, one line of words at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, nearest rank; nan for none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th percentile and number of some delays in ms."""

    p50: float
    p95: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(percentile(values, 0.5), percentile(values, 0.95), len(values))

    def __str__(self) -> str:
        return f"{self.p50:.1f} (p95 {self.p95:.1f}, n={self.count})"


def cpu_s(pids: Iterable[int]) -> float:
    """User and system seconds that these processes, all their threads included, have used until now."""
    total = 0
    for pid in pids:
        # the name in brackets may hold spaces: count from behind it (proc(5))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
