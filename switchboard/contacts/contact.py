"""A live contact: what the switchboard knows of it now, and the one place from which its events are written.

Every event goes to SQL in order; desk and board see the same facts. Exactly one ``ended`` is written, by whoever
leaves ``open_contact``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog

from ivr.errors import AriError, CallerLeft, FaxCalled
from ivr.intake import Intake
from ivr.prompts.errors import PromptError

if TYPE_CHECKING:
    from ivr.ari.bridge import Bridge
    from ivr.recording import Running
    from switchboard.contacts.colleagues import Colleague, Wanted
    from switchboard.contacts.conversation import Conversation
    from switchboard.contacts.legs import Party
    from switchboard.contacts.transfers import HandOver
    from switchboard.dispatch import Inbox
    from switchboard.house import House
    from switchboard.records.fold import ContactRecord
    from switchboard.records.hosted import RoomCode
    from switchboard.records.terminals import Terminal
    from switchboard.rules import Rules
    from switchboard.visits.lift import Lift
    from switchboard.visits.meeting import Meeting
    from switchboard.visits.visitor import Visitor
from switchboard.contacts.transcript import MOST_CHARS, Line, Transcript
from switchboard.errors import RecordsAway
from switchboard.records.numbers import mask_number
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

STAGES = (
    *("intake", "waiting", "ringing", "message", "calling", "talking", "transfer", "room", "survey"),
    "finished",
)


def new_contact_id() -> str:
    """Sortable by time, unguessable in its tail."""
    return f"c-{now_ms():011x}{secrets.token_hex(4)}"


@dataclass
class Contact:
    """One person's need, from arrival to record. ``stage`` is one of ``STAGES``."""

    house: House
    id: str
    medium: str
    hotline: str
    caller: str | None
    channel: str
    demo: bool
    arrived_ms: int
    stage: str = "intake"
    language: str = "zh"
    matter: str | None = None
    priority: int = 0
    priority_reason: str | None = None
    consent: bool = True
    information: str | None = None
    transferred_to: str | None = None
    queued_ms: int | None = None
    talking_ms: int | None = None
    agent: str | None = None
    reservation: int | None = None
    survey: str | None = None
    """The worst answer given."""
    end_reason: str | None = None
    ended_by: str | None = None
    ended_ms: int | None = None
    hangup_cause: int | None = None
    talked: bool = False
    leg: str | None = None
    tries: int = 0
    agent_done: bool = False
    region: dict[str, str] | None = None
    earlier: int = 0
    origin: str | None = None
    due_ms: int | None = None
    next_ms: int | None = None
    code: str | None = None
    attempts: int = 0
    message_ms: int | None = None
    preferred: str | None = None
    seat: str | None = None
    held: int | None = None
    """The reservation of the message seat, while a volunteer has this message."""
    served: asyncio.Event = field(default_factory=asyncio.Event)
    """The caller dialled back in and has talked: nothing more is to be done."""
    declined: dict[str, int] = field(default_factory=dict)
    """Volunteers who gave this message back, and when."""
    requeued: bool = False
    otherwise: str | None = None
    """How the call ends when the caller hangs up without leaving a message."""
    booking: asyncio.Task[Contact] | None = None
    keeping: asyncio.Task[Contact] | None = None
    """The message that is being kept just now."""
    orders: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    recording: Running | None = None
    bridge: Bridge | None = None
    pauses: tuple[tuple[int, int | None], ...] = ()
    hand_overs: asyncio.Queue[HandOver] = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    handing: dict[str, Any] | None = None
    call_off: asyncio.Event = field(default_factory=asyncio.Event)
    """The volunteer does not want the other hotline any more that still rings."""
    talks: int = 0
    """How many talks with a volunteer there were before this one."""
    talk: Conversation | None = None
    ringing: Party | None = None
    """The volunteer who has accepted and whose phone is being rung."""
    held_entry: str | None = None
    """What the routing engine holds the volunteer's seat for, where it is not the contact's own entry."""
    preferred_role: str | None = None
    asked_ms: int | None = None
    """Since when the wish for that volunteer counts."""
    handed: dict[str, Any] | None = None
    """Who passed this contact on, how, and what that one wrote."""
    transcript: Transcript = field(default_factory=Transcript)
    kept_from: str | None = None
    """Who let this caller go, and is not to have them again while others could serve."""
    refused: int | None = None
    turns: int = 0
    intro: tuple[str, ...] = ()
    """What a caller who was passed on is told first."""
    stops: set[str] = field(default_factory=set)
    """Why silence is recorded: ``secret`` (the volunteer's choice), ``hold``."""
    terminal: Terminal | None = None
    """Where the visitor stands; of a visit only."""
    visitor: Visitor | None = None
    meeting: Meeting | None = None
    """Visitor and volunteer in their room."""
    lift: Lift | None = None
    """A call that is lifted to video."""
    written: str | None = None
    """What somebody wrote, who left a message without speaking."""
    into_room: RoomCode | None = None
    """The room for which the caller keyed in a code."""
    rules: Rules = field(init=False)
    _writes: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """What is published later is for contacts that arrive later."""
        self.rules = self.house.rules

    def served_matter(self) -> str:
        """What the volunteer is chosen by: the default where nothing is known, or nothing that the policy serves."""
        policy = self.rules.policy
        known = {matter.id for matter in policy.matters}
        hotline = self.rules.hotlines.get(self.hotline)
        wanted = self.matter or (hotline.default_matter if hotline else None)
        return wanted if wanted in known else policy.default_matter.id

    @classmethod
    def from_record(cls, house: House, record: ContactRecord, channel: str) -> Contact:
        """A contact found again after the switchboard was away."""
        return cls(
            house=house,
            id=record.id,
            medium=record.medium or "call",
            hotline=record.hotline or "",
            caller=record.caller,
            channel=channel,
            demo=record.demo,
            arrived_ms=record.arrived_ms,
            stage=record.stage,
            language=record.language or "zh",
            matter=record.matter,
            priority=record.priority,
            priority_reason=record.priority_reason,
            consent=record.consent is not False,
            information=record.information,
            transferred_to=record.transferred_to,
            pauses=record.pauses,
            queued_ms=record.queued_ms,
            talking_ms=None if record.stage in ("waiting", "calling") else record.connected_ms,
            talked=record.connected_ms is not None,
            agent=record.agent,
            origin=record.origin,
            due_ms=record.due_ms,
            next_ms=record.next_ms,
            code=record.code,
            attempts=record.attempts,
            message_ms=next((one.ms for one in record.recordings if one.id == record.id), None),
            talks=sum(one.kind == "talk" for one in record.recordings),
        )

    async def look_up(self) -> None:
        """Where the number is at home and how often it called before, for the card. The call never waits for it."""
        if self.caller is None:
            return
        of = self.house.places.of
        zh, en = await asyncio.to_thread(lambda: (of(self.caller, "zh"), of(self.caller, "en")))
        self.region = {"zh": zh, "en": en or zh} if zh else None
        try:
            self.earlier = await self.house.records.earlier_contacts(self.caller, before_ms=self.arrived_ms)
        except RecordsAway:
            log.info("earlier contacts not counted", contact=self.id)

    def note(
        self, kind: str, /, *, once: str | None = None, at_ms: int | None = None, **data: Any
    ) -> asyncio.Task[Any]:
        """Write an event (``once``: its idempotency key). Stored in the order of the calls; await where it matters."""
        written = self.house.records.append(self.id, kind, at_ms=at_ms or now_ms(), key=once, **data)
        task = asyncio.create_task(written)
        self._writes.add(task)
        task.add_done_callback(self._written)
        return task

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled() and task.exception():
            log.error("event not stored", contact=self.id, error=type(task.exception()).__name__)

    async def stored(self) -> None:
        """All events noted so far are committed."""
        while self._writes:
            await asyncio.gather(*self._writes, return_exceptions=True)

    def enter(self, stage: str) -> None:
        """Go to a stage: stored, then shown."""
        self.stage = stage
        if stage in ("intake", "message", "transfer", "room", "survey"):
            self.note("stage", stage=stage)  # the other stages follow from events of their own
        self.show()

    @property
    def records_talks(self) -> bool:
        """Whether this hotline records its talks at all."""
        hotline = self.rules.hotlines.get(self.hotline)
        return hotline is not None and hotline.record != "none"

    def understood(self, taken: Intake, *, asked: bool = True) -> None:
        """What the caller told the machine; a refusal to be recorded is stored before anything could be. Not
        ``asked``: whether to record is asked later."""
        if asked and self.records_talks:
            self.consents(taken.consent)
        self.language, self.matter = taken.language, taken.matter
        self.priority_reason, self.priority = taken.priority, self.level_of(taken.priority)
        self.note(
            "intake",
            language=taken.language,
            matter=taken.matter,
            priority=self.priority,
            priority_reason=taken.priority,
            how=taken.how,
            wish=taken.wish,
        )
        self.show()

    def consents(self, recording: bool) -> None:
        self.consent = recording
        self.note("consent", recording=recording)

    def level_of(self, reason: str | None) -> int:
        """The level of a reason of priority; 0 for none, and for one that the policy does not know."""
        return next((one.level for one in self.rules.policy.priorities if one.id == reason), 0)

    def heard(self, information: str, level: int) -> None:
        self.information = information
        self.note("information", id=information, level=level)

    def transferred(
        self, to: str, by: str, *, answered: bool, three_way: bool = False, hangup_cause: int | None = None
    ) -> None:
        """Handed to another hotline, or tried to."""
        if answered:
            self.transferred_to = to
        self.note(
            "transferred",
            to=to,
            by=by,
            answered=answered,
            three_way=three_way,
            hangup_cause=hangup_cause or None,
        )
        self.show()

    @property
    def recording_id(self) -> str:
        """Of the talk that goes on now; each has its own."""
        return f"rec-{self.id}-{self.talks + 1}" if self.talks else f"rec-{self.id}"

    @property
    def is_paused(self) -> bool:
        """Whether a secret is left out of the recording just now."""
        return "secret" in self.stops or bool(self.meeting and self.meeting.paused)

    async def pause_recording(self) -> bool:
        """The volunteer leaves a secret out. False when that is so already."""
        if self.recording is None or "secret" in self.stops:
            return False
        await self.stop_recording("secret")
        await self._tell_both("recording_paused")
        return True

    async def resume_recording(self) -> bool:
        if self.recording is None or "secret" not in self.stops:
            return False
        await self.go_on_recording("secret")
        await self._tell_both("recording_resumed")
        return True

    async def stop_recording(self, why: str) -> None:
        """Silence is written from now on, until no reason for it is left."""
        if self.recording is None or why in self.stops:
            return
        self.stops.add(why)
        since = await self.recording.pause()
        if since is not None:
            self.note("recording_paused", id=self.recording_id, from_ms=since, why=why)

    async def go_on_recording(self, why: str) -> None:
        """Recorded again, unless another reason is left."""
        self.stops.discard(why)
        gap = await self.recording.resume() if self.recording and not self.stops else None
        if gap is not None:
            self.note("recording_resumed", id=self.recording_id, from_ms=gap[0], to_ms=gap[1])

    async def _tell_both(self, prompt: str) -> None:
        """Said into the talk. Who cannot be told (music runs, the talk has just ended) misses a sentence only."""
        if self.bridge:
            with suppress(AriError, PromptError):
                await self.bridge.play(self.house.prompts.media(self.language, prompt))

    def rated(self, question: str, answer: str, keys: str) -> None:
        """An answer of the survey, of ``keys`` from good to bad; the worst one opens a follow-up, once."""
        self.note("survey", question=question, answer=answer)
        self.survey = max(self.survey or answer, answer, key=keys.find)
        if answer == keys[-1]:
            self.note("follow_up", once="follow_up", why="dissatisfied")
        self.show()

    def reserved(self, reservation: int, agent: str, why: Mapping[str, Any] | None = None) -> None:
        """A volunteer is held for it; ``why`` is kept with it, since the routing engine forgets."""
        if self.reservation == reservation:
            return
        self.reservation, self.agent = reservation, agent
        self.note("reserved", reservation=reservation, agent=agent, **why or {})
        self.enter("ringing")

    def reservation_ended(self, reservation: int, how: str, reason: str | None = None) -> None:
        if self.reservation != reservation:
            return
        self.note("reservation_ended", reservation=reservation, agent=self.agent, how=how, reason=reason)
        self.reservation = self.agent = None
        self.enter("waiting")

    # ---- messages and call-backs

    @property
    def in_line(self) -> bool:
        """Whether it waits for a volunteer to talk: a message waits for a desk, a later call-back for its time."""
        if self.stage not in ("waiting", "ringing") or self.medium == "message":
            return False
        return self.next_ms is None or self.next_ms <= now_ms()

    def link(self, to: ContactRecord) -> None:
        """The caller dialled back in: this call is about that contact, and it is put ahead."""
        self.origin, self.preferred = to.id, to.agent
        self.language, self.matter = to.language or self.language, to.matter or self.matter
        self.priority = self.house.policy.highest_priority
        self.note("linked", to=to.id)
        self.note(
            "intake",
            language=self.language,
            matter=self.matter,
            priority=self.priority,
            priority_reason="code",
            how="code",
        )
        self.show()

    def left_alone(self) -> None:
        """The volunteer has left before somebody else answered, who did not: to the head of the queue."""
        self.priority = self.house.policy.highest_priority
        self.once_more()

    def once_more(self) -> None:
        """Another volunteer is to be found, at the place this contact had."""
        self.talks += 1
        self.requeued = True
        self.agent = self.reservation = self.leg = self.talking_ms = self.handing = self.held_entry = None
        self.agent_done, self.pauses, self.stops = False, (), set()
        self.hand_overs = asyncio.Queue(maxsize=1)
        self.enter("waiting")

    # ---- passed on

    @property
    def entry_id(self) -> str:
        """What the routing engine holds the volunteer's seat for."""
        return self.held_entry or (f"{self.id}/call" if self.medium == "message" else self.id)

    def pass_on(self, by: str, wanted: Wanted, note: str) -> None:
        """The volunteer lets the caller go to a colleague or a matter, with what was written so far."""
        self.note(
            "passed", how="blind", by=by, agent=wanted.agent, matter=wanted.matter, note=note.strip() or None
        )
        self.handed_on(by, wanted.agent, wanted.matter, note)
        self.asked_ms = now_ms()
        role = self.preferred_role or self.house.policy.matter(self.served_matter()).role
        known = f"next_{role}" in self.house.prompts.keys
        self.intro = (f"next_{role}" if known else "next_volunteer",)

    def handed_on(self, by: str, agent: str | None, matter: str | None, note: str) -> None:
        """Who is to have it next: this colleague first, whoever serves the matter after a while."""
        desk = self.house.desks.at(agent or "")
        self.preferred, self.preferred_role = agent, desk.agent.role if desk else None
        self.matter = matter or self.matter
        self.kept_from = by or None
        self.now_with(by, note, "blind")

    def refuses(self, reservation: int, agent: str) -> bool:
        """Whether this reservation holds the volunteer who has just let this caller go, while somebody else could
        serve. It is given back unseen, with the exclusion of a declined one; once that is over they may meet again.
        """
        if reservation == self.refused:
            return True
        if agent != self.kept_from or not self.house.desks.others_for(self, agent):
            return False
        self.kept_from, self.refused = None, reservation
        self.house.background(self.house.engine.reject(reservation, "let_go", seat_to="available"))
        return True

    def passed_to(self, colleague: Colleague, by: str, how: str) -> None:
        """The colleague who was consulted, or taken in, has the caller now."""
        self.note(
            "passed",
            how=how,
            by=by,
            agent=colleague.agent,
            reservation=colleague.reservation,
            entry=colleague.entry,
            note=colleague.note.strip() or None,
        )
        self.agent, self.reservation, self.held_entry = (
            colleague.agent,
            colleague.reservation,
            colleague.entry,
        )
        self.leg = colleague.line.channel.id if colleague.line else None
        self.agent_done = False
        self.turns += 1
        self.now_with(by, colleague.note, how)

    def now_with(self, by: str, note: str, how: str) -> None:
        self.handed = {"by": self.house.name_of(by), "note": note.strip(), "how": how}
        self.show()

    def assigned(self, reservation: int, agent: str) -> None:
        """A volunteer has this message on the desk."""
        self.held, self.agent = reservation, agent
        self.note("assigned", reservation=reservation, agent=agent)
        self.show()

    def returned(self, reason: str) -> None:
        """The message goes back to the queue, with its place."""
        if self.agent:
            self.note("returned", agent=self.agent, reason=reason)
        self.agent = self.held = None
        self.show()

    def calling(self) -> None:
        self.note("calling", attempt=self.attempts + 1, agent=self.agent)
        self.leg, self.agent_done = None, False
        self.enter("calling")

    def called(self, how: str, *, next_ms: int | None = None, hangup_cause: int | None = None) -> None:
        """How the call that we placed ended; whether it counts is the fold's rule (records.fold)."""
        self.note(
            "called", attempt=self.attempts + 1, how=how, next_ms=next_ms, hangup_cause=hangup_cause or None
        )
        if how not in ("given_up", "lost"):
            self.attempts += 1
        if how != "reached":
            self.next_ms = next_ms
            self.enter("waiting")

    @property
    def in_talk(self) -> bool:
        """Whether whoever has it now has talked with the caller."""
        return self.talking_ms is not None

    def connected(self) -> None:
        self.talking_ms, self.talked = now_ms(), True
        self.note("connected", reservation=self.reservation, agent=self.agent)
        self.enter("talking")

    def said(self, line: Line) -> None:
        """Words of this talk, as a transcriber understands them, for the volunteers in it."""
        line = replace(line, text=line.text[:MOST_CHARS])
        if self.transcript.take(line):
            self.house.desks.said(self, line)

    def disconnected(self, by: str) -> None:
        self.note("disconnected", by=by)

    def end(self, reason: str, by: str, hangup_cause: int | None = None) -> None:
        """How it ended; the first word counts."""
        if self.end_reason is None:
            self.end_reason, self.ended_by, self.hangup_cause = reason, by, hangup_cause

    def end_by_caller(self, hangup_cause: int) -> None:
        if self.talked:
            self.end("completed", "caller", hangup_cause)
        elif self.stage == "transfer" and self.transferred_to:
            self.end("transferred", "caller", hangup_cause)
        elif self.stage in ("waiting", "ringing") or (self.stage == "message" and self.queued_ms):
            self.end("abandoned_waiting", "caller", hangup_cause)
        elif self.stage == "room":
            self.end("joined", "caller", hangup_cause)
        elif self.otherwise:
            self.end(self.otherwise, "system", hangup_cause)
        elif self.information:
            self.end("information", "caller", hangup_cause)
        else:
            self.end("abandoned_intake", "caller", hangup_cause)

    async def close(self) -> None:
        """Write ``ended`` once, and wait until it is committed."""
        self.ended_ms = now_ms()
        self.stage = "finished"
        self.note(
            "ended", once="ended", reason=self.end_reason, by=self.ended_by, hangup_cause=self.hangup_cause
        )
        await self.stored()
        self.show()

    def show(self) -> None:
        self.house.live.contact_changed(self)
        if self.visitor is not None:
            self.visitor.changed()

    @property
    def place(self) -> dict[str, str | None] | None:
        """Where the visitor stands, in words; None for everybody who calls."""
        terminal = self.terminal
        if terminal is None:
            return None
        return {"name": terminal.name, "village": terminal.village, "district": terminal.district}

    def card(self) -> dict[str, Any]:
        """What a volunteer sees before accepting (docs/protocol.md)."""
        return {
            "medium": self.medium,
            "caller": mask_number(self.caller),
            "region": self.region,
            "matter": self.house.matter_words(self.matter),
            "language": self.language,
            "waiting_since": self.queued_ms or self.arrived_ms,
            "priority": self.priority,
            "priority_reason": self.priority_reason,
            "earlier": self.earlier,
            "demo": self.demo,
            "passed": self.handed,
            "terminal": self.place,
        }

    def asked_by(self, entry: str) -> Colleague | None:
        """The colleague who was asked by this entry of the routing engine; None: it is the volunteer's own."""
        asked = self.talk.colleague if self.talk else None
        return asked if asked and asked.entry == entry else None

    def card_of(self, entry: str) -> dict[str, Any]:
        """What whoever is offered this entry sees."""
        asked = self.asked_by(entry)
        return asked.card(self) if asked else self.card()

    def board_row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "medium": self.medium,
            "stage": "talking" if self.stage in ("transfer", "room") else self.stage,
            "caller": mask_number(self.caller),
            "matter": self.matter,
            "language": self.language,
            "priority": self.priority,
            "priority_reason": self.priority_reason,
            "next": self.next_ms,
            "information": self.information,
            "transferred_to": self.transferred_to,
            "consent": self.consent,
            "arrived": self.arrived_ms,
            "queued": self.queued_ms,
            "talking_since": self.talking_ms,
            "ended": self.ended_ms,
            "agent": self.agent,
            "end_reason": self.end_reason,
            "survey": self.survey,
            "due": self.due_ms,
            "overdue": self.due_ms is not None and self.ended_ms is None and self.due_ms < now_ms(),
            "attempts": self.attempts,
            "origin": self.origin,
            "terminal": self.place,
            "demo": self.demo,
        }


@asynccontextmanager
async def open_contact(contact: Contact) -> AsyncIterator[Contact]:
    """From arrival to the one closed record, whatever happens in between.

    A caller who hangs up is a normal end. Anything unexpected is logged and closes the record as ``failed``. When the
    switchboard itself is stopping the contact stays open: the next start finds it and goes on or closes it.
    """
    house = contact.house
    contact.note(
        "arrived",
        once="arrived",
        medium=contact.medium,
        hotline=contact.hotline,
        caller=contact.caller,
        channel=contact.channel,
        terminal=contact.terminal.id if contact.terminal else None,
        demo=contact.demo,
        rules=contact.rules.numbers_for(contact.hotline),
    )
    house.live.contact_opened(contact)
    house.background(contact.look_up())
    try:
        yield contact
    except FaxCalled:
        contact.end("fax", "system")
    except CallerLeft as left:
        contact.end_by_caller(left.cause)
    except asyncio.CancelledError:
        house.live.contact_closed(contact)
        raise
    except Exception as error:
        log.exception("contact failed", contact=contact.id, stage=contact.stage, error=type(error).__name__)
        contact.end("failed", "system")
    contact.end("failed", "system")
    await asyncio.shield(contact.close())
    house.live.contact_closed(contact)


@asynccontextmanager
async def open_task(contact: Contact) -> AsyncIterator[Inbox]:
    """A message or call-back that was promised: closed only when it has an end. Gives what the queue says of it.

    Whatever goes wrong in between, it stays open in SQL and is begun again: what was promised is never closed by a
    fault of ours.
    """
    live = contact.house.live
    live.contact_opened(contact)
    try:
        with contact.house.dispatch.inbox(contact) as inbox:
            yield inbox
        if contact.end_reason is not None:
            await asyncio.shield(contact.close())
    finally:
        live.contact_closed(contact)
