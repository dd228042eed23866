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
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from switchboard.records.fold import ContactRecord
from tests.support.alaw import decode, energy, tone_share
from tests.support.phones import Caller
from tests.support.prompts import AGREE, CODE, MENU, MESSAGE, NOBODY, SAVED, write_tones
from tests.support.switchboard import Switchboard, eventually

WANTED = 200 if os.environ.get("SWITCHBOARD_LONG") else 6
SEED = int(os.environ.get("SWITCHBOARD_SEED", "12348"))
AT_ONCE = 10 if WANTED > 10 else 5
VOICES = (500, 580, 620, 700, 820, 860, 980, 1100, 1240, 1400)
"""Hz of what is said: none of them is a prompt's."""
KNOWN = (MENU, NOBODY, MESSAGE, AGREE, SAVED, CODE)
FRAMES = 4
"""Frames of 20 ms in a row that make a tone."""
PATIENCE_S = 60.0
STAGES = {MENU: "menu", NOBODY: "menu", MESSAGE: "recording", AGREE: "choosing"}


class Speaker:
    """Somebody who does what the prompts say, whatever happens in between, until the message is said to be saved.

    Attributes:
        stage: menu, recording, choosing or saving, as far as this caller knows.
    """

    def __init__(self, number: str, hertz: int) -> None:
        self.number, self.hertz = number, hertz
        self.heard_saved = False
        self.stage = "menu"
        self.here = False
        self._listened = 0
        self._run: tuple[int | None, int] = (None, 0)

    async def call(self, sip_port: int) -> None:
        async with Caller(sip_port, self.number, timeout_s=PATIENCE_S * 2) as caller:
            try:
                await caller.answered(10)
            except TimeoutError:
                return  # nobody answers at this very moment
            self.here = True
            deadline = time.monotonic() + PATIENCE_S
            while not self.heard_saved and time.monotonic() < deadline and not _is_over(caller):
                tone = next(self._tones(caller), None)
                await (self._react(caller, tone) if tone else asyncio.sleep(0.05))
            self.here = False
            if not _is_over(caller):
                caller.hang_up()
                await caller.ended()

    def _tones(self, caller: Caller) -> Iterator[int]:
        """The prompts among what has arrived since this caller listened last."""
        for packet in caller.rtp.since(self._listened):
            self._listened += 1
            tone = _tone_of(decode(packet.payload))
            before, frames = self._run
            self._run = (tone, frames + 1 if tone == before else 1)
            if tone and self._run[1] == FRAMES:
                yield tone

    async def _react(self, caller: Caller, tone: int) -> None:
        self.stage = STAGES.get(tone, self.stage)
        if tone in (SAVED, CODE):  # the code follows in the same breath
            self.heard_saved = True
        elif tone in (MENU, NOBODY):
            await self._press(caller, "2")
        elif tone == AGREE:
            await self._press(caller, "1")
            self.stage = "saving"
        elif tone == MESSAGE:
            await _silence(caller, 0.5)
            caller.rtp.play_tone(self.hertz)
            await asyncio.sleep(2.6)  # that is how long the message is
            caller.rtp.play_silence()
            await self._press(caller, "#")

    async def _press(self, caller: Caller, key: str) -> None:
        """And what was said until then is no new question."""
        pressed = await caller.rtp.press(key)
        self._listened, self._run = pressed.received, (None, 0)


def _tone_of(frame: Sequence[int]) -> int | None:
    if energy(frame) < 1e4:
        return None
    return next((hertz for hertz in KNOWN if tone_share(frame, hertz) > 0.6), None)


async def _silence(caller: Caller, seconds: float) -> None:
    try:
        await caller.rtp.wait_quiet(seconds, 5)
    except TimeoutError:
        return


def _is_over(caller: Caller) -> bool:
    return any(event.kind == "ended" for event in caller.sipp.read_events())


async def kill_at_random(
    switchboard: Switchboard, chance: random.Random, speakers: list[Speaker], done: asyncio.Event
) -> Counter[str]:
    """kill -9, begin anew at once, and again. How many kills there were, under "kills", and what callers were doing
    when they happened."""
    hit: Counter[str] = Counter()
    while True:
        await _pause(chance.uniform(1.0, 8.0), done)
        if chance.random() < 0.5:  # every second time while somebody confirms or a message is being kept
            await _somebody_confirms(speakers, done)
            await _pause(chance.uniform(0.0, 0.6), done)
        if done.is_set():
            return hit
        await switchboard.kill()
        hit.update(["kills", *(one.stage for one in speakers if one.here)])
        await switchboard.start()


async def _pause(seconds: float, done: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()


async def _somebody_confirms(speakers: list[Speaker], done: asyncio.Event) -> None:
    deadline = time.monotonic() + 5
    while not done.is_set() and time.monotonic() < deadline:
        if any(one.here and one.stage in ("choosing", "saving") for one in speakers):
            return
        await asyncio.sleep(0.01)


async def tell_progress(speakers: list[Speaker], done: asyncio.Event) -> None:
    began = time.monotonic()
    while not done.is_set():
        await _pause(15.0, done)
        heard = sum(one.heard_saved for one in speakers)
        print(f"{time.monotonic() - began:5.0f} s: {len(speakers)} calls, {heard} of {WANTED} heard saved")


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
    overlay = await asyncio.to_thread(write_tones, tmp_path / "tones", ms=160, lengths={SAVED: 400})
    env = {"MESSAGE_SILENCE_S": "3", "PROMPT_OVERLAY": str(overlay), "HOTLINE_DIR": str(_hotline(tmp_path))}
    speakers: list[Speaker] = []
    async with Switchboard(volunteers=0, env=env) as switchboard:
        done = asyncio.Event()

        async def keep_calling() -> None:
            while sum(one.heard_saved for one in speakers) < WANTED and len(speakers) < 5 * WANTED:
                one = Speaker(f"1380013{len(speakers):04d}", VOICES[len(speakers) % len(VOICES)])
                speakers.append(one)
                await one.call(switchboard.sip_port)

        async with asyncio.TaskGroup() as group:
            killer = group.create_task(kill_at_random(switchboard, chance, speakers, done))
            group.create_task(tell_progress(speakers, done))
            await asyncio.gather(*(group.create_task(keep_calling()) for _ in range(AT_ONCE)))
            done.set()
        hit = killer.result()

        async def all_taken_in() -> bool:
            spool = switchboard.data_dir / "run" / "recording"
            return not list(spool.glob("msg-*")) and not list((spool / "away").glob("*.wav"))

        await eventually(all_taken_in, 90, "every recording taken in")
        contacts = await switchboard.contacts()
        messages = [one for one in contacts if one.medium == "message"]
        sounds = {one.id: await asyncio.to_thread(_check_sound, switchboard, one) for one in messages}

    saved = [one for one in speakers if one.heard_saved]
    mine = {one.number: [m for m in messages if m.caller == one.number and m.origin] for one in saved}
    missing = [number for number, found in mine.items() if not found]
    callers, origins = Counter(m.caller for m in messages), Counter(m.origin for m in messages if m.origin)
    doubled = [one for one, count in (callers + origins).items() if count > 1]  # each number called once
    kills = hit.pop("kills", 0)
    print(
        f"seed {SEED}: {kills} kills (hit {dict(hit)}), {len(speakers)} calls, {len(messages)} messages, "
        f"{len(saved)} heard saved, {len(missing)} missing, {len(doubled)} doubled"
    )
    assert (missing, doubled) == ([], [])
    for speaker in saved:
        middle = list(sounds[mine[speaker.number][0].id])
        middle = middle[len(middle) // 2 - 4000 : len(middle) // 2 + 4000]
        assert tone_share(middle, speaker.hertz) > 0.6
    assert len(saved) >= WANTED
    assert kills > 0
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
