"""One desk: a volunteer who is signed in, what the desk may ask for, and what it is told (docs/protocol.md).

The desk does not decide anything: every state comes from the routing engine and is only passed on. A command that
comes twice changes nothing and is answered alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from routing.errors import RoutingError
from routing.model import Change, Seat, message_seats
from switchboard.agents.commands.group import Refused
from switchboard.agents.commands.presence import PAUSE_REASONS
from switchboard.agents.commands.table import KNOWN, WORDS
from switchboard.agents.ring import Ring
from switchboard.agents.tickets import begin_ticket, file_ticket
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
        self.here = False
        self.moved_s = 0.0
        self.asked: tuple[str, str] = ("", "")
        self.directory_open = False
        self._queue: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self._wrapped: str | None = None
        self._talks = 0
        self._ticket_of: str | None = None
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

    @property
    def is_away(self) -> bool:
        """Whether the page is gone for the moment. A volunteer who is reached by telephone needs none."""
        return not self.here and self.phone != "trunk"

    def tell(self, frame: dict[str, Any]) -> None:
        if self.send:
            self.send(frame)

    def adopt(self, seat: Seat) -> None:
        """Take over the state the seat had before this process knew the desk."""
        self.state = {"name": seat.state, "reason": seat.reason, "since": seat.since_ms}
        self.state["until"] = seat.until_ms if seat.state == "wrap_up" else None
        contact = self.house.live.contact(seat.entry.partition("/")[0]) if seat.entry else None
        if contact and seat.state == "in_contact":
            self._serve(contact, seat.entry or "")

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
        if change.state == "wrap_up" and self.contact and self.contact["part"] == "lead":
            self.contact |= {"stage": "wrap_up", "wrap_up_until": change.until_ms, "video": None}
            self.tell({"type": "contact", "contact": self.contact})
        elif change.state in ("available", "paused", "offline") and self.contact:
            self._contact_gone()

    def reserved(self, change: Change, contact: Contact) -> None:
        self.reservation = {
            "id": change.reservation,
            "contact": contact.id,
            "expires": change.expires_ms,
            "card": contact.card_of(change.entry or ""),
        }
        self.tell({"type": "reservation", "reservation": self.reservation})
        if self.on_phone and change.reservation:
            self.ring_phone(contact, change.reservation, accepted=False)

    def ring_phone(self, contact: Contact, reservation: int, *, accepted: bool) -> Ring:
        """The ringing of the volunteer's own telephone for this reservation: the one under way, or a new one."""
        if self.ring is None or self.ring.reservation != reservation:
            self.ring = Ring(self.house, self, contact, reservation, accepted=accepted, before=self.ring)
        return self.ring

    def seen(self, expires_ms: int) -> None:
        """The card was on the screen in time: the reservation rings until ``expires_ms``."""
        if self.reservation:
            self.reservation["expires"] = expires_ms
            self.tell({"type": "reservation", "reservation": self.reservation})

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
        self._serve(contact, change.entry or "")

    def serving(self, contact: Contact) -> None:
        """The caller of a message or a call-back is being called: the desk shows the contact."""
        if self.contact is None or self.contact["id"] != contact.id:
            self._serve(contact, contact.entry_id)

    def messages_changed(self, messages: list[dict[str, Any]]) -> None:
        if messages != self.messages:
            self.messages = messages
            self.tell({"type": "messages", "messages": messages})

    def _serve(self, contact: Contact, entry: str) -> None:
        """The desk shows this contact; ``entry`` says as what: its volunteer, or a colleague who was asked."""
        self._talks, self._wrapped = contact.talks + contact.turns, None
        asked = contact.asked_by(entry)
        talk = contact.talk if contact.talk and self.agent.id in contact.talk.agents else None
        alone = {"part": "colleague" if asked else "lead", "held": False, "colleague": None, "lead": None}
        self.contact = {
            "id": contact.id,
            "stage": "talking" if contact.talking_ms and not asked else "connecting",
            "card": contact.card_of(entry),
            "since": now_ms(),
            "talking_since": contact.talking_ms,
            "wrap_up_until": None,
            "recording": bool(talk and talk.recorded and not asked),
            "recording_paused": contact.is_paused,
            "consent": contact.consent,
            "transfers": [] if asked or contact.medium == "visit" else self.house.transfers_of(contact),
            "hand_over": contact.handing,
            "passed_to": None,
            "extended": False,
            "video": None if asked else self.house.video_of(contact, self.agent.id),
            **(talk.frame(self.agent.id) if talk else alone | {"room": None}),
            **(contact.meeting.talk_frame() if contact.meeting and not asked else {}),
        }
        if asked and self.contact["room"]:
            self.contact["stage"] = "talking"
        self.tell({"type": "contact", "contact": self.contact})
        self.said(contact, contact.transcript.frames())

    def wrap_up_again(self, contact: Contact, until_ms: int | None) -> None:
        """The wrap-up that this process found when it began."""
        self._serve(contact, contact.entry_id)
        if self.contact:
            self.contact |= {"stage": "wrap_up", "wrap_up_until": until_ms, "video": None}
            self.tell({"type": "contact", "contact": self.contact})

    def talking(self, contact: Contact, recording: bool) -> None:
        if self.contact is None and self.state["name"] == "in_contact":
            self._serve(contact, contact.entry_id)
        if self.contact and self.contact["id"] == contact.id:
            self._begin_ticket(contact)
            self.contact |= (contact.talk.frame(self.agent.id) if contact.talk else {}) | {
                "stage": "talking",
                "talking_since": contact.talking_ms,
                "recording": recording,
                "recording_paused": contact.is_paused,
                "consent": contact.consent,
                "video": self.house.video_of(contact, self.agent.id),
            }
            self.tell({"type": "contact", "contact": self.contact})

    def video(self, contact: Contact) -> None:
        """A room has opened or ended, or a caller who was invited into it has come."""
        if self.contact is None and self.state["name"] == "in_contact":
            self._serve(contact, contact.entry_id)
        if self.contact and self.contact["id"] == contact.id and self.contact["stage"] != "wrap_up":
            self.contact |= {"video": self.house.video_of(contact, self.agent.id)}
            self.contact |= contact.meeting.talk_frame() if contact.meeting else {}
            self.tell({"type": "contact", "contact": self.contact})

    def _begin_ticket(self, contact: Contact) -> None:
        if self._ticket_of == contact.id:
            return
        self._ticket_of = contact.id
        before = contact.handed["by"]["id"] if contact.handed else None
        self.house.background(
            begin_ticket(self.house, contact.id, self.agent.id, contact.matter, before=before)
        )

    def conversation(self, contact: Contact) -> None:
        """Who hears whom has changed, or a colleague's answer is here."""
        talk = contact.talk
        if talk is None:
            return
        if self.contact is None and self.state["name"] == "in_contact":
            self._serve(contact, talk.entry_of(self.agent.id) or contact.entry_id)
        if self.contact is None or self.contact["id"] != contact.id or self.contact["stage"] == "wrap_up":
            return
        before = self.contact["part"]
        self.contact |= talk.frame(self.agent.id)
        if self.contact["part"] == "colleague":
            self.contact["stage"] = "talking" if self.contact["room"] else "connecting"
            self.contact["recording"] = talk.recorded and self.contact["room"] == "three_way"
            self.contact["recording_paused"] = contact.is_paused
        elif before == "colleague":  # the caller is this volunteer's from now on
            self._talks = contact.talks + contact.turns
            self._begin_ticket(contact)
            self.contact |= {
                "stage": "talking",
                "card": contact.card(),
                "talking_since": contact.talking_ms,
                "recording": talk.recorded and "secret" not in contact.stops,
                "transfers": self.house.transfers_of(contact),
            }
        self.tell({"type": "contact", "contact": self.contact})

    def said(self, contact: Contact, lines: list[dict[str, Any]]) -> None:
        """What a transcriber has understood; a colleague reads along only while in the room with the caller."""
        mine = self.contact if self.contact and self.contact["id"] == contact.id else None
        if mine and lines and (mine["part"] == "lead" or mine["room"] == "three_way"):
            self.tell({"type": "transcript", "contact": contact.id, "lines": lines})

    def passed(self, contact: Contact, to: dict[str, Any]) -> None:
        """This volunteer's caller is somebody else's; what is left is the wrap-up."""
        if self.contact and self.contact["id"] == contact.id:
            self.contact["passed_to"] = to

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
                self.contact["talking_since"]
                and self.contact["part"] == "lead"
                and self.contact["id"] != self._wrapped
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
            self.contact = self._ticket_of = None

    # ---- what the desk asks for

    async def command(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Do one command and give the answer frame. Raises nothing: every refusal is an answer in words."""
        known = KNOWN.get(str(frame.get("type")))
        try:
            command = known.frame.model_validate(frame) if known else None
        except ValidationError:
            command = None
        if known is None or command is None:
            return _error(str(frame.get("id", ""))[:64], "bad_frame")
        if command.id in self._answers:
            return self._answers[command.id]
        try:
            told = await known.do(self, command)
            answer: dict[str, Any] = {"type": "done", "re": command.id, **(told or {})}
        except Refused as refused:
            answer = _error(command.id, refused.code) | refused.detail
        except RoutingError:
            return _error(command.id, "routing_away")
        self._answers[command.id] = answer
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    def pause_reasons(self) -> list[str]:
        """What this volunteer may choose; only a backup may stand by."""
        return [reason for reason in PAUSE_REASONS if reason != "standby" or self.agent.backup]

    def store_outcome(self, contact: str, matter: str | None, disposition: str, note: str) -> Awaitable[None]:
        """The outcome of the contact just talked to; the desk is done with it. Await for its commit."""
        self._wrapped = contact
        self._contact_gone()
        return self.house.background(
            file_ticket(self.house, contact, self.agent.id, matter, disposition, note, key=self._wrap_up_key)
        )

    @property
    def _wrap_up_key(self) -> str:
        """One wrap-up for each talk of this volunteer with the caller, however often it is sent."""
        return f"wrapped_up:{self.agent.id}" + (f":{self._talks}" if self._talks else "")


def _error(re: str, code: str) -> dict[str, Any]:
    zh, en = WORDS[code]
    return {"type": "error", "re": re, "code": code, "zh": zh, "en": en}
