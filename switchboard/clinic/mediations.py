"""Mediations at work: drafts from templates, passes for parties, papers, and the way to the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from switchboard.calendar import Calendar
from switchboard.clinic.act import Document
from switchboard.clinic.acts import CLOCK, Identities, sha256_of
from switchboard.clinic.agreements import Texts, fill
from switchboard.clinic.cases import Case, Cases, Step
from switchboard.clinic.confirmation import CONFIRMATIONS, Clock, Confirmation, Figures, clock, figures
from switchboard.clinic.errors import Refused, Unfit
from switchboard.clinic.mediation import MEDIATIONS, Mediation, Party
from switchboard.clinic.paper_port import AgreementPaper, PaperMaker, SignerOf
from switchboard.errors import NotFound
from switchboard.records.clinic_models import ClinicCaseRow
from switchboard.records.store import Records

log = structlog.get_logger(__name__)

SIDES = {"applicant": "申请人", "respondent": "被申请人", "other": "其他当事人"}
MEDIATOR_SIGNER = "mediator"
PAPER_VERBS = ("open_signing", "sign", "sign_spoken")
REQUESTER = "p0"
"""Whoever asked for the mediation, before a mediator has taken it."""


class Mediations:
    """``maker`` None: no papers are set; the text in the case is what was signed."""

    def __init__(
        self,
        records: Records,
        cases: Cases,
        identities: Identities,
        texts: Texts,
        calendar: Callable[[], Calendar],
        maker: PaperMaker | None = None,
    ) -> None:
        self._records = records
        self._cases = cases
        self._identities = identities
        self._texts = texts
        self._calendar = calendar
        self.maker = maker

    @property
    def texts(self) -> Texts:
        return self._texts

    async def request(
        self, about: str, step: Step, *, terminal: str | None = None, demo: bool = False
    ) -> Case[Mediation]:
        if about not in self._texts.agreements:
            raise Unfit(fields=("about",))
        value = Mediation(about=about, terminal=terminal)
        case = await self._cases.open(MEDIATIONS, value, step, number=True, demo=demo)
        if step.actor.role == "mediator":
            taken = Step("take", step.actor, step.at_ms, f"take-{step.key}"[:64])
            case = await self._cases.do(MEDIATIONS, case.id, taken)
        return case

    async def do(self, case: Case[Mediation], step: Step, *, base: int | None = None) -> Case[Mediation]:
        """One step, prepared; papers follow it. The last signature closes the signing and files the application."""
        data = self._prepared(case, step)
        made = Step(step.verb, step.actor, step.at_ms, step.key, data)
        if self.maker is not None and step.verb in PAPER_VERBS:
            await self._paper(self.maker, case, made)
        done = await self._cases.do(MEDIATIONS, case.id, made, base=base)
        if (
            self.maker is not None
            and case.value.rounds
            and case.state in ("signing", "paused")
            and done.state in ("session", "failed")
        ):
            await self.maker.withdraw(_key(case, case.value), case.value.contact or "", by=step.actor.id)
        if done.state == "signing" and done.value.all_signed:
            done = await self.complete(done, step.at_ms)
        return done

    def _prepared(self, case: Case[Mediation], step: Step) -> dict[str, Any]:
        data = dict(step.data)
        asked_back = step.verb == "withdraw" and step.actor.id == REQUESTER
        if step.actor.role == "citizen" and not asked_back:
            case.value.party(step.actor.id)
        match step.verb:
            case "show_card":
                who = data.get("party") if step.actor.role == "mediator" else step.actor.id
                bound = f"{case.id}/{who}"
                data["identity"] = self._identities.shown(bound, data, step.at_ms)
                for name in ("number", "guardian_number", "name", "guardian"):
                    data.pop(name, None)
            case "draft":
                agreement = self._texts.agreements.get(data["agreement"])
                if agreement is None:
                    raise Unfit(fields=("data.agreement",))
                parties = case.value.active
                data["text"] = agreement.draft(data["fields"], people(parties), len(parties) + 1)
                data["sha256"] = sha256_of(data["text"])
                data["electronic"] = agreement.electronic
            case _:
                pass
        return data

    # ---- papers

    async def _paper(self, maker: PaperMaker, case: Case[Mediation], step: Step) -> None:
        """First looked at whether the step may be, then the paper, then the step: a paper is never ahead of a step that
        was refused; when two sign at once, the paper takes one, and one that was killed in between is done again."""
        known = await self._cases.verb_of(case.id, step.key)
        if known is not None or not case.value.contact:
            return
        MEDIATIONS.machine.after(case.state, step.verb, step.actor.role)
        after = MEDIATIONS.apply(case.value, step, case.state)
        paper = await maker.agreement(await self._agreement(case, after), by=after.agent or MEDIATOR_SIGNER)
        if step.verb == "open_signing" or not after.electronic:
            return
        signer = MEDIATOR_SIGNER if step.verb == "sign" and step.actor.role == "mediator" else step["party"]
        party = None if signer == MEDIATOR_SIGNER else after.party(signer)
        checked = party.identity.at_ms if party and party.identity else 0
        identity = f"{case.id}/{signer}/{checked}"
        if (
            step.verb == "sign_spoken"
        ):  # the mediator writes for who is on the telephone; the recording says so
            identity = f"spoken/{step['picture']}"
        await maker.sign(paper, signer, identity=identity, hand=step.data.get("hand"))

    async def _agreement(self, case: Case[Mediation], mediation: Mediation) -> AgreementPaper:
        version = mediation.newest
        if version is None:
            raise NotFound
        agreement = self._texts.agreements[version.agreement]
        agent = await self._records.agent(mediation.agent or "")
        mediator = agent.name if agent else "调解员"
        ordered = sorted(mediation.active, key=lambda one: (one.order, one.id))
        return AgreementPaper(
            key=_key(case, mediation),
            contact=mediation.contact or case.id,
            number=case.number or case.id,
            place=await self._place(mediation.terminal),
            mediator=mediator,
            facts=agreement.checked(version.fields),
            terms=agreement.terms(version.fields),
            signers=tuple(self._signer(case, one) for one in ordered),
            personal=not agreement.electronic,
            court=mediation.confirmation and agreement.electronic,
            at_ms=version.at_ms,
        )

    def _signer(self, case: Case[Mediation], party: Party) -> SignerOf:
        number = self._identities.number(f"{case.id}/{party.id}", party.identity) if party.identity else None
        return SignerOf(party.id, party.name, SIDES.get(party.side, "当事人"), number or "")

    async def _place(self, terminal: str | None) -> str:
        found = await self._records.terminals.of(terminal) if terminal else None
        return found.village if found else "公共法律服务网络"

    async def pdf(self, case: Case[Mediation], *, court: bool) -> bytes:
        """The newest agreement, or the application that goes with it. Raises NotFound."""
        contact = case.value.contact
        found = None
        if self.maker is not None and contact:
            found = await self.maker.content(_key(case, case.value), contact, court=court)
        if found is None:
            raise NotFound
        return found

    # ---- to the judge

    async def complete(self, case: Case[Mediation], at_ms: int) -> Case[Mediation]:
        """All have signed: the agreement stands, and with it the application goes to the court."""
        number = case.value.newest.number if case.value.newest else 0
        done = await self._cases.do(MEDIATIONS, case.id, Step("complete", CLOCK, at_ms, f"complete-{number}"))
        await self._file(done, at_ms)
        return done

    async def _file(self, case: Case[Mediation], at_ms: int) -> None:
        mediation, version = case.value, case.value.newest
        if not mediation.confirmation or not mediation.electronic or version is None:
            return
        application = await self.application(case)
        value = Confirmation(
            mediation=case.id,
            agreement=version.sha256,
            application=application.sha256,
            mediator=mediation.agent or "",
            signed_ms=mediation.signed_ms or at_ms,
            terminal=mediation.terminal,
        )
        step = Step(
            "file", CLOCK, at_ms, f"file-{case.id}", {"mediation": case.id, "agreement": version.sha256}
        )
        await self._cases.open(CONFIRMATIONS, value, step, number=True, demo=case.demo)

    async def application(self, case: Case[Mediation]) -> Document:
        """The application to the court, from what was signed; the same each time."""
        return self._document(self._texts.application, await self._facts(case), case.value.signed_ms or 0)

    async def decision(
        self, mediation: Case[Mediation], outcome: str, reasons: str, judge: str, at_ms: int
    ) -> Document:
        """``outcome``: ``confirm`` or ``reject``."""
        text = self._texts.confirmed if outcome == "confirm" else self._texts.rejected
        facts = await self._facts(mediation) | {"reasons": reasons, "judge": judge}
        return self._document(text, facts, at_ms)

    async def _facts(self, case: Case[Mediation]) -> dict[str, str]:
        mediation, version = case.value, case.value.newest
        local = self._calendar().local(mediation.signed_ms or case.opened_ms)
        agent = await self._records.agent(mediation.agent or "")
        return {
            "parties": people(mediation.active),
            "signed": f"{local.year}年{local.month}月{local.day}日",
            "mediator": agent.name if agent else "调解员",
            "digest": version.sha256 if version else "",
        }

    def _document(self, text: str, facts: dict[str, str], at_ms: int) -> Document:
        filled = fill(text, facts)
        return Document(filled, sha256_of(filled), 1, at_ms)

    async def confirm_step(
        self, case: Case[Confirmation], step: Step, *, base: int | None = None
    ) -> Case[Confirmation]:
        """One step at the court, prepared."""
        data = dict(step.data)
        if step.verb in ("confirm", "reject"):
            mediation = await self._cases.of(MEDIATIONS, case.value.mediation)
            agent = await self._records.agent(step.actor.id)
            judge = agent.name if agent else step.actor.id
            made = await self.decision(mediation, step.verb, data["reasons"], judge, step.at_ms)
            data |= {"text": made.text, "sha256": made.sha256}
        return await self._cases.do(
            CONFIRMATIONS, case.id, Step(step.verb, step.actor, step.at_ms, step.key, data), base=base
        )

    def clock(self, case: Case[Confirmation], at_ms: int) -> Clock:
        return clock(case.value, self._calendar(), at_ms)

    async def figures(self, since_ms: int, until_ms: int, at_ms: int) -> Figures:
        row = ClinicCaseRow
        span = (row.from_ms >= since_ms, row.from_ms < until_ms, row.demo.is_(False))
        return figures(await self._cases.listed(CONFIRMATIONS, *span, limit=20_000), at_ms)

    async def tick(self, at_ms: int) -> None:
        """What a node that died between the last signature and the court left undone."""
        for case in await self._cases.listed(MEDIATIONS, states=["signing"]):
            if case.value.all_signed:
                try:
                    await self.complete(case, at_ms)
                except Refused as error:
                    log.info("completed by another node", error=error.code)
        for case in await self._cases.listed(MEDIATIONS, states=["signed"]):
            await self._file(case, at_ms)


def people(parties: tuple[Party, ...]) -> str:
    """As the text names them: side, name, masked number."""
    said = []
    for one in parties:
        mask = f"（身份证 {one.identity.mask}）" if one.identity else ""
        said.append(f"{SIDES.get(one.side, '当事人')}{one.name}{mask}")
    return "；".join(said)


def _key(case: Case[Mediation], mediation: Mediation) -> str:
    """Names one paper: this text, opened for signing this time."""
    version = mediation.newest.number if mediation.newest else 0
    return f"{case.id}-v{version}-r{mediation.rounds}"
