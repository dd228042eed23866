"""What volunteers write about their contacts: kept as it is typed, listed while it is unfinished, filed later."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from switchboard.agents.commands.talking import DISPOSITIONS
from switchboard.errors import (
    InvalidInput,
    NotFound,
    TicketClosed,
    TicketElsewhere,
    TicketFiled,
    TicketIsLong,
    TicketMoved,
    TicketTooLong,
)
from switchboard.records import ContactRecord, mask_number
from switchboard.records.events import is_text
from switchboard.records.tickets import MOST_BYTES, MOST_SHORT, Ticket, TicketText
from switchboard.times import now_ms
from switchboard.web.routes import MOST_BODY_OF_ANY, SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input

routes = Routes()

HAND_ON = frozenset({"connected", "assigned", "reserved"})
"""Events that put a contact into a volunteer's hands."""


class TicketInput(Input):
    """The whole ticket as it is now. ``base``: the revision this page began from; ``writer``: this page, by any id."""

    revision: int = Field(ge=1, le=2**53)
    base: int = Field(0, ge=0, le=2**53)
    writer: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    matter: str = Field("", max_length=64)
    disposition: str = Field("", max_length=64)
    name: str = Field("", max_length=MOST_SHORT)
    district: str = Field("", max_length=MOST_SHORT)
    facts: str = ""
    advice: str = ""
    follow_up: str = ""

    def text(self) -> TicketText:
        """Raises InvalidInput with the names of fields that no database can store."""
        given = self.model_dump(exclude={"revision", "base", "writer"})
        if wrong := tuple(name for name, value in given.items() if not is_text(value, MOST_BYTES)):
            raise (
                TicketIsLong
                if any(len(given[name]) > MOST_BYTES for name in wrong)
                else InvalidInput(fields=wrong)
            )
        return TicketText(**given)


class TicketView(BaseModel):
    """A ticket. ``caller`` is masked; ``saved_ms`` null: nothing was typed yet; ``filed_ms`` null: not filed."""

    contact: str
    caller: str
    medium: str | None
    arrived_ms: int
    revision: int
    matter: str
    disposition: str
    name: str
    district: str
    facts: str
    advice: str
    follow_up: str
    begun_ms: int
    saved_ms: int | None
    filed_ms: int | None

    @classmethod
    def of(cls, ticket: Ticket, record: ContactRecord) -> TicketView:
        return cls(
            contact=ticket.contact,
            caller=mask_number(record.caller),
            medium=record.medium,
            arrived_ms=record.arrived_ms,
            revision=ticket.revision,
            begun_ms=ticket.begun_ms,
            saved_ms=ticket.saved_ms,
            filed_ms=ticket.filed_ms,
            **asdict(ticket.text),
        )


class TicketList(BaseModel):
    items: list[TicketView]


class Saved(BaseModel):
    """What is kept now, and since when."""

    revision: int
    saved_ms: int


class TicketOutcome(Input):
    matter: str = Field(min_length=1, max_length=64)
    disposition: str = Field(min_length=1, max_length=64)


@routes.add(
    "GET",
    "/api/tickets",
    roles=VOLUNTEERS,
    summary="The volunteer's own tickets that are not filed yet, the newest first",
    answer=TicketList,
)
async def tickets(call: Call) -> TicketList:
    records = call.house.records
    kept = await records.tickets.open_of(call.account.agent_id or "")
    found = {record.id: record for record in await records.contacts_named([one.contact for one in kept])}
    return TicketList(items=[TicketView.of(one, found[one.contact]) for one in kept if one.contact in found])


@routes.add(
    "GET",
    "/api/tickets/{id}",
    roles=VOLUNTEERS,
    summary="The volunteer's own ticket about a contact; an empty one where nothing was saved",
    answer=TicketView,
    parts={"id": SLUG},
)
async def ticket(call: Call) -> TicketView:
    record = await _in_hand(call)
    agent = call.account.agent_id or ""
    kept = await call.house.records.tickets.of(record.id, agent)
    return TicketView.of(kept or Ticket(record.id, agent, TicketText()), record)


@routes.add(
    "PUT",
    "/api/tickets/{id}",
    roles=VOLUNTEERS,
    summary="Keep the ticket as it is typed; the same revision twice changes nothing",
    body=TicketInput,
    answer=Saved,
    parts={"id": SLUG},
    most_body=MOST_BODY_OF_ANY,
)
async def save_ticket(call: Call) -> Saved:
    record, given = await _in_hand(call), call.body
    try:
        kept = await call.house.records.tickets.save(
            record.id,
            call.account.agent_id or "",
            given.text(),
            revision=given.revision,
            base=given.base,
            writer=given.writer,
            at_ms=now_ms(),
        )
    except TicketMoved:
        raise TicketElsewhere from None
    except TicketFiled:
        raise TicketClosed from None
    except TicketTooLong:
        raise TicketIsLong from None
    return Saved(revision=kept.revision, saved_ms=kept.saved_ms or kept.begun_ms)


@routes.add(
    "POST",
    "/api/tickets/{id}/file",
    roles=VOLUNTEERS,
    summary="Close a ticket whose time had run out",
    body=TicketOutcome,
    status=204,
    parts={"id": SLUG},
)
async def file_ticket(call: Call) -> None:
    """The contact must have ended; doing it twice changes nothing."""
    record, records = await _in_hand(call), call.house.records
    agent, given = call.account.agent_id or "", call.body
    kept = await records.tickets.of(record.id, agent)
    if kept is None or record.ended_ms is None:
        raise NotFound
    wrong = () if given.disposition in DISPOSITIONS else ("disposition",)
    wrong += () if given.matter in {matter["id"] for matter in call.house.matters()} else ("matter",)
    if wrong:
        raise InvalidInput(fields=wrong)
    if kept.filed_ms is not None:
        return
    text = TicketText(**asdict(kept.text) | given.model_dump())
    outcome = {"agent": agent, **given.model_dump(), "note": text.note() or None, "ticket": text.digest()}
    await records.append(record.id, "ticket_filed", at_ms=now_ms(), key=f"ticket_filed:{agent}", **outcome)
    await records.tickets.file(record.id, agent, given.matter, given.disposition, at_ms=now_ms())
    await records.audit(call.account.name, "ticket.filed", record.id)


@routes.add(
    "GET",
    "/api/contacts/{id}/tickets",
    roles=SUPERVISORS,
    summary="What volunteers have written about a contact",
    answer=TicketList,
    parts={"id": SLUG},
)
async def tickets_of_contact(call: Call) -> TicketList:
    records, ident = call.house.records, call.part("id")
    found = await records.contact(ident)
    if found is None:
        raise NotFound
    await records.audit(call.account.name, "ticket.read", ident)
    return TicketList(items=[TicketView.of(one, found[0]) for one in await records.tickets.of_contact(ident)])


async def _in_hand(call: Call) -> ContactRecord:
    """The contact, if this volunteer has it or had it. Raises NotFound, also for another's."""
    agent = call.account.agent_id
    found = await call.house.records.contact(call.part("id")) if agent else None
    if found is None or not any(
        event.kind in HAND_ON and event.data.get("agent") == agent for event in found[1]
    ):
        raise NotFound
    return found[0]
