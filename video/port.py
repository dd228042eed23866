"""One UDP port for everything: ICE-lite (``video.stun``), and the way to the peer that a datagram is for.

A peer is found by the name fragment of its STUN checks, from then on by its address. Only a check that is signed with
the peer's password makes an address its own, and only one with USE-CANDIDATE moves it (RFC 8445, sections 2.5 and
7.3): that gives ICE restarts, a new network and NAT rebinding. Nobody else's datagrams reach a peer.
"""

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, Self

import structlog

from video import stun
from video.errors import PortError
from video.forward import Address, Lane
from video.guard import CHECKS_A_SECOND, Rate, Teller, Turned, is_plain_alert, username_of
from video.native import forwarder

log = structlog.get_logger(__name__)

_BUFFER = 4 << 20
_BUFFERS = ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32))
"""Each with Linux's number for going beyond net.core.rmem_max and wmem_max, which needs CAP_NET_ADMIN."""
_CHECKS_REMEMBERED = 64
_MAPPED = "::ffff:"
"""Before an IPv4 address at a port that takes both (RFC 4291, section 2.5.5.2): whoever has it knows it without."""
_PRIORITY = 2_130_706_431  # a host candidate of component 1, RFC 8445 section 5.1.2


class Owner(Protocol):
    """Whoever a lane's datagrams are for."""

    def on_path(self) -> None:
        """The first authenticated check came, or the peer moved."""
        ...

    def on_dtls(self, data: bytes) -> bool:
        """False when it could not be taken."""
        ...

    def on_rtcp(self, data: bytes) -> bool:
        """False when it made no sense."""
        ...

    def on_unknown(self, packet: bytes) -> None: ...


@dataclass(slots=True, eq=False)
class Endpoint:
    """One set of ICE credentials of a peer: what its checks are addressed to and signed with."""

    lane: Lane
    owner: Owner
    ufrag: str = field(default_factory=lambda: secrets.token_hex(6))
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    checks: Rate = field(default_factory=lambda: Rate(CHECKS_A_SECOND))
    seen: deque[tuple[bytes, Address]] = field(default_factory=lambda: deque(maxlen=_CHECKS_REMEMBERED))
    proven: bool = False

    @property
    def secret(self) -> bytes:
        return self.password.encode()


class Port:
    """The socket, its guard and its forwarder. ``async with Port(host, port, announced) as port``.

    ``announced`` are the addresses that candidates carry, when they are not the one bound to (a host behind NAT);
    ``native`` as for ``video.native.forwarder``.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        announced: Sequence[str] = (),
        native: bool | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise PortError(f"cannot open UDP port {port}: {error.strerror}") from error
        self._socket.setblocking(False)
        for option, beyond in _BUFFERS:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, beyond, _BUFFER)
            except OSError:  # not permitted: as much as the machine gives everybody
                self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self.number: int = self._socket.getsockname()[1]
        self._announced = tuple(announced) or (host,)
        self.turned = Turned()
        self.forwarder = forwarder(self._socket, self, native)
        self._endpoints: dict[str, Endpoint] = {}
        self._owners: dict[Lane, Owner] = {}
        self._teller = Teller()
        self._ticker: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._wait()
        self.forwarder.start()
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.remove_reader(self.forwarder.fileno())
        if self._resting is not None:
            self._resting.cancel()
        self.forwarder.stop()
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._socket.close()

    def _wait(self) -> None:
        """Until there is something to do. A thread has its own clock for that; here each wake-up of the event loop
        costs as much as a packet, so that after some work there is a rest."""
        work = self.forwarder.on_ready if self.forwarder.native else self._work
        self._loop.add_reader(self.forwarder.fileno(), work)

    def _work(self) -> None:
        if self._resting is None:
            self._loop.remove_reader(self.forwarder.fileno())
        rest_s = self.forwarder.on_ready()
        if rest_s is None:
            self._resting = None
            self._wait()
        else:
            self._resting = self._loop.call_later(rest_s, self._work)

    def candidates(self) -> list[str]:
        """SDP candidate lines, without their end."""
        return [
            f"a=candidate:{index} 1 udp {_PRIORITY - index} {address} {self.number} typ host"
            for index, address in enumerate(self._announced, 1)
        ]

    def admit(self, owner: Owner, lane: Lane) -> Endpoint:
        """Fresh credentials for this lane; earlier ones go on until they are retired."""
        endpoint = Endpoint(lane, owner)
        self._endpoints[endpoint.ufrag] = endpoint
        self._owners[lane] = owner
        return endpoint

    def retire(self, endpoint: Endpoint) -> None:
        """Checks with these credentials are a stranger's from now on."""
        self._endpoints.pop(endpoint.ufrag, None)

    def forget(self, lane: Lane) -> None:
        """The lane is closed, with all its credentials."""
        self._owners.pop(lane, None)
        for endpoint in [one for one in self._endpoints.values() if one.lane is lane]:
            del self._endpoints[endpoint.ufrag]
        self.forwarder.close(lane)

    def counts(self) -> dict[str, int]:
        """Everything that passed and everything that was turned away, for a metrics page; ``native`` is 1 where C
        forwards."""
        native = int(self.forwarder.native)
        return {"native": native, **asdict(self.forwarder.counters), **asdict(self.turned)}

    # ------------------------------------------------------------------ what the forwarder hands up

    def on_stun(self, data: bytes, address: Address) -> None:
        """A connectivity check, or something that looks like one."""
        ufrag = username_of(data)
        endpoint = self._endpoints.get(ufrag) if ufrag else None
        if endpoint is None or endpoint.lane.cut:
            if ufrag is None:
                self.turned.stun_malformed += 1
            else:
                self.turned.stun_stranger += 1
            return
        if not endpoint.checks.take() and address != endpoint.lane.address:
            self.turned.stun_flood += 1
            return
        check = stun.read_check(data)
        if check is None:
            self.turned.stun_malformed += 1
            return
        if not check.is_signed_with(endpoint.secret):
            self.turned.stun_forged += 1
            return
        if any(known == check.transaction and where != address for known, where in endpoint.seen):
            self.turned.replayed += 1
            return
        endpoint.seen.append((check.transaction, address))
        host, port = address[0].removeprefix(_MAPPED), address[1]
        self.forwarder.send_raw(stun.answer(check, endpoint.secret, host, port), address)
        self._locate(endpoint, address, nominated=check.nominates)

    def on_dtls(self, lane: Lane, data: bytes) -> None:
        if is_plain_alert(data):
            self.turned.dtls_alert += 1
            return
        owner = self._owners.get(lane)
        if owner is not None and not owner.on_dtls(data):
            self.turned.dtls_flood += 1

    def on_rtcp(self, lane: Lane, data: bytes) -> None:
        owner = self._owners.get(lane)
        if owner is not None and not owner.on_rtcp(data):
            self.turned.rtcp_malformed += 1

    def on_unknown(self, lane: Lane, packet: bytes) -> None:
        owner = self._owners.get(lane)
        if owner is not None:
            owner.on_unknown(packet)

    def on_stray(self, address: Address) -> None:
        self.turned.dtls_stranger += 1

    # ------------------------------------------------------------------ ICE

    def _locate(self, endpoint: Endpoint, address: Address, *, nominated: bool) -> None:
        lane = endpoint.lane
        if lane.address == address and endpoint.proven:
            return
        if lane.address is None or nominated:
            if lane.address != address:
                self.forwarder.move(lane, address)
            endpoint.proven = True
            endpoint.owner.on_path()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.forwarder.tick_s)
            self.forwarder.tick()
            self.forwarder.feedback()
            self._teller.tell(self.counts_turned)

    def counts_turned(self) -> dict[str, int]:
        """Only what was turned away."""
        counters = self.forwarder.counters
        names = ("stray", "early", "oversized", "malformed", "forged", "flooded", "unknown", "overflow")
        return {**{name: getattr(counters, name) for name in names}, **asdict(self.turned)}
