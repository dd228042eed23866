"""Fifty callers at a time and twenty volunteers: nothing is lost, nothing is doubled, nothing is left over.

FIFTY_CALLS_S sets for how long new callers come (40 s; the long form is 120).
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from itertools import pairwise

import pytest

from switchboard.records.fold import ContactRecord
from tests.support.agents import Manner, Volunteers
from tests.support.leftovers import Leftovers
from tests.support.sipp import Sipp, SippResult
from tests.support.switchboard import Switchboard, eventually

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
SECONDS = float(os.environ.get("FIFTY_CALLS_S", "120" if LONG else "40"))
AT_ONCE = 50
RATE = 8.0
VOLUNTEERS = 20
SEED = 12348


def caller_rows(count: int) -> list[tuple[str, ...]]:
    """Each its own number; some press nothing, some leave in the menu, some wait long, most are patient."""
    chance = random.Random(SEED)
    rows = []
    for n in range(count):
        key = chance.choice(["2", "2", "2", "1", "0", "-"])
        until_key = chance.randint(300, 2_500)
        stay = chance.choice([0, 300, 1_000, 3_000, 5_000, 8_000, 30_000])
        rows.append((f"137{n:08}", "12348", key, str(until_key), str(stay)))
    return rows


@pytest.mark.alone
async def test_every_one_of_many_calls_has_exactly_one_closed_record() -> None:
    calls = round(SECONDS * RATE)
    rows = caller_rows(calls)
    manner = Manner(answer="accept", after_s=0.1, talk_s=1.5, wrap_up_s=0.2)
    async with Switchboard(volunteers=VOLUNTEERS) as switchboard:
        async with (
            Volunteers(
                switchboard.base_url, switchboard.sip_port, switchboard.accounts, manner=manner, ring_ms=20
            ) as staff,
        ):
            left = await Leftovers.before(switchboard)
            result = await _call(switchboard, rows)
            records = await switchboard.wait_ended(calls, 60)
            await asyncio.gather(*(desk.wait_state("available", 30) for desk in staff.desks))
            _check_records(records, rows, result)
            await left.none_remain(switchboard)
            seats = (await switchboard.snapshot()).seats
            assert {seat.state for seat in seats} == {"available"}
            assert staff.problems == []
        await _seats_close(switchboard)


async def _call(switchboard: Switchboard, rows: list[tuple[str, ...]]) -> SippResult:
    async with Sipp(
        "load",
        switchboard.sip_port,
        rows=rows,
        calls=len(rows),
        rate=RATE,
        limit=AT_ONCE,
        timeout_s=SECONDS * 3 + 60,
    ) as callers:
        return await callers.wait()


def _check_records(records: list[ContactRecord], rows: list[tuple[str, ...]], result: SippResult) -> None:
    assert result.failed == 0, result.describe()
    assert result.succeeded == len(rows), result.describe()
    numbers = Counter(record.caller for record in records)
    assert numbers == Counter(row[0] for row in rows)  # none lost, none doubled
    reasons = Counter(record.end_reason for record in records)
    assert set(reasons) <= {"completed", "abandoned_intake", "abandoned_waiting"}, reasons
    assert reasons["completed"] > 0
    for record in records:
        assert record.ended_ms is not None, record
        assert record.ended_ms >= record.arrived_ms
        assert (record.end_reason == "completed") == (record.connected_ms is not None), record
    _no_volunteer_talks_twice_at_once(records)


def _no_volunteer_talks_twice_at_once(records: list[ContactRecord]) -> None:
    talks: dict[str, list[tuple[int, int]]] = {}
    for record in records:
        if record.agent and record.connected_ms and record.disconnected_ms:
            talks.setdefault(record.agent, []).append((record.connected_ms, record.disconnected_ms))
    for agent, spans in talks.items():
        spans.sort()
        for (_, ended), (begun, _) in pairwise(spans):
            assert begun >= ended, f"{agent} talked to two callers at once"


async def _seats_close(switchboard: Switchboard) -> None:
    """When the desks have closed nobody is free any more."""

    async def closed() -> bool:
        return all(seat.state != "available" for seat in (await switchboard.snapshot()).seats)

    await eventually(closed, 10, "no free seat")
