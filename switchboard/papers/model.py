"""The papers as data: what each kind must say, and who signs it in which order.

Every text is data and shown letter by letter. Lengths are characters. ``check`` on construction raises PaperUnfit
naming every field at once. Sources: People's Mediation Law (2010) art. 28, 29 and 33; Civil Procedure Law (2023)
art. 205 and 206; Supreme People's Court, provisions on judicial confirmation (Fa Shi 2011 no. 5) art. 3 and 4;
Notarization Law (2017) art. 25 to 30; Electronic Signature Law (2019) art. 3.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, Literal, get_args

from switchboard.papers.errors import PaperUnfit

Kind = Literal[
    "mediation_agreement",
    "judicial_confirmation",
    "notary_record",
    "consultation_summary",
    "visit_confirmation",
    "network_fault",
]
Concern = Literal["marriage", "adoption", "inheritance"]
"""Personal relations on which nothing may be signed electronically (Electronic Signature Law, art. 3)."""

_CHINA = timezone(timedelta(hours=8))
MOST_SIGNERS = 20
MOST_LINE = 200
MOST_TEXT = 20_000
MOST_ITEMS = 100


def concerns_of(matter: str) -> tuple[Concern, ...]:
    """What follows from a matter of the routing policy alone; adoption has to be said by whoever makes the paper."""
    known: dict[str, tuple[Concern, ...]] = {
        "marriage_family": ("marriage",),
        "marriage": ("marriage",),
        "adoption": ("adoption",),
        "inheritance": ("inheritance",),
    }
    return known.get(matter, ())


@dataclass(frozen=True, slots=True)
class Person:
    """A party. ``id``: ours, and the same as the signer's. ``role``: as printed (申请人, 甲方 ...). For an organization
    ``representative`` is who acts for it and ``number`` its unified social credit code."""

    id: str
    name: str
    role: str
    number: str = ""
    gender: str = ""
    born: str = ""
    nationality: str = ""
    occupation: str = ""
    address: str = ""
    phone: str = ""
    representative: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs. ``id`` is the party's or the official's; ``role`` as printed above the line."""

    id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Paper:
    """What all kinds have. ``number``: the file number; ``place``: where it was made; ``made_ms``: when, since 1970;
    ``concerns``: personal relations that it is about; ``signers``: in the order in which they sign."""

    kind: ClassVar[Kind]
    title: ClassVar[str]

    number: str
    place: str
    made_ms: int
    signers: tuple[Signer, ...] = ()
    concerns: tuple[Concern, ...] = ()

    @property
    def by_hand(self) -> bool:
        """Whether it may be signed on paper only."""
        return bool(self.concerns)

    def __post_init__(self) -> None:
        problems = [*self._problems(), *_texts_wrong(self)]
        if problems:
            raise PaperUnfit(problems)

    def _problems(self) -> Iterator[str]:
        """What this kind lacks; each kind adds its own."""
        yield from _wanted(self, "number", "place")
        if not 0 < self.made_ms < 2**43:
            yield "made_ms: milliseconds since 1970"
        ids = [signer.id for signer in self.signers]
        if len(set(ids)) != len(ids) or len(ids) > MOST_SIGNERS:
            yield f"signers: each once, at most {MOST_SIGNERS}"
        if not all(signer.id and signer.name and signer.role for signer in self.signers):
            yield "signers: id, name and role"
        if set(self.concerns) - set(get_args(Concern)):
            yield f"concerns: of {', '.join(get_args(Concern))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediationAgreement(Paper):
    """People's mediation agreement (art. 29): the parties; facts, matters in dispute and responsibilities; what
    they agree, how and until when it is done. ``terms`` are numbered on the paper. The parties sign, then the
    mediators."""

    kind = "mediation_agreement"
    title = "人民调解协议书"

    committee: str
    mediators: tuple[str, ...]
    parties: tuple[Person, ...]
    facts: str
    disputed: str
    responsibility: str
    terms: tuple[str, ...]
    performance: str
    deadline: str
    copies: int = 3

    def _problems(self) -> Iterator[str]:
        yield from Paper._problems(self)
        yield from _wanted(
            self, "committee", "facts", "disputed", "responsibility", "performance", "deadline"
        )
        yield from _people_wrong("parties", self.parties, 2)
        yield from _signed_by(self, self.parties)
        if not self.mediators:
            yield "mediators: at least one"
        if not self.terms:
            yield "terms: at least one"
        if not 1 <= self.copies <= 99:
            yield "copies: 1 to 99"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudicialConfirmation(Paper):
    """Application to confirm a mediation agreement: made by all parties together, within thirty days from its taking
    effect (Civil Procedure Law art. 205), with the promises of Fa Shi 2011 no. 5, art. 4. ``agreement_sha256``: of the
    signed agreement's file, when it is one of ours. ``agreed_on``: a date as printed."""

    kind = "judicial_confirmation"
    title = "司法确认申请书"

    court: str
    applicants: tuple[Person, ...]
    committee: str
    agreement_number: str
    agreed_on: str
    request: str
    reasons: str
    enclosures: tuple[str, ...]
    agreement_sha256: str = ""

    def _problems(self) -> Iterator[str]:
        yield from Paper._problems(self)
        yield from _wanted(self, "court", "committee", "agreement_number", "agreed_on", "request", "reasons")
        yield from _people_wrong("applicants", self.applicants, 2)
        yield from _signed_by(self, self.applicants)
        if not self.enclosures:
            yield "enclosures: at least the agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Something that was checked: what, how, with which result, by whom and when (as printed)."""

    what: str
    how: str
    result: str
    by: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotaryRecord(Paper):
    """Record of a remote notary act: applicants, matter and purpose, identity checks, registers asked, papers
    shown, what the applicants were told (art. 27), questions and answers, what comes next."""

    kind = "notary_record"
    title = "远程公证办理记录"

    office: str
    notary: str
    applicants: tuple[Person, ...]
    matter: str
    purpose: str
    checks: tuple[Check, ...]
    materials: tuple[str, ...]
    told: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]
    result: str
    began: str
    ended: str

    def _problems(self) -> Iterator[str]:
        yield from Paper._problems(self)
        yield from _wanted(self, "office", "notary", "matter", "purpose", "result", "began", "ended")
        yield from _people_wrong("applicants", self.applicants, 1)
        yield from _signed_by(self, self.applicants)
        if not self.checks:
            yield "checks: at least the identity"
        if not self.told:
            yield "told: rights, duties and consequences (Notarization Law, art. 27)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultationSummary(Paper):
    """What was asked and advised. ``visitor`` as the visitor wishes to be named."""

    kind = "consultation_summary"
    title = "法律咨询摘要"

    visitor: str
    matter: str
    adviser: str
    adviser_role: str
    question: str
    advice: str
    law: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()

    def _problems(self) -> Iterator[str]:
        yield from Paper._problems(self)
        yield from _wanted(self, "matter", "adviser", "adviser_role", "question", "advice")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitConfirmation(Paper):
    """A booking to take home: large print. ``code``: said on arrival; ``bring``: what to bring along."""

    kind = "visit_confirmation"
    title = "预约确认单"

    visitor: str
    service: str
    when: str
    where: str
    code: str
    with_whom: str = ""
    bring: tuple[str, ...] = ()
    phone: str = "12348"

    def _problems(self) -> Iterator[str]:
        yield from Paper._problems(self)
        yield from _wanted(self, "service", "when", "where", "code")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault(Paper):
    """Certifies that a session was hindered by the line, so that nobody who kept an appointment suffers from it.
    ``spells``: (from, to, what was noticed), as printed."""

    kind = "network_fault"
    title = "网络故障证明"

    visitor: str
    terminal: str
    service: str
    appointed: str
    spells: tuple[tuple[str, str, str], ...]
    effect: str
    remedy: str

    def _problems(self) -> Iterator[str]:
        yield from Paper._problems(self)
        yield from _wanted(self, "visitor", "terminal", "service", "appointed", "effect", "remedy")
        if not self.spells:
            yield "spells: at least one"


def _wanted(paper: Paper, *names: str) -> Iterator[str]:
    for name in names:
        if not str(getattr(paper, name)).strip():
            yield f"{name}: is missing"


def _people_wrong(name: str, people: tuple[Person, ...], least: int) -> Iterator[str]:
    if not least <= len(people) <= MOST_SIGNERS:
        yield f"{name}: {least} to {MOST_SIGNERS}"
    if not all(one.id and one.name.strip() and one.role.strip() for one in people):
        yield f"{name}: id, name and role"
    if len({one.id for one in people}) != len(people):
        yield f"{name}: each once"


def _signed_by(paper: Paper, people: tuple[Person, ...]) -> Iterator[str]:
    """Whoever is bound by a paper signs it."""
    missing = {one.id for one in people} - {signer.id for signer in paper.signers}
    if missing:
        yield "signers: every party signs"


def texts_of(value: object, where: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) for every text in a paper."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, tuple):
        for n, one in enumerate(value):
            yield from texts_of(one, f"{where}[{n}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for spec in fields(value):
            yield from texts_of(getattr(value, spec.name), f"{where}.{spec.name}" if where else spec.name)


def _texts_wrong(paper: Paper) -> Iterator[str]:
    """Lengths, and characters that are not seen or turn the order of others: what is read must be what is signed."""
    for where, text in texts_of(paper):
        if len(text) > MOST_TEXT:
            yield f"{where}: at most {MOST_TEXT} characters"
        elif hidden := {one for one in text if one != "\n" and _is_hidden(one)}:
            codes = ", ".join(f"U+{ord(one):04X}" for one in sorted(hidden))
            yield f"{where}: characters that cannot be seen or have no common meaning ({codes})"
    for spec in fields(paper):
        value = getattr(paper, spec.name)
        if isinstance(value, tuple) and len(value) > MOST_ITEMS:
            yield f"{spec.name}: at most {MOST_ITEMS}"


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def described(paper: Paper) -> dict[str, Any]:
    """The paper for its template: JSON values, with kind, title and the day it was made."""
    made = datetime.fromtimestamp(paper.made_ms / 1000, UTC).astimezone(_CHINA)
    facts = {spec.name: _plain(getattr(paper, spec.name)) for spec in fields(paper)}
    day = f"{made.year}年{made.month}月{made.day}日"
    return {**facts, "kind": paper.kind, "title": paper.title, "by_hand": paper.by_hand, "day": day}


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {spec.name: _plain(getattr(value, spec.name)) for spec in fields(value)}
    return value
