"""The visits of this node: one coroutine for each, by contact and by terminal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ivr.intake import Intake
from switchboard.contacts.contact import Contact, new_contact_id
from switchboard.contacts.found import recall
from switchboard.errors import NoVideo, VisitOpen
from switchboard.records.terminals import Terminal
from switchboard.times import now_ms
from switchboard.visits.visit import handle_visit, resume_visit
from switchboard.visits.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from switchboard.house import House
    from switchboard.records.fold import ContactRecord
    from switchboard.visits.rooms import Rooms

log = structlog.get_logger(__name__)

MOST_VISITS = 200
"""As many as the bridge has rooms."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the visitor pressed. ``key`` makes pressing twice one visit; ``consent`` None: asked later.

    ``preferred`` is the volunteer with whom it was booked; after a while any other of the same skills may take it."""

    key: str
    matter: str | None = None
    language: str = "zh"
    priority: str | None = None
    consent: bool | None = None
    preferred: str | None = None
    preferred_role: str | None = None


class Visits:
    """Open visits. A terminal has one at a time."""

    def __init__(self, house: House, rooms: Rooms) -> None:
        self._house = house
        self._rooms = rooms
        self._visitors: dict[str, Visitor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def of(self, contact_id: str) -> Visitor | None:
        return self._visitors.get(contact_id)

    def at(self, terminal_id: str) -> Visitor | None:
        """The visit that goes on at this terminal."""
        return next((one for one in self._visitors.values() if one.terminal.id == terminal_id), None)

    def holds(self, entry_id: str) -> bool:
        """Whether an entry of the routing engine belongs to one of these."""
        return entry_id.partition("/")[0] in self._visitors

    def begin(self, terminal: Terminal, wish: Wish) -> Visitor:
        """A visit begins; the same ``key`` again is the same visit. Raises VisitOpen, or NoVideo when
        there are as many as there are rooms."""
        known = self.at(terminal.id)
        if known is not None:
            if known.key == wish.key:
                return known
            raise VisitOpen
        if len(self._tasks) >= MOST_VISITS:
            raise NoVideo("too many visits")
        hotline = self._house.default_hotline
        contact = Contact(
            house=self._house,
            id=new_contact_id(),
            medium="visit",
            hotline=hotline.number,
            caller=None,
            channel=f"terminal-{terminal.id}",
            demo=terminal.demo,
            arrived_ms=now_ms(),
            terminal=terminal,
            language=wish.language,
            preferred=wish.preferred,
            preferred_role=wish.preferred_role,
        )
        visitor = Visitor(contact, terminal, self._rooms, wish.key)
        visitor.consented = wish.consent
        taken = Intake(
            language=wish.language,
            matter=wish.matter or hotline.default_matter,
            how="key" if wish.matter else "nothing",
            priority=wish.priority,
            consent=wish.consent is not False,
        )
        self._run(visitor, handle_visit(visitor, taken, asked=wish.consent is not None))
        return visitor

    def _run(self, visitor: Visitor, life: Coroutine[None, None, None]) -> None:
        contact = visitor.contact
        contact.visitor = visitor
        self._visitors[contact.id] = visitor
        task = asyncio.create_task(self._live(visitor, life), name=f"visit {contact.id}")
        self._tasks[contact.id] = task
        task.add_done_callback(lambda _: self._over(contact.id))

    async def _live(self, visitor: Visitor, life: Coroutine[None, None, None]) -> None:
        """The visit, and the watch over whether anybody is still there."""
        watch = asyncio.create_task(visitor.until_lost(self._house.config.visit_kept_ms / 1000))
        try:
            await life
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _over(self, contact_id: str) -> None:
        task = self._tasks.pop(contact_id, None)
        visitor = self._visitors.pop(contact_id, None)
        if visitor is not None:
            visitor.over.set()
        if task and not task.cancelled() and (error := task.exception()):
            log.error("a visit's task failed", error=type(error).__name__)

    # ---- after a start

    async def resume(self) -> None:
        """Go on with every visit that SQL says is open; rooms that belong to nobody any more are ended."""
        records = await self._house.records.open_contacts()
        for record in records:
            if record.medium == "visit" and record.ended_ms is None and record.id not in self._visitors:
                await self._resume(record)
        going_on = {record.id for record in records if record.ended_ms is None}
        for name, contact in self._rooms.opened().items():
            if contact not in going_on:
                await self._rooms.end(name, "lost")

    async def _resume(self, record: ContactRecord) -> None:
        terminal = await self._house.records.terminals.of(record.terminal or "")
        if terminal is None:
            await self._house.records.append(
                record.id, "ended", at_ms=now_ms(), key="ended", reason="lost", by="system", hangup_cause=None
            )
            return
        contact = Contact.from_record(self._house, record, record.channel or "")
        contact.terminal = terminal
        visitor = Visitor(contact, terminal, self._rooms, "")
        visitor.consented = record.consent
        recalled = await recall(contact)
        log.info("visit found again", contact=contact.id, stage=contact.stage)
        self._run(visitor, resume_visit(visitor, recalled))

    async def close(self) -> None:
        """Stop without ending the visits: the next start goes on with them."""
        self._house.stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
