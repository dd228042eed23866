"""A dissatisfied caller stays on the list until somebody has looked into it; and a year of working days on a page."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.records import Records
from tests.support.web import Client, SmallHouse, sign_in


async def rated(records: Records, ident: str, answer: str, *, at_ms: int) -> None:
    """A contact that has ended, with this answer and the follow-up that belongs to a bad one."""
    await records.append(ident, "arrived", at_ms=at_ms, key="arrived", medium="call", caller="13812345678")
    await records.append(ident, "survey", at_ms=at_ms + 1, question="patient", answer=answer)
    if answer == "3":
        await records.append(ident, "follow_up", at_ms=at_ms + 1, key="follow_up", why="dissatisfied")
    await records.append(ident, "ended", at_ms=at_ms + 2, key="ended", reason="completed", by="caller")


async def test_open_follow_ups_are_listed_oldest_first_until_done(records: Records) -> None:
    await rated(records, "c-2", "3", at_ms=2_000)
    await rated(records, "c-1", "3", at_ms=1_000)
    await rated(records, "c-3", "1", at_ms=3_000)
    assert [one.id for one in await records.follow_ups()] == ["c-1", "c-2"]
    assert await records.open_follow_ups() == 2
    await records.append("c-1", "followed_up", key="followed_up", by="sun", outcome="called_back", note="好")
    assert [one.id for one in await records.follow_ups()] == ["c-2"]
    found = await records.contact("c-1")
    assert found is not None
    assert (found[0].follow_up, found[0].end_reason) == ("done", "completed")


async def test_supervisors_close_them_with_an_outcome(client: Client, house: SmallHouse) -> None:
    await rated(house.records, "c-1", "3", at_ms=1_000)
    await rated(house.records, "c-3", "1", at_ms=3_000)
    await sign_in(client, "sun")
    async with client.get("/api/follow-ups") as answer:
        found = await answer.json()
    assert (found["open"], found["items"][0]["caller"]) == (1, "138****5678")
    for ident, order, status in (
        ("c-1", {"outcome": "shrugged"}, 422),
        ("c-3", {"outcome": "no_need"}, 404),
        ("c-9", {"outcome": "no_need"}, 404),
        ("c-1", {"outcome": "called_back", "note": "已致电"}, 204),
        ("c-1", {"outcome": "no_need"}, 204),  # a repeat changes nothing
    ):
        async with client.post(f"/api/follow-ups/{ident}", json=order) as answer:
            assert answer.status == status, (ident, order)
    kept = await house.records.contact("c-1")
    assert kept is not None
    (done,) = [event.data for event in kept[1] if event.kind == "followed_up"]
    assert (done["outcome"], done["by"]) == ("called_back", "sun")


async def test_volunteers_do_not_see_them(client: Client) -> None:
    await sign_in(client, "v001")
    async with client.get("/api/follow-ups") as answer:
        assert answer.status == 403


async def _year(client: Client, **order: Any) -> tuple[int, Any]:
    async with client.post("/api/calendar/year", json=order) as answer:
        return answer.status, await answer.json()


async def test_a_year_is_shown_as_a_table_would_have_it(client: Client) -> None:
    await sign_in(client, "root")
    status, found = await _year(client, year=2026)
    assert (status, len(found["days"])) == (200, 365)
    kinds = [day["kind"] for day in found["days"]]
    assert kinds[:5] == ["holiday", "holiday", "holiday", "make_up", "working"]
    assert not any(day["override"] for day in found["days"])
    _, changed = await _year(client, year=2026, text="days_off = [2026-01-05]\nannounced_until = 2030-12-31")
    assert changed["days"][4] == {"kind": "holiday", "override": True}
    assert (changed["announced_until"], changed["warning"]) == ("2030-12-31", None)


@pytest.mark.parametrize(
    "order", [{"year": 1900}, {"year": 2026, "text": "x" * 300_000}, {"year": 2026, "text": "a"}]
)
async def test_a_table_with_mistakes_is_refused_in_words(client: Client, order: dict[str, Any]) -> None:
    await sign_in(client, "root")
    status, answer = await _year(client, **order)
    assert status in (413, 422)
    assert answer["zh"]
