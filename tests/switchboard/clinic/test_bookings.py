"""Bookings: nobody is booked twice, the clock does each thing once, and calendars read what we write."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.calendar import Calendar
from switchboard.clinic.booking import BOOKINGS, GRACE_MS, Session
from switchboard.clinic.bookings import Bookings, Wanted
from switchboard.clinic.cases import Case, Cases, Step
from switchboard.clinic.errors import AlreadyBooked, CaseOver, Full, NotNow, NotOpen
from switchboard.clinic.ical import FOLD, Entry, calendar, escape, fold
from switchboard.clinic.machine import Actor
from switchboard.errors import NotFound
from switchboard.records import AgentRow, Records
from switchboard.records.shifts import NewShift
from switchboard.sending import ShortText

CALENDAR = Calendar()
DAY = dt.date(2026, 12, 1)
"""A Tuesday."""


def at(hour: int, minute: int = 0, day: dt.date = DAY) -> int:
    return int(dt.datetime.combine(day, dt.time(hour, minute), CALENDAR.zone).timestamp()) * 1000


NOW = at(9, day=dt.date(2026, 11, 23))
VILLAGER = Actor("t-1", "terminal")
STAFF = Actor("sun", "supervisor")


def step(verb: str, key: str, at_ms: int = NOW, actor: Actor = VILLAGER, **data: object) -> Step:
    return Step(verb, actor, at_ms, key, data)


class Told:
    def __init__(self) -> None:
        self.texts: list[ShortText] = []

    async def send(self, text: ShortText) -> None:
        self.texts.append(text)


async def staffed(records: Records, *agents: str, told: Told | None = None) -> Bookings:
    for ident in agents:
        row = AgentRow(ident, ident, "notary", skills={"notarization": 3})
        await records.upsert_agent(row)
        await records.shifts.add(NewShift(ident, at(9), at(12)), by="root", at_ms=NOW)
    return Bookings(records, Cases(records.database), lambda: CALENDAR, told)


def wanted(hour: int, minute: int = 0, terminal: str | None = "t-1", **more: object) -> Wanted:
    return Wanted("notary_consultation", at(hour, minute), terminal, **more)  # type: ignore[arg-type]


async def test_times_come_from_shifts_skills_and_working_days(sqlite_records: Records) -> None:
    bookings = await staffed(sqlite_records, "n1", "n2")
    await sqlite_records.upsert_agent(AgentRow("l1", "l1", "lawyer", skills={"law_inquiry": 3}))
    await sqlite_records.shifts.add(NewShift("l1", at(9), at(17)), by="root", at_ms=NOW)
    slots = await bookings.slots("notary_consultation", DAY, at_ms=NOW)
    assert [(one.from_ms, one.free) for one in slots] == [(at(9) + n * 1_800_000, 2) for n in range(6)]
    await bookings.book(wanted(9), step("book", "a"))
    slots = await bookings.slots("notary_consultation", DAY, at_ms=NOW)
    assert [one.free for one in slots] == [1, 2, 2, 2, 2, 2]
    assert await bookings.slots("notary_consultation", dt.date(2026, 10, 1), at_ms=NOW) == []
    assert await bookings.slots("notary_consultation", DAY, language="en", at_ms=NOW) == []
    for wrong in (wanted(9, 10), wanted(21), Wanted("notary_consultation", at(9, day=dt.date(2026, 12, 5)))):
        with pytest.raises(NotOpen):
            await bookings.book(wrong, step("book", "w"))
    with pytest.raises(Full):
        await bookings.book(wanted(13), step("book", "w"))


async def test_two_who_want_the_same_time_at_once_never_both_have_it(records: Records) -> None:
    bookings = await staffed(records, "n1", "n2")

    async def tries(n: int) -> Case | None:
        try:
            return await bookings.book(wanted(10, terminal=f"t-{n}"), step("book", f"k{n}"))
        except Full:
            return None

    found = [one for one in await asyncio.gather(*(tries(n) for n in range(6))) if one]
    assert {one.value.agent for one in found} == {"n1", "n2"}
    assert len({one.number for one in found}) == len(found) == 2
    same = await asyncio.gather(
        *(bookings.book(wanted(11, terminal="t-9"), step("book", "again")) for _ in range(4))
    )
    assert len({one.id for one in same}) == 1
    with pytest.raises(AlreadyBooked):
        await bookings.book(wanted(11, terminal="t-9"), step("book", "other"))
    cases = Cases(records.database)
    assert all([await cases.whole(BOOKINGS, one.id) for one in found])


async def test_a_booking_is_moved_whole_or_not_at_all_and_what_it_held_is_free_again(
    records: Records,
) -> None:
    bookings = await staffed(records, "n1")
    first = await bookings.book(wanted(9), step("book", "a"))
    other = await bookings.book(wanted(10, terminal="t-2"), step("book", "b"))
    with pytest.raises(Full):
        await bookings.change(first.id, at(10), step("change", "c1"))
    moved = await bookings.change(first.id, at(11), step("change", "c2"))
    assert (moved.value.from_ms, moved.number) == (at(11), first.number)
    assert (await bookings.change(first.id, at(11), step("change", "c2"))).revision == moved.revision
    await bookings.cancel(other.id, step("cancel", "d"))
    taken = await bookings.book(wanted(10, terminal="t-3"), step("book", "e"))
    assert taken.value.agent == "n1"
    await bookings.book(wanted(9, terminal="t-3"), step("book", "f"))
    with pytest.raises(CaseOver):
        await bookings.change(other.id, at(9, 30), step("change", "g"))


async def test_reminders_no_shows_and_lost_shifts_happen_once_whichever_node_looks(records: Records) -> None:
    told = Told()
    bookings = await staffed(records, "n1", "n2", told=told)
    case = await bookings.book(wanted(10, phone="13812345678", agent="n1"), step("book", "a"))
    assert case.value.agent == "n1"
    other = Bookings(records, Cases(records.database), lambda: CALENDAR, told)
    for when in (at(10) - 25 * 3_600_000, at(10) - 23 * 3_600_000, at(9, 30)):
        await asyncio.gather(bookings.tick(when), other.tick(when))
        await bookings.tick(when)
    assert [one.to for one in told.texts] == ["13812345678"] * 2
    assert case.number
    assert case.number in told.texts[0].text
    (shift,) = await records.shifts.listed(at(9), at(12), agent="n1")
    await records.shifts.remove(shift.id, by="root", at_ms=NOW)
    await bookings.tick(at(9, 40))
    cases = Cases(records.database)
    assert (await cases.of(BOOKINGS, case.id)).value.agent == "n2"
    (shift,) = await records.shifts.listed(at(9), at(12), agent="n2")
    await records.shifts.remove(shift.id, by="root", at_ms=NOW)
    await bookings.tick(at(9, 41))
    await bookings.tick(at(9, 42))
    assert (await cases.of(BOOKINGS, case.id)).value.unstaffed
    await bookings.tick(at(10, 30) + GRACE_MS + 1)
    gone = await cases.of(BOOKINGS, case.id)
    assert (gone.state, gone.value.phone) == ("no_show", None)
    said = str(await cases.events(case.id))
    assert "13812345678" not in said
    assert [one.verb for one in await cases.events(case.id)] == [
        *("book", "remind", "remind", "reassign", "reassign", "no_show"),
    ]


async def test_a_visitor_comes_in_time_with_the_number(sqlite_records: Records) -> None:
    bookings = await staffed(sqlite_records, "n1")
    case = await bookings.book(wanted(10), step("book", "a"))
    number = case.number or ""
    with pytest.raises(NotNow):
        await bookings.check_arrival(number, at(9))
    assert (await bookings.check_arrival(number, at(9, 45))).id == case.id
    with pytest.raises(NotFound):
        await bookings.check_arrival("00000000", at(9, 45))
    here = await bookings.arrive(case.id, step("arrive", "x", at(9, 45), contact="c-1"))
    assert (here.state, here.value.contact) == ("arrived", "c-1")
    zh, en = bookings.said(case)
    assert "星期二" in zh
    assert "10:00" in en


async def test_seats_of_a_session_are_given_once_and_a_session_called_off_tells_everybody(
    records: Records,
) -> None:
    told = Told()
    bookings = await staffed(records, told=told)
    plan = Session("law_class", "土地承包", at(19), at(20), 3)
    session = await bookings.plan(plan, step("plan", "s", actor=STAFF))

    async def tries(n: int) -> bool:
        seat = Wanted("law_class", session=session.id, terminal="t-1", phone=f"1381234567{n}")
        try:
            await bookings.book(seat, step("book", f"k{n}"))
        except Full:
            return False
        return True

    assert sum([await tries(n) for n in range(5)]) == 3
    await bookings.call_off(session.id, step("call_off", "o", actor=STAFF))
    assert len(told.texts) == 3
    with pytest.raises(NotOpen):
        await bookings.book(Wanted("law_class", session=session.id), step("book", "late"))


def _unfold(text: bytes) -> list[str]:
    return text.replace(b"\r\n ", b"").decode().split("\r\n")


@given(st.text(max_size=300))
def test_any_text_survives_escaping_and_folding(text: str) -> None:
    folded = fold(f"SUMMARY:{escape(text)}")
    assert all(len(line) <= FOLD for line in folded.split(b"\r\n"))
    for line in folded.split(b"\r\n"):
        line.decode()
    (line, _) = _unfold(folded)
    said = line.removeprefix("SUMMARY:")
    read = (
        said.replace("\\\\", "\0")
        .replace("\\n", "\n")
        .replace("\\,", ",")
        .replace("\\;", ";")
        .replace("\0", "\\")
    )
    kept = text.replace("\r\n", "\n").replace("\r", "\n")
    assert read == "".join(char for char in kept if char in "\t\n" or (char >= " " and char != "\x7f"))


async def test_a_feed_shows_its_own_bookings_until_a_new_token_is_made(sqlite_records: Records) -> None:
    bookings = await staffed(sqlite_records, "n1")
    case = await bookings.book(wanted(10), step("book", "a"))
    void = await bookings.new_feed("agent/n1", NOW)
    token = await bookings.new_feed("agent/n1", NOW)
    with pytest.raises(NotFound):
        await bookings.feed(void, NOW)
    subject, found = await bookings.feed(token, NOW)
    assert (subject, [one.id for one in found]) == ("agent/n1", [case.id])
    entry = Entry(case.id, at(10), at(10, 30), NOW, 1, "公证咨询; 青山村, 一号")
    text = calendar("我的预约", [entry])
    assert b"DTSTART:20261201T020000Z\r\n" in text
    assert "SUMMARY:公证咨询\\; 青山村\\, 一号" in _unfold(text)
