"""Legal aid and service at home: who may, which checks are simplified, and what becomes of an application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from switchboard.clinic.cases import Index, Step, Subject
from switchboard.clinic.catalogue.model import Words
from switchboard.clinic.errors import MayNotApply, NotIdentified, PapersMissing, TooMany, Unfit
from switchboard.clinic.identity import PRIORITY_FROM, Identity, found_by_human, without_number
from switchboard.clinic.machine import machine, move

MOST_PAPERS = 30


@dataclass(frozen=True, slots=True)
class Group:
    """``exempt``: no check of means (Legal Aid Law, article 42). ``papers``: what shows that somebody belongs to it.
    ``priority``: the reason of the routing policy."""

    id: str
    words: Words
    exempt: bool
    papers: tuple[str, ...]
    priority: str | None = None


GROUPS: Mapping[str, Group] = {
    one.id: one
    for one in (
        Group(
            "minor", Words("无固定生活来源的未成年人", "Minor without income"), True, ("id_card",), "minor"
        ),
        Group("over_80", Words("八十岁以上老人", "Over 80 years old"), True, ("id_card",), "over_80"),
        Group(
            "disability",
            Words("残疾人", "Person with a disability"),
            True,
            ("disability_card",),
            "disability",
        ),
        Group(
            "social_relief",
            Words("社会救助、司法救助对象", "On social or judicial relief"),
            True,
            ("relief_card",),
        ),
        Group(
            "servicemen",
            Words("优抚对象、军人军属、退役军人", "Veterans, servicemen and their families"),
            True,
            ("service_card",),
            "servicemen",
        ),
        Group(
            "migrant_worker",
            Words(
                "追索劳动报酬或工伤赔偿的进城务工人员", "Migrant worker claiming wages or injury compensation"
            ),
            True,
            ("work_proof",),
        ),
        Group(
            "means", Words("经济困难（需核查）", "Small means (to be checked)"), False, ("means_statement",)
        ),
    )
}


@dataclass(frozen=True, slots=True)
class AidPaper:
    paper: str
    sha256: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Aid:
    """``lawyer``: whom the centre has named. ``home``: to be served at home."""

    groups: tuple[str, ...]
    matter: str
    facts: str
    terminal: str | None = None
    phone: str | None = None
    agent: str | None = None
    identity: Identity | None = None
    papers: tuple[AidPaper, ...] = ()
    asked_for: tuple[str, ...] = ()
    lawyer: str | None = None
    reason: str = ""

    @property
    def simplified(self) -> bool:
        """Whether means are not checked."""
        return any(GROUPS[one].exempt for one in self.groups)

    @property
    def priority(self) -> str | None:
        return next((GROUPS[one].priority for one in self.groups if GROUPS[one].priority), None)

    @property
    def missing(self) -> tuple[str, ...]:
        """Papers that are still needed: those of one group that exempts, or else of all."""
        have = {one.paper for one in self.papers}
        if self.identity is not None and self.identity.card:
            have.add("id_card")
        if any(GROUPS[one].exempt and set(GROUPS[one].papers) <= have for one in self.groups):
            return ()
        wanted = dict.fromkeys(paper for one in self.groups for paper in GROUPS[one].papers)
        return tuple(one for one in wanted if one not in have)


AID = machine(
    "applied",
    "granted refused withdrawn",
    [
        move("take", "applied", "checking", "legal_aid_worker"),
        move("add_paper", "applied checking waiting", None, "citizen legal_aid_worker"),
        move("show_card", "applied checking waiting", None, "citizen legal_aid_worker"),
        move("identify", "checking", None, "legal_aid_worker"),
        move("ask_papers", "checking", "waiting", "legal_aid_worker"),
        move("go_on", "waiting", "checking", "citizen legal_aid_worker"),
        move("grant", "checking", "granted", "legal_aid_worker"),
        move("refuse", "checking", "refused", "legal_aid_worker"),
        move("withdraw", "applied checking waiting", "withdrawn", "citizen"),
    ],
)


def _identify(identity: Identity | None, step: Step) -> Identity:
    if identity is None:
        raise NotIdentified
    return found_by_human(
        identity, outcome=step["outcome"], by=step.actor.id, at_ms=step.at_ms, note=step["note"]
    )


def _add_paper(aid: Aid, step: Step) -> Aid:
    if len(aid.papers) >= MOST_PAPERS:
        raise TooMany
    return replace(aid, papers=(*aid.papers, AidPaper(step["paper"], step["sha256"], step.at_ms)))


def _grant(aid: Aid, step: Step) -> Aid:
    if aid.identity is None or not aid.identity.checked:
        raise NotIdentified
    if aid.missing:
        raise PapersMissing(problems=aid.missing)
    if "over_80" in aid.groups and aid.identity.age < PRIORITY_FROM and len(aid.groups) == 1:
        raise Unfit(fields=("groups",))
    return replace(_over(aid, step), lawyer=step["lawyer"])


def _over(aid: Aid, step: Step) -> Aid:
    return replace(aid, identity=without_number(aid.identity), phone=None)


_AID: Mapping[str, Callable[[Aid, Step], Aid]] = {
    "take": lambda aid, step: replace(aid, agent=step.actor.id),
    "add_paper": _add_paper,
    "show_card": lambda aid, step: replace(aid, identity=step["identity"]),
    "identify": lambda aid, step: replace(aid, identity=_identify(aid.identity, step)),
    "ask_papers": lambda aid, step: replace(aid, asked_for=tuple(step["papers"])),
    "grant": _grant,
    "refuse": lambda aid, step: replace(_over(aid, step), reason=step["note"]),
    "withdraw": _over,
}


def _apply_aid(aid: Aid, step: Step, state: str) -> Aid:
    change = _AID.get(step.verb)
    return change(aid, step) if change else aid


AIDS = Subject(
    "aid",
    "la",
    AID,
    Aid,
    _apply_aid,
    lambda one: Index(agent=one.agent, terminal=one.terminal),
    frozenset({"paper", "sha256", "papers", "outcome", "lawyer", "groups", "matter"}),
)


# ---- at home


@dataclass(frozen=True, slots=True)
class HomeVisit:
    """``why``: ``over_80`` or ``severe_disability``. ``address`` and ``phone`` go when it is over."""

    why: str
    service: str
    address: str | None
    phone: str | None
    terminal: str | None = None
    agent: str | None = None
    from_ms: int | None = None
    identity: Identity | None = None
    disability_level: int | None = None
    note: str = ""


HOME = machine(
    "asked",
    "done cancelled refused",
    [
        move("plan", "asked planned", "planned", "legal_aid_worker"),
        move("show_card", "planned", None, "legal_aid_worker"),
        move("identify", "planned", None, "legal_aid_worker"),
        move("finish", "planned", "done", "legal_aid_worker"),
        move("refuse", "asked planned", "refused", "legal_aid_worker"),
        move("cancel", "asked planned", "cancelled", "citizen legal_aid_worker"),
    ],
)
SEVERE = (1, 2)
"""Levels of the disability card that count as severe."""


def check_home(why: str, disability_level: int | None) -> None:
    """Raises MayNotApply in words."""
    if why == "severe_disability" and disability_level not in SEVERE:
        raise MayNotApply(
            problems=(
                "上门服务面向八十岁以上老人和一、二级残疾人 / for people over 80 and disability levels 1 and 2",
            )
        )


def _finish(home: HomeVisit, step: Step) -> HomeVisit:
    """Somebody was at the door and saw the card."""
    if home.identity is None or not home.identity.checked:
        raise NotIdentified
    if home.why == "over_80" and home.identity.age < PRIORITY_FROM:
        raise MayNotApply
    return _home_over(home, step)


def _home_over(home: HomeVisit, step: Step) -> HomeVisit:
    return replace(home, identity=without_number(home.identity), address=None, phone=None)


_HOME: Mapping[str, Callable[[HomeVisit, Step], HomeVisit]] = {
    "plan": lambda home, step: replace(home, agent=step.actor.id, from_ms=step["from_ms"]),
    "show_card": lambda home, step: replace(home, identity=step["identity"]),
    "identify": lambda home, step: replace(home, identity=_identify(home.identity, step)),
    "finish": _finish,
    "refuse": lambda home, step: replace(_home_over(home, step), note=step["note"]),
    "cancel": _home_over,
}


def _apply_home(home: HomeVisit, step: Step, state: str) -> HomeVisit:
    change = _HOME.get(step.verb)
    return change(home, step) if change else home


HOMES = Subject(
    "home",
    "hv",
    HOME,
    HomeVisit,
    _apply_home,
    lambda one: Index(agent=one.agent, terminal=one.terminal, from_ms=one.from_ms),
    frozenset({"why", "service", "from_ms", "outcome"}),
)
