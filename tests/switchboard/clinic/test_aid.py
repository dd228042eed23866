"""Legal aid, service at home, guarded information: who may, shown by what, approved by whom."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from switchboard.clinic.aid import AID, HOME
from switchboard.clinic.booking import BOOKING, SESSION
from switchboard.clinic.disclosure import DISCLOSURE
from switchboard.clinic.machine import Machine
from tests.switchboard.clinic.conftest import Office
from tests.switchboard.clinic.test_identity import KNOWN, number_of

A, B = "a" * 64, "b" * 64
OLD = number_of(dt.date(1940, 5, 1))


@pytest.mark.parametrize("machine", [AID, HOME, DISCLOSURE, BOOKING, SESSION])
def test_every_state_can_be_reached_and_nothing_leads_out_of_a_final_one(machine: Machine) -> None:
    assert machine.reachable() == machine.states
    assert not [one for one in machine.moves if one.since & machine.final and one.to]


class Way:
    """One case at ``path``, by the person and by staff."""

    def __init__(self, office: Office, path: str) -> None:
        self.office = office
        self.path = path
        self.case: dict[str, Any] = {}
        self.count = 0

    async def open(self, **data: Any) -> tuple[int, Any]:
        status, found = await self.office.at_terminal("POST", f"/api/{self.path}", {"key": "k-open", **data})
        self.case = found
        return status, found

    async def __call__(self, who: str, verb: str, **data: Any) -> Any:
        """The state after the step, or the code of the refusal."""
        self.count += 1
        body = {"key": f"k{self.count}", "verb": verb, "data": data}
        if who == "p":
            path = f"/api/{self.path}/{self.case['id']}/steps"
            _, found = await self.office.at_terminal("POST", path, body, self.case["case_pass"])
        else:
            path = f"/api/staff/{self.path}/{self.case['id']}/steps"
            if who == "sun":
                path = f"/api/disclosure-approvals/{self.case['id']}"
            _, found = await self.office.by(who, "POST", path, body)
        self.last = found
        return found.get("code") or found["state"]


def card(number: str) -> dict[str, Any]:
    return {"name": "某", "number": number, "how": "reader", "card": A, "face": B}


async def test_means_are_not_checked_for_the_groups_of_the_law_and_papers_still_are(office: Office) -> None:
    way = Way(office, "aid")
    assert (await way.open(groups=["nobody"], matter="labour", facts="欠薪"))[0] == 422
    status, made = await way.open(
        groups=["migrant_worker"], matter="labour", facts="欠薪三个月", phone="13812345678"
    )
    assert (status, made["value"]["simplified"], made["value"]["phone"]) == (201, True, "138****5678")
    assert await way("a1", "take") == "checking"
    stranger = await office.by("a2", "GET", f"/api/staff/aid/{way.case['id']}")
    assert stranger == await office.by("a2", "GET", "/api/staff/aid/la-none")
    assert await way("a1", "grant", lawyer="v001") == "not_identified"
    assert await way("p", "show_card", **card(KNOWN)) == "checking"
    assert await way("a1", "identify", outcome="match") == "checking"
    assert await way("a1", "grant", lawyer="v001") == "papers_missing"
    assert way.last["problems"] == ["work_proof"]
    assert await way("a1", "ask_papers", papers=["work_proof"]) == "waiting"
    assert await way("p", "add_paper", paper="work_proof", sha256=A) == "waiting"
    assert await way("p", "go_on") == "checking"
    assert await way("a1", "grant", lawyer="n1") == "invalid_input"
    assert await way("a1", "grant", lawyer="v001") == "granted"
    assert (way.last["value"]["lawyer"], way.last["value"]["phone"]) == ("v001", "")


async def test_staff_come_home_to_the_old_and_the_severely_disabled_only(office: Office) -> None:
    way = Way(office, "home-visits")
    asked = {"service": "notary", "address": "青山村3组", "phone": "13812345678"}
    refused = await way.open(why="severe_disability", disability_level=3, **asked)
    assert (refused[0], refused[1]["code"]) == (422, "may_not_apply")
    await way.open(why="over_80", **asked)
    assert await way("a1", "plan", from_ms=1) == "planned"
    assert await way("a1", "finish") == "not_identified"
    await way("a1", "show_card", **card(KNOWN))
    await way("a1", "identify", outcome="match")
    assert await way("a1", "finish") == "may_not_apply"
    await way("a1", "show_card", **card(OLD))
    await way("a1", "identify", outcome="match")
    assert way.last["value"]["identity"]["age"] >= 80
    assert await way("a1", "finish") == "done"
    assert way.last["value"]["address"] is None


async def test_guarded_information_needs_the_right_person_and_two_of_staff(office: Office) -> None:
    relative = Way(office, "disclosures")
    await relative.open(level=2, name="某甲", number=OLD, relation="父亲")
    assert OLD not in str(relative.case)
    assert await relative("r1", "prepare", answer="在押") == "not_identified"
    await relative("p", "show_card", **card(KNOWN))
    await relative("r1", "identify", outcome="match")
    assert await relative("r1", "prepare", answer="在押") == "papers_missing"
    await relative("p", "add_kinship", sha256=A)
    assert await relative("a1", "prepare", answer="在押") == "not_yours"
    assert await relative("r1", "prepare", answer="可于每月第一个周二会见") == "prepared"
    assert "answer" not in (await _by_pass(relative))["value"]
    assert await relative("r1", "approve") == "same_person"
    assert await relative("r2", "approve") == "approved"
    assert await relative("r1", "tell") == "told"
    assert (relative.last["value"]["answer"], relative.last["value"]["subject_name"]) == (None, None)


async def test_only_the_person_gets_level_three_and_a_supervisor_may_approve(office: Office) -> None:
    records = office.house.records
    own = Way(office, "disclosures")
    await own.open(level=3, name="某乙", number=OLD)
    await own("r1", "show_card", **card(KNOWN))
    await own("r1", "identify", outcome="match")
    assert await own("r1", "prepare", answer="刑期") == "unfit"
    await own("r1", "show_card", **card(OLD))
    await own("r1", "identify", outcome="match")
    assert await own("r1", "prepare", answer="刑期") == "prepared"
    waiting = (await office.by("sun", "GET", "/api/disclosure-approvals"))[1]["items"]
    assert [one["id"] for one in waiting] == [own.case["id"]]
    assert await own("sun", "approve") == "approved"
    assert await own("sun", "refuse") == "not_found"
    assert await records.verify_audit() > 0


async def _by_pass(way: Way) -> Any:
    path = f"/api/{way.path}/{way.case['id']}"
    return (await way.office.at_terminal("GET", path, None, way.case["case_pass"]))[1]
