"""Reading the policy file: every fault is found and named at once."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from routing.errors import PolicyError

DEFAULT_FILE = Path(__file__).parent / "policy.toml"

_FORBID = ConfigDict(extra="forbid")
_MAX_BYTES = 1_000_000

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$", strict=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=80, strict=True)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=86_400)]
Level = Annotated[int, Field(strict=True, ge=1, le=5)]
RingField = Literal["role", "matter", "family", "language", "district"]


@dataclass(frozen=True, slots=True)
class Named:
    """Something with an id for machines and a name in two languages for people."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    id: Name
    zh: Text
    en: Text


@dataclass(frozen=True, slots=True)
class Matter(Named):
    """What a contact is about. With ``open_level`` every volunteer of the role serves it, at least at that
    level."""

    family: Name
    role: Name
    open_level: Level | None = None


@dataclass(frozen=True, slots=True)
class Language(Named):
    """``after_s`` overrides the rings' own times by ring id. After ``fallback_after_s`` the caller may also
    be served in ``fallback``."""

    after_s: dict[Name, Seconds] = field(default_factory=dict)
    fallback: Name | None = None
    fallback_after_s: Seconds = 0


@dataclass(frozen=True, slots=True)
class Priority(Named):
    """Why somebody goes before others, and which credit that is."""

    level: Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True, slots=True)
class Ring:
    """Open to every volunteer who shares all ``fields`` with the caller."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    id: Name
    fields: tuple[RingField, ...]
    after_s: Seconds
    penalty_s: Seconds


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much among free volunteers, in seconds of idle time."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    level_s: Seconds
    district_s: Seconds
    matter_cost_s: Seconds
    language_cost_s: Seconds
    rare_language_s: Seconds = 0


@dataclass(frozen=True, slots=True)
class Messages:
    """How messages find their volunteers. ``seats`` each of them holds at a time; ``after_s`` and
    ``penalty_s`` by ring id in place of the rings' own, which are made for people who wait on the line;
    ``next_seat_s`` makes a second message on one desk look that much less idle than a first on another."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    seats: Annotated[int, Field(strict=True, ge=0, le=20)] = 2
    after_s: dict[Name, Seconds] = field(default_factory=dict)
    penalty_s: dict[Name, Seconds] = field(default_factory=dict)
    preferred_s: Seconds = 3_600
    next_seat_s: Seconds = 3_600


@dataclass(frozen=True, slots=True)
class Rating:
    """What callers' ratings count. A volunteer's mean is drawn towards ``prior_mean`` as if ``prior_count``
    ratings of that kind stood beside the real ones; each point above or below it then counts ``point_s``
    seconds of idle time, ``most_s`` at most."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    prior_mean: Annotated[float, Field(ge=1, le=5)] = 4.0
    prior_count: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 20
    point_s: Seconds = 40
    most_s: Seconds = 30


@dataclass(frozen=True, slots=True)
class General:
    """What stands outside the tables."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    default_matter: Name
    default_language: Name
    preferred_s: Seconds
    priority_credits_s: Annotated[tuple[Seconds, ...], Field(min_length=1, max_length=10)]


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of the overload begins when the wait is above ``above_s`` and ends when it was below ``below_s`` for
    ``fall_s`` on end."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    above_s: Seconds
    below_s: Seconds
    fall_s: Seconds = 120


@dataclass(frozen=True, slots=True)
class OverloadRules:
    """When backup volunteers are called in, the call-back is offered, message mode begins; see
    ``routing.overload``."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    backup: Mark = Mark(20, 8, 1_200)
    callback: Mark = Mark(60, 30)
    message: Mark = Mark(900, 420)
    rise_s: Seconds = 10


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A whole, valid policy file."""

    general: General
    weights: Weights
    rings: tuple[Ring, ...]
    languages: tuple[Language, ...]
    priorities: tuple[Priority, ...]
    roles: tuple[Named, ...]
    families: tuple[Named, ...]
    matters: tuple[Matter, ...]
    messages: Messages = Messages()
    rating: Rating = Rating()
    overload: OverloadRules = OverloadRules()


def check_policy(text: str) -> list[str]:
    """Every problem of a policy's text, in words: where it is and what is wrong. Empty when it may be
    published."""
    try:
        parse_policy_text(text)
    except PolicyError as error:
        return list(error.problems)
    return []


def parse_policy_text(text: str, source: str = "policy") -> PolicyFile:
    """Check a policy's TOML. Raises PolicyError naming every fault."""
    if len(text) > _MAX_BYTES:
        raise PolicyError(source, ["the file is too large"])
    try:
        return parse_policy(tomllib.loads(text), source)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(source, [f"is not TOML: {error}"]) from error


def read_policy_file(path: Path = DEFAULT_FILE) -> PolicyFile:
    """Read and check. Raises PolicyError naming every fault."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PolicyError(path.name, ["the file is too large"])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(path.name, [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise PolicyError(path.name, [f"is not TOML: {error}"]) from error
    return parse_policy_text(text, path.name)


def parse_policy(raw: Mapping[str, Any], source: str = "policy") -> PolicyFile:
    """Check what was read from TOML. Raises PolicyError naming every fault."""
    problems: list[str] = []
    single = ("weights", "messages", "rating", "overload")
    tables = ("rings", "languages", "priorities", "roles", "families", "matters")
    settings = [setting.name for setting in fields(General)]
    problems += [f"{key}: is not known" for key in raw if key not in (*tables, *single, *settings)]
    general = _one(General, {key: raw[key] for key in settings if key in raw}, "", problems)
    weights = _one(Weights, raw.get("weights", {}), "weights", problems)
    messages = _one(Messages, raw.get("messages", {}), "messages", problems)
    rating = _one(Rating, raw.get("rating", {}), "rating", problems)
    overload = _one(OverloadRules, raw.get("overload", {}), "overload", problems)
    rings = _many(Ring, raw, "rings", problems)
    languages = _many(Language, raw, "languages", problems)
    priorities = _many(Priority, raw, "priorities", problems)
    roles = _many(Named, raw, "roles", problems)
    families = _many(Named, raw, "families", problems)
    matters = _many(Matter, raw, "matters", problems)

    names = {table: _ids(raw, table) for table in tables}
    problems += _check_rings(rings, languages, names)
    problems += _check_messages(messages, rings, names)
    problems += _check_references(general, languages, priorities, matters, names)
    problems += _check_overload(overload)
    if problems or not (general and weights and messages and rating and overload):
        raise PolicyError(source, problems)
    return PolicyFile(
        general, weights, rings, languages, priorities, roles, families, matters, messages, rating, overload
    )


T = TypeVar("T")


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)  # costly to make: a policy has fifty parts of a dozen kinds


def _one(kind: type[T], raw: object, where: str, problems: list[str]) -> T | None:
    try:
        return _adapter(kind).validate_python(raw)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            place = ".".join(str(part) for part in (where, *fault["loc"]) if part != "")
            problems.append(f"{place}: {fault['msg']}")
        return None


def _many(kind: type[T], raw: Mapping[str, Any], table: str, problems: list[str]) -> tuple[T, ...]:
    rows = raw.get(table)
    if not isinstance(rows, list) or not rows:
        problems.append(f"{table}: at least one is needed")
        return ()
    parsed: list[T] = []
    for index, row in enumerate(rows):
        name = row.get("id", index) if isinstance(row, dict) else index
        one = _one(kind, row, f"{table}[{name}]", problems)
        if one is not None:
            parsed.append(one)
    seen: set[str] = set()
    for name in _listed_ids(raw, table):
        if name in seen:
            problems.append(f"{table}[{name}]: the id is used twice")
        seen.add(name)
    return tuple(parsed)


def _listed_ids(raw: Mapping[str, Any], table: str) -> list[str]:
    rows = raw.get(table)
    return (
        [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]
        if isinstance(rows, list)
        else []
    )


def _ids(raw: Mapping[str, Any], table: str) -> frozenset[str]:
    """Also of rows that are wrong otherwise, so that one fault is not named twice."""
    return frozenset(_listed_ids(raw, table))


def _check_rings(
    rings: tuple[Ring, ...], languages: tuple[Language, ...], names: Mapping[str, frozenset[str]]
) -> Iterable[str]:
    for ring in rings:
        for needed in ("role", "language"):
            if needed not in ring.fields:
                yield f"rings[{ring.id}]: the {needed} never relaxes and must be in every ring"
        if len(set(ring.fields)) != len(ring.fields):
            yield f"rings[{ring.id}]: a field stands there twice"
        if "matter" in ring.fields and "family" in ring.fields:
            yield f"rings[{ring.id}]: matter and family exclude each other"
    if rings and (
        rings[0].after_s != 0 or not any(r.after_s == 0 and "district" not in r.fields for r in rings)
    ):
        yield "rings: the first ring, and one without district, must open at 0 s"
    if rings and set(rings[-1].fields) - {"role", "language"}:
        yield f"rings[{rings[-1].id}]: the last ring must be the widest: role and language only"
    for language in languages:
        for name in language.after_s:
            if name not in names["rings"]:
                yield f"languages[{language.id}].after_s: there is no ring {name}"
        times = [language.after_s.get(ring.id, ring.after_s) for ring in rings]
        if times != sorted(times) or (times and times[0] != 0):
            yield f"languages[{language.id}]: its rings do not open one after the other from 0 s on"
        if language.fallback and times and language.fallback_after_s < times[-1]:
            yield f"languages[{language.id}].fallback_after_s: comes before the last ring"


def _check_messages(
    messages: Messages | None, rings: tuple[Ring, ...], names: Mapping[str, frozenset[str]]
) -> Iterable[str]:
    if messages is None:
        return
    for table, times in (("after_s", messages.after_s), ("penalty_s", messages.penalty_s)):
        for name in times:
            if name not in names["rings"]:
                yield f"messages.{table}: there is no ring {name}"
    opened = [messages.after_s.get(ring.id, ring.after_s) for ring in rings]
    if opened != sorted(opened) or (opened and opened[0] != 0):
        yield "messages.after_s: the rings do not open one after the other from 0 s on"


def _check_overload(rules: OverloadRules | None) -> Iterable[str]:
    if rules is None:
        return
    marks = {"backup": rules.backup, "callback": rules.callback, "message": rules.message}
    for name, mark in marks.items():
        if mark.below_s >= mark.above_s:
            yield f"overload.{name}: below_s must be smaller than above_s, or the step would flutter"
    if not rules.backup.above_s <= rules.callback.above_s <= rules.message.above_s:
        yield "overload: the steps must begin in the order backup, callback, message"


def _check_references(
    general: General | None,
    languages: tuple[Language, ...],
    priorities: tuple[Priority, ...],
    matters: tuple[Matter, ...],
    names: Mapping[str, frozenset[str]],
) -> Iterable[str]:
    if general is not None:
        if general.default_matter not in names["matters"]:
            yield f"default_matter: there is no matter {general.default_matter}"
        if general.default_language not in names["languages"]:
            yield f"default_language: there is no language {general.default_language}"
        if list(general.priority_credits_s) != sorted(general.priority_credits_s):
            yield "priority_credits_s: a higher level must not have a smaller credit"
        for priority in priorities:
            if priority.level >= len(general.priority_credits_s):
                yield f"priorities[{priority.id}].level: there is no credit for level {priority.level}"
    for language in languages:
        if language.fallback is not None and language.fallback not in names["languages"] - {language.id}:
            yield f"languages[{language.id}].fallback: there is no other language {language.fallback}"
    for matter in matters:
        if matter.family not in names["families"]:
            yield f"matters[{matter.id}].family: there is no family {matter.family}"
        if matter.role not in names["roles"]:
            yield f"matters[{matter.id}].role: there is no role {matter.role}"
