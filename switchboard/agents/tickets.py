"""The volunteer's ticket in the life of a contact: begun with the talk, filed with the outcome, found after a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from switchboard.contacts.contact import Contact
from switchboard.errors import RecordsAway, TicketFiled, TicketMoved
from switchboard.records.tickets import TicketText
from switchboard.times import now_ms

if TYPE_CHECKING:
    from routing.model import Seat
    from switchboard.agents.desk import Desk
    from switchboard.house import House

log = structlog.get_logger(__name__)

AGAIN_S = 1.0
NOTE_S = 1.0
SAME_MOMENT_MS = 15_000
"""The wrap-up begins with the end of the talk; both are written down by different clocks, and one may be late."""

T = TypeVar("T")


async def begin_ticket(
    house: House, contact: str, agent: str, matter: str | None, *, before: str | None = None
) -> None:
    """From the first word on there is something to be filed, also where nothing is ever typed.

    ``before``: who had this caller until now; what that one wrote stands on the new ticket, to go on with.
    """
    tickets = house.records.tickets
    await _patiently(lambda: tickets.begin(contact, agent, matter=matter or "", at_ms=now_ms()))
    theirs = await _patiently(lambda: tickets.of(contact, before)) if before and before != agent else None
    if theirs is None or not theirs.revision:
        return
    text = replace(theirs.text, matter=matter or theirs.text.matter, disposition="")
    with suppress(TicketMoved, TicketFiled):  # the volunteer was quicker, or had it before and has filed
        await _patiently(
            lambda: tickets.save(
                contact, agent, text, revision=1, base=0, writer=f"from:{before}", at_ms=now_ms()
            )
        )


async def note_of(house: House, contact: str, agent: str) -> str:
    """What stands on this volunteer's ticket, as the record would show it; empty when nobody can say in time."""
    try:
        async with asyncio.timeout(NOTE_S):
            ticket = await house.records.tickets.of(contact, agent)
    except (RecordsAway, TimeoutError):
        return ""
    return ticket.text.note() if ticket else ""


async def file_ticket(
    house: House,
    contact: str,
    agent: str,
    matter: str | None,
    disposition: str,
    note: str = "",
    *,
    key: str | None = None,
) -> None:
    """The outcome and all that was typed are kept for good: the event first, so that nothing is filed without it.

    ``note`` counts where nothing was typed on a ticket; one ``key`` is filed once. Returns after the
    commit, however long that takes.
    """
    tickets = house.records.tickets
    ticket = await _patiently(lambda: tickets.of(contact, agent))
    text = ticket.text if ticket else TicketText()
    filed = replace(text, matter=matter or "", disposition=disposition)
    await house.records.append(
        contact,
        "wrapped_up",
        at_ms=now_ms(),
        key=key or f"wrapped_up:{agent}",
        agent=agent,
        matter=matter,
        disposition=disposition,
        note=filed.note() or note,
        ticket=filed.digest() if ticket else None,
    )
    if ticket:
        await _patiently(lambda: tickets.file(contact, agent, matter or "", disposition, at_ms=now_ms()))


async def resume_wrap_up(desk: Desk, seat: Seat) -> None:
    """After a restart of this process the volunteer goes on writing about the talk that has just ended."""
    house, agent = desk.house, desk.agent.id
    try:
        newest = await house.records.tickets.open_of(agent, limit=1)
        found = await house.records.contact(newest[0].contact) if newest else None
    except RecordsAway:
        log.warning("wrap-up not taken up", agent=agent)
        return
    record = found[0] if found else None
    if record is None or record.agent != agent:
        return
    ended_ms = record.disconnected_ms or record.ended_ms
    if ended_ms is not None and abs(seat.since_ms - ended_ms) > SAME_MOMENT_MS:
        return
    contact = house.live.contact(record.id) or Contact.from_record(house, record, record.channel or "")
    await contact.look_up()
    desk.wrap_up_again(contact, seat.until_ms)


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """The database may be away for a while; what is to be kept waits for it."""
    while True:
        try:
            return await work()
        except RecordsAway:
            await asyncio.sleep(AGAIN_S)
