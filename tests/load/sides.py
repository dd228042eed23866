"""The two sides of the calls benchmark: each does the same job on the same Asterisk program.

The job: answer, play the welcome, play the menu and read one key, play the next prompt, queue, ring a volunteer's
telephone, join the two. A side is opened anew for each part of the run, with as many volunteers as that part needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from ivr.server.fetch import AsteriskHome
from tests.support import alaw
from tests.support.bare_asterisk import BareAsterisk
from tests.support.phones import Phones
from tests.support.sipp import SippEvent

# Each prompt is a tone of its own, so that a change of prompt can be heard in one frame.
WELCOME_MS, MENU_MS, NEXT_MS = 300, 4000, 300
MENU_HZ, NEXT_HZ = 520, 800
WELCOME = alaw.tone(440, ms=WELCOME_MS)
MENU = alaw.tone(MENU_HZ, ms=MENU_MS)
NEXT = alaw.tone(NEXT_HZ, ms=NEXT_MS)


class OpenSide(Protocol):
    """A side that runs, its volunteers waiting."""

    @property
    def sip_port(self) -> int: ...

    @property
    def phones(self) -> Phones:
        """The volunteers' telephones."""
        ...

    @property
    def key(self) -> str:
        """What a caller presses in the menu."""
        ...

    @property
    def next_prompt(self) -> bytes:
        """The A-law sound that follows the key."""
        ...

    def pids(self) -> Mapping[str, Sequence[int]]:
        """Process ids under "asterisk" and "python"."""
        ...

    async def finish(self, call: SippEvent) -> int:
        """Ends this talk from the volunteer's side; when the volunteer was free again (monotonic ns).

        Args:
            call: the `answered` event of the volunteer's telephone.
        """
        ...

    def problems(self) -> list[str]:
        """What went wrong on this side besides calls."""
        ...


class Side(Protocol):
    @property
    def name(self) -> str: ...

    def open(self, agents: int) -> AbstractAsyncContextManager[OpenSide]: ...


@dataclass
class AppQueue:
    """Asterisk alone: a dialplan with Playback, Read and Queue (rrmemory), the volunteers its static members."""

    home: AsteriskHome
    name: str = "app_queue"

    @asynccontextmanager
    async def open(self, agents: int) -> AsyncIterator[OpenSide]:
        users = [(f"v{901 + n}", f"secret-{n}") for n in range(agents)]
        sounds = {"welcome": WELCOME, "menu": MENU, "next": NEXT}
        async with (
            BareAsterisk(self.home, agents=users, sounds=sounds) as asterisk,
            Phones(asterisk.sip_port, users) as phones,
        ):
            yield _OpenAppQueue(asterisk, phones)


@dataclass
class _OpenAppQueue:
    asterisk: BareAsterisk
    phones: Phones
    key: str = "2"
    next_prompt: bytes = NEXT

    @property
    def sip_port(self) -> int:
        return self.asterisk.sip_port

    def pids(self) -> Mapping[str, Sequence[int]]:
        return {"asterisk": [self.asterisk.pid], "python": []}

    async def finish(self, call: SippEvent) -> int:
        """The telephone hangs up; with wrapuptime=0 its owner is free at that moment."""
        before = await asyncio.to_thread(_number_ended, self.phones)
        self.phones.sipp.hang_up(call.call_id)
        return (await self.phones.sipp.wait_event("ended", nth=before + 1)).at_ns

    def problems(self) -> list[str]:
        return [line for line in self.asterisk.log().splitlines() if "ERROR" in line][:5]


def _number_ended(phones: Phones) -> int:
    return sum(event.kind == "ended" for event in phones.sipp.read_events())
