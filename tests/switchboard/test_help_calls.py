"""Calls for help: one open at a time, seen and closed once, on the board and on the desk, whatever is restarted."""

from __future__ import annotations

import asyncio

from switchboard.agents.duty import Duty
from switchboard.records import AgentRow, Records
from switchboard.web.board import LiveBoard
from tests.support.web import Client, SmallHouse, sign_in


async def test_asking_again_while_a_call_is_open_is_one_call(records: Records) -> None:
    calls = records.help_calls
    made = await asyncio.gather(*(calls.ask("v1", "c-1", None, 1_000 + n) for n in range(4)))
    assert len({call.id for call in made}) == 1
    assert [call.contact for call in await calls.open()] == ["c-1"]
    assert await records.verify_audit() == 1


async def test_the_first_supervisor_and_the_first_note_stay(records: Records) -> None:
    await records.upsert_agent(AgentRow("v1", "王敏", "lawyer"))
    call = await records.help_calls.ask("v1", "c-1", "north", 1_000)
    assert (call.name, call.team, call.seen_by) == ("王敏", "north", None)
    for by, at_ms in (("sun", 2_000), ("moon", 3_000)):
        seen = await records.help_calls.seen(call.id, by, at_ms)
        assert seen is not None
        assert (seen.seen_by, seen.seen_ms) == ("sun", 2_000)
    for by, note in (("sun", "已接管"), ("moon", "没事")):
        closed = await records.help_calls.close(call.id, by, note, 4_000)
        assert closed is not None
        assert (closed.closed_by, closed.note) == ("sun", "已接管")
    assert await records.help_calls.seen(call.id, "moon", 5_000) is None
    assert await records.help_calls.close(call.id + 1, "sun", "", 1) is None
    assert await records.help_calls.open() == []
    assert await records.verify_audit() == 3


async def test_a_volunteer_takes_a_call_back_and_may_call_again(records: Records) -> None:
    calls = records.help_calls
    first = await calls.ask("v1", "c-1", None, 1_000)
    assert await calls.take_back("v1", 2_000)
    assert not await calls.take_back("v1", 3_000)
    second = await calls.ask("v1", "c-1", None, 4_000)
    assert second.id != first.id
    assert [(one.id, one.closed_by) for one in await calls.since(0)] == [(first.id, "v1"), (second.id, None)]
    assert [one.id for one in await calls.open(closed_since_ms=2_000)] == [first.id, second.id]


async def test_the_board_and_the_desk_follow_a_call_to_its_end(client: Client, house: SmallHouse) -> None:
    house.at_desks = ["v001"]
    await house.duty.ask_help("v001", None, "c-1")
    (key,) = house.board.keys("help/")
    row = house.board.get(key)
    assert row is not None
    assert (row["name"], row["contact"], row["seen_by"]) == ("王敏", "c-1", None)
    await sign_in(client, "sun")
    number = row["id"]
    async with client.post(f"/api/help-calls/{number}/seen") as answer:
        assert (answer.status, (await answer.json())["seen_by"]) == (200, "sun")
    assert (house.board.get(key) or {})["seen_by"] == "sun"
    async with client.post(f"/api/help-calls/{number}/close", json={"note": " 已指导 "}) as answer:
        assert (await answer.json())["note"] == "已指导"
    assert house.board.keys("help/") == []
    frames = [frame["help"] for agent, frame in house.told if agent == "v001" and frame["type"] == "help"]
    assert [(one["seen_by"], one["closed_by"], one["note"]) for one in frames] == [
        (None, None, ""),
        ("sun", None, ""),
        ("sun", "sun", "已指导"),
    ]
    async with client.get("/api/help-calls") as answer:
        (listed,) = (await answer.json())["items"]
    assert (listed["agent"], listed["closed_by"]) == ("v001", "sun")


async def test_a_restarted_switchboard_shows_what_was_open(house: SmallHouse) -> None:
    await house.duty.ask_help("v001", None, "c-1")
    board = LiveBoard()
    again = Duty(house.records, board, house, house.matter_words)
    await again.look_at_help()
    assert len(board.keys("help/")) == 1
    told = await again.welcome("v001")
    assert told["help"]["contact"] == "c-1"
    assert told["help"]["watched"] is False
    assert (await again.welcome("v002"))["help"] is None


async def test_the_desk_is_told_whether_anybody_looks_at_a_board(house: SmallHouse) -> None:
    await house.duty.ask_help("v001", None, "c-1")
    watcher = house.board.attach()
    await house.duty.look_at_help()
    house.board.detach(watcher)
    await house.duty.look_at_help()
    assert [frame["help"]["watched"] for _, frame in house.told] == [False, True, False]


async def test_taken_back_it_is_gone_from_both(house: SmallHouse) -> None:
    await house.duty.ask_help("v001", None, "c-1")
    await house.duty.take_help_back("v001")
    assert house.board.keys("help/") == []
    assert house.told[-1] == ("v001", {"type": "help", "help": None})


async def test_volunteers_neither_see_nor_answer_calls_of_others(client: Client, house: SmallHouse) -> None:
    await house.duty.ask_help("v002", None, "c-1")
    await sign_in(client, "v001")
    for method, path in (
        ("GET", "/api/help-calls"),
        ("POST", "/api/help-calls/1/seen"),
        ("POST", "/api/help-calls/1/close"),
    ):
        async with client.request(method, path) as answer:
            assert answer.status == 403


async def test_a_call_that_is_not_there_is_not_found(client: Client) -> None:
    await sign_in(client, "sun")
    async with client.post("/api/help-calls/77/seen") as answer:
        assert answer.status == 404
    async with client.post("/api/help-calls/77/close", json={"note": "x"}) as answer:
        assert answer.status == 404
    async with client.post("/api/help-calls/77/close", json={"note": "a\x00b"}) as answer:
        assert answer.status == 422
