"""The two clocks: one for what is stored and shown, one for durations that decide something."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970 (UTC): for what is stored and shown."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds of the monotonic clock: for durations and time-outs; a clock that jumps does not move it."""
    return time.monotonic_ns() // 1_000_000
