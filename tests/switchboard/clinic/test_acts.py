"""A notarial act cannot leave out a step, whoever asks in whatever order; and the whole way over HTTP."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from switchboard.clinic.act import ACT, ACTS, CONSENTS, NotaryAct
from switchboard.clinic.cases import Step
from switchboard.clinic.catalogue.model import STEPS
from switchboard.clinic.errors import ClinicError
from switchboard.clinic.identity import Identity
from switchboard.clinic.machine import Actor
from switchboard.clinic.providers import SimulatedPayment
from switchboard.clinic.registers import Query, Registers, SimulatedRegister
from tests.switchboard.clinic.conftest import Office
from tests.switchboard.clinic.test_identity import KNOWN

A, B = "a" * 64, "b" * 64


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class ActWalk(RuleBasedStateMachine):
    """Everybody does anything at any time; the act itself keeps the order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ACT.begin
        self.act = NotaryAct("birth", "t-1", {}, 8000, registers=("marriage",))
        self.at = 0

    @rule(
        verb=st.sampled_from(sorted({one.verb for one in ACT.moves})),
        who=st.sampled_from([("n1", "notary"), ("n2", "notary"), ("p1", "citizen"), ("clock", "system")]),
        text=st.sampled_from(["一", "二"]),
        good=st.booleans(),
        what=st.sampled_from([*CONSENTS, "registers"]),
    )
    def step(self, verb: str, who: tuple[str, str], text: str, good: bool, what: str) -> None:
        self.at += 1
        identity = Identity("王芳", "m", "d", "s", 40, "reader", self.at, A, B)
        answer = self.act.queries[-1] if self.act.queries else Query("q", "marriage", "n1", 0)
        data = {
            "identity": identity,
            "outcome": "match" if good else "no_match",
            "note": "",
            "what": what,
            "text": text,
            "sha256": sha(text),
            "missing": () if good else ("photo",),
            "paper": "photo",
            "how": "electronic" if who[1] == "citizen" else "paper",
            "picture": A,
            "question": "?",
            "answer": replace(answer, state="answered") if verb in ("answered", "register_away") else "!",
            "query": f"q{self.at}",
            "register": "marriage",
            "why": "break",
            "certificate": "1",
            "tracking": "x",
            "contact": None,
            "url": "",
            "answers": {},
        }
        with contextlib.suppress(ClinicError):
            state = ACT.after(self.state, verb, who[1])
            self.act = ACTS.apply(self.act, Step(verb, Actor(*who), self.at, f"k{self.at}", data), self.state)
            self.state = state

    @invariant()
    def steps_are_done_in_order(self) -> None:
        assert self.act.done == STEPS[: len(self.act.done)]

    @invariant()
    def what_is_sealed_is_whole(self) -> None:
        if self.state not in ("sealed", "reviewed", "issued", "on_way", "ready", "delivered"):
            return
        act = self.act
        assert act.done == STEPS
        assert act.identity is not None
        assert act.identity.checked
        assert set(CONSENTS) <= act.consents.keys()
        assert act.document is not None
        assert act.signature is not None
        assert act.signature.sha256 == act.document.sha256
        assert act.signature.identity_ms == act.identity.at_ms
        assert act.read_version == act.document.version
        assert act.asked
        assert any(one.state == "answered" for one in act.queries)

    @invariant()
    def nobody_reviews_an_own_act_and_nothing_is_issued_unpaid(self) -> None:
        if self.state in ("reviewed", "issued", "on_way", "ready", "delivered"):
            assert self.act.reviewed_by != self.act.agent
        if self.state in ("issued", "on_way", "ready", "delivered"):
            assert self.act.payment == "paid"


ActWalk.TestCase.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
TestActWalk = ActWalk.TestCase


def test_every_state_can_be_reached_and_left() -> None:
    assert ACT.reachable() == ACT.states
    for state in ACT.states - ACT.final:
        assert any(state in one.since and one.to not in (None, state) for one in ACT.moves), state


class Way:
    """One act over HTTP, by its person and its notary."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.case: dict[str, Any] = {}
        self.count = 0

    async def apply(self, act: str, answers: dict[str, str], papers: list[str]) -> None:
        body = {"key": "k-apply", "act": act, "answers": answers, "papers": papers}
        status, self.case = await self.office.at_terminal("POST", "/api/acts", body)
        assert status == 201, self.case

    async def _step(self, who: str, verb: str, data: dict[str, Any]) -> tuple[int, Any]:
        self.count += 1
        body = {"key": f"k{self.count}", "verb": verb, "data": data}
        if who == "p":
            path = f"/api/acts/{self.case['id']}/steps"
            return await self.office.at_terminal("POST", path, body, self.case["case_pass"])
        return await self.office.by(who, "POST", f"/api/notary/acts/{self.case['id']}/steps", body)

    async def does(self, who: str, verb: str, **data: Any) -> dict[str, Any]:
        status, found = await self._step(who, verb, data)
        assert status == 200, (verb, found)
        return found

    async def refused(self, who: str, verb: str, code: str, **data: Any) -> dict[str, Any]:
        status, found = await self._step(who, verb, data)
        assert (status >= 400, found["code"]) == (True, code), (verb, found)
        return found


async def test_a_marriage_certificate_from_the_missing_paper_to_the_courier(office: Office) -> None:
    payment = SimulatedPayment()
    acts = office.house.clinic.acts
    acts._payment = payment
    slow = SimulatedRegister("marriage", delay_s=0.01, faults=1)
    acts._registers = Registers({"marriage": slow}, between_s=0)
    way = Way(office)
    await way.apply("marriage", {"applicant": "self", "status": "married", "lost": "no"}, ["household_book"])
    assert "marriage_certificate" in way.case["missing"]
    await way.refused("n1", "accept", "papers_missing")
    for paper in ("household_book", "marriage_certificate", "photo", "id_card"):
        await way.does("p", "add_paper", paper=paper, sha256=A)
    await way.refused("p", "accept", "not_yours")
    assert (await way.does("n1", "accept"))["missing"] == []
    stranger = await office.by("n2", "GET", f"/api/notary/acts/{way.case['id']}")
    nobody = await office.by("n2", "GET", "/api/notary/acts/na-none")
    assert stranger == nobody
    assert stranger[0] == 404

    await way.does("n1", "begin", contact="c-1")
    gap = await way.refused("p", "sign", "steps_missing", sha256=A, how="electronic")
    assert gap["problems"] == ["identity", "consent", "reading", "questions"]
    await way.refused("p", "show_card", "number_wrong", name="王芳", number=KNOWN[:-1] + "1", how="keypad")
    shown = await way.does("p", "show_card", name="王芳", number=KNOWN, how="reader", card=A, face=B)
    assert shown["value"]["identity"]["mask"] == "11************002X"
    assert KNOWN not in str(shown)
    await way.refused("n1", "query", "not_identified", which="marriage")
    await way.does("n1", "identify", outcome="match")
    await way.refused("n1", "query", "no_consent", which="marriage")
    for what in (*CONSENTS, "registers"):
        await way.does("p", "consent", what=what)
    await way.does("n1", "query", which="marriage")
    await acts.settled()
    _, now = await office.by("n1", "GET", f"/api/notary/acts/{way.case['id']}")
    (query,) = now["value"]["queries"]
    assert (query["state"], slow.asked, bool(query["digest"])) == ("answered", 2, True)

    text = "婚姻状况公证书：王芳，已婚。"
    await way.does("n1", "document", text=text)
    await way.refused("n1", "read", "other_version", sha256=A)
    await way.does("n1", "read", sha256=sha(text))
    await way.does("p", "understood", sha256=sha(text))
    await way.does("n1", "question", question="是您本人自愿申请吗？", answer="是")
    await way.does("n1", "questions_done")
    law = await way.refused("p", "sign", "not_electronic", sha256=sha(text), how="electronic")
    assert "第三条" in law["problems"][0]
    await way.does("n1", "sign", sha256=sha(text), how="paper", picture=B)
    assert (await way.does("n1", "seal"))["state"] == "sealed"
    await way.refused("n1", "review", "same_person")
    await way.does("n2", "review", note="无误")
    await way.refused("n1", "issue", "not_paid")
    await way.does("n1", "ask_payment")
    payment.pay(way.case["id"])
    await acts.tick(1)
    issued = await way.does("n1", "issue")
    assert issued["value"]["certificate"]
    await way.does("n1", "dispatch")
    done = await way.does("n1", "deliver")
    assert (done["state"], done["may"]) == ("delivered", [])
    await way.refused("p", "withdraw", "case_over")

    _, told = await office.by("n1", "GET", f"/api/notary/acts/{way.case['id']}/events")
    assert told["whole"]
    assert not any(private in str(told) for private in (KNOWN, "王芳"))
    kept = await office.house.clinic.cases.of(ACTS, way.case["id"])
    assert kept.value.identity is not None
    assert kept.value.identity.sealed is None


async def test_another_person_at_the_terminal_begins_from_the_identity_again(office: Office) -> None:
    way = Way(office)
    answers = {"applicant": "self", "about": "other"}
    await way.apply("power_of_attorney", answers, ["id_card", "document_itself"])
    await way.does("n1", "accept")
    await way.does("n1", "begin")
    await way.does("p", "show_card", name="王芳", number=KNOWN, how="reader", card=A, face=B)
    await way.does("n1", "identify", outcome="match")
    for what in CONSENTS:
        await way.does("p", "consent", what=what)
    again = await way.does("p", "show_card", name="别人", number=KNOWN, how="keypad")
    assert (again["next"], again["value"]["consents"]) == ("identity", {})
    await way.does("n1", "pause", why="line_lost")
    await way.refused("p", "consent", "not_now", what="recording")
    await way.does("n1", "resume")
    await way.refused("p", "answered", "unfit")
    missing = await way.refused("p", "consent", "invalid_input", what="everything")
    assert missing["fields"] == ["data.what"]
    status, refused = await office.at_terminal(
        "POST", "/api/acts", {"key": "x", "act": "inheritance", "answers": {"estate": "no"}}
    )
    assert (status, refused["code"]) == (422, "may_not_apply")
