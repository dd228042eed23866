"""A volunteer's own figures are exactly what docs/desk.md says, and nobody else's."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from switchboard.records import AgentRow, Records
from switchboard.records.own_figures import Answers, begin_of
from switchboard.records.queries import CHINA
from switchboard.times import now_ms
from tests.support.web import Client, SmallHouse, sign_in

NOON = int(dt.datetime(2026, 11, 25, 12, 0, tzinfo=CHINA).timestamp()) * 1000  # a Wednesday
HOUR = 3_600_000
DAY = 24 * HOUR


class Past:
    """Writes what happened, with the times that a test names."""

    def __init__(self, records: Records) -> None:
        self.records = records

    async def call(
        self, ident: str, *steps: tuple[str, int, dict[str, Any]], at_ms: int = NOON, medium: str = "call"
    ) -> None:
        await self.records.append(
            ident, "arrived", at_ms=at_ms, key="arrived", medium=medium, hotline="12348", caller="13812345678"
        )
        for kind, after_ms, data in steps:
            await self.records.append(ident, kind, at_ms=at_ms + after_ms, **data)

    async def talk(
        self, ident: str, agent: str, talk_ms: int, *, at_ms: int = NOON, survey: dict[str, str] | None = None
    ) -> None:
        answers = [
            ("survey", 1_000 + talk_ms, {"question": question, "answer": answer})
            for question, answer in (survey or {}).items()
        ]
        bad = (
            [("follow_up", 1_000 + talk_ms, {"why": "dissatisfied"})]
            if "3" in (survey or {}).values()
            else []
        )
        await self.call(
            ident,
            ("connected", 1_000, {"agent": agent}),
            ("disconnected", 1_000 + talk_ms, {"by": "caller"}),
            *answers,
            *bad,
            ("wrapped_up", 1_000 + talk_ms, {"agent": agent}),
            ("ended", 2_000 + talk_ms, {"reason": "completed", "by": "caller"}),
            at_ms=at_ms,
        )


@pytest.fixture
def past(records: Records) -> Past:
    return Past(records)


def test_a_week_begins_on_monday_and_a_month_on_the_first_in_china() -> None:
    def of(*when: int) -> int:
        return int(dt.datetime(*when, tzinfo=CHINA).timestamp()) * 1000  # pyright: ignore[reportArgumentType]

    assert begin_of("today", NOON) == of(2026, 11, 25)
    assert begin_of("week", NOON) == of(2026, 11, 23)
    assert begin_of("month", NOON) == of(2026, 11, 1)
    assert begin_of("week", of(2026, 11, 23)) == of(2026, 11, 23)


async def test_contacts_talks_and_missed_ones_are_those_of_the_volunteer_and_the_span(past: Past) -> None:
    await past.talk("c-1", "v1", 60_000)
    await past.talk("c-2", "v1", 120_000)
    await past.talk("c-3", "v2", 600_000)
    await past.talk("c-4", "v1", 600_000, at_ms=NOON - DAY)
    for ident, how, reason in (
        ("c-5", "timed_out", None),
        ("c-6", "leg_failed", "no_answer"),
        ("c-7", "rejected", "no_answer"),
        ("c-8", "rejected", "declined"),
        ("c-9", "cancelled", None),
    ):
        ended = {"reservation": 1, "agent": "v1", "how": how, "reason": reason}
        await past.call(ident, ("reservation_ended", 1_000, ended))
    found = await past.records.own.figures("v1", begin_of("today", NOON), NOON + HOUR)
    assert (found.answered, found.missed, found.declined) == (2, 3, 1)
    assert (found.talks, found.mean_talk_ms) == (2, 90_000)
    month = await past.records.own.figures("v1", begin_of("month", NOON), NOON + HOUR)
    assert (month.answered, month.mean_talk_ms) == (3, 260_000)


async def test_a_talk_handed_on_counts_for_both_and_each_part_for_its_own(past: Past) -> None:
    await past.call(
        "c-1",
        ("connected", 0, {"agent": "v1"}),
        ("connected", 30_000, {"agent": "v2"}),
        ("disconnected", 130_000, {"by": "caller"}),
        ("ended", 131_000, {"reason": "completed", "by": "caller"}),
    )
    for agent, length in (("v1", 30_000), ("v2", 100_000)):
        found = await past.records.own.figures(agent, NOON - HOUR, NOON + HOUR)
        assert (found.answered, found.mean_talk_ms) == (1, length)


async def test_a_talk_passed_on_after_a_consultation_counts_for_both(past: Past) -> None:
    await past.call(
        "c-1",
        ("connected", 0, {"agent": "v1"}),
        ("passed", 30_000, {"how": "attended", "by": "v1", "agent": "v2"}),
        ("disconnected", 130_000, {"by": "caller"}),
        ("ended", 131_000, {"reason": "completed", "by": "caller"}),
    )
    for agent, length in (("v1", 30_000), ("v2", 100_000)):
        found = await past.records.own.figures(agent, NOON - HOUR, NOON + HOUR)
        assert (found.answered, found.mean_talk_ms) == (1, length)


async def test_a_talk_that_goes_on_is_answered_and_in_no_mean(past: Past) -> None:
    await past.call("c-1", ("connected", 0, {"agent": "v1"}))
    found = await past.records.own.figures("v1", NOON - HOUR, NOON + HOUR)
    assert (found.answered, found.talks, found.mean_talk_ms) == (1, 0, None)


async def test_time_on_duty_is_cut_at_the_ends_of_the_span_and_never_negative(past: Past) -> None:
    await past.records.upsert_agent(AgentRow("v1", "王敏", "lawyer"))
    for state, reason, at_ms in (
        ("available", None, NOON - 2 * HOUR),  # one hour of it before the span
        ("wrap_up", None, NOON),
        ("available", None, NOON + 60_000),
        ("paused", "meal", NOON + HOUR),
        ("available", None, NOON + 2 * HOUR),
        ("wrap_up", None, NOON + 2 * HOUR - 5_000),  # the clock was set back
        ("paused", "desk_gone", NOON + 3 * HOUR),
        ("offline", "signed_out", NOON + 4 * HOUR),
    ):
        await past.records.log_agent_state("v1", state, reason, at_ms)
    found = await past.records.own.figures("v1", NOON - HOUR, NOON + 5 * HOUR)
    assert found.duty_ms == HOUR + HOUR + HOUR + 5_000
    assert found.paused_ms == HOUR - 5_000
    assert found.wrap_ups == 2


async def test_states_left_open_by_a_dead_switchboard_end_where_it_was_last_alive(past: Past) -> None:
    for agent in ("v1", "v2", "v3"):
        await past.records.upsert_agent(AgentRow(agent, agent, "lawyer"))
    await past.records.log_agent_state("v1", "available", None, NOON)
    await past.records.log_agent_state("v2", "available", None, NOON)
    await past.records.log_agent_state("v3", "offline", None, NOON)
    assert await past.records.close_states(NOON + HOUR, but=["v2"]) == 1
    assert await past.records.close_states(NOON + HOUR, but=["v2"]) == 0
    assert (await past.records.own.figures("v1", NOON, NOON + DAY)).duty_ms == HOUR
    assert (await past.records.own.figures("v2", NOON, NOON + DAY)).duty_ms == DAY


async def test_answers_are_counted_by_key_without_ratings_taken_out_on_appeal(past: Past) -> None:
    await past.talk("c-1", "v1", 1_000, survey={"patient": "1", "polite": "1"})
    await past.talk("c-2", "v1", 1_000, survey={"patient": "3"})
    await past.talk("c-3", "v2", 1_000, survey={"patient": "2"})
    figures = await past.records.own.figures("v1", NOON - HOUR, NOON + HOUR)
    assert all(isinstance(one, Answers) and one.hotline == "12348" for one in figures.survey)
    assert {one.question: dict(one.counts) for one in figures.survey} == {
        "patient": {"1": 1, "3": 1},
        "polite": {"1": 1},
    }
    await past.records.append("c-2", "appealed", key="appealed", agent="v1", text="误按")
    await past.records.append(
        "c-2", "appeal_decided", key="appeal_decided", by="sun", outcome="upheld", reason=""
    )
    figures = await past.records.own.figures("v1", NOON - HOUR, NOON + HOUR)
    assert {one.question: dict(one.counts) for one in figures.survey} == {
        "patient": {"1": 1},
        "polite": {"1": 1},
    }


async def test_a_message_is_in_time_by_when_its_caller_was_reached(past: Past) -> None:
    async def message(ident: str, due_ms: int, done_ms: int) -> None:
        await past.call(
            ident,
            ("promised", 0, {"due_ms": NOON + due_ms}),
            ("assigned", 1, {"reservation": 1, "agent": "v1"}),
            ("connected", done_ms, {"agent": "v1"}),
            ("disconnected", done_ms + 60_000, {"by": "caller"}),
            ("wrapped_up", done_ms + 60_000, {"agent": "v1"}),
            ("ended", done_ms + 60_000, {"reason": "completed", "by": "agent"}),
            medium="message",
        )

    await message("m-1", HOUR, HOUR - 1_000)
    await message("m-2", HOUR, HOUR + 1_000)
    found = await past.records.own.figures("v1", NOON - HOUR, NOON + DAY)
    assert (found.messages, found.messages_in_time) == (2, 1)


async def test_fewer_than_ten_answers_make_no_percentage(client: Client, house: SmallHouse) -> None:
    past = Past(house.records)
    at_ms = begin_of("month", now_ms()) + 1
    for number in range(9):
        await past.talk(f"c-{number}", "v001", 10, at_ms=at_ms, survey={"polite": "1", "patient": "2"})
    await past.talk("c-x", "v002", 10, at_ms=at_ms, survey={"polite": "3"})
    await sign_in(client, "v001")
    assert await _questions(client) == [("patient", [0, 9, 0], 9, None), ("polite", [9, 0, 0], 9, None)]
    await past.talk("c-9", "v001", 10, at_ms=at_ms, survey={"polite": "3"})
    assert await _questions(client) == [("patient", [0, 9, 0], 9, None), ("polite", [9, 0, 1], 10, 0.9)]


async def _questions(client: Client) -> list[tuple[str, list[int], int, float | None]]:
    async with client.get("/api/own-figures") as answer:
        found = await answer.json()
    assert [one["period"] for one in found["periods"]] == ["today", "week", "month"]
    survey = found["periods"][2]["survey"]
    assert found["smallest"] == 10
    return [(one["question"], one["counts"], one["answers"], one["share"]) for one in survey]


async def test_nobody_else_has_figures_here(client: Client) -> None:
    await sign_in(client, "sun")
    async with client.get("/api/own-figures") as answer:
        assert answer.status == 403
