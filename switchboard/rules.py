"""The rules by which contacts are served: hotlines, routing policy, calendar.

What is published in SQL is in force; a file on disk is the seed of a name that nothing was published for. A text is
checked as a whole before it is published, also against the other rules in force, and everything wrong is named at once.
"""

from __future__ import annotations

import asyncio
import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from ivr.errors import HotlineInvalid
from ivr.hotline import SEEDS, Hotline, parse_hotline
from routing.errors import PolicyError
from routing.policy import Policy, parse_policy
from routing.policy_file import DEFAULT_FILE
from switchboard import calendar
from switchboard.calendar import Calendar, Overrides, parse_calendar
from switchboard.config import Config
from switchboard.errors import CalendarInvalid, ConfigurationError, RecordsAway, RulesInvalid
from switchboard.records.published import MOST_BYTES, Kind, Version
from switchboard.records.store import Records

log = structlog.get_logger(__name__)

LOOK_S = 1.0
ONLY_NAME: Mapping[Kind, str] = {"policy": "policy", "calendar": "calendar"}
"""Kinds of which there is one; the name of a hotline is its number."""

Numbers = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Rules:
    """What is in force for a contact that arrives now. Contacts keep the one they arrived under.

    ``numbers`` are the published versions by (kind, name); what is not there comes from disk. ``broken`` names what
    is published but cannot be used by this program, in whose place the file on disk serves.
    """

    hotlines: Mapping[str, Hotline]
    policy: Policy
    calendar: Calendar = field(default_factory=Calendar)
    numbers: Numbers = field(default_factory=dict)
    broken: tuple[str, ...] = ()

    def numbers_for(self, hotline: str) -> dict[str, int]:
        """The version of each kind for a contact on this hotline; 0 is the file on disk."""
        known = self.hotlines.get(hotline)
        names: dict[Kind, str] = {"hotline": known.number if known else hotline, **ONLY_NAME}
        return {kind: self.numbers.get((kind, name), 0) for kind, name in names.items()}


Seeds = Mapping[tuple[Kind, str], str]
Parse = Callable[[str, str], Any]


def read_seeds(config: Config) -> dict[tuple[Kind, str], str]:
    """The files on disk. Raises ConfigurationError naming every file that cannot be used."""
    problems: list[str] = []
    seeds: dict[tuple[Kind, str], str] = {}
    for file in sorted((config.hotline_dir or SEEDS).glob("*.toml")):
        text = _read(file, problems)
        number = _number_of(text)
        if ("hotline", number) in seeds:
            problems.append(f"{file.name}: number {number} is already taken by another file")
        seeds["hotline", number] = text
        problems += [f"{file.name}: {problem}" for problem in check("hotline", number, text)]
    if not seeds:
        problems.append("hotline_dir: no hotline file (*.toml) in the folder")
    file = config.policy_file or DEFAULT_FILE
    seeds["policy", ONLY_NAME["policy"]] = _read(file, problems)
    problems += [f"{file.name}: {one}" for one in check("policy", "policy", seeds["policy", "policy"])]
    file = config.calendar_file or calendar.SEED
    seeds["calendar", ONLY_NAME["calendar"]] = _read(file, problems)
    problems += [
        f"{file.name}: {one}" for one in check("calendar", "calendar", seeds["calendar", "calendar"])
    ]
    if problems:
        raise ConfigurationError(problems)
    return seeds


def _read(file: Path, problems: list[str]) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        problems.append(f"{file.name}: cannot be read")
        return ""


def _number_of(text: str) -> str:
    try:
        return str(tomllib.loads(text).get("number", ""))
    except tomllib.TOMLDecodeError:
        return ""


def parse(kind: Kind, name: str, text: str) -> Any:
    """The Hotline, Policy or table of the calendar of this text. Raises RulesInvalid with every problem."""
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise RulesInvalid([f"the text is longer than {MOST_BYTES // 1024} KB"])
    if kind not in _PARSERS:
        raise RulesInvalid([f"{kind}: cannot be published here"])
    try:
        return _PARSERS[kind](name, text)
    except tomllib.TOMLDecodeError as error:
        raise RulesInvalid([f"not TOML: {error}"]) from None
    except (HotlineInvalid, PolicyError, CalendarInvalid) as error:
        raise RulesInvalid(list(error.problems)) from None
    except RecursionError:
        raise RulesInvalid(["not TOML: nested too deeply"]) from None


def _parse_hotline(name: str, text: str) -> Hotline:
    hotline = parse_hotline(text)
    if hotline.number != name:
        raise HotlineInvalid([f"number: {hotline.number} is not the number of this hotline, {name}"])
    return hotline


def _parse_policy(name: str, text: str) -> Policy:
    if name != ONLY_NAME["policy"]:
        raise PolicyError("policy", [f"there is one policy, named {ONLY_NAME['policy']}"])
    return Policy(parse_policy(tomllib.loads(text)))


def _parse_calendar(name: str, text: str) -> Overrides:
    if name != ONLY_NAME["calendar"]:
        raise CalendarInvalid([f"there is one calendar, named {ONLY_NAME['calendar']}"])
    return parse_calendar(text)


_PARSERS: Mapping[str, Parse] = {
    "hotline": _parse_hotline,
    "policy": _parse_policy,
    "calendar": _parse_calendar,
}


def check(
    kind: Kind, name: str, text: str, beside: Rules | None = None, prompts: Iterable[str] | None = None
) -> list[str]:
    """Everything that keeps this text from being published; none: it can be.

    ``beside`` are the other rules in force, which must go together with it; ``prompts`` the keys that can be spoken.
    """
    try:
        made = parse(kind, name, text)
    except RulesInvalid as error:
        return error.problems
    problems: list[str] = []
    if isinstance(made, Hotline):
        if beside:
            problems += [*_taken(made, beside.hotlines.values()), *_unserved(made, beside.policy)]
        known = frozenset(prompts) if prompts is not None else None
        if known is not None:
            problems += [f"there is no prompt {key}" for key in sorted(made.prompt_keys() - known)]
    elif isinstance(made, Policy) and beside:
        for hotline in beside.hotlines.values():
            problems += [f"hotline {hotline.number}: {one}" for one in _unserved(hotline, made)]
    return problems


def _taken(hotline: Hotline, others: Iterable[Hotline]) -> list[str]:
    taken = {number: one.number for one in others if one.number != hotline.number for number in one.numbers}
    return [f"number {one} belongs to hotline {taken[one]}" for one in hotline.numbers if one in taken]


def _unserved(hotline: Hotline, policy: Policy) -> list[str]:
    """What the hotline leads to and the policy does not know: a caller would come to nobody."""
    matters = {matter.id for matter in policy.matters}
    languages = {language.id for language in policy.languages}
    wanted, reasons = hotline.matters(), {priority.id for priority in policy.priorities}
    spoken = {hotline.language, *(choice.language for choice in hotline.languages)}
    return (
        [f"the routing policy has no matter {one}" for one in sorted(wanted - matters)]
        + [f"the routing policy has no language {one}" for one in sorted(spoken - languages)]
        + [f"the routing policy has no priority {one}" for one in sorted(hotline.reasons() - reasons)]
    )


def difference(before: str, after: str) -> list[str]:
    """Unified difference without its two heading lines: each line begins with a space, +, - or @@."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return list(lines)[2:]


class RuleBook:
    """The versions with their checks: what pages and the command line work with."""

    def __init__(
        self,
        records: Records,
        seeds: Seeds,
        prompts: Iterable[str] | None = None,
        time_zone: str = "Asia/Shanghai",
    ) -> None:
        self._records = records
        self._time_zone = time_zone
        self._seeds = seeds
        self._prompts = frozenset(prompts) if prompts is not None else None

    def seed(self, kind: Kind, name: str) -> str | None:
        """The file on disk, None where there is none of this name."""
        return self._seeds.get((kind, name))

    async def names(self, kind: Kind) -> list[str]:
        """Of all that have a file, a version or both."""
        known = {name for of, name in self._seeds if of == kind}
        return sorted(known | set(await self._records.rules.names(kind)))

    async def text(self, kind: Kind, name: str) -> tuple[int, str] | None:
        """The number and text in force (0: from disk), None for an unknown name."""
        found = (await self._records.published(kind)).get(name)
        if found:
            return found.number, found.text
        seed = self.seed(kind, name)
        return None if seed is None else (0, seed)

    async def check(self, kind: Kind, name: str, text: str) -> list[str]:
        """Against the rules in force; in a thread, because a text may be long."""
        beside = await self.in_force()
        return await asyncio.to_thread(check, kind, name, text, beside, self._prompts)

    async def publish(self, kind: Kind, name: str, number: int, *, author: str) -> Version:
        """Raises RulesInvalid with every reason, NotThere, VersionMoved."""
        draft = await self._records.rules.version(kind, name, number)
        if draft and draft.state == "draft":
            await self._accept(kind, name, draft.text, author)
        return await self._records.publish(kind, name, number, author=author)

    async def roll_back(self, kind: Kind, name: str, *, author: str, over: int | None = None) -> Version:
        """Raises RulesInvalid (what was right once may not fit today's rules), NothingEarlier, VersionMoved."""
        _, earlier = await self._records.rules.restorable(kind, name)
        seed = self.seed(kind, name)
        text = earlier.text if earlier else seed
        if text is not None:
            await self._accept(kind, name, text, author)
        return await self._records.roll_back(kind, name, author=author, seed=seed, over=over)

    async def _accept(self, kind: Kind, name: str, text: str, author: str) -> None:
        if problems := await self.check(kind, name, text):
            await self._records.audit(author, "rules.publish", f"{kind}/{name}", "refused")
            raise RulesInvalid(problems)

    async def in_force(self) -> Rules:
        """The rules as SQL and disk have them now. What is published but broken is served from disk and named."""
        published = await self._records.rules.published()
        return await asyncio.to_thread(_compose, self._seeds, published, self._time_zone)

    async def changed_since(self, rules: Rules) -> bool:
        return await self._records.rules.numbers() != rules.numbers


def _by_number(hotlines: Iterable[Hotline]) -> dict[str, Hotline]:
    """By every number that leads there; a hotline's own number goes before another one's further numbers."""
    made = list(hotlines)
    return {number: one for one in made for number in one.also} | {one.number: one for one in made}


def _compose(seeds: Seeds, published: Iterable[Version], time_zone: str) -> Rules:
    made: dict[tuple[Kind, str], Any] = {key: parse(*key, text) for key, text in seeds.items()}
    numbers: Numbers = {}
    broken: list[str] = []
    for version in published:
        key = version.kind, version.name
        numbers[key] = version.number
        try:
            made[key] = parse(*key, version.text)
        except RulesInvalid as error:
            broken.append(f"{version.kind} {version.name} {version.number}: {error.problems[0]}")
    return Rules(
        hotlines=_by_number([one for (kind, _), one in made.items() if kind == "hotline"]),
        policy=made["policy", ONLY_NAME["policy"]],
        calendar=Calendar(made["calendar", ONLY_NAME["calendar"]], time_zone),
        numbers=numbers,
        broken=tuple(broken),
    )


async def follow(book: RuleBook, now: Rules, use: Callable[[Rules], None]) -> None:
    """For as long as the node runs: what is published, here or on another node, is used from the next contact on."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            if await book.changed_since(now):
                now = await book.in_force()
                for problem in now.broken:
                    log.error("published rules cannot be used", what=problem)
                use(now)
        except RecordsAway:
            continue  # the database is away: what is in force stays in force
