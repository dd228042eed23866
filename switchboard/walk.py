"""A simulated caller for the page: the very code that a caller meets, with a list of keys in place of a telephone.

Nothing is kept between two steps: the walk begins anew with one key more, so that it depends on nothing but the text,
the moment and the keys.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ivr.hotline import Hotline
from ivr.intake import Intake, announce, intake, tell
from ivr.prompts.catalogue import PromptSet
from ivr.prompts.errors import UnknownPrompt
from switchboard.contacts.front import Door
from switchboard.rules import Rules

MOST_KEYS = 60
MOST_LINES = 400

Ends = Literal["waiting", "message", "information", "transfer", "hang_up"]


@dataclass(frozen=True, slots=True)
class Line:
    """One prompt, or one key of the caller's (``text`` empty: nothing was pressed)."""

    who: Literal["hotline", "caller"]
    text: str
    language: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """``asks``: a key is waited for; ``ends``: how it ended, None while it goes on; ``about``: the id of a matter."""

    said: tuple[Line, ...]
    asks: bool = False
    ends: Ends | None = None
    about: str | None = None
    to: str | None = None


class _Asked(Exception):
    """The keys are used up at a question."""


class _TooMuch(Exception):
    """More words than any hotline has; the walk stops there."""


@dataclass
class _Voice:
    """``ivr.voice.Voice`` for a list of keys."""

    language: str
    prompts: PromptSet
    keys: deque[str]
    said: list[Line] = field(default_factory=list)

    async def say(self, prompts: Sequence[str], /) -> None:
        for prompt in prompts:
            language, _, key = prompt.rpartition("/")
            spoken = language or self.language
            try:
                text = self.prompts.text(spoken, key)
            except UnknownPrompt:
                text = f"[{key}]"  # a text in the making; the check names it
            if text:
                self._add(Line("hotline", text, spoken, key))

    async def ask(self, prompts: Sequence[str], /, *, first_key_ms: int) -> str | None:
        await self.say(prompts)
        if not self.keys:
            raise _Asked
        key = self.keys.popleft()
        self._add(Line("caller", key))
        return key or None

    def forget_keys(self) -> None:
        """Nothing is pressed ahead."""

    def _add(self, line: Line) -> None:
        if len(self.said) >= MOST_LINES:
            raise _TooMuch
        self.said.append(line)


async def walk(
    hotline: Hotline, keys: Sequence[str], at: dt.datetime, rules: Rules, prompts: PromptSet
) -> Walked:
    """``keys``: one each, empty for silence. ``at`` is a local time of the calendar's zone."""
    voice = _Voice(hotline.language, prompts, deque(keys))
    door = Door(hotline, rules.calendar, prompts, at)
    try:
        ends, taken = await _call(voice, hotline, door)
    except _Asked:
        return Walked(tuple(voice.said), asks=True)
    except _TooMuch:
        return Walked(tuple(voice.said), ends="hang_up")
    return Walked(tuple(voice.said), ends=ends, about=taken.matter, to=taken.what)


async def _call(voice: _Voice, hotline: Hotline, door: Door) -> tuple[Ends, Intake]:
    """The same steps as ``contacts.phone.handle_call``, up to where a telephone would be needed."""
    await announce(voice, hotline)
    taken = await intake(voice, hotline, closed=door.words_before_menu())
    if taken.wish == "information":
        information = hotline.recording_of(taken.what or "")
        if await tell(voice, information, first_key_ms=hotline.first_key_ms) == "done":
            await voice.say(["goodbye"])
            return "information", taken
    if taken.wish == "transfer" and (transfer := hotline.transfer(taken.what or "")):
        await voice.say(transfer.prompts)
        return "transfer", taken
    if taken.wish != "message" and door.opening(taken.matter).open:
        return "waiting", taken
    if taken.wish != "message":
        await voice.say(door.words_for(taken.matter, voice.language))
    return "message", taken
