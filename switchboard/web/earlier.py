"""Earlier contacts of the caller a volunteer has before them: the same number only, read only, and always audited."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from switchboard.errors import NotFound, ReasonNeeded
from switchboard.records import ContactQuery, ContactRecord, mask_number
from switchboard.web.routes import VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input

routes = Routes()

PAGE = 50


class EarlierView(BaseModel):
    """``role`` is what the volunteer was, who stays unnamed; ``guarded``: about a minor, opened with a reason only."""

    id: str
    medium: str | None
    arrived_ms: int
    matter: str | None
    disposition: str | None
    end_reason: str | None
    talk_ms: int | None
    role: str | None
    own: bool
    guarded: bool


class EarlierList(BaseModel):
    """The newest first. ``caller`` is masked."""

    caller: str
    items: list[EarlierView]


class EarlierText(BaseModel):
    """What was written about one earlier contact, by each volunteer who did; names are masked."""

    role: str | None
    name: str
    district: str
    facts: str
    advice: str
    follow_up: str
    filed_ms: int | None


class EarlierContact(BaseModel):
    """``note`` is there where nothing else was written."""

    contact: EarlierView
    note: str | None
    texts: list[EarlierText]


class WhyQuery(Input):
    reason: Literal["same_matter", "caller_asks", "safety"] | None = None


@routes.add(
    "GET",
    "/api/contacts/{id}/earlier",
    roles=VOLUNTEERS,
    summary="Earlier contacts of the caller whom this volunteer has before them; each look is audited",
    answer=EarlierList,
    parts={"id": SLUG},
)
async def earlier(call: Call) -> EarlierList:
    current = await _before_me(call)
    found = await _earlier(call, current)
    await call.house.records.audit(call.account.name, "caller.history", current.id)
    roles = await _roles(call)
    items = [_view(one, call.account.agent_id, roles) for one in found]
    return EarlierList(caller=mask_number(current.caller), items=items)


@routes.add(
    "GET",
    "/api/contacts/{id}/earlier/{other}",
    roles=VOLUNTEERS,
    summary="What was written about one of them; about a minor with a reason only",
    query=WhyQuery,
    answer=EarlierContact,
    parts={"id": SLUG, "other": SLUG},
)
async def earlier_one(call: Call) -> EarlierContact:
    records, actor, other = call.house.records, call.account.name, call.part("other")
    current = await _before_me(call)
    found = next((one for one in await _earlier(call, current) if one.id == other), None)
    if found is None:
        await records.audit(actor, "contact.read_earlier", other, "refused")
        raise NotFound  # the same words for what does not exist and for another caller's
    roles = await _roles(call)
    view = _view(found, call.account.agent_id, roles)
    if view.guarded and call.query.reason is None:
        await records.audit(actor, "contact.read_earlier", other, "refused")
        raise ReasonNeeded(fields=("reason",))
    await records.audit(actor, "contact.read_earlier", other, call.query.reason or "done")
    tickets = [one for one in await records.tickets.of_contact(other) if one.filed_ms is not None]
    texts = [
        EarlierText(
            role=roles.get(one.agent),
            name=f"{one.text.name[0]}**" if one.text.name else "",
            district=one.text.district,
            facts=one.text.facts,
            advice=one.text.advice,
            follow_up=one.text.follow_up,
            filed_ms=one.filed_ms,
        )
        for one in tickets
    ]
    texts = [one for one in texts if one.facts or one.advice or one.follow_up]
    return EarlierContact(contact=view, note=None if texts else found.note, texts=texts)


async def _before_me(call: Call) -> ContactRecord:
    """The contact, while it is offered to this volunteer, in their hands, or not yet filed. Raises NotFound."""
    ident, agent, records = call.part("id"), call.account.agent_id, call.house.records
    found = await records.contact(ident) if agent else None
    if found is not None:
        record = found[0]
        if record.reserved_agent == agent or (record.agent == agent and record.ended_ms is None):
            return record
        kept = await records.tickets.of(ident, agent or "")
        if kept is not None and kept.filed_ms is None:
            return record
    await records.audit(call.account.name, "caller.history", ident, "refused")
    raise NotFound


async def _earlier(call: Call, current: ContactRecord) -> list[ContactRecord]:
    """Of a caller whose number is withheld, nothing is known."""
    if not current.caller:
        return []
    query = ContactQuery(caller=current.caller, until_ms=current.arrived_ms, limit=PAGE)
    page = await call.house.records.contacts(query)
    return [one for one in page.items if one.id != current.id]


async def _roles(call: Call) -> dict[str, str]:
    return {agent.id: agent.role for agent in await call.house.records.agents()}


def _view(record: ContactRecord, agent: str | None, roles: dict[str, str]) -> EarlierView:
    return EarlierView(
        id=record.id,
        medium=record.medium,
        arrived_ms=record.arrived_ms,
        matter=record.matter,
        disposition=record.disposition,
        end_reason=record.end_reason,
        talk_ms=record.talk_ms,
        role=roles.get(record.agent or ""),
        own=record.agent is not None and record.agent == agent,
        guarded=record.matter == "minors" or record.priority_reason == "minor",
    )
