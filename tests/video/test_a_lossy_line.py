"""One packet in twenty is lost each way: what was lost is asked for and sent again, by the bridge and to the bridge."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any, Self

from playwright.async_api import Browser

from tests.video.rig import SMALL, House, Visitor, all_meet, eventually
from video.tokens import Role


class Lossy:
    """A line between browsers and the bridge that loses one RTP packet in twenty each way.

    ``async with Lossy(port)``; browsers go to ``port``. Each of them has a socket of its own on the bridge's side.
    """

    def __init__(self, bridge: int) -> None:
        self._chance = random.Random(1)
        self._bridge = ("127.0.0.1", bridge)
        self._near = _bound()
        self._far: dict[Any, socket.socket] = {}
        self.port: int = self._near.getsockname()[1]

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._near.fileno(), self._up)
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in (self._near, *self._far.values()):
            asyncio.get_running_loop().remove_reader(one.fileno())
            one.close()

    def _up(self) -> None:
        for data, browser in _waiting(self._near):
            far = self._far.get(browser)
            if far is None:
                far = self._far[browser] = _bound()
                asyncio.get_running_loop().add_reader(far.fileno(), self._down, far, browser)
            self._pass(far, data, self._bridge)

    def _down(self, far: socket.socket, browser: Any) -> None:
        for data, _ in _waiting(far):
            self._pass(self._near, data, browser)

    def _pass(self, through: socket.socket, data: bytes, to: Any) -> None:
        if not (data and 128 <= data[0] < 192 and self._chance.random() < 0.05):
            through.sendto(data, to)


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def _waiting(sock: socket.socket) -> list[tuple[bytes, Any]]:
    found: list[tuple[bytes, Any]] = []
    while len(found) < 256:
        try:
            found.append(sock.recvfrom(2048))
        except BlockingIOError:
            break
    return found


async def test_lost_packets_are_sent_again_and_pictures_go_on(chromium: Browser, house: House) -> None:
    async with Lossy(house.bridge.port.number) as line:
        house.bridge.port.number = line.port
        notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST, video=SMALL)
        visitor = await Visitor.enter(chromium, house, "visitor", 1200, video=SMALL)
        await all_meet(notary, visitor)
        counters = house.bridge.port.forwarder.counters

        async def repaired() -> bool:
            return counters.resent > 3 and counters.recovered > 3 and counters.nacked > 3

        await eventually(repaired, "both directions are repaired")
        await all_meet(notary, visitor)
        assert await visitor.ask("room.number") == 1
