"""Making up a day: arrival curve, demand, patience, handle times and a roster, all from one seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from routing.policy import Policy
from routing.simulate.day import Caller, Day, Duty

HALF_HOUR_MS = 1_800_000
MINUTE_MS = 60_000

CURVE = (0.70, 0.95, 1.20, 1.35, 1.35, 1.25, 1.05, 0.85, 0.80, 0.95, 1.10, 1.15, 1.10, 1.00, 0.80, 0.55)
"""Calls per half hour from 9 to 17 h, relative to the mean: a morning peak, a lunch dip, an afternoon peak."""

DEMAND = {
    "law_inquiry": 12.0,
    "marriage_family": 15.0,
    "labour": 16.0,
    "debt": 12.0,
    "housing_land": 7.0,
    "contract": 6.0,
    "traffic_accident": 5.6,
    "consumer": 4.0,
    "inheritance": 3.5,
    "injury_medical": 2.5,
    "criminal": 2.0,
    "administrative_review": 1.0,
    "minors": 0.7,
    "servicemen": 0.5,
    "product_quality": 0.3,
    "notarization": 5.5,
    "mediation": 2.5,
    "legal_aid": 2.5,
    "judicial_appraisal": 0.5,
    "rectification_prison": 0.5,
    "service_complaint": 0.4,
}
"""Share of the calls by matter, in percent of about one hundred."""

LANGUAGES = {"zh": 0.88, "local": 0.07, "en": 0.05}

SHARES = {
    "lawyer": 0.80,
    "notary": 0.07,
    "mediator": 0.045,
    "legal_aid_worker": 0.04,
    "appraiser": 0.015,
    "rectification_worker": 0.015,
    "supervisor": 0.015,
}
"""Of the volunteers, by role."""


@dataclass(frozen=True, slots=True)
class Surge:
    """So many more calls about one matter between two times of the day (milliseconds since midnight)."""

    matter: str
    calls: int = 400
    from_ms: int = 13 * 2 * HALF_HOUR_MS
    to_ms: int = 15 * 2 * HALF_HOUR_MS


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a made-up day is like. Times in seconds where a person would say seconds."""

    calls: int = 6_000
    volunteers: int = 116
    backups: int = 16
    opens_ms: int = 18 * HALF_HOUR_MS
    curve: tuple[float, ...] = CURVE
    demand: dict[str, float] = field(default_factory=lambda: dict(DEMAND))
    patience_s: float = 240.0
    handle_s: float = 360.0
    handle_spread: float = 0.9
    """Standard deviation of the handle time over its mean."""
    wrap_up_s: float = 30.0
    priority_high: float = 0.03
    priority_low: float = 0.02
    districts: int = 41
    surge: Surge | None = None


def make_day(seed: int, recipe: Recipe | None = None, policy: Policy | None = None) -> Day:
    """The day of this seed: the same for ever. ``policy`` says which matters and roles there are."""
    recipe, policy = recipe or Recipe(), policy or Policy.load()
    callers = _callers(Random(f"callers {seed}"), recipe)  # noqa: S311
    roster = make_roster(Random(f"roster {seed}"), recipe, policy)  # noqa: S311
    return Day(f"seed {seed}", callers, roster)


def _callers(rng: Random, recipe: Recipe) -> tuple[Caller, ...]:
    times = [_arrival(rng, recipe) for _ in range(recipe.calls)]
    drawn = [_caller(rng, recipe, at) for at in sorted(times)]
    if recipe.surge:
        surge = recipe.surge
        more = sorted(rng.randrange(surge.from_ms, surge.to_ms) for _ in range(surge.calls))
        drawn += [_caller(rng, recipe, at, surge.matter) for at in more]
        drawn.sort(key=lambda caller: caller.arrived_ms)
    return tuple(replace(caller, id=f"c{number:05}") for number, caller in enumerate(drawn, 1))


def _arrival(rng: Random, recipe: Recipe) -> int:
    slot = rng.choices(range(len(recipe.curve)), recipe.curve)[0]
    return recipe.opens_ms + slot * HALF_HOUR_MS + rng.randrange(HALF_HOUR_MS)


def _caller(rng: Random, recipe: Recipe, at: int, matter: str | None = None) -> Caller:
    asked = matter or rng.choices(list(recipe.demand), list(recipe.demand.values()))[0]
    dice = rng.random()
    priority = (
        2 if dice < recipe.priority_high else 1 if dice < recipe.priority_high + recipe.priority_low else 0
    )
    return Caller(
        id="",
        arrived_ms=at,
        matter=asked,
        language=rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0],
        district=f"d{_district(rng, recipe)}",
        priority=priority,
        patience_ms=round(1000 * rng.expovariate(1 / recipe.patience_s)),
        handle_ms=max(5_000, round(1000 * _log_normal(rng, recipe.handle_s, recipe.handle_spread))),
        ring_ms=rng.randrange(3_000, 7_000),
        wrap_up_ms=round(1000 * recipe.wrap_up_s),
        draw=rng.getrandbits(32),
    )


def _district(rng: Random, recipe: Recipe) -> int:
    """The town is larger than its outskirts."""
    return min(recipe.districts, 1 + int(rng.expovariate(1 / 10)))


def _log_normal(rng: Random, mean: float, spread: float) -> float:
    variance = math.log(1 + spread * spread)
    return rng.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


def make_roster(rng: Random, recipe: Recipe, policy: Policy) -> tuple[Duty, ...]:
    """Volunteers by role, each with a speciality and a few more skills, and the backups, who are lawyers and
    notaries."""
    duties: list[Duty] = []
    left = recipe.volunteers
    for role, share in reversed(SHARES.items()):
        count = left if role == "lawyer" else max(1, round(recipe.volunteers * share))
        left -= count
        duties += [_duty(rng, recipe, policy, role, nth, len(duties) + nth + 1) for nth in range(count)]
    for nth in range(recipe.backups):
        role = "notary" if nth % 10 == 9 else "mediator" if nth % 10 == 8 else "lawyer"
        duties.append(_duty(rng, recipe, policy, role, nth + 40, nth + 1, backup=True))
    return tuple(duties)


def _duty(
    rng: Random, recipe: Recipe, policy: Policy, role: str, nth: int, number: int, *, backup: bool = False
) -> Duty:
    pool = [m.id for m in policy.matters if m.role == role and not m.open_level] or [
        m.id for m in policy.matters if m.role == role
    ]
    languages = ["zh"]
    languages += ["en"] if nth % 4 == 0 or rng.random() < 0.06 else []
    languages += ["local"] if nth % 6 == 1 else []
    begins = recipe.opens_ms + rng.randrange(-2 * MINUTE_MS, 4 * MINUTE_MS)
    return Duty(
        id=f"{'b' if backup else 'v'}{number:03}",
        role=role,
        skills=_skills(rng, recipe, pool, nth),
        languages=tuple(languages),
        district=f"d{_district(rng, recipe)}",
        begins_ms=begins,
        ends_ms=recipe.opens_ms + len(recipe.curve) * HALF_HOUR_MS + 10 * MINUTE_MS,
        breaks=() if backup else _breaks(rng, recipe.opens_ms),
        backup=backup,
    )


def _skills(rng: Random, recipe: Recipe, pool: Sequence[str], nth: int) -> dict[str, int]:
    """One to four matters each, beside what is open to the whole role. Every matter has at least two who know it well;
    specialities follow the demand, less than fully."""
    weights = [math.sqrt(recipe.demand.get(matter, 0.1)) for matter in pool]
    own = pool[nth % len(pool)] if nth < 2 * len(pool) else rng.choices(pool, weights)[0]
    skills = {own: rng.randint(4, 5)}
    wanted = min(len(pool), rng.randint(1, 4))
    while len(skills) < wanted:
        skills.setdefault(rng.choice(pool), rng.randint(2, 4))
    return skills


def _breaks(rng: Random, opens_ms: int) -> tuple[tuple[int, int], ...]:
    lunch = (
        opens_ms + rng.choice((120, 150, 180, 210, 240, 270)) * MINUTE_MS + rng.randrange(-5, 6) * MINUTE_MS
    )
    morning = opens_ms + rng.randrange(60, 130) * MINUTE_MS
    afternoon = opens_ms + rng.randrange(312, 420) * MINUTE_MS
    return ((morning, 10 * MINUTE_MS), (lunch, 45 * MINUTE_MS), (afternoon, 10 * MINUTE_MS))
