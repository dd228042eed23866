"""Callers known by their number: the table, lists of them, and who may see and change it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from switchboard.errors import KnownCallersInvalid
from switchboard.records import Records
from switchboard.records.known_callers import KnownCaller, read_callers
from tests.support.web import Client, sign_in

REASONS = {"over_80", "minor"}


def caller(number: str, reason: str = "over_80") -> KnownCaller:
    return KnownCaller(number, reason, "root", 1_000)


async def ask(client: Client, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with client.request(method, path, **more) as answer:
        return answer.status, None if answer.status == 204 else await answer.json()


async def test_a_number_is_known_until_it_is_removed(records: Records) -> None:
    known = records.known_callers
    assert await known.put([caller("13800138000"), caller("13800138001", "minor")]) == 2
    assert await known.reason("13800138000") == "over_80"
    assert await known.reason("13800138002") is None
    assert await known.reason(None) is None
    assert await known.put([caller("13800138000", "minor")]) == 1
    assert await known.reason("13800138000") == "minor"
    assert await known.remove("13800138000")
    assert not await known.remove("13800138000")
    assert await known.reason("13800138000") is None


async def test_a_long_list_is_taken_at_once_and_read_in_pages(records: Records) -> None:
    numbers = [f"138{n:08}" for n in range(1_200)]
    assert await records.known_callers.put([caller(number) for number in numbers]) == 1_200
    assert await records.known_callers.put([caller(number, "minor") for number in numbers]) == 1_200
    first = await records.known_callers.listed(limit=1_000)
    rest = await records.known_callers.listed(after=first[-1].number, limit=1_000)
    assert [one.number for one in [*first, *rest]] == numbers
    assert {one.reason for one in rest} == {"minor"}


def test_a_list_may_write_numbers_in_any_usual_way() -> None:
    lines = ["number,reason", "+86 138 0013 8000,over_80", "", "010-85281700, minor", "013800138001,minor"]
    found = read_callers(lines, REASONS, by="root", at_ms=1)
    assert [(one.number, one.reason) for one in found] == [
        ("13800138000", "over_80"),
        ("01085281700", "minor"),
        ("13800138001", "minor"),
    ]


def test_every_wrong_line_is_named_and_no_number_is_repeated() -> None:
    lines = [
        "13800138000,over_80",
        "hello,over_80",
        "13800138001",
        "13800138002,rich",
        "138001380030000000000,minor",
    ]
    with pytest.raises(KnownCallersInvalid) as raised:
        read_callers(lines, REASONS, by="root", at_ms=1)
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "line 2",
        "line 3",
        "line 4",
        "line 5",
    ]
    assert "1380" not in str(raised.value)


async def test_administrators_add_list_and_remove_over_the_web(client: Client) -> None:
    await sign_in(client, "root")
    order = {"number": "+8613800138000", "reason": "over_80"}
    status, added = await ask(client, "POST", "/api/known-callers", json=order)
    assert (status, added["number"], added["added_by"]) == (201, "13800138000", "root")
    status, found = await ask(client, "GET", "/api/known-callers")
    assert [one["number"] for one in found["items"]] == ["13800138000"]
    assert {one["id"] for one in found["reasons"]} == REASONS
    assert (await ask(client, "DELETE", "/api/known-callers/13800138000"))[0] == 204
    assert (await ask(client, "DELETE", "/api/known-callers/13800138000"))[0] == 404
    assert (await ask(client, "DELETE", "/api/known-callers/12"))[0] == 404


@pytest.mark.parametrize(
    ("order", "fields"),
    [
        ({"number": "hello", "reason": "over_80"}, ["number"]),
        ({"number": "13800138000", "reason": "rich"}, ["reason"]),
        ({"number": "1" * 33, "reason": "over_80"}, ["number"]),
    ],
)
async def test_what_is_wrong_with_a_number_is_named(
    client: Client, order: dict[str, str], fields: list[str]
) -> None:
    await sign_in(client, "root")
    status, answer = await ask(client, "POST", "/api/known-callers", json=order)
    assert (status, answer["fields"]) == (422, fields)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
async def test_a_spreadsheet_is_imported_whole_or_not_at_all(client: Client, encoding: str) -> None:
    await sign_in(client, "root")
    good = "号码,原因\r\n13800138000,over_80\r\n13800138001,minor\r\n".encode(encoding)
    csv = {"Content-Type": "text/csv"}
    status, answer = await ask(client, "POST", "/api/known-callers/import", data=good, headers=csv)
    assert (status, answer) == (201, {"imported": 2})
    bad = good + b"13800138002,rich\r\n"
    status, answer = await ask(client, "POST", "/api/known-callers/import", data=bad, headers=csv)
    assert (status, answer["code"], len(answer["problems"])) == (422, "text_invalid", 1)
    assert len((await ask(client, "GET", "/api/known-callers"))[1]["items"]) == 2


async def test_an_import_has_a_limit_and_one_type(client: Client) -> None:
    await sign_in(client, "root")
    path, csv = "/api/known-callers/import", {"Content-Type": "text/csv"}
    assert (await ask(client, "POST", path, data=io.BytesIO(b"x" * 5_000_000), headers=csv))[0] == 413
    assert (await ask(client, "POST", path, data=b"\xff\xfe\x81", headers=csv))[0] == 422
    assert (await ask(client, "POST", path, json={}))[0] == 422


@pytest.mark.parametrize("name", ["v001", "sun"])
async def test_nobody_else_sees_the_list(client: Client, name: str) -> None:
    await sign_in(client, name)
    assert (await ask(client, "GET", "/api/known-callers"))[0] == 403
    assert (await ask(client, "DELETE", "/api/known-callers/13800138000"))[0] == 403
