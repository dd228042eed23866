"""DTLS for one peer: aiortc's handshake over a tiny object in place of its ICE, and the SRTP keys that come of it.

aiortc takes 0.3 s of a core and 25 MB to import: a start does without it, the first room (``Identity.prepare``) or at
the latest its first peer brings it in.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING

from pylibsrtp import Session

from video.errors import HandshakeFailed

if TYPE_CHECKING:
    from aiortc.rtcdtlstransport import RTCCertificate

HANDSHAKE_S = 20.0
_WAITING_MAX = 64
_RECORD = 13  # bytes of the head of a record, RFC 6347 section 4.1
_RENEWED_AFTER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of the certificate that the other side promised in its description: algorithm in lower case, hex pairs."""

    algorithm: str
    value: str


class Identity:
    """The certificate of this process: made for the first peer, renewed once a day (aiortc's are good for 30 days)."""

    def __init__(self) -> None:
        self._made_at = 0.0
        self._certificate: RTCCertificate | None = None
        self._making = Lock()
        self._preparing: Thread | None = None

    def prepare(self) -> None:
        """Have it made soon, on a thread of its own: the calls of this process need not wait for it."""
        if self._certificate is None and self._preparing is None:
            self._preparing = Thread(target=self.current, name="video identity", daemon=True)
            self._preparing.start()

    def current(self) -> "RTCCertificate":
        with self._making:
            if self._certificate is None or time.monotonic() - self._made_at > _RENEWED_AFTER_S:
                from aiortc.rtcdtlstransport import RTCCertificate  # only now, see above

                self._certificate, self._made_at = RTCCertificate.generateCertificate(), time.monotonic()
            return self._certificate


def fingerprint_of(certificate: "RTCCertificate") -> str:
    """Its SHA-256, as an SDP ``fingerprint`` line wants it."""
    return next(one.value for one in certificate.getFingerprints() if one.algorithm == "sha-256")


class _Wire:
    """What RTCDtlsTransport asks of its transport: a role, and datagrams both ways."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_MAX)
        self._send_now = send

    async def _recv(self) -> bytes:
        data = await self.waiting.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class Handshake:
    """The server's side of one DTLS association, and its end.

    ``send`` takes datagrams; ``ended`` is called once when the other side closed the association.
    """

    def __init__(
        self, certificate: "RTCCertificate", send: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        from aiortc.rtcdtlstransport import RTCDtlsTransport  # a certificate is here, so this is too

        self.fingerprint = fingerprint_of(certificate)
        self._wire = _Wire(send)
        self._transport = RTCDtlsTransport(self._wire, [certificate])  # pyright: ignore[reportArgumentType]
        self._transport._set_role("server")
        self._ended = ended
        self._closing = False
        self._transport.on("statechange", self._changed)

    def feed(self, data: bytes) -> bool:
        """One datagram from the peer's address. False when too many wait: it is dropped, DTLS sends it again."""
        if len(data) < _RECORD:
            return False
        try:
            self._wire.waiting.put_nowait(data)
        except asyncio.QueueFull:
            return False
        return True

    async def run(self, expected: Sequence[Fingerprint]) -> tuple[Session, Session]:
        """Shake hands; returns the SRTP sessions (inbound, outbound).

        Raises:
            HandshakeFailed: not in time, no common SRTP profile, or a certificate that the offer did not name.
        """
        from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters

        if not expected:
            raise HandshakeFailed("no fingerprint to check against")
        remote = RTCDtlsParameters([RTCDtlsFingerprint(one.algorithm, one.value) for one in expected])
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self._transport.start(remote)
        except TimeoutError as error:
            raise HandshakeFailed("not in time") from error
        except (ValueError, TypeError, OSError) as error:  # a certificate that cannot even be read
            raise HandshakeFailed("malformed certificate") from error
        inbound, outbound = self._transport._rx_srtp, self._transport._tx_srtp
        if self._transport.state != "connected" or inbound is None or outbound is None:
            raise HandshakeFailed(f"ended as {self._transport.state}")
        return inbound, outbound

    async def close(self) -> None:
        """Say good-bye to the other side and stop."""
        self._closing = True
        with contextlib.suppress(asyncio.QueueFull):
            self._wire.waiting.put_nowait(None)
        await self._transport.stop()

    def _changed(self) -> None:
        if self._transport.state == "closed" and not self._closing:
            self._closing = True
            self._ended()
