"""Closed networks: browsers that have nothing but the relay reach a room, and the relay leads nowhere else.

The relay is Debian's coturn with the options of docker-compose.yml; browsers stand behind a router in a network
namespace where root may make one, else on this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from aioice.turn import TurnClientTcpProtocol, TurnClientUdpProtocol
from playwright.async_api import Browser

from switchboard.visits.relay import ice_servers
from tests.support import turn, village
from tests.video import rig
from video.tokens import Role

RELAY_ONLY = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(options) { super({ ...options, iceTransportPolicy: 'relay' }) }
}
"""
PAIR = """async () => {
  const found = [...(await room.pc.getStats()).values()]
  const transport = found.find((one) => one.type === 'transport')
  const pair = found.find((one) => one.id === transport.selectedCandidatePairId)
  const local = found.find((one) => one.id === pair.localCandidateId)
  return [local.candidateType, local.relayProtocol]
}"""
DENIED = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "198.51.100.7", "224.0.0.1", "255.255.255.255"),
)
FORBIDDEN, UNAUTHORIZED, OTHER_FAMILY, OTHER_TRANSPORT = 403, 401, 443, 442


@dataclass
class Closed:
    """``far`` is a browser in the closed network."""

    house: rig.House
    far: Browser
    relay: turn.Relay
    neighbour: str
    """An address beside the relay's own."""


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Closed]:
    async with AsyncExitStack() as stack:
        try:
            line = await stack.enter_async_context(village.village(tmp_path))
            address, browser = line.address, line.browser
            neighbour = address.removesuffix(".1") + ".2"
        except village.NoNamespaces as why:
            print(f"no network namespaces here ({why}): browser and relay share this machine's address")
            address, browser, neighbour = turn.own_address(), rig.CHROMIUM, "10.0.0.2"
        relay = await stack.enter_async_context(turn.relay(address, tmp_path))

        def servers(person: str) -> list[dict[str, Any]]:
            return ice_servers([relay.url(person)], turn.SECRET, 300)(person)

        house = await stack.enter_async_context(rig.house(address, ice_servers=servers))
        far = await stack.enter_async_context(rig.chromium(browser, house.url))
        yield Closed(house, far, relay, neighbour)


async def test_browsers_behind_the_relay_reach_a_room_over_udp_and_over_tcp(closed: Closed) -> None:
    """Both at once, in one room: each is called after the only way that it may take."""
    people = [
        await rig.Visitor.enter(closed.far, closed.house, name, hertz, role=role, script=RELAY_ONLY)
        for name, hertz, role in (("udp", 500, Role.HOST), ("tcp", 1200, Role.PARTY))
    ]
    await rig.all_meet(*people)
    for one in people:
        assert await one.page.evaluate(PAIR) == ["relay", one.person]
    relayed = {peer.lane.address[0] for peer in closed.house.bridge.peers() if peer.lane.address}
    assert relayed == {closed.relay.address}


async def test_the_relay_sends_to_the_bridge_and_to_nobody_else(closed: Closed) -> None:
    bridge = (closed.relay.address, closed.house.bridge.port.number)
    async with asyncio.timeout(60), Client(closed.relay) as client:
        await client.allocate()
        await client.permit(bridge)
        await client.bind(bridge)
        for address in (*DENIED, closed.neighbour):
            assert await _code(client.permit((address, bridge[1]))) == FORBIDDEN, address
            assert await _code(client.bind((address, bridge[1]))) == FORBIDDEN, address
        for address in ("::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1"):
            assert await _code(client.permit((address, bridge[1]))) in (FORBIDDEN, OTHER_FAMILY), address
        await _refuses_other_passwords(closed.relay)
        async with Client(closed.relay, tcp=True) as other:  # nobody's web server is reached either
            assert await _code(other.allocate(transport=6)) == OTHER_TRANSPORT


async def _refuses_other_passwords(relay: turn.Relay) -> None:
    """It takes the switchboard's only, and those while they last."""
    for credentials in (
        ice_servers([], turn.SECRET, -1)("late"),
        ice_servers([], "somebody else's secret", 300)("stranger"),
        [{"username": "guest", "credential": "guest"}],
    ):
        async with Client(relay, credentials[0]) as client:
            assert await _code(client.allocate()) == UNAUTHORIZED


class Client:
    """TURN by hand: one request after the other, each to be looked at."""

    def __init__(self, relay: turn.Relay, credentials: Any = None, *, tcp: bool = False) -> None:
        self._relay = relay
        self._credentials = credentials or ice_servers([], turn.SECRET, 300)("client")[0]
        self._tcp = tcp
        self._channel = 0x4000

    async def __aenter__(self) -> Client:
        where = (self._relay.address, self._relay.port)
        given = (self._credentials["username"], self._credentials["credential"], 600, 500)
        loop = asyncio.get_running_loop()
        if self._tcp:
            self._transport, self._turn = await loop.create_connection(
                lambda: TurnClientTcpProtocol(where, *given), *where
            )
        else:
            self._transport, self._turn = await loop.create_datagram_endpoint(
                lambda: TurnClientUdpProtocol(where, *given), remote_addr=where
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    async def allocate(self, transport: int = 17) -> None:
        await self._ask(stun.Method.ALLOCATE, {"LIFETIME": 600, "REQUESTED-TRANSPORT": transport << 24})

    async def permit(self, peer: tuple[str, int]) -> None:
        await self._ask(stun.Method.CREATE_PERMISSION, {"XOR-PEER-ADDRESS": peer})

    async def bind(self, peer: tuple[str, int]) -> None:
        self._channel += 1
        await self._ask(stun.Method.CHANNEL_BIND, {"CHANNEL-NUMBER": self._channel, "XOR-PEER-ADDRESS": peer})

    async def _ask(self, method: stun.Method, attributes: dict[str, Any]) -> None:
        request = stun.Message(
            message_method=method, message_class=stun.Class.REQUEST, attributes=dict(attributes)
        )
        await self._turn.request_with_retry(request)


async def _code(asked: Any) -> int:
    """0 when it was granted."""
    try:
        await asked
    except stun.TransactionFailed as refused:
        return refused.response.error_code or -1
    return 0
