"""A volunteer objects to a bad rating within seven days; a supervisor decides. Nothing is deleted, both see it all."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from switchboard.errors import AppealTooLate, Conflict, Decided, Forbidden, InvalidInput, NotFound
from switchboard.records.events import AppealOutcome, ContactEvent
from switchboard.records.fold import ContactRecord
from switchboard.records.store import Records
from switchboard.times import now_ms
from switchboard.web.own_figures import own_agent
from switchboard.web.routes import SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, ContactView, Input, PlainText

routes = Routes()

DAYS = 7
DAY_MS = 86_400_000
SHOWN_DAYS = 60
Step = Literal["follow_up", "followed_up", "appealed", "appeal_decided"]
STEPS = ("follow_up", "followed_up", "appealed", "appeal_decided")


class StepView(BaseModel):
    """One step in the history of a rating. ``by``: a volunteer's id or a supervisor's account."""

    at_ms: int
    what: Step
    by: str | None = None
    outcome: str | None = None
    text: str | None = None


class RatingView(BaseModel):
    """A contact whose caller was dissatisfied, and what followed. ``until_ms``: the last moment to object."""

    contact: ContactView
    until_ms: int
    open_to_appeal: bool
    steps: list[StepView]


class RatingsView(BaseModel):
    items: list[RatingView]


class AppealText(Input):
    text: PlainText = Field(min_length=1, max_length=2_000)


class AppealDecision(Input):
    outcome: AppealOutcome
    reason: PlainText = Field("", max_length=2_000)


def until_ms(record: ContactRecord) -> int:
    return (record.ended_ms or record.arrived_ms) + DAYS * DAY_MS


async def _rating(records: Records, record: ContactRecord, at_ms: int) -> RatingView:
    found = await records.contact(record.id)
    steps = [_step(event) for event in found[1] if event.kind in STEPS] if found else []
    return RatingView(
        contact=ContactView.of(record),
        until_ms=until_ms(record),
        open_to_appeal=record.appeal is None and at_ms <= until_ms(record),
        steps=steps,
    )


def _step(event: ContactEvent) -> StepView:
    def said(*names: str) -> str | None:
        return next((str(event.data[name]) for name in names if event.data.get(name)), None)

    return StepView.model_validate(
        {
            "at_ms": event.at_ms,
            "what": event.kind,
            "by": said("by", "agent"),
            "outcome": said("outcome"),
            "text": said("text", "reason", "note"),
        }
    )


@routes.add(
    "GET",
    "/api/own-ratings",
    roles=VOLUNTEERS,
    summary="The volunteer's contacts of the last sixty days whose caller was dissatisfied, newest first",
    answer=RatingsView,
)
async def own_ratings(call: Call) -> RatingsView:
    agent, at_ms, records = own_agent(call), now_ms(), call.house.records
    found = await records.bad_ratings(agent, at_ms - SHOWN_DAYS * DAY_MS)
    return RatingsView(items=[await _rating(records, record, at_ms) for record in found])


@routes.add(
    "POST",
    "/api/own-ratings/{id}/appeal",
    roles=VOLUNTEERS,
    summary="Object to a rating within seven days; once",
    body=AppealText,
    answer=RatingView,
    status=201,
    parts={"id": SLUG},
)
async def appeal(call: Call) -> RatingView:
    agent, at_ms, records, ident = own_agent(call), now_ms(), call.house.records, call.part("id")
    found = await records.contact(ident)
    if found is None or found[0].agent != agent or found[0].follow_up is None or found[0].ended_ms is None:
        raise NotFound  # the same words for what does not exist and for what is another's
    text = call.body.text.strip()
    if not text:
        raise InvalidInput(fields=("text",))
    if found[0].appeal is None:
        if at_ms > until_ms(found[0]):
            raise AppealTooLate
        made = await records.append(ident, "appealed", at_ms=at_ms, key="appealed", agent=agent, text=text)
        if made:
            await records.audit(call.account.name, "appeal.made", ident)
            await call.house.duty.look_at_plan()
        found = await records.contact(ident) or found
    return await _rating(records, found[0], at_ms)


@routes.add(
    "GET",
    "/api/appeals",
    roles=SUPERVISORS,
    summary="Objections that wait for a decision, oldest first",
    answer=RatingsView,
)
async def appeals(call: Call) -> RatingsView:
    records, at_ms = call.house.records, now_ms()
    return RatingsView(items=[await _rating(records, record, at_ms) for record in await records.appeals()])


@routes.add(
    "POST",
    "/api/appeals/{id}",
    roles=SUPERVISORS,
    summary="Decide: upheld, the rating counts no more; dismissed, with a reason",
    body=AppealDecision,
    answer=RatingView,
    parts={"id": SLUG},
)
async def decide(call: Call) -> RatingView:
    """The first decision stays; another one after it is refused."""
    records, ident, at_ms = call.house.records, call.part("id"), now_ms()
    reason = call.body.reason.strip()
    if call.body.outcome == "dismissed" and not reason:
        raise InvalidInput(fields=("reason",))
    found = await records.contact(ident)
    if found is None or found[0].appeal is None:
        raise NotFound
    agent = found[0].agent or ""
    if agent and agent == call.account.agent_id:
        raise Forbidden  # nobody decides about their own rating
    if found[0].appeal == "open":
        await records.append(
            ident,
            "appeal_decided",
            at_ms=at_ms,
            key="appeal_decided",
            by=call.account.name,
            outcome=call.body.outcome,
            reason=reason,
        )
    found = await records.contact(ident)
    if found is None:
        raise Conflict
    decided = next((event for event in found[1] if event.kind == "appeal_decided"), None)
    if (
        decided is None
        or decided.data["outcome"] != call.body.outcome
        or decided.data["by"] != call.account.name
    ):
        raise Decided
    if decided.at_ms == at_ms:
        await records.audit(call.account.name, f"appeal.{call.body.outcome}", ident)
        await call.house.duty.appeal_decided(agent, ident, call.body.outcome)
    return await _rating(records, found[0], at_ms)
