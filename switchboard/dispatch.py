"""One reader of the routing stream, who tells each waiting contact and each desk what concerns them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from routing.engine import Engine
from routing.explain import decision_of
from routing.model import Change, Reservation, agent_of

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)


STREAM_S = 1.0
"""How long the stream may be behind the answer to a step."""


@dataclass(frozen=True)
class Accepted:
    """A volunteer took the contact: the fencing id of the reservation and the agent's id."""

    reservation: int
    agent: str


class Inbox:
    """What the routing engine says about one contact, in order."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._accepted: asyncio.Queue[Accepted] = asyncio.Queue()
        self._told: set[int] = set()
        self.served = False
        self._taken = 0

    def met(self, reservation: Reservation) -> None:
        """The entry has met a seat at once, or had before this process knew it. The stream says a new reservation too,
        with its reasons, within a moment; of one that was made before this inbox it says nothing."""
        if reservation.accepted:
            self._take(reservation.id, reservation.seat)
        elif self._contact.medium != "message":
            asyncio.get_running_loop().call_later(STREAM_S, self._remember, reservation)

    def _take(self, reservation: int, seat: str) -> None:
        if reservation == self._taken:
            return  # told by the engine's answer and by its stream
        self._taken = reservation
        agent = agent_of(seat)
        self._contact.agent, self._contact.reservation, self._contact.seat = agent, reservation, seat
        self._accepted.put_nowait(Accepted(reservation, agent))

    def _remember(self, reservation: Reservation) -> None:
        if reservation.id not in self._told:
            self._contact.reserved(reservation.id, agent_of(reservation.seat))

    def put(self, change: Change) -> None:
        agent = agent_of(change.seat) if change.seat else ""
        if change.reservation:
            self._told.add(change.reservation)
        match change.kind:
            case "reservation.created" if change.reservation and self._contact.medium != "message":
                if self._contact.refuses(change.reservation, agent):
                    return
                why = decision_of(change)
                self._contact.reserved(change.reservation, agent, why.data() if why else None)
            case "reservation.rejected" | "reservation.timed_out" | "reservation.cancelled" if (
                change.reservation
            ):
                how = change.kind.partition(".")[2]
                self._contact.reservation_ended(change.reservation, how, change.reason)
            case "reservation.accepted" if change.reservation:
                self._take(change.reservation, change.seat or "")
            case _:
                pass

    async def accepted(self) -> Accepted:
        """The next volunteer who accepts. From here on the contact is served until it says otherwise."""
        taken = await self._accepted.get()
        self.served = True
        return taken


class Dispatch:
    """Reads ``Engine.changes`` for as long as ``run`` runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._inboxes: dict[str, Inbox] = {}
        self._followers: dict[str, asyncio.Queue[Change]] = {}
        self._listeners: list[Callable[[Change], None]] = []
        self.on_reset: Callable[[], None] = lambda: None

    @contextmanager
    def inbox(self, contact: Contact) -> Iterator[Inbox]:
        """Registered before the contact enters the queue, so that nothing is missed."""
        inbox = self._inboxes[contact.id] = Inbox(contact)
        try:
            yield inbox
        finally:
            self._inboxes.pop(contact.id, None)

    @contextmanager
    def follow(self, entry_id: str) -> Iterator[asyncio.Queue[Change]]:
        """All that is said about one entry, for whoever put it in. Registered before it enters."""
        changes = self._followers[entry_id] = asyncio.Queue()
        try:
            yield changes
        finally:
            self._followers.pop(entry_id, None)

    def listen(self, listener: Callable[[Change], None]) -> None:
        self._listeners.append(listener)

    async def run(self, after: str) -> None:
        async for change in self._engine.changes(after):
            if change.kind == "stream.reset":
                self.on_reset()
            elif change.entry and (inbox := self._inboxes.get(change.entry)):
                inbox.put(change)
            elif change.entry and (follower := self._followers.get(change.entry)):
                follower.put_nowait(change)
            for listener in self._listeners:
                try:
                    listener(change)
                except Exception:
                    log.exception("a listener failed", kind=change.kind)
