"""Catalogue, missing papers and bookings over HTTP: at a terminal without typing, on the web without signing in."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

from switchboard.records.shifts import NewShift
from switchboard.times import now_ms
from switchboard.visits.visits import Wish
from switchboard.web import server
from tests.switchboard.clinic.conftest import Office, ask


async def next_working_day(office: Office) -> dt.date:
    calendar = office.house.calendar
    day = calendar.add_working_days(calendar.local(now_ms()).date(), 1)
    begin = int(dt.datetime.combine(day, dt.time(9), calendar.zone).timestamp()) * 1000
    shift = NewShift("n1", begin, begin + 3 * 3_600_000)
    await office.house.records.shifts.add(shift, by="root", at_ms=now_ms())
    return day


async def test_papers_are_checked_before_any_human_is_bothered_and_not_for_ever(office: Office) -> None:
    status, offered = await ask(office.terminal, "GET", "/api/clinic/services")
    assert (status, len(offered["categories"])) == (200, 5)
    question = {
        "answers": {"applicant": "self", "born": "before_1996", "abroad": "no"},
        "papers": ["id_card"],
    }
    status, found = await ask(office.terminal, "POST", "/api/clinic/acts/birth/check", question)
    assert status == 200
    missing = {one["id"]: one for one in found["missing"]}
    assert missing["birth_medical_certificate"]["instead"][0]["id"] == "unit_birth_statement"
    assert all(one["where"]["zh"] and one["why"]["en"] for one in missing.values())
    wrong = await ask(office.terminal, "POST", "/api/clinic/acts/birth/check", {"answers": {"born": "x"}})
    assert (wrong[0], wrong[1]["code"], wrong[1]["fields"]) == (422, "unfit", ["born"])
    for _ in range(server.OPEN_BURST):
        await ask(office.terminal, "POST", "/api/clinic/acts/birth/check", question)
    status, refused = await ask(office.terminal, "POST", "/api/clinic/acts/birth/check", question)
    assert (status, refused["code"]) == (429, "too_many_tries")
    assert (await office.at_terminal("POST", "/api/clinic/acts/birth/check", question))[0] == 200


async def test_a_time_is_booked_found_by_its_number_moved_and_becomes_a_visit(office: Office) -> None:
    day = await next_working_day(office)
    asked = f"/api/clinic/slots?kind=notary_consultation&day={day}"
    _, slots = await office.at_terminal("GET", asked)
    times = [one["from_ms"] for one in slots["items"]]
    assert len(times) == 6
    order = {"kind": "notary_consultation", "from_ms": times[0], "key": "k-1"}
    status, booked = await office.at_terminal("POST", "/api/bookings", order)
    assert (status, booked["value"]["agent"], booked["value"]["terminal"]) == (201, "n1", "t-1")
    assert booked["number"][:4] in booked["said"]["zh"]
    again = await office.at_terminal("POST", "/api/bookings", order)
    assert (again[0], again[1]["id"], again[1]["case_pass"]) == (201, booked["id"], booked["case_pass"])
    taken = await office.at_terminal("POST", "/api/bookings", order | {"key": "k-2"})
    assert (taken[0], taken[1]["code"]) == (409, "slot_taken")

    path = f"/api/bookings/{booked['id']}"
    assert (await office.at_terminal("GET", path))[0] == 404
    assert (await office.at_terminal("GET", path, case_pass=booked["case_pass"][:-2] + "xx"))[0] == 404
    move = {"from_ms": times[2], "key": "k-3"}
    status, moved = await office.at_terminal("POST", f"{path}/time", move, booked["case_pass"])
    assert (status, moved["value"]["from_ms"]) == (200, times[2])
    number = f"/api/bookings/numbered/{booked['number']}"
    assert (await ask(office.terminal, "GET", number))[0] == 401
    assert (await office.at_terminal("GET", number))[1]["id"] == booked["id"]
    early = await office.at_terminal("POST", f"{number}/arrive", {"key": "k-4"})
    assert (early[0], early[1]["code"]) == (409, "not_now")

    assert (await office.by("n1", "GET", "/api/own-bookings"))[1]["items"][0]["id"] == booked["id"]
    assert (await office.by("n2", "GET", "/api/own-bookings"))[1]["items"] == []
    _, feed = await office.by("n1", "POST", "/api/own-feed")
    async with office.terminal.get(feed["path"]) as answer:
        text = await answer.text()
        assert answer.content_type == "text/calendar"
    assert booked["id"] in text
    assert "公证咨询" in text
    cancelled = await office.at_terminal("POST", f"{path}/cancel", {"key": "k-5"}, booked["case_pass"])
    assert (cancelled[0], cancelled[1]["state"]) == (200, "cancelled")


async def test_whoever_comes_in_time_waits_in_the_one_queue_for_the_booked_volunteer(office: Office) -> None:
    day = await next_working_day(office)
    _, slots = await office.at_terminal("GET", f"/api/clinic/slots?kind=notary_consultation&day={day}")
    order = {"kind": "notary_consultation", "from_ms": slots["items"][0]["from_ms"], "key": "k-1"}
    _, booked = await office.at_terminal("POST", "/api/bookings", order)
    wishes: list[Wish] = []

    def begin(_terminal: object, wish: Wish) -> Any:
        wishes.append(wish)
        return SimpleNamespace(contact=SimpleNamespace(id="c-1"))

    office.house.visits = SimpleNamespace(begin=begin, at=lambda _id: None)  # type: ignore[assignment]
    import time_machine

    with time_machine.travel(order["from_ms"] / 1000 - 300, tick=True):
        path = f"/api/bookings/numbered/{booked['number']}/arrive"
        for _ in range(2):
            status, here = await office.at_terminal("POST", path, {"key": "k-2"})
            assert (status, here["visit"]) == (201, "c-1")
    assert {(one.key, one.preferred, one.preferred_role) for one in wishes} == {
        (f"booking-{booked['id']}", "n1", "notary")
    }


async def test_on_the_web_a_telephone_is_needed_and_a_place(office: Office) -> None:
    day = await next_working_day(office)
    _, slots = await ask(office.terminal, "GET", f"/api/clinic/slots?kind=notary_consultation&day={day}")
    order = {"kind": "notary_consultation", "from_ms": slots["items"][0]["from_ms"], "key": "k" * 16}
    status, refused = await ask(office.terminal, "POST", "/api/bookings", order)
    assert (status, refused["fields"]) == (422, ["phone", "terminal"])
    order |= {"terminal": "t-1", "phone": "138 1234 5678"}
    status, booked = await ask(office.terminal, "POST", "/api/bookings", order)
    assert (status, booked["value"]["phone"]) == (201, "138****5678")
    span = f"since_ms={order['from_ms']}&until_ms={order['from_ms'] + 1}"
    _, listed = await office.by("sun", "GET", f"/api/bookings?{span}")
    assert [one["id"] for one in listed["items"]] == [booked["id"]]
    off = await office.by("sun", "POST", f"/api/bookings/{booked['id']}/call-off", {"key": "x"})
    assert off[1]["state"] == "cancelled"
