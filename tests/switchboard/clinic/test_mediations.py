"""A mediation: everybody signs the same text, known and in order, whatever anybody does; then the judge."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from switchboard.calendar import Calendar
from switchboard.clinic.agreements import FILE, read_texts, texts
from switchboard.clinic.cases import Case, Step
from switchboard.clinic.confirmation import AIM_MS, CONFIRMATION, Confirmation, Decision, clock, figures
from switchboard.clinic.errors import CatalogueInvalid, ClinicError, Unfit
from switchboard.clinic.identity import Identity
from switchboard.clinic.machine import Actor
from switchboard.clinic.mediation import MEDIATION, MEDIATIONS, Mediation
from switchboard.clinic.pdf_papers import PdfPapers
from switchboard.errors import NotFound
from switchboard.evidence import open_provider
from switchboard.evidence.pdf_checking import check_pdf
from switchboard.papers.papers import Papers
from switchboard.records.terminals import Terminal
from switchboard.times import now_ms
from tests.support.papers import hand
from tests.switchboard.clinic.conftest import Office
from tests.switchboard.clinic.test_identity import KNOWN

A, B = "a" * 64, "b" * 64
DEBT = {
    "facts": "借款未还",
    "disputed": "金额",
    "responsibility": "各半",
    "performance": "转账",
    "deadline": "2027年1月1日",
    "debtor": "王芳",
    "creditor": "李强",
    "amount": "5000",
    "more": "",
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class MediationWalk(RuleBasedStateMachine):
    """Three parties and a mediator, each at any time anything. What is signed is one text that all saw."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MEDIATION.begin
        self.value = Mediation("debt", "t-1")
        self.at = 0

    def do(self, verb: str, actor: Actor, **data: Any) -> bool:
        self.at += 1
        given = {"note": "", "why": "left", "contact": None, "confirmation": True, "picture": A, **data}
        with contextlib.suppress(ClinicError, NotFound):
            state = MEDIATION.after(self.state, verb, actor.role)
            step = Step(verb, actor, self.at, f"k{self.at}", given)
            self.value = MEDIATIONS.apply(self.value, step, self.state)
            self.state = state
            return True
        return False

    @initialize(how=st.sampled_from(["link", "phone"]), ready=st.booleans())
    def begin(self, how: str, ready: bool) -> None:
        boss = Actor("m1", "mediator")
        self.do("take", boss)
        for n, kind in enumerate(("terminal", "terminal", how), 1):
            self.do("invite", boss, name=f"当事人{n}", side="other", how=kind, order=0, terminal=None)
            if ready:
                party = f"p{n}"
                self.do("come", Actor(party, "citizen"), party=party)
                self.do("admit", boss, party=party)
                self.do("show_card", boss, party=party, identity=self.card())
                self.do("identify", boss, party=party, outcome="match")
                for what in ("recording", "electronic"):
                    self.do("consent", Actor(party, "citizen"), what=what)
        if ready:
            assert self.do("open", boss)
            self.do("draft", boss, **self.text("一"), agreement="debt", fields={}, electronic=True)

    def card(self) -> Identity:
        return Identity("某", "m", "d", "s", 40, "reader", self.at, A, B)

    def text(self, text: str) -> dict[str, str]:
        return {"text": text, "sha256": sha(text)}

    @rule(
        verb=st.sampled_from(sorted({one.verb for one in MEDIATION.moves})),
        who=st.sampled_from(["m1", "p1", "p2", "p3", "clock"]),
        party=st.sampled_from(["p1", "p2", "p3"]),
        text=st.sampled_from(["一", "一", "一", "二"]),
        electronic=st.booleans(),
    )
    def anything(self, verb: str, who: str, party: str, text: str, electronic: bool) -> None:
        role = {"m": "mediator", "p": "citizen", "c": "system"}[who[0]]
        self.do(
            verb,
            Actor(who, role),
            party=party,
            parties=[party],
            identity=self.card(),
            outcome="match",
            what="electronic",
            name="某",
            side="other",
            how="terminal",
            order=0,
            terminal=None,
            agreement="debt",
            fields={},
            electronic=electronic,
            **self.text(text),
        )

    @rule()
    def everybody_goes_on(self) -> None:
        """The way as it is meant, so that signing is met often."""
        newest = self.value.newest
        if newest is None:
            return
        what = {"sha256": newest.sha256}
        boss, parties = Actor("m1", "mediator"), [one.id for one in self.value.active]
        match self.state:
            case "session":
                for one in parties:
                    self.do("see", Actor(one, "citizen"), **what)
                self.do("read_aloud", boss, **what)
            case "reading":
                for one in parties:
                    self.do("agree", Actor(one, "citizen"), **what)
                self.do("open_signing", boss, **what)
            case "signing":
                for one in parties:
                    self.do("sign", Actor(one, "citizen"), **what)
                self.do("sign", boss, **what)
                self.do("complete", Actor("clock", "system"))
            case "paused":
                for one in parties:
                    self.do("come", Actor(one, "citizen"))
                    self.do("admit", boss, party=one)
                self.do("resume", boss)
            case "caucus":
                self.do("rejoin", boss)
            case _:
                pass

    @invariant()
    def every_signature_is_under_the_newest_text_of_somebody_known(self) -> None:
        newest = self.value.newest
        for one in self.value.parties:
            if one.signature is None:
                continue
            assert newest is not None
            assert one.signature.sha256 == newest.sha256
            assert one.agreed == newest.number == self.value.read_version
            assert one.seen == newest.number
            assert one.identity is not None
            assert one.identity.checked
            assert one.signature.identity_ms == one.identity.at_ms

    @invariant()
    def signatures_are_in_order(self) -> None:
        signed = [one.order for one in self.value.active if one.signature]
        open_ = [one.order for one in self.value.active if not one.signature]
        if signed and open_:
            assert max(signed) <= min(open_)
        if self.value.mediator_signature is not None:
            assert not open_

    @invariant()
    def an_agreement_stands_only_when_all_have_signed(self) -> None:
        if self.state in ("signed", "closed"):
            assert self.value.all_signed
            assert self.value.signed_ms
            assert len(self.value.active) >= 2

    @invariant()
    def a_caucus_ends_before_anything_else_goes_on(self) -> None:
        going_on = [one for one in self.value.caucuses if one.to_ms is None]
        assert len(going_on) <= 1
        if self.state in ("session", "reading", "signing", "signed", "paused"):
            assert not going_on


MediationWalk.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestMediationWalk = MediationWalk.TestCase


@pytest.mark.parametrize("machine", [MEDIATION, CONFIRMATION])
def test_every_state_can_be_reached(machine: Any) -> None:
    assert machine.reachable() == machine.states


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_typed_stays_text_and_the_same_fields_give_the_same_text(facts: str, more: str) -> None:
    agreement = texts().agreements["debt"]
    fields = DEBT | {"facts": f"{facts}${{amount}}$debtor", "more": more}
    text = agreement.draft(fields, "甲；乙", 3)
    assert text == agreement.draft(dict(reversed(fields.items())), "甲；乙", 3)
    assert "${amount}$debtor" in text
    assert "1. 王芳确认欠李强人民币5000元" in text


def test_a_field_too_few_or_a_template_with_a_mistake_is_named() -> None:
    agreement = texts().agreements["debt"]
    with pytest.raises(Unfit) as refused:
        agreement.draft({**DEBT, "colour": "red"}, "", 2)
    assert refused.value.fields == ("data.fields.colour",)
    with pytest.raises(CatalogueInvalid) as invalid:
        read_texts(FILE.read_text("utf-8").replace("${boundary}", "${border}"))
    assert "land: a term has ${border}" in invalid.value.problems[0]


def test_the_clock_shows_the_aim_the_limit_and_whether_the_court_is_at_work() -> None:
    calendar = Calendar()
    signed = 1_795_399_200_000  # Monday 23 November 2026, 10:00 in China
    case = Confirmation("md-1", A, B, "m1", signed)
    lights = [clock(case, calendar, signed + ms).light for ms in (AIM_MS, AIM_MS + 1, 31 * 86_400_000)]
    assert lights == ["green", "amber", "red"]
    assert clock(case, calendar, signed).working
    assert not clock(case, calendar, signed + 12 * 3_600_000).working
    decided = replace(case, decision=Decision("", A, "j1", signed + 60_000))
    assert clock(decided, calendar, signed + 10**9).since_ms == 60_000
    times = (10, 20, 40)
    cases = [
        Case(
            *(f"jc-{n}", "confirmation", None, "confirmed", 1, 0, 0, False),
            replace(case, decision=Decision("", A, "j1", signed + n * 60_000)),
        )
        for n in times
    ]
    found = figures(cases, signed)
    assert (found.decided, found.within, found.median_ms) == (3, 2, 20 * 60_000)


class Room:
    """One mediation over HTTP, by everybody in it."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.case: dict[str, Any] = {}
        self.count = 0

    async def step(self, who: str, verb: str, **data: Any) -> tuple[int, Any]:
        self.count += 1
        body = {"key": f"k{self.count}", "verb": verb, "data": data}
        if who == "m1":
            return await self.office.by(
                "m1", "POST", f"/api/mediator/mediations/{self.case['id']}/steps", body
            )
        path = f"/api/mediations/{self.case['id']}/steps"
        return await self.office.at_terminal("POST", path, body, self.case["passes"][who])

    async def does(self, who: str, verb: str, **data: Any) -> dict[str, Any]:
        status, found = await self.step(who, verb, **data)
        assert status == 200, (verb, found)
        if who == "m1":
            self.case = found
        return found

    async def refused(self, who: str, verb: str, code: str, **data: Any) -> None:
        status, found = await self.step(who, verb, **data)
        assert (status >= 400, found["code"]) == (True, code), (verb, found)

    async def gather(self, about: str = "debt", count: int = 3) -> None:
        body = {"key": "k-begin", "about": about}
        _, self.case = await self.office.by("m1", "POST", "/api/mediator/mediations", body)
        for name, side, how, terminal in (
            ("王芳", "applicant", "terminal", "t-1"),
            ("李强", "respondent", "terminal", "t-2"),
            ("赵敏", "other", "phone", None),
        )[:count]:
            await self.does("m1", "invite", name=name, side=side, how=how, terminal=terminal)
        for party in ("p1", "p2", "p3")[:count]:
            await self.does(party, "come")
            await self.does("m1", "admit", party=party)
            card = {"name": "某", "number": KNOWN, "how": "reader", "card": A, "face": B}
            await self.does("m1", "show_card", party=party, **card)
            await self.does("m1", "identify", party=party, outcome="match")
            for what in ("recording", "electronic"):
                await self.does(party, "consent", what=what)

    async def drafted(self, agreement: str, fields: dict[str, str]) -> str:
        made = await self.does("m1", "draft", agreement=agreement, fields=fields)
        return made["value"]["versions"][-1]["sha256"]


async def test_two_terminals_and_a_telephone_sign_one_text_and_a_judge_confirms_it(office: Office) -> None:
    records = office.house.records
    await records.terminals.add(Terminal("t-2", "二号", "红星村"), by="root", at_ms=now_ms())
    room = Room(office)
    await room.gather()
    waiting = (await office.at_terminal("GET", "/api/terminal/mediations"))[1]["items"]
    assert [(one["party"], one["case_pass"]) for one in waiting] == [("p1", room.case["passes"]["p1"])]
    await room.does("m1", "open", contact="c-1")
    await room.does("m1", "caucus", parties=["p2"])
    _, other = await office.at_terminal(
        "GET", f"/api/mediations/{room.case['id']}", None, room.case["passes"]["p1"]
    )
    assert other["value"]["caucuses"] == []
    assert other["value"]["parties"][1]["identity"] == {"checked": True}
    await room.refused("p1", "rejoin", "not_yours")
    await room.does("m1", "rejoin")

    first = await room.drafted("debt", DEBT)
    await room.does("p1", "see", sha256=first)
    second = await room.drafted("debt", DEBT | {"amount": "4800"})
    await room.refused("p2", "see", "other_version", sha256=first)
    await room.does("p1", "see", sha256=second)
    await room.refused("m1", "read_aloud", "not_all_see", sha256=second)
    await room.does("p2", "see", sha256=second)
    await room.does("m1", "read_aloud", sha256=second)
    for party in ("p1", "p2", "p3"):
        await room.does(party, "agree", sha256=second)
    await room.does("m1", "open_signing", sha256=second)
    await room.refused("p2", "sign", "not_your_turn", sha256=second, picture=A)
    await room.does("p1", "sign", sha256=second, picture=A)
    await room.does("m1", "party_left", party="p2", why="line_lost")
    await room.refused("p2", "sign", "not_now", sha256=second, picture=A)
    await room.does("p2", "come")
    await room.does("m1", "admit", party="p2")
    await room.does("m1", "resume_signing")
    tries = await asyncio.gather(*(room.step("p2", "sign", sha256=second, picture=A) for _ in range(3)))
    assert sorted(status for status, _ in tries) == [200, 409, 409]
    await room.refused("m1", "sign", "not_your_turn", sha256=second)
    await room.does("m1", "sign_spoken", party="p3", sha256=second, picture=B)
    done = await room.does("m1", "sign", sha256=second, picture=A)
    assert done["state"] == "signed"
    await the_judge_confirms(office, room, second)


async def the_judge_confirms(office: Office, room: Room, agreement: str) -> None:
    _, listed = await office.by("j1", "GET", "/api/judge/confirmations")
    (case,) = listed["items"]
    assert (case["clock"]["light"], case["value"]["agreement"]) == ("green", agreement)
    path = f"/api/judge/confirmations/{case['id']}"

    async def judge(key: str, verb: str, **data: Any) -> tuple[int, Any]:
        return await office.by("j1", "POST", f"{path}/steps", {"key": key, "verb": verb, "data": data})

    assert (await judge("a", "confirm", reasons="合法"))[1]["code"] == "not_now"
    _, taken = await judge("b", "take")
    assert "4800" in taken["agreement"]["text"]
    assert taken["agreement"]["whole"]
    assert [one["how"] for one in taken["agreement"]["signatures"]] == ["electronic"] * 2 + [
        "spoken",
        "electronic",
    ]
    await judge("c", "ask", question="是否全部自愿？")
    assert (await judge("d", "confirm", reasons="合法"))[1]["code"] == "not_now"
    answer = {"key": "e", "verb": "answer", "data": {"answer": "是，见录像"}}
    status, _ = await office.by("m1", "POST", f"/api/mediator/confirmations/{case['id']}/steps", answer)
    assert status == 200
    _, decided = await judge("f", "confirm", reasons="自愿合法。")
    assert decided["state"] == "confirmed"
    party = room.case["passes"]["p1"]
    mine = f"/api/mediations/{room.case['id']}/confirmation"
    _, shown = await office.at_terminal("GET", mine, None, party)
    assert agreement in shown["value"]["decision"]["text"]
    assert (await office.at_terminal("POST", f"{mine}/printed", {"key": "g"}, party))[0] == 200
    assert (await judge("h", "keep", note="已付清"))[1]["state"] == "kept"
    span = f"since_ms=0&until_ms={now_ms() + 1}"
    _, told = await office.by("sun", "GET", f"/api/confirmation-figures?{span}")
    assert (told["decided"], told["within"], told["kept"]) == (1, 1, 1)
    _, seen = await office.by("j1", "GET", f"{path}/events")
    assert seen["whole"]
    assert ("see", "p2") in {(one["verb"], one["actor"]) for one in seen["items"]}


async def test_what_the_law_keeps_on_paper_is_refused_with_the_article(office: Office) -> None:
    room = Room(office)
    await room.gather("family", 2)
    await room.does("m1", "open")
    fields: dict[str, str] = dict.fromkeys(
        ("facts", "disputed", "responsibility", "performance", "deadline", "content"), "某"
    )
    text = await room.drafted("family", fields)
    for party in ("p1", "p2"):
        await room.does(party, "see", sha256=text)
    await room.does("m1", "read_aloud", sha256=text)
    for party in ("p1", "p2"):
        await room.does(party, "agree", sha256=text)
    await room.does("m1", "open_signing", sha256=text)
    _, refused = await room.step("p1", "sign", sha256=text, picture=A)
    assert (refused["code"], "第三条" in refused["problems"][0]) == ("not_electronic", True)
    await room.does("p2", "refuse_to_sign", note="再想想")
    await room.does("m1", "fail", note="未达成")
    _, listed = await office.by("j1", "GET", "/api/judge/confirmations")
    assert listed["items"] == []
    stranger = await office.by("j1", "GET", f"/api/mediator/mediations/{room.case['id']}")
    assert stranger[0] == 403


async def test_the_paper_is_signed_with_the_text_and_the_whole_of_it_verifies(
    office: Office, tmp_path: Path
) -> None:
    house = office.house
    papers = Papers(house.records, open_provider(tmp_path), tmp_path / "papers")
    house.clinic.mediations.maker = PdfPapers(papers)
    await house.records.append("c-1", "arrived", medium="visit", channel="x")
    room = Room(office)
    await room.gather()
    await room.does("m1", "open", contact="c-1")
    text = await room.drafted("debt", DEBT)
    drawn = {"sha256": text, "picture": A, "hand": json.loads(hand().data())}

    async def to_signing() -> None:
        for party in ("p1", "p2"):
            await room.does(party, "see", sha256=text)
        await room.does("m1", "read_aloud", sha256=text)
        for party in ("p1", "p2", "p3"):
            await room.does(party, "agree", sha256=text)
        await room.does("m1", "open_signing", sha256=text)

    await to_signing()
    await room.does("p1", "sign", **drawn)
    await room.does("p2", "refuse_to_sign", note="再想想")
    assert {one.state for one in await papers.of_contact("c-1")} == {"withdrawn"}
    await to_signing()
    await room.refused("p1", "sign", "unfit", sha256=text, picture=A)
    await room.refused("p2", "sign", "not_your_turn", **drawn)
    await room.does("p1", "sign", **drawn)
    await asyncio.gather(*(room.step("p2", "sign", **drawn) for _ in range(3)))
    await room.does("m1", "sign_spoken", party="p3", **drawn)
    done = await room.does("m1", "sign", **drawn)
    assert done["state"] == "signed"
    signed = [one for one in await papers.of_contact("c-1") if one.state == "signed"]
    assert sorted((one.kind, len(one.signers)) for one in signed) == [
        ("judicial_confirmation", 3),
        ("mediation_agreement", 4),
    ]
    path = f"/api/mediations/{room.case['id']}/papers/agreement"
    shown = {"Case-Pass": room.case["passes"]["p2"]}
    async with office.terminal.get(path, headers=shown) as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert (await answer.read()).startswith(b"%PDF")
    async with office.terminal.get(path, headers={"Case-Pass": shown["Case-Pass"][:-1] + "~"}) as answer:
        assert answer.status == 404
    roots = open_provider(tmp_path).roots
    for one in signed:
        report = await asyncio.to_thread(check_pdf, await papers.content(one), roots)
        assert (report.holds, report.trusted) == (True, True)
        assert len(report.facts["signatures"]) == len(one.signers) + 1
