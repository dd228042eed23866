"""Judicial confirmation: the judge's list with its clock, questions to the mediator, the decision, its print."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from switchboard.clinic.cases import Case
from switchboard.clinic.confirmation import CONFIRMATIONS, Confirmation
from switchboard.clinic.machine import CITIZEN, Actor
from switchboard.clinic.mediation import MEDIATIONS
from switchboard.errors import NotFound
from switchboard.records.clinic_models import ClinicCaseRow
from switchboard.times import now_ms
from switchboard.web.acts import Noted, data_of
from switchboard.web.clinic_access import (
    CaseEvents,
    CaseView,
    Key,
    StepOrder,
    clinic_of,
    events_of,
    held_pass,
    professional,
    staff_case,
    step_of,
    view,
)
from switchboard.web.routes import ANYBODY, JUDGES, MEDIATORS, SIGNED_IN, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input, Ms, PlainText, Slug

routes = Routes()


class QuestionPut(Input):
    question: PlainText = Field(min_length=1, max_length=4_000)


class AnswerGiven(Input):
    answer: PlainText = Field(min_length=1, max_length=8_000)


class Decided(Input):
    reasons: PlainText = Field(min_length=1, max_length=8_000)


INPUTS: dict[str, type[Input]] = {
    "ask": QuestionPut,
    "answer": AnswerGiven,
    "confirm": Decided,
    "reject": Decided,
    "keep": Noted,
    "break": Noted,
}


class ClockView(BaseModel):
    """``since_ms`` from the signing; ``light``: ``green`` within 30 minutes, ``amber``, ``red`` over 30 days;
    ``working``: whether the court is at work now."""

    since_ms: int
    aim_left_ms: int
    limit_left_ms: int
    light: Literal["green", "amber", "red"]
    working: bool


class ConfirmationView(CaseView):
    """``agreement``: what was signed, as text, with who signed it when; for the judge and the mediator."""

    clock: ClockView
    agreement: dict[str, Any] | None = None


class Confirmations(BaseModel):
    """The one whose limit comes first at first."""

    items: list[ConfirmationView]


class FiguresQuery(Input):
    since_ms: Ms
    until_ms: Ms


class FiguresView(BaseModel):
    """``within`` of ``decided`` came within 30 minutes of the last signature."""

    filed: int
    decided: int
    confirmed: int
    rejected: int
    within: int
    median_ms: int | None
    open: int
    over_limit: int
    kept: int
    not_kept: int


class OwnQuery(Input):
    state: Slug | None = None


def _view(call: Call, case: Case[Confirmation], role: str) -> ConfirmationView:
    found = clinic_of(call).mediations.clock(case, now_ms())
    return ConfirmationView(
        **view(CONFIRMATIONS, case, role).model_dump(),
        clock=ClockView(
            since_ms=found.since_ms,
            aim_left_ms=found.aim_left_ms,
            limit_left_ms=found.limit_left_ms,
            light=found.light,  # type: ignore[arg-type]
            working=found.working,
        ),
    )


async def _with_agreement(call: Call, case: Case[Confirmation], role: str) -> ConfirmationView:
    clinic = clinic_of(call)
    mediation = await clinic.cases.of(MEDIATIONS, case.value.mediation)
    shown = MEDIATIONS.dump(mediation.value)
    signatures = [one["signature"] | {"name": one["name"]} for one in shown["parties"] if one["signature"]]
    application = await clinic.mediations.application(mediation)
    agreement = {
        "text": mediation.value.newest.text if mediation.value.newest else "",
        "sha256": case.value.agreement,
        "versions": len(mediation.value.versions),
        "signatures": [*signatures, shown["mediator_signature"]],
        "application": application.text,
        "contact": mediation.value.contact,
        "gaps": shown["gaps"],
        "whole": await clinic.cases.whole(MEDIATIONS, mediation.id),
    }
    return _view(call, case, role).model_copy(update={"agreement": agreement})


@routes.add(
    "GET",
    "/api/judge/confirmations",
    roles=VOLUNTEERS,
    professions=JUDGES,
    summary="What waits for a judge, and the judge's own, by the clock",
    query=OwnQuery,
    answer=Confirmations,
)
async def confirmations(call: Call) -> Confirmations:
    row, me = ClinicCaseRow, professional(call).id
    mine = (row.agent == me) | (row.state == "filed")
    states = [call.query.state] if call.query.state else []
    found = await clinic_of(call).cases.listed(CONFIRMATIONS, mine, states=states)
    return Confirmations(items=[_view(call, one, "judge") for one in found])


@routes.add(
    "GET",
    "/api/judge/confirmations/{id}",
    roles=VOLUNTEERS,
    professions=JUDGES,
    summary="One application with the agreement, its signatures and the gaps of the session",
    answer=ConfirmationView,
    parts={"id": SLUG},
)
async def confirmation(call: Call) -> ConfirmationView:
    case, _ = await staff_case(call, CONFIRMATIONS)
    return await _with_agreement(call, case, "judge")


@routes.add(
    "POST",
    "/api/judge/confirmations/{id}/steps",
    roles=VOLUNTEERS,
    professions=JUDGES,
    summary="One step of the judge: take, ask, confirm, reject, note whether it was kept",
    body=StepOrder,
    answer=ConfirmationView,
    parts={"id": SLUG},
)
async def judge_step(call: Call) -> ConfirmationView:
    case, actor = await staff_case(call, CONFIRMATIONS)
    return await _do(call, case, actor)


@routes.add(
    "GET",
    "/api/judge/confirmations/{id}/events",
    roles=VOLUNTEERS,
    professions=JUDGES,
    summary="Who did and saw what when in the mediation before",
    answer=CaseEvents,
    parts={"id": SLUG},
)
async def events(call: Call) -> CaseEvents:
    case, _ = await staff_case(call, CONFIRMATIONS)
    return await events_of(call, MEDIATIONS, case.value.mediation)


@routes.add(
    "GET",
    "/api/mediator/confirmations",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="Applications of the mediator's own cases; those with a question of the judge first",
    answer=Confirmations,
)
async def mediator_confirmations(call: Call) -> Confirmations:
    me = professional(call).id
    found = [one for one in await clinic_of(call).cases.listed(CONFIRMATIONS) if one.value.mediator == me]
    ordered = sorted(found, key=lambda one: one.state != "asked")
    return Confirmations(items=[_view(call, one, "mediator") for one in ordered])


@routes.add(
    "POST",
    "/api/mediator/confirmations/{id}/steps",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="One step of the mediator: answer the judge, withdraw, note whether it was kept",
    body=StepOrder,
    answer=ConfirmationView,
    parts={"id": SLUG},
)
async def mediator_step(call: Call) -> ConfirmationView:
    agent = professional(call)
    case = await clinic_of(call).cases.of(CONFIRMATIONS, call.part("id"))
    if case.value.mediator != agent.id:
        await call.house.records.audit(call.account.name, "confirmation.read", case.id, "refused")
        raise NotFound
    return await _do(call, case, Actor(agent.id, agent.role))


@routes.add(
    "GET",
    "/api/mediations/{id}/confirmation",
    roles=ANYBODY,
    summary="What became of the application, for a party (header Case-Pass)",
    answer=ConfirmationView,
    parts={"id": SLUG},
)
async def of_party(call: Call) -> ConfirmationView:
    return _view(call, await _party_case(call), CITIZEN)


@routes.add(
    "POST",
    "/api/mediations/{id}/confirmation/printed",
    roles=ANYBODY,
    summary="The decision was printed here",
    body=Key,
    answer=ConfirmationView,
    parts={"id": SLUG},
)
async def printed(call: Call) -> ConfirmationView:
    case, party = await _party_case(call), held_pass(call).party
    done = await clinic_of(call).mediations.confirm_step(
        case, step_of(call.body, "printed", Actor(party, CITIZEN))
    )
    return _view(call, done, CITIZEN)


@routes.add(
    "GET",
    "/api/confirmation-figures",
    roles=SIGNED_IN,
    summary="How many, how many within 30 minutes, and the median",
    query=FiguresQuery,
    answer=FiguresView,
)
async def confirmation_figures(call: Call) -> FiguresView:
    asked = call.query
    found = await clinic_of(call).mediations.figures(asked.since_ms, asked.until_ms, now_ms())
    return FiguresView(**{name: getattr(found, name) for name in FiguresView.model_fields})


async def _party_case(call: Call) -> Case[Confirmation]:
    found, ident = held_pass(call), call.part("id")
    if found.case != ident:
        raise NotFound
    cases = clinic_of(call).cases
    (await cases.of(MEDIATIONS, ident)).value.party(found.party)
    listed = await cases.listed(CONFIRMATIONS, parent=ident, limit=1)
    if not listed:
        raise NotFound
    return listed[0]


async def _do(call: Call, case: Case[Confirmation], actor: Actor) -> ConfirmationView:
    order: StepOrder = call.body
    made = step_of(order, order.verb, actor, **data_of(INPUTS, order))
    done = await clinic_of(call).mediations.confirm_step(case, made, base=order.base)
    return await _with_agreement(call, done, actor.role)
