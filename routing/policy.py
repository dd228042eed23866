"""The policy: what the opaque classes of the kernel mean.

A caller's needs become steps, a volunteer's abilities become subscriptions; the two meet where they name the
same class. All numbers come from ``policy.toml``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    check_policy,
    parse_policy,
    parse_policy_text,
    read_policy_file,
)

__all__ = [
    "Language",
    "Matter",
    "Named",
    "Policy",
    "Priority",
    "Quality",
    "Ring",
    "Volunteer",
    "check_policy",
    "parse_policy",
]

MESSAGE = "message|"
"""Before every class in which messages wait: no live seat ever names one."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How callers rated a volunteer: the ``mean`` (1 to 5) of ``count`` ratings."""

    mean: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Volunteer:
    """What an agent may be offered. ``skills``: matter -> level 1 to 5. ``licence_until`` is the last valid
    day; None for somebody whose role needs no licence. Without ratings ``quality`` counts for nothing."""

    agent_id: str
    role: str
    skills: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ("zh",)
    district: str | None = None
    suspended: bool = False
    licence_until: date | None = None
    quality: Quality = Quality()


class Policy:
    """A valid policy file, answering the two questions of the switchboard: ``entry`` and
    ``subscriptions``."""

    def __init__(self, file: PolicyFile) -> None:
        self._file = file
        self._matters = {matter.id: matter for matter in file.matters}
        self._languages = {language.id: language for language in file.languages}
        messages = file.messages
        self._message_rings = tuple(
            replace(
                ring,
                after_s=messages.after_s.get(ring.id, ring.after_s),
                penalty_s=messages.penalty_s.get(ring.id, ring.penalty_s),
            )
            for ring in file.rings
        )

    @classmethod
    def load(cls, path: Path | None = None) -> "Policy":
        """Read the file, the one of this package by default. Raises PolicyError naming every fault."""
        return cls(read_policy_file(path or DEFAULT_FILE))

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """The policy of a text, as it is published. Raises PolicyError naming every fault."""
        return cls(parse_policy_text(text))

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
    def message_seats(self) -> int:
        """How many messages a volunteer holds at a time."""
        return self._file.messages.seats

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

    @property
    def highest_priority(self) -> int:
        """The level with the largest head start."""
        return len(self._file.general.priority_credits_s) - 1

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
        preferred_role: str | None = None,
        asked_ms: int = 0,
    ) -> Entry:
        """What waits for a contact: its order and its rings.

        ``arrived_ms`` 0 means now. ``preferred`` is an agent's id: that one is waited for first, whose role is the
        matter's unless ``preferred_role`` names another (a person chose this very volunteer). ``asked_ms``: the place
        in line counts from the arrival, the time of the rings only from here (the contact was handed on). Raises
        InvalidRouting for ids that the policy does not know.
        """
        about, spoken = self._about(matter, language)
        late_ms = max(0, asked_ms - arrived_ms) if asked_ms and arrived_ms else 0
        steps = _wished(
            self._steps(about, spoken, district),
            preferred_role or about.role,
            preferred,
            self._file.general.preferred_s,
            late_ms,
        )
        return Entry(entry_id, arrived_ms, self.credit_ms(priority), steps)

    def personal_entry(self, entry_id: str, *, agent: str, role: str, arrived_ms: int = 0) -> Entry:
        """What waits for one volunteer and for nobody else, before all others who wait for that one."""
        step = Step(0, _own(role, check_id(agent)))
        return Entry(entry_id, arrived_ms, self.credit_ms(self.highest_priority), (step,))

    def message_entry(
        self,
        entry_id: str,
        *,
        arrived_ms: int,
        due_ms: int,
        matter: str | None = None,
        language: str | None = None,
        district: str | None = None,
        preferred: str | None = None,
    ) -> Entry:
        """What waits for a message: the earliest due first, in classes that only message seats serve.

        ``arrived_ms`` must be given, since the order is counted from it. Raises InvalidRouting for ids that
        the policy does not know.
        """
        if arrived_ms <= 0:
            raise InvalidRouting("a message needs the time of its arrival")
        about, spoken = self._about(matter, language)
        live = self._steps(about, spoken, district, self._message_rings)
        wished = _wished(live, about.role, preferred, self._file.messages.preferred_s)
        steps = tuple(Step(step.after_ms, MESSAGE + step.klass) for step in wished)
        return Entry(entry_id, arrived_ms, arrived_ms - due_ms, steps)

    def subscriptions(self, volunteer: Volunteer, *, today: date | None = None) -> tuple[Subscription, ...]:
        """The classes this volunteer serves. None at all for a suspended one or after the licence's last day.

        Skills outside the volunteer's role and languages that the policy does not know count for nothing.
        """
        return self._subscriptions(volunteer, self.rings, today)

    def message_subscriptions(
        self, volunteer: Volunteer, *, place: int = 1, today: date | None = None
    ) -> tuple[Subscription, ...]:
        """The same for the volunteer's message seat number ``place``: a first message goes to everybody
        before a second one to anybody."""
        later_ms = (place - 1) * self._file.messages.next_seat_s * 1000
        return tuple(
            Subscription(MESSAGE + sub.klass, sub.bonus_ms, sub.cost_ms + later_ms)
            for sub in self._subscriptions(volunteer, self._message_rings, today)
        )

    def quality_ms(self, quality: Quality) -> int:
        """By how many milliseconds of idle time ratings put a volunteer forward (negative: back).

        Few ratings say little: the mean is drawn towards the prior's as if so many more had been given, and
        what comes out is bounded.
        """
        rating = self._file.rating
        if quality.count <= 0:
            return 0
        given = min(max(quality.mean, 1.0), 5.0) - rating.prior_mean
        points = given * quality.count / (quality.count + rating.prior_count)
        most_ms = rating.most_s * 1000
        return max(-most_ms, min(most_ms, round(points * rating.point_s * 1000)))

    def _subscriptions(
        self, volunteer: Volunteer, rings: tuple[Ring, ...], today: date | None
    ) -> tuple[Subscription, ...]:
        expired = volunteer.licence_until is not None and volunteer.licence_until < (today or date.today())
        if volunteer.suspended or expired:
            return ()
        levels = self._levels(volunteer)
        languages = [language for language in volunteer.languages if language in self._languages]
        if not languages or (not levels and volunteer.role not in {role.id for role in self.roles}):
            return ()
        weights = self._file.weights
        skills = sum(1 for matter in volunteer.skills if matter in levels)
        breadth_ms = weights.matter_cost_s * 1000 * max(0, skills - 1) - self.quality_ms(volunteer.quality)
        own = Subscription(_own(volunteer.role, volunteer.agent_id))
        found = {own.klass: own}
        for language in languages:
            # Somebody who also speaks a rarer language is kept for those who need it.
            rarer = len(languages) - 1 if language == self.default_language.id else 0
            cost_ms = breadth_ms + weights.language_cost_s * 1000 * rarer
            for sub in self._in_language(volunteer, levels, language, cost_ms, rings):
                found.setdefault(sub.klass, sub)
        return tuple(found.values())[:MAX_SUBSCRIPTIONS]

    def classes(self, matter: str, language: str | None = None) -> tuple[str, ...]:
        """The classes through which the matter is served, without districts: for counting who is signed
        in."""
        spoken = self.language(language) if language else self.default_language
        return tuple(step.klass for step in self._steps(self.matter(matter), spoken, None))

    def _about(self, matter: str | None, language: str | None) -> tuple[Matter, Language]:
        return (
            self.matter(matter) if matter else self.default_matter,
            self.language(language) if language else self.default_language,
        )

    def _steps(
        self, matter: Matter, language: Language, district: str | None, rings: tuple[Ring, ...] | None = None
    ) -> Iterator[Step]:
        last_s = 0
        for ring in rings or self.rings:
            if "district" in ring.fields and not district:
                continue
            last_s = ring.after_s if rings else language.after_s.get(ring.id, ring.after_s)
            klass = _class(ring, matter.role, matter.id, matter.family, language.id, district)
            yield Step(last_s * 1000, klass)
        if language.fallback:
            for ring in self.rings:
                if "district" not in ring.fields:
                    klass = _class(ring, matter.role, matter.id, matter.family, language.fallback, None)
                    yield Step(max(last_s, language.fallback_after_s) * 1000, klass)

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
        self,
        volunteer: Volunteer,
        levels: Mapping[str, int],
        language: str,
        cost_ms: int,
        rings: tuple[Ring, ...],
    ) -> Iterator[Subscription]:
        weights = self._file.weights
        # Only what the volunteer declares widens to a family; what is open to the whole role does not.
        families = dict.fromkeys(
            self._matters[matter].family for matter in levels if matter in volunteer.skills
        )
        # Few speak it, and whoever comes free is wanted by many others.
        rare_ms = weights.rare_language_s * 1000 if language != self.default_language.id else 0
        for ring in rings:
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


def _own(role: str, agent_id: str) -> str:
    """The class of one volunteer. The role stands in it too: a wish never brings a notary's matter to a lawyer."""
    return f"{role}|@{agent_id}"


def _wished(
    steps: Iterable[Step], role: str, preferred: str | None, wait_s: int, late_ms: int = 0
) -> tuple[Step, ...]:
    """The steps, after a time in which only the wished-for volunteer is asked. With ``late_ms`` their times count from
    so long after the arrival; the first opens at once all the same."""
    if preferred:
        later = (Step(step.after_ms + wait_s * 1000 + late_ms, step.klass) for step in steps)
        return (Step(0, _own(role, check_id(preferred))), *later)
    return tuple(Step(step.after_ms + late_ms if step.after_ms else 0, step.klass) for step in steps)
