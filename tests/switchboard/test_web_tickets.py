"""Tickets over the web: kept as typed, one's own only, finished later; earlier contacts of the same caller only."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.records import Records
from tests.support.web import Client, SmallHouse, client_of, sign_in

CALLER = "13812345678"


async def ask(client: Client, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with client.request(method, path, **more) as answer:
        return answer.status, None if answer.status == 204 else await answer.json()


async def talk(
    records: Records,
    ident: str,
    agent: str = "v001",
    *,
    caller: str | None = CALLER,
    at_ms: int = 1_000,
    **intake: Any,
) -> None:
    await records.append(ident, "arrived", at_ms=at_ms, medium="call", caller=caller)
    await records.append(
        ident,
        "intake",
        language="zh",
        matter=intake.get("matter", "labour"),
        **{name: value for name, value in intake.items() if name != "matter"},
    )
    await records.append(ident, "connected", agent=agent)
    await records.tickets.begin(ident, agent, matter="labour", at_ms=at_ms)


async def ended(records: Records, ident: str, agent: str = "v001", note: str | None = None) -> None:
    await records.append(ident, "disconnected", by="caller")
    await records.append(ident, "ended", reason="completed", by="caller")
    if note is not None:
        await records.append(
            ident, "wrapped_up", agent=agent, matter="labour", disposition="advised", note=note
        )
        await records.tickets.file(ident, agent, "labour", "advised", at_ms=2_000)


def typed(facts: str, revision: int = 1, **more: Any) -> dict[str, Any]:
    return {"json": {"facts": facts, "revision": revision, "writer": "page-1", **more}}


async def test_what_is_typed_is_kept_and_read_again(house: SmallHouse, client: Client) -> None:
    await talk(house.records, "c-1")
    await sign_in(client, "v001")
    status, empty = await ask(client, "GET", "/api/tickets/c-1")
    assert (status, empty["revision"], empty["saved_ms"], empty["caller"]) == (200, 0, None, "138****5678")
    status, saved = await ask(client, "PUT", "/api/tickets/c-1", **typed("<b>欠薪</b>", name="王女士"))
    assert (status, saved["revision"]) == (200, 1)
    assert (await ask(client, "PUT", "/api/tickets/c-1", **typed("<b>欠薪</b>", name="王女士")))[1] == saved
    status, kept = await ask(client, "GET", "/api/tickets/c-1")
    assert (kept["facts"], kept["name"], kept["saved_ms"]) == ("<b>欠薪</b>", "王女士", saved["saved_ms"])


async def test_a_hundred_thousand_bytes_are_kept_and_more_is_refused_in_words(
    house: SmallHouse, client: Client
) -> None:
    await talk(house.records, "c-1")
    await sign_in(client, "v001")
    assert (await ask(client, "PUT", "/api/tickets/c-1", **typed('\n"' * 50_000)))[0] == 200
    for text in ("字" * 33_334, "x" * 100_001):
        status, told = await ask(client, "PUT", "/api/tickets/c-1", **typed(text, 2))
        assert (status, told["code"]) == (413, "ticket_too_long")
        assert "33,000" in told["en"]
    assert (await ask(client, "PUT", "/api/tickets/c-1", **typed("x" * 300_000, 2)))[0] == 413
    assert (await ask(client, "GET", "/api/tickets/c-1"))[1]["revision"] == 1


@pytest.mark.parametrize(
    "wrong", [{"facts": "a\x00b"}, {"name": "x" * 81}, {"revision": 0}, {"writer": "<b>"}, {"x": 1}]
)
async def test_what_cannot_be_kept_is_refused(
    house: SmallHouse, client: Client, wrong: dict[str, Any]
) -> None:
    await talk(house.records, "c-1")
    await sign_in(client, "v001")
    body = typed("")["json"] | wrong
    assert (await ask(client, "PUT", "/api/tickets/c-1", json=body))[0] == 422


async def test_nobody_reads_or_writes_about_another_volunteers_contact(
    house: SmallHouse, client: Client
) -> None:
    await talk(house.records, "c-1", "v002")
    await sign_in(client, "v001")
    assert (await ask(client, "GET", "/api/tickets/c-1"))[0] == 404
    assert (await ask(client, "PUT", "/api/tickets/c-1", **typed("x")))[0] == 404
    outcome = {"matter": "labour", "disposition": "advised"}
    assert (await ask(client, "POST", "/api/tickets/c-1/file", json=outcome))[0] == 404
    assert (await ask(client, "GET", "/api/contacts/c-1/earlier"))[0] == 404
    assert (await ask(client, "GET", "/api/tickets"))[1] == {"items": []}


async def test_another_page_is_told_that_there_is_newer_text(house: SmallHouse, client: Client) -> None:
    await talk(house.records, "c-1")
    await sign_in(client, "v001")
    await ask(client, "PUT", "/api/tickets/c-1", **typed("在家", 7))
    status, told = await ask(client, "PUT", "/api/tickets/c-1", **typed("办公室", 8, writer="page-2"))
    assert (status, told["code"]) == (409, "ticket_moved")
    status, saved = await ask(
        client, "PUT", "/api/tickets/c-1", **typed("办公室", 8, writer="page-2", base=7)
    )
    assert (status, saved["revision"]) == (200, 8)


async def test_an_unfinished_ticket_is_listed_and_finished_later(house: SmallHouse, client: Client) -> None:
    await talk(house.records, "c-1")
    await sign_in(client, "v001")
    await ask(client, "PUT", "/api/tickets/c-1", **typed("欠薪三个月", advice="申请仲裁"))
    outcome = {"matter": "labour", "disposition": "legal_aid"}
    assert (await ask(client, "POST", "/api/tickets/c-1/file", json=outcome))[0] == 404  # they still talk
    await ended(house.records, "c-1")
    await house.records.append("c-1", "wrapped_up", key="wrapped_up:v001", agent="v001")
    assert [one["contact"] for one in (await ask(client, "GET", "/api/tickets"))[1]["items"]] == ["c-1"]
    for wrong in ({"matter": "magic"}, {"disposition": "magic"}):
        status, told = await ask(client, "POST", "/api/tickets/c-1/file", json=outcome | wrong)
        assert (status, told["fields"]) == (422, list(wrong))
    for _ in range(2):
        assert (await ask(client, "POST", "/api/tickets/c-1/file", json=outcome))[0] == 204
    found = await house.records.contact("c-1")
    assert found is not None
    record, events = found
    assert (record.disposition, record.note) == ("legal_aid", "情况：欠薪三个月\n意见：申请仲裁")
    assert [event.kind for event in events].count("ticket_filed") == 1
    assert (await ask(client, "GET", "/api/tickets"))[1] == {"items": []}
    status, told = await ask(client, "PUT", "/api/tickets/c-1", **typed("再改", 9))
    assert (status, told["code"]) == (409, "ticket_filed")


async def test_a_supervisor_reads_what_was_written_and_leaves_a_trace(
    house: SmallHouse, client: Client
) -> None:
    await talk(house.records, "c-1")
    await sign_in(client, "v001")
    await ask(client, "PUT", "/api/tickets/c-1", **typed("欠薪"))
    supervisor = await client_of(house)
    await sign_in(supervisor, "sun")
    status, found = await ask(supervisor, "GET", "/api/contacts/c-1/tickets")
    assert (status, [one["facts"] for one in found["items"]]) == (200, ["欠薪"])
    await supervisor.close()
    assert await house.records.verify_audit() >= 2


async def test_earlier_contacts_are_those_of_the_same_number_and_masked(
    house: SmallHouse, client: Client
) -> None:
    records = house.records
    await talk(records, "c-old", "v002", at_ms=1_000)
    text = {"facts": "去年欠薪", "name": "王小明", "revision": 1, "writer": "p"}
    other = await client_of(house)
    await sign_in(other, "v002")
    assert (await ask(other, "PUT", "/api/tickets/c-old", json=text))[0] == 200
    await other.close()
    await ended(records, "c-old", "v002", "旧")
    await talk(records, "c-else", "v002", caller="13900000000", at_ms=1_500)
    await talk(records, "c-now", at_ms=5_000)
    await sign_in(client, "v001")
    status, found = await ask(client, "GET", "/api/contacts/c-now/earlier")
    assert (status, found["caller"], [one["id"] for one in found["items"]]) == (200, "138****5678", ["c-old"])
    assert (found["items"][0]["role"], found["items"][0]["own"]) == ("lawyer", False)
    status, opened = await ask(client, "GET", "/api/contacts/c-now/earlier/c-old")
    assert status == 200
    assert [(one["facts"], one["name"]) for one in opened["texts"]] == [("去年欠薪", "王**")]
    assert CALLER not in str(opened)
    assert "v002" not in str(opened)
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier/c-else"))[0] == 404
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier/c-now"))[0] == 404


async def actions(records: Records) -> list[tuple[str, str | None, str]]:
    async with records.database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT action, object, outcome FROM audit ORDER BY id")
        return [tuple(row) for row in rows]


async def test_every_look_leaves_an_audit_row_and_a_minors_record_needs_a_reason(
    house: SmallHouse, client: Client
) -> None:
    records = house.records
    await talk(records, "c-old", at_ms=1_000, priority_reason="minor")
    await ended(records, "c-old", note="孩子")
    await talk(records, "c-now", at_ms=5_000)
    await sign_in(client, "v001")
    [one] = (await ask(client, "GET", "/api/contacts/c-now/earlier"))[1]["items"]
    assert one["guarded"]
    status, told = await ask(client, "GET", "/api/contacts/c-now/earlier/c-old")
    assert (status, told["code"]) == (422, "reason_needed")
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier/c-old?reason=nosy"))[0] == 422
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier/c-old?reason=safety"))[0] == 200
    assert [row for row in await actions(records) if row[0] != "session.begin"] == [
        ("caller.history", "c-now", "done"),
        ("contact.read_earlier", "c-old", "refused"),
        ("contact.read_earlier", "c-old", "safety"),
    ]


async def test_what_was_seen_is_closed_again_with_the_ticket(house: SmallHouse, client: Client) -> None:
    records = house.records
    await talk(records, "c-old", at_ms=1_000)
    await ended(records, "c-old", note="旧")
    await talk(records, "c-now", at_ms=5_000)
    await ended(records, "c-now", note="新")
    await sign_in(client, "v001")
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier"))[0] == 404


async def test_of_a_withheld_number_nothing_is_known(house: SmallHouse, client: Client) -> None:
    await talk(house.records, "c-old", caller=None, at_ms=1_000)
    await talk(house.records, "c-now", caller=None, at_ms=5_000)
    await sign_in(client, "v001")
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier"))[1]["items"] == []


async def test_who_is_offered_a_caller_may_look_and_who_declined_may_not(
    house: SmallHouse, client: Client
) -> None:
    records = house.records
    await talk(records, "c-old", "v002", at_ms=1_000)
    await records.append("c-now", "arrived", medium="call", caller=CALLER)
    await records.append("c-now", "reserved", reservation=1, agent="v001")
    await sign_in(client, "v001")
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier"))[0] == 200
    await records.append("c-now", "reservation_ended", reservation=1, agent="v001", how="rejected")
    assert (await ask(client, "GET", "/api/contacts/c-now/earlier"))[0] == 404
