"""The course of an act as lines, each bound to the one before it by its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

BEGIN = "0" * 64
MOST_EVENTS = 50_000


def chained(events: Iterable[Mapping[str, Any]]) -> tuple[bytes, str]:
    """(the lines, the last hash). A line is {"n", "before", "event", "hash"}; ``hash`` covers the other three."""
    lines, before = [], BEGIN
    for n, event in enumerate(events, 1):
        if n > MOST_EVENTS:
            raise ValueError("too many events")
        row = {"n": n, "before": before, "event": dict(event)}
        before = _hash(row)
        lines.append(_written({**row, "hash": before}))
    return b"".join(lines), before


def chain_holds(content: bytes, end: str) -> bool:
    """Whether the lines are exactly what ``chained`` writes for the events in them, and end as said."""
    try:
        events = [json.loads(line)["event"] for line in content.splitlines()]
        return chained(events) == (content, end)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _hash(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(_written(row)).hexdigest()


def _written(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
