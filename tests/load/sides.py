"""The two sides of the calls benchmark: each does the same job on the same Asterisk program.

The job: answer, play the welcome, play the menu and read one key, play the next prompt, queue, ring a volunteer's
telephone, join the two. A side is opened anew for each part of the run, with as many volunteers as that part needs.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ivr.hotline import SEEDS
from ivr.server.fetch import AsteriskHome
from tests.support import alaw, prompts
from tests.support.agents import PROMPT, ScriptedDesk, Volunteers
from tests.support.bare_asterisk import BareAsterisk
from tests.support.phones import Phones
from tests.support.sipp import SippEvent
from tests.support.switchboard import Switchboard

# Each prompt is a tone of its own, so that a change of prompt can be heard in one frame.
WELCOME_MS, MENU_MS, NEXT_MS = 300, 4400, 300
MENU_HZ = prompts.MENU
_MENU_PROMPTS, _ANNOUNCEMENTS = 11, 2  # of which the built-in hotline's menu and its announcement are made


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
    def next_ms(self) -> int:
        """Length of the prompt between the key and the queue, 0 when the queue comes first."""
        ...

    def pids(self) -> Mapping[str, Sequence[int]]:
        """Process ids by name, such as "asterisk" and "python"."""
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
        sounds = {
            "welcome": alaw.tone(prompts.ANNOUNCEMENT, ms=WELCOME_MS),
            "menu": alaw.tone(MENU_HZ, ms=MENU_MS),
            "next": alaw.tone(prompts.WAITING, ms=NEXT_MS),
        }
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
    next_ms: int = NEXT_MS

    @property
    def sip_port(self) -> int:
        return self.asterisk.sip_port

    def pids(self) -> Mapping[str, Sequence[int]]:
        return {"asterisk": [self.asterisk.pid]}

    async def finish(self, call: SippEvent) -> int:
        """The telephone hangs up; with wrapuptime=0 its owner is free at that moment."""
        before = await asyncio.to_thread(_number_ended, self.phones)
        self.phones.sipp.hang_up(call.call_id)
        return (await self.phones.sipp.wait_event("ended", nth=before + 1)).at_ns

    def problems(self) -> list[str]:
        return [line for line in self.asterisk.log().splitlines() if "ERROR" in line][:5]


def _number_ended(phones: Phones) -> int:
    return sum(event.kind == "ended" for event in phones.sipp.read_events())


@dataclass
class Ours:
    """This project's switchboard as a child process, its volunteers at desks that accept at once.

    Its caller is queued at the key, and hears the place in the queue (of the same length) while a volunteer's
    telephone rings already. A volunteer is free when the outcome has been sent.
    """

    name: str = "switchboard"
    recorded: bool = False
    """Whether talks are recorded too. app_queue's side does not record, so the same job is without."""

    @asynccontextmanager
    async def open(self, agents: int) -> AsyncIterator[OpenSide]:
        with tempfile.TemporaryDirectory(prefix="tones-") as folder:
            lengths = {MENU_HZ: MENU_MS // _MENU_PROMPTS, prompts.ANNOUNCEMENT: WELCOME_MS // _ANNOUNCEMENTS}
            overlay = Path(folder) / "overlay"
            await asyncio.to_thread(prompts.write_tones, overlay, ms=NEXT_MS, lengths=lengths)
            env = {"PROMPT_OVERLAY": str(overlay), "LOG_LEVEL": "warning"}
            if not self.recorded:
                env["HOTLINE_DIR"] = str(await asyncio.to_thread(_unrecorded, Path(folder)))
            async with (
                Switchboard(volunteers=agents, env=env) as switchboard,
                Volunteers(
                    switchboard.base_url, switchboard.sip_port, switchboard.accounts, manner=PROMPT
                ) as volunteers,
            ):
                yield _OpenOurs(switchboard, volunteers)


def _unrecorded(folder: Path) -> Path:
    """The built-in hotline, but without recording: what app_queue's dialplan does."""
    hotlines = folder / "hotlines"
    hotlines.mkdir()
    for seed in SEEDS.glob("*.toml"):
        text = seed.read_text("utf-8")
        (hotlines / seed.name).write_text(text.replace("\n[[", '\nrecord = "none"\n\n[[', 1), "utf-8")
    return hotlines


@dataclass
class _OpenOurs:
    switchboard: Switchboard
    volunteers: Volunteers
    key: str = "2"
    next_ms: int = 0

    @property
    def sip_port(self) -> int:
        return self.switchboard.sip_port

    @property
    def phones(self) -> Phones:
        assert self.volunteers.phones is not None
        return self.volunteers.phones

    def pids(self) -> Mapping[str, Sequence[int]]:
        return self.switchboard.pids()

    async def finish(self, call: SippEvent) -> int:
        """The volunteer hangs up and sends the outcome at once, which makes the seat free."""
        desk = self._desk_of(call)
        before = desk.wrapped_ns
        await desk.wait_contact("talking")
        await desk.hang_up()
        await desk.until(lambda d: d.wrapped_ns > before, what="the outcome sent")
        return desk.wrapped_ns

    def _desk_of(self, call: SippEvent) -> ScriptedDesk:
        ringing = (event for event in self.phones.sipp.read_events() if event.kind == "ringing")
        user = next(event.rest[0] for event in ringing if event.call_id == call.call_id)
        return next(desk for desk in self.volunteers.desks if desk.telephone[0] == user)

    def problems(self) -> list[str]:
        errors = [line for line in self.switchboard.log().splitlines() if '"level": "error"' in line]
        return [*self.volunteers.problems[:5], *errors[:5]]
