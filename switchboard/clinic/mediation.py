"""A mediation: who is in it, what they see, and that everybody signs the same text in order.

::

    requested -> preparing -> session <-> caucus
                                 ^ |
                        objection| v  read aloud
                              reading -> signing -> signed -> closed
                                 (a party leaves: paused, until they are back)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from switchboard.clinic.act import Signature
from switchboard.clinic.cases import Index, Step, Subject
from switchboard.clinic.errors import (
    NoConsent,
    NotAllSee,
    NotElectronic,
    NotIdentified,
    NotNow,
    NotYourTurn,
    OtherVersion,
    StepsMissing,
    TooMany,
    Unfit,
)
from switchboard.clinic.identity import Identity, found_by_human, without_number
from switchboard.clinic.machine import machine, move
from switchboard.errors import NotFound

MOST_PARTIES = 10
MOST_VERSIONS = 50
ARTICLE = "《电子签名法》第三条：涉及婚姻、收养、继承等人身关系的文书不适用电子签名"
MEDIATOR = "mediator"

How = Literal["terminal", "link", "phone"]
Presence = Literal["invited", "waiting", "here", "left", "removed"]


@dataclass(frozen=True, slots=True)
class Party:
    """``order``: who signs when; the same number signs in any order. ``seen``, ``agreed``: of which version."""

    id: str
    name: str
    side: str
    how: How
    order: int
    terminal: str | None = None
    presence: Presence = "invited"
    identity: Identity | None = None
    consents: Mapping[str, int] = field(default_factory=dict)
    seen: int = 0
    agreed: int = 0
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    agreement: str
    fields: Mapping[str, str]
    text: str
    sha256: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Caucus:
    """The mediator alone with some of them; the others hear nothing and nothing is recorded."""

    parties: tuple[str, ...]
    from_ms: int
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Mediation:
    """``read_version``: read aloud to everybody. ``mediator_signature`` comes last."""

    about: str
    terminal: str | None = None
    agent: str | None = None
    contact: str | None = None
    parties: tuple[Party, ...] = ()
    opened_ms: int | None = None
    caucuses: tuple[Caucus, ...] = ()
    versions: tuple[Version, ...] = ()
    electronic: bool = True
    read_version: int = 0
    mediator_signature: Signature | None = None
    signed_ms: int | None = None
    confirmation: bool = True
    """Whether an application for judicial confirmation goes with the agreement."""
    rounds: int = 0
    """How often signing was opened: each time on a fresh paper."""
    paused_from: str | None = None
    outcome: str = ""
    gaps: tuple[tuple[int, str, str], ...] = ()

    @property
    def active(self) -> tuple[Party, ...]:
        return tuple(one for one in self.parties if one.presence != "removed")

    @property
    def newest(self) -> Version | None:
        return self.versions[-1] if self.versions else None

    def party(self, ident: str) -> Party:
        """Raises NotFound, also for one who was sent out."""
        found = next((one for one in self.active if one.id == ident), None)
        if found is None:
            raise NotFound
        return found

    @property
    def all_signed(self) -> bool:
        return self.mediator_signature is not None and all(one.signature for one in self.active)


_TALK = "session caucus reading signing"
_OPEN = f"requested preparing paused {_TALK}"

MEDIATION = machine(
    "requested",
    "closed failed withdrawn",
    [
        move("take", "requested", "preparing", "mediator"),
        move("withdraw", "requested", "withdrawn", "citizen terminal"),
        move("invite", f"preparing paused {_TALK}", None, "mediator"),
        move("remove", "preparing session paused", None, "mediator"),
        move("come", f"preparing paused {_TALK}", None, "citizen"),
        move("admit", f"preparing paused {_TALK}", None, "mediator"),
        move("send_back", f"preparing paused {_TALK}", None, "mediator"),
        move("show_card", f"preparing paused {_TALK}", None, "citizen mediator"),
        move("identify", f"preparing paused {_TALK}", None, "mediator"),
        move("consent", f"preparing paused {_TALK}", None, "citizen"),
        move("open", "preparing", "session", "mediator"),
        move("caucus", "session", "caucus", "mediator"),
        move("rejoin", "caucus", "session", "mediator"),
        move("draft", "session", None, "mediator"),
        move("see", "session reading signing", None, "citizen"),
        move("read_aloud", "session", "reading", "mediator"),
        move("object", "reading signing", "session", "citizen"),
        move("agree", "reading", None, "citizen"),
        move("open_signing", "reading", "signing", "mediator"),
        move("redraft", "reading signing", "session", "mediator"),
        move("sign", "signing", None, "citizen mediator"),
        move("sign_spoken", "signing", None, "mediator"),
        move("sign_paper", "signing", None, "mediator"),
        move("refuse_to_sign", "signing", "session", "citizen"),
        move("complete", "signing", "signed", "system"),
        move("party_left", _TALK, "paused", "citizen mediator system"),
        move("resume", "paused", "session", "mediator"),
        move("resume_signing", "paused", "signing", "mediator"),
        move("fail", f"preparing paused {_TALK}", "failed", "mediator"),
        move("close", "signed", "closed", "mediator system"),
    ],
)


def apply(mediation: Mediation, step: Step, state: str) -> Mediation:
    if state == "signing" and mediation.all_signed and step.verb != "complete":
        raise NotNow  # it stands; only its end is still to be written
    change = _CHANGES.get(step.verb)
    changed = change(mediation, step) if change else mediation
    return replace(changed, paused_from=state) if step.verb == "party_left" else changed


def _with(mediation: Mediation, party: Party) -> Mediation:
    parties = tuple(party if one.id == party.id else one for one in mediation.parties)
    return replace(mediation, parties=parties)


def _own(mediation: Mediation, step: Step) -> Party:
    """The party who takes the step; a mediator names one."""
    return mediation.party(step["party"] if step.actor.role == MEDIATOR else step.actor.id)


def _unsigned(mediation: Mediation) -> Mediation:
    """Nobody has signed or agreed, nothing was read out: the text may change."""
    parties = tuple(replace(one, signature=None, agreed=0) for one in mediation.parties)
    return replace(mediation, parties=parties, mediator_signature=None, read_version=0)


def _invite(mediation: Mediation, step: Step) -> Mediation:
    if mediation.versions and any(one.signature for one in mediation.parties):
        raise NotNow
    if len(mediation.parties) >= MOST_PARTIES:
        raise TooMany
    count = len(mediation.parties) + 1
    fresh = Party(
        f"p{count}", step["name"], step["side"], step["how"], step["order"] or count, step["terminal"]
    )
    return replace(mediation, parties=(*mediation.parties, fresh))


def _presence(presence: Presence, *since: Presence) -> Callable[[Mediation, Step], Mediation]:
    def change(mediation: Mediation, step: Step) -> Mediation:
        party = _own(mediation, step)
        if party.presence not in since:
            raise NotNow
        return _with(mediation, replace(party, presence=presence))

    return change


def _show_card(mediation: Mediation, step: Step) -> Mediation:
    party = _own(mediation, step)
    if party.signature is not None:
        raise NotNow
    return _with(mediation, replace(party, identity=step["identity"], consents={}, seen=0, agreed=0))


def _identify(mediation: Mediation, step: Step) -> Mediation:
    party = _own(mediation, step)
    if party.identity is None:
        raise NotIdentified
    found = found_by_human(
        party.identity, outcome=step["outcome"], by=step.actor.id, at_ms=step.at_ms, note=step["note"]
    )
    return _with(mediation, replace(party, identity=found))


def _consent(mediation: Mediation, step: Step) -> Mediation:
    party = _own(mediation, step)
    return _with(mediation, replace(party, consents={**party.consents, step["what"]: step.at_ms}))


def _open(mediation: Mediation, step: Step) -> Mediation:
    """The opening statement: only when everybody is here, known and has agreed to be recorded."""
    if len(mediation.active) < 2:
        raise StepsMissing(problems=("parties",))
    away = tuple(one.id for one in mediation.active if one.presence != "here")
    if away:
        raise StepsMissing(problems=tuple(f"{one} admit" for one in away))
    unknown = tuple(one.id for one in mediation.active if not (one.identity and one.identity.checked))
    if unknown:
        raise NotIdentified(problems=unknown)
    silent = tuple(one.id for one in mediation.active if "recording" not in one.consents)
    if silent:
        raise NoConsent(problems=silent)
    return replace(mediation, opened_ms=step.at_ms, contact=step["contact"])


def _caucus(mediation: Mediation, step: Step) -> Mediation:
    parties = tuple(dict.fromkeys(step["parties"]))
    for one in parties:
        mediation.party(one)
    if not parties or len(parties) >= len(mediation.active):
        raise Unfit(fields=("data.parties",))
    return replace(mediation, caucuses=(*mediation.caucuses, Caucus(parties, step.at_ms)))


def _rejoin(mediation: Mediation, step: Step) -> Mediation:
    *before, last = mediation.caucuses
    return replace(mediation, caucuses=(*before, replace(last, to_ms=step.at_ms)))


def _draft(mediation: Mediation, step: Step) -> Mediation:
    if len(mediation.versions) >= MOST_VERSIONS:
        raise TooMany
    fresh = Version(
        len(mediation.versions) + 1,
        step["agreement"],
        step["fields"],
        step["text"],
        step["sha256"],
        step.actor.id,
        step.at_ms,
    )
    mediation = _unsigned(mediation)
    return replace(mediation, versions=(*mediation.versions, fresh), electronic=step["electronic"])


def _newest(mediation: Mediation, sha256: str) -> Version:
    found = mediation.newest
    if found is None or found.sha256 != sha256:
        raise OtherVersion
    return found


def _see(mediation: Mediation, step: Step) -> Mediation:
    version = _newest(mediation, step["sha256"])
    return _with(mediation, replace(_own(mediation, step), seen=version.number))


def _read_aloud(mediation: Mediation, step: Step) -> Mediation:
    version = _newest(mediation, step["sha256"])
    blind = tuple(one.id for one in mediation.active if one.seen != version.number and one.how != "phone")
    if blind:
        raise NotAllSee(problems=blind)
    # Who is on the telephone sees nothing: what was read aloud is what they know.
    parties = tuple(
        replace(one, seen=version.number) if one.how == "phone" else one for one in mediation.parties
    )
    return replace(mediation, parties=parties, read_version=version.number)


def _agree(mediation: Mediation, step: Step) -> Mediation:
    version = _newest(mediation, step["sha256"])
    return _with(mediation, replace(_own(mediation, step), agreed=version.number))


def _open_signing(mediation: Mediation, step: Step) -> Mediation:
    version = _newest(mediation, step["sha256"])
    silent = tuple(one.id for one in mediation.active if one.agreed != version.number)
    if silent:
        raise NoConsent(problems=silent)
    return replace(mediation, confirmation=step["confirmation"], rounds=mediation.rounds + 1)


def _check_turn(mediation: Mediation, party: Party) -> None:
    before = [one for one in mediation.active if one.order < party.order and one.signature is None]
    if before:
        raise NotYourTurn(problems=tuple(one.id for one in before))


def _sign(mediation: Mediation, step: Step) -> Mediation:
    """Of a party with a pass, or of the mediator, who signs last."""
    if step.actor.role == MEDIATOR:
        return _mediator_signs(mediation, step)
    if not mediation.electronic:
        raise NotElectronic(problems=(ARTICLE,))
    return _party_signs(mediation, step, _own(mediation, step), "electronic", "electronic")


def _party_signs(mediation: Mediation, step: Step, party: Party, how: str, consent: str | None) -> Mediation:
    version = _newest(mediation, step["sha256"])
    if party.signature is not None:
        raise NotNow
    if mediation.read_version != version.number or party.agreed != version.number:
        raise StepsMissing(problems=("reading",))
    who = party.identity
    if who is None or not who.checked or who.by is None or who.at_ms is None:
        raise NotIdentified
    if consent is not None and consent not in party.consents:
        raise NoConsent
    _check_turn(mediation, party)
    signed = Signature(party.id, version.sha256, how, step.at_ms, who.by, who.at_ms, step["picture"])
    return _with(mediation, replace(party, signature=signed))


def _sign_spoken(mediation: Mediation, step: Step) -> Mediation:
    """Who is on the telephone says so; ``picture`` is the digest of the recording of it."""
    party = _own(mediation, step)
    if not mediation.electronic:
        raise NotElectronic(problems=(ARTICLE,))
    if party.how != "phone" or not step["picture"]:
        raise Unfit(fields=("data.party", "data.picture"))
    return _party_signs(mediation, step, party, "spoken", "recording")


def _sign_paper(mediation: Mediation, step: Step) -> Mediation:
    """What may not be signed electronically: the mediator has the signed page; ``picture`` is its photograph."""
    if not step["picture"]:
        raise Unfit(fields=("data.picture",))
    return _party_signs(mediation, step, _own(mediation, step), "paper", None)


def _mediator_signs(mediation: Mediation, step: Step) -> Mediation:
    version = _newest(mediation, step["sha256"])
    left = tuple(one.id for one in mediation.active if one.signature is None)
    if left:
        raise NotYourTurn(problems=left)
    how = "electronic" if mediation.electronic else "paper"
    me = step.actor.id
    signed = Signature(me, version.sha256, how, step.at_ms, me, step.at_ms, step["picture"])
    return replace(mediation, mediator_signature=signed)


def _complete(mediation: Mediation, step: Step) -> Mediation:
    if not mediation.all_signed:
        raise NotNow
    return replace(mediation, signed_ms=step.at_ms)


def _party_left(mediation: Mediation, step: Step) -> Mediation:
    """Signatures stay when only the line was lost; whoever comes back reads on where it was."""
    party = mediation.party(step["party"] if step.actor.role != "citizen" else step.actor.id)
    if party.presence != "here":
        raise NotNow
    mediation = _with(mediation, replace(party, presence="left"))
    caucuses = tuple(
        one if one.to_ms is not None else replace(one, to_ms=step.at_ms) for one in mediation.caucuses
    )
    gaps = (*mediation.gaps, (step.at_ms, party.id, step["why"]))
    return replace(mediation, caucuses=caucuses, gaps=gaps)


def _all_back(mediation: Mediation) -> None:
    away = tuple(one.id for one in mediation.active if one.presence != "here")
    if away:
        raise StepsMissing(problems=tuple(f"{one} admit" for one in away))


def _resume(mediation: Mediation, step: Step) -> Mediation:
    """Back to the talk: the text may change again, so that nothing signed stands."""
    _all_back(mediation)
    return _unsigned(mediation)


def _resume_signing(mediation: Mediation, step: Step) -> Mediation:
    """The line was lost while they signed: what is signed stands, the rest goes on where it was."""
    if mediation.paused_from != "signing":
        raise NotNow
    _all_back(mediation)
    return mediation


def _closed(mediation: Mediation, step: Step) -> Mediation:
    parties = tuple(replace(one, identity=without_number(one.identity)) for one in mediation.parties)
    return replace(mediation, parties=parties)


def _failed(mediation: Mediation, step: Step) -> Mediation:
    return replace(_closed(mediation, step), outcome=step["note"])


_CHANGES: Mapping[str, Callable[[Mediation, Step], Mediation]] = {
    "take": lambda one, step: replace(one, agent=step.actor.id),
    "invite": _invite,
    "remove": _presence("removed", "invited", "waiting", "here", "left"),
    "come": _presence("waiting", "invited", "left", "waiting"),
    "admit": _presence("here", "waiting"),
    "send_back": _presence("waiting", "here"),
    "show_card": _show_card,
    "identify": _identify,
    "consent": _consent,
    "open": _open,
    "caucus": _caucus,
    "rejoin": _rejoin,
    "draft": _draft,
    "see": _see,
    "read_aloud": _read_aloud,
    "object": lambda one, step: _unsigned(one),
    "agree": _agree,
    "open_signing": _open_signing,
    "redraft": lambda one, step: _unsigned(one),
    "sign": _sign,
    "sign_spoken": _sign_spoken,
    "sign_paper": _sign_paper,
    "refuse_to_sign": lambda one, step: _unsigned(one),
    "complete": _complete,
    "party_left": _party_left,
    "resume": _resume,
    "resume_signing": _resume_signing,
    "fail": _failed,
    "close": _closed,
    "withdraw": _closed,
}

MEDIATIONS = Subject(
    "mediation",
    "md",
    MEDIATION,
    Mediation,
    apply,
    lambda one: Index(agent=one.agent, terminal=one.terminal),
    frozenset(
        {"about", "party", "parties", "how", "side", "order", "what", "outcome", "sha256", "picture"}
        | {"agreement", "confirmation", "why", "contact"}
    ),
)
