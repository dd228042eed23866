"""The guard before the UDP port: what a stranger sends costs little, stays bounded and is said in one line a minute.

RTP is checked in ``video.forward`` (address, size, rate, authenticity); here are the checks of STUN and DTLS, and the
account of all that was turned away.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from struct import Struct

import structlog

log = structlog.get_logger(__name__)

STUN_LARGEST = 600
_STUN = Struct("!HHI")
_ATTRIBUTE = Struct("!HH")
_COOKIE = 0x2112A442
_BINDING_REQUEST = 0x0001
_USERNAME = 0x0006
_ATTRIBUTES_MAX = 32
CHECKS_A_SECOND = 60
"""STUN checks for one peer from addresses that are not yet its own."""
_SAID_EVERY_S = 60.0


@dataclass(slots=True)
class Turned:
    """What was turned away before it reached anybody, by reason. Only ever growing."""

    stun_malformed: int = 0
    stun_stranger: int = 0
    stun_forged: int = 0
    stun_flood: int = 0
    dtls_stranger: int = 0
    dtls_alert: int = 0
    dtls_flood: int = 0
    rtcp_malformed: int = 0
    replayed: int = 0

    def total(self) -> int:
        return sum(getattr(self, one.name) for one in fields(self))


def username_of(data: bytes) -> str | None:
    """The local name fragment that a STUN binding request is for; None when it is anything else.

    Looks at nothing but lengths and this one attribute: RFC 8489, sections 5 and 14; RFC 8445, section 7.2.2.
    """
    if not 20 <= len(data) <= STUN_LARGEST or len(data) % 4:
        return None
    kind, size, cookie = _STUN.unpack_from(data)
    if kind != _BINDING_REQUEST or cookie != _COOKIE or size != len(data) - 20:
        return None
    at, left = 20, _ATTRIBUTES_MAX
    while at + 4 <= len(data) and left:
        name, length = _ATTRIBUTE.unpack_from(data, at)
        at += 4
        if at + length > len(data):
            return None
        if name == _USERNAME:
            local = data[at : at + length].partition(b":")[0]
            return local.decode("ascii") if local.isascii() else None
        at += length + (-length % 4)
        left -= 1
    return None


def is_plain_alert(data: bytes) -> bool:
    """Whether this is a DTLS alert that nobody signed: type 21 in epoch 0 (RFC 6347, section 4.1). Anybody could
    have sent it, and OpenSSL would end the handshake for it."""
    return len(data) >= 13 and data[0] == 21 and data[3:5] == b"\0\0"


class Rate:
    """At most ``limit`` a second, counted in whole seconds of the monotonic clock."""

    __slots__ = ("_count", "_limit", "_second")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._second = 0
        self._count = 0

    def take(self) -> bool:
        """False when there were enough in this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= self._limit


class Teller:
    """Says in the log, at most once a minute, what was turned away since the last time."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()
        self._said: dict[str, int] = {}

    def tell(self, count: Callable[[], dict[str, int]]) -> None:
        now = time.monotonic()
        if now - self._said_at < _SAID_EVERY_S:
            return
        counts = count()
        fresh = {key: value - self._said.get(key, 0) for key, value in counts.items()}
        fresh = {key: value for key, value in fresh.items() if value}
        self._said_at, self._said = now, dict(counts)
        if fresh:
            log.info("datagrams turned away", **fresh)
