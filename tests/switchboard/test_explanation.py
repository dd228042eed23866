"""What is told to a supervisor: why this volunteer, why it still waits, in both languages."""

from __future__ import annotations

from typing import Any

from routing.explain import decision_of
from routing.model import Change, Entry, Step, Subscription
from routing.twin import Twin
from switchboard.explanation import explain
from switchboard.records import ContactEvent, Records
from switchboard.records.fold import fold
from tests.support.web import Client, SmallHouse, sign_in

OWN, ANY = "lawyer|labour|zh", "lawyer|*|zh"
LAWYER = (Subscription(OWN, 0, -30_000), Subscription(ANY, -480_000))
T = 1_800_000_000_000
NAMES = {"v1": "王敏", "v2": "李建国"}


def events(*told: tuple[str, dict[str, Any]]) -> list[ContactEvent]:
    return [ContactEvent("c-1", n, T + n, kind, data) for n, (kind, data) in enumerate(told, 1)]


def waiting(name: str = "c-1") -> Entry:
    return Entry(name, 0, 0, (Step(0, OWN), Step(20_000, ANY)))


def two_decisions() -> list[dict[str, Any]]:
    """What is kept of two reservations: the first volunteer declines, the second takes over."""
    told: list[Change] = []
    twin = Twin(observe=told.append)
    for n, seat in enumerate(("v1/live", "v2/live")):
        twin.ready(seat, LAWYER, now_ms=T + n * 1_000)
    first = twin.enter(waiting(), now_ms=T + 65_000)
    assert first
    twin.reject(first.id, "declined", "paused", now_ms=T + 66_000)
    made = [decision for change in told if (decision := decision_of(change))]
    return [{"reservation": one.reservation, "agent": one.agent, **one.data()} for one in made]


def test_an_ended_contact_says_who_was_chosen_who_stood_next_and_who_was_passed_over_why() -> None:
    first, second = two_decisions()
    happened = events(
        ("arrived", {"medium": "call"}),
        ("intake", {"matter": "labour", "language": "zh", "priority": 2}),
        ("queued", {"entry": "c-1"}),
        ("reserved", first),
        ("reservation_ended", {"reservation": first["reservation"], "agent": "v1", "how": "rejected"}),
        ("reserved", second),
        ("connected", {"reservation": second["reservation"], "agent": "v2"}),
        ("ended", {"reason": "completed", "by": "caller"}),
    )
    told = explain(fold(happened), happened, None, NAMES)
    zh, en = "\n".join(line.zh for line in told.lines), "\n".join(line.en for line in told.lines)
    assert "王敏 (v1)" in zh
    assert "then 李建国 (v2) (1 s behind)" in en
    assert "not 王敏 (v1): declined it" in en
    assert "未选王敏 (v1)：拒接" in zh
    assert "in contact with 李建国 (v2)" in en
    assert "same matter and language" in en
    assert "completed" in told.lines[-1].en
    assert [line.at_ms for line in told.lines] == sorted(line.at_ms or 0 for line in told.lines)


def test_a_reservation_kept_without_reasons_is_told_all_the_same() -> None:
    happened = events(("arrived", {}), ("reserved", {"reservation": 1, "agent": "v1"}))
    told = explain(fold(happened), happened, None, NAMES)
    assert "no reasons kept" in told.lines[-1].en


def test_one_who_waits_says_who_could_serve_it_and_what_keeps_them() -> None:
    twin = Twin()
    twin.pause("v1/live", "meal", LAWYER, now_ms=T)
    twin.enter(waiting(), now_ms=T)
    happened = events(("arrived", {}), ("queued", {"entry": "c-1"}))
    told = explain(fold(happened), happened, twin.standing("c-1", now_ms=T + 12_000), NAMES)
    en = "\n".join(line.en for line in told.lines)
    assert "still waiting (12 s): 0 before it; the search widens in 8 s" in en
    assert "1 could serve it: paused" in en
    assert "王敏 (v1) (same matter and language): paused (meal), for 12 s" in en


def test_a_matter_that_nobody_serves_is_said_so() -> None:
    twin = Twin()
    twin.enter(waiting(), now_ms=T)
    happened = events(("arrived", {}), ("queued", {"entry": "c-1"}))
    told = explain(fold(happened), happened, twin.standing("c-1", now_ms=T), {})
    assert "nobody on duty could serve" in told.lines[-1].en


async def test_the_reasons_of_a_reservation_are_kept_with_the_contact(records: Records) -> None:
    first, _ = two_decisions()
    await records.append("c-1", "arrived", key="arrived", medium="call")
    await records.append("c-1", "reserved", **first)
    found = await records.contact("c-1")
    assert found
    told = explain(*found, None, NAMES)
    assert "ring 1" in told.lines[-1].en
    assert found[0].reservation == first["reservation"]


async def test_supervisors_read_explanations(client: Client, house: SmallHouse) -> None:
    first, _ = two_decisions()
    await house.records.append("c-1", "arrived", key="arrived", medium="call")
    await house.records.append("c-1", "reserved", **first)
    house.queue.pause("v001/live", "meal", LAWYER)
    house.queue.enter(waiting())
    assert await sign_in(client, "sun") == 201
    async with client.get("/api/contacts/c-1/explanation") as answer:
        assert answer.status == 200
        body = await answer.json()
    assert body["contact"] == "c-1"
    assert any("王敏 (v001)" in line["zh"] for line in body["lines"])
    assert any("still waiting" in line["en"] for line in body["lines"])
    async with client.get("/api/contacts/c-none/explanation") as answer:
        assert answer.status == 404
