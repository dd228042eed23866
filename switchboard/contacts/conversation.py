"""Who hears whom: the caller, the volunteer who leads, and the colleague whom that one took in.

Two bridges. The caller stays in the first (``br-``) from the beginning of the talk to its end; volunteers come and go.
The second (``co-``) is for volunteers among themselves. Where everybody belongs follows from one word, the phase, and
``_settle`` brings them there, tells the record and the desks: after a restart it does the same with what it finds.

    talking     caller + lead                     (a colleague, if any, waits with music)
    held        caller with music
    consulting  caller with music, lead + colleague
    three_way   caller + lead + colleague
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Literal, cast

import structlog

from ivr.ari.bridge import Bridge
from ivr.call import Call
from ivr.errors import AriError, LegFailed
from routing.errors import InvalidRouting, RoutingError
from switchboard.contacts.colleagues import (
    Colleague,
    NotCome,
    Wanted,
    entry_for,
    new_entry,
    note_colleague,
    reach,
    release,
)
from switchboard.contacts.legs import Party, finish_seat, ring_until_back, wants_new_leg

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact
    from switchboard.contacts.found import Found
    from switchboard.contacts.transfers import Guests

log = structlog.get_logger(__name__)

Phase = Literal["talking", "held", "consulting", "three_way"]
Over = Literal["left", "alone", "passed", "lost"]
"""The lead has left; left while somebody was asked who did not come; the contact was passed on; the lead's desk is gone
and did not come back."""
Room = Literal["caller", "side"]
ROOMS: tuple[Room, ...] = ("caller", "side")
MUSIC = "default"


class Conversation:
    """One talk. Orders come from desks, one at a time; each returns why not (a code of the desk's words), or None.

    ``legs`` takes the lines of all volunteers and outlives this. ``guests`` is the other hotline in the talk.
    """

    def __init__(
        self, call: Call, contact: Contact, bridge: Bridge, legs: AsyncExitStack, lead: Party, guests: Guests
    ) -> None:
        self.lead = lead
        self.colleague: Colleague | None = None
        self.phase: Phase = "talking"
        self.last: dict[str, Any] | None = None
        """What became of the colleague who was asked last."""
        self._call = call
        self._contact = contact
        self._bridges: dict[Room, Bridge] = {"caller": bridge}
        self._legs = legs
        self._guests = guests
        self._where: dict[str, Room] = {}
        self._music: dict[Room, bool] = {}
        self._tone: str | None = None
        self._turn = asyncio.Lock()
        self._moved = asyncio.Event()
        self._passed = False
        self._host: asyncio.Task[None] | None = None
        self._groups: list[list[str]] = [["caller", lead.agent]]
        if lead.line is not None:
            self._where[lead.line.channel.id] = "caller"
        self.recorded = False

    # ---- the life of it

    async def run(self) -> Over:
        """Until no volunteer is left with the caller, or the contact was passed on."""
        while True:
            lead = self.lead
            await self._until_left(lead)
            if self._passed:
                return "passed"
            if self.lead is lead and (over := await self._colleague_stays()):
                return "lost" if over == "left" and lead.lost else over

    async def close(self) -> None:
        """The talk is over, whoever ended it: nobody is asked any more, a colleague who was here is free."""
        if self._host:
            self._host.cancel()
            await asyncio.gather(self._host, return_exceptions=True)
        if self.colleague:
            colleague, self.colleague = self.colleague, None
            note_colleague(self._contact, colleague, "caller_left" if self._call.gone.done() else "left")
            with suppress(RoutingError, AriError):
                await asyncio.shield(release(self._contact, colleague))
        if side := self._bridges.pop("side", None):
            with suppress(AriError):
                await side.destroy()

    async def begin(self) -> None:
        """Everybody to where the phase says; also after a restart, when ``found`` has told where they are."""
        async with self._turn:
            await self._settle()

    def found(self, found: Found) -> None:
        """After a restart: who is in which bridge by now. Music may play or not: it is set anew."""
        self._where = {channel: cast(Room, room) for channel, room in found.rooms.items()}
        self._groups = []
        if found.side:
            self._bridges["side"] = found.side
        colleague = found.colleague
        self.phase = _phase_of(found)
        if colleague:
            self.colleague = colleague
            colleague.state = "here"
            self._host = asyncio.create_task(
                self._look_after(colleague), name=f"colleague {self._contact.id}"
            )

    async def _until_left(self, party: Party) -> None:
        """Until this volunteer has left for good, or the contact was passed on. A desk that was reloaded is rung
        again."""
        while party in (self.lead, self.colleague) and not self._passed:
            again = await wants_new_leg(self._contact, party, self._moved)
            if self._moved.is_set():
                self._moved.clear()
                continue
            if party.line is not None:
                await party.line.part()
                party.line = None  # out of the rooms at once: Asterisk's word of its end may come later
            if not again:
                return
            async with self._turn:
                await self._settle()
            try:
                await ring_until_back(self._contact, party, self._legs)
            except LegFailed:
                party.lost = not party.done
                return
            async with self._turn:
                await self._settle()

    async def _colleague_stays(self) -> Over | None:
        """The lead has left: whoever else is here has the caller from now on (None), also one whose phone still rings;
        when that one does not come, the caller is alone."""
        colleague = self.colleague
        if colleague is None:
            return "left"
        async with self._turn:
            await self._settle()
        asked = not colleague.settled.is_set()
        await colleague.settled.wait()
        async with self._turn:
            if self.colleague is not colleague or not colleague.up:
                return "alone" if asked else "left"
            await self._promote(colleague, "stayed")
        return None

    # ---- orders

    async def hold(self) -> str | None:
        async with self._turn:
            if self.phase == "held":
                return None
            if why := self.busy:
                return why
            self.phase = "held"
            await self._settle()
        return None

    async def resume(self) -> str | None:
        """Back to the caller; a colleague who is here waits with music."""
        async with self._turn:
            if self.phase in ("held", "consulting"):
                self.phase = "talking"
                await self._settle()
        return None

    async def ask(self, by: Party, wanted: Wanted, note: str, *, three_way: bool) -> str | None:
        """Ask a colleague: for a consultation, with the caller on hold from now on, or into the talk."""
        async with self._turn:
            if why := self.busy:
                return why
            colleague = Colleague(
                "", 0, new_entry(self._contact), wanted=wanted, by=by.agent, note=note, three_way=three_way
            )
            try:
                entry_for(self._contact, wanted, colleague.entry)
            except InvalidRouting:
                return "colleague_left" if wanted.agent else "no_such_matter"
            self.colleague, self.last = colleague, None
            if not three_way:
                self.phase = "held"
            note_colleague(self._contact, colleague, "asked")
            self._host = asyncio.create_task(
                self._look_after(colleague), name=f"colleague {self._contact.id}"
            )
            await self._settle()
        return None

    async def toggle(self) -> str | None:
        """From the caller to the colleague, or back; whoever is left waits with music."""
        async with self._turn:
            if not (self.colleague and self.colleague.up):
                return "no_colleague"
            self.phase = "talking" if self.phase == "consulting" else "consulting"
            await self._settle()
        return None

    async def join(self) -> str | None:
        """All three together."""
        async with self._turn:
            if not (self.colleague and self.colleague.up):
                return "no_colleague"
            self.phase = "three_way"
            await self._settle()
        return None

    async def complete(self) -> str | None:
        """The colleague has the caller from now on, the lead is out."""
        async with self._turn:
            colleague = self.colleague
            if not (colleague and colleague.up and colleague.state == "here"):
                return "no_colleague"
            await self._promote(colleague, "attended")
        return None

    async def give_up(self) -> str | None:
        """Without the colleague, who is here or still asked: back to the caller."""
        async with self._turn:
            if self.colleague is None:
                return "no_colleague"
            self.colleague.done = True
            self.colleague.withdrawn.set()
            await self.colleague.hang_up()
            host = self._host
        if host:
            await asyncio.wait({host}, timeout=5)
        return None

    async def pass_on(self, wanted: Wanted, note: str) -> str | None:
        """Let the caller go to a colleague or to a matter, at once. The caller hears music from here on."""
        async with self._turn:
            if why := self.busy:
                return why
            self.phase = "held"
            await self._settle()
            self._contact.pass_on(self.lead.agent, wanted, note)
            self._passed = self.lead.done = True
            self._moved.set()
        return None

    async def leave(self, agent: str) -> None:
        """This volunteer hangs up."""
        for party in (self.lead, self.colleague):
            if party and party.agent == agent:
                await party.hang_up()

    def ring_again(self, agent: str) -> None:
        """This volunteer's desk was reloaded."""
        for party in (self.lead, self.colleague):
            if party and party.agent == agent:
                party.ring_again.set()

    @property
    def not_just_two(self) -> str | None:
        """Why nobody else can be taken in now: a colleague is here or asked, or the caller is on hold."""
        if self.colleague:
            return "colleague_here"
        return "on_hold" if self.phase == "held" else None

    @property
    def busy(self) -> str | None:
        """Why nobody can be asked now: somebody else is in the talk, or is being asked."""
        if self._guests.wanted:
            return "third_party_here"
        return "colleague_here" if self.colleague else None

    # ---- a colleague

    async def _look_after(self, colleague: Colleague) -> None:
        """From the asking to the end of the colleague's part in it."""
        how = "left"
        try:
            if colleague.line is None:
                await reach(self._contact, colleague, self._legs)
                async with self._turn:
                    colleague.state = "here"
                    self.phase = "three_way" if colleague.three_way else "consulting"
                    note_colleague(self._contact, colleague, "joined")
                    await self._settle()
            colleague.settled.set()
            await self._until_left(colleague)
            how = "withdrawn" if colleague.withdrawn.is_set() else "left"
        except NotCome as failed:
            how = failed.how
        except (RoutingError, AriError) as error:
            log.warning("colleague not reached", contact=self._contact.id, error=error.code)
            how = "nobody"
        async with self._turn:
            if self.colleague is colleague:
                await self._without(colleague, how)
        colleague.settled.set()

    async def _without(self, colleague: Colleague, how: str) -> None:
        """Back to caller and lead."""
        self.colleague = None
        self.phase = "talking"
        self.last = {**self._shown(colleague), "state": how}
        note_colleague(self._contact, colleague, how)
        await asyncio.shield(release(self._contact, colleague))
        await self._settle()

    async def _promote(self, colleague: Colleague, how: Literal["attended", "stayed"]) -> None:
        """The colleague leads from now on; the caller hears the new voice before the old one is gone."""
        contact, before = self._contact, self.lead
        self.lead, self.colleague, self.phase = colleague, None, "talking"
        self._legs.push_async_callback(finish_seat, contact, colleague.reservation)
        contact.passed_to(colleague, before.agent, how)
        if self._host:
            self._host.cancel()
        await self._settle()
        contact.house.desks.passed(contact, before.agent, colleague.agent)
        await before.hang_up()
        await finish_seat(contact, before.reservation)

    # ---- who is where

    def _wanted(self) -> dict[Room, list[Party]]:
        lead, colleague = self.lead, self.colleague
        here: list[Party] = [colleague] if colleague and colleague.state == "here" else []
        match self.phase:
            case "talking":
                rooms: dict[Room, list[Party]] = {"caller": [lead], "side": here}
            case "held":
                rooms = {"caller": [], "side": here}
            case "consulting":
                rooms = {"caller": [], "side": [lead, *here]}
            case "three_way":
                rooms = {"caller": [lead, *here], "side": []}
        return {room: [party for party in parties if party.up] for room, parties in rooms.items()}

    async def _settle(self) -> None:
        """Bring everybody to where the phase says, then tell the record and the desks."""
        wanted = self._wanted()
        await self._move(wanted)
        await self._record()
        self.tell()

    async def _move(self, wanted: dict[Room, list[Party]]) -> None:
        """Out first, so that nobody hears what is not for them; music stops before a voice comes, and begins last."""
        target: dict[str, Room] = {
            p.line.channel.id: room for room, parties in wanted.items() for p in parties if p.line
        }
        for channel, room in list(self._where.items()):
            if target.get(channel) != room:
                await self._bridges[room].remove(channel)
                del self._where[channel]
        alone: dict[Room, bool] = {
            "caller": not wanted["caller"] and not self._guests.wanted,
            "side": len(wanted["side"]) == 1,
        }
        for room in ROOMS:
            if not alone[room]:
                await self._play_music(room, False)
        await self._play_tone(target)
        for channel, room in target.items():
            if channel not in self._where and await (await self._room(room)).add(channel):
                self._where[channel] = room
        for room in ROOMS:
            if alone[room]:
                await self._play_music(room, True)

    async def _room(self, room: Room) -> Bridge:
        if room not in self._bridges:
            ari = self._contact.house.require_ari()
            self._bridges[room] = Bridge(
                ari, f"co-{self._contact.id}"
            )  # known before it is made: none is left behind
            await Bridge.create(ari, self._bridges[room].id)
        return self._bridges[room]

    async def _play_music(self, room: Room, wanted: bool) -> None:
        if self._music.get(room) is wanted or (room not in self._bridges):
            return
        bridge = self._bridges[room]
        await (bridge.start_moh(MUSIC) if wanted else bridge.stop_moh())
        self._music[room] = wanted

    async def _play_tone(self, target: dict[str, Room]) -> None:
        """While a colleague is asked for a consultation, the lead hears that it rings."""
        line = self.lead.line
        asked = self.colleague is not None and self.colleague.state != "here"
        tone = line.channel.id if asked and line and self.lead.up and line.channel.id not in target else None
        if tone == self._tone or line is None:
            return
        if self._tone and self.lead.up:
            await line.channel.unring()
        if tone:
            await line.channel.ring()
        self._tone = tone

    async def _record(self) -> None:
        """On hold silence is written: what a caller says to the room then is nobody's, and music is no evidence."""
        if self.phase in ("held", "consulting"):
            await self._contact.stop_recording("hold")
        else:
            await self._contact.go_on_recording("hold")

    def tell(self) -> None:
        """Who hears whom, to the record where it has changed, and to the desks."""
        wanted = self._wanted()
        caller = ["caller", *(party.agent for party in wanted["caller"]), *self._guests.names]
        groups = [caller, *([[party.agent for party in wanted["side"]]] if wanted["side"] else [])]
        if groups != self._groups:
            self._groups = groups
            self._contact.note("together", groups=groups)
        self._contact.house.desks.conversation(self._contact)

    # ---- what the desks show

    @property
    def agents(self) -> list[str]:
        """The volunteers in it, one who is only asked included."""
        return [party.agent for party in (self.lead, self.colleague) if party and party.agent]

    def entry_of(self, agent: str) -> str | None:
        """What holds this volunteer's seat."""
        return next((one.entry for one in (self.lead, self.colleague) if one and one.agent == agent), None)

    def frame(self, agent: str) -> dict[str, Any]:
        """What is added to this volunteer's ``contact`` (docs/protocol.md)."""
        colleague = self.colleague
        mine = colleague is not None and colleague.agent == agent
        shown: dict[str, Any] | None = self.last
        if colleague:
            state = {"asked": "asked", "ringing": "ringing", "here": self._phase_word()}[colleague.state]
            shown = {**self._shown(colleague), "state": state, "three_way": colleague.three_way}
        return {
            "part": "colleague" if mine else "lead",
            "held": self.phase in ("held", "consulting"),
            "colleague": None if mine else shown,
            "lead": self._contact.house.name_of(self.lead.agent) if mine else None,
            "room": self._phase_word() if colleague and mine and colleague.state == "here" else None,
        }

    def _phase_word(self) -> str:
        return {"talking": "parked", "held": "parked"}.get(self.phase, self.phase)

    def _shown(self, colleague: Colleague) -> dict[str, Any]:
        house = self._contact.house
        return {
            "who": house.name_of(colleague.agent) if colleague.agent else None,
            "matter": house.matter_words(colleague.wanted.matter),
            "since": colleague.since_ms,
        }


def _phase_of(found: Found) -> Phase:
    """Asterisk is right about who hears whom; the record decides while somebody was on the way."""
    rooms = found.rooms
    lead = rooms.get(found.lead.line.channel.id) if found.lead.line else None
    if found.colleague is None:
        return "held" if lead is None and found.alone else "talking"
    colleague = rooms.get(found.colleague.line.channel.id) if found.colleague.line else None
    if colleague == "caller":
        return "three_way"
    if lead is None:
        return "consulting" if found.alone else "talking"
    return "consulting" if lead == "side" else "talking"
