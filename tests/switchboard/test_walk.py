"""A simulated caller: the page walks through a hotline as a telephone would."""

from __future__ import annotations

from typing import Any

from tests.support.web import Client, SmallHouse, sign_in

WALK = "/api/hotlines/walk"
CLOSED = '\n[[hours]]\ndays = ["working_days"]\nopen = ["09:00-12:00"]\n'


async def walk(client: Client, *keys: str, **order: Any) -> dict[str, Any]:
    async with client.post(WALK, json={"keys": list(keys), **order}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def heard(walked: dict[str, Any]) -> list[str]:
    return [line["key"] for line in walked["said"] if line["who"] == "hotline"]


async def text_of(house: SmallHouse) -> str:
    return house.rule_book.seed("hotline", "12348") or ""


async def test_a_walk_begins_with_the_announcement_and_waits_for_a_key(client: Client) -> None:
    await sign_in(client, "root")
    walked = await walk(client, number="12348")
    assert heard(walked)[:2] == ["welcome", "recording_notice"]
    assert (walked["asks"], walked["ends"]) == (True, None)
    assert all(line["text"] for line in walked["said"])


async def test_keys_lead_where_a_telephone_would_lead(client: Client) -> None:
    await sign_in(client, "root")
    labour = await walk(client, "2")
    assert (labour["ends"], labour["about"]["id"], labour["asks"]) == ("waiting", "labour", False)
    assert {"who": "caller", "text": "2", "language": None, "key": None} in labour["said"]
    assert (await walk(client, "0"))["about"]["id"] == "law_inquiry"
    assert (await walk(client, ""))["ends"] == "waiting"  # nothing pressed reaches a person
    notary = await walk(client, "5", "1")
    assert notary["about"]["id"] == "notarization"
    police = await walk(client, "6", "5")
    assert (police["ends"], police["to"]) == ("transfer", "110")
    english = await walk(client, "9")
    assert english["said"][-1]["language"] == "en"
    prison = await walk(client, "6", "1", "#")
    assert (prison["ends"], prison["to"]) == ("information", "prison")


async def test_the_time_of_the_call_decides_what_is_said(client: Client, house: SmallHouse) -> None:
    await sign_in(client, "root")
    text = await text_of(house) + CLOSED
    assert (await walk(client, "2", text=text, at="2026-11-23T10:00"))["ends"] == "waiting"
    sunday = await walk(client, "2", text=text, at="2026-11-22T10:00")
    assert sunday["ends"] == "message"
    assert "closed_hours" in heard(sunday)
    holiday = await walk(client, "2", text=text, at="2026-10-01T10:00")
    assert holiday["ends"] == "message"


async def test_the_text_in_the_editor_is_walked_not_what_is_in_force(
    client: Client, house: SmallHouse
) -> None:
    await sign_in(client, "root")
    text = (await text_of(house)).replace('matter = "labour"', 'matter = "debt"', 1)
    assert (await walk(client, "2", text=text))["about"]["id"] == "debt"
    assert (await walk(client, "2"))["about"]["id"] == "labour"


async def test_a_prompt_that_does_not_exist_yet_is_shown_by_its_key(
    client: Client, house: SmallHouse
) -> None:
    await sign_in(client, "root")
    text = (await text_of(house)).replace('"menu_labour"', '"menu_of_tomorrow"')
    said = (await walk(client, text=text))["said"]
    assert any(line["text"] == "[menu_of_tomorrow]" for line in said)


async def test_what_cannot_be_walked_is_told_in_words(client: Client) -> None:
    await sign_in(client, "root")
    for order, status in (
        ({"text": "= 1"}, 422),
        ({"text": 'number = "1"'}, 422),
        ({"number": "99999"}, 404),
        ({"keys": ["x"]}, 422),
        ({"keys": ["1"] * 61}, 422),
        ({"at": "2999-01-01T00:00"}, 422),
        ({"at": "0001-01-01T00:00"}, 422),
        ({"at": "yesterday"}, 422),
    ):
        async with client.post(WALK, json=order) as answer:
            assert answer.status == status, order
            told = await answer.json()
            assert told["zh"]
            if "text" in order:
                assert told["problems"]


async def test_a_walk_ends_however_many_keys_are_pressed(client: Client) -> None:
    await sign_in(client, "root")
    for key in "*#0123456789":
        walked = await walk(client, *[key] * 60)
        assert walked["ends"] is not None or walked["asks"]
