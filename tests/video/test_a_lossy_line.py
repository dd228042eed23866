"""One packet in twenty is lost each way: what was lost is asked for and sent again, by the bridge and to the bridge."""

from __future__ import annotations

import random
import socket
from typing import Any

from playwright.async_api import Browser

from tests.video.rig import SMALL, House, Visitor, all_meet, eventually
from video.tokens import Role


class Lossy:
    """The bridge's socket on a line that loses one RTP packet in twenty each way."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._chance = random.Random(1)

    def _lost(self, first: int) -> bool:
        return 128 <= first < 192 and self._chance.random() < 0.05

    def sendto(self, data: bytes | memoryview, address: Any) -> int:
        return len(data) if self._lost(data[0]) else self._socket.sendto(data, address)

    def recvfrom_into(self, buffer: memoryview) -> tuple[int, Any]:
        while True:
            size, address = self._socket.recvfrom_into(buffer)
            if not size or not self._lost(buffer[0]):
                return size, address


async def test_lost_packets_are_sent_again_and_pictures_go_on(chromium: Browser, house: House) -> None:
    forwarder = house.bridge.port.forwarder
    forwarder._socket = Lossy(forwarder._socket)  # pyright: ignore[reportAttributeAccessIssue]
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST, video=SMALL)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200, video=SMALL)
    await all_meet(notary, visitor)
    counters = forwarder.counters

    async def repaired() -> bool:
        return counters.resent > 3 and counters.recovered > 3 and house.bridge.feedback.nacked > 3

    await eventually(repaired, "both directions are repaired")
    await all_meet(notary, visitor)
    assert await visitor.ask("room.number") == 1
