"""Invitations: who may enter which room in which role, signed by whoever shares the secret with the bridge."""

import base64
import binascii
import hmac
import json
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from video.errors import TokenExpired, TokenOfAnotherRoom, TokenRefused

LONGEST = 2_000
SEATS_MAX = 8
NAME_MAX = 64
_ID_MAX = 64


class Role(StrEnum):
    """What one may do in a room.

    ``host`` admits, sends back, mutes, forms caucuses; ``party`` talks and shows; ``viewer`` only watches and takes
    no seat.
    """

    HOST = "host"
    PARTY = "party"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a token says. ``person`` is an id of whoever invites: the same person coming again takes over the place.

    ``waits``: stays in the waiting room until a host admits. ``seats``: participants besides viewers, 2 to 8.
    """

    room: str
    person: str
    name: str
    role: Role
    expires_ms: int
    waits: bool = False
    seats: int = SEATS_MAX


def sign(secret: bytes, invitation: Invitation) -> str:
    """The token: base64url of the claims and of their HMAC-SHA-256, with a dot between."""
    claims = json.dumps(asdict(invitation), ensure_ascii=False, separators=(",", ":")).encode()
    return f"{_encode(claims)}.{_encode(hmac.digest(secret, claims, sha256))}"


def verify(secret: bytes, token: object, room: str, now_ms: int | None = None) -> Invitation:
    """What a token for ``room`` says.

    Raises:
        TokenRefused: not ours, or not readable.
        TokenExpired, TokenOfAnotherRoom: ours, but not for now or here.
    """
    if not isinstance(token, str) or len(token) > LONGEST or not token.isascii():
        raise TokenRefused("no token")
    claims, _, signature = token.partition(".")
    raw = _decode(claims)
    if not hmac.compare_digest(hmac.digest(secret, raw, sha256), _decode(signature)):
        raise TokenRefused("not signed by us")
    invitation = _read(raw)
    if invitation.expires_ms <= (now_ms if now_ms is not None else time.time_ns() // 1_000_000):
        raise TokenExpired("expired")
    if invitation.room != room:
        raise TokenOfAnotherRoom("for another room")
    return invitation


def _read(raw: bytes) -> Invitation:
    try:
        found: Any = json.loads(raw)
        invitation = Invitation(
            room=_text(found["room"], _ID_MAX),
            person=_text(found["person"], _ID_MAX),
            name=_text(found["name"], NAME_MAX),
            role=Role(found["role"]),
            expires_ms=int(found["expires_ms"]),
            waits=found["waits"] is True,
            seats=int(found["seats"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TokenRefused("claims cannot be read") from error
    if not 2 <= invitation.seats <= SEATS_MAX:
        raise TokenRefused("a room has 2 to 8 seats")
    return invitation


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise ValueError
    return value


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("not base64") from error
