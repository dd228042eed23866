"""Whatever is sent to a step is done or refused in words, never an error of ours; and the log of a case closes."""

from __future__ import annotations

import os
import random
from typing import Any

from sqlalchemy import text

from switchboard.clinic.act import ACT, ACTS
from switchboard.clinic.aid import AID, HOME
from switchboard.clinic.disclosure import DISCLOSURE
from switchboard.clinic.mediation import MEDIATION
from tests.switchboard.clinic.conftest import Office
from tests.switchboard.clinic.test_identity import KNOWN

A = "a" * 64
STEPS = int(os.environ.get("CLINIC_STEPS", "25"))
"""For each kind of case; more in the long form."""
ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    A,
    KNOWN,
    0,
    -1,
    2**60,
    True,
    [],
    ["p1"],
    {},
    {"facts": "x"},
    "p1",
    1.5,
)
NAMES = (
    *("note", "sha256", "picture", "how", "what", "which", "outcome", "party", "parties", "fields", "hand"),
    *(
        "name",
        "number",
        "card",
        "face",
        "guardian",
        "text",
        "question",
        "answer",
        "paper",
        "agreement",
        "why",
    ),
    *("side", "order", "terminal", "reasons", "lawyer", "from_ms", "papers", "level", "contact", "answers"),
)


async def test_no_step_is_ever_an_error_of_ours(office: Office) -> None:
    chance = random.Random(12348)
    opened = {
        "acts": {"act": "power_of_attorney", "answers": {"applicant": "self", "about": "other"}},
        "mediations": {"about": "debt"},
        "aid": {"groups": ["means"], "matter": "labour", "facts": "欠薪"},
        "home-visits": {"why": "over_80", "service": "notary", "address": "3组", "phone": "13812345678"},
        "disclosures": {"level": 2, "name": "某", "number": KNOWN},
    }
    places = {
        "acts": ("n1", "/api/notary/acts", ACT),
        "mediations": ("m1", "/api/mediator/mediations", MEDIATION),
        "aid": ("a1", "/api/staff/aid", AID),
        "home-visits": ("a1", "/api/staff/home-visits", HOME),
        "disclosures": ("r1", "/api/staff/disclosures", DISCLOSURE),
    }
    for path, body in opened.items():
        who, staff, machine = places[path]
        status, case = await office.at_terminal("POST", f"/api/{path}", {"key": "k-0", **body})
        assert status == 201, case
        verbs = [one.verb for one in machine.moves] + ["nothing", "arrive"]
        for n in range(STEPS):
            chosen = chance.sample(NAMES, chance.randint(0, 5))
            data = {name: chance.choice(ODD) for name in chosen}
            order = {"key": f"k{n}", "verb": chance.choice(verbs), "data": data}
            if chance.random() < 0.5:
                mine = f"/api/{path}/{case['id']}/steps"
                status, said = await office.at_terminal("POST", mine, order, case["case_pass"])
            else:
                status, said = await office.by(who, "POST", f"{staff}/{case['id']}/steps", order)
            assert status < 500, (path, order, said)
            assert status == 200 or {"code", "zh", "en"} <= said.keys()


async def test_a_changed_bit_in_a_case_is_found(office: Office) -> None:
    body = {
        "key": "k-0",
        "act": "birth",
        "answers": {"applicant": "self", "born": "since_1996", "abroad": "no"},
    }
    _, case = await office.at_terminal("POST", "/api/acts", body)
    cases = office.house.clinic.cases
    assert await cases.whole(ACTS, case["id"])
    change = text("UPDATE clinic_cases SET value = replace(value, 'since_1996', 'before_1996')")
    async with office.house.records.database.write() as connection:
        await connection.execute(change)
    assert not await cases.whole(ACTS, case["id"])


async def test_impossible_days_and_times_are_refused(office: Office) -> None:
    for day in ("0001-01-01", "9999-12-31"):
        status, found = await office.at_terminal("GET", f"/api/clinic/slots?kind=legal_advice&day={day}")
        assert (status, found["items"]) == (200, [])
    order = {"kind": "legal_advice", "from_ms": 2**53, "key": "k"}
    status, refused = await office.at_terminal("POST", "/api/bookings", order)
    assert (status, refused["code"]) == (409, "slot_closed")
    plan = {"kind": "law_class", "title": "x", "from_ms": 2**53 - 5, "to_ms": 2**53, "seats": 1, "key": "k"}
    assert (await office.by("sun", "POST", "/api/clinic/sessions", plan))[0] == 422
