"""The messages and call-backs of this node: one coroutine for each that is open, and what desks ask of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from ivr.ari.client import Reconciled
from routing.errors import RoutingError
from routing.model import LiveEntry, agent_of
from switchboard.contacts.contact import Contact
from switchboard.contacts.promises import written_in
from switchboard.records.numbers import mask_number
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.house import House
    from switchboard.records.fold import ContactRecord

log = structlog.get_logger(__name__)

AGAIN_S = 5.0
MEDIA = ("message", "callback")


class Tasks:
    """Open promises by contact id. ``begin`` is idempotent: a promise has one coroutine, whoever makes it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._contacts: dict[str, Contact] = {}

    def begin(self, contact: Contact) -> None:
        """Serve this message or call-back from now on."""
        if contact.id in self._tasks or contact.medium not in MEDIA or contact.ended_ms is not None:
            return
        self._contacts[contact.id] = contact
        task = asyncio.create_task(self._serve(contact), name=f"{contact.medium} {contact.id}")
        self._tasks[contact.id] = task
        task.add_done_callback(lambda _: self._over(contact.id))

    async def _serve(self, contact: Contact) -> None:
        from switchboard.contacts.answering import serve_callback, serve_message  # it stands on the house

        serve = serve_message if contact.medium == "message" else serve_callback
        while contact.ended_ms is None:
            try:
                await serve(contact)
            except (RoutingError, OSError) as error:
                log.warning("promise waits", contact=contact.id, error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            except Exception as error:  # never closed by a fault of ours: it is begun again
                log.exception("promise failed", contact=contact.id, error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)

    def _over(self, contact_id: str) -> None:
        self._tasks.pop(contact_id, None)
        contact = self._contacts.pop(contact_id, None)
        if contact:
            self.changed(contact)

    def holds(self, entry_id: str) -> bool:
        """Whether an entry of the routing engine belongs to one of these."""
        return entry_id.partition("/")[0] in self._contacts

    def get(self, contact_id: str) -> Contact | None:
        return self._contacts.get(contact_id)

    def all(self) -> list[Contact]:
        return list(self._contacts.values())

    # ---- after a start

    async def resume(self, found: Reconciled) -> None:
        """Begin all that SQL says is open, with the seats the routing engine still holds for them."""
        records = [one for one in await self._house.records.tasks() if one.id not in self._contacts]
        if not records:
            return
        entries = {entry.id: entry for entry in (await self._house.engine.snapshot()).entries}
        for record in records:
            contact = Contact.from_record(self._house, record, "")
            if record.medium == "message" and not record.recordings:
                found = await self._house.records.contact(record.id)
                contact.written = written_in(found[1]) if found else None
            _adopt_seats(contact, record, entries)
            self.begin(contact)
        log.info("promises found again", count=len(records), restarted=found.restarted)

    def served_by(self, call: Contact) -> None:
        """A caller who dialled back in has talked: what was promised is done."""
        contact = self._contacts.get(call.origin or "")
        if contact is None or not call.talked or self._house.stopping:
            return
        contact.note("linked", to=call.id)
        contact.served.set()
        contact.orders.put_nowait("served")

    # ---- what desks see and ask

    def of_agent(self, agent: str) -> list[Contact]:
        """The messages on this volunteer's desk, the one due first at first."""
        mine = [one for one in self._contacts.values() if one.held is not None and one.agent == agent]
        return sorted(mine, key=lambda one: (one.due_ms or 0, one.arrived_ms))

    def frame(self, agent: str) -> list[dict[str, Any]]:
        return [_message_row(contact) for contact in self.of_agent(agent)]

    def changed(self, contact: Contact) -> None:
        """Something about a message is new: the desks that show it, or did, are told."""
        if contact.medium == "message":
            for desk in self._house.desks.all():
                desk.messages_changed(self.frame(desk.agent.id))

    def give_back_all(self, agent: str, reason: str) -> None:
        """The volunteer has left: what was not answered goes back to the queue by itself."""
        for contact in self.of_agent(agent):
            self.give_back(contact, reason)

    def give_back(self, contact: Contact, reason: str) -> None:
        if contact.agent:
            contact.note("returned", agent=contact.agent, reason=reason)
            if reason != "signed_out":
                contact.declined[contact.agent] = now_ms()
        contact.orders.put_nowait("return")

    async def close(self) -> None:
        """Stop without ending anything: the next start goes on."""
        self._house.stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _adopt_seats(contact: Contact, record: ContactRecord, entries: dict[str, LiveEntry]) -> None:
    """What the routing engine holds for it: a desk that has the message, a live seat in the answering call."""
    own = entries.get(record.id)
    contact.agent = record.agent
    if own and own.state == "connected" and own.reservation and own.seat:
        contact.agent = agent_of(own.seat)
        if contact.medium == "message":
            contact.held, contact.seat = own.reservation, own.seat
        else:
            contact.reservation = own.reservation
            if contact.stage == "waiting":  # accepted, and we died before anything was dialled
                contact.stage = "ringing"
    call = entries.get(f"{record.id}/call")
    if call and call.state == "connected" and call.reservation:
        contact.reservation = call.reservation
        if contact.stage == "waiting":
            contact.stage = "ringing"


def _message_row(contact: Contact) -> dict[str, Any]:
    """One line of the desk's list (docs/protocol.md)."""
    return {
        "id": contact.id,
        "medium": contact.medium,
        "caller": mask_number(contact.caller),
        "matter": contact.house.matter_words(contact.matter),
        "language": contact.language,
        "arrived": contact.arrived_ms,
        "due": contact.due_ms,
        "overdue": contact.due_ms is not None and contact.due_ms < now_ms(),
        "state": _state(contact),
        "attempts": contact.attempts,
        "seconds": round((contact.message_ms or 0) / 1000),
        "text": contact.written,
        "listen": f"/api/contacts/{contact.id}/recordings/{contact.id}" if contact.message_ms else None,
    }


def _state(contact: Contact) -> str:
    if contact.talked:
        return "answered"
    return "calling" if contact.stage == "calling" else "assigned"
