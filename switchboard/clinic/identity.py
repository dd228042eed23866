"""Who somebody is: the number of the identity card (GB 11643), what follows from it, a human's look at card and face.

The number itself is kept sealed for as long as the case needs it; what is shown is masked, what is compared is a keyed
digest.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import Literal

from switchboard.clinic.errors import GuardianNeeded, NumberWrong, Unfit

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"
"""ISO 7064 MOD 11-2, as GB 11643 writes it out."""
GUARDED_UNDER = 14
ADULT = 18
PRIORITY_FROM = 80

How = Literal["reader", "keypad", "staff"]
Outcome = Literal["match", "no_match"]

_FORM = re.compile(r"[1-9][0-9]{16}[0-9X]")


@dataclass(frozen=True, slots=True)
class IdentityNumber:
    """``text`` as it is printed, with a capital X."""

    text: str
    birth: dt.date

    def age(self, today: dt.date) -> int:
        """In full years; a birthday of 29 February is kept on 1 March in other years."""
        before = (today.month, today.day) < (self.birth.month, self.birth.day)
        return today.year - self.birth.year - before

    @property
    def mask(self) -> str:
        return f"{self.text[:2]}************{self.text[-4:]}"


def read_number(given: str, today: dt.date) -> IdentityNumber:
    """Raises NumberWrong for what is no number, has the wrong check digit, or a birthday that cannot be."""
    text = given.strip().upper().replace(" ", "")
    if not _FORM.fullmatch(text) or check_digit(text[:17]) != text[17]:
        raise NumberWrong(fields=("number",))
    try:
        birth = dt.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        raise NumberWrong(fields=("number",)) from None
    if not dt.date(1880, 1, 1) <= birth <= today:
        raise NumberWrong(fields=("number",))
    return IdentityNumber(text, birth)


def check_digit(digits: str) -> str:
    """The last place of a number, from its first seventeen."""
    return CHECK[sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) % 11]


def priority_of(number: IdentityNumber, today: dt.date) -> str | None:
    """The reason of the routing policy that the age gives."""
    age = number.age(today)
    return "over_80" if age >= PRIORITY_FROM else "minor" if age < ADULT else None


@dataclass(frozen=True, slots=True)
class Identity:
    """What was shown and what a human found. ``card`` and ``face`` are digests (SHA-256) of two pictures.

    ``sealed`` is the number, for as long as it is needed; ``digest`` tells whether two are the same.
    """

    name: str
    mask: str
    digest: str
    sealed: str | None
    age: int
    how: How
    shown_ms: int
    card: str | None = None
    face: str | None = None
    guardian: str | None = None
    guardian_mask: str | None = None
    outcome: Outcome | None = None
    by: str | None = None
    at_ms: int | None = None
    note: str = ""

    @property
    def checked(self) -> bool:
        return self.outcome == "match"

    @property
    def priority(self) -> str | None:
        return "over_80" if self.age >= PRIORITY_FROM else "minor" if self.age < ADULT else None


def found_by_human(identity: Identity, *, outcome: Outcome, by: str, at_ms: int, note: str = "") -> Identity:
    """A human has laid card and face beside each other. Raises GuardianNeeded, and Unfit where a picture is missing."""
    if outcome == "match":
        missing = tuple(name for name in ("card", "face") if getattr(identity, name) is None)
        if missing:
            raise Unfit(fields=missing)
        if identity.age < GUARDED_UNDER and identity.guardian is None:
            raise GuardianNeeded
    return replace(identity, outcome=outcome, by=by, at_ms=at_ms, note=note)


def without_number(identity: Identity | None) -> Identity | None:
    return None if identity is None else replace(identity, sealed=None)
