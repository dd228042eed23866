"""A volunteer's own figures, and nobody else's."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from pydantic import BaseModel, Field

from switchboard.errors import NotFound
from switchboard.records.own_figures import PERIODS, Answers, OwnFigures, begin_of
from switchboard.times import now_ms
from switchboard.web.house import WebHouse
from switchboard.web.routes import VOLUNTEERS, Call, Routes

routes = Routes()

SMALLEST = 10
"""With fewer answers a percentage says more than is known: it is not given."""


class QuestionView(BaseModel):
    """``counts``: how often each rank of answer was given, from good to bad (three of them in our hotlines)."""

    question: str
    counts: list[int]
    answers: int
    share: float | None = Field(description="of the best answer, 0 to 1; null with fewer than ten answers")


class PeriodView(BaseModel):
    """Means are null where nothing was counted. The definitions are in docs/desk.md."""

    period: str
    since_ms: int
    answered: int
    missed: int
    declined: int
    talks: int
    mean_talk_ms: int | None
    wrap_ups: int
    mean_wrap_up_ms: int | None
    duty_ms: int
    paused_ms: int
    messages: int
    messages_in_time: int
    survey: list[QuestionView]


class OwnFiguresView(BaseModel):
    at_ms: int
    smallest: int
    periods: list[PeriodView]


@routes.add(
    "GET",
    "/api/own-figures",
    roles=VOLUNTEERS,
    summary="The volunteer's own figures of today, this week and this month",
    answer=OwnFiguresView,
)
async def own_figures(call: Call) -> OwnFiguresView:
    agent, at_ms = own_agent(call), now_ms()
    own = call.house.records.own
    found = await asyncio.gather(*(own.figures(agent, begin_of(period, at_ms), at_ms) for period in PERIODS))
    shown = [_period(call.house, *one) for one in zip(PERIODS, found, strict=True)]
    return OwnFiguresView(at_ms=at_ms, smallest=SMALLEST, periods=shown)


def own_agent(call: Call) -> str:
    """The volunteer of this account: what is asked for is always their own."""
    if call.account.agent_id is None:
        raise NotFound
    return call.account.agent_id


def _period(house: WebHouse, period: str, figures: OwnFigures) -> PeriodView:
    plain = {
        name: getattr(figures, name) for name in PeriodView.model_fields if name not in ("period", "survey")
    }
    return PeriodView(period=period, survey=_questions(house, figures.survey), **plain)


def _questions(house: WebHouse, survey: tuple[Answers, ...]) -> list[QuestionView]:
    """By question, over all hotlines; keys that a hotline does not ask for (any more) count for nothing."""
    ranked: defaultdict[str, list[int]] = defaultdict(list)
    for answers in survey:
        keys = house.survey_keys(answers.hotline) or ""
        counts = ranked[answers.question]
        counts += [0] * (len(keys) - len(counts))
        for key, count in answers.counts.items():
            if key in keys:
                counts[keys.index(key)] += count
    order = ("patient", "polite", "efficient")
    shown = sorted(ranked, key=lambda name: (order.index(name) if name in order else len(order), name))
    return [_question(name, ranked[name]) for name in shown if sum(ranked[name])]


def _question(name: str, counts: list[int]) -> QuestionView:
    total = sum(counts)
    share = counts[0] / total if total >= SMALLEST else None
    return QuestionView(question=name, counts=counts, answers=total, share=share)
