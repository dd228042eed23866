"""Calls that arrive and calls that are found again: every caller's channel gets exactly one task and one contact."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING

import structlog

from ivr.ari.bridge import Bridge
from ivr.ari.channel import Channel
from ivr.ari.client import Ari, Reconciled
from ivr.ari.events import StasisStart
from ivr.call import Call
from ivr.dialling import caller_number
from routing.model import LiveEntry
from switchboard.contacts.contact import Contact, new_contact_id
from switchboard.contacts.phone import handle_call, resume_call
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.house import House
    from switchboard.records.fold import ContactRecord

log = structlog.get_logger(__name__)

MOST_CALLS = 2_000
"""Above this a new caller is sent back to the dialplan, which says that all is busy: better than half a service."""


class Arrivals:
    """The calls of one node, by channel id."""

    def __init__(self, house: House, ari: Ari) -> None:
        self._house = house
        self._ari = ari
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._contacts: dict[str, Contact] = {}
        ari.on(StasisStart, self._started)
        ari.on_reconciled.append(self.reconcile)

    def __len__(self) -> int:
        return len(self._tasks)

    def _started(self, event: StasisStart) -> None:
        """A channel came into the application. Only callers are ours; legs and snoops belong to who made them."""
        if "fax" in event.args[:1]:  # its call has heard of it; the dialplan goes on with the words for it
            machine = Channel(self._ari, event.channel.id)
            self._house.background(machine.continue_in_dialplan("from-trunk", "fax", 2))
            return
        if not event.args or event.args[0] != "call" or event.channel.id in self._tasks:
            return
        channel = Channel(self._ari, event.channel.id)
        if len(self._tasks) >= MOST_CALLS:
            self._house.background(channel.continue_in_dialplan("away"))
            return
        dialled = event.args[1] if len(event.args) > 1 else ""
        if dialled and dialled == self._house.config.service_number:
            self._serve_volunteer(channel, caller_number(event.channel.caller.number))
            return
        contact = Contact(
            house=self._house,
            id=new_contact_id(),
            medium="call",
            hotline=dialled,
            caller=caller_number(event.channel.caller.number),
            channel=event.channel.id,
            demo="demo" in event.args[2:],
            arrived_ms=now_ms(),
        )
        self._run(contact, channel, resumed=False)

    def _serve_volunteer(self, channel: Channel, caller: str | None) -> None:
        """A volunteer calls the service number: no contact, but a call like any other while it lasts."""
        call = Call(self._ari, channel, self._house.prompts)
        work = self._house.service_line.serve(call, caller)
        task = asyncio.create_task(_until_hung_up(call, work), name="service line")
        self._tasks[channel.id] = task
        task.add_done_callback(lambda _: self._over(channel.id))

    def _run(self, contact: Contact, channel: Channel, *, resumed: bool) -> None:
        hotline = contact.rules.hotlines.get(contact.hotline)
        call = Call(self._ari, channel, self._house.prompts, hotline.language if hotline else "zh")
        work = resume_call(call, contact) if resumed else handle_call(call, contact)
        task = asyncio.create_task(_until_hung_up(call, work), name=f"call {contact.id}")
        self._tasks[channel.id] = task
        self._contacts[channel.id] = contact
        task.add_done_callback(lambda _: self._over(channel.id))

    def _over(self, channel_id: str) -> None:
        task = self._tasks.pop(channel_id, None)
        self._contacts.pop(channel_id, None)
        if task and not task.cancelled() and (error := task.exception()):
            log.error("a call's task failed", error=type(error).__name__)

    async def reconcile(self, found: Reconciled) -> None:
        """After each connect: end what is gone, go on with what is there, close what nobody holds any more."""
        there = {} if found.restarted else found.channels
        if found.restarted:
            self._house.waiting_room.forget()
        held = {contact.id for contact in self._contacts.values()}
        for record in await self._house.records.open_contacts():
            channel_id = record.channel or ""
            if (record.medium or "call") != "call" or record.ended_ms is not None or record.id in held:
                continue
            if channel_id in there:
                await self._resume(record, channel_id)
            else:
                await self._house.records.append(
                    record.id,
                    "ended",
                    at_ms=now_ms(),
                    key="ended",
                    reason="lost",
                    by="system",
                    hangup_cause=None,
                )
                await self._house.end_room_of(record.id)
        await self._house.tasks.resume(found)
        if self._house.telephones is not None:
            self._house.background(self._house.telephones.left_behind(self._ari, found))
        await self._end_orphans(found)
        for entry in (await self._house.engine.snapshot()).entries:
            ours = entry.id.partition("/")[0] in {contact.id for contact in self._contacts.values()}
            if (
                entry.owner == self._house.engine.owner
                and not ours
                and not self._house.held_elsewhere(entry.id)
            ):
                await self._forget(entry)

    async def _resume(self, record: ContactRecord, channel_id: str) -> None:
        contact = Contact.from_record(self._house, record, channel_id)
        log.info("call found again", contact=contact.id, stage=contact.stage)
        self._run(contact, Channel(self._ari, channel_id), resumed=True)

    async def _forget(self, entry: LiveEntry) -> None:
        """The caller has gone while we were away: the entry ends, and the seat that served it comes free."""
        if entry.state == "connected" and entry.reservation:
            await self._house.engine.finish(entry.reservation, wrap_up_ms=self._house.config.wrap_up_ms)
        else:
            await self._house.engine.abandon(entry.id, "lost")

    async def _end_orphans(self, found: Reconciled) -> None:
        """Legs, snoops and called callers without a living talk are hung up: nobody else would ever do it."""
        for channel_id in found.channels:
            if channel_id.startswith(("ag-", "snoop-", "tr-", "out-")) and not self._belongs(channel_id):
                await Channel(self._ari, channel_id).hangup()
        for bridge_id in found.bridges:
            if bridge_id.startswith(("br-", "co-")) and not self._belongs(bridge_id):
                await Bridge(self._ari, bridge_id).destroy()

    def _belongs(self, channel_id: str) -> bool:
        under_way = ("transfer", "calling")
        return any(
            contact.id in channel_id and (contact.talked or contact.stage in under_way)
            for contact in [*self._contacts.values(), *self._house.tasks.all()]
        )

    async def close(self) -> None:
        """Stop without ending the contacts: the next start goes on with them or closes them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_hung_up(call: Call, work: Coroutine[None, None, None]) -> None:
    async with call:
        await work
