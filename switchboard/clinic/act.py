"""A notarial act: its states, its guided steps, and what each step changes.

::

    applied -> accepted -> acting <-> paused
                             | identity, consent, reading, questions, signing, seal: in this order, none left out
                             v
                           sealed -> reviewed -> issued -> on_way / ready -> delivered
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from switchboard.clinic.cases import Index, Step, Subject
from switchboard.clinic.catalogue.model import STEPS
from switchboard.clinic.errors import (
    NoConsent,
    NotElectronic,
    NotIdentified,
    NotPaid,
    OtherVersion,
    PapersMissing,
    SamePerson,
    StepsMissing,
    StillAsked,
    TooMany,
    Unfit,
)
from switchboard.clinic.identity import Identity, found_by_human, without_number
from switchboard.clinic.machine import machine, move
from switchboard.clinic.providers import DeliveryHow, PaymentState
from switchboard.clinic.registers import Query

MOST_PAPERS = 60
MOST_QUESTIONS = 60
MOST_QUERIES = 12
CONSENTS = ("recording", "processing")
"""Without these nothing goes on; ``registers`` is asked for besides, before any register is."""


@dataclass(frozen=True, slots=True)
class PaperAtHand:
    """``sha256`` of what was photographed or uploaded; None: said to be at hand, not shown yet."""

    paper: str
    sha256: str | None
    at_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the notary and what was answered, as it goes into the record."""

    question: str
    answer: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Document:
    """What is read out and signed; ``sha256`` of its text."""

    text: str
    sha256: str
    version: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Signature:
    """Bound to the document's digest, the signer's identity check and the moment."""

    party: str
    sha256: str
    how: str
    at_ms: int
    identity_by: str
    identity_ms: int
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    how: DeliveryHow
    tracking: str | None = None
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class NotaryAct:
    """``electronic``, ``article``, ``fee_fen`` are the catalogue's as they were when it was applied for."""

    act: str
    terminal: str | None
    answers: Mapping[str, str]
    fee_fen: int
    electronic: bool = True
    article: str = ""
    registers: tuple[str, ...] = ()
    papers: tuple[PaperAtHand, ...] = ()
    agent: str | None = None
    contact: str | None = None
    identity: Identity | None = None
    consents: Mapping[str, int] = field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    document: Document | None = None
    read_version: int | None = None
    understood: bool = False
    asked: tuple[Asked, ...] = ()
    questions_done: bool = False
    signature: Signature | None = None
    done: tuple[str, ...] = ()
    payment: PaymentState = "none"
    payment_url: str | None = None
    sealed_ms: int | None = None
    reviewed_by: str | None = None
    certificate: str | None = None
    delivery: Delivery | None = None
    gaps: tuple[tuple[int, str], ...] = ()
    """When the act was paused, and why: it stands in the record."""
    note: str = ""


_OPEN = "applied accepted acting paused"

ACT = machine(
    "applied",
    "delivered withdrawn refused",
    [
        move("add_paper", "applied accepted acting", None, "citizen notary"),
        move("answer_questions", "applied", None, "citizen notary"),
        move("supplement", "applied", None, "notary"),
        move("accept", "applied", "accepted", "notary"),
        move("refuse", "applied accepted acting paused", "refused", "notary"),
        move("withdraw", _OPEN, "withdrawn", "citizen"),
        move("ask_payment", "accepted acting paused sealed reviewed", None, "notary system"),
        move("paid", "accepted acting paused sealed reviewed", None, "system"),
        move("begin", "accepted", "acting", "notary"),
        move("show_card", "acting", None, "citizen notary"),
        move("identify", "acting", None, "notary"),
        move("consent", "acting", None, "citizen"),
        move("take_back", "acting paused", None, "citizen"),
        move("query", "acting", None, "notary"),
        move("answered", "accepted acting paused sealed reviewed", None, "system"),
        move("register_away", "accepted acting paused sealed reviewed", None, "system"),
        move("document", "acting", None, "notary"),
        move("read", "acting", None, "notary"),
        move("understood", "acting", None, "citizen"),
        move("question", "acting", None, "notary"),
        move("questions_done", "acting", None, "notary"),
        move("sign", "acting", None, "citizen notary"),
        move("seal", "acting", "sealed", "notary"),
        move("pause", "acting", "paused", "notary system"),
        move("resume", "paused", "acting", "notary"),
        move("review", "sealed", "reviewed", "notary"),
        move("send_back", "sealed", "acting", "notary"),
        move("issue", "reviewed", "issued", "notary"),
        move("dispatch", "issued", "on_way", "notary"),
        move("ready", "issued", "ready", "notary"),
        move("deliver", "on_way ready", "delivered", "notary system"),
    ],
)


def _needs(act: NotaryAct, step: str) -> None:
    """Raises StepsMissing naming every earlier step that is not done."""
    missing = tuple(one for one in STEPS[: STEPS.index(step)] if one not in act.done)
    if missing:
        raise StepsMissing(problems=missing)


def _done(act: NotaryAct, step: str) -> NotaryAct:
    return act if step in act.done else replace(act, done=(*act.done, step))


def _undone(act: NotaryAct, step: str) -> NotaryAct:
    """This step and all after it have to be done (again)."""
    kept = STEPS[: STEPS.index(step)]
    return replace(act, done=tuple(one for one in act.done if one in kept))


def apply(act: NotaryAct, step: Step, state: str) -> NotaryAct:
    change = _CHANGES.get(step.verb)
    return change(act, step) if change else act


def _add_paper(act: NotaryAct, step: Step) -> NotaryAct:
    if len(act.papers) >= MOST_PAPERS:
        raise TooMany
    fresh = PaperAtHand(step["paper"], step["sha256"], step.at_ms, step.actor.id)
    return replace(act, papers=(*act.papers, fresh))


def _accept(act: NotaryAct, step: Step) -> NotaryAct:
    """``missing``: papers that the check names, by id; ``refused``: why this person cannot apply."""
    if step["missing"]:
        raise PapersMissing(problems=tuple(step["missing"]))
    return replace(act, agent=step.actor.id)


def _show_card(act: NotaryAct, step: Step) -> NotaryAct:
    if act.identity is not None and act.identity.checked:
        act = _undone(act, "identity")  # somebody else stands there now: from the beginning
        act = replace(act, consents={}, read_version=None, understood=False, signature=None)
    return replace(act, identity=step["identity"])


def _identify(act: NotaryAct, step: Step) -> NotaryAct:
    if act.identity is None:
        raise NotIdentified
    found = found_by_human(
        act.identity, outcome=step["outcome"], by=step.actor.id, at_ms=step.at_ms, note=step["note"]
    )
    act = replace(act, identity=found)
    return _done(act, "identity") if found.checked else _undone(act, "identity")


def _consent(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "consent")
    act = replace(act, consents={**act.consents, step["what"]: step.at_ms})
    return _done(act, "consent") if all(one in act.consents for one in CONSENTS) else act


def _take_back(act: NotaryAct, step: Step) -> NotaryAct:
    left = {what: at for what, at in act.consents.items() if what != step["what"]}
    act = replace(act, consents=left)
    return act if all(one in left for one in CONSENTS) else _undone(act, "consent")


def _query(act: NotaryAct, step: Step) -> NotaryAct:
    if act.identity is None or not act.identity.checked:
        raise NotIdentified
    if "registers" not in act.consents:
        raise NoConsent
    if len(act.queries) >= MOST_QUERIES:
        raise TooMany
    if any(one.state == "asked" and one.register == step["register"] for one in act.queries):
        raise StillAsked
    fresh = Query(step["query"], step["register"], step.actor.id, step.at_ms)
    return replace(act, queries=(*act.queries, fresh))


def _answered(act: NotaryAct, step: Step) -> NotaryAct:
    given = step["answer"]
    return replace(act, queries=tuple(given if one.id == given.id else one for one in act.queries))


def _document(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "reading")
    version = act.document.version + 1 if act.document else 1
    act = replace(_undone(act, "reading"), read_version=None, understood=False, signature=None)
    return replace(act, document=Document(step["text"], step["sha256"], version, step.at_ms))


def _read(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "reading")
    _check_version(act, step["sha256"])
    return replace(act, read_version=act.document.version if act.document else None)


def _understood(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "reading")
    _check_version(act, step["sha256"])
    if act.document is None or act.read_version != act.document.version:
        raise StepsMissing(problems=("reading",))
    return _done(replace(act, understood=True), "reading")


def _question(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "questions")
    if len(act.asked) >= MOST_QUESTIONS:
        raise TooMany
    return replace(act, asked=(*act.asked, Asked(step["question"], step["answer"], step.at_ms)))


def _questions_done(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "questions")
    if not act.asked:
        raise StepsMissing(problems=("question",))
    return _done(replace(act, questions_done=True), "questions")


def _sign(act: NotaryAct, step: Step) -> NotaryAct:
    """``how``: ``electronic`` by the person, or ``paper``: the notary has seen it signed and photographed it."""
    _needs(act, "signing")
    _check_version(act, step["sha256"])
    if (step["how"] == "paper") != (step.actor.role == "notary"):
        raise Unfit(fields=("how",))
    if step["how"] == "electronic" and not act.electronic:
        raise NotElectronic(problems=(act.article,))
    if step["how"] == "paper" and not step["picture"]:
        raise Unfit(fields=("picture",))
    who = act.identity
    if who is None or not who.checked or who.by is None or who.at_ms is None:
        raise NotIdentified
    signed = Signature("p1", step["sha256"], step["how"], step.at_ms, who.by, who.at_ms, step["picture"])
    return _done(replace(act, signature=signed), "signing")


def _seal(act: NotaryAct, step: Step) -> NotaryAct:
    _needs(act, "seal")
    if any(one.state == "asked" for one in act.queries):
        raise StillAsked
    unanswered = [one for one in act.registers if not _answer_of(act, one)]
    if unanswered:
        raise StepsMissing(problems=tuple(f"query {one}" for one in unanswered))
    return _done(replace(act, sealed_ms=step.at_ms), "seal")


def _answer_of(act: NotaryAct, register: str) -> bool:
    """Whether the register has answered, or the notary has asked in vain and goes by the papers."""
    return any(one.register == register and one.state in ("answered", "away") for one in act.queries)


def _review(act: NotaryAct, step: Step) -> NotaryAct:
    if step.actor.id == act.agent:
        raise SamePerson
    return replace(act, reviewed_by=step.actor.id, note=step["note"])


def _issue(act: NotaryAct, step: Step) -> NotaryAct:
    if act.fee_fen and act.payment != "paid":
        raise NotPaid
    return replace(act, certificate=step["certificate"])


def _check_version(act: NotaryAct, sha256: str) -> None:
    if act.document is None or act.document.sha256 != sha256:
        raise OtherVersion


def _delivered(act: NotaryAct, step: Step) -> NotaryAct:
    return replace(act, identity=without_number(act.identity))


_CHANGES = {
    "add_paper": _add_paper,
    "answer_questions": lambda act, step: replace(act, answers=step["answers"]),
    "supplement": lambda act, step: replace(act, note=step["note"]),
    "accept": _accept,
    "refuse": lambda act, step: replace(_delivered(act, step), note=step["note"]),
    "withdraw": _delivered,
    "ask_payment": lambda act, step: replace(act, payment="asked", payment_url=step["url"]),
    "paid": lambda act, step: replace(act, payment="paid"),
    "begin": lambda act, step: replace(act, contact=step["contact"]),
    "show_card": _show_card,
    "identify": _identify,
    "consent": _consent,
    "take_back": _take_back,
    "query": _query,
    "answered": _answered,
    "register_away": _answered,
    "document": _document,
    "read": _read,
    "understood": _understood,
    "question": _question,
    "questions_done": _questions_done,
    "sign": _sign,
    "seal": _seal,
    "pause": lambda act, step: replace(act, gaps=(*act.gaps, (step.at_ms, step["why"]))),
    "review": _review,
    "send_back": lambda act, step: replace(_undone(act, "reading"), sealed_ms=None, note=step["note"]),
    "issue": _issue,
    "dispatch": lambda act, step: replace(act, delivery=Delivery("courier", step["tracking"], step.at_ms)),
    "ready": lambda act, step: replace(act, delivery=Delivery("pick_up", None, step.at_ms)),
    "deliver": _delivered,
}

ACTS = Subject(
    "act",
    "na",
    ACT,
    NotaryAct,
    apply,
    lambda one: Index(agent=one.agent, terminal=one.terminal),
    frozenset(
        {"act", "paper", "sha256", "missing", "what", "outcome", "register", "query", "digest", "how"}
        | {"why", "picture", "certificate", "tracking", "contact", "card", "face"}
    ),
)
