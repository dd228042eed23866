"""Short tones in place of the spoken prompts, so that a test knows at once what a caller hears."""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Mapping
from pathlib import Path

from ivr.prompts.catalogue import PromptSet

# Hz of each kind of prompt: far enough apart to be told from 0.1 s of sound.
ANNOUNCEMENT, MENU, WRONG_KEY, WAITING, SURVEY, FAREWELL, UNKNOWN_NUMBER, TOO_LONG, OTHER = (
    *(440, 520, 640, 760, 900, 1040, 1180, 1320, 380),
)
(
    MESSAGE,
    AGREE,
    SAVED,
    EMPTY,
    CODE,
    NUMBER,
    WHEN,
    BOOKED,
    PRESS_ONE,
    NOBODY,
    CHOICES,
    NOT_KEPT,
    LATER,
    ENDING,
    GONE,
) = (*(1460, 1600, 1740, 1880, 2020, 2160, 2300, 2440, 2580, 2720, 2860, 3000, 3140, 3280, 3420),)
_KINDS = {
    "message_intro": MESSAGE,
    "message_try_again": MESSAGE,
    "message_choices": AGREE,
    "message_saved": SAVED,
    "message_empty": EMPTY,
    "message_not_kept": NOT_KEPT,
    "message_almost_over": ENDING,
    "code_": CODE,
    "callback_number": NUMBER,
    "callback_when": WHEN,
    "callback_booked": BOOKED,
    "callback_here": PRESS_ONE,
    "answer_here": PRESS_ONE,
    "answer_later": LATER,
    "answer_volunteer_gone": GONE,
    "nobody_serves": NOBODY,
    "nobody_choice": NOBODY,
    "wait_choice": CHOICES,
    "room_press_one": PRESS_ONE,
    "room_recording": AGREE,
    "room_wait": WHEN,
    "room_here": SAVED,
    "room_lost": NOT_KEPT,
    "room_over": FAREWELL,
    "welcome": ANNOUNCEMENT,
    "recording_notice": ANNOUNCEMENT,
    "language_choice": MENU,
    "wrong_key": WRONG_KEY,
    "next_in_line": WAITING,
    "ahead": WAITING,
    "thanks_for_waiting": WAITING,
    "nobody_on_duty": WAITING,
    "queue_enter": WAITING,
    "no_input_to_person": WAITING,
    "agent_left": FAREWELL,
    "survey_thanks": FAREWELL,
    "goodbye": FAREWELL,
    "survey": SURVEY,
    "unknown_number": UNKNOWN_NUMBER,
    "waited_too_long": TOO_LONG,
    "menu": MENU,
}


def write_tones(overlay: Path, *, ms: int = 300, lengths: Mapping[int, int] | None = None) -> Path:
    """A folder for SWITCHBOARD_PROMPT_OVERLAY: every prompt of every language as a tone of `ms`.

    Args:
        lengths: another length in ms for all prompts of one kind, by its Hz; the menu has about ten of them.
    """
    prompts = PromptSet()
    for language in prompts.phrases:
        (overlay / language).mkdir(parents=True)
        for key in prompts.keys:
            hertz = kind_of(key)
            _write(overlay / language / f"{key}.wav", hertz, (lengths or {}).get(hertz, ms))
    return overlay


def kind_of(key: str) -> int:
    """The tone of this prompt: by its whole name, else by how it begins."""
    return _KINDS.get(key) or next((hertz for name, hertz in _KINDS.items() if key.startswith(name)), OTHER)


def _write(path: Path, hertz: int, ms: int) -> None:
    samples = array("h", (round(8000 * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(8 * ms)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
