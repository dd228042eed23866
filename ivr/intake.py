"""Intake: the announcement, the language and the matter, in as few words as possible.

Pressing nothing reaches a person, 0 always does, a wrong key is answered kindly and twice wrong reaches a person too:
nobody is ever stuck in a menu (GB/T 33358).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ivr.call import Call
from ivr.hotline import Hotline
from ivr.prompt import ask, say

MOST_ROUNDS = 8

How = Literal["key", "zero", "nothing", "wrong_keys"]


@dataclass(frozen=True)
class Intake:
    """What the caller told the machine. ``how`` says which way the matter was found."""

    language: str
    matter: str
    how: How
    keys: str = ""


async def announce(call: Call, hotline: Hotline) -> None:
    """Greeting and the notice of recording, in full: no second is recorded before it was said."""
    await say(call, hotline.announcement)


async def intake(call: Call, hotline: Hotline) -> Intake:
    """Ask for language and matter. Always ends with a matter, whatever is pressed."""
    lines = {entry.key: entry.matter for entry in hotline.menu}
    languages = {choice.key: choice.language for choice in hotline.languages}
    pressed = ""
    wrong = 0
    prompts = _first_menu(hotline)
    for _ in range(MOST_ROUNDS):
        key = await ask(call, prompts, first_key_ms=hotline.first_key_ms)
        pressed += key or ""
        if key is None:
            await say(call, ["no_input_to_person"])
            return Intake(call.language, hotline.default_matter, "nothing", pressed)
        if key == "0":
            return Intake(call.language, hotline.default_matter, "zero", pressed)
        if key in lines:
            return Intake(call.language, lines[key], "key", pressed)
        if key in languages:
            call.language = languages[key]
            prompts = _menu(hotline)
        elif key == "*":
            prompts = _first_menu(hotline)
        else:
            wrong += 1
            if wrong >= hotline.wrong_keys:
                break
            prompts = ["wrong_key", *_menu(hotline)]
    await say(call, ["no_input_to_person"])
    return Intake(call.language, hotline.default_matter, "wrong_keys", pressed)


def _first_menu(hotline: Hotline) -> Sequence[str]:
    return [*(f"{choice.language}/{choice.prompt}" for choice in hotline.languages), *_menu(hotline)]


def _menu(hotline: Hotline) -> Sequence[str]:
    return [*(entry.prompt for entry in hotline.menu), *hotline.menu_end]
