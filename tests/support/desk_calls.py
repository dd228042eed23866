"""A call on a real desk page, step by step, with what the caller hears measured frame by frame."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Error as PageError
from playwright.async_api import Page, expect

from switchboard.records.fold import ContactRecord
from tests.support import alaw
from tests.support.browser import PATIENCE_S, at, hears
from tests.support.chromium import VOICE_HZ
from tests.support.phones import Caller
from tests.support.prompts import AGREE, MENU, MESSAGE, SAVED, SURVEY, WAITING
from tests.support.rtp import RtpPeer
from tests.support.switchboard import Switchboard, eventually

CALLER_HZ = 600
SPEECH_HZ = 700
SPOKEN_BYTES = 2 * 8000 * 2
"""Two seconds of a message as Asterisk writes it."""
LOOK_S = 0.02


@asynccontextmanager
async def calling(switchboard: Switchboard, number: str) -> AsyncIterator[Caller]:
    """A caller who has pressed 2 (labour) and waits for a person."""
    async with Caller(switchboard.sip_port, number, timeout_s=300) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.wait_tone(MENU, 0.1, PATIENCE_S)
        await caller.rtp.press("2")
        yield caller


async def leave_message(switchboard: Switchboard, number: str) -> ContactRecord:
    """Somebody waits, presses 2, speaks and agrees."""
    async with Caller(switchboard.sip_port, number) as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.hear(MENU, PATIENCE_S)
        await caller.rtp.press("2")
        await caller.rtp.hear(WAITING, PATIENCE_S)
        await caller.rtp.press("2")
        await caller.rtp.hear(MESSAGE, PATIENCE_S)
        caller.rtp.play_tone(SPEECH_HZ)

        async def spoken() -> bool:
            files = (switchboard.data_dir / "run" / "recording").glob("msg-*")
            return any(file.stat().st_size >= SPOKEN_BYTES for file in files)

        await eventually(spoken, PATIENCE_S, "two seconds of the message")
        caller.rtp.play_silence()
        await caller.rtp.press("#")
        await caller.rtp.hear(AGREE, PATIENCE_S)
        await caller.rtp.press("1")
        await caller.rtp.hear(SAVED, PATIENCE_S)
        caller.hang_up()
        await caller.ended(PATIENCE_S)
    [message] = [one for one in await switchboard.contacts() if one.medium == "message"]
    return message


@asynccontextmanager
async def told_on_failure(switchboard: Switchboard, desk: Callable[[], Page]) -> AsyncIterator[None]:
    """What the page shows and the end of the switchboard's log, beside what failed."""
    try:
        yield
    except BaseException:
        print(switchboard.log()[-8000:])
        for contact in (await switchboard.contacts())[-2:]:
            _, events = await switchboard.contact(contact.id)
            print(
                contact.id,
                *(f"{event.at_ms} {event.kind} {dict(event.data)}" for event in events),
                sep="\n  ",
            )
        snapshot = await switchboard.snapshot()
        print(*snapshot.entries, *snapshot.seats, *snapshot.reservations, sep="\n")
        print(await switchboard.ari("bridges"), await switchboard.ari("channels"))
        with suppress(PageError):
            print(await shown(desk()), await desk().inner_text("main"))
        raise


async def talk(desk: Page, caller: Caller) -> None:
    """Both hear each other."""
    caller.rtp.play_tone(CALLER_HZ)
    await asyncio.gather(hears(desk, CALLER_HZ), caller.rtp.wait_tone(VOICE_HZ, 0.2, PATIENCE_S))


async def hang_up(desk: Page, caller: Caller) -> None:
    """The volunteer ends the talk, and the caller hears the first question. Listened for from before the click: on a
    busy machine the question is over before a click says that it is done."""
    question = asyncio.create_task(caller.rtp.hear(SURVEY, PATIENCE_S))
    try:
        await at(desk, "hang-up").click()
        await question
    finally:
        question.cancel()
        await asyncio.gather(question, return_exceptions=True)


async def save_record(desk: Page) -> None:
    """The record is written; the next caller may come at once."""
    await expect(at(desk, "wrap-up")).to_be_visible()
    await at(desk, "disposition-advised").click()
    await at(desk, "save-ready").click()


async def wrap_up(desk: Page) -> None:
    """The record is written, and the desk is free again."""
    await save_record(desk)
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a desk page shows: the contact in hand, its stage, and whether its phone talks."""

    contact: str | None
    stage: str | None
    reservation: int | None
    talking: bool


async def shown(desk: Page) -> Shown | None:
    """None while the page is being loaded."""
    try:
        raw: dict[str, Any] | None = await desk.evaluate(
            "() => { const d = window.__desk; return d && d.network === 'open' ? { contact: d.contact,"
            " stage: d.stage, reservation: d.reservation, session: d.session } : null }"
        )
    except PageError:  # in between two documents
        return None
    return (
        Shown(raw["contact"], raw["stage"], raw["reservation"], raw["session"] == "active") if raw else None
    )


async def until_shown(desk: Page, wanted: Any, what: str) -> float:
    """Until the page shows what is wanted; time.monotonic() of that moment."""
    seen: Shown | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                seen = await shown(desk)
                if seen is not None and wanted(seen):
                    return time.monotonic()
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise TimeoutError(f"the desk did not show {what}; it shows {seen}") from None


def voice_gap_ms(rtp: RtpPeer, since_ns: int, hertz: int = VOICE_HZ) -> int:
    """The longest time after ``since_ns`` without the volunteer's voice, as it arrived, in ms."""
    voice = [
        packet.arrived_ns
        for packet in rtp.packets
        if packet.arrived_ns > since_ns - 1_000_000_000 and is_voice(packet.payload, hertz)
    ]
    pairs = itertools.pairwise(voice)
    return max((b - a for a, b in pairs if b > since_ns), default=0) // 1_000_000


def is_voice(payload: bytes, hertz: int = VOICE_HZ) -> bool:
    return alaw.is_loud(payload) and alaw.tone_share(alaw.decode(payload), hertz) > 0.5
