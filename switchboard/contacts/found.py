"""After a restart: who is in the conversation, from SQL, the routing engine and Asterisk.

SQL says who leads and who was asked, Asterisk who is up and in which bridge, the routing engine whose seat is held.
Where they differ Asterisk is right about channels, and whoever still talks to the caller keeps the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import structlog

from ivr.agent_leg import standing_legs
from ivr.ari.bridge import Bridge
from ivr.ari.channel import Channel
from ivr.call import Line
from routing.model import KnownEntry, LiveEntry, agent_of, live_seat
from switchboard.contacts.colleagues import MARK, Colleague, Wanted
from switchboard.contacts.contact import Contact
from switchboard.contacts.legs import Party, finish_seat, reservation_of
from switchboard.records.events import ContactEvent

log = structlog.get_logger(__name__)


@dataclass
class Recalled:
    """What the events say of the talk that went on last."""

    agent: str | None = None
    reservation: int | None = None
    entry: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    alone: bool = False
    """The caller was on hold."""


@dataclass
class Found:
    """Who is there. ``rooms``: channel id -> the bridge it is in, ``caller`` or ``side``."""

    lead: Party
    colleague: Colleague | None
    rooms: dict[str, str]
    side: Bridge | None
    caller_inside: bool
    alone: bool


async def recall(contact: Contact) -> Recalled:
    """Read the events of a contact that was found again, and tell the contact what its record alone does not say."""
    recalled = Recalled()
    found = await contact.house.records.contact(contact.id)
    for event in found[1] if found else []:
        _recall_one(contact, recalled, event)
    return recalled


def _recall_one(contact: Contact, recalled: Recalled, event: ContactEvent) -> None:
    data: Mapping[str, Any] = event.data
    match event.kind:
        case "connected":
            recalled.agent, recalled.reservation = data.get("agent"), data.get("reservation")
            recalled.asked, recalled.alone = {}, False
            contact.talking_ms = event.at_ms
        case "passed" if data.get("how") == "blind":
            contact.handed_on(
                data.get("by") or "", data.get("agent"), data.get("matter"), data.get("note") or ""
            )
            contact.asked_ms = event.at_ms
        case "passed":
            recalled.agent, recalled.reservation = data.get("agent"), data.get("reservation")
            recalled.asked = {}
            contact.held_entry = data.get("entry")
            contact.turns += 1
            contact.now_with(data.get("by") or "", data.get("note") or "", str(data.get("how")))
        case "colleague":
            again = recalled.asked.get("entry") == data.get("entry")
            known = recalled.asked if again else {}
            recalled.asked = known | {name: value for name, value in data.items() if value is not None}
        case "together":
            recalled.alone = ["caller"] in [list(group) for group in data.get("groups") or ()]
        case "recording_paused":
            contact.stops = {data.get("why") or "secret"}
        case "recording_resumed":
            contact.stops = set()
        case _:
            pass


async def find_conversation(contact: Contact, recalled: Recalled, held: AsyncExitStack) -> Found | None:
    """The volunteers who went on talking while the switchboard was away, their seats held anew. Without anybody the
    caller goes back to the place in the queue. What nobody holds any more is ended."""
    house = contact.house
    standing = await standing_legs(house.require_ari(), f"ag-{contact.id}-")
    legs = {reservation_of(leg.id): leg for leg in standing}
    entries = {
        entry.id: entry
        for entry in (await house.engine.snapshot()).entries
        if entry.id == contact.id or entry.id.startswith(f"{contact.id}/")
    }
    contact.agent = recalled.agent or contact.agent
    if recalled.reservation is None and legs:  # an older program did not write it
        recalled.reservation = max(legs)
    lead = _lead(contact, recalled, legs)
    colleague = _colleague(contact, recalled, entries, legs)
    if lead is None and colleague is not None:
        log.info("the first volunteer has left meanwhile", contact=contact.id)
        contact.passed_to(colleague, contact.agent or "", "stayed")
        if recalled.reservation:
            await finish_seat(contact, recalled.reservation)
        lead, colleague = colleague, None
    await _end_strays(contact, entries, [party for party in (lead, colleague) if party], standing)
    if lead is None:
        return None
    contact.agent, contact.reservation = lead.agent, lead.reservation
    contact.leg = legs[lead.reservation].id
    for party in filter(None, (lead, colleague)):
        await _hold_again(contact, party, legs[party.reservation], held)
    rooms, inside = await _rooms(contact)
    side = Bridge(house.require_ari(), f"co-{contact.id}") if "side" in rooms.values() else None
    return Found(lead, colleague, rooms, side, inside, recalled.alone)


def _lead(contact: Contact, recalled: Recalled, legs: Mapping[int, Channel]) -> Party | None:
    if recalled.reservation not in legs or contact.agent is None or recalled.reservation is None:
        return None
    return Party(contact.agent, recalled.reservation, contact.entry_id)


def _colleague(
    contact: Contact, recalled: Recalled, entries: Mapping[str, LiveEntry], legs: Mapping[int, Channel]
) -> Colleague | None:
    asked = recalled.asked
    entry_id = asked.get("entry", "")
    entry = entries.get(entry_id)
    agent, reservation = asked.get("agent"), asked.get("reservation")
    if entry and entry.state == "connected" and entry.seat and entry.reservation:
        agent, reservation = agent_of(entry.seat), entry.reservation
    over = asked.get("how") not in ("asked", "accepted", "joined")
    if over or not agent or not reservation or reservation not in legs or reservation == recalled.reservation:
        return None
    return Colleague(
        agent,
        reservation,
        entry_id,
        wanted=Wanted(agent if not asked.get("matter") else None, asked.get("matter")),
        by=asked.get("by", ""),
        note=asked.get("note", ""),
        three_way=bool(asked.get("three_way")),
    )


async def _end_strays(
    contact: Contact, entries: Mapping[str, LiveEntry], kept: list[Party], standing: list[Channel]
) -> None:
    """Legs that belong to nobody are hung up; colleagues who were asked are asked no more; the caller's own entry goes
    back to waiting when the volunteer is gone."""
    engine = contact.house.engine
    reservations = {party.reservation for party in kept}
    for leg in standing:
        if reservation_of(leg.id) not in reservations:
            await leg.hangup()
    for entry in entries.values():
        if entry.id in {party.entry for party in kept}:
            continue
        if entry.id.startswith(f"{contact.id}{MARK}"):
            if not await engine.abandon(entry.id, "restart") and entry.reservation:
                await engine.finish(entry.reservation, wrap_up_ms=0)
        elif not kept and entry.id == contact.id and contact.medium == "call" and entry.state == "connected":
            await engine.give_back(entry.reservation or 0, "restart", "available", exclude_ms=0)


async def _hold_again(contact: Contact, party: Party, leg: Channel, held: AsyncExitStack) -> None:
    """The routing engine is told again that the two are in contact, in case it was away too."""
    house = contact.house
    held.push_async_callback(finish_seat, contact, party.reservation)
    party.line = await held.enter_async_context(Line(house.require_ari(), leg))
    agent = await house.records.agent(party.agent)
    if agent is None:
        return
    entry = house.held_entry_of(contact, party.entry)
    if isinstance(party, Colleague):
        party.routed = entry
    known = KnownEntry(entry, live_seat(party.agent), party.reservation)
    reservation = await house.engine.restore(known, house.subscriptions_of(agent))
    if reservation and reservation.id != party.reservation:
        party.reservation = reservation.id
        held.push_async_callback(finish_seat, contact, reservation.id)


async def _rooms(contact: Contact) -> tuple[dict[str, str], bool]:
    """Which volunteer's channel is in which bridge, and whether the caller is in the first."""
    rooms: dict[str, str] = {}
    inside = False
    names = {f"br-{contact.id}": "caller", f"co-{contact.id}": "side"}
    for bridge in await contact.house.require_ari().request("GET", "bridges"):
        if room := names.get(bridge["id"]):
            rooms |= {channel: room for channel in bridge["channels"] if channel.startswith("ag-")}
            inside = inside or (room == "caller" and contact.channel in bridge["channels"])
    return rooms, inside
