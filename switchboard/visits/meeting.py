"""Visitor and volunteer in their room, until one of them leaves: the counterpart of a call's conversation.

Each volunteer who accepts gets a room of their own with this visitor: whoever did not come, or was lost, holds a token
of a room that has ended.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import structlog

from switchboard.contacts.legs import RELOAD_S, Party
from switchboard.visits.tapes import RoomRecording
from video.tokens import Role

if TYPE_CHECKING:
    from switchboard.contacts.colleagues import Wanted
    from switchboard.visits.rooms import Pass
    from switchboard.visits.visitor import Visitor

log = structlog.get_logger(__name__)

LOOK_S = 0.25

Over = Literal["left", "lost", "passed"]
"""The volunteer has hung up; the volunteer's desk is gone and did not come back; the visit was passed on."""


def new_room(contact: str) -> str:
    """A room's name: its contact's, and something nobody can guess."""
    return f"{contact}-{secrets.token_hex(4)}"


class Meeting:
    """One visitor and one volunteer. Orders come from the desk; each returns why not (a code of its words), or None."""

    def __init__(self, visitor: Visitor, party: Party, room: str) -> None:
        self.room = room
        self.party = party
        self._visitor = visitor
        self._contact = visitor.contact
        self._rooms = visitor.rooms
        self._left = asyncio.Event()
        self._passed = False
        self.left_by: Literal["agent", "caller"] = "agent"
        """Who has ended the talk, once it is over."""
        self._recording = RoomRecording(visitor.contact, visitor.rooms, room)
        terminal = visitor.terminal
        agent = self._contact.house.name_of(party.agent)
        self.pass_of_visitor: Pass = self._rooms.pass_for(room, terminal.id, terminal.village, Role.PARTY)
        self.pass_of_agent: Pass = self._rooms.pass_for(room, party.agent, agent["name"], Role.HOST)
        self.telephone: dict[str, str] | None = None
        """``number`` and ``code`` with which the visitor comes in by any telephone, in place of the terminal."""

    @property
    def recording(self) -> bool:
        return self._recording.runs

    @property
    def paused(self) -> bool:
        return self._recording.paused

    async def open(self) -> None:
        """The room, and both are told the way in."""
        await self._rooms.open(self.room, self._contact.id)
        self._contact.meeting = self
        self.tell()
        telephones = self._contact.house.telephones
        if telephones is not None:
            code = await telephones.code(self.room, self._contact.id, self._visitor.terminal.id)
            self.telephone = {"number": telephones.number, "code": code} if code else None
            self._visitor.changed()

    def tell(self) -> None:
        """The desk and the terminal show what is so now."""
        self._contact.house.desks.video(self._contact)
        self._visitor.changed()

    async def volunteer_comes(self, timeout_s: float) -> bool:
        """Until the volunteer's page is in the room. A page that is just being reloaded has a little longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._left.is_set():
                    if self._rooms.is_here(self.room, self.party.agent):
                        return True
                    await asyncio.sleep(LOOK_S)
        return False

    async def run(self, patience_s: float = RELOAD_S) -> Over:
        """Until the volunteer has hung up, or has been away for so long; that counts for the first time only, a later
        reload has its own patience."""
        gone_s: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._left.wait()
            if self._recording.why == "hold" and not self.held:  # asked in by the room's own button
                self._go_on_recording()
                self.tell()
            if self._passed:
                return "passed"
            if self._left.is_set() or not self._rooms.is_open(self.room):
                return "left"
            if self._volunteer_is_here():
                gone_s, patience_s = None, RELOAD_S
            elif gone_s is None:
                gone_s = time.monotonic()
            elif time.monotonic() - gone_s > patience_s:
                return "lost"

    def _volunteer_is_here(self) -> bool:
        """At the desk, or at least in the room: a desk that has only lost its socket talks on."""
        desk = self._contact.house.desks.at(self.party.agent)
        return (desk is not None and not desk.is_away) or self._rooms.is_here(self.room, self.party.agent)

    def leave(self, agent: str) -> None:
        """The volunteer hangs up."""
        if agent == self.party.agent:
            self._left.set()

    # ---- as in a call (contacts.conversation): each returns why not (a code of the desk's words), or None

    @property
    def lead(self) -> Party:
        return self.party

    @property
    def busy(self) -> str | None:
        """Nobody else can be in the way: a visit has one volunteer."""
        return None

    @property
    def held(self) -> bool:
        """Whether the visitor stands before the door: no picture and no voice passes, in either direction."""
        person = self._rooms.person(self.room, self._visitor.terminal.id)
        return person is not None and not person.admitted

    async def hold(self) -> str | None:
        """The visitor neither sees nor hears the volunteer, nor the volunteer the visitor; their screen says so, and
        nothing is recorded."""
        if self.held:
            return None
        if self._recording.runs and not self._recording.paused:
            self._recording.pause("hold")
        if not self._rooms.send_back(self.room, self.party.agent, self._visitor.terminal.id):
            self._go_on_recording()
            return "not_talking"
        self._contact.note("together", groups=[["caller"]])
        self.tell()
        return None

    async def resume(self) -> str | None:
        if not self.held:
            return None
        if not self._rooms.admit(self.room, self.party.agent, self._visitor.terminal.id):
            return "not_talking"
        self._go_on_recording()
        self._contact.note("together", groups=[["caller", self.party.agent]])
        self.tell()
        return None

    def _go_on_recording(self) -> None:
        if self._recording.why == "hold":
            self._recording.resume()

    async def pass_on(self, wanted: Wanted, note: str) -> str | None:
        """Let the visitor go to a colleague or a matter, at once: back to the queue, at the place they had."""
        await self.hold()
        self._contact.pass_on(self.party.agent, wanted, note)
        self._passed = self.party.done = True
        self._left.set()
        return None

    def end_by_visitor(self) -> None:
        """The visitor ends the talk and stays for the survey."""
        self.left_by = "caller"
        self._left.set()

    def paper(self) -> dict[str, str]:
        """Where a picture of a paper may be put (``PUT``, with the key in ``Capture-Key``): the volunteer is told when
        it is there. Raises CaptureRefused."""
        captures = self._rooms.bridge.captures
        wish = captures.wish(self.room, self._visitor.terminal.id, self.party.agent, "", "document")
        return {
            "url": f"{self.pass_of_visitor.frame()['url']}/{self.room}/captures/{wish.id}",
            "key": wish.key,
        }

    async def close(self, reason: str) -> None:
        """The room ends for both, whoever ended the talk; what was recorded is kept."""
        if self._contact.meeting is self:
            self._contact.meeting = None
        self._recording.end()
        await self._rooms.end(self.room, reason)
        if self._contact.house.telephones is not None:
            await self._contact.house.telephones.over(self.room)

    # ---- recording

    def record(self, wanted: bool) -> None:
        """Begin, or end for good: the visitor has said so."""
        if wanted and self._contact.talked and self._contact.records_talks:
            self._recording.begin()
            if self.held:
                self._recording.pause("hold")
        elif not wanted:
            self._recording.end()
        self.tell()
        self._contact.house.desks.talking(self._contact, recording=self.recording)

    def pause(self, *, paused: bool) -> str | None:
        """What is shown and said is left out from now on, or kept again; both pages say so."""
        if not self.recording:
            return "not_recorded"
        if self.held:
            return "on_hold"
        self._recording.pause() if paused else self._recording.resume()
        self.tell()
        return None

    # ---- what the desk shows

    def frame(self, agent: str) -> dict[str, Any] | None:
        """``video`` of this volunteer's contact (docs/protocol.md)."""
        if agent != self.party.agent:
            return None
        return {"kind": "visit", "state": "up", **self.pass_of_agent.frame()}

    def talk_frame(self) -> dict[str, Any]:
        """What is added to the volunteer's ``contact``, as a conversation does."""
        return {"held": self.held}
