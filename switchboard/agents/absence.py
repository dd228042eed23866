"""A page that is gone (killed, reloaded, asleep, without network): what is kept for it, and for how long.

    state when it went   meanwhile                                  given up
    available            paused(desk_gone): nobody is offered        -
    reserved             the card stays, for a reload                after CARD_S: the caller keeps the place
    in_contact           the talk stays (contacts.phone)             when the talk's own patience ends
    wrap_up              the form stays                              when the wrap-up ends
    paused               the reason stays                            -
    any                  the desk stays                              after AWAY_S: signed out

A desk that comes back is what it was. Nothing here waits for the page: what it should have said is said for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from routing.errors import RoutingError
from routing.model import Change

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.house import House

log = structlog.get_logger(__name__)

CARD_S = 4.0
"""How long a card waits for a page that is being reloaded: routing knows within 5 s that nobody is there."""
AWAY_S = 60.0
"""How long a desk whose page is gone may come back to the same state before it is signed out."""

GONE = "desk_gone"
RETURNING = frozenset({GONE, "restart"})
"""Reasons of a pause that the volunteer did not choose: coming back to the desk ends it."""
BUSY = frozenset({"reserved", "in_contact"})


class Absences:
    """The pages that are gone, by agent id; one task each, which ends when the page is back."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def is_known(self, agent: str) -> bool:
        return agent in self._tasks

    def leave_later(self, agent: str) -> None:
        """A seat from before this process, whose desk has not come yet: it has a minute."""
        self._start(agent, self._leave(agent, AWAY_S))

    def went(self, desk: Desk) -> None:
        """The page is gone: from here on nobody is offered to an empty chair."""
        desk.here, desk.send, desk.moved_s = False, None, time.monotonic()
        desk.back_to_ready = desk.state["name"] in ("available", "reserved")
        self._house.live.agent_changed(desk)
        self._start(desk.agent.id, self._away(desk))

    async def end(self, agent: str) -> None:
        """Somebody is there again."""
        task = self._tasks.pop(agent, None)
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def back(self, desk: Desk) -> None:
        """The desk is what it was: ready if it was, with the pause that was asked for in the contact, if any."""
        house = self._house
        seat = await house.engine.find_seat(desk.seat)
        if seat is not None and seat.state in BUSY:
            if seat.then == "offline" or seat.then_reason in RETURNING:
                await self._ask_again(desk)
        elif (
            seat is not None and seat.state != "wrap_up" and (desk.back_to_ready or seat.reason in RETURNING)
        ):
            await house.desks.ready(desk)
        desk.back_to_ready, desk.asked = False, ("", "")

    async def _ask_again(self, desk: Desk) -> None:
        """After the contact comes what the volunteer had asked for, not what the empty chair had."""
        then, reason = desk.asked
        if then == "offline":
            await self._house.engine.leave(desk.seat)
        elif then == "paused":
            await self._house.engine.pause(desk.seat, reason)
        else:
            await self._house.engine.ready(desk.seat)

    def take(self, change: Change, desk: Desk, before: str) -> None:
        """A word of the routing engine about this seat, which was in the state ``before``: nothing of it may stick
        to an empty chair, and nothing that was meant for an empty chair to a desk that has come back."""
        if desk.on_phone:
            return
        if desk.here:
            if before == "wrap_up" and change.state == "paused" and change.reason == GONE:
                self._house.background(self._quietly(self._house.desks.ready(desk)))
            return
        if change.kind == "reservation.created" and change.reservation:
            self._house.background(self._quietly(self._give_back(change.reservation)))
        elif change.kind == "seat.changed" and change.state == "available":
            desk.back_to_ready = True
            self._house.background(self._quietly(self._house.engine.pause(desk.seat, GONE)))

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _start(self, agent: str, life: Coroutine[Any, Any, None]) -> None:
        if older := self._tasks.pop(agent, None):
            older.cancel()
        self._tasks[agent] = asyncio.create_task(life, name=f"away {agent}")

    async def _away(self, desk: Desk) -> None:
        await self._quietly(self._stop_offers(desk))
        await asyncio.sleep(CARD_S)
        if desk.reservation:
            await self._quietly(self._give_back(desk.reservation["id"]))
        await self._leave(desk.agent.id, AWAY_S - CARD_S)

    async def _stop_offers(self, desk: Desk) -> None:
        engine = self._house.engine
        for message_seat, _ in desk.message_seats:
            await engine.pause(message_seat, GONE)
        seat = await engine.find_seat(desk.seat)
        if seat is None:
            return
        if seat.state in BUSY:
            desk.asked = (seat.then, seat.then_reason)
            if seat.state == "reserved" and seat.reservation:
                await engine.acknowledge(
                    seat.reservation
                )  # its first lease would end in the middle of a reload
        if seat.state == "available" or (seat.state in BUSY and seat.then != "offline"):
            await engine.pause(desk.seat, GONE)

    async def _give_back(self, reservation: int) -> None:
        """The caller keeps the place, and may meet this volunteer again as soon as somebody is there."""
        await self._house.engine.reject(reservation, GONE, seat_to="paused", exclude_ms=0)

    async def _leave(self, agent: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._tasks.pop(agent, None)
        await self._quietly(self._house.desks.leave(agent))

    async def _quietly(self, step: Coroutine[Any, Any, Any]) -> None:
        """Without the routing engine nobody is offered to anybody, and its rebuilding asks who is there."""
        try:
            await step
        except RoutingError as error:
            log.warning("empty chair not told", error=error.code)
