"""How a volunteer is reached by their own telephone: one ``Ring`` for one reservation.

It rings through the trunk, waits for the key, lends the answered line to the contact's coroutine, and after the talk
takes the outcome by keys. The caller hears music meanwhile and never sees the number.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from ivr.agent_leg import LATE_S, PhoneLine, phone_leg, tell
from ivr.errors import AriError, CallerLeft, IvrError, LegFailed
from ivr.prompt import ask
from routing.errors import RoutingError

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.contacts.contact import Contact
    from switchboard.house import House

log = structlog.get_logger(__name__)

OUTCOMES = {"1": "advised", "2": "legal_aid", "3": "mediation", "4": "notary", "5": "referred"}
OUTCOME_KEY_MS = 8_000


class Ring:
    """``accepted``: the reservation was accepted on the desk; else pressing 1 accepts it. ``before``: the ring of the
    contact before, whose line may still be up for the outcome."""

    def __init__(
        self,
        house: House,
        desk: Desk,
        contact: Contact,
        reservation: int,
        *,
        accepted: bool,
        before: Ring | None = None,
    ) -> None:
        self.reservation = reservation
        self.line: asyncio.Future[PhoneLine] = asyncio.get_running_loop().create_future()
        self.withdrawn = asyncio.Event()
        self.seat_left = asyncio.Event()
        self._house = house
        self._desk = desk
        self._contact = contact
        self._accepted = accepted
        self._before = before
        contact.tries += 1
        self.leg_id = f"ag-{contact.id}-{reservation}-{contact.tries}"
        self._task = asyncio.create_task(self._run(), name=f"ring {desk.agent.id}")

    async def answered(self) -> PhoneLine:
        """The line, once the volunteer has pressed 1. Raises LegFailed."""
        return await asyncio.shield(self.line)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def lease_ms(self) -> int:
        """How long the reservation must live: ringing, picking up, the key."""
        config = self._house.config
        return config.phone_ring_ms + config.phone_accept_ms + int(LATE_S * 1000)

    async def _run(self) -> None:
        house = self._house
        failed: Exception = LegFailed(0, "the phone was not rung")
        try:
            if self._before:
                await self._before.close()
                self._before = None
            if not self._accepted:
                await house.engine.acknowledge(self.reservation, ring_ms=self.lease_ms)
            phone = await house.records.phone_of(self._desk.agent.id)
            if phone is None:
                raise LegFailed(0, "the volunteer has no telephone of their own")
            async with phone_leg(
                house.require_ari(),
                house.dial_out(phone.number),
                house.prompts,
                leg_id=self.leg_id,
                caller_id=f"12348 <{self._contact.hotline}>",
                timeout_ms=house.config.phone_ring_ms,
                accept_ms=house.config.phone_accept_ms,
                withdrawn=self.withdrawn,
            ) as line:
                await self._serve(line)
                return
        except LegFailed as error:
            failed = error
        except (IvrError, RoutingError) as error:
            failed = LegFailed(0, f"the phone could not be rung: {error.code}")
        except Exception as error:
            log.exception("a volunteer's line failed", agent=self._desk.agent.id, error=type(error).__name__)
        finally:
            if not self.line.done():
                self.line.set_exception(failed)
                self.line.exception()  # a ring that nobody waits for any more is no mistake
        if not self.seat_left.is_set():
            await self._not_reached()

    async def _serve(self, line: PhoneLine) -> None:
        """Somebody is there and has pressed 1: the talk, until the seat is left, and the outcome."""
        if not self._accepted and not await self._house.engine.accept(self.reservation):
            await tell(line, "agent_caller_left")
            return
        self._accepted = True
        self.line.set_result(line)
        left = asyncio.create_task(self.seat_left.wait())
        try:
            await asyncio.wait({left, line.gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
        if not line.gone.done():
            await self._after_talk(line)

    async def _after_talk(self, line: PhoneLine) -> None:
        """The caller has hung up first and the volunteer is still there: one key says how it went."""
        desk, contact = self._desk, self._contact
        if desk.contact and desk.contact["id"] == contact.id and desk.contact["part"] == "colleague":
            return
        if not contact.talked or not desk.contact or desk.contact["id"] != contact.id:
            await tell(line, "agent_caller_left")
            return
        line.forget_keys()
        try:
            async with line.while_connected():
                key = await ask(line, ["phone_wrap_up"], first_key_ms=OUTCOME_KEY_MS)
        except (CallerLeft, AriError):
            return
        outcome = OUTCOMES.get(key or "")
        if outcome is None or not desk.contact or desk.contact["id"] != contact.id:
            return
        await desk.store_outcome(contact.id, contact.matter, outcome, "")
        await tell(line, "phone_stored")
        await line.channel.hangup()  # before the seat is free: the next caller must not find the phone busy
        await self._house.desks.ready(desk)

    async def _not_reached(self) -> None:
        """No answer, busy, a machine: the caller keeps the place, the volunteer is paused."""
        log.info("phone not reached", agent=self._desk.agent.id, contact=self._contact.id)
        if self._accepted or self.withdrawn.is_set():
            return  # the contact gives the reservation back itself, or it is over
        try:
            await self._house.engine.reject(self.reservation, "no_answer", seat_to="paused")
        except RoutingError as error:
            log.warning("reservation not given back", agent=self._desk.agent.id, error=error.code)
