"""Who is signed in, at which desk. Decides only about presence; states belong to the routing engine."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

import structlog

from ivr.errors import AriError
from ivr.softphones import dial_string, provision, remove
from routing.errors import RoutingError
from routing.model import Change, agent_of, live_seat, message_seats
from switchboard.agents.absence import Absences
from switchboard.agents.desk import Desk, Reached
from switchboard.agents.tickets import resume_wrap_up

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact
    from switchboard.contacts.transcript import Line
    from switchboard.house import House
    from switchboard.records.people import AgentRow
    from switchboard.records.phones import Duty

log = structlog.get_logger(__name__)


class Desks:
    """The desks of this node, by agent id."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._desks: dict[str, Desk] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self.absences = Absences(house)

    async def begin(self) -> None:
        """Seats left from before this process: nobody is offered to an empty chair; its owner has a minute."""
        for seat in (await self._house.engine.snapshot()).seats:
            if seat.owner != self._house.engine.owner:
                continue  # its desk stands at another node
            freed = seat.state == "in_contact" and not seat.then  # it would come free before its desk is back
            if seat.state in ("available", "reserved") or freed:
                await self._house.engine.pause(seat.id, "restart")
            agent = agent_of(seat.id)
            if not self.absences.is_known(agent):
                self.absences.leave_later(agent)

    def at(self, agent: str) -> Desk | None:
        return self._desks.get(agent)

    def present(self) -> list[str]:
        """Who is signed in here."""
        return list(self._desks)

    def tell(self, agent: str, frame: dict[str, Any]) -> None:
        """Something for this volunteer's desk, if it is here."""
        if desk := self._desks.get(agent):
            desk.tell(frame)

    def is_away(self, agent: str | None) -> bool:
        """Whether the volunteer's page is gone for the moment (a reload) while the desk is kept."""
        desk = self._desks.get(agent or "")
        return desk is not None and desk.is_away

    def all(self) -> list[Desk]:
        return list(self._desks.values())

    async def sign_in(
        self, agent_id: str, desk_id: str, phone: Reached, *, endpoint: str | None = None
    ) -> Desk:
        """The desk of this volunteer, new or the same again. A phone is provisioned with a password made anew."""
        agent = await self._house.records.agent(agent_id)
        if agent is None:
            raise LookupError(agent_id)
        async with self._turn(agent_id):
            return await self._sign_in(agent, desk_id, phone, endpoint)

    def _turn(self, agent: str) -> asyncio.Lock:
        """A page that comes while the one before it goes: one after the other."""
        return self._turns.setdefault(agent, asyncio.Lock())

    async def _sign_in(self, agent: AgentRow, desk_id: str, phone: Reached, endpoint: str | None) -> Desk:
        house = self._house
        await self.absences.end(agent.id)
        desk = self._desks.get(agent.id)
        new = desk is None
        if desk is None:
            desk = self._desks[agent.id] = Desk(house, agent, desk_id, endpoint or dial_string(agent.id))
            house.overload.knows(desk)
            await self._occupy(desk)
        another = not desk.password or (desk.id, desk.phone) != (desk_id, phone)
        if phone == "trunk" or endpoint is not None:
            desk.phone = phone
        elif another:
            desk.phone = phone
            desk.password = secrets.token_urlsafe(18)
            await self.provision(desk)
        if desk.on_phone and phone != "trunk":  # the last choice counts: calls come to the desk again
            desk.on_phone = False
            await self._keep_duty(desk, None)
        desk.id = desk_id
        was_here, desk.here = desk.here, True
        if not was_here:
            desk.moved_s = time.monotonic()
        if phone != "trunk" and not was_here:
            await self._take_messages(desk)
        if new or not was_here:
            await self.absences.back(desk)
        house.live.agent_changed(desk)
        return desk

    async def _occupy(self, desk: Desk) -> None:
        """Show the seat's true state: after a restart of this process it may be in a contact or free already."""
        house = self._house
        seat = await house.engine.find_seat(desk.seat)
        if seat is None or seat.state == "offline":
            reason = "standby" if desk.agent.backup else "signed_in"
            await house.engine.pause(desk.seat, reason, desk.subscriptions)
        else:
            desk.adopt(seat)
            if seat.state == "wrap_up":
                await resume_wrap_up(desk, seat)
            state = (desk.agent.id, seat.state, seat.reason or None)
            house.background(
                house.records.log_agent_state(*state)
            )  # nobody noted what changed without a desk

    async def _take_messages(self, desk: Desk) -> None:
        """Whoever is signed in may be given messages, also in a pause from calls."""
        for seat, subscriptions in desk.message_seats:
            await self._house.engine.ready(seat, subscriptions)
        desk.messages_changed(self._house.tasks.frame(desk.agent.id))

    async def provision(self, desk: Desk) -> None:
        """Give the phone its endpoint in Asterisk; again after each start of Asterisk."""
        ari = self._house.ari
        if ari is None or not desk.password or desk.phone == "trunk":
            return
        try:
            await provision(ari, desk.agent.id, desk.password, kind=desk.phone)
        except AriError as error:
            log.warning("phone not provisioned", agent=desk.agent.id, error=error.code)

    async def serve_by_phone(self, agent_id: str, *, ready: bool) -> None:
        """The volunteer is called on their own telephone from now on, with or without a desk open.

        Raises LookupError where there is no such volunteer.
        """
        house = self._house
        agent = await house.records.agent(agent_id)
        if agent is None:
            raise LookupError(agent_id)
        await self.absences.end(agent_id)
        desk = self._desks.get(agent_id)
        if desk is None:
            desk = self._desks[agent_id] = Desk(house, agent, "telephone", dial_string(agent_id))
            await self._occupy(desk)
        desk.phone, desk.on_phone = "trunk", True
        await self._keep_duty(desk, "ready" if ready else "paused")
        if ready:
            await self.ready(desk)
        else:
            await house.engine.pause(desk.seat, "break", desk.subscriptions)
        house.live.agent_changed(desk)

    async def return_to_phones(self) -> None:
        """After a start: whoever served by telephone without a desk does so again, and need not know."""
        for phone in await self._house.records.phones.on_duty():
            try:
                await self.serve_by_phone(phone.agent, ready=phone.duty == "ready")
            except (LookupError, RoutingError) as error:
                log.warning("not back on the telephone", agent=phone.agent, error=type(error).__name__)

    async def _keep_duty(self, desk: Desk, duty: Duty | None) -> None:
        if desk.duty != duty:
            desk.duty = duty
            await self._house.records.phones.set_duty(desk.agent.id, duty)

    async def ready(self, desk: Desk) -> None:
        agent = await self._house.records.agent(desk.agent.id)
        if agent:
            desk.now_is(agent)
        await self._house.engine.ready(desk.seat, desk.subscriptions)

    async def subscribe_anew(self) -> None:
        """The routing policy has changed: every desk serves what it now says. Contacts under way are not touched."""
        for desk in self.all():
            desk.now_is(desk.agent)
            try:
                await self._house.engine.subscribe(desk.seat, desk.subscriptions)
                for seat, subscriptions in desk.message_seats:
                    await self._house.engine.subscribe(seat, subscriptions)
            except RoutingError as error:
                log.warning("desk not subscribed anew", agent=desk.agent.id, error=error.code)

    async def socket_gone(self, desk: Desk) -> None:
        """The page is gone; a reload within a minute comes back to it all (``absence``)."""
        async with self._turn(desk.agent.id):
            if desk.socket is not None or self.at(desk.agent.id) is not desk:
                return  # another page was quicker, or it was signed out
            if desk.on_phone:
                desk.here, desk.send = False, None
            else:
                self.absences.went(desk)

    async def leave(self, agent: str) -> None:
        """Out of the roster with every seat; the messages that were not answered go back by themselves."""
        engine = self._house.engine
        for seat in message_seats(agent, self._house.policy.message_seats):
            await engine.leave(seat)  # remembered while there is a message: it is given back next
        self._house.tasks.give_back_all(agent, "signed_out")
        await engine.leave(live_seat(agent))

    async def sign_out(self, desk: Desk) -> None:
        """Leave the roster. In a contact this is remembered by the engine and done at its end."""
        await self._keep_duty(desk, None)
        await self.leave(desk.agent.id)

    def others_for(self, contact: Contact, agent: str) -> bool:
        """Whether somebody else signed in could be given this message."""
        return any(
            desk.agent.id != agent and self._house.serves(desk, contact.served_matter(), contact.language)
            for desk in self.all()
        )

    def serving(self, contact: Contact) -> None:
        """The volunteer's desk shows a contact whose caller is being called."""
        if desk := self._desks.get(contact.agent or ""):
            desk.serving(contact)

    def _remove(self, desk: Desk) -> None:
        """The seat is offline: the desk is no more, and its phone cannot register again."""
        if self._desks.get(desk.agent.id) is desk:
            del self._desks[desk.agent.id]
        if desk.password:
            self._house.background(self._take_phone_away(desk))
        self._house.live.agent_gone(desk)

    async def _take_phone_away(self, desk: Desk) -> None:
        if self._house.ari and self.at(desk.agent.id) is None:
            try:
                await remove(self._house.ari, desk.agent.id)
            except AriError as error:
                log.info("phone not removed", agent=desk.agent.id, error=error.code)

    def take(self, change: Change) -> None:
        """A word of the routing engine for the desk that it concerns."""
        desk = self._desks.get(agent_of(change.seat)) if change.seat else None
        if desk is None:
            return
        if change.seat != desk.seat:
            return  # a message seat: the message itself tells the desk
        contact = self._house.live.contact(change.entry.partition("/")[0]) if change.entry else None
        self.absences.take(change, desk, desk.state["name"])
        match change.kind:
            case "seat.changed":
                desk.seat_changed(change)
                if desk.on_phone and change.state in ("available", "paused"):
                    duty: Duty = "ready" if change.state == "available" else "paused"
                    self._house.background(self._keep_duty(desk, duty))
                self._log_state(change, desk)
                if change.state == "offline":
                    self._remove(desk)
                    return
            case "reservation.created" if contact:
                if change.entry == contact.id and contact.refuses(change.reservation or 0, desk.agent.id):
                    return
                desk.reserved(change, contact)
            case "reservation.accepted" if contact:
                desk.accepted(change, contact)
            case "reservation.rejected" | "reservation.timed_out" | "reservation.cancelled":
                desk.reservation_over(change)
            case _:
                return
        self._house.live.agent_changed(desk)

    def _log_state(self, change: Change, desk: Desk) -> None:
        """For reports, and for replaying the day under other rules."""
        if change.seat == desk.seat and change.state:
            row = (desk.agent.id, change.state, change.reason or None, change.at_ms)
            self._house.background(self._house.records.log_agent_state(*row))

    def talking(self, contact: Contact, *, recording: bool) -> None:
        desk = self._desks.get(contact.agent or "")
        if desk:
            desk.talking(contact, recording)

    def video(self, contact: Contact) -> None:
        """The contact's room, as its volunteer's desk shows it, has changed."""
        desk = self._desks.get(contact.agent or "")
        if desk:
            desk.video(contact)

    def conversation(self, contact: Contact) -> None:
        """Who hears whom has changed: every volunteer in the talk sees it."""
        for agent in contact.talk.agents if contact.talk else ():
            if desk := self._desks.get(agent):
                desk.conversation(contact)

    def said(self, contact: Contact, line: Line) -> None:
        """Words of the talk, for all who hear it."""
        for agent in contact.talk.agents if contact.talk else ():
            if desk := self._desks.get(agent):
                desk.said(contact, [line.frame()])

    def passed(self, contact: Contact, by: str, to: str) -> None:
        """The first volunteer's desk says who has the caller now."""
        if desk := self._desks.get(by):
            desk.passed(contact, self._house.name_of(to))

    def handing(self, contact: Contact) -> None:
        """What becomes of the other hotline that the volunteer asked for."""
        desk = self._desks.get(contact.agent or "")
        if desk:
            desk.handing(contact)

    async def close(self) -> None:
        await self.absences.close()
        rings = [desk.ring.close() for desk in self.all() if desk.ring]
        await asyncio.gather(*rings, return_exceptions=True)
