"""Every decision and every wait can be explained from what the kernel says."""

from routing.explain import Decision, count_of, decision_from, decision_of, ring_kind, why_waiting
from routing.model import Change, Entry, Step, Subscription
from routing.twin import Twin

OWN, FAMILY, ANY = "lawyer|labour|zh", "lawyer|family:work|zh", "lawyer|*|zh"
LAWYER = (Subscription(OWN, 30_000, -30_000), Subscription(FAMILY, -120_000), Subscription(ANY, -480_000))
OTHER = (Subscription("lawyer|debt|zh"), Subscription(ANY, -480_000))
T = 1_800_000_000_000


def waiting(name: str) -> Entry:
    return Entry(name, 0, 0, (Step(0, OWN), Step(10_000, FAMILY), Step(20_000, ANY)))


def made(changes: list[Change]) -> list[Decision]:
    return [decision for change in changes if (decision := decision_of(change))]


def test_a_decision_names_the_ring_and_who_stood_next() -> None:
    told: list[Change] = []
    twin = Twin(observe=told.append)
    for n in range(5):
        twin.ready(f"v{n}/live", LAWYER, now_ms=T + n)
    twin.enter(waiting("c1"), now_ms=T + 9_000)
    decision = made(told)[0]
    assert (decision.agent, decision.ring, decision.klass, decision.free) == ("v0", 1, OWN, 5)
    assert decision.chosen_by == "entry"
    assert decision.order == T - 30_000, "idle since plus cost"
    assert decision.others == (("v1", T + 1 - 30_000), ("v2", T + 2 - 30_000), ("v3", T + 3 - 30_000))


def test_a_volunteer_who_comes_free_names_the_callers_behind() -> None:
    told: list[Change] = []
    twin = Twin(observe=told.append)
    twin.pause("v1/live", "meal", LAWYER, now_ms=T)
    for n in range(3):
        twin.enter(waiting(f"c{n}"), now_ms=T + n)
    twin.ready("v1/live", now_ms=T + 5_000)
    decision = made(told)[0]
    assert (decision.chosen_by, decision.waiting, decision.waited) == ("seat", 3, 5_000)
    assert decision.order == T - 30_000, "the entry's order minus the bonus"
    assert decision.others == (("c1", T + 1), ("c2", T + 2))


def test_what_is_kept_of_a_decision_gives_it_back() -> None:
    decision = Decision(7, "v1", 1, OWN, T, T - 5, 900, 3, 1, "entry", ("v2",), (("v3", T),))
    kept = {"reservation": 7, "agent": "v1", **decision.data()}
    assert decision_from(kept) == decision
    assert decision_from({"reservation": 7, "agent": "v1", "ring": None}) is None
    assert decision_from({**kept, "others": 3}) is None


def test_no_other_change_is_a_decision() -> None:
    told: list[Change] = []
    twin = Twin(observe=told.append)
    twin.ready("v1/live", LAWYER, now_ms=T)
    held = twin.enter(waiting("c1"), now_ms=T)
    assert held
    twin.accept(held.id, now_ms=T)
    assert len(made(told)) == 1 < len(told)


def test_each_one_who_could_serve_has_a_reason_for_not_serving() -> None:
    twin = Twin()
    for seat in ("talks/live", "rings/live", "gave-back/live"):
        twin.ready(seat, LAWYER, now_ms=T)
        held = twin.enter(waiting(f"c-{seat[:3]}"), now_ms=T)
        assert held
        if seat == "talks/live":
            twin.accept(held.id, now_ms=T)
        elif seat == "gave-back/live":
            twin.reject(held.id, "declined", "available", now_ms=T)
    twin.pause("eats/live", "meal", LAWYER, now_ms=T)
    twin.ready("wide/live", OTHER, now_ms=T)
    twin.ready("notary/live", [Subscription("notary|notarization|zh")], now_ms=T)
    standing = twin.standing("c-gav", now_ms=T + 1_000)
    assert standing
    why = why_waiting(standing)
    assert {candidate.agent: candidate.why for candidate in why.candidates} == {
        "wide": "not_yet",
        "rings": "ringing",
        "talks": "talking",
        "gave-back": "kept_apart",
        "eats": "paused",
    }
    assert count_of(why.candidates)["talking"] == 1
    assert why.next_ring_ms == T + 10_000
    assert {c.agent: c.until_ms for c in why.candidates}["wide"] == T + 20_000
    assert {c.agent: c.until_ms for c in why.candidates}["gave-back"] == T + 60_000
    assert {c.agent: c.reason for c in why.candidates}["eats"] == "meal"
    assert why.before == 0


def test_where_nobody_could_serve_there_are_no_candidates() -> None:
    twin = Twin()
    twin.ready("notary/live", [Subscription("notary|notarization|zh")], now_ms=T)
    twin.enter(waiting("c1"), now_ms=T)
    standing = twin.standing("c1", now_ms=T)
    assert standing
    assert why_waiting(standing).candidates == ()
    assert twin.standing("nobody", now_ms=T) is None


def test_the_kinds_of_rings_are_known_by_their_classes() -> None:
    assert [ring_kind(klass) for klass in ("lawyer|@v1", f"{OWN}|d1", OWN, FAMILY, ANY)] == [
        "wished",
        "district",
        "matter",
        "family",
        "role",
    ]
    assert ring_kind("message|lawyer|*|zh") == "role"
