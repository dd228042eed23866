"""A hotline: a dialled number with its greeting, languages, menu and defaults, as validated data.

Seeds lie in ``ivr/hotlines/*.toml``. Sources of the shape: GB/T 33358 (short menus, a person when nothing is
pressed, 0 is always a person).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ivr.errors import HotlineInvalid

SEEDS = Path(__file__).parent / "hotlines"

Key = Annotated[str, Field(pattern=r"^[1-9]$")]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MenuEntry(_Data):
    """One line of the menu: the key, the prompt that offers it, and the matter it leads to."""

    key: Key
    prompt: str
    matter: str


class LanguageKey(_Data):
    """A language that a key in the first menu switches to; ``prompt`` is spoken in that language itself."""

    key: Key
    language: str
    prompt: str


class Survey(_Data):
    prompt: str = "survey_ask"
    keys: Annotated[str, Field(pattern=r"^[1-9]{2,9}$")] = "123"


class Hotline(_Data):
    """What one dialled number offers. Times are milliseconds."""

    number: str = Field(pattern=r"^\d{3,15}$")
    name_zh: str
    name_en: str
    language: str = "zh"
    languages: tuple[LanguageKey, ...] = ()
    announcement: tuple[str, ...] = ("welcome", "recording_notice")
    menu: tuple[MenuEntry, ...]
    menu_end: tuple[str, ...] = ("menu_person", "menu_repeat")
    default_matter: str = "law_inquiry"
    first_key_ms: Annotated[int, Field(ge=1_000, le=15_000)] = 4_000
    wrong_keys: Annotated[int, Field(ge=0, le=5)] = 2
    record: Literal["stereo", "none"] = "stereo"
    survey: Survey | None = Survey()

    @model_validator(mode="after")
    def _keys_differ(self) -> Hotline:
        keys = [entry.key for entry in self.menu] + [choice.key for choice in self.languages]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"keys used twice: {', '.join(twice)}")
        if len(self.menu) > 8:
            raise ValueError("a menu has at most 8 lines: nobody remembers more")
        return self

    def prompt_keys(self) -> set[str]:
        """Every prompt this hotline speaks, for the coverage check."""
        spoken = {*self.announcement, *self.menu_end, *(entry.prompt for entry in self.menu)}
        spoken |= {choice.prompt for choice in self.languages}
        return spoken | ({self.survey.prompt} if self.survey else set())


def load_hotlines(folder: Path | None = None) -> dict[str, Hotline]:
    """All hotlines of a folder by their number. Raises ``HotlineInvalid`` that names every error of every file."""
    found: dict[str, Hotline] = {}
    problems: list[str] = []
    for file in sorted((folder or SEEDS).glob("*.toml")):
        try:
            hotline = Hotline.model_validate(tomllib.loads(file.read_text("utf-8")))
        except (ValidationError, tomllib.TOMLDecodeError) as error:
            problems += _lines(file.name, error)
            continue
        if hotline.number in found:
            problems.append(f"{file.name}: number {hotline.number} is already taken by another file")
        found[hotline.number] = hotline
    if not found and not problems:
        problems.append("no hotline file (*.toml) in the folder")
    if problems:
        raise HotlineInvalid(problems)
    return found


def _lines(file: str, error: ValidationError | tomllib.TOMLDecodeError) -> list[str]:
    if isinstance(error, tomllib.TOMLDecodeError):
        return [f"{file}: not TOML: {error}"]
    return [f"{file}: {'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
