"""One person in a room: the place, who speaks for it (a page's socket), and the peer that carries the media."""

import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from video.forward import Kind
from video.peer import Peer
from video.tokens import Invitation, Role

GONE_AFTER_S = 3.0
KEPT_S = 120.0


class Standing(StrEnum):
    WAITING = "waiting"
    HERE = "here"
    GONE = "gone"


class Outlet(Protocol):
    """Where a participant's page is told things. Neither method waits."""

    def say(self, message: dict[str, Any]) -> None: ...

    def end(self, code: str) -> None:
        """Nothing more will be said; ``code`` is why."""
        ...


def digest_of(secret: str) -> str:
    """SHA-256, hexadecimal: what may be written down of a secret."""
    return sha256(secret.encode()).hexdigest()


@dataclass(slots=True, eq=False)
class Participant:
    """The place of one person. Survives cuts, reloads and new peers until it is given up."""

    invitation: Invitation
    standing: Standing
    outlet: Outlet | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    resume: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """The secret of this place; empty in a restored room until its page has shown that it knows it."""
    resume_digest: str = ""
    peer: Peer | None = None
    peer_number: int = 0
    peers_made: int = 0
    muted: set[Kind] = field(default_factory=set)
    group: int | None = None
    admitted: bool = False
    unrecorded_until_s: float = 0.0
    """Came out of a caucus: nothing is recorded before this (monotonic); 0 when that is over."""
    beat_s: float = field(default_factory=time.monotonic)
    gone_s: float | None = None
    media_lost_ns: int = 0
    told_slots: list[dict[str, Any]] = field(default_factory=list)
    told_room: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.resume_digest = digest_of(self.resume)

    @property
    def role(self) -> Role:
        return self.invitation.role

    @property
    def talks(self) -> bool:
        """Takes a seat, and may send sound and pictures."""
        return self.role is not Role.VIEWER

    def tell(self, message: dict[str, Any]) -> None:
        if self.outlet is not None:
            self.outlet.say(message)
