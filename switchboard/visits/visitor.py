"""The person at a terminal, as the visit's coroutine meets them: what they are told, what they choose, and whether they
are still there.

What is told is one view, whole at every change (docs/protocol.md, ``visit``), so that a terminal whose line was cut
knows everything again with one frame.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog

from ivr.call import WhileThere
from routing.errors import RoutingError
from switchboard.contacts.callback import book
from switchboard.contacts.promises import next_morning_ms
from switchboard.errors import SwitchboardError
from switchboard.times import now_ms
from switchboard.visits.left_message import leave_spoken, leave_written

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact
    from switchboard.records.terminals import Terminal
    from switchboard.visits.rooms import Pass, Rooms

log = structlog.get_logger(__name__)

LOOK_S = 0.25
TELL_EVERY_S = 2.0
SURVEY_S = 90.0
LEFT = 16
"""As Asterisk's hang-up cause: the visitor ended it; 0: the line is gone for good."""

Send = Callable[[dict[str, Any]], None]


class Visitor:
    """One visitor. ``gone`` is done once the visit is ended from that side; ``send`` is the terminal's socket."""

    def __init__(self, contact: Contact, terminal: Terminal, rooms: Rooms, key: str) -> None:
        self.contact = contact
        self.terminal = terminal
        self.rooms = rooms
        self.key = key
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        """The visit has its end, and SQL has it too."""
        self.send: Send | None = None
        self.consented: bool | None = None
        self.place: dict[str, Any] = {"ahead": None, "band": None, "served": True}
        self.notice: str | None = None
        """What has just happened, as a word of docs/protocol.md."""
        self.opens_ms: int | None = None
        self.promised: dict[str, Any] | None = None
        self.answered: dict[str, str] = {}
        self._orders: asyncio.Queue[Coroutine[Any, Any, Contact]] = asyncio.Queue(1)
        self._answer = asyncio.Event()
        self._told: dict[str, Any] = {}

    def while_there(self) -> WhileThere:
        return WhileThere(self.gone)

    # ---- what the terminal says

    def leave(self, cause: int = LEFT) -> None:
        if not self.gone.done():
            self.gone.set_result(cause)

    def consents(self, recording: bool) -> None:
        """Nothing is recorded before this was said; a later "no" ends it."""
        self.consented = recording
        self.contact.consents(recording)
        if self.contact.meeting is not None:
            self.contact.meeting.record(recording)
        self.changed()

    def wants_callback(self, number: str, *, later: bool) -> bool:
        """``number`` can be dialled. False when something was chosen already, or it is too late for it."""
        if "callback" not in self.choices or self._orders.full():
            return False
        next_ms = next_morning_ms(self.contact.house.calendar, now_ms()) if later else None
        self._orders.put_nowait(book(self.contact.house, self.contact, number, next_ms))
        return True

    def leaves_message(self, text: str, number: str | None) -> bool:
        """A written message in place of waiting; ``number`` can be dialled. False as in ``wants_callback``."""
        return self._leaves(leave_written(self.contact.house, self.contact, text, number))

    def speaks_message(self, sound: bytes, number: str | None) -> bool:
        """The same, spoken. What is no sound is told by ``failed``."""
        return self._leaves(leave_spoken(self.contact.house, self.contact, sound, number))

    def _leaves(self, leaving: Coroutine[Any, Any, Contact]) -> bool:
        if "message" not in self.choices or self._orders.full():
            leaving.close()
            return False
        self._orders.put_nowait(leaving)
        return True

    def answers(self, question: str, answer: str) -> bool:
        """An answer of the survey; False when nobody asks, or nobody asked that."""
        asked = self.survey
        if asked is None or question not in asked["questions"] or answer not in asked["keys"]:
            return False
        if question not in self.answered:
            self.answered[question] = answer
            self.contact.rated(question, answer, asked["keys"])
        self._answer.set()
        return True

    # ---- what the coroutine waits for

    async def chooses(self) -> None:
        """Until a call-back was chosen, or a message left, and promised: it is in SQL then, a call-back in the queue at
        this visit's place. What could not be kept is said, and waiting goes on."""
        contact = self.contact
        while True:
            contact.booking = asyncio.create_task(await self._orders.get())
            try:
                booked = await asyncio.shield(contact.booking)
            except (SwitchboardError, OSError) as error:
                contact.booking = None
                log.warning("message not kept", contact=contact.id, error=type(error).__name__)
                self.notice = "message_not_kept"
                self.changed()
                continue
            self.promised = {"code": booked.code, "due": booked.due_ms, "next": booked.next_ms}
            self.changed()
            return

    async def answered_all(self) -> None:
        """Until every question has its answer, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SURVEY_S):
                while self.survey and len(self.answered) < len(self.survey["questions"]):
                    self._answer.clear()
                    await self._answer.wait()

    async def until_lost(self, kept_s: float) -> None:
        """Ends the visit when neither the terminal nor its page in the room was heard of for so long."""
        since_s = time.monotonic()
        while not self.gone.done():
            await asyncio.sleep(LOOK_S)
            if self.is_here:
                since_s = time.monotonic()
            elif time.monotonic() - since_s > kept_s:
                log.info("terminal lost", contact=self.contact.id)
                self.leave(0)

    @property
    def is_here(self) -> bool:
        meeting = self.contact.meeting
        return self.send is not None or (
            meeting is not None and self.rooms.is_here(meeting.room, self.terminal.id)
        )

    @asynccontextmanager
    async def kept_told(self) -> AsyncIterator[None]:
        """Place and waiting time, as they change."""
        telling = asyncio.create_task(self._tell_place(), name=f"place {self.contact.id}")
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell_place(self) -> None:
        contact, house = self.contact, self.contact.house
        while True:
            try:
                place = await house.engine.place(contact.id)
                served = await house.on_duty(contact)
            except RoutingError:
                place, served = None, True
            band = await house.estimate(contact)
            self.place = {
                "ahead": place.ahead if place else None,
                "band": [band.low_min, band.high_min] if band else None,
                "served": served,
            }
            self.changed()
            await asyncio.sleep(TELL_EVERY_S)

    # ---- what the terminal is told

    @property
    def choices(self) -> list[str]:
        """The ways out of waiting that make sense now; a terminal has no number, so one is asked for."""
        contact = self.contact
        if contact.stage not in ("intake", "waiting", "ringing") or contact.end_reason or self.promised:
            return []
        return ["callback", "message"] if contact.house.calls_out and not contact.demo else ["message"]

    @property
    def survey(self) -> dict[str, Any] | None:
        contact = self.contact
        hotline = contact.rules.hotlines.get(contact.hotline)
        if contact.stage != "survey" or hotline is None or hotline.survey is None:
            return None
        asked = hotline.survey
        return {"questions": [question.id for question in asked.questions], "keys": asked.keys}

    @property
    def room(self) -> Pass | None:
        meeting = self.contact.meeting
        return meeting.pass_of_visitor if meeting else None

    def frame(self) -> dict[str, Any]:
        contact, meeting = self.contact, self.contact.meeting
        agent = contact.house.name_of(contact.agent) if meeting and contact.agent else None
        return {
            "id": contact.id,
            "stage": contact.stage,
            "matter": contact.house.matter_words(contact.matter),
            "language": contact.language,
            "arrived": contact.arrived_ms,
            "queued": contact.queued_ms,
            **self.place,
            "choices": self.choices,
            "notice": self.notice,
            "opens": self.opens_ms,
            "promised": self.promised,
            "consent": self.consented,
            "records": contact.records_talks,
            "recording": bool(meeting and meeting.recording),
            "recording_paused": bool(meeting and meeting.paused),
            "held": bool(meeting and meeting.held),
            "agent": {"name": agent["name"], "role": agent["role"]} if agent else None,
            "room": self.room.frame() if self.room else None,
            "telephone": meeting.telephone if meeting else None,
            "survey": self.survey,
            "answered": dict(self.answered),
            "ended": contact.end_reason if contact.ended_ms else None,
        }

    def changed(self) -> None:
        frame = self.frame()
        if frame != self._told:
            self._told = frame
            if self.send is not None:
                self.send({"type": "visit", "visit": frame})
