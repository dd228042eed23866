"""A house and a browser in a village, with the line between them in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Browser

from tests.support import village
from tests.video import rig


class Line(Protocol):
    async def cut(self) -> None: ...

    async def mend(self) -> None: ...

    async def narrow(self, down_kbit: int, up_kbit: int, queue_ms: int) -> None: ...

    async def widen(self) -> None: ...


@dataclass
class Country:
    """``near`` is a browser beside the house, ``far`` the one in the village."""

    house: rig.House
    near: Browser
    far: Browser
    line: Line


class Narrow:
    """The bridge's socket, with a token bucket before everything it sends."""

    def __init__(self, wide: Any, kbit: int, queue_ms: int) -> None:
        self.wide = wide
        self._bits_a_second = kbit * 1000
        self._queue_s = queue_ms / 1000
        self._free_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wide, name)

    def sendto(self, data: bytes | memoryview, address: Any) -> int:
        loop = asyncio.get_running_loop()
        begin_s = max(loop.time(), self._free_s)
        if begin_s - loop.time() < self._queue_s:
            self._free_s = begin_s + len(data) * 8 / self._bits_a_second
            loop.call_at(self._free_s, self.wide.sendto, bytes(data), address)
        return len(data)


@dataclass
class Unplugged:
    """The line of a machine without namespaces: the bridge neither takes from the village nor gives to it, and the
    village's sockets are deaf and mute. Less than a cut (a browser's own network stays up), said in the output."""

    house: rig.House
    far: Browser

    async def cut(self) -> None:
        await self._set(True)

    async def mend(self) -> None:
        await self._set(False)

    async def narrow(self, down_kbit: int, up_kbit: int, queue_ms: int) -> None:
        forwarder = self.house.bridge.port.forwarder
        forwarder._socket = Narrow(forwarder._socket, down_kbit, queue_ms)  # pyright: ignore[reportAttributeAccessIssue]

    async def widen(self) -> None:
        forwarder = self.house.bridge.port.forwarder
        if isinstance(forwarder._socket, Narrow):
            forwarder._socket = forwarder._socket.wide

    async def _set(self, cut: bool) -> None:
        here = set()
        for context in self.far.contexts:
            for page in context.pages:
                await page.evaluate("cut => { room.cut = cut }", cut)
                here.add(await page.evaluate("room.me"))
        for peer in self.house.bridge.peers():
            if peer.name in here:
                peer.lane.cut = cut


@asynccontextmanager
async def country(folder: Path) -> AsyncIterator[Country]:
    async with AsyncExitStack() as stack:
        try:
            line = await stack.enter_async_context(village.village(folder))
        except village.NoNamespaces as why:
            print(f"no network namespaces here ({why}): cut within the bridge and the page instead")
            line = None
        house = await stack.enter_async_context(rig.house(line.address if line else ""))
        near = await stack.enter_async_context(rig.chromium(trusted=house.url))
        if line is None:
            far = await stack.enter_async_context(rig.chromium())
        else:
            far = await stack.enter_async_context(rig.chromium(line.browser, house.url))
        yield Country(house, near, far, line or Unplugged(house, far))
