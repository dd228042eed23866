"""Ratings of callers become each volunteer's quality, and only from what their hotline asks."""

from __future__ import annotations

import pytest

from ivr.hotline import load_hotlines
from routing.policy import Quality
from switchboard.agents.quality import qualities
from switchboard.records import Records
from switchboard.records.queries import Rated

HOTLINES = load_hotlines()


def rated(agent: str, hotline: str = "12348", **answers: str) -> Rated:
    return Rated(agent, hotline, answers)


def test_the_first_key_is_best_and_the_last_is_worst() -> None:
    found = qualities(
        [rated("v1", patient="1"), rated("v2", patient="3"), rated("v3", patient="2")], HOTLINES
    )
    assert found == {"v1": Quality(5.0, 1), "v2": Quality(1.0, 1), "v3": Quality(3.0, 1)}


def test_a_contact_counts_once_however_many_questions_were_answered() -> None:
    found = qualities([rated("v1", patient="1", polite="3"), rated("v1", patient="1")], HOTLINES)
    assert found["v1"] == Quality(4.0, 2)


@pytest.mark.parametrize(
    "unusable",
    [rated("v1"), rated("v1", patient="9"), rated("v1", patient=""), rated("v1", "95598", patient="1")],
)
def test_answers_that_nobody_asks_for_count_for_nothing(unusable: Rated) -> None:
    assert qualities([unusable], HOTLINES) == {}


async def test_the_records_tell_who_was_rated_and_how(records: Records) -> None:
    for ident, answer in (("c-1", "1"), ("c-2", None)):
        await records.append(ident, "arrived", at_ms=5_000, key="arrived", medium="call", hotline="12348")
        await records.append(ident, "connected", reservation=1, agent="v1")
        if answer:
            await records.append(ident, "survey", question="patient", answer=answer)
    assert await records.rated(since_ms=1_000) == [Rated("v1", "12348", {"patient": "1"})]
    assert await records.rated(since_ms=6_000) == []
