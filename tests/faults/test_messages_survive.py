"""Messages while the switchboard is killed at random: what was said to be saved is there, once.

SWITCHBOARD_LONG=1 (make faults) leaves 200 messages; SWITCHBOARD_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
import wave
from array import array
from collections import Counter
from pathlib import Path

from switchboard.records.fold import ContactRecord
from tests.support.alaw import energy, tone_share
from tests.support.phones import Caller
from tests.support.prompts import AGREE, CODE, MENU, MESSAGE, SAVED, write_tones
from tests.support.switchboard import Switchboard, eventually

WANTED = 200 if os.environ.get("SWITCHBOARD_LONG") else 6
SEED = int(os.environ.get("SWITCHBOARD_SEED", "12348"))
AT_ONCE = 5
VOICES = (500, 580, 620, 700, 820, 860, 980, 1100, 1240, 1400)
"""Hz of what is said: none of them is a prompt's."""
PATIENCE_S = 45.0


class Speaker:
    """Somebody who does what the prompts say, whatever happens in between, until the message is said to be saved."""

    def __init__(self, number: str, hertz: int) -> None:
        self.number, self.hertz = number, hertz
        self.heard_saved = False

    async def call(self, sip_port: int) -> None:
        async with Caller(sip_port, self.number, timeout_s=PATIENCE_S * 2) as caller:
            try:
                await caller.answered(10)
            except TimeoutError:
                return  # nobody answers at this very moment
            deadline = time.monotonic() + PATIENCE_S
            while not self.heard_saved and time.monotonic() < deadline and not _is_over(caller):
                await self._react(caller, _tone_now(caller))
            if not _is_over(caller):
                caller.hang_up()
                await caller.ended()

    async def _react(self, caller: Caller, tone: int | None) -> None:
        if tone in (SAVED, CODE):  # the code follows in the same breath
            self.heard_saved = True
        elif tone == MENU:
            await caller.rtp.press("2")
            await _silence(caller, 0.3)
        elif tone == AGREE:
            await caller.rtp.press("1")
            await _silence(caller, 0.3)
        elif tone == MESSAGE:
            await _silence(caller, 0.5)
            caller.rtp.play_tone(self.hertz)
            await asyncio.sleep(2.6)  # that is how long the message is
            caller.rtp.play_silence()
            await caller.rtp.press("#")
        else:
            await asyncio.sleep(0.05)


def _tone_now(caller: Caller) -> int | None:
    samples = caller.rtp.heard(0.08)
    recent = caller.rtp.packets and time.monotonic_ns() - caller.rtp.packets[-1].arrived_ns < 100_000_000
    if len(samples) < 500 or not recent or energy(samples) < 1e4:
        return None
    return next(
        (hertz for hertz in (MENU, MESSAGE, AGREE, SAVED, CODE) if tone_share(samples, hertz) > 0.6), None
    )


async def _silence(caller: Caller, seconds: float) -> None:
    try:
        await caller.rtp.wait_quiet(seconds, 5)
    except TimeoutError:
        return


def _is_over(caller: Caller) -> bool:
    return any(event.kind == "ended" for event in caller.sipp.read_events())


async def kill_at_random(switchboard: Switchboard, chance: random.Random, done: asyncio.Event) -> int:
    """kill -9, begin anew at once, and again; the number of kills."""
    kills = 0
    while not done.is_set():
        try:
            async with asyncio.timeout(chance.uniform(1.0, 12.0)):
                await done.wait()
        except TimeoutError:
            await switchboard.kill()
            kills += 1
            await switchboard.start()
    return kills


def _check_sound(switchboard: Switchboard, message: ContactRecord) -> array[int]:
    (recording,) = message.recordings
    path: Path = switchboard.data_dir / "recordings" / recording.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == recording.sha256
    with wave.open(str(path)) as file:
        samples = array("h", file.readframes(file.getnframes()))
    assert len(samples) // 8 == recording.ms
    return samples


async def test_a_message_that_was_said_to_be_saved_exists_once(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    overlay = await asyncio.to_thread(write_tones, tmp_path / "tones", ms=160)
    env = {"MESSAGE_SILENCE_S": "3", "PROMPT_OVERLAY": str(overlay), "HOTLINE_DIR": str(_hotline(tmp_path))}
    speakers: list[Speaker] = []
    async with Switchboard(volunteers=0, env=env) as switchboard:
        done = asyncio.Event()
        killer = asyncio.create_task(kill_at_random(switchboard, chance, done))

        async def keep_calling() -> None:
            while sum(one.heard_saved for one in speakers) < WANTED and len(speakers) < 5 * WANTED:
                one = Speaker(f"1380013{len(speakers):04d}", VOICES[len(speakers) % len(VOICES)])
                speakers.append(one)
                await one.call(switchboard.sip_port)

        await asyncio.gather(*(keep_calling() for _ in range(AT_ONCE)))
        done.set()
        kills = await killer

        async def all_taken_in() -> bool:
            spool = switchboard.data_dir / "run" / "recording"
            return not list(spool.glob("msg-*")) and not list((spool / "away").glob("*.wav"))

        await eventually(all_taken_in, 90, "every recording taken in")
        contacts = await switchboard.contacts()
        messages = [one for one in contacts if one.medium == "message"]
        sounds = {one.id: await asyncio.to_thread(_check_sound, switchboard, one) for one in messages}

    saved = [one for one in speakers if one.heard_saved]
    print(
        f"\nseed {SEED}: {len(speakers)} calls, {kills} kills, {len(saved)} saved, {len(messages)} messages"
    )
    assert len(saved) >= WANTED
    assert kills > 0
    for speaker in saved:
        mine = [one for one in messages if one.caller == speaker.number and one.origin is not None]
        assert len(mine) == 1, (speaker.number, [one.id for one in mine])
        middle = list(sounds[mine[0].id])
        middle = middle[len(middle) // 2 - 4000 : len(middle) // 2 + 4000]
        assert tone_share(middle, speaker.hertz) > 0.6
    assert [one for one, count in Counter(m.origin for m in messages if m.origin).items() if count > 1] == []
    twice = [one for one, count in Counter(message.caller for message in messages).items() if count > 1]
    assert twice == []  # each number called once
    assert all(one.ended_ms is not None for one in contacts if one.medium == "call")


def _hotline(folder: Path) -> Path:
    """A menu of one line, so that a message takes seconds."""
    hotlines = folder / "hotlines"
    hotlines.mkdir()
    (hotlines / "12348.toml").write_text(
        'number = "12348"\nname_zh = "热线"\nname_en = "Hotline"\nannouncement = ["welcome"]\n'
        'menu_end = []\nmenu = [{ key = "2", prompt = "menu_labour", matter = "labour" }]\n',
        "utf-8",
    )
    return hotlines
