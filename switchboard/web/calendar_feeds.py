"""``/calendar/TOKEN.ics``: what a calendar program reads. The token is all that it needs."""

from __future__ import annotations

from aiohttp import web

from switchboard.clinic.booking import KINDS, Booking
from switchboard.clinic.cases import Case
from switchboard.clinic.ical import Entry, calendar
from switchboard.times import now_ms
from switchboard.web.clinic_access import clinic_of, open_gate
from switchboard.web.routes import ANYBODY, Call, Routes

routes = Routes()

FEED = r"[A-Za-z0-9_-]{20,64}"


@routes.add(
    "GET",
    "/calendar/{token}.ics",
    roles=ANYBODY,
    kind="page",
    summary="Bookings as iCalendar (RFC 5545); who they are about is not in it",
    parts={"token": FEED},
)
async def feed(call: Call) -> web.Response:
    open_gate(call)
    subject, found = await clinic_of(call).bookings.feed(call.part("token"), now_ms())
    villages = {one.id: one.village for one in await call.house.records.terminals.all()}
    entries = [_entry(one, villages) for one in found]
    name = "12348 预约" if subject.startswith("agent/") else f"12348 {villages.get(subject[9:], '')}"
    return web.Response(body=calendar(name, entries), content_type="text/calendar", charset="utf-8")


def _entry(case: Case[Booking], villages: dict[str, str]) -> Entry:
    booking = case.value
    return Entry(
        uid=case.id,
        from_ms=booking.from_ms,
        to_ms=booking.to_ms,
        changed_ms=case.changed_ms,
        revision=case.revision,
        summary=KINDS[booking.kind].words.zh,
        location=villages.get(booking.terminal or "", ""),
        cancelled=case.state in ("cancelled", "no_show"),
    )
