"""One desk: a volunteer who is signed in, what the desk may ask for, and what it is told (docs/protocol.md).

The desk does not decide anything: every state comes from the routing engine and is only passed on. A command that
comes twice changes nothing and is answered alike.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing.errors import RoutingError
from routing.model import Change, Seat, message_seats
from switchboard.agents.ring import Ring
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.agents.socket import DeskSocket
    from switchboard.contacts.contact import Contact
    from switchboard.house import House
    from switchboard.records.people import AgentRow

Reached = Literal["browser", "sip", "trunk"]
"""How a volunteer is reached: the desk's own phone in the browser or beside it, or an ordinary telephone that is called
through a trunk and answered with a key."""

MOST_ANSWERS = 200
EXTENSION_MS = 60_000
PAUSE_REASONS = ("break", "meal", "meeting", "training", "other", "standby")
DISPOSITIONS = ("advised", "legal_aid", "mediation", "notary", "referred", "call_back", "no_need")

WORDS = {
    "bad_frame": ("这条指令无法理解", "This command was not understood"),
    "not_yours": ("这个来电已不在您这里", "This contact is no longer yours"),
    "bad_reason": ("请选择列表中的原因", "Choose a reason from the list"),
    "bad_outcome": ("请选择事项和处理结果", "Choose a matter and an outcome"),
    "already_calling": ("正在拨打来电者的电话", "The caller is being called already"),
    "no_trunk": (
        "没有可以打出去的线路，请告诉管理员",
        "There is no line for calls to the outside; tell an administrator",
    ),
    "no_number": (
        "来电者没有留下可以拨打的号码，请听留言",
        "The caller left no number that can be called; listen to the message",
    ),
    "busy": ("请先结束手上的来电", "Finish the call you are in first"),
    "too_late": ("时间已过，来电已转给其他志愿者", "Too late: the contact has gone to somebody else"),
    "no_such_hotline": ("不能转接到这个号码", "This call cannot be handed there"),
    "third_party_here": ("已有另一条热线在通话中或正在接通", "Another hotline is in the talk or being rung"),
    "nobody_rings": ("没有正在呼叫的热线", "No other hotline is being rung"),
    "not_recorded": ("本次通话没有录音", "This talk is not being recorded"),
    "routing_away": (
        "排队系统暂时不可用，请稍候再试",
        "The queue is not available just now; try again in a moment",
    ),
}


class Command(BaseModel):
    """A frame from the desk. Unknown fields are refused, sizes are bounded."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(max_length=20)
    id: str = Field(min_length=1, max_length=64)
    reservation: int | None = None
    contact: str | None = Field(None, max_length=64)
    reason: str | None = Field(None, max_length=40)
    matter: str | None = Field(None, max_length=40)
    disposition: str | None = Field(None, max_length=40)
    note: str = Field("", max_length=4000)
    then: str = Field("ready", pattern="^(ready|pause)$")
    to: str | None = Field(None, max_length=40)
    three_way: bool = False


class Refused(Exception):
    """A command that cannot be done; ``code`` is one of ``WORDS``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Desk:
    """A signed-in volunteer. ``send`` passes a frame to the page (or the simulated volunteer); it never blocks."""

    def __init__(self, house: House, agent: AgentRow, desk_id: str, endpoint: str) -> None:
        self.house = house
        self.now_is(agent)
        self.id = desk_id
        self.endpoint = endpoint
        self.send: Callable[[dict[str, Any]], None] | None = None
        self.state: dict[str, Any] = {"name": "offline", "reason": None, "since": now_ms(), "until": None}
        self.reservation: dict[str, Any] | None = None
        self.contact: dict[str, Any] | None = None
        self.socket: DeskSocket | None = None
        self.phone: Reached = "browser"
        self.on_phone = False
        self.duty: str | None = None
        self.ring: Ring | None = None
        self.password = ""
        self.back_to_ready = False
        self._queue: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self._wrapped: str | None = None
        self._talks = 0
        self._extended: set[str] = set()
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def now_is(self, agent: AgentRow) -> None:
        """The volunteer's row as it is today: skills, languages, licence."""
        self.agent = agent
        self.subscriptions = self.house.subscriptions_of(agent)
        self.classes = frozenset(subscription.klass for subscription in self.subscriptions)
        seats = message_seats(agent.id, self.house.policy.message_seats)
        self.message_seats = [
            (seat, self.house.message_subscriptions_of(agent, place)) for place, seat in enumerate(seats, 1)
        ]

    @property
    def seat(self) -> str:
        return f"{self.agent.id}/live"

    def tell(self, frame: dict[str, Any]) -> None:
        if self.send:
            self.send(frame)

    def adopt(self, seat: Seat) -> None:
        """Take over the state the seat had before this process knew the desk."""
        self.state = {"name": seat.state, "reason": seat.reason, "since": seat.since_ms, "until": None}
        contact = self.house.live.contact(seat.entry.partition("/")[0]) if seat.entry else None
        if contact and seat.state == "in_contact":
            self._serve(contact)

    # ---- what the routing engine and the contact say

    def seat_changed(self, change: Change) -> None:
        """The seat's new state is shown on the desk and, through the board, to the supervisor."""
        self.state = {
            "name": change.state,
            "reason": change.reason,
            "since": change.at_ms,
            "until": change.until_ms,
        }
        if self.ring and change.state not in ("reserved", "in_contact"):
            self.ring.seat_left.set()
        self.tell({"type": "state", "state": self.state})
        if change.state == "wrap_up" and self.contact:
            self.contact |= {"stage": "wrap_up", "wrap_up_until": change.until_ms}
            self.tell({"type": "contact", "contact": self.contact})
        elif change.state in ("available", "paused", "offline") and self.contact:
            self._contact_gone()

    def reserved(self, change: Change, contact: Contact) -> None:
        self.reservation = {
            "id": change.reservation,
            "contact": contact.id,
            "expires": change.expires_ms,
            "card": contact.card(),
        }
        self.tell({"type": "reservation", "reservation": self.reservation})
        if self.on_phone and change.reservation:
            self.ring_phone(contact, change.reservation, accepted=False)

    def ring_phone(self, contact: Contact, reservation: int, *, accepted: bool) -> Ring:
        """The ringing of the volunteer's own telephone for this reservation: the one under way, or a new one."""
        if self.ring is None or self.ring.reservation != reservation:
            self.ring = Ring(self.house, self, contact, reservation, accepted=accepted, before=self.ring)
        return self.ring

    def reservation_over(self, change: Change) -> None:
        if self.ring and self.ring.reservation == change.reservation:
            self.ring.withdrawn.set()
        if self.reservation and self.reservation["id"] == change.reservation:
            self.reservation = None
            why = {"timed_out": "timed_out", "rejected": "rejected"}.get(
                change.kind.partition(".")[2], "caller_left"
            )
            self.tell({"type": "reservation_gone", "id": change.reservation, "why": why})

    def accepted(self, change: Change, contact: Contact) -> None:
        self.reservation = None
        self._serve(contact)

    def serving(self, contact: Contact) -> None:
        """The caller of a message or a call-back is being called: the desk shows the contact."""
        if self.contact is None or self.contact["id"] != contact.id:
            self._serve(contact)

    def messages_changed(self, messages: list[dict[str, Any]]) -> None:
        if messages != self.messages:
            self.messages = messages
            self.tell({"type": "messages", "messages": messages})

    def _serve(self, contact: Contact) -> None:
        self._talks, self._wrapped = contact.talks, None
        self.contact = {
            "id": contact.id,
            "stage": "talking" if contact.talking_ms else "connecting",
            "card": contact.card(),
            "since": now_ms(),
            "talking_since": contact.talking_ms,
            "wrap_up_until": None,
            "recording": False,
            "recording_paused": False,
            "consent": contact.consent,
            "transfers": self.house.transfers_of(contact),
            "hand_over": contact.handing,
        }
        self.tell({"type": "contact", "contact": self.contact})

    def talking(self, contact: Contact, recording: bool) -> None:
        if self.contact is None and self.state["name"] == "in_contact":
            self._serve(contact)
        if self.contact and self.contact["id"] == contact.id:
            self.contact |= {
                "stage": "talking",
                "talking_since": contact.talking_ms,
                "recording": recording,
                "recording_paused": bool(contact.recording and contact.recording.paused),
                "consent": contact.consent,
            }
            self.tell({"type": "contact", "contact": self.contact})

    def handing(self, contact: Contact) -> None:
        """The other hotline rings, is in the talk, did not answer, or has left."""
        if self.contact and self.contact["id"] == contact.id:
            self.contact |= {"hand_over": contact.handing}
            self.tell({"type": "contact", "contact": self.contact})

    def queue_changed(self, queue: dict[str, Any]) -> None:
        if queue != self._queue:
            self._queue = queue
            self.tell({"type": "queue", **queue})

    def _contact_gone(self) -> None:
        if self.contact:
            if (
                self.contact["talking_since"] and self.contact["id"] != self._wrapped
            ):  # wrap-up ran out: the record is final without an outcome
                self.house.background(
                    self.house.records.append(
                        self.contact["id"],
                        "wrapped_up",
                        key=self._wrap_up_key,
                        agent=self.agent.id,
                    )
                )
            self.tell({"type": "contact_gone", "id": self.contact["id"]})
            self.contact = None

    # ---- what the desk asks for

    async def command(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Do one command and give the answer frame. Raises nothing: every refusal is an answer in words."""
        try:
            command = Command.model_validate(frame)
        except ValidationError:
            return _error(str(frame.get("id", ""))[:64], "bad_frame")
        if command.id in self._answers:
            return self._answers[command.id]
        try:
            await self._do(command)
            answer: dict[str, Any] = {"type": "done", "re": command.id}
        except Refused as refused:
            answer = _error(command.id, refused.code)
        except RoutingError:
            return _error(command.id, "routing_away")
        self._answers[command.id] = answer
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    async def _do(self, command: Command) -> None:
        known: dict[str, Callable[[Command], Awaitable[None]]] = {
            "ready": self._ready,
            "pause": self._pause,
            "sign_out": self._sign_out,
            "seen": self._seen,
            "accept": self._accept,
            "reject": self._reject,
            "hang_up": self._hang_up,
            "hand_over": self._hand_over,
            "call_off": self._call_off,
            "pause_recording": self._pause_recording,
            "resume_recording": self._resume_recording,
            "wrap_up": self._wrap_up,
            "extend": self._extend,
            "call_message": self._call_message,
            "finish_message": self._finish_message,
            "return_message": self._return_message,
        }
        action = known.get(command.type)
        if action is None:
            raise Refused("bad_frame")
        await action(command)

    async def _ready(self, _: Command) -> None:
        await self.house.desks.ready(self)

    async def _pause(self, command: Command) -> None:
        if command.reason not in self.pause_reasons():
            raise Refused("bad_reason")
        await self.house.engine.pause(self.seat, command.reason)

    async def _sign_out(self, _: Command) -> None:
        await self.house.desks.sign_out(self)

    def pause_reasons(self) -> list[str]:
        """What this volunteer may choose; only a backup may stand by."""
        return [reason for reason in PAUSE_REASONS if reason != "standby" or self.agent.backup]

    def _my_reservation(self, command: Command) -> int:
        if (
            not self.reservation
            or self.reservation["id"] != command.reservation
            or command.reservation is None
        ):
            raise Refused("too_late")
        return command.reservation

    async def _seen(self, command: Command) -> None:
        reservation = self._my_reservation(command)
        lease = await self.house.engine.acknowledge(reservation)
        if lease is None:
            raise Refused("too_late")
        if self.reservation:
            self.reservation["expires"] = lease.expires_ms
            self.tell({"type": "reservation", "reservation": self.reservation})

    async def _accept(self, command: Command) -> None:
        if not await self.house.engine.accept(self._my_reservation(command)):
            raise Refused("too_late")

    async def _reject(self, command: Command) -> None:
        reservation = self._my_reservation(command)
        if not await self.house.engine.reject(reservation, command.reason or "declined", seat_to="available"):
            raise Refused("too_late")

    def _my_contact(self, command: Command) -> dict[str, Any]:
        if not self.contact or self.contact["id"] != command.contact:
            raise Refused("not_yours")
        return self.contact

    async def _hang_up(self, command: Command) -> None:
        contact = self._my_contact(command)
        await self.house.hang_up_leg(contact["id"])

    async def _hand_over(self, command: Command) -> None:
        contact = self._my_contact(command)
        if why := self.house.hand_over(contact["id"], command.to or "", three_way=command.three_way):
            raise Refused(why)

    async def _call_off(self, command: Command) -> None:
        contact = self._my_contact(command)
        if why := self.house.call_off(contact["id"]):
            raise Refused(why)

    async def _pause_recording(self, command: Command) -> None:
        contact = self._my_contact(command)
        if why := await self.house.pause_recording(contact["id"], paused=True):
            raise Refused(why)

    async def _resume_recording(self, command: Command) -> None:
        contact = self._my_contact(command)
        if why := await self.house.pause_recording(contact["id"], paused=False):
            raise Refused(why)

    async def _wrap_up(self, command: Command) -> None:
        contact = self._my_contact(command)
        if contact["stage"] != "wrap_up":
            raise Refused("not_yours")
        if command.disposition not in DISPOSITIONS or not self.house.knows_matter(command.matter):
            raise Refused("bad_outcome")
        stored = self.store_outcome(contact["id"], command.matter, command.disposition, command.note)
        ready = command.then == "ready"
        free = self.house.desks.ready(self) if ready else self.house.engine.pause(self.seat, "break")
        await asyncio.gather(stored, free)  # the next caller does not wait for the disk, the answer does

    def store_outcome(self, contact: str, matter: str | None, disposition: str, note: str) -> Awaitable[Any]:
        """The outcome of the contact just talked to; the desk is done with it. Await for its commit."""
        stored = self.house.records.append(
            contact,
            "wrapped_up",
            at_ms=now_ms(),
            key=self._wrap_up_key,
            agent=self.agent.id,
            matter=matter,
            disposition=disposition,
            note=note,
        )
        self._wrapped = contact
        self._contact_gone()
        return stored

    @property
    def _wrap_up_key(self) -> str:
        """One wrap-up for each talk of this volunteer with the caller, however often it is sent."""
        return f"wrapped_up:{self.agent.id}" + (f":{self._talks}" if self._talks else "")

    # ---- messages

    def _my_message(self, command: Command) -> Contact:
        """A message on this desk that nobody is being called for just now."""
        contact = self.house.tasks.get(command.contact or "")
        if contact is None or contact.agent != self.agent.id or contact.held is None:
            raise Refused("not_yours")
        if contact.stage in ("calling", "talking") or not contact.orders.empty():
            raise Refused("already_calling")
        return contact

    async def _call_message(self, command: Command) -> None:
        contact = self._my_message(command)
        if not self.house.calls_out or self.house.ari is None or contact.demo:
            raise Refused("no_trunk")
        if self.house.dialable(contact.caller) is None:
            raise Refused("no_number")
        if self.state["name"] not in ("available", "paused"):
            raise Refused("busy")
        contact.orders.put_nowait("call")

    async def _finish_message(self, command: Command) -> None:
        """Closed without another call; after a talk it is the wrap-up of that talk."""
        if self.contact and self.contact["id"] == command.contact:
            matter = command.matter or (self.contact["card"]["matter"] or {}).get("id")
            await self._wrap_up(command.model_copy(update={"matter": matter}))
            return
        contact = self._my_message(command)
        if command.disposition not in DISPOSITIONS:
            raise Refused("bad_outcome")
        await self.house.records.append(
            contact.id,
            "wrapped_up",
            at_ms=now_ms(),
            key=f"wrapped_up:{self.agent.id}",
            agent=self.agent.id,
            matter=command.matter or contact.matter,
            disposition=command.disposition,
            note=command.note,
        )
        contact.orders.put_nowait("finish")

    async def _return_message(self, command: Command) -> None:
        self.house.tasks.give_back(self._my_message(command), command.reason or "other")

    async def _extend(self, command: Command) -> None:
        contact = self._my_contact(command)
        if contact["stage"] != "wrap_up" or contact["id"] in self._extended:
            raise Refused("too_late")
        self._extended.add(contact["id"])
        await self.house.engine.extend_wrap_up(self.seat, EXTENSION_MS)


def _error(re: str, code: str) -> dict[str, Any]:
    zh, en = WORDS[code]
    return {"type": "error", "re": re, "code": code, "zh": zh, "en": en}
