"""Asking the registers of other departments: civil affairs (marriage), education, land.

A query is part of an act: asked only with consent, its answer bound by a digest, and asked again by whichever node
finds it open. Providers are slow, lose answers and go away; nobody waits for them in a request.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog

log = structlog.get_logger(__name__)

PATIENCE_S = 15.0
TRIES = 3
BETWEEN_S = 2.0
MOST_AT_ONCE = 8

QueryState = Literal["asked", "answered", "away"]


class RegisterAway(Exception):
    """The other department does not answer now."""


@dataclass(frozen=True, slots=True)
class Question:
    """``number`` is in full: the other side needs it. Never logged."""

    register: str
    name: str
    number: str

    def __repr__(self) -> str:
        return f"Question({self.register!r}, ...)"


@dataclass(frozen=True, slots=True)
class Answer:
    """``facts`` as the register tells them, ``reference`` its own number of this answer."""

    found: bool
    facts: Mapping[str, str]
    reference: str

    def digest(self, register: str, answered_ms: int) -> str:
        """SHA-256 of the answer in one fixed writing."""
        said = [register, self.found, dict(self.facts), self.reference, answered_ms]
        return hashlib.sha256(json.dumps(said, ensure_ascii=True, sort_keys=True).encode()).hexdigest()


class Register(Protocol):
    async def ask(self, question: Question) -> Answer:
        """Raises RegisterAway. May take seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """As it stands in an act."""

    id: str
    register: str
    by: str
    asked_ms: int
    state: QueryState = "asked"
    answered_ms: int | None = None
    found: bool | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    digest: str | None = None

    def is_whole(self) -> bool:
        """Whether the facts are those that were answered."""
        if self.state != "answered" or self.answered_ms is None:
            return self.state != "answered"
        answer = Answer(bool(self.found), self.facts, self.reference or "")
        return answer.digest(self.register, self.answered_ms) == self.digest


class SimulatedRegister:
    """Answers after ``delay_s`` from the number alone; its first ``faults`` questions fail, ``away`` fails all."""

    def __init__(self, register: str, *, delay_s: float = 2.0, faults: int = 0, away: bool = False) -> None:
        self._register = register
        self._delay_s = delay_s
        self.faults = faults
        self.away = away
        self.asked = 0

    async def ask(self, question: Question) -> Answer:
        self.asked += 1
        await asyncio.sleep(self._delay_s)
        if self.away or self.asked <= self.faults:
            raise RegisterAway
        odd = int(question.number[16]) % 2
        facts = {
            "marriage": {"状态": "已婚" if odd else "无登记记录", "登记机关": "演示区民政局"},
            "education": {"学历": "本科" if odd else "无记录", "学校": "演示大学"},
            "land": {"不动产单元": "演示-0001" if odd else "无登记", "限制": "无抵押、无查封"},
        }
        mark = hashlib.sha256(question.number.encode()).hexdigest()[:8]
        return Answer(bool(odd), facts.get(self._register, {}), f"SIM-{self._register}-{mark}")


def simulated_registers() -> dict[str, Register]:
    return {one: SimulatedRegister(one) for one in ("marriage", "education", "land")}


class Registers:
    """Asks providers with time-outs and tries; at most ``MOST_AT_ONCE`` at a time."""

    def __init__(
        self,
        providers: Mapping[str, Register],
        *,
        patience_s: float = PATIENCE_S,
        tries: int = TRIES,
        between_s: float = BETWEEN_S,
    ) -> None:
        self._providers = providers
        self._patience_s = patience_s
        self._tries = tries
        self._between_s = between_s
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    def knows(self, register: str) -> bool:
        return register in self._providers

    async def ask(self, question: Question) -> Answer:
        """Raises RegisterAway after the last try."""
        provider = self._providers.get(question.register)
        if provider is None:
            raise RegisterAway
        async with self._room:
            for left in range(self._tries - 1, -1, -1):
                try:
                    async with asyncio.timeout(self._patience_s):
                        return await provider.ask(question)
                except (RegisterAway, TimeoutError, OSError) as error:
                    log.info(
                        "register did not answer", register=question.register, error=type(error).__name__
                    )
                if left:
                    await asyncio.sleep(self._between_s)
        raise RegisterAway
