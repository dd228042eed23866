"""What a catalogue holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS = ("identity", "consent", "reading", "questions", "signing", "seal")
"""Of a remote act, in their order; none can be left out."""


@dataclass(frozen=True, slots=True)
class Words:
    zh: str
    en: str


When = Mapping[str, tuple[str, ...]]
"""Question -> the answers with which something holds; all questions named must fit."""


@dataclass(frozen=True, slots=True)
class Option:
    id: str
    words: Words


@dataclass(frozen=True, slots=True)
class Question:
    """Asked only where ``when`` holds."""

    id: str
    words: Words
    options: tuple[Option, ...]
    when: When = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paper:
    id: str
    words: Words
    why: Words
    where: Words


@dataclass(frozen=True, slots=True)
class Need:
    """``instead`` are papers that serve as well."""

    paper: str
    when: When = field(default_factory=dict)
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    when: When
    words: Words


@dataclass(frozen=True, slots=True)
class Act:
    """``electronic`` False: signed on paper only, by ``article``. ``remote`` False: at the notary office only."""

    id: str
    words: Words
    summary: Words
    who: Words
    fee_fen: int
    registers: tuple[str, ...]
    questions: tuple[Question, ...]
    needs: tuple[Need, ...]
    refusals: tuple[Refusal, ...] = ()
    electronic: bool = True
    remote: bool = True
    article: Words | None = None
    steps: tuple[str, ...] = STEPS


@dataclass(frozen=True, slots=True)
class Category:
    id: str
    words: Words


@dataclass(frozen=True, slots=True)
class Service:
    """The five things that are told of each service; ``object`` is who it is for."""

    id: str
    category: str
    name: Words
    object: Words
    content: Words
    method: Words
    provider: Words
    booking: str | None = None
    matter: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    categories: tuple[Category, ...]
    services: tuple[Service, ...]
    papers: Mapping[str, Paper]
    acts: Mapping[str, Act]
