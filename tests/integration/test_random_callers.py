"""Callers who press anything at any time and leave at any time: each has one closed record, and nothing is left over.

RANDOM_CALLS sets how many (60; the long form is 1,000); RANDOM_SEED another day of the same kind.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter

from tests.support.agents import Manner, Volunteers
from tests.support.leftovers import Leftovers
from tests.support.sipp import Sipp
from tests.support.switchboard import Switchboard

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
CALLS = int(os.environ.get("RANDOM_CALLS", "1000" if LONG else "60"))
SEED = int(os.environ.get("RANDOM_SEED", "12348"))
AT_ONCE = 40
RATE = 6.0
VOLUNTEERS = 6
KEYS = "0123456789*#"
MOST_KEYS = 6


def caller_rows(count: int, seed: int) -> list[tuple[str, ...]]:
    """Up to six keys each, some in a flood and some long apart; some speak and some are silent all the time."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        flood = chance.random() < 0.1
        presses: list[str] = []
        for _ in range(chance.choice([0, 1, 1, 2, 3, 4, 5, MOST_KEYS])):
            key = chance.choice("00" if chance.random() < 0.2 else KEYS)
            presses += [key, str(20 if flood else chance.choice([100, 400, 1_000, 2_500, 6_000]))]
        presses += ["-", "0"] * (MOST_KEYS - len(presses) // 2)
        stay = chance.choice([0, 50, 300, 1_000, 3_000, 6_000, 12_000])
        voice = chance.choice(["talks", "talks", "silent"])
        rows.append((f"136{number:08}", "12348", *presses, str(stay), voice))
    return rows


async def tell_progress(callers: Sipp) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(15)
        now = callers.statistics()
        print(
            f"{time.monotonic() - began:5.0f} s: {now.get('TotalCallCreated')} of {CALLS} called, "
            f"{now.get('CurrentCall')} on the line, {now.get('FailedCall(C)')} failed"
        )


async def test_whatever_callers_do_each_has_one_closed_record_and_nothing_is_left_over() -> None:
    rows = caller_rows(CALLS, SEED)
    manner = Manner(answer="accept", after_s=0.2, talk_s=2.0, wrap_up_s=0.2)
    async with (
        Switchboard(volunteers=VOLUNTEERS, env={"WRAP_UP_MS": "2000"}) as switchboard,
        Volunteers(
            switchboard.base_url, switchboard.sip_port, switchboard.accounts, manner=manner, ring_ms=20
        ) as staff,
    ):
        left = await Leftovers.before(switchboard)
        async with Sipp(
            "anything",
            switchboard.sip_port,
            rows=rows,
            calls=CALLS,
            rate=RATE,
            limit=AT_ONCE,
            timeout_s=CALLS + 120,
        ) as callers:
            teller = asyncio.create_task(tell_progress(callers))
            result = await callers.wait()
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)
        assert result.failed == 0, result.describe()
        await switchboard.wait_ended(CALLS, 90)
        calls = [record for record in await switchboard.contacts() if record.medium == "call"]
        assert Counter(record.caller for record in calls) == Counter(row[0] for row in rows)
        reasons = Counter(record.end_reason for record in calls)
        assert not {"failed", "lost", None} & set(reasons), reasons
        talks = sum(record.connected_ms is not None for record in calls)
        assert talks > CALLS / 20
        await left.none_remain(switchboard)
        print(f"seed {SEED}: {len(calls)} calls, {talks} talked, each closed once: {dict(reasons)}")
        assert staff.problems == []
