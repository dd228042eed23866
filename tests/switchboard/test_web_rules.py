"""The routes by which administrators change the rules."""

from __future__ import annotations

from typing import Any

from tests.support.web import Client, SmallHouse, client_of, sign_in

HOTLINE = "/api/rules/hotline/12348"


async def ask(client: Client, path: str, **body: Any) -> tuple[int, Any]:
    method = client.post if body else client.get
    async with method(path, **({"json": body} if body else {})) as answer:
        return answer.status, await answer.json()


async def seed_text(client: Client) -> str:
    return (await ask(client, HOTLINE))[1]["text"]


def renamed(text: str, name: str) -> str:
    return text.replace('name_en = "Public legal service hotline"', f'name_en = "{name}"')


async def test_with_nothing_published_the_file_on_disk_is_in_force(client: Client) -> None:
    await sign_in(client, "root")
    status, found = await ask(client, "/api/rules")
    assert status == 200
    assert {(one["kind"], one["name"], one["number"]) for one in found["items"]} >= {
        ("hotline", "12348", 0),
        ("policy", "policy", 0),
    }
    _, hotline = await ask(client, HOTLINE)
    assert 'number = "12348"' in hotline["text"]
    assert (hotline["number"], hotline["versions"]) == (0, [])


async def test_draft_difference_publish_and_roll_back(client: Client, house: SmallHouse) -> None:
    await sign_in(client, "root")
    text = renamed(await seed_text(client), "Legal advice")
    status, draft = await ask(client, f"{HOTLINE}/drafts", text=text, note="shorter name", base=0)
    assert (status, draft["number"], draft["state"], draft["author"]) == (201, 1, "draft", "root")
    _, changed = await ask(client, f"{HOTLINE}/difference", before=0, after=1)
    assert '+name_en = "Legal advice"' in changed["lines"]
    assert (await ask(client, f"{HOTLINE}/difference", text=text))[1] == changed
    assert (await house.rule_book.in_force()).hotlines["12348"].name_en != "Legal advice"

    status, done = await ask(client, f"{HOTLINE}/publish", number=1)
    assert (status, done["state"]) == (200, "published")
    assert (await house.rule_book.in_force()).hotlines["12348"].name_en == "Legal advice"
    assert (await ask(client, HOTLINE))[1]["text"] == text

    status, back = await ask(client, f"{HOTLINE}/roll-back", over=1)
    assert (status, back["number"], back["restores"]) == (200, 2, 0)
    assert (await house.rule_book.in_force()).hotlines["12348"].name_en != "Legal advice"
    _, now = await ask(client, HOTLINE)
    assert [(one["number"], one["state"]) for one in now["versions"]] == [(2, "published"), (1, "retired")]


async def test_what_has_problems_is_kept_as_a_draft_and_refused_with_every_reason(
    client: Client, house: SmallHouse
) -> None:
    await sign_in(client, "root")
    text = (await seed_text(client)).replace('matter = "labour"', 'matter = "labor"')
    text = text.replace('matter = "debt"', 'matter = "debts"')
    _, checked = await ask(client, f"{HOTLINE}/check", text=text)
    assert checked["problems"] == [
        "the routing policy has no matter debts",
        "the routing policy has no matter labor",
    ]
    await ask(client, f"{HOTLINE}/drafts", text=text)
    status, refused = await ask(client, f"{HOTLINE}/publish", number=1)
    assert (status, refused["code"], refused["problems"]) == (422, "rules_invalid", checked["problems"])
    assert await house.records.published("hotline") == {}


async def test_a_policy_without_a_matter_that_a_hotline_offers_is_refused(client: Client) -> None:
    await sign_in(client, "root")
    _, policy = await ask(client, "/api/rules/policy/policy")
    text = policy["text"].replace('id = "labour"', 'id = "work"')
    _, checked = await ask(client, "/api/rules/policy/policy/check", text=text)
    assert "hotline 12348: the routing policy has no matter labour" in checked["problems"]


async def test_texts_that_are_no_toml_no_hotline_or_too_long_are_told_in_words(client: Client) -> None:
    await sign_in(client, "root")
    for text, said in (
        ("= 1", "not TOML"),
        ("a = " + "[" * 5_000, "not TOML"),
        ('number = "12348"', "name_zh"),
        (renamed(await seed_text(client), "x").replace('"12348"', '"12345"'), "is not the number"),
        ("#" + "汉" * 30_000, "64 KB"),
    ):
        status, checked = await ask(client, f"{HOTLINE}/check", text=text)
        assert status == 200
        assert any(said in problem for problem in checked["problems"]), (said, checked)
    status, _ = await ask(client, f"{HOTLINE}/check", text="x" * (64 * 1024 + 1))
    assert status == 422
    async with client.post(f"{HOTLINE}/check", json={"text": "x" * 300_000}) as answer:
        assert answer.status == 413


async def test_the_second_of_two_administrators_is_told(client: Client, house: SmallHouse) -> None:
    await house.records.create_account("root2", "correct horse battery", "administrator")
    second = await client_of(house)
    try:
        await sign_in(client, "root")
        await sign_in(second, "root2")
        text = await seed_text(client)
        for who, name in ((client, "one"), (second, "two")):
            await ask(who, f"{HOTLINE}/drafts", text=renamed(text, name), base=0)
        assert (await ask(client, f"{HOTLINE}/publish", number=1))[0] == 200
        status, told = await ask(second, f"{HOTLINE}/publish", number=2)
        assert (status, told["code"]) == (409, "version_moved")
        status, told = await ask(second, f"{HOTLINE}/roll-back", over=2)
        assert (status, told["code"]) == (409, "version_moved")
    finally:
        await second.close()


async def test_unknown_names_and_numbers_are_not_found(client: Client) -> None:
    await sign_in(client, "root")
    for path in ("/api/rules/hotline/99999", f"{HOTLINE}/versions/1", "/api/rules/robots/12348"):
        assert (await ask(client, path))[0] == 404
    assert (await ask(client, f"{HOTLINE}/publish", number=1))[0] == 404
    assert (await ask(client, f"{HOTLINE}/roll-back", over=1))[0] == 409


async def test_each_step_and_each_refusal_is_audited(client: Client, house: SmallHouse) -> None:
    await sign_in(client, "root")
    before = await house.records.verify_audit()
    await ask(client, f"{HOTLINE}/drafts", text="nothing = 1")
    await ask(client, f"{HOTLINE}/publish", number=1)
    assert await house.records.verify_audit() == before + 2
