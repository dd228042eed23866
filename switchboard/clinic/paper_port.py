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
    """``id`` is the party's; ``role`` as printed; ``number`` of the identity card, empty where it is not known."""

    id: str
    name: str
    role: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class AgreementPaper:
    """``key``: the same one again is the same paper. ``signers``: the parties in their order; the mediator comes last.
    ``personal``: marriage, adoption, inheritance. ``court``: an application for confirmation is signed with it."""

    key: str
    contact: str
    number: str
    place: str
    mediator: str
    facts: Mapping[str, str]
    terms: tuple[str, ...]
    signers: tuple[SignerOf, ...]
    personal: bool
    court: bool
    at_ms: int


class PaperMaker(Protocol):
    async def agreement(self, paper: AgreementPaper, *, by: str) -> str:
        """Makes the paper and returns its id. Raises ClinicError."""
        ...

    async def sign(self, paper: str, signer: str, *, identity: str, hand: Mapping[str, Any] | None) -> None:
        """One signature, in order; the same again changes nothing. Raises ClinicError."""
        ...

    async def content(self, key: str, contact: str, *, court: bool) -> bytes | None:
        """The PDF of the agreement, or of the application, as it stands; None where there is none."""
        ...

    async def withdraw(self, key: str, contact: str, *, by: str) -> None:
        """They did not all sign: what was made under this key, if anything, is not signed any more."""
        ...
