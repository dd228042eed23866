"""A booking: what it is, and what may become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from switchboard.clinic.cases import Index, Step, Subject
from switchboard.clinic.catalogue.model import Words
from switchboard.clinic.errors import NotNow
from switchboard.clinic.machine import machine, move

QUARTER_MS = 900_000
EARLY_MS = 30 * 60_000
"""How long before its time a booked visitor may come."""
GRACE_MS = 15 * 60_000
"""How long after its end a booking nobody came for becomes a no-show."""
REMIND_MS: Mapping[str, int] = {"day": 24 * 3_600_000, "hour": 3_600_000}


@dataclass(frozen=True, slots=True)
class BookingKind:
    """``role`` None: a session that is watched; else who serves it, about which matter."""

    id: str
    words: Words
    minutes: int
    role: str | None = None
    matter: str | None = None


KINDS = {
    one.id: one
    for one in (
        BookingKind(
            "mediation_guidance", Words("调解指导", "Mediation guidance"), 30, "mediator", "mediation"
        ),
        BookingKind("legal_advice", Words("法律咨询", "Legal advice"), 30, "lawyer", "law_inquiry"),
        BookingKind(
            "notary_consultation", Words("公证咨询", "Notary consultation"), 30, "notary", "notarization"
        ),
        BookingKind("live_hearing", Words("庭审直播", "Live hearing"), 120),
        BookingKind("law_class", Words("法治课堂", "Law class"), 60),
    )
}


@dataclass(frozen=True, slots=True)
class Booking:
    """``agent`` serves it, or a seat in ``session`` is held. ``phone`` is kept for reminders until it is over.

    ``unstaffed``: the agent's shift is gone and nobody else is free then; a supervisor has to look.
    """

    kind: str
    from_ms: int
    to_ms: int
    terminal: str | None
    language: str = "zh"
    matter: str | None = None
    agent: str | None = None
    role: str | None = None
    session: str | None = None
    seat: int | None = None
    phone: str | None = None
    contact: str | None = None
    reminded: tuple[str, ...] = ()
    unstaffed: bool = False


BOOKING = machine(
    "booked",
    "cancelled no_show done",
    [
        move("book", "booked", None, ""),
        move("change", "booked", None, "citizen terminal supervisor administrator"),
        move("cancel", "booked", "cancelled", "citizen terminal supervisor administrator system"),
        move("remind", "booked", None, "system"),
        move("reassign", "booked", None, "system"),
        move("arrive", "booked", "arrived", "citizen terminal"),
        move("no_show", "booked", "no_show", "system"),
        move("finish", "arrived", "done", "system"),
    ],
)


def apply(booking: Booking, step: Step, state: str) -> Booking:
    match step.verb:
        case "change":
            if step.at_ms >= booking.from_ms:
                raise NotNow
            changed = {name: step[name] for name in ("from_ms", "to_ms", "agent", "seat")}
            return replace(booking, **changed, reminded=(), unstaffed=False)
        case "cancel" | "no_show":
            return replace(booking, phone=None)
        case "remind":
            if step["which"] in booking.reminded:
                raise NotNow
            return replace(booking, reminded=(*booking.reminded, step["which"]))
        case "reassign":
            agent = step["agent"]
            return replace(booking, agent=agent or booking.agent, unstaffed=agent is None)
        case "arrive":
            if not booking.from_ms - EARLY_MS <= step.at_ms <= booking.to_ms + GRACE_MS:
                raise NotNow
            return replace(booking, contact=step["contact"], phone=None)
        case _:
            return booking


def _index(booking: Booking) -> Index:
    return Index(
        agent=booking.agent,
        terminal=booking.terminal,
        from_ms=booking.from_ms,
        due_ms=booking.from_ms,
        parent=booking.session,
    )


BOOKINGS = Subject(
    "booking",
    "bk",
    BOOKING,
    Booking,
    apply,
    _index,
    frozenset({"from_ms", "to_ms", "agent", "seat", "which", "contact", "kind"}),
)


@dataclass(frozen=True, slots=True)
class Session:
    """A hearing or class that many terminals watch. ``room`` is where it is shown, once it is."""

    kind: str
    title: str
    from_ms: int
    to_ms: int
    seats: int
    room: str | None = None


SESSION = machine(
    "planned",
    "over called_off",
    [
        move("begin", "planned", "live", "supervisor administrator"),
        move("call_off", "planned", "called_off", "supervisor administrator"),
        move("end", "live", "over", "supervisor administrator system"),
    ],
)


def _apply_session(session: Session, step: Step, state: str) -> Session:
    return replace(session, room=step["room"]) if step.verb == "begin" else session


SESSIONS = Subject(
    "session",
    "ss",
    SESSION,
    Session,
    _apply_session,
    lambda one: Index(from_ms=one.from_ms, due_ms=one.from_ms),
    frozenset({"kind", "from_ms", "to_ms", "seats", "room"}),
)


def quarters(from_ms: int, to_ms: int) -> range:
    return range(from_ms - from_ms % QUARTER_MS, to_ms, QUARTER_MS)
