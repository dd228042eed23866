"""The policy file is checked as a whole, and what it says is what callers and volunteers get."""

import copy
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.errors import InvalidRouting, PolicyError
from routing.model import LEASE_MS, Subscription, agent_of, live_seat, message_seats
from routing.policy import Policy, Quality, Volunteer, check_policy, parse_policy
from routing.policy_file import DEFAULT_FILE
from routing.twin import Twin

POLICY = Policy.load()
RAW = tomllib.loads(DEFAULT_FILE.read_text(encoding="utf-8"))
ROLES = {role.id for role in POLICY.roles}


def klasses(subscriptions: tuple[Subscription, ...]) -> list[str]:
    return [sub.klass for sub in subscriptions]


def test_the_matters_are_those_of_the_hotline() -> None:
    assert {matter.id for matter in POLICY.matters} == {
        *("marriage_family", "labour", "housing_land", "traffic_accident", "debt", "inheritance", "consumer"),
        *("injury_medical", "product_quality", "contract", "criminal", "administrative_review", "minors"),
        *(
            "servicemen",
            "notarization",
            "mediation",
            "legal_aid",
            "judicial_appraisal",
            "rectification_prison",
        ),
        *("law_inquiry", "service_complaint"),
    }
    assert {matter.role for matter in POLICY.matters} == ROLES - {"judge"}, "a judge serves no caller"


def test_a_caller_who_presses_nothing_is_served_by_any_lawyer() -> None:
    assert POLICY.default_matter.id == "law_inquiry"
    newcomer = klasses(POLICY.subscriptions(Volunteer("v1", "lawyer")))
    assert POLICY.entry("c1").steps[0].klass in newcomer
    notary = klasses(POLICY.subscriptions(Volunteer("n1", "notary", {"notarization": 5})))
    assert not {step.klass for step in POLICY.entry("c1").steps} & set(notary)


def test_rings_open_strictest_first_at_their_times() -> None:
    steps = POLICY.entry("c1", matter="labour", district="d7").steps
    assert [(step.after_ms, step.klass) for step in steps] == [
        (0, "lawyer|labour|zh|d7"),
        (0, "lawyer|labour|zh"),
        (10_000, "lawyer|family:work|zh"),
        (20_000, "lawyer|*|zh"),
    ]
    english = POLICY.entry("c1", matter="labour", language="en").steps
    assert [step.after_ms for step in english] == [0, 5_000, 10_000]


def test_a_dialect_widens_to_mandarin_last() -> None:
    steps = POLICY.entry("c1", matter="debt", language="local").steps
    assert [step.klass for step in steps if step.after_ms < 40_000] == [
        "lawyer|debt|local",
        "lawyer|family:property|local",
        "lawyer|*|local",
    ]
    assert steps[-1].klass == "lawyer|*|zh"


def test_a_wish_for_somebody_comes_first_and_shifts_the_rest() -> None:
    steps = POLICY.entry("c1", matter="debt", preferred="v7").steps
    assert (steps[0].after_ms, steps[0].klass) == (0, "lawyer|@v7")
    assert [step.after_ms for step in steps[1:]] == [15_000, 25_000, 35_000]
    assert "lawyer|@v7" in klasses(POLICY.subscriptions(Volunteer("v7", "lawyer")))


def test_priority_is_a_head_start_of_a_known_size() -> None:
    assert [POLICY.entry("c1", priority=level).credit_ms for level in range(3)] == [0, 90_000, 180_000]
    for unknown in (-1, 3):
        with pytest.raises(InvalidRouting):
            POLICY.entry("c1", priority=unknown)


@pytest.mark.parametrize("wrong", [{"matter": "football"}, {"language": "xx"}, {"preferred": "no such id"}])
def test_what_the_policy_does_not_know_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRouting):
        POLICY.entry("c1", **wrong)


def test_suspended_or_expired_volunteers_are_offered_nothing() -> None:
    day = date(2026, 11, 22)
    good = Volunteer("v1", "lawyer", {"labour": 3}, licence_until=day)
    assert POLICY.subscriptions(good, today=day)
    assert POLICY.subscriptions(good, today=date(2026, 11, 23)) == ()
    assert POLICY.subscriptions(Volunteer("v1", "lawyer", {"labour": 3}, suspended=True)) == ()
    assert POLICY.subscriptions(Volunteer("v1", "magician", {"labour": 3})) == ()


def test_own_skill_goes_before_family_before_role_and_level_before_level() -> None:
    subs = {
        sub.klass: sub for sub in POLICY.subscriptions(Volunteer("v1", "lawyer", {"labour": 5, "debt": 2}))
    }
    own, lower = subs["lawyer|labour|zh"], subs["lawyer|debt|zh"]
    assert own.bonus_ms > lower.bonus_ms > 0
    assert subs["lawyer|family:work|zh"].bonus_ms == -60_000
    assert subs["lawyer|*|zh"].bonus_ms == -240_000
    assert own.cost_ms < lower.cost_ms, "the abler one is chosen first"


def test_who_speaks_a_rare_language_is_kept_for_those_who_need_it() -> None:
    one = Volunteer("v1", "lawyer", {"labour": 3})
    two = Volunteer("v2", "lawyer", {"labour": 3}, ("zh", "en"))
    cost = {v.agent_id: {s.klass: s.cost_ms for s in POLICY.subscriptions(v)} for v in (one, two)}
    assert cost["v1"]["lawyer|labour|zh"] < cost["v2"]["lawyer|labour|zh"]
    assert cost["v2"]["lawyer|labour|en"] < cost["v2"]["lawyer|labour|zh"]


volunteers = st.builds(
    Volunteer,
    agent_id=st.just("v1"),
    role=st.sampled_from(sorted(ROLES)),
    skills=st.dictionaries(st.sampled_from([matter.id for matter in POLICY.matters]), st.integers(1, 5)),
    languages=st.sampled_from([("zh",), ("zh", "en"), ("zh", "local"), ("en",), ("zh", "en", "local")]),
    district=st.sampled_from([None, "d1", "d2"]),
)


@given(
    volunteer=volunteers,
    matter=st.sampled_from(POLICY.matters),
    language=st.sampled_from(["zh", "en", "local"]),
    district=st.sampled_from([None, "d1", "d2"]),
)
def test_the_role_never_relaxes_and_a_skill_is_always_found(
    volunteer: Volunteer, matter: Any, language: str, district: str | None
) -> None:
    entry = POLICY.entry("c1", matter=matter.id, language=language, district=district, arrived_ms=1_000_000)
    subscriptions = POLICY.subscriptions(volunteer)
    shared = {step.klass for step in entry.steps} & set(klasses(subscriptions))
    if volunteer.role != matter.role:
        assert not shared
    elif language in volunteer.languages and matter.id in volunteer.skills:
        twin = Twin()
        twin.ready(live_seat("v1"), subscriptions, now_ms=1_000_000)
        met = twin.enter(entry, now_ms=1_000_000)
        assert met
        assert met.expires_ms == 1_000_000 + LEASE_MS


def test_every_fault_of_a_file_is_named_at_once() -> None:
    raw = copy.deepcopy(RAW)
    raw["default_matter"] = "football"
    raw["priority_credits_s"] = [0, 90, 30]
    raw["surprise"] = True
    raw["rings"][2]["fields"] = ["family", "language"]
    raw["rings"][1]["after_s"] = 30
    raw["languages"][1]["fallback"] = "klingon"
    raw["languages"][2]["after_s"]["nowhere"] = 3
    raw["matters"][0]["family"] = "nobody"
    raw["matters"][1]["role"] = "magician"
    raw["matters"][2]["id"] = "Not An Id"
    raw["matters"][4]["id"] = raw["matters"][3]["id"]
    raw["priorities"][0]["level"] = 9
    del raw["weights"]["level_s"]
    with pytest.raises(PolicyError) as caught:
        parse_policy(raw)
    text = "\n".join(caught.value.problems)
    for named in (
        "default_matter",
        "priority_credits_s",
        "surprise",
        "rings[family]: the role never relaxes",
        "languages[zh]: its rings do not open one after the other",
        "klingon",
        "nowhere",
        "matters[marriage_family].family",
        "matters[labour].role",
        "matters[Not An Id].id",
        "matters[traffic_accident]: the id is used twice",
        "priorities[over_80].level",
        "weights.level_s",
    ):
        assert named in text, named


@pytest.mark.parametrize("text", ["default_matter = [", "", "\x00"])
def test_a_file_that_is_no_policy_is_a_typed_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError):
        Policy.load(path)
    with pytest.raises(PolicyError):
        Policy.load(tmp_path / "nowhere.toml")


def test_counting_the_staff_of_a_matter_uses_its_classes() -> None:
    assert POLICY.classes("labour") == ("lawyer|labour|zh", "lawyer|family:work|zh", "lawyer|*|zh")


# ------------------------------------------------------------------------------------------------- messages

DAY_MS = 86_400_000
NOON = 1_800_000_000_000


def test_messages_are_ordered_by_when_they_are_due() -> None:
    twin = Twin()
    for name, arrived, due in [("late", 0, 3), ("soon", 1, 1), ("next", 2, 2)]:
        entry = POLICY.message_entry(
            name, arrived_ms=NOON + arrived, due_ms=NOON + due * DAY_MS, matter="labour"
        )
        twin.enter(entry, now_ms=NOON + 10)
    subscriptions = POLICY.message_subscriptions(Volunteer("v1", "lawyer", {"labour": 3}))
    met = [twin.ready(seat, subscriptions, now_ms=NOON + 20) for seat in message_seats("v1", 3)]
    assert [reservation and reservation.entry for reservation in met] == ["soon", "next", "late"]
    assert all(reservation and reservation.accepted for reservation in met), "nobody has to answer"


@given(volunteer=st.deferred(lambda: volunteers), matter=st.sampled_from(POLICY.matters))
def test_a_live_seat_never_meets_a_message_nor_a_message_seat_a_caller(
    volunteer: Volunteer, matter: Any
) -> None:
    call = {step.klass for step in POLICY.entry("c1", matter=matter.id, district="d1").steps}
    entry = POLICY.message_entry(
        "m1", arrived_ms=NOON, due_ms=NOON, matter=matter.id, district="d1", preferred="v1"
    )
    message = {step.klass for step in entry.steps}
    live = set(klasses(POLICY.subscriptions(volunteer)))
    held = set(klasses(POLICY.message_subscriptions(volunteer)))
    assert not message & live
    assert not call & held
    assert len(live) == len(held)


def test_everybody_gets_a_first_message_before_anybody_gets_a_second() -> None:
    twin = Twin()
    for agent in ("v1", "v2"):
        volunteer = Volunteer(agent, "lawyer", {"labour": 3})
        for place, seat in enumerate(message_seats(agent, 2), 1):
            twin.ready(seat, POLICY.message_subscriptions(volunteer, place=place), now_ms=NOON)
    met = [
        twin.enter(
            POLICY.message_entry(f"m{n}", arrived_ms=NOON, due_ms=NOON + DAY_MS, matter="labour"), now_ms=NOON
        )
        for n in range(4)
    ]
    assert [agent_of(reservation.seat) if reservation else None for reservation in met] == [
        "v1",
        "v2",
        "v1",
        "v2",
    ]


def test_a_call_back_keeps_the_place_of_its_call_and_waits_among_the_callers() -> None:
    twin = Twin()
    twin.pause("v1/live", "meal", POLICY.subscriptions(Volunteer("v1", "lawyer", {"labour": 3})), now_ms=NOON)
    twin.enter(POLICY.entry("c2", matter="labour", arrived_ms=NOON + 60_000), now_ms=NOON + 60_000)
    twin.enter(POLICY.entry("cb-1", matter="labour", arrived_ms=NOON), now_ms=NOON + 90_000)
    first = twin.ready("v1/live", now_ms=NOON + 100_000)
    assert first
    assert first.entry == "cb-1"


def test_a_message_is_asked_of_its_own_skill_first_and_never_of_another_role() -> None:
    entry = POLICY.message_entry("m1", arrived_ms=NOON, due_ms=NOON, matter="labour", language="local")
    assert [step.klass for step in entry.steps][:3] == [
        "message|lawyer|labour|local",
        "message|lawyer|family:work|local",
        "message|lawyer|*|local",
    ]
    assert all(step.klass.startswith("message|lawyer|") for step in entry.steps)
    assert [step.after_ms for step in entry.steps] == sorted(step.after_ms for step in entry.steps)
    with pytest.raises(InvalidRouting):
        POLICY.message_entry("m1", arrived_ms=0, due_ms=NOON)


# -------------------------------------------------------------------------------------------------- quality


def test_a_wish_for_somebody_of_another_role_is_not_granted() -> None:
    notary = POLICY.subscriptions(Volunteer("n1", "notary", {"notarization": 5}))
    wished = POLICY.entry("c1", matter="labour", preferred="n1")
    assert not {step.klass for step in wished.steps} & set(klasses(notary))


def test_ratings_count_the_more_the_more_there_are_and_never_more_than_allowed() -> None:
    assert POLICY.quality_ms(Quality()) == 0
    few, many = POLICY.quality_ms(Quality(5.0, 2)), POLICY.quality_ms(Quality(5.0, 200))
    assert 0 < few < many
    assert POLICY.quality_ms(Quality(1.0, 1)) > POLICY.quality_ms(Quality(1.0, 1_000)) == -30_000
    assert POLICY.quality_ms(Quality(4.0, 1_000)) == 0


@given(mean=st.floats(allow_nan=False), count=st.integers(-5, 10**6))
def test_no_rating_moves_a_volunteer_beyond_the_bound(mean: float, count: int) -> None:
    assert abs(POLICY.quality_ms(Quality(mean, count))) <= 30_000


def test_the_better_rated_of_two_equals_is_chosen_and_a_long_rest_outweighs_it() -> None:
    twin = Twin()
    plain = Volunteer("v1", "lawyer", {"labour": 3})
    praised = Volunteer("v2", "lawyer", {"labour": 3}, quality=Quality(5.0, 100))
    twin.ready("v1/live", POLICY.subscriptions(plain), now_ms=NOON)
    twin.ready("v2/live", POLICY.subscriptions(praised), now_ms=NOON + 1_000)
    first = twin.enter(POLICY.entry("c1", matter="labour"), now_ms=NOON + 2_000)
    assert first
    assert first.seat == "v2/live"
    twin.abandon("c1", "caller", now_ms=NOON + 2_500)
    twin.pause("v2/live", "meal", now_ms=NOON + 3_000)
    twin.ready("v2/live", now_ms=NOON + 100_000)
    second = twin.enter(POLICY.entry("c2", matter="labour"), now_ms=NOON + 100_001)
    assert second
    assert second.seat == "v1/live"


# ----------------------------------------------------------------------------------------------- publishing

TEXT = DEFAULT_FILE.read_text(encoding="utf-8")


def test_the_policy_that_comes_with_the_program_may_be_published() -> None:
    assert check_policy(TEXT) == []
    assert Policy.parse(TEXT).matters == POLICY.matters


def test_rules_that_would_make_a_role_relax_are_refused_with_the_reason() -> None:
    relaxed = TEXT.replace('fields = ["role", "language"]', 'fields = ["language"]')
    assert check_policy(relaxed) == ["rings[role]: the role never relaxes and must be in every ring"]


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("seats = 2", "seats = 21", "messages.seats"),
        (
            "after_s = { family = 3600, role = 14400 }",
            "after_s = { family = 9, role = 3 }",
            "messages.after_s",
        ),
        (
            "{ family = 14400, role = 86400 }",
            "{ nowhere = 1 }",
            "messages.penalty_s: there is no ring nowhere",
        ),
        ("prior_mean = 4.0", "prior_mean = 7.5", "rating.prior_mean"),
        ("prior_count = 20", "prior_count = 0", "rating.prior_count"),
        ("point_s = 40", 'point_s = "many"', "rating.point_s"),
        ("most_s = 30", "mostly = 30", "rating.mostly"),
    ],
)
def test_a_fault_in_the_newer_tables_is_named(before: str, after: str, named: str) -> None:
    assert before in TEXT
    assert [problem for problem in check_policy(TEXT.replace(before, after)) if named in problem]


@pytest.mark.parametrize("text", ["", "[", "\x00", "a" * 1_000_001, "x = " + "[" * 100_000])
def test_what_is_no_policy_at_all_has_its_problem_named(text: str) -> None:
    assert check_policy(text)


def test_whoever_is_handed_on_keeps_the_place_and_the_rings_begin_anew() -> None:
    arrived, now = NOON, NOON + 300_000
    before = POLICY.entry("c1", matter="debt", arrived_ms=arrived)
    after = POLICY.entry("c1", matter="debt", arrived_ms=arrived, asked_ms=now)
    assert (after.arrived_ms, after.credit_ms) == (before.arrived_ms, before.credit_ms)
    assert after.steps[0] == before.steps[0]
    assert [step.after_ms - late.after_ms for step, late in zip(after.steps, before.steps, strict=True)][
        2:
    ] == [300_000] * (len(before.steps) - 2)


def test_a_colleague_of_another_role_is_asked_first_by_whoever_chose_that_one() -> None:
    notary = Volunteer("n1", "notary", {"notarization": 3})
    chosen = POLICY.entry("c1", matter="debt", preferred="n1", preferred_role="notary", asked_ms=0)
    assert chosen.steps[0].klass in {sub.klass for sub in POLICY.subscriptions(notary)}
    personal = POLICY.personal_entry("c1/colleague-1", agent="n1", role="notary", arrived_ms=NOON)
    assert [step.klass for step in personal.steps] == [chosen.steps[0].klass]
