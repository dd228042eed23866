"""Handing a caller to another hotline: by the caller's own key, or by the volunteer as a third party in the talk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from ivr.agent_leg import Withdrawn, standing_legs, unless
from ivr.ari.bridge import Bridge
from ivr.ari.channel import Channel
from ivr.call import Call, Line
from ivr.errors import LegFailed, NumberRefused
from ivr.hotline import Hotline, Transfer
from ivr.prompt import say
from ivr.transfer import ThirdParty, found_again, put_through, shown_number
from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HandOver:
    """The volunteer's wish: add this hotline to the talk; ``three_way`` False: and leave as soon as it answers."""

    transfer: Transfer
    three_way: bool


async def transfer_caller(call: Call, contact: Contact, hotline: Hotline, wanted: str) -> bool:
    """Put the caller through to another hotline. False: not answered, and the caller was told so.

    Talking there goes on for as long as both want; then the call has ended with us too.
    """
    transfer = hotline.transfer(wanted)
    if transfer is None:
        return False
    contact.enter("transfer")
    try:
        await put_through(
            call,
            _endpoint(contact, hotline, transfer),
            transfer,
            leg_id=_leg_id(contact),
            shown=shown_number(transfer, hotline.number, contact.caller),
            on_answer=lambda: contact.transferred(transfer.id, "caller", answered=True),
        )
    except (LegFailed, NumberRefused) as failed:
        cause = failed.cause if isinstance(failed, LegFailed) else None
        log.info("transfer not answered", contact=contact.id, to=transfer.id, error=failed.code, cause=cause)
        contact.transferred(transfer.id, "caller", answered=False, hangup_cause=cause)
        contact.enter("intake")
        await say(call, ["transfer_failed"])
        return False
    contact.end("transferred", "system")
    await say(call, ["transfer_over", "goodbye"])
    return True


async def resume_transfer(call: Call, contact: Contact) -> bool:
    """After a restart: whether the caller was still talking to the other hotline, and has now ended."""
    legs = await _legs_of(contact)
    if not legs:
        return False
    await found_again(call, Line(contact.house.require_ari(), legs[-1]))
    return True


async def _legs_of(contact: Contact) -> list[Channel]:
    """After a restart: who is in the talk. Nobody waits any more for one that only rings: it is hung up."""
    ari, prefix = contact.house.require_ari(), f"tr-{contact.id}-"
    for leg in await standing_legs(ari, prefix, ringing=True):
        await leg.hangup()
    return await standing_legs(ari, prefix)


def _leg_id(contact: Contact) -> str:
    contact.tries += 1
    return f"tr-{contact.id}-{contact.tries}"


def _endpoint(contact: Contact, hotline: Hotline, transfer: Transfer) -> str:
    """Made from the hotline's own list. Raises ``NumberRefused`` where no trunk takes such a call."""
    return contact.house.dial_out(transfer.number, listed=[one.number for one in hotline.transfers])


class Guests:
    """The third party of a talk: at most one at a time, invited by the volunteer."""

    def __init__(self, contact: Contact, hotline: Hotline, bridge: Bridge) -> None:
        self._contact = contact
        self._hotline = hotline
        self._bridge = bridge
        self._party: ThirdParty | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def wanted(self) -> bool:
        """Whether somebody is in the talk, or is being rung, beside caller and volunteer."""
        return not self._settled.is_set() or (self._party is not None and self._party.here)

    @property
    def names(self) -> list[str]:
        """Who is in the talk, as the record names them."""
        here = self._party is not None and self._party.here
        return [f"hotline:{self._party.transfer.id}"] if here and self._party else []

    async def receive(self) -> None:
        """Serve the volunteer's wishes one after the other, until cancelled."""
        while True:
            wish = await self._contact.hand_overs.get()
            self._settled.clear()
            try:
                await self._invite(wish)
            finally:
                self._settled.set()

    async def adopt(self, legs: list[Channel]) -> None:
        """Whoever was in the talk while the switchboard was away is in it still."""
        transfer = self._hotline.transfer(self._contact.transferred_to or "")
        if legs and transfer:
            self._party = ThirdParty(self._bridge, transfer)
            await self._party.adopt(Line(self._contact.house.require_ari(), legs[-1]))

    async def _invite(self, wish: HandOver) -> None:
        contact, transfer = self._contact, wish.transfer
        party, self._party = ThirdParty(self._bridge, transfer), None
        contact.call_off.clear()
        self._show(transfer, "ringing")
        try:
            await unless(contact.call_off, self._ring(party, transfer))
        except (LegFailed, NumberRefused, Withdrawn) as failed:
            cause = failed.cause if isinstance(failed, LegFailed) else None
            contact.transferred(
                transfer.id, "agent", answered=False, three_way=wish.three_way, hangup_cause=cause
            )
            self._show(transfer, "cancelled" if isinstance(failed, Withdrawn) else "failed")
            await party.close()
            return
        except BaseException:
            await asyncio.shield(party.close())
            raise
        self._party = party
        self._settled.set()
        contact.transferred(transfer.id, "agent", answered=True, three_way=wish.three_way)
        self._show(transfer, "joined")
        self._tell()
        if not wish.three_way:
            await contact.house.hang_up_leg(contact.id)
        await party.gone()
        await party.close()
        self._show(transfer, "left")
        self._tell()

    async def _ring(self, party: ThirdParty, transfer: Transfer) -> None:
        contact = self._contact
        await party.join(
            contact.house.require_ari(),
            _endpoint(contact, self._hotline, transfer),
            leg_id=_leg_id(contact),
            shown=shown_number(transfer, self._hotline.number, contact.caller),
        )

    async def stay(self) -> bool:
        """The volunteer has left: the caller stays with the third party, also with one that still rings (music
        meanwhile). False: it did not answer, and the caller is alone."""
        if not self._settled.is_set():
            await self._bridge.start_moh("default")
            try:
                await self._settled.wait()
            finally:
                await self._bridge.stop_moh()
        if self._party is None:
            return False
        self._contact.note("together", groups=[["caller", *self.names]])
        await self._party.gone()
        return True

    async def close(self) -> None:
        if self._party is not None:
            await self._party.close()

    def _tell(self) -> None:
        """Who hears whom has changed."""
        if self._contact.talk:
            self._contact.talk.tell()

    def _show(self, transfer: Transfer, state: str) -> None:
        self._contact.handing = {
            "to": transfer.id,
            "zh": transfer.name_zh,
            "en": transfer.name_en,
            "state": state,
        }
        self._contact.house.desks.handing(self._contact)


@asynccontextmanager
async def guests(
    contact: Contact, hotline: Hotline, bridge: Bridge, *, resumed: bool
) -> AsyncIterator[Guests]:
    """The volunteer may invite a third party for as long as this is entered; whoever is left then is hung up."""
    invited = Guests(contact, hotline, bridge)
    async with AsyncExitStack() as held:
        held.push_async_callback(invited.close)
        if resumed:
            await invited.adopt(await _legs_of(contact))
        task = asyncio.create_task(invited.receive(), name=f"guests {contact.id}")
        held.push_async_callback(_end, task)
        yield invited


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
