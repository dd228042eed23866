"""The policy: what the opaque classes of the kernel mean.

A caller's needs become steps, a volunteer's abilities become subscriptions; the two meet where they name the
same class. All numbers come from ``policy.toml``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from routing.errors import InvalidRouting
from routing.model import MAX_SUBSCRIPTIONS, Entry, Step, Subscription, check_id
from routing.policy_file import (
    DEFAULT_FILE,
    Language,
    Matter,
    Named,
    OverloadRules,
    PolicyFile,
    Priority,
    Ring,
    parse_policy,
    read_policy_file,
)

__all__ = ["Language", "Matter", "Named", "Policy", "Priority", "Ring", "Volunteer", "parse_policy"]


@dataclass(frozen=True, slots=True)
class Volunteer:
    """What an agent may be offered. ``skills``: matter -> level 1 to 5. ``licence_until`` is the last valid
    day; None for somebody whose role needs no licence."""

    agent_id: str
    role: str
    skills: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ("zh",)
    district: str | None = None
    suspended: bool = False
    licence_until: date | None = None


class Policy:
    """A valid policy file, answering the two questions of the switchboard: ``entry`` and
    ``subscriptions``."""

    def __init__(self, file: PolicyFile) -> None:
        self._file = file
        self._matters = {matter.id: matter for matter in file.matters}
        self._languages = {language.id: language for language in file.languages}

    @classmethod
    def load(cls, path: Path | None = None) -> "Policy":
        """Read the file, the one of this package by default. Raises PolicyError naming every fault."""
        return cls(read_policy_file(path or DEFAULT_FILE))

    @property
    def matters(self) -> tuple[Matter, ...]:
        """In the order of the file."""
        return self._file.matters

    @property
    def languages(self) -> tuple[Language, ...]:
        """In the order of the file."""
        return self._file.languages

    @property
    def roles(self) -> tuple[Named, ...]:
        """In the order of the file."""
        return self._file.roles

    @property
    def families(self) -> tuple[Named, ...]:
        """In the order of the file."""
        return self._file.families

    @property
    def priorities(self) -> tuple[Priority, ...]:
        """The reasons that give somebody a head start."""
        return self._file.priorities

    @property
    def rings(self) -> tuple[Ring, ...]:
        """Strictest first."""
        return self._file.rings

    @property
    def overload(self) -> OverloadRules:
        """When the overload steps begin and end."""
        return self._file.overload

    @property
    def default_matter(self) -> Matter:
        """What a caller who presses nothing is taken to ask about."""
        return self._matters[self._file.general.default_matter]

    @property
    def default_language(self) -> Language:
        """The language of a caller who chose none."""
        return self._languages[self._file.general.default_language]

    def matter(self, matter_id: str) -> Matter:
        """The matter of an id. Raises InvalidRouting when there is none."""
        try:
            return self._matters[matter_id]
        except KeyError:
            raise InvalidRouting("there is no such matter") from None

    def language(self, language_id: str) -> Language:
        """The language of an id. Raises InvalidRouting when there is none."""
        try:
            return self._languages[language_id]
        except KeyError:
            raise InvalidRouting("there is no such language") from None

    def credit_ms(self, level: int) -> int:
        """The head start of a priority level, in milliseconds. Raises InvalidRouting for a level without
        one."""
        credits_s = self._file.general.priority_credits_s
        if not 0 <= level < len(credits_s):
            raise InvalidRouting("there is no such priority level")
        return credits_s[level] * 1000

    def entry(
        self,
        entry_id: str,
        *,
        matter: str | None = None,
        language: str | None = None,
        arrived_ms: int = 0,
        priority: int = 0,
        district: str | None = None,
        preferred: str | None = None,
    ) -> Entry:
        """What waits for a contact: its order and its rings.

        ``arrived_ms`` 0 means now. ``preferred`` is an agent's id: that one is waited for first. Raises
        InvalidRouting for ids that the policy does not know.
        """
        about = self.matter(matter) if matter else self.default_matter
        spoken = self.language(language) if language else self.default_language
        steps = list(self._steps(about, spoken, district))
        if preferred:
            wait_ms = self._file.general.preferred_s * 1000
            steps = [Step(step.after_ms + wait_ms, step.klass) for step in steps]
            steps.insert(0, Step(0, f"@{check_id(preferred)}"))
        return Entry(entry_id, arrived_ms, self.credit_ms(priority), tuple(steps))

    def subscriptions(self, volunteer: Volunteer, *, today: date | None = None) -> tuple[Subscription, ...]:
        """The classes this volunteer serves. None at all for a suspended one or after the licence's last day.

        Skills outside the volunteer's role and languages that the policy does not know count for nothing.
        """
        expired = volunteer.licence_until is not None and volunteer.licence_until < (today or date.today())
        if volunteer.suspended or expired:
            return ()
        levels = self._levels(volunteer)
        languages = [language for language in volunteer.languages if language in self._languages]
        if not languages or (not levels and volunteer.role not in {role.id for role in self.roles}):
            return ()
        weights = self._file.weights
        skills = sum(1 for matter in volunteer.skills if matter in levels)
        breadth_ms = weights.matter_cost_s * 1000 * max(0, skills - 1)
        own = Subscription(f"@{volunteer.agent_id}")
        found = {own.klass: own}
        for language in languages:
            # Somebody who also speaks a rarer language is kept for those who need it.
            rarer = len(languages) - 1 if language == self.default_language.id else 0
            cost_ms = breadth_ms + weights.language_cost_s * 1000 * rarer
            for sub in self._in_language(volunteer, levels, language, cost_ms):
                found.setdefault(sub.klass, sub)
        return tuple(found.values())[:MAX_SUBSCRIPTIONS]

    def classes(self, matter: str, language: str | None = None) -> tuple[str, ...]:
        """The classes through which the matter is served, without districts: for counting who is signed
        in."""
        spoken = self.language(language) if language else self.default_language
        return tuple(step.klass for step in self._steps(self.matter(matter), spoken, None))

    def _steps(self, matter: Matter, language: Language, district: str | None) -> Iterator[Step]:
        for ring in self.rings:
            if "district" in ring.fields and not district:
                continue
            after_s = language.after_s.get(ring.id, ring.after_s)
            yield Step(
                after_s * 1000, _class(ring, matter.role, matter.id, matter.family, language.id, district)
            )
        if language.fallback:
            for ring in self.rings:
                if "district" not in ring.fields:
                    klass = _class(ring, matter.role, matter.id, matter.family, language.fallback, None)
                    yield Step(language.fallback_after_s * 1000, klass)

    def _levels(self, volunteer: Volunteer) -> dict[str, int]:
        """Matter -> level, for all that the volunteer's role and skills allow."""
        levels: dict[str, int] = {}
        for matter in self.matters:
            own = volunteer.skills.get(matter.id, 0)
            level = max(own, matter.open_level or 0)
            if matter.role == volunteer.role and level > 0:
                levels[matter.id] = min(level, 5)
        return levels

    def _in_language(
        self, volunteer: Volunteer, levels: Mapping[str, int], language: str, cost_ms: int
    ) -> Iterator[Subscription]:
        weights = self._file.weights
        # Only what the volunteer declares widens to a family; what is open to the whole role does not.
        families = dict.fromkeys(
            self._matters[matter].family for matter in levels if matter in volunteer.skills
        )
        # Few speak it, and whoever comes free is wanted by many others.
        rare_ms = weights.rare_language_s * 1000 if language != self.default_language.id else 0
        for ring in self.rings:
            near_ms = weights.district_s * 1000 if "district" in ring.fields else 0
            if "district" in ring.fields and not volunteer.district:
                continue
            if "matter" in ring.fields:
                wanted = [(matter, "", level * weights.level_s * 1000) for matter, level in levels.items()]
            elif "family" in ring.fields:
                wanted = [("", family, 0) for family in families]
            else:
                wanted = [("", "", 0)]
            for matter, family, gain_ms in wanted:
                klass = _class(ring, volunteer.role, matter, family, language, volunteer.district)
                bonus_ms = gain_ms + near_ms + rare_ms - ring.penalty_s * 1000
                yield Subscription(klass, bonus_ms, cost_ms - gain_ms - near_ms)


def _class(ring: Ring, role: str, matter: str, family: str, language: str, district: str | None) -> str:
    about = matter if "matter" in ring.fields else f"family:{family}" if "family" in ring.fields else "*"
    parts = [role, about, language]
    if "district" in ring.fields and district:
        parts.append(district)
    return "|".join(parts)
