"""What travels between the engine and the kernel: arguments as lines, replies and stream fields as values."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from routing.model import (
    Change,
    ChangeKind,
    Counters,
    EntryState,
    LiveEntry,
    Reservation,
    RingView,
    Seat,
    SeatState,
    Server,
    Snapshot,
    Standing,
    Step,
    Subscription,
)

LAYOUT = "1"
"""The shape of the stored state. Nodes of different layouts do not share a shard."""

_SOURCE = (Path(__file__).parent / "functions.lua").read_text(encoding="utf-8")
VERSION = hashlib.sha256(_SOURCE.encode()).hexdigest()[:10]
"""Function names are global in a server; naming them after their text lets nodes of two versions work side by
side."""
LIBRARY_PREFIX = "switchboard_routing_"
LIBRARY = LIBRARY_PREFIX + VERSION
LIBRARY_CODE = _SOURCE.replace("@VERSION@", VERSION)

_KINDS = frozenset(get_args(ChangeKind))


def steps_text(steps: Iterable[Step]) -> str:
    """``after<TAB>class<LF>`` for each step."""
    return "".join(f"{step.after_ms}\t{step.klass}\n" for step in steps)


def subscriptions_text(subscriptions: Iterable[Subscription]) -> str:
    """``class<TAB>bonus<TAB>cost<LF>`` for each subscription."""
    return "".join(f"{sub.klass}\t{sub.bonus_ms}\t{sub.cost_ms}\n" for sub in subscriptions)


def reservation(reply: Sequence[Any] | None) -> Reservation | None:
    """A reservation from the kernel's reply."""
    if not reply:
        return None
    number, entry, seat, ring, klass, expires, acked, accepted = reply
    return Reservation(number, entry, seat, ring, klass, expires, bool(acked), bool(accepted))


def live_entry(row: Sequence[Any]) -> LiveEntry:
    """One entry of a snapshot."""
    name, state, arrived, credit, ring, klass, number, seat, owner, entered = row
    held = seat if number else None
    return LiveEntry(
        name, cast(EntryState, state), arrived, credit, ring, klass, number or None, held, owner, entered
    )


def seat(row: Sequence[Any]) -> Seat:
    """One seat of a snapshot."""
    name, state, reason, since, until, then, then_reason, number, entry, owner, signed_in = row
    return Seat(
        name,
        cast(SeatState, state),
        reason,
        since,
        until or None,
        cast(Literal["", "paused", "offline"], then),
        then_reason,
        number or None,
        entry or None,
        owner,
        signed_in,
    )


def standing(reply: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Standing:
    """What is known of one entry, from the reply about its rings and the rows of its servers."""
    now_ms, entry, score, rings = reply
    servers = (
        Server(seat(held), ring, bonus, cost, idle, until or None)
        for held, ring, bonus, cost, idle, until in rows
    )
    return Standing(
        now_ms, live_entry(entry), score, tuple(RingView(*ring) for ring in rings), tuple(servers)
    )


def snapshot(pages: Sequence[Sequence[Any]]) -> Snapshot:
    """A snapshot from the pages it was read in; the first page tells the time and the place in the stream."""
    now_ms, stream_id, _, entered, finished, abandoned = pages[0][:6]
    reservations = (reservation(row) for page in pages for row in page[7])
    return Snapshot(
        now_ms,
        stream_id,
        tuple(live_entry(row) for page in pages for row in page[6]),
        tuple(seat(row) for page in pages for row in page[8]),
        tuple(row for row in reservations if row is not None),
        Counters(entered, finished, abandoned),
    )


def change(stream_id: str, fields: Mapping[str, str]) -> Change:
    """One typed change from a stream entry's fields. Raises ValueError for what no kernel of ours wrote."""
    kind = fields["kind"]
    if kind not in _KINDS:
        raise ValueError(f"unknown kind of change {kind!r}")

    def number(name: str) -> int | None:
        text = fields.get(name, "")
        return int(text) if text else None

    return Change(
        stream_id=stream_id,
        seq=int(fields["seq"]),
        at_ms=int(fields["at"]),
        kind=cast(ChangeKind, kind),
        entry=fields.get("entry") or None,
        seat=fields.get("seat") or None,
        reservation=number("reservation") or None,
        reason=fields.get("reason", ""),
        how=fields.get("how", ""),
        state=cast("SeatState | None", fields.get("state")),
        then=fields.get("then", ""),
        ring=number("ring"),
        klass=fields.get("class", ""),
        score=number("score"),
        order_ms=number("order"),
        chosen_by=fields.get("by", ""),
        free=number("free"),
        waiting=number("waiting"),
        passed_over=tuple(fields.get("passed", "").split()),
        others=tuple(_valued(named) for named in fields.get("others", "").split()),
        waited_ms=number("waited"),
        expires_ms=number("expires"),
        until_ms=number("until"),
    )


def _valued(named: str) -> tuple[str, int]:
    name, _, value = named.rpartition("=")
    return name, int(value)
