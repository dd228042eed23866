"""What mediation asks of whoever makes papers: one narrow interface.

The text and its digest in the case are what everybody saw and agreed to; a paper is that text set, signed and stamped.
Without a maker everything goes on, and the case says that there is no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SignerOf:
    """``id`` is the party's; ``role`` as printed."""

    id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AgreementPaper:
    """``key``: the same one again is the same paper. ``signers`` in their order."""

    key: str
    contact: str
    number: str
    place: str
    mediator: str
    facts: Mapping[str, str]
    terms: tuple[str, ...]
    signers: tuple[SignerOf, ...]
    personal: bool
    at_ms: int


class PaperMaker(Protocol):
    async def agreement(self, paper: AgreementPaper, *, by: str) -> str:
        """Makes the paper and returns its id. Raises ClinicError."""
        ...

    async def sign(self, paper: str, signer: str, *, identity: str, strokes: Any) -> None:
        """One signature, in order; the same again changes nothing. Raises ClinicError."""
        ...

    async def withdraw(self, paper: str, *, by: str) -> None:
        """The text is changed: this paper is not signed any more. Never fails for one that is over."""
        ...
