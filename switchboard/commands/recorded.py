"""A day that happened, out of SQL, in the form that the simulator takes.

What was not seen is drawn: whoever was answered would have waited longer, by as much as the patience of those who gave
up suggests (no memory: the rate of giving up does not depend on how long one has waited already).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from random import Random
from typing import NoReturn

from routing.policy import Policy
from routing.simulate.day import DAY_MS, Caller, Day, Duty
from switchboard.config import load_config
from switchboard.errors import ConfigurationError, SwitchboardError
from switchboard.records.fold import ContactRecord
from switchboard.records.people import AgentRow
from switchboard.records.queries import ContactQuery, begin_of_day_ms
from switchboard.records.store import Records, StateChange

CHINA = dt.timezone(dt.timedelta(hours=8))
PAGE = 1_000
MOST_STATES = 10_000
UNKNOWN_PATIENCE_S = 240.0
RING_MS = 5_000
OWN_CHOICE = frozenset({"break", "meal", "meeting", "training", "other"})
LEAST_BREAK_MS = 30_000


def record(begin: str, end: str, *, fail: Callable[[list[str]], NoReturn]) -> Day:
    """The callers and volunteers between two times, as 2026-11-20T09:00 and 2026-11-20T17:00 (time in China)."""
    since_ms, until_ms = _moment(begin), _moment(end)
    problems = [
        f"--record: {text!r} is no time; write it as 2026-11-20T09:00"
        for text, ms in ((begin, since_ms), (end, until_ms))
        if ms is None
    ]
    if since_ms is None or until_ms is None:
        fail(problems)
    if not since_ms < until_ms <= begin_of_day_ms(since_ms) + DAY_MS:
        fail(["--record: both times must lie on one day, the earlier first"])
    try:
        day = asyncio.run(_read(since_ms, until_ms))
    except ConfigurationError as error:
        fail(error.problems)
    except SwitchboardError as error:
        fail([str(error)])
    if not day.callers or not day.roster:
        fail(["--record: nobody called, or nobody was on duty, between these times"])
    return day


def _moment(text: str) -> int | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=CHINA)).timestamp() * 1000)


async def _read(since_ms: int, until_ms: int) -> Day:
    config = load_config()
    policy = Policy.load(config.policy_file)
    async with await Records.open(config.sql_url) as records:
        contacts = await _contacts(records, since_ms, until_ms)
        agents = await records.agents()
        states = {
            agent.id: await records.agent_states(agent.id, since_ms=since_ms, limit=MOST_STATES)
            for agent in agents
        }
    midnight_ms = begin_of_day_ms(since_ms)
    callers = callers_of(contacts, midnight_ms, policy)
    roster = [
        duty
        for agent in agents
        if (
            duty := duty_of(agent, [s for s in states[agent.id] if s.at_ms < until_ms], midnight_ms, until_ms)
        )
    ]
    on = dt.datetime.fromtimestamp(since_ms / 1000, CHINA).date()
    return Day(on.isoformat(), callers, tuple(roster), on=on)


async def _contacts(records: Records, since_ms: int, until_ms: int) -> list[ContactRecord]:
    found: list[ContactRecord] = []
    mark: str | None = None
    while True:
        page = await records.contacts(
            ContactQuery(after=mark, limit=PAGE, since_ms=since_ms, until_ms=until_ms)
        )
        found += page.items
        mark = page.next
        if mark is None:
            return found


def callers_of(contacts: Sequence[ContactRecord], midnight_ms: int, policy: Policy) -> tuple[Caller, ...]:
    """Those who entered the queue, without any number or name; numbered anew in the order of their coming."""
    queued = [one for one in contacts if one.queued_ms is not None and one.wait_ms is not None]
    gave_up = [one for one in queued if one.end_reason == "abandoned_waiting"]
    waited_ms = sum(one.wait_ms or 0 for one in queued)
    patience_ms = waited_ms / len(gave_up) if gave_up and waited_ms else 1000 * UNKNOWN_PATIENCE_S
    talks = sorted(one.talk_ms for one in queued if one.talk_ms)
    usual_ms = talks[len(talks) // 2] if talks else 360_000
    known = {matter.id for matter in policy.matters}
    languages = {language.id for language in policy.languages}
    rng = Random(f"recorded {midnight_ms}")  # noqa: S311
    callers = []
    for number, one in enumerate(sorted(queued, key=lambda one: (one.queued_ms or 0, one.id)), 1):
        left = one.end_reason == "abandoned_waiting"
        more_ms = 0 if left else rng.expovariate(1 / patience_ms)
        callers.append(
            Caller(
                id=f"c{number:05}",
                arrived_ms=(one.queued_ms or 0) - midnight_ms,
                matter=one.matter if one.matter in known else policy.default_matter.id,
                language=one.language if one.language in languages else policy.default_language.id,
                district="",
                priority=one.priority,
                patience_ms=min(DAY_MS, round((one.wait_ms or 0) + more_ms)),
                handle_ms=max(1, min(DAY_MS, one.talk_ms or rng.choice(talks or [usual_ms]))),
                ring_ms=RING_MS,
                wrap_up_ms=30_000,
                draw=rng.getrandbits(32),
            )
        )
    return tuple(callers)


def duty_of(agent: AgentRow, states: Sequence[StateChange], midnight_ms: int, until_ms: int) -> Duty | None:
    """When this volunteer was signed in, and the pauses of their own choice. None for somebody who was not there."""
    here = [one for one in states if one.state != "offline"]
    if not here:
        return None
    last = states[-1]
    ends_ms = last.at_ms if last.state == "offline" else until_ms
    breaks: list[tuple[int, int]] = []
    for state, following in zip(states, [*states[1:], None], strict=True):
        if state.state == "paused" and state.reason in OWN_CHOICE:
            end_ms = following.at_ms if following else ends_ms
            if end_ms - state.at_ms >= LEAST_BREAK_MS:
                breaks.append((state.at_ms - midnight_ms, end_ms - state.at_ms))
    begins_ms = here[0].at_ms
    if ends_ms <= begins_ms or agent.suspended:
        return None
    return Duty(
        id=agent.id,
        role=agent.role,
        skills=dict(agent.skills),
        languages=agent.languages,
        district=agent.district or "",
        begins_ms=begins_ms - midnight_ms,
        ends_ms=ends_ms - midnight_ms,
        breaks=tuple(breaks),
        backup=agent.backup,
    )
