"""A volunteer may object to a bad rating for seven days; a supervisor decides once; nothing is deleted."""

from __future__ import annotations

from typing import Any

from routing.policy import Quality
from switchboard.agents.quality import qualities
from switchboard.records import Records
from switchboard.times import now_ms
from tests.support.web import Client, SmallHouse, sign_in
from tests.switchboard.test_quality import HOTLINES

DAY = 86_400_000


async def bad_rating(records: Records, ident: str, agent: str = "v001", *, days_ago: float = 1) -> None:
    at_ms = now_ms() - int(days_ago * DAY)
    await records.append(ident, "arrived", at_ms=at_ms, key="arrived", medium="call", hotline="12348")
    await records.append(ident, "connected", at_ms=at_ms, agent=agent)
    await records.append(ident, "disconnected", at_ms=at_ms, by="caller")
    await records.append(ident, "survey", at_ms=at_ms, question="patient", answer="3")
    await records.append(ident, "follow_up", at_ms=at_ms, key="follow_up", why="dissatisfied")
    await records.append(ident, "wrapped_up", at_ms=at_ms, agent=agent)
    await records.append(ident, "ended", at_ms=at_ms, key="ended", reason="completed", by="caller")


async def ask(client: Client, method: str, path: str, **order: Any) -> tuple[int, Any]:
    async with client.request(method, path, **({"json": order} if order else {})) as answer:
        return answer.status, await answer.json()


async def object_to(client: Client, ident: str, text: str = "来电者误按了三") -> int:
    await sign_in(client, "v001")
    return (await ask(client, "POST", f"/api/own-ratings/{ident}/appeal", text=text))[0]


async def test_an_appeal_is_kept_with_the_contact_and_a_decision_stays(records: Records) -> None:
    await bad_rating(records, "c-1")
    await bad_rating(records, "c-2")
    assert [one.id for one in await records.bad_ratings("v001", 0)] in (["c-2", "c-1"], ["c-1", "c-2"])
    await records.append("c-1", "appealed", key="appealed", agent="v001", text="误按")
    assert [one.id for one in await records.appeals()] == ["c-1"]
    assert await records.open_appeals() == 1
    for outcome in ("upheld", "dismissed"):
        await records.append(
            "c-1", "appeal_decided", key="appeal_decided", by="sun", outcome=outcome, reason="录音可证"
        )
    found = await records.contact("c-1")
    assert found is not None
    assert (found[0].appeal, found[0].follow_up, dict(found[0].survey)) == (
        "upheld",
        "open",
        {"patient": "3"},
    )
    assert await records.open_appeals() == 0


async def test_an_upheld_rating_is_left_out_of_the_routing_quality(records: Records) -> None:
    await bad_rating(records, "c-1")
    await bad_rating(records, "c-2")
    before = qualities(await records.rated(since_ms=0), HOTLINES)
    assert before["v001"] == Quality(1.0, 2)
    await records.append("c-1", "appealed", key="appealed", agent="v001", text="误按")
    assert qualities(await records.rated(since_ms=0), HOTLINES) == before
    await records.append("c-1", "appeal_decided", key="k", by="sun", outcome="upheld", reason="")
    assert qualities(await records.rated(since_ms=0), HOTLINES)["v001"] == Quality(1.0, 1)


async def test_the_volunteer_objects_and_the_supervisor_decides(client: Client, house: SmallHouse) -> None:
    await bad_rating(house.records, "c-1")
    house.at_desks = ["v001"]
    assert await object_to(client, "c-1") == 201
    assert await object_to(client, "c-1", "again") == 201  # the first stays
    assert (house.board.get("requests/all") or {})["appeals"] == 1
    await sign_in(client, "sun")
    _, found = await ask(client, "GET", "/api/appeals")
    (one,) = found["items"]
    assert [step["what"] for step in one["steps"]] == ["follow_up", "appealed"]
    assert one["steps"][1]["text"] == "来电者误按了三"
    status, refused = await ask(client, "POST", "/api/appeals/c-1", outcome="dismissed", reason=" ")
    assert (status, refused["fields"]) == (422, ["reason"])
    status, decided = await ask(client, "POST", "/api/appeals/c-1", outcome="upheld")
    assert (status, decided["contact"]["appeal"]) == (200, "upheld")
    assert house.ratings_read == 1
    assert ("v001", {"type": "news", "what": "appeal", "id": "c-1", "state": "upheld"}) in house.told
    status, late = await ask(client, "POST", "/api/appeals/c-1", outcome="dismissed", reason="no")
    assert (status, late["code"]) == (409, "decided")
    await sign_in(client, "v001")
    _, mine = await ask(client, "GET", "/api/own-ratings")
    (rating,) = mine["items"]
    assert (rating["contact"]["appeal"], rating["open_to_appeal"]) == ("upheld", False)
    assert [step["what"] for step in rating["steps"]] == ["follow_up", "appealed", "appeal_decided"]
    assert rating["steps"][2]["by"] == "sun"
    assert "13" not in rating["contact"]["caller"]


async def test_after_seven_days_it_is_too_late(client: Client, house: SmallHouse) -> None:
    await bad_rating(house.records, "c-1", days_ago=7.01)
    await bad_rating(house.records, "c-2", days_ago=6.99)
    await sign_in(client, "v001")
    _, mine = await ask(client, "GET", "/api/own-ratings")
    assert {one["contact"]["id"]: one["open_to_appeal"] for one in mine["items"]} == {
        "c-1": False,
        "c-2": True,
    }
    status, answer = await ask(client, "POST", "/api/own-ratings/c-1/appeal", text="late")
    assert (status, answer["code"]) == (409, "appeal_too_late")
    assert await object_to(client, "c-2") == 201


async def test_only_ones_own_bad_ratings_can_be_objected_to(client: Client, house: SmallHouse) -> None:
    await bad_rating(house.records, "c-2", "v002")
    await house.records.append("c-3", "arrived", medium="call")
    await house.records.append("c-3", "connected", agent="v001")
    for ident in ("c-2", "c-3", "c-none"):
        assert await object_to(client, ident) == 404
    assert await object_to(client, "c-2", " ") == 404
    await sign_in(client, "sun")
    assert (await ask(client, "POST", "/api/appeals/c-2", outcome="upheld"))[0] == 404


async def test_text_that_no_database_can_store_is_refused(client: Client, house: SmallHouse) -> None:
    await bad_rating(house.records, "c-1")
    for text in ("", "a\x00b", "x" * 2_001):
        assert await object_to(client, "c-1", text) == 422
    assert await object_to(client, "c-1", "   ") == 422
