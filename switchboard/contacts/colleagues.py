"""Asking a colleague into a conversation: a reservation of its own, a card that says what it is about, a phone.

The colleague accepts or declines as with a caller; the seat is held by an entry of its own, so that the queue never
offers somebody else there meanwhile. ``reach`` is the asking from beginning to end.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import structlog

from ivr.errors import LegFailed
from routing.errors import InvalidRouting
from routing.model import Change, Entry, KnownEntry, agent_of, live_seat
from switchboard.contacts.legs import Party, ring_volunteer
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)

ASK_S = 30.0
"""How long somebody is looked for; one volunteer who is asked by name has the ringing time only."""
MARK = "/colleague-"

State = Literal["asked", "ringing", "here"]
Ended = Literal["declined", "no_answer", "nobody", "withdrawn", "left"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom the volunteer chose: one colleague, or whoever is free for a matter. One of the two is set."""

    agent: str | None = None
    matter: str | None = None


class NotCome(Exception):
    """Nobody came; ``how`` says why."""

    def __init__(self, how: Ended) -> None:
        super().__init__(how)
        self.how: Ended = how


@dataclass(eq=False)
class Colleague(Party):
    """A colleague who is asked, rung, or here. ``agent`` is empty while nobody is asked yet."""

    wanted: Wanted = field(default_factory=Wanted)
    by: str = ""
    note: str = ""
    three_way: bool = False
    state: State = "asked"
    since_ms: int = field(default_factory=now_ms)
    routed: Entry | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Here, or not to come."""
    withdrawn: asyncio.Event = field(default_factory=asyncio.Event)

    def known_entry(self) -> KnownEntry | None:
        """What the routing engine should hold for it, for restoring."""
        if self.routed is None:
            return None
        if self.reservation and self.state != "asked":
            return KnownEntry(self.routed, live_seat(self.agent), self.reservation)
        return KnownEntry(self.routed)

    def card(self, contact: Contact) -> dict[str, Any]:
        """The card of the contact, and who asks what."""
        return contact.card() | {
            "medium": "consult",
            "from": contact.house.name_of(self.by),
            "note": self.note,
        }


def new_entry(contact: Contact) -> str:
    return f"{contact.id}{MARK}{now_ms()}"


def entry_for(contact: Contact, wanted: Wanted, entry_id: str) -> Entry:
    """Raises InvalidRouting for a colleague or a matter that does not exist."""
    policy, at = contact.rules.policy, now_ms()
    if wanted.agent:
        desk = contact.house.desks.at(wanted.agent)
        if desk is None:
            raise InvalidRouting("nobody of this name is signed in")
        return policy.personal_entry(entry_id, agent=wanted.agent, role=desk.agent.role, arrived_ms=at)
    return policy.entry(
        entry_id,
        matter=wanted.matter,
        language=contact.language,
        arrived_ms=at,
        priority=policy.highest_priority,
    )


async def reach(contact: Contact, colleague: Colleague, legs: AsyncExitStack) -> None:
    """Ask until somebody has accepted and answered the phone. The line is given to ``legs``. Raises ``NotCome``; what
    was reserved is free again then."""
    house = contact.house
    colleague.routed = entry_for(contact, colleague.wanted, colleague.entry)
    try:
        await _unless_withdrawn(colleague, _accepted(contact, colleague))
        colleague.state = "ringing"
        note_colleague(contact, colleague, "accepted")
        house.desks.conversation(contact)
        try:
            await _unless_withdrawn(colleague, ring_volunteer(contact, colleague, legs))
        except LegFailed as failed:
            log.info("colleague's leg failed", contact=contact.id, agent=colleague.agent, cause=failed.cause)
            raise NotCome("no_answer") from failed
    except BaseException:
        await asyncio.shield(release(contact, colleague))
        raise


async def release(contact: Contact, colleague: Colleague) -> None:
    """The colleague's phone is hung up and the seat free at once: it was no contact of theirs."""
    await colleague.hang_up()
    engine = contact.house.engine
    if not await engine.abandon(colleague.entry, reason="withdrawn") and colleague.reservation:
        await engine.finish(colleague.reservation, wrap_up_ms=0)


async def _accepted(contact: Contact, colleague: Colleague) -> None:
    """In the queue until somebody has accepted. Whoever was asked by name is asked once."""
    assert colleague.routed is not None  # noqa: S101 - set by ``reach`` just before
    house = contact.house
    with house.dispatch.follow(colleague.entry) as changes:
        try:
            async with asyncio.timeout(ASK_S):
                await house.engine.enter(colleague.routed)
                while not _taken(contact, colleague, await changes.get()):
                    pass
        except TimeoutError:
            raise NotCome("no_answer" if colleague.wanted.agent else "nobody") from None


def _taken(contact: Contact, colleague: Colleague, change: Change) -> bool:
    """One word of the routing engine. True: accepted. Raises ``NotCome``."""
    match change.kind:
        case "reservation.created" if change.reservation and change.seat:
            colleague.agent, colleague.reservation = agent_of(change.seat), change.reservation
            contact.house.desks.conversation(contact)
        case "reservation.accepted" if change.reservation and change.seat:
            colleague.agent, colleague.reservation = agent_of(change.seat), change.reservation
            return True
        case "reservation.rejected" | "reservation.timed_out" | "reservation.cancelled":
            if colleague.wanted.agent:
                raise NotCome("declined" if change.kind == "reservation.rejected" else "no_answer")
            colleague.agent, colleague.reservation = "", 0
            contact.house.desks.conversation(contact)
        case _:
            pass
    return False


async def _unless_withdrawn(colleague: Colleague, work: Any) -> None:
    task = asyncio.ensure_future(work)
    stop = asyncio.create_task(colleague.withdrawn.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise NotCome("withdrawn")
        task.result()
    finally:
        for one in (task, stop):
            one.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)


def note_colleague(contact: Contact, colleague: Colleague, how: str) -> None:
    """What becomes of the asking, for the record and for a restart."""
    contact.note(
        "colleague",
        entry=colleague.entry,
        how=how,
        by=colleague.by,
        agent=colleague.agent or None,
        matter=colleague.wanted.matter,
        reservation=colleague.reservation or None,
        three_way=colleague.three_way,
        note=(colleague.note.strip() or None) if how == "asked" else None,
    )
