"""Papers of a mediation as signed PDFs: ``switchboard.papers`` behind the narrow interface of ``paper_port``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from switchboard.clinic.errors import CaseMoved, NotElectronic, NotYourTurn, PaperRefused, ProviderAway, Unfit
from switchboard.clinic.paper_port import AgreementPaper
from switchboard.evidence import EvidenceError
from switchboard.papers import errors as wrong
from switchboard.papers.handwriting import Handwriting
from switchboard.papers.model import JudicialConfirmation, MediationAgreement, Person, Signer
from switchboard.papers.papers import Papers, Signing
from switchboard.records.queries import CHINA

MEDIATOR = "mediator"
COURT = "court"


class PdfPapers:
    """``committee`` and ``court``: names as printed."""

    def __init__(self, papers: Papers, *, committee: str = "人民调解委员会", court: str = "人民法院") -> None:
        self._papers = papers
        self._committee = committee
        self._court = court

    async def agreement(self, paper: AgreementPaper, *, by: str) -> str:
        with _told():
            made = await self._papers.make(paper.contact, self._made(paper), by=by, key=paper.key)
            if paper.court:
                application = self._application(paper)
                key = f"{paper.key}-{COURT}"
                await self._papers.make(paper.contact, application, by=by, key=key)
        return made.id

    async def sign(self, paper: str, signer: str, *, identity: str, hand: Mapping[str, Any] | None) -> None:
        """The agreement, and the application that goes with it: one drawing, each bound to its own file."""
        if hand is None:
            raise Unfit(fields=("data.hand",))
        with _told():
            drawn = Handwriting.read(hand)
            agreement = await self._papers.of(paper)
            mine = [
                one
                for one in await self._papers.of_contact(agreement.contact)
                if one.key in (agreement.key, f"{agreement.key}-{COURT}")
            ]
            for one in sorted(mine, key=lambda each: each.key):
                order = [each.id for each in one.signers]
                if signer in order and order.index(signer) >= one.signed:  # else it stands there already
                    await self._papers.sign(one.id, Signing(signer, one.head, identity, drawn))

    async def withdraw(self, key: str, contact: str, *, by: str) -> None:
        for one in await self._papers.of_contact(contact) if contact else []:
            if one.key in (key, f"{key}-{COURT}") and one.state in ("signing", "by_hand"):
                with _told():
                    await self._papers.withdraw(one.id, by=by, reason="没有全部签署 / not signed by all")

    async def content(self, key: str, contact: str, *, court: bool) -> bytes | None:
        wanted = f"{key}-{COURT}" if court else key
        for one in await self._papers.of_contact(contact):
            if one.key == wanted:
                with _told():
                    return await self._papers.content(one)
        return None

    def _made(self, paper: AgreementPaper) -> MediationAgreement:
        facts = paper.facts
        return MediationAgreement(
            number=paper.number,
            place=paper.place,
            made_ms=paper.at_ms,
            signers=(*_signers(paper), Signer(MEDIATOR, paper.mediator, "人民调解员")),
            concerns=("marriage",) if paper.personal else (),
            committee=self._committee,
            mediators=(paper.mediator,),
            parties=_people(paper),
            facts=facts["facts"],
            disputed=facts["disputed"],
            responsibility=facts["responsibility"],
            terms=paper.terms,
            performance=facts["performance"],
            deadline=facts["deadline"],
            copies=len(paper.signers) + 1,
        )

    def _application(self, paper: AgreementPaper) -> JudicialConfirmation:
        day = dt.datetime.fromtimestamp(paper.at_ms / 1000, CHINA)
        return JudicialConfirmation(
            number=paper.number,
            place=paper.place,
            made_ms=paper.at_ms,
            signers=_signers(paper),
            court=self._court,
            applicants=_people(paper),
            committee=self._committee,
            agreement_number=paper.number,
            agreed_on=f"{day.year}年{day.month}月{day.day}日",
            request="请求确认上述调解协议有效。",
            reasons="协议出于自愿，内容属实，没有恶意串通、规避法律或损害他人利益。",
            enclosures=("人民调解协议书", "当事人身份核对记录"),
        )


def _signers(paper: AgreementPaper) -> tuple[Signer, ...]:
    return tuple(Signer(one.id, one.name, one.role) for one in paper.signers)


def _people(paper: AgreementPaper) -> tuple[Person, ...]:
    return tuple(Person(one.id, one.name, one.role, number=one.number) for one in paper.signers)


@contextmanager
def _told() -> Iterator[None]:
    """What the papers refuse, in the clinic's words."""
    try:
        yield
    except wrong.NotYourTurn:
        raise NotYourTurn from None
    except wrong.ElectronicNotAllowed as error:
        raise NotElectronic(problems=(error.zh,)) from None
    except wrong.PaperMoved:
        raise CaseMoved from None
    except wrong.HandwritingUnfit:
        raise Unfit(fields=("data.hand",)) from None
    except wrong.PaperError as error:
        raise PaperRefused(problems=(f"{error.zh} / {error.en}",)) from None
    except EvidenceError:
        raise ProviderAway(retry_after_s=30) from None
