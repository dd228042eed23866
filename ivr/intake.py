"""Intake: the announcement, then language, priority and matter, in as few words as possible.

Pressing nothing reaches a person, 0 always does, a wrong key is answered kindly and twice wrong reaches a person too:
nobody is ever stuck in a menu (GB/T 33358). Written against ``Voice``, so that a telephone and a keyboard walk the
very same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ivr.hotline import Hotline, Information, MenuEntry
from ivr.voice import Voice

MOST_ROUNDS = 12
"""Whatever is pressed, after so many questions a person answers."""
MOST_REPEATS = 5
CODE_FIRST_MS, CODE_NEXT_MS, CODE_LENGTH = 1_500, 3_000, 6
"""How long after # the first digit of a code may take, each further one, and how many there are."""

How = Literal["key", "zero", "nothing", "wrong_keys"]
Wish = Literal["person", "message", "information", "transfer", "code"]
Closed = Callable[[str], Sequence[str]]
"""The prompts, in a language, that say that nobody answers now and when somebody will."""


@dataclass(frozen=True)
class Intake:
    """What the caller told the machine. ``how`` says which way the matter was found.

    ``what`` names the information or the transfer that is wished for, or is the code keyed in after ``#``; ``matter``
    is then what a person is asked for afterwards. ``priority`` is a reason of the routing policy; ``consent`` False:
    nothing may be recorded.
    """

    language: str
    matter: str
    how: How
    keys: str = ""
    priority: str | None = None
    wish: Wish = "person"
    what: str | None = None
    consent: bool = True


async def announce(voice: Voice, hotline: Hotline) -> None:
    """Greeting and the notice of recording, in full: no second is recorded before it was said."""
    await voice.say([*hotline.announcement, *_notice(hotline)])


async def intake(
    voice: Voice, hotline: Hotline, *, known: str | None = None, closed: Closed | None = None
) -> Intake:
    """Ask for language, priority and matter. Always ends with a matter, whatever is pressed.

    ``known``: the reason for which this caller goes first, known by number; it is said and not asked again.
    ``closed``: nobody answers now, which is said before the menu; the menu then does not offer a person.
    """
    return await _Asking(voice, hotline, known, closed).ask()


async def tell(voice: Voice, information: Information, *, first_key_ms: int) -> Literal["person", "done"]:
    """Play recorded information. 0 or nothing leads to a person, * plays it again, # is enough."""
    prompts = [*information.prompts, *information.end]
    for _ in range(MOST_REPEATS):
        key = await voice.ask(prompts, first_key_ms=first_key_ms)
        if key == "#":
            return "done"
        if key in (None, "0"):
            return "person"
        prompts = [*information.prompts, *information.end] if key == "*" else ["wrong_key", *information.end]
    return "person"


def _notice(hotline: Hotline) -> Sequence[str]:
    return hotline.consent.notice if hotline.record != "none" else ()


class _Asking:
    """One intake under way."""

    def __init__(self, voice: Voice, hotline: Hotline, known: str | None, closed: Closed | None) -> None:
        self._voice = voice
        self._hotline = hotline
        self._closed = closed
        self._priority = known
        self._consent = True
        self._pressed = ""
        self._wrong = 0
        self._rounds = 0
        self._how: How = "key"
        self._code = ""
        self._held: deque[str] = deque()

    async def ask(self) -> Intake:
        hotline, voice = self._hotline, self._voice
        entries = {entry.key: entry for entry in hotline.menu}
        languages = {choice.key: choice.language for choice in hotline.languages}
        if self._priority and hotline.priority:
            await voice.say(hotline.priority.given)
        await self._say_closed()
        offered = True
        while True:
            key = await self._choice(self._first_menu(offered), self._first_keys())
            if key is None or key == "0":
                return await self._person(hotline.default_matter, key)
            if key == "#":
                return self._told(hotline.default_matter, "key", "code", self._code)
            if key == "*":
                offered = True
            elif key in languages:
                offered = False
                await self._switch(languages[key])
            elif hotline.priority and key == hotline.priority.key:
                offered = False
                await self._ask_priority()
            elif found := await self._follow(entries[key]):
                return found

    async def _follow(self, entry: MenuEntry) -> Intake | None:
        """Where a line of the first menu leads; None: back to it."""
        if entry.submenu is None:
            return await self._taken(entry)
        submenu = self._hotline.submenu(entry.submenu)
        entries = {line.key: line for line in submenu.menu}
        end = self._hotline.submenu_end_closed if self._closed else self._hotline.submenu_end
        key = await self._choice([*submenu.intro, *(line.prompt for line in submenu.menu), *end], entries)
        if key == "*":
            return None
        if key is None or key == "0":
            return await self._person(submenu.default_matter or self._hotline.default_matter, key)
        return await self._taken(entries[key])

    async def _ask_priority(self) -> None:
        """Which of those who go first; whoever presses nothing that fits goes on without."""
        asked = self._hotline.priority
        if asked is None or self._priority:
            return
        reasons = {reason.key: reason.reason for reason in asked.reasons}
        prompts = [*asked.intro, *(reason.prompt for reason in asked.reasons), *asked.end]
        key = await self._choice(prompts, reasons)
        self._how = "key"
        if key in reasons:
            self._priority = reasons[key]
            await self._voice.say(asked.given)

    async def _switch(self, language: str) -> None:
        """What had to be said before is said again in the language that the caller understands."""
        self._voice.language = language
        if self._consent:
            await self._voice.say(_notice(self._hotline))
        await self._say_closed()

    async def _say_closed(self) -> None:
        if self._closed:
            await self._voice.say(self._closed(self._voice.language))

    async def _choice(self, prompts: Sequence[str], valid: Collection[str]) -> str | None:
        """A valid key, 0 or *; None when nothing was pressed or too many wrong keys (``_how`` says which)."""
        asked = prompts
        while self._rounds < MOST_ROUNDS:
            self._rounds += 1
            key = await self._held_key(asked) if self._held else None
            key = key or await self._voice.ask(asked, first_key_ms=self._hotline.first_key_ms)
            self._pressed += key or ""
            if key == "#" and await self._keyed_code():
                return key
            if key is None:
                self._how = "nothing"
                return None
            if self._consent and key == self._refusing_key():
                self._consent = False
                await self._voice.say(self._hotline.consent.refused)
                asked = prompts
            elif key in valid or key in "0*":
                return key
            else:
                self._wrong += 1
                if self._wrong >= self._hotline.wrong_keys:
                    break
                asked = ["wrong_key", *prompts]
        self._how = "wrong_keys"
        return None

    async def _held_key(self, asked: Sequence[str]) -> str:
        """A key that followed ``#`` and belongs to no code; the menu is not said for it, that ``#`` was wrong is."""
        if asked[:1] == ["wrong_key"]:
            await self._voice.say(["wrong_key"])
        return self._held.popleft()

    async def _keyed_code(self) -> bool:
        """Whether a code follows the ``#``: somebody dials back in. Keys that are none count as if pressed after it."""
        self._code = ""
        wait_ms = CODE_FIRST_MS
        while len(self._code) < CODE_LENGTH:
            key = await self._voice.ask([], first_key_ms=wait_ms)
            if key is None:
                break
            self._code += key
            if not key.isdigit() or self._code == "0":  # no code begins so: # refuses, 0 is a person
                break
            wait_ms = CODE_NEXT_MS
        if len(self._code) == CODE_LENGTH and self._code.isdigit():
            return True
        self._held.extend(self._code)
        return False

    def _refusing_key(self) -> str | None:
        return self._hotline.consent.key if self._hotline.record != "none" else None

    def _first_keys(self) -> Collection[str]:
        keys = {entry.key for entry in self._hotline.menu}
        keys |= {choice.key for choice in self._hotline.languages}
        return keys | ({self._hotline.priority.key} if self._hotline.priority else set())

    def _first_menu(self, languages: bool) -> Sequence[str]:
        hotline = self._hotline
        choices = hotline.languages if languages else ()
        spoken = [f"{choice.language}/{choice.prompt}" for choice in choices]
        spoken += () if self._closed else hotline.person
        spoken += [entry.prompt for entry in hotline.menu]
        if hotline.priority and not self._priority:
            spoken.append(hotline.priority.prompt)
        return [*spoken, *hotline.menu_end]

    async def _person(self, matter: str, key: str | None) -> Intake:
        """To a person by 0, or because nothing fitting was pressed, which is said."""
        if key is None and not self._closed:
            await self._voice.say(["no_input_to_person"])
        return self._told(matter, "zero" if key == "0" else self._how)

    async def _taken(self, entry: MenuEntry) -> Intake:
        await self._voice.say(entry.say)
        if entry.information:
            matter = self._hotline.recording_of(entry.information).matter
            return self._told(matter, "key", "information", entry.information)
        if entry.transfer:
            return self._told(self._hotline.default_matter, "key", "transfer", entry.transfer)
        if entry.message:
            return self._told(self._hotline.default_matter, "key", "message")
        return self._told(entry.matter or self._hotline.default_matter, "key")

    def _told(self, matter: str, how: How, wish: Wish = "person", what: str | None = None) -> Intake:
        return Intake(
            language=self._voice.language,
            matter=matter,
            how=how,
            keys=self._pressed,
            priority=self._priority,
            wish=wish,
            what=what,
            consent=self._consent,
        )
