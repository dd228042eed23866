"""What is known of people in prison and rehabilitation, at levels 2 to 4: prepared by one, approved by another.

Level 1 is public and needs no request. 2: close relatives, with proof of kinship; 3: the person, by the same identity
number; 4: anybody else, by an application with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from switchboard.clinic.cases import Index, Step, Subject
from switchboard.clinic.errors import NotIdentified, PapersMissing, SamePerson, Unfit
from switchboard.clinic.identity import Identity, found_by_human, without_number
from switchboard.clinic.machine import machine, move

LEVELS = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """``subject`` is the digest of the number of the person asked about, ``told``: when and to whom it was said.

    ``answer`` is what may be said; it goes when it was told.
    """

    level: int
    subject_name: str | None
    subject: str
    subject_mask: str
    relation: str = ""
    reason: str = ""
    terminal: str | None = None
    identity: Identity | None = None
    kinship: str | None = None
    prepared_by: str | None = None
    answer: str | None = None
    approved_by: str | None = None
    decided_ms: int | None = None
    told_ms: int | None = None
    note: str = ""


DISCLOSURE = machine(
    "asked",
    "told refused withdrawn",
    [
        move("show_card", "asked", None, "citizen rectification_worker legal_aid_worker"),
        move("identify", "asked", None, "rectification_worker legal_aid_worker"),
        move("add_kinship", "asked", None, "citizen rectification_worker legal_aid_worker"),
        move("prepare", "asked", "prepared", "rectification_worker"),
        move("send_back", "prepared", "asked", "rectification_worker supervisor administrator"),
        move("approve", "prepared", "approved", "rectification_worker supervisor administrator"),
        move("refuse", "asked prepared", "refused", "rectification_worker supervisor administrator"),
        move("tell", "approved", "told", "rectification_worker"),
        move("withdraw", "asked prepared approved", "withdrawn", "citizen"),
    ],
)


def _identify(one: Disclosure, step: Step) -> Disclosure:
    if one.identity is None:
        raise NotIdentified
    found = found_by_human(
        one.identity, outcome=step["outcome"], by=step.actor.id, at_ms=step.at_ms, note=step["note"]
    )
    return replace(one, identity=found)


def _prepare(one: Disclosure, step: Step) -> Disclosure:
    """Raises NotIdentified; PapersMissing at level 2 without kinship; Unfit at level 3 for somebody else's number, at
    level 4 without a reason."""
    if one.identity is None or not one.identity.checked:
        raise NotIdentified
    if one.level == 2 and (one.kinship is None or not one.relation):
        raise PapersMissing(problems=("kinship_proof",))
    if one.level == 3 and one.identity.digest != one.subject:
        raise Unfit(fields=("level",))
    if one.level == 4 and not one.reason.strip():
        raise Unfit(fields=("reason",))
    return replace(one, prepared_by=step.actor.id, answer=step["answer"])


def _approve(one: Disclosure, step: Step) -> Disclosure:
    if step.actor.id in (one.prepared_by, one.identity.by if one.identity else None):
        raise SamePerson
    return replace(one, approved_by=step.actor.id, decided_ms=step.at_ms)


def _over(one: Disclosure, step: Step) -> Disclosure:
    return replace(one, identity=without_number(one.identity), answer=None, subject_name=None)


_CHANGES: Mapping[str, Callable[[Disclosure, Step], Disclosure]] = {
    "show_card": lambda one, step: replace(one, identity=step["identity"]),
    "identify": _identify,
    "add_kinship": lambda one, step: replace(one, kinship=step["sha256"]),
    "prepare": _prepare,
    "send_back": lambda one, step: replace(one, prepared_by=None, answer=None, note=step["note"]),
    "approve": _approve,
    "refuse": lambda one, step: replace(_over(one, step), decided_ms=step.at_ms, note=step["note"]),
    "tell": lambda one, step: replace(_over(one, step), told_ms=step.at_ms),
    "withdraw": _over,
}


def apply(one: Disclosure, step: Step, state: str) -> Disclosure:
    change = _CHANGES.get(step.verb)
    return change(one, step) if change else one


DISCLOSURES = Subject(
    "disclosure",
    "dc",
    DISCLOSURE,
    Disclosure,
    apply,
    lambda one: Index(agent=one.prepared_by, terminal=one.terminal),
    frozenset({"level", "outcome", "sha256"}),
)
