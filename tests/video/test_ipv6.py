"""IPv6, on the C path and on the Python path: packets, checks, strangers, and a browser's room."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aioice import stun
from playwright.async_api import Browser

from tests.video import rig
from tests.video.test_forward import DELTA, KEY, VIDEO, Bench, watched
from video.port import Port
from video.tokens import Role

BOTH = pytest.mark.parametrize("native", [False, True], ids=["python", "c"])


@pytest.fixture(params=[False, True], ids=["python", "c"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param, "::1")
    yield made
    made.close()


def test_packets_pass_over_ipv6_and_strangers_do_not(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = bench.forwarder.publish(sender.lane, VIDEO)
    watched(bench, receiver, track)
    sender.send(1, KEY)
    sender.send(2, DELTA, timestamp=3000)
    bench.turn()
    assert [packet.payload for packet in receiver.taken()] == [KEY, DELTA]
    stranger = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    stranger.sendto(b"\x80" * 40, sender.bridge)
    bench.turn()
    stranger.close()
    assert bench.forwarder.counters.stray == 1
    assert sender.lane.received == 2


def test_a_peer_that_moves_to_another_address_is_found_there(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    watched(bench, receiver, bench.forwarder.publish(sender.lane, VIDEO))
    elsewhere = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    elsewhere.bind(("::1", 0))
    bench.forwarder.move(receiver.lane, elsewhere.getsockname())
    sender.send(1, KEY)
    bench.turn()
    elsewhere.setblocking(False)
    assert receiver.back.unprotect(elsewhere.recv(2048)).endswith(KEY)
    elsewhere.close()
    assert receiver.taken() == []


class Owner:
    """Whoever a lane's datagrams are for."""

    def on_path(self) -> None: ...

    def on_dtls(self, data: bytes) -> bool:
        return True

    def on_rtcp(self, data: bytes) -> bool:
        return True

    def on_unknown(self, packet: bytes) -> None: ...


@BOTH
@pytest.mark.parametrize("client", ["::1", "127.0.0.1"])
async def test_a_port_for_both_families_tells_each_its_own_address(native: bool, client: str) -> None:
    async with Port("::", announced=["::1", "127.0.0.1"], native=native) as port:
        lane = port.forwarder.open("peer")
        endpoint = port.admit(Owner(), lane)
        told = await _checked(port, endpoint, client)
        assert told[0] == client
        assert lane.address is not None
        assert lane.address[1] == told[1]


async def _checked(port: Port, endpoint: Any, client: str) -> tuple[str, int]:
    """The address that a check's answer names."""
    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{endpoint.ufrag}:far"
    check.attributes["PRIORITY"] = 1
    check.attributes["USE-CANDIDATE"] = None
    check.add_message_integrity(endpoint.password.encode())
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as far:
        far.bind((client, 0))
        far.setblocking(False)
        far.sendto(bytes(check), (client, port.number))

        async def answered() -> bytes | None:
            try:
                return far.recv(2048)
            except BlockingIOError:
                return None

        answer = stun.parse_message(await rig.eventually(answered, "an answer"))
        assert answer.attributes["XOR-MAPPED-ADDRESS"][1] == far.getsockname()[1]
        return answer.attributes["XOR-MAPPED-ADDRESS"]


async def test_browsers_meet_over_ipv6(chromium: Browser) -> None:
    async with rig.house(media_host="::1", native=True) as house:
        notary = await rig.Visitor.enter(chromium, house, "notary", 500, role=Role.HOST)
        visitor = await rig.Visitor.enter(chromium, house, "visitor", 1200)
        await rig.all_meet(notary, visitor)
        assert all(":" in peer.lane.address[0] for peer in house.bridge.peers() if peer.lane.address)
