"""What a check found, in words for a judge: each thing that was looked at, whether it holds, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``what``: a member's name, or the part of the file; ``code`` is for programs."""

    holds: bool
    code: str
    what: str
    zh: str
    en: str

    def described(self) -> dict[str, Any]:
        return {"holds": self.holds, "code": self.code, "what": self.what, "zh": self.zh, "en": self.en}


@dataclass(frozen=True, slots=True)
class Report:
    """All of one file. ``known``: the signer and the stamp lead to an authority that whoever checks has named;
    ``authority``: SHA-256 of the root's certificate, to be compared with what the house has published."""

    kind: Literal["container", "pdf"]
    findings: Sequence[Finding]
    known: bool
    authority: str = ""
    stamped_at: datetime | None = None
    title: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Nothing was altered. Says nothing about who made it: see ``trusted``."""
        return bool(self.findings) and all(finding.holds for finding in self.findings)

    @property
    def trusted(self) -> bool:
        """Nothing was altered, and it was sealed under an authority that whoever checks has named."""
        return self.holds and self.known

    @property
    def bad(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.holds]


def good(code: str, what: str, zh: str, en: str) -> Finding:
    return Finding(True, code, what, zh, en)


def bad(code: str, what: str, zh: str, en: str) -> Finding:
    return Finding(False, code, what, zh, en)
