"""Message mode on the real Asterisk: what a caller says is kept, once, and answered by a click."""

from __future__ import annotations

import asyncio
import hashlib
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from switchboard.records.fold import ContactRecord
from tests.support.agents import Manner, Volunteers
from tests.support.alaw import tone_share
from tests.support.callees import Callee
from tests.support.phones import Caller
from tests.support.prompts import (
    AGREE,
    EMPTY,
    MENU,
    MESSAGE,
    NOBODY,
    NOT_KEPT,
    PRESS_ONE,
    SAVED,
    SURVEY,
    WAITING,
)
from tests.support.switchboard import Switchboard, eventually

BY_HAND = Manner()
SPEECH = 700
"""Hz of what the caller says."""
ENV = {
    "WRAP_UP_MS": "1000",
    "MESSAGE_SILENCE_S": "2",
    "MESSAGE_MOST_S": "8",
    "MESSAGE_WARN_S": "2",
    "ATTEMPT_GAPS_MS": "[300, 300]",
    "CALL_FROM_HOUR": "0",
    "CALL_UNTIL_HOUR": "24",
    "PRESS_ONE_MS": "800",
}


@pytest.fixture
async def home() -> AsyncIterator[Callee]:
    async with Callee() as callee:
        yield callee


@pytest.fixture
async def switchboard(home: Callee) -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env=ENV | {"TRUNK_CONTACT": home.contact}) as running:
        yield running


async def choose_labour(caller: Caller) -> None:
    await caller.answered()
    await caller.rtp.wait_tone(MENU, 0.1, 10)
    await caller.rtp.press("2")


async def to_message_mode(caller: Caller) -> None:
    """Nobody is on duty: the caller is told at once and does not press anything."""
    await choose_labour(caller)
    await caller.rtp.wait_tone(NOBODY, 0.1, 10)
    await caller.rtp.wait_tone(MESSAGE, 0.1, 10)


async def speak(caller: Caller, seconds: float, hertz: int = SPEECH) -> None:
    caller.rtp.play_tone(hertz)
    await caller.rtp.wait_quiet(0.4)  # the tone before it is over
    await asyncio.sleep(seconds)  # that is how long somebody speaks
    caller.rtp.play_silence()


async def message_of(switchboard: Switchboard) -> ContactRecord:
    found = [contact for contact in await switchboard.contacts() if contact.medium == "message"]
    assert len(found) == 1
    return found[0]


def sound_of(switchboard: Switchboard, record: ContactRecord) -> array[int]:
    """The samples of a message; file, row and hash fit together."""
    (recording,) = (one for one in record.recordings if one.id == record.id)
    path = switchboard.data_dir / "recordings" / recording.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == recording.sha256
    with wave.open(str(path)) as file:
        samples = array("h", file.readframes(file.getnframes()))
    assert len(samples) // 8 == recording.ms
    return samples


def is_tone(samples: array[int], hertz: int) -> bool:
    middle = list(samples[len(samples) // 2 - 4000 : len(samples) // 2 + 4000])
    return tone_share(middle, hertz) > 0.6


def spool(switchboard: Switchboard) -> list[Path]:
    return list((switchboard.data_dir / "run" / "recording").glob("msg-*"))


async def test_nobody_on_duty_is_told_at_once_and_a_message_is_kept(switchboard: Switchboard) -> None:
    async with Caller(switchboard.sip_port, "13800138100") as caller:
        await to_message_mode(caller)
        await speak(caller, 3.0)
        await caller.rtp.press("#")
        await caller.rtp.wait_tone(AGREE, 0.1, 10)
        await caller.rtp.press("1")
        await caller.rtp.wait_tone(SAVED, 0.1, 10)
        message = await message_of(switchboard)  # durable before it is said
        assert is_tone(sound_of(switchboard, message), SPEECH)
        assert await caller.ended(20) == "remote"
    call = next(one for one in await switchboard.wait_ended(1) if one.medium == "call")
    assert (call.end_reason, call.ended_by, call.queued_ms) == ("message_left", "caller", None)
    message = await message_of(switchboard)
    assert (message.origin, message.caller, message.matter) == (call.id, "13800138100", "labour")
    assert (message.stage, message.arrived_ms) == ("waiting", call.arrived_ms)
    assert message.due_ms is not None
    assert message.due_ms > message.arrived_ms + 2 * 86_400_000
    assert message.code is not None
    assert spool(switchboard) == []
