"""A hotline: a dialled number with all that a caller meets there, as validated data.

Greeting, consent, languages, a menu of at most two levels, priority, hours, recorded information, other hotlines to be
put through to, survey. Seeds lie in ``ivr/hotlines/*.toml``. Sources of the shape: GB/T 33358 (short menus, a person
when nothing is pressed, 0 is always a person).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ivr.errors import HotlineInvalid
from ivr.hours import HoursRule

SEEDS = Path(__file__).parent / "hotlines"
MOST_LINES = 8
MOST_BYTES = 200_000

Key = Annotated[str, Field(pattern=r"^[1-9]$")]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
Prompt = Annotated[str, Field(pattern=r"^([a-z]{2,8}/)?[a-z0-9_]{1,60}$")]
Prompts = Annotated[tuple[Prompt, ...], Field(max_length=12)]
Digits = Annotated[str, Field(pattern=r"^[0-9]{3,15}$")]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MenuEntry(_Data):
    """One line of a menu: the key, the prompt that offers it, and the one thing it leads to.

    ``matter``: to a person for it; ``submenu``, ``information``, ``transfer``: to what stands under that id;
    ``message``: to leaving a message. ``say`` is spoken once the line was chosen.
    """

    key: Key
    prompt: Prompt
    matter: Id | None = None
    submenu: Id | None = None
    information: Id | None = None
    transfer: Id | None = None
    message: bool = False
    say: Prompts = ()

    @model_validator(mode="after")
    def _leads_somewhere(self) -> MenuEntry:
        ways = [way for way in (self.matter, self.submenu, self.information, self.transfer) if way]
        if len(ways) + self.message != 1:
            raise ValueError("leads to exactly one of matter, submenu, information, transfer or message")
        return self


class Submenu(_Data):
    """The second and last level. Nothing pressed here reaches a person for ``default_matter``."""

    id: Id
    intro: Prompts = ()
    menu: Annotated[tuple[MenuEntry, ...], Field(max_length=MOST_LINES)]
    default_matter: Id | None = None


class LanguageKey(_Data):
    """A language that a key in the first menu switches to; ``prompt`` is spoken in that language itself."""

    key: Key
    language: Id
    prompt: Prompt


class PriorityReason(_Data):
    """``reason`` is an id of the routing policy's priorities."""

    key: Key
    prompt: Prompt
    reason: Id


class PriorityKey(_Data):
    """One key for everybody who goes first, then which of them. What it gives is said to the caller."""

    key: Key
    prompt: Prompt = "menu_priority"
    intro: Prompts = ("priority_which",)
    reasons: Annotated[tuple[PriorityReason, ...], Field(max_length=MOST_LINES)]
    end: Prompts = ("priority_none",)
    given: Prompts = ("priority_given",)


class Consent(_Data):
    """What is said before anything is recorded, and the key that refuses it. None: nobody is asked."""

    notice: Annotated[Prompts, Field(min_length=1)] = ("recording_notice", "recording_refuse")
    key: Literal["#"] | None = "#"
    refused: Prompts = ("recording_refused",)


class Information(_Data):
    """A recording of public information (disclosure level 1) that also says how to reach the other levels.

    ``matter`` is what a person is asked for who answers further questions.
    """

    id: Id
    level: Literal[1] = 1
    prompts: Annotated[Prompts, Field(min_length=1)]
    end: Prompts = ("info_end",)
    matter: Id


class Transfer(_Data):
    """Another hotline that callers may be put through to. Only these numbers are ever dialled, digits only.

    ``show_caller``: the other side sees the caller's number (the police want it) and not ours.
    """

    id: Id
    number: Digits
    name_zh: Name
    name_en: Name
    prompts: Prompts = ("transferring",)
    ring_ms: Annotated[int, Field(ge=5_000, le=60_000)] = 30_000
    show_caller: bool = False


class Question(_Data):
    """One question of the survey, answered with one key."""

    id: Id
    prompt: Prompt


class Survey(_Data):
    """``keys`` from good to bad; the last one opens a follow-up. ``remark``: whether a few words can be left."""

    intro: Prompts = ("survey_intro",)
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=5)] = (
        Question(id="patient", prompt="survey_patient"),
        Question(id="polite", prompt="survey_polite"),
        Question(id="efficient", prompt="survey_efficient"),
    )
    keys: Annotated[str, Field(pattern=r"^[1-9]{2,9}$")] = "123"
    remark: bool = True
    remark_ms: Annotated[int, Field(ge=5_000, le=300_000)] = 60_000

    @property
    def bad(self) -> str:
        return self.keys[-1]


class MessageOptions(_Data):
    """Message mode: whether it is offered, the longest message, and when an answer is due."""

    offered: bool = True
    longest_ms: Annotated[int, Field(ge=10_000, le=600_000)] = 180_000
    working_days: Annotated[int, Field(ge=1, le=30)] = 3


class CallbackOptions(_Data):
    """Call-back: whether it is offered, and how often we try."""

    offered: bool = True
    attempts: Annotated[int, Field(ge=1, le=10)] = 3


class Hotline(_Data):
    """What one dialled number offers. Times are milliseconds. ``also`` are further numbers of the same hotline."""

    number: Digits
    also: tuple[Digits, ...] = ()
    name_zh: Name
    name_en: Name
    language: Id = "zh"
    languages: tuple[LanguageKey, ...] = ()
    announcement: Prompts = ("welcome",)
    record: Literal["stereo", "none"] = "stereo"
    consent: Consent = Consent()
    person: Prompts = ("menu_person",)
    """Said in the menu while a person can be reached."""
    menu: tuple[MenuEntry, ...]
    menu_end: Prompts = ("menu_repeat",)
    submenus: tuple[Submenu, ...] = ()
    submenu_end: Prompts = ("menu_back",)
    submenu_end_closed: Prompts = ("menu_back_only",)
    default_matter: Id = "law_inquiry"
    priority: PriorityKey | None = None
    hours: Annotated[tuple[HoursRule, ...], Field(max_length=50)] = ()
    information: tuple[Information, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    first_key_ms: Annotated[int, Field(ge=1_000, le=15_000)] = 4_000
    wrong_keys: Annotated[int, Field(ge=0, le=5)] = 2
    survey: Survey | None = Survey()
    message: MessageOptions = MessageOptions()
    callback: CallbackOptions = CallbackOptions()

    @model_validator(mode="after")
    def _fits_together(self) -> Hotline:
        problems = [*self._twice(), *self._dangling()]
        if len(self.menu) + (self.priority is not None) > MOST_LINES:
            problems.append(f"a menu has at most {MOST_LINES} lines: nobody remembers more")
        problems += [
            f"submenus[{submenu.id}]: a menu has two levels at most"
            for submenu in self.submenus
            if any(entry.submenu for entry in submenu.menu)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _twice(self) -> Iterator[str]:
        first = [entry.key for entry in self.menu] + [choice.key for choice in self.languages]
        first += [self.priority.key] if self.priority else []
        menus = {"": first}
        menus |= {f"submenus[{one.id}]: ": [entry.key for entry in one.menu] for one in self.submenus}
        if self.priority:
            menus["priority: "] = [reason.key for reason in self.priority.reasons]
        for where, keys in menus.items():
            if twice := _repeated(keys):
                yield f"{where}keys used twice: {', '.join(twice)}"
        for what in ("submenus", "information", "transfers"):
            if twice := _repeated([one.id for one in getattr(self, what)]):
                yield f"{what}: ids used twice: {', '.join(twice)}"
        if twice := _repeated([self.number, *self.also]):
            yield f"numbers given twice: {', '.join(twice)}"

    def _dangling(self) -> Iterator[str]:
        for entry in self.entries():
            for what, ids in (
                ("submenu", [one.id for one in self.submenus]),
                ("information", [one.id for one in self.information]),
                ("transfer", [one.id for one in self.transfers]),
            ):
                wanted = getattr(entry, what)
                if wanted is not None and wanted not in ids:
                    yield f"menu line {entry.key}: there is no {what} {wanted}"
        used = {entry.submenu for entry in self.menu}
        for submenu in self.submenus:
            if submenu.id not in used:
                yield f"submenus[{submenu.id}]: no line of the menu leads there"
            if not submenu.menu:
                yield f"submenus[{submenu.id}]: has no lines"
        if not self.menu:
            yield "the menu has no lines"
        if self.priority and not self.priority.reasons:
            yield "priority: has no reasons"

    @property
    def numbers(self) -> tuple[str, ...]:
        return (self.number, *self.also)

    def entries(self) -> Iterator[MenuEntry]:
        """The lines of both levels."""
        yield from self.menu
        for submenu in self.submenus:
            yield from submenu.menu

    def submenu(self, wanted: str) -> Submenu:
        return next(one for one in self.submenus if one.id == wanted)

    def recording_of(self, wanted: str) -> Information:
        return next(one for one in self.information if one.id == wanted)

    def transfer(self, wanted: str) -> Transfer | None:
        """The allowed transfer of an id; None when the hotline allows no such thing."""
        return next((one for one in self.transfers if one.id == wanted), None)

    def keys_to(self, matter: str) -> str | None:
        """What to press to reach a person for a matter; None when the menu does not lead there."""
        for entry in self.menu:
            if entry.matter == matter:
                return entry.key
            if entry.submenu:
                below = next((one for one in self.submenu(entry.submenu).menu if one.matter == matter), None)
                if below:
                    return entry.key + below.key
        return None

    def matters(self) -> set[str]:
        """Every matter this hotline leads to, for the check against the routing policy."""
        found = {self.default_matter, *(info.matter for info in self.information)}
        found |= {submenu.default_matter for submenu in self.submenus if submenu.default_matter}
        found |= {entry.matter for entry in self.entries() if entry.matter}
        return found | {matter for rule in self.hours for matter in rule.matters}

    def reasons(self) -> set[str]:
        """Every reason of priority that can be given by key."""
        return {reason.reason for reason in self.priority.reasons} if self.priority else set()

    def prompt_keys(self) -> set[str]:
        """Every prompt this hotline speaks, for the coverage check."""
        spoken = {*self.announcement, *self.person, *self.menu_end, *self.submenu_end}
        spoken |= {*self.submenu_end_closed, *self.consent.notice, *self.consent.refused}
        spoken |= {choice.prompt for choice in self.languages}
        for entry in self.entries():
            spoken |= {entry.prompt, *entry.say}
        for told in (*self.submenus, *self.information, *self.transfers):
            for name in ("intro", "prompts", "end"):
                spoken |= set(getattr(told, name, ()))
        if self.priority:
            spoken |= {self.priority.prompt, *self.priority.intro, *self.priority.end, *self.priority.given}
            spoken |= {reason.prompt for reason in self.priority.reasons}
        if self.survey:
            spoken |= {*self.survey.intro, *(question.prompt for question in self.survey.questions)}
        return {key.rpartition("/")[2] for key in spoken}


def parse_hotline(text: str) -> Hotline:
    """The hotline of a TOML text. Raises ``HotlineInvalid`` with one line for every mistake."""
    if len(text) > MOST_BYTES:
        raise HotlineInvalid([f"the text is longer than {MOST_BYTES} characters"])
    try:
        return Hotline.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise HotlineInvalid([f"not TOML: {error}"]) from None
    except ValidationError as error:
        raise HotlineInvalid(list(_lines(error))) from None


def load_hotlines(folder: Path | None = None) -> dict[str, Hotline]:
    """All hotlines of a folder by each of their numbers. Raises ``HotlineInvalid`` that names every error."""
    found: list[tuple[str, Hotline]] = []
    problems: list[str] = []
    for file in sorted((folder or SEEDS).glob("*.toml")):
        try:
            found.append((file.name, parse_hotline(file.read_text("utf-8"))))
        except HotlineInvalid as error:
            problems += [f"{file.name}: {problem}" for problem in error.problems]
        except (OSError, UnicodeDecodeError):
            problems.append(f"{file.name}: cannot be read")
    if not found and not problems:
        problems.append("no hotline file (*.toml) in the folder")
    taken: dict[str, Hotline] = {}
    for name, hotline in found:
        problems += [
            f"{name}: number {number} is already taken by another file"
            for number in hotline.numbers
            if number in taken
        ]
        taken |= dict.fromkeys(hotline.numbers, hotline)
    if problems:
        raise HotlineInvalid(problems)
    return taken


def _lines(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, item["loc"])) or "hotline"
        for problem in item["msg"].removeprefix("Value error, ").split("; "):
            yield f"{where}: {problem}"


def _repeated(values: Iterable[str]) -> list[str]:
    given = list(values)
    return sorted({value for value in given if given.count(value) > 1})
