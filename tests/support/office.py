"""Volunteers with a voice: each a desk and a telephone of its own that sends one tone and tells what it hears."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from switchboard.records.fold import ContactRecord, Talk, talks_of
from tests.support import alaw
from tests.support.agents import Manner, ScriptedDesk
from tests.support.leftovers import Leftovers
from tests.support.phones import Caller, Phones
from tests.support.prompts import MENU
from tests.support.rtp import RtpPeer
from tests.support.sipp import HOST
from tests.support.switchboard import Switchboard, eventually

TAKES = Manner(answer="accept")
PATIENCE_S = 20.0
MUSIC = 0
"""As a tone: something is heard that is nobody's tone."""


class Volunteer:
    """`async with Volunteer(switchboard, "v901", 1000) as first:` is signed in, registered and ready."""

    def __init__(
        self, switchboard: Switchboard, name: str, hertz: int, *, manner: Manner = TAKES, ready: bool = True
    ) -> None:
        password = dict(switchboard.accounts)[name]
        self.desk = ScriptedDesk(switchboard.base_url, name, password, manner=manner)
        self.rtp = RtpPeer()
        self.hertz = hertz
        self.lines = 0
        self._switchboard = switchboard
        self._ready = ready
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            await held.enter_async_context(self.rtp)
            self.rtp.play_tone(self.hertz)
            await held.enter_async_context(self.desk)
            self.phones = await held.enter_async_context(
                Phones(self._switchboard.sip_port, [self.desk.telephone], rtp_port=self.rtp.port)
            )
            follower = asyncio.create_task(self._follow_lines(), name="lines")
            held.push_async_callback(_end, follower)
            if self._ready:
                await self.desk.ready()
            self._held = held.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    async def _follow_lines(self) -> None:
        """Each leg has a port of its own: the voice goes to the newest."""
        while True:
            event = await self.phones.sipp.wait_event("answered", 600, nth=self.lines + 1)
            self.rtp.remote = (HOST, int(event.rest[0]))
            self.lines += 1

    async def line_ended(self, nth: int = 1) -> None:
        await self.phones.sipp.wait_event("ended", PATIENCE_S, nth=nth)

    async def drop_line(self) -> None:
        """The telephone hangs up, without a word at the desk."""
        events = [event for event in self.phones.sipp.read_events() if event.kind == "answered"]
        self.phones.sipp.hang_up(events[-1].call_id)

    # ---- the desk

    async def does(self, command: str, **fields: Any) -> dict[str, Any]:
        """A command about the contact on the desk."""
        assert self.desk.contact is not None, "no contact on this desk"
        return await self.desk.command(command, contact=self.desk.contact["id"], **fields)

    async def shows(self, timeout: float = PATIENCE_S, **wanted: Any) -> dict[str, Any]:
        """Until the contact on the desk has these values; `colleague` compares by its state."""
        await self.desk.until(
            lambda d: (
                d.contact is not None and all(_value(d.contact, name) == wanted[name] for name in wanted)
            ),
            timeout,
            f"{wanted}, contact is {self.desk.contact}",
        )
        assert self.desk.contact is not None
        return self.desk.contact

    async def state(self, name: str) -> None:
        await self.desk.wait_state(name, PATIENCE_S)


def _value(contact: dict[str, Any], name: str) -> Any:
    value = contact.get(name)
    return value["state"] if name == "colleague" and value else value


async def hear_each_other(*people: Any) -> None:
    """Everybody hears the tones of all others."""
    await asyncio.gather(
        *(_hears_all(one, [other for other in people if other is not one]) for one in people)
    )


async def _hears_all(one: Any, others: list[Any]) -> None:
    for other in others:
        await hears(one, _hertz(other))


async def hears(one: Any, hertz: int) -> None:
    """A tone among others: at least a tenth of what arrives from now on."""
    mark = one.rtp.received
    await one.rtp.wait_for(
        lambda: one.rtp.received - mark >= 15 and _share(one, hertz) > 0.1,
        PATIENCE_S,
        f"{hertz} Hz among others",
    )


async def hears_nothing_of(one: Any, *hertz: int) -> None:
    """Half a second without any of these tones, all of it received after this call."""
    mark = one.rtp.received

    def without() -> bool:
        fresh = one.rtp.received - mark >= 25
        return fresh and all(_share(one, tone, 0.5) < 0.02 for tone in hertz)

    silent = asyncio.create_task(one.rtp.wait_quiet(0.5, PATIENCE_S))
    other = asyncio.create_task(one.rtp.wait_for(without, PATIENCE_S, f"nothing of {hertz} Hz"))
    try:
        done, _ = await asyncio.wait({silent, other}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (silent, other):
            task.cancel()
        await asyncio.gather(silent, other, return_exceptions=True)


async def hears_music(one: Any, *but: int) -> None:
    """Something loud that is none of these tones."""
    mark = one.rtp.received

    def music() -> bool:
        if one.rtp.received - mark < 25:
            return False
        samples = one.rtp.heard(0.5)
        return alaw.energy(samples) > 1e4 and all(alaw.tone_share(samples, tone) < 0.05 for tone in but)

    await one.rtp.wait_for(music, PATIENCE_S, "music")


def _share(one: Any, hertz: int, seconds: float = 0.3) -> float:
    samples = one.rtp.heard(seconds)
    return alaw.tone_share(samples, hertz) if samples and alaw.energy(samples) > 1e4 else 0.0


def _hertz(one: Any) -> int:
    return one.hertz


class Voice(Caller):
    """A caller who sends one tone as soon as somebody has answered."""

    hertz = 600

    async def speak(self) -> None:
        self.rtp.play_tone(self.hertz)


@asynccontextmanager
async def voice(switchboard: Switchboard, number: str, keys: str, menu: int) -> AsyncIterator[Voice]:
    """A caller who presses these keys at the menu and talks from then on."""
    async with Voice(switchboard.sip_port, number) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.wait_tone(menu, 0.1, PATIENCE_S)
        await caller.rtp.press(keys)
        await caller.speak()
        yield caller


FIRST, SECOND = 1000, 1500
NUMBERS = (f"1390000{number}" for number in itertools.count(2001))
"""Every caller has a number of their own, also where tests share a switchboard."""


@asynccontextmanager
async def talking(
    switchboard: Switchboard, *, second: Manner = TAKES
) -> AsyncIterator[tuple[Voice, Volunteer, Volunteer]]:
    """A caller in a talk with the first volunteer; the second is free."""
    async with AsyncExitStack() as held:
        first = await held.enter_async_context(Volunteer(switchboard, "v901", FIRST))
        caller = await held.enter_async_context(voice(switchboard, next(NUMBERS), "2", MENU))
        await first.shows(stage="talking")
        colleague = Volunteer(switchboard, "v902", SECOND, manner=second)
        colleague = await held.enter_async_context(colleague)
        await hear_each_other(caller, first)
        yield caller, first, colleague


async def ended(switchboard: Switchboard, caller: Voice) -> tuple[ContactRecord, tuple[Talk, ...]]:
    """The caller's record, and who talked to whom."""
    contact = ""

    async def over() -> bool:
        nonlocal contact
        mine = [one for one in await switchboard.contacts() if one.caller == caller.row[0]]
        contact = mine[0].id
        return mine[0].ended_ms is not None

    await eventually(over, PATIENCE_S, "the end of the call")
    record, events = await switchboard.contact(contact)
    return record, talks_of(events)


async def before(switchboard: Switchboard) -> Leftovers:
    """Each of the two desks may come back for a minute after its page has gone."""
    return Leftovers((await Leftovers.before(switchboard)).tasks + 2)


def together(talks: tuple[Talk, ...]) -> list[tuple[str, ...]]:
    return [talk.who for talk in talks]


async def nothing_left(switchboard: Switchboard) -> None:
    """No channel and no bridge but the waiting room, and nobody in the queue."""

    async def quiet() -> bool:
        bridges = [one["id"] for one in await switchboard.ari("bridges") if one["bridge_type"] != "holding"]
        return not bridges and await switchboard.ari("channels") == []

    await eventually(quiet, PATIENCE_S, "nothing left in Asterisk")
    assert (await switchboard.snapshot()).entries == ()


async def recorded(switchboard: Switchboard, contact: str, count: int) -> bool:
    return len((await switchboard.contact(contact))[0].recordings) == count


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
