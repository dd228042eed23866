"""Notary acts at work: what each step needs is prepared here, what happens beside them is done here."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import structlog

from switchboard.calendar import Calendar
from switchboard.clinic.act import ACTS, NotaryAct, PaperAtHand
from switchboard.clinic.cases import Case, Cases, Step
from switchboard.clinic.catalogue import Act, Catalogue
from switchboard.clinic.errors import MayNotApply, NotNow, PapersMissing, ProviderAway, Refused, Unfit
from switchboard.clinic.identity import Identity, read_number
from switchboard.clinic.machine import SYSTEM, Actor
from switchboard.clinic.papers_check import Checked, check_papers
from switchboard.clinic.passes import Passes
from switchboard.clinic.providers import Courier, Payment
from switchboard.clinic.registers import Query, Question, RegisterAway, Registers
from switchboard.errors import NotFound, RecordsAway
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

CLOCK = Actor("clock", SYSTEM)
ASK_AGAIN_MS = 120_000
"""After so long an open query was lost with the node that asked it."""
GOING_ON = ("accepted", "acting", "paused", "sealed", "reviewed")


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Identities:
    """Makes an ``Identity`` of what a reader or a keypad gave; the number is sealed at once."""

    def __init__(self, passes: Passes, calendar: Callable[[], Calendar]) -> None:
        self._passes = passes
        self._calendar = calendar

    def shown(self, case: str, given: Mapping[str, Any], at_ms: int) -> Identity:
        """Raises NumberWrong. ``case``: what the number is sealed for."""
        today = self._calendar().local(at_ms).date()
        number = read_number(given["number"], today)
        guardian = self._guardian(given, today)
        return Identity(
            name=given["name"],
            mask=number.mask,
            digest=self._passes.hash_of(number.text),
            sealed=self._passes.seal(number.text, case),
            age=number.age(today),
            how=given["how"],
            shown_ms=at_ms,
            card=given.get("card"),
            face=given.get("face"),
            guardian=given.get("guardian"),
            guardian_mask=guardian,
        )

    def _guardian(self, given: Mapping[str, Any], today: dt.date) -> str | None:
        if not given.get("guardian"):
            return None
        number = read_number(given.get("guardian_number") or "", today)
        if number.age(today) < 18:
            raise Unfit(fields=("guardian_number",))
        return number.mask

    def number(self, case: str, identity: Identity) -> str | None:
        return self._passes.unseal(identity.sealed, case) if identity.sealed else None


class Acts:
    def __init__(
        self,
        cases: Cases,
        catalogue: Catalogue,
        identities: Identities,
        registers: Registers,
        payment: Payment,
        courier: Courier,
    ) -> None:
        self._cases = cases
        self._catalogue = catalogue
        self._identities = identities
        self._registers = registers
        self._payment = payment
        self._courier = courier
        self._asking: dict[str, asyncio.Task[None]] = {}

    # ---- the way of an act

    async def apply(
        self,
        act_id: str,
        answers: Mapping[str, str],
        papers: list[str],
        step: Step,
        *,
        terminal: str | None = None,
        demo: bool = False,
    ) -> Case[NotaryAct]:
        """Raises NotFound, Unfit, MayNotApply; papers may still be missing, a notary accepts no act without them."""
        act = self._act(act_id)
        found = check_papers(act, self._catalogue.papers, answers, papers)
        if not act.remote:
            raise MayNotApply(problems=(act.article.zh if act.article else act.who.zh,))
        if found.refused:
            raise MayNotApply(problems=tuple(f"{one.zh} / {one.en}" for one in found.refused))
        if found.ask:
            raise Unfit(fields=tuple(one.id for one in found.ask))
        unknown = tuple(one for one in papers if one not in self._catalogue.papers)
        if unknown:
            raise Unfit(fields=("papers",))
        value = NotaryAct(
            act=act.id,
            terminal=terminal,
            answers=dict(answers),
            fee_fen=act.fee_fen,
            electronic=act.electronic,
            article=act.article.zh if act.article else "",
            registers=act.registers,
            papers=tuple(PaperAtHand(one, None, step.at_ms, step.actor.id) for one in papers),
        )
        return await self._cases.open(ACTS, value, step, number=True, demo=demo)

    async def do(self, case: Case[NotaryAct], step: Step, *, base: int | None = None) -> Case[NotaryAct]:
        """One step, prepared. Raises what machine and step refuse."""
        data = await self._prepared(case, step)
        done = await self._cases.do(
            ACTS, case.id, Step(step.verb, step.actor, step.at_ms, step.key, data), base=base
        )
        if step.verb == "query":
            self._ask_open(done)
        return done

    async def _prepared(self, case: Case[NotaryAct], step: Step) -> dict[str, Any]:
        data = dict(step.data)
        match step.verb:
            case "show_card":
                data["identity"] = self._identities.shown(case.id, data, step.at_ms)
                for name in ("number", "guardian_number", "name", "guardian"):
                    data.pop(name, None)
            case "add_paper":
                if data["paper"] not in self._catalogue.papers:
                    raise Unfit(fields=("paper",))
            case "answer_questions":
                check_papers(self._act(case.value.act), self._catalogue.papers, data["answers"], ())
            case "accept":
                data["missing"] = self.missing(case.value, shown=False)
            case "seal":
                if missing := self.missing(case.value, shown=True):
                    raise PapersMissing(problems=tuple(missing))
            case "query":
                data["register"] = data.pop("which")
                if not self._registers.knows(data["register"]):
                    raise Unfit(fields=("data.which",))
                data["query"] = f"q-{sha256_of(case.id + step.key)[:12]}"
            case "document":
                data["sha256"] = sha256_of(data["text"])
            case "issue":
                data["certificate"] = f"{step.at_ms // 1000 % 10**9:09d}-{secrets.randbelow(10_000):04d}"
            case "ask_payment":
                data["url"] = await self._asked_payment(case)
            case "dispatch":
                data["tracking"] = await self._sent(case)
            case _:
                pass
        return data

    def missing(self, act: NotaryAct, *, shown: bool) -> list[str]:
        """Papers that are needed and not at hand; with ``shown``: not photographed either."""
        at_hand = {one.paper for one in act.papers if one.sha256 or not shown}
        if act.identity is not None and act.identity.card:
            at_hand.add("id_card")
        return [one.paper.id for one in self.checked(act, at_hand).missing]

    def checked(self, act: NotaryAct, at_hand: set[str]) -> Checked:
        return check_papers(self._act(act.act), self._catalogue.papers, act.answers, at_hand)

    def _act(self, ident: str) -> Act:
        found = self._catalogue.acts.get(ident)
        if found is None:
            raise NotFound
        return found

    async def _asked_payment(self, case: Case[NotaryAct]) -> str:
        try:
            return await self._payment.ask(case.id, case.value.fee_fen)
        except OSError:
            raise ProviderAway(retry_after_s=30) from None

    async def _sent(self, case: Case[NotaryAct]) -> str:
        try:
            return await self._courier.send(case.id)
        except OSError:
            raise ProviderAway(retry_after_s=30) from None

    # ---- registers, beside the steps

    def _ask_open(self, case: Case[NotaryAct]) -> None:
        for query in case.value.queries:
            if query.state == "asked" and query.id not in self._asking:
                task = asyncio.create_task(self._ask(case, query), name=f"register {query.register}")
                self._asking[query.id] = task
                task.add_done_callback(lambda _, ident=query.id: self._asking.pop(ident, None))

    async def _ask(self, case: Case[NotaryAct], query: Query) -> None:
        identity = case.value.identity
        number = self._identities.number(case.id, identity) if identity else None
        answered, verb = replace(query, state="away"), "register_away"
        if identity is not None and number is not None:
            try:
                found = await self._registers.ask(Question(query.register, identity.name, number))
                at_ms = now_ms()
                answered, verb = (
                    replace(
                        query,
                        state="answered",
                        answered_ms=at_ms,
                        found=found.found,
                        facts=dict(found.facts),
                        reference=found.reference,
                        digest=found.digest(query.register, at_ms),
                    ),
                    "answered",
                )
            except RegisterAway:
                pass
        data = {"answer": answered, "register": query.register, "digest": answered.digest}
        step = Step(verb, CLOCK, now_ms(), f"answer-{query.id}", data)
        try:
            await self._cases.do(ACTS, case.id, step)
        except (Refused, RecordsAway) as error:
            log.info("an answer came too late or is asked for again", error=error.code)

    # ---- what the clock does

    async def tick(self, at_ms: int) -> None:
        for case in await self._cases.listed(ACTS, states=GOING_ON):
            if any(
                one.state == "asked" and at_ms - one.asked_ms > ASK_AGAIN_MS for one in case.value.queries
            ):
                self._ask_open(case)
            if case.value.payment == "asked":
                await self._look(case, self._payment.is_paid(case.id), "paid", at_ms)
        for case in await self._cases.listed(ACTS, states=["on_way"]):
            tracking = case.value.delivery.tracking if case.value.delivery else None
            if tracking:
                await self._look(case, self._courier.is_delivered(tracking), "deliver", at_ms)

    async def _look(
        self, case: Case[NotaryAct], asked: Coroutine[Any, Any, bool], verb: str, at_ms: int
    ) -> None:
        try:
            if await asked:
                await self._cases.do(ACTS, case.id, Step(verb, CLOCK, at_ms, verb))
        except (OSError, NotNow, Refused):
            pass  # looked at again with the next tick

    async def close(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Until no register is being asked."""
        while self._asking:
            await asyncio.wait(list(self._asking.values()))
