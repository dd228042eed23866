"""A house and a browser in a village, with the line between them in the test's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from playwright.async_api import Browser

from tests.support import village
from tests.video import rig


class Line(Protocol):
    async def cut(self) -> None: ...

    async def mend(self) -> None: ...


@dataclass
class Country:
    """``near`` is a browser beside the house, ``far`` the one in the village."""

    house: rig.House
    near: Browser
    far: Browser
    line: Line


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
