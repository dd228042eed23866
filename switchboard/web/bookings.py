"""Booking a time at a terminal or on the web; coming; lists for volunteers and supervisors; sessions to watch."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, Field

from ivr.dialling import caller_number
from switchboard.clinic.booking import BOOKINGS, KINDS, SESSIONS, Booking, Session
from switchboard.clinic.bookings import Wanted
from switchboard.clinic.cases import Case, Step
from switchboard.clinic.machine import Actor
from switchboard.errors import InvalidInput, NotFound, NotPaired, NoVideo
from switchboard.records import mask_number
from switchboard.records.clinic_models import ClinicCaseRow
from switchboard.times import now_ms
from switchboard.visits.visits import Wish
from switchboard.web.clinic_access import (
    CaseList,
    CaseView,
    Key,
    Words,
    case_by_pass,
    clinic_of,
    public_actor,
    step_of,
    terminal_of,
    view,
)
from switchboard.web.routes import ANYBODY, SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG, Input, Ms, PlainText, Slug
from switchboard.web.state import NUMBER_DOOR

routes = Routes()

NUMBER = r"[0-9]{3,8}"
DAY_MS = 86_400_000
Kind = Annotated[str, Field(pattern=f"^({'|'.join(KINDS)})$")]


class KindView(BaseModel):
    id: str
    zh: str
    en: str
    minutes: int
    session: bool = Field(description="watched with others: book a session, not a time")


class Kinds(BaseModel):
    items: list[KindView]


class SlotsQuery(Input):
    kind: Kind
    day: dt.date
    language: Slug = "zh"
    matter: Slug | None = None


class SlotView(BaseModel):
    from_ms: Ms
    to_ms: Ms
    free: int


class Slots(BaseModel):
    """Empty: nothing is free that day, or it is no working day."""

    items: list[SlotView]


class NewBooking(Key):
    """``from_ms`` of a slot, or ``session``. ``phone``: for reminders; on the web one is needed."""

    kind: Kind
    from_ms: Ms = 0
    session: Slug | None = None
    terminal: Slug | None = Field(None, description="where it will be; a terminal books for itself")
    language: Slug = "zh"
    matter: Slug | None = None
    agent: Slug | None = Field(None, description="the volunteer who is wished for")
    phone: str | None = Field(None, max_length=32)


class BookingView(CaseView):
    """``case_pass``: opens the booking later (header ``Case-Pass``); ``said``: the confirmation, to print and speak."""

    case_pass: str | None = None
    said: Words


class NewTime(Key):
    from_ms: Ms
    agent: Slug | None = None


class Arrived(BaseModel):
    """The visit that has begun (docs/protocol.md)."""

    visit: str
    socket: str


class BookingsQuery(Input):
    since_ms: Ms
    until_ms: Ms
    unstaffed: bool | None = None


class SessionView(BaseModel):
    id: str
    state: str
    kind: str
    title: str
    from_ms: Ms
    to_ms: Ms
    seats: int
    room: str | None

    @classmethod
    def of(cls, case: Case[Session]) -> SessionView:
        plain = {name: getattr(case.value, name) for name in Session.__slots__}
        return cls(id=case.id, state=case.state, **plain)


class Sessions(BaseModel):
    items: list[SessionView]


class NewSession(Key):
    kind: Annotated[str, Field(pattern="^(live_hearing|law_class)$")]
    title: PlainText = Field(min_length=1, max_length=80)
    from_ms: Ms
    to_ms: Ms
    seats: int = Field(ge=1, le=2_000)


class SessionOrder(Key):
    """``room``: where it is shown, for ``begin``."""

    verb: Annotated[str, Field(pattern="^(begin|end|call_off)$")]
    room: Slug | None = None


class Feed(BaseModel):
    """``path`` is shown this once; whoever has it can read the calendar. A new one ends the one before."""

    path: str


def _view(call: Call, case: Case[Booking], role: str, *, with_pass: bool = False) -> BookingView:
    clinic = clinic_of(call)
    zh, en = clinic.bookings.said(case)
    shown = BOOKINGS.dump(case.value) | {"phone": mask_number(case.value.phone)}
    return BookingView(
        **view(BOOKINGS, case, role, shown).model_dump(),
        case_pass=clinic.passes.make(case.id) if with_pass else None,
        said=Words(zh=zh, en=en),
    )


@routes.add("GET", "/api/clinic/kinds", roles=ANYBODY, summary="What can be booked", answer=Kinds)
async def kinds(call: Call) -> Kinds:
    return Kinds(
        items=[
            KindView(
                id=one.id, zh=one.words.zh, en=one.words.en, minutes=one.minutes, session=one.role is None
            )
            for one in KINDS.values()
        ]
    )


@routes.add(
    "GET",
    "/api/clinic/slots",
    roles=ANYBODY,
    summary="The times of a day that can be booked",
    query=SlotsQuery,
    answer=Slots,
)
async def slots(call: Call) -> Slots:
    await public_actor(call)
    asked = call.query
    found = await clinic_of(call).bookings.slots(
        asked.kind, asked.day, language=asked.language, matter=asked.matter, at_ms=now_ms()
    )
    return Slots(items=[SlotView(from_ms=one.from_ms, to_ms=one.to_ms, free=one.free) for one in found])


@routes.add(
    "POST",
    "/api/bookings",
    roles=ANYBODY,
    summary="Book a time or a seat; the same key again is the same booking",
    body=NewBooking,
    answer=BookingView,
    status=201,
)
async def book(call: Call) -> BookingView:
    actor, terminal = await public_actor(call)
    given = call.body
    phone = caller_number(given.phone) if given.phone else None
    wrong = ("phone",) if (given.phone and phone is None) or (terminal is None and phone is None) else ()
    place = terminal or (await call.house.records.terminals.of(given.terminal) if given.terminal else None)
    wrong += ("terminal",) if place is None or place.disabled else ()
    if len(given.key) < 16 and terminal is None:
        wrong += ("key",)
    if wrong or place is None:
        raise InvalidInput(fields=wrong)
    wanted = Wanted(
        given.kind,
        given.from_ms,
        place.id,
        given.language,
        given.matter,
        given.agent,
        given.session,
        phone,
    )
    case = await clinic_of(call).bookings.book(wanted, step_of(given, "book", actor), demo=place.demo)
    return _view(call, case, actor.role, with_pass=True)


@routes.add(
    "GET",
    "/api/bookings/numbered/{number}",
    roles=ANYBODY,
    summary="A booking by its number, at a terminal",
    answer=BookingView,
    parts={"number": NUMBER},
)
async def numbered(call: Call) -> BookingView:
    terminal = await terminal_of(call)
    if terminal is None:
        raise NotPaired
    door = call.request.app[NUMBER_DOOR]
    door.take(terminal.id)  # a number is short: nobody tries many
    case = await clinic_of(call).cases.numbered(BOOKINGS, call.part("number"))
    door.give_back(terminal.id)
    return _view(call, case, "terminal", with_pass=True)


@routes.add(
    "GET",
    "/api/bookings/{id}",
    roles=ANYBODY,
    summary="The booking that a pass opens (header Case-Pass)",
    answer=BookingView,
    parts={"id": SLUG},
)
async def booking(call: Call) -> BookingView:
    case, actor = await case_by_pass(call, BOOKINGS)
    return _view(call, case, actor.role)


@routes.add(
    "POST",
    "/api/bookings/{id}/time",
    roles=ANYBODY,
    summary="Another time for the same booking",
    body=NewTime,
    answer=BookingView,
    parts={"id": SLUG},
)
async def change(call: Call) -> BookingView:
    case, actor = await case_by_pass(call, BOOKINGS)
    given = call.body
    case = await clinic_of(call).bookings.change(
        case.id, given.from_ms, step_of(given, "change", actor), agent=given.agent
    )
    return _view(call, case, actor.role)


@routes.add(
    "POST",
    "/api/bookings/{id}/cancel",
    roles=ANYBODY,
    summary="Cancel a booking",
    body=Key,
    answer=BookingView,
    parts={"id": SLUG},
)
async def cancel(call: Call) -> BookingView:
    case, actor = await case_by_pass(call, BOOKINGS)
    case = await clinic_of(call).bookings.cancel(case.id, step_of(call.body, "cancel", actor))
    return _view(call, case, actor.role)


@routes.add(
    "POST",
    "/api/bookings/numbered/{number}/arrive",
    roles=ANYBODY,
    summary="Whoever has booked is here: a visit begins, with the booked volunteer first",
    body=Key,
    answer=Arrived,
    status=201,
    parts={"number": NUMBER},
)
async def arrive(call: Call) -> Arrived:
    terminal = await terminal_of(call)
    if terminal is None:
        raise NotPaired
    door = call.request.app[NUMBER_DOOR]
    door.take(terminal.id)
    clinic = clinic_of(call)
    case = await clinic.bookings.check_arrival(call.part("number"), now_ms())
    door.give_back(terminal.id)
    if case.value.agent is None:
        raise NotFound  # a session is watched, not visited
    if call.house.visits is None:
        raise NoVideo
    known = {one["id"] for one in call.house.matters()}
    wish = Wish(
        f"booking-{case.id}",
        case.value.matter if case.value.matter in known else None,
        case.value.language,
        preferred=case.value.agent,
        preferred_role=case.value.role,
    )
    visit = call.house.visits.begin(terminal, wish).contact.id
    if case.state == "booked":
        actor = Actor(terminal.id, "terminal")
        step = Step("arrive", actor, now_ms(), "arrive", {"contact": visit})  # whoever comes, comes once
        await clinic.bookings.arrive(case.id, step)
    return Arrived(visit=visit, socket="/ws/visit")


@routes.add(
    "GET",
    "/api/own-bookings",
    roles=VOLUNTEERS,
    summary="The volunteer's own bookings, of today and to come",
    answer=CaseList,
)
async def own_bookings(call: Call) -> CaseList:
    fresh = ClinicCaseRow.from_ms >= now_ms() - DAY_MS
    found = await clinic_of(call).cases.listed(BOOKINGS, fresh, agent=call.account.agent_id or "-")
    return CaseList(items=[_view(call, one, "volunteer") for one in found])


@routes.add(
    "GET",
    "/api/bookings",
    roles=SUPERVISORS,
    summary="All bookings of a span; unstaffed ones need somebody",
    query=BookingsQuery,
    answer=CaseList,
)
async def bookings(call: Call) -> CaseList:
    asked, row = call.query, ClinicCaseRow
    found = await clinic_of(call).cases.listed(
        BOOKINGS, row.from_ms >= asked.since_ms, row.from_ms < asked.until_ms
    )
    wanted = [one for one in found if asked.unstaffed is None or one.value.unstaffed == asked.unstaffed]
    return CaseList(items=[_view(call, one, call.account.role) for one in wanted])


@routes.add(
    "POST",
    "/api/bookings/{id}/call-off",
    roles=SUPERVISORS,
    summary="Cancel somebody's booking",
    body=Key,
    answer=BookingView,
    parts={"id": SLUG},
)
async def call_off_booking(call: Call) -> BookingView:
    actor = Actor(call.account.name, call.account.role)
    case = await clinic_of(call).bookings.cancel(call.part("id"), step_of(call.body, "cancel", actor))
    await call.house.records.audit(call.account.name, "booking.cancel", case.id)
    return _view(call, case, actor.role)


# ---- sessions


@routes.add(
    "GET", "/api/clinic/sessions", roles=ANYBODY, summary="Hearings and classes to come", answer=Sessions
)
async def sessions(call: Call) -> Sessions:
    fresh = ClinicCaseRow.from_ms >= now_ms() - DAY_MS
    found = await clinic_of(call).cases.listed(SESSIONS, fresh, states=["planned", "live"], limit=200)
    return Sessions(items=[SessionView.of(one) for one in found])


@routes.add(
    "POST",
    "/api/clinic/sessions",
    roles=SUPERVISORS,
    summary="Plan a hearing or class",
    body=NewSession,
    answer=SessionView,
    status=201,
)
async def plan_session(call: Call) -> SessionView:
    given = call.body
    planned = Session(given.kind, given.title.strip(), given.from_ms, given.to_ms, given.seats)
    actor = Actor(call.account.name, call.account.role)
    return SessionView.of(await clinic_of(call).bookings.plan(planned, step_of(given, "plan", actor)))


@routes.add(
    "POST",
    "/api/clinic/sessions/{id}",
    roles=SUPERVISORS,
    summary="Begin, end or call off a session; called off, everybody who has booked is told",
    body=SessionOrder,
    answer=SessionView,
    parts={"id": SLUG},
)
async def change_session(call: Call) -> SessionView:
    given, clinic = call.body, clinic_of(call)
    step = step_of(given, given.verb, Actor(call.account.name, call.account.role), room=given.room)
    if given.verb == "call_off":
        return SessionView.of(await clinic.bookings.call_off(call.part("id"), step))
    return SessionView.of(await clinic.cases.do(SESSIONS, call.part("id"), step))


# ---- calendars for other programs


@routes.add(
    "POST",
    "/api/own-feed",
    roles=VOLUNTEERS,
    summary="A private address of the volunteer's own bookings for a calendar; the one before is void",
    answer=Feed,
    status=201,
)
async def own_feed(call: Call) -> Feed:
    token = await clinic_of(call).bookings.new_feed(f"agent/{call.account.agent_id}", now_ms())
    await call.house.records.audit(call.account.name, "feed.made")
    return Feed(path=f"/calendar/{token}.ics")


@routes.add(
    "POST",
    "/api/terminals/{id}/feed",
    roles=SUPERVISORS,
    summary="The same for a terminal",
    answer=Feed,
    status=201,
    parts={"id": SLUG},
)
async def terminal_feed(call: Call) -> Feed:
    terminal = await call.house.records.terminals.of(call.part("id"))
    if terminal is None:
        raise NotFound
    token = await clinic_of(call).bookings.new_feed(f"terminal/{terminal.id}", now_ms())
    await call.house.records.audit(call.account.name, "feed.made", terminal.id)
    return Feed(path=f"/calendar/{token}.ics")
