"""Strangers' packets at the bridge's port before, during and after a call is set up: the call goes on, memory and log
stay within the promise."""

from __future__ import annotations

import logging
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aioice import stun

from tests.video.rig import House, eventually, token
from tests.video.rig import house as open_house
from tests.video.sources import Picture, Tone, loudness
from video.client import VideoClient
from video.tokens import Role

EACH = 1_000
MEMORY_MAX = 20_000_000


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _check(ufrag: str, password: str, *, nominate: bool = True) -> bytes:
    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{ufrag}:xxxx"
    check.attributes["PRIORITY"] = 1
    check.attributes["ICE-CONTROLLING"] = 1
    if nominate:
        check.attributes["USE-CANDIDATE"] = None
    check.add_message_integrity(password.encode())
    return bytes(check)


def _kinds(house: House) -> dict[str, Callable[[], bytes]]:
    """One maker of packets for each kind of stranger."""
    chance = random.Random(7)
    endpoints = house.bridge.port._endpoints

    def ufrag() -> str:
        return chance.choice(list(endpoints)) if endpoints else "nobody"

    def broken_stun() -> bytes:
        data = bytearray(_check(ufrag(), "wrong"))
        for _ in range(3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)

    return {
        "empty": lambda: b"",
        "noise": lambda: chance.randbytes(chance.randrange(1, 1_500)),
        "stun of a stranger": lambda: _check("stranger", "wrong"),
        "stun with a wrong password": lambda: _check(ufrag(), "wrong"),
        "stun broken": broken_stun,
        "stun cut short": lambda: _check(ufrag(), "wrong")[: chance.randrange(0, 60)],
        "dtls hello": lambda: bytes([22, 254, 255]) + bytes(8) + b"\0\x40" + chance.randbytes(64),
        "dtls alert": lambda: bytes([21, 254, 253]) + bytes(8) + b"\0\2\2\x28",
        "rtp": lambda: bytes([0x80, 111]) + chance.randbytes(60),
        "rtp with wild lengths": lambda: bytes([0xBF, 96]) + b"\xff" * 40,
        "rtcp": lambda: bytes([0x81, 200, 0, 6]) + chance.randbytes(40),
        "rtcp bye": lambda: bytes([0x81, 203, 0, 1]) + chance.randbytes(18),
        "as large as it goes": lambda: bytes([0x80, 96]) + bytes(40_000),
    }


@pytest.fixture(params=[False, True], ids=["python", "c"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with open_house(native=request.param) as made:
        yield made


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(0)
    yield made
    made.close()


async def test_no_stranger_ends_a_call(
    house: House, stranger: socket.socket, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    target = ("127.0.0.1", house.bridge.port.number)
    sent = 0

    async def attack() -> int:
        size = 0
        for make in _kinds(house).values():
            for number in range(EACH):
                data = make()
                stranger.sendto(data, target)
                size += len(data)
                if number % 50 == 49:
                    house.bridge.port.forwarder.on_readable()
        return size

    before = _resident()
    sent += await attack()  # before
    assert _resident() - before < MEMORY_MAX
    async with (
        VideoClient(
            house.socket(), token("a", role=Role.HOST), microphone=Tone(500), camera=Picture()
        ) as one,
        VideoClient(house.socket(), token("b"), microphone=Tone(900), camera=Picture()) as other,
    ):

        async def placed() -> bool:
            return bool(house.bridge.port._endpoints)

        await eventually(placed, "an offer is answered")
        sent += await attack()  # during set-up

        async def talking() -> bool:
            return (
                loudness(one.of(other.id, "microphone"), 900) > 0.05
                and loudness(other.of(one.id, "microphone"), 500) > 0.05
                and getattr(one.of(other.id), "frames", 0) > 3
                and getattr(other.of(one.id), "frames", 0) > 3
            )

        await eventually(talking, "both hear and see each other")
        addresses = {peer.lane.address for peer in house.bridge.peers()}
        before = _resident()
        sent += await attack()  # after
        assert _resident() - before < MEMORY_MAX
        for received in (one.of(other.id, "microphone"), other.of(one.id, "microphone")):
            assert received is not None
            received.sound.clear()
        await eventually(talking, "the call goes on")
        assert {peer.lane.address for peer in house.bridge.peers()} == addresses
        assert (one.peers_made, other.peers_made) == (1, 1)
        assert (one.state, other.state) == ("connected", "connected")
    said = sum(len(record.getMessage()) for record in caplog.records) + sum(map(len, capfd.readouterr()))
    assert said < min(20_000, 10 * sent)
    turned = house.bridge.port.counts()
    for name in (
        "stray",
        "malformed",
        "stun_malformed",
        "stun_stranger",
        "stun_forged",
        "dtls_stranger",
    ):
        assert turned[name] > 0, name


async def test_a_check_that_was_overheard_moves_nobody(house: House, stranger: socket.socket) -> None:
    async with VideoClient(house.socket(), token("a"), microphone=Tone(500)) as one:

        async def connected() -> bool:
            return one.state == "connected"

        await eventually(connected, "the client is connected")
        (peer,) = house.bridge.peers()
        address = peer.lane.address
        endpoint = peer._endpoint
        overheard = _check(endpoint.ufrag, endpoint.password)
        house.bridge.port.on_stun(overheard, address or ("", 0))
        stranger.sendto(overheard, ("127.0.0.1", house.bridge.port.number))

        async def seen_through() -> bool:
            return house.bridge.port.turned.replayed == 1

        await eventually(seen_through, "the second time is seen")
        assert peer.lane.address == address

        # who holds the password and has never used this check may move: a new network
        stranger.sendto(_check(endpoint.ufrag, endpoint.password), ("127.0.0.1", house.bridge.port.number))

        async def moved() -> bool:
            return peer.lane.address == stranger.getsockname()

        await eventually(moved, "the new network is found")
