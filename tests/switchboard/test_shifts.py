"""Who is expected when, who came, who asks to be relieved; and lists of shifts from a spreadsheet."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from switchboard.errors import NoSuchShift, ShiftOverlaps, ShiftsInvalid, SwapDecided, UnknownAgent
from switchboard.records import AgentRow, Records
from switchboard.records.queries import CHINA
from switchboard.records.shifts import NewShift, Shift
from switchboard.shift_lists import read_shifts
from switchboard.times import now_ms
from tests.support.web import Client, SmallHouse, sign_in

HOUR = 3_600_000
NINE = int(dt.datetime(2026, 11, 25, 9, 0, tzinfo=CHINA).timestamp()) * 1000
KNOWN: dict[str, Any] = {"agents": {"v1", "v2"}, "matters": {"labour"}, "roles": {"lawyer"}}


@pytest.fixture
async def plan(records: Records) -> Records:
    for agent in ("v1", "v2"):
        await records.upsert_agent(AgentRow(agent, f"name of {agent}", "lawyer"))
    return records


async def add(
    records: Records, agent: str = "v1", from_ms: int = NINE, hours: float = 3, **more: Any
) -> Shift:
    order = NewShift(agent, from_ms, from_ms + int(hours * HOUR), **more)
    return await records.shifts.add(order, by="root", at_ms=1_000)


# ---- the plan


async def test_a_shift_is_listed_changed_and_removed(plan: Records) -> None:
    made = await add(plan, matter="labour", note="前台")
    assert (made.name, made.matter, made.note) == ("name of v1", "labour", "前台")
    changed = await plan.shifts.change(
        made.id, NewShift("v2", NINE + HOUR, NINE + 2 * HOUR), by="root", at_ms=2_000
    )
    assert (changed.agent, changed.from_ms, changed.matter) == ("v2", NINE + HOUR, None)
    assert [one.id for one in await plan.shifts.listed(NINE, NINE + 24 * HOUR)] == [made.id]
    assert await plan.shifts.listed(NINE, NINE + 24 * HOUR, agent="v1") == []
    await plan.shifts.remove(made.id, by="root", at_ms=3_000)
    assert await plan.shifts.listed(NINE, NINE + 24 * HOUR) == []
    with pytest.raises(NoSuchShift):
        await plan.shifts.remove(made.id, by="root", at_ms=4_000)
    assert await plan.verify_audit() == 3


async def test_nobody_is_planned_twice_at_a_time(plan: Records) -> None:
    first = await add(plan)
    with pytest.raises(ShiftOverlaps):
        await add(plan, from_ms=NINE + HOUR)
    await add(plan, "v2", NINE + HOUR)
    after = await add(plan, from_ms=NINE + 3 * HOUR)
    with pytest.raises(ShiftOverlaps):
        await plan.shifts.change(
            after.id, NewShift("v1", NINE + 2 * HOUR, NINE + 4 * HOUR), by="root", at_ms=1
        )
    await plan.shifts.change(first.id, NewShift("v1", NINE, NINE + 2 * HOUR), by="root", at_ms=1)
    with pytest.raises(UnknownAgent):
        await add(plan, "v9")


@pytest.mark.parametrize("hours", [0, -1, 24.1])
async def test_a_shift_begins_before_it_ends_and_lasts_a_day_at_most(plan: Records, hours: float) -> None:
    with pytest.raises(ValueError, match="a shift"):
        await add(plan, hours=hours)


async def test_the_coming_shifts_of_each_begin_with_the_one_that_goes_on(plan: Records) -> None:
    going_on = await add(plan, from_ms=NINE)
    later = [await add(plan, from_ms=NINE + day * 24 * HOUR) for day in range(1, 8)]
    await add(plan, "v2", NINE - 24 * HOUR)
    found = await plan.shifts.coming(["v1", "v2", "v9"], NINE + HOUR)
    assert [one.id for one in found["v1"]] == [going_on.id, *(one.id for one in later[:4])]
    assert (found["v2"], found["v9"]) == ([], [])


async def test_pages_of_the_plan_follow_each_other(plan: Records) -> None:
    made = [await add(plan, agent, NINE + n * HOUR, 1) for n in range(3) for agent in ("v1", "v2")]
    seen: list[int] = []
    after = (-1, 0)
    while found := await plan.shifts.listed(NINE, NINE + 9 * HOUR, after=after, limit=4):
        seen += [one.id for one in found]
        after = (found[-1].from_ms, found[-1].id)
    assert seen == [one.id for one in made]


# ---- who came


@pytest.mark.parametrize(
    ("states", "begun"),
    [
        ([], None),
        ([("paused", "signed_in", -60_000)], None),
        ([("available", None, -60_000)], NINE),
        ([("available", None, -60_000), ("paused", "meal", -1_000)], None),
        ([("paused", "signed_in", -60_000), ("available", None, 120_000)], NINE + 120_000),
        ([("paused", "standby", -60_000)], NINE),
        ([("available", None, -60_000), ("offline", None, -50_000)], None),
    ],
)
async def test_a_shift_is_begun_by_whoever_is_on_duty_in_it(
    plan: Records, states: list[tuple[str, str | None, int]], begun: int | None
) -> None:
    shift = await add(plan)
    await add(plan, "v2")
    for state, reason, after_ms in states:
        await plan.log_agent_state("v1", state, reason, NINE + after_ms)
    missing = {one.agent for one in await plan.shifts.missing(NINE + 5 * 60_000)}
    assert missing == ({"v2"} if begun is not None else {"v1", "v2"})
    (now,) = await plan.shifts.listed(NINE, NINE + HOUR, agent="v1")
    assert (now.id, now.begun_ms) == (shift.id, begun)
    assert await plan.shifts.missing(NINE - 1) == []
    assert await plan.shifts.missing(NINE + 3 * HOUR) == []


async def test_a_late_volunteer_is_on_the_board_after_five_minutes_until_they_come(house: SmallHouse) -> None:
    begun_ms = now_ms() - 4 * 60_000
    order = NewShift("v001", begun_ms, begun_ms + HOUR, "labour")
    shift = await house.records.shifts.add(order, by="root", at_ms=1)
    house.at_desks = ["v001"]
    await house.duty.look_at_plan()
    assert house.board.keys("late/") == []
    assert house.told[-1][1]["shifts"][0] | {"from": 0, "to": 0} == {
        "id": shift.id,
        "from": 0,
        "to": 0,
        "matter": {"id": "labour", "zh": "劳动人事", "en": "Labour"},
        "role": None,
        "note": "",
        "begun": False,
        "swap": None,
    }
    order = NewShift("v001", begun_ms - 2 * 60_000, begun_ms + HOUR, "labour")
    await house.records.shifts.change(shift.id, order, by="root", at_ms=1)
    await house.duty.look_at_plan()
    late = house.board.get(f"late/{shift.id}")
    assert late is not None
    assert (late["name"], late["signed_in"]) == ("王敏", True)
    await house.records.log_agent_state("v001", "available")
    await house.duty.look_at_plan()
    assert house.board.keys("late/") == []
    assert house.told[-1][1]["shifts"][0]["begun"] is True


# ---- swaps


async def test_a_swap_gives_the_shift_to_somebody_else(plan: Records) -> None:
    shift = await add(plan)
    asked = await plan.shifts.ask_swap(shift.id, "v1", "家里有事", NINE - HOUR)
    assert (await plan.shifts.ask_swap(shift.id, "v1", "再说一次", NINE - HOUR)).id == asked.id
    assert await plan.shifts.open_swaps() == 1
    assert (await plan.shifts.listed(NINE, NINE + HOUR))[0].swap == "open"
    decided = await plan.shifts.decide_swap(asked.id, "approved", to="v2", note="谢谢", by="sun", at_ms=NINE)
    assert (decided.state, decided.to_name, decided.text) == ("approved", "name of v2", "家里有事")
    assert [(one.agent, one.swap) for one in await plan.shifts.listed(NINE, NINE + HOUR)] == [("v2", None)]
    with pytest.raises(SwapDecided):
        await plan.shifts.decide_swap(asked.id, "declined", to=None, note="", by="sun", at_ms=NINE)
    assert await plan.verify_audit() == 3


async def test_a_swap_to_somebody_who_is_planned_then_changes_nothing(plan: Records) -> None:
    shift = await add(plan)
    await add(plan, "v2", NINE + HOUR)
    asked = await plan.shifts.ask_swap(shift.id, "v1", "家里有事", NINE - HOUR)
    with pytest.raises(ShiftOverlaps):
        await plan.shifts.decide_swap(asked.id, "approved", to="v2", note="", by="sun", at_ms=NINE)
    with pytest.raises(UnknownAgent):
        await plan.shifts.decide_swap(asked.id, "approved", to="v9", note="", by="sun", at_ms=NINE)
    assert await plan.shifts.open_swaps() == 1
    await plan.shifts.decide_swap(asked.id, "approved", to=None, note="", by="sun", at_ms=NINE)
    assert await plan.shifts.listed(NINE, NINE + HOUR, agent="v1") == []


async def test_a_declined_or_withdrawn_swap_leaves_the_shift(plan: Records) -> None:
    shift = await add(plan)
    first = await plan.shifts.ask_swap(shift.id, "v1", "家里有事", NINE - HOUR)
    await plan.shifts.decide_swap(first.id, "declined", to="v2", note="人手不够", by="sun", at_ms=NINE - HOUR)
    await plan.shifts.ask_swap(shift.id, "v1", "真的有事", NINE - HOUR)
    assert await plan.shifts.withdraw_swap(shift.id, "v1", NINE - HOUR)
    assert not await plan.shifts.withdraw_swap(shift.id, "v1", NINE - HOUR)
    assert [one.agent for one in await plan.shifts.listed(NINE, NINE + HOUR)] == ["v1"]
    assert [(one.state, one.to_agent) for one in await plan.shifts.swaps(since_ms=0)] == [
        ("declined", None),
        ("withdrawn", None),
    ]


async def test_only_ones_own_shift_that_is_not_over_can_be_given_away(plan: Records) -> None:
    shift = await add(plan)
    for agent, at_ms in (("v2", NINE - HOUR), ("v1", NINE + 3 * HOUR)):
        with pytest.raises(NoSuchShift):
            await plan.shifts.ask_swap(shift.id, agent, "x", at_ms)
    assert not await plan.shifts.withdraw_swap(shift.id, "v2", NINE)


# ---- spreadsheets


def test_a_list_of_shifts_is_read_with_nights_and_both_ways_to_write_a_date() -> None:
    lines = [
        "志愿者,日期,开始,结束,事项,类别,备注",
        "v1,2026-11-25,09:00,12:00,labour,lawyer,前台",
        "",
        "v2,2026/11/25,22:00,06:00",
    ]
    found = read_shifts(lines, **KNOWN)
    assert found == [
        (2, NewShift("v1", NINE, NINE + 3 * HOUR, "labour", "lawyer", "前台")),
        (4, NewShift("v2", NINE + 13 * HOUR, NINE + 21 * HOUR)),
    ]


def test_every_wrong_row_is_named_with_its_number_and_what_is_wrong() -> None:
    lines = [
        "v1,2026-11-25,09:00,12:00",
        "v9,2026-11-25,09:00,12:00",
        "v1,25.11.,09:00,12:00",
        "v1,2026-11-25,nine,12:00",
        "v1,2026-11-25,09:00,12:00,cooking",
        "v1,2026-11-25,09:00,12:00,,pilot",
        f"v1,2026-11-25,09:00,12:00,,,{'长' * 201}",
        "<b>,2026-11-25,09:00,12:00",
        "v1",
    ]
    with pytest.raises(ShiftsInvalid) as raised:
        read_shifts(lines, **KNOWN)
    problems = raised.value.problems
    assert [problem.partition(":")[0] for problem in problems] == [str(n) for n in range(2, 10)]
    for words, problem in zip(
        ("v9", "date", "time", "matter", "role", "200", "?", "date"), problems, strict=True
    ):
        assert words in problem
    assert "<b>" not in str(problems)


async def test_a_list_is_taken_whole_or_not_at_all_and_twice_is_once(plan: Records) -> None:
    shifts = [NewShift("v1", NINE + n * 24 * HOUR, NINE + n * 24 * HOUR + HOUR) for n in range(3)]
    assert await plan.shifts.add_all(shifts, by="root", at_ms=1) == (3, [])
    assert await plan.shifts.add_all(shifts, by="root", at_ms=1) == (0, [])
    bad = [NewShift("v2", NINE, NINE + HOUR), NewShift("v1", NINE + 1, NINE + HOUR)]
    assert await plan.shifts.add_all(bad, by="root", at_ms=1) == (0, [1])
    assert await plan.shifts.add_all([bad[0], bad[0]], by="root", at_ms=1) == (1, [])
    twice = [
        NewShift("v2", NINE + 2 * HOUR, NINE + 4 * HOUR),
        NewShift("v2", NINE + 3 * HOUR, NINE + 5 * HOUR),
    ]
    assert await plan.shifts.add_all(twice, by="root", at_ms=1) == (0, [1])
    assert len(await plan.shifts.listed(NINE, NINE + 96 * HOUR)) == 4


# ---- over the web


async def ask(client: Client, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with client.request(method, path, **more) as answer:
        return answer.status, None if answer.status == 204 else await answer.json()


async def test_administrators_write_the_plan_and_volunteers_see_their_own(client: Client) -> None:
    soon = now_ms() + HOUR
    order = {"agent": "v001", "from_ms": soon, "to_ms": soon + 3 * HOUR, "matter": "labour", "note": " 前台 "}
    await sign_in(client, "root")
    status, made = await ask(client, "POST", "/api/shifts", json=order)
    assert (status, made["name"], made["note"]) == (201, "王敏", "前台")
    status, answer = await ask(client, "POST", "/api/shifts", json=order)
    assert (status, answer["code"]) == (409, "shift_overlaps")
    for wrong, field in (
        ({"agent": "v009"}, "agent"),
        ({"to_ms": soon}, "to_ms"),
        ({"to_ms": soon + 25 * HOUR}, "to_ms"),
        ({"matter": "cooking"}, "matter"),
        ({"role": "pilot"}, "role"),
    ):
        status, answer = await ask(client, "POST", "/api/shifts", json=order | wrong)
        assert (status, answer["fields"]) == (422, [field])
    number = made["id"]
    status, changed = await ask(client, "POST", f"/api/shifts/{number}", json=order | {"agent": "v002"})
    assert (status, changed["agent"]) == (200, "v002")
    assert (await ask(client, "POST", "/api/shifts/999", json=order))[0] == 404
    await sign_in(client, "v001")
    assert (await ask(client, "GET", "/api/own-shifts"))[1]["items"] == []
    await sign_in(client, "v002")
    assert [one["id"] for one in (await ask(client, "GET", "/api/own-shifts"))[1]["items"]] == [number]
    await sign_in(client, "root")
    assert (await ask(client, "DELETE", f"/api/shifts/{number}"))[0] == 204
    assert (await ask(client, "DELETE", f"/api/shifts/{number}"))[0] == 404


async def test_a_spreadsheet_is_imported_or_its_rows_are_named(client: Client) -> None:
    await sign_in(client, "root")
    tomorrow = (dt.datetime.now(CHINA) + dt.timedelta(days=1)).date()
    good = f"志愿者,日期,开始,结束\r\nv001,{tomorrow},09:00,12:00\r\nv002,{tomorrow},09:00,12:00\r\n"
    csv = {"Content-Type": "text/csv"}
    body = good.encode("gb18030")
    status, answer = await ask(client, "POST", "/api/shift-imports", data=body, headers=csv)
    assert (status, answer) == (201, {"imported": 2, "unchanged": 0})
    body = (good + f"v001,{tomorrow},13:00,17:00\r\n").encode("utf-8-sig")
    status, answer = await ask(client, "POST", "/api/shift-imports", data=body, headers=csv)
    assert (status, answer) == (201, {"imported": 1, "unchanged": 2})
    body = (good + f"v001,{tomorrow},11:00,14:00\r\n").encode()
    status, answer = await ask(client, "POST", "/api/shift-imports", data=body, headers=csv)
    assert (status, answer["code"]) == (422, "text_invalid")
    assert [problem.partition(":")[0] for problem in answer["problems"]] == ["4"]
    assert len((await ask(client, "GET", "/api/shifts"))[1]["items"]) == 3


async def test_a_request_goes_from_the_volunteer_to_the_supervisor_and_back(
    client: Client, house: SmallHouse
) -> None:
    soon = now_ms() + HOUR
    order = NewShift("v001", soon, soon + HOUR)
    shift = await house.records.shifts.add(order, by="root", at_ms=1)
    house.at_desks = ["v001"]
    await sign_in(client, "v002")
    assert (await ask(client, "POST", f"/api/own-shifts/{shift.id}/swap", json={"text": "x"}))[0] == 404
    await sign_in(client, "v001")
    assert (await ask(client, "POST", f"/api/own-shifts/{shift.id}/swap", json={"text": " "}))[0] == 422
    status, asked = await ask(client, "POST", f"/api/own-shifts/{shift.id}/swap", json={"text": "家里有事"})
    assert (status, asked["state"]) == (201, "open")
    assert (house.board.get("requests/all") or {})["swaps"] == 1
    await sign_in(client, "sun")
    _, found = await ask(client, "GET", "/api/shift-swaps")
    assert [(one["name"], one["text"]) for one in found["items"]] == [("王敏", "家里有事")]
    path = f"/api/shift-swaps/{asked['id']}"
    decision = {"outcome": "approved", "to": "v002", "note": "好"}
    assert (await ask(client, "POST", path, json=decision | {"to": "v009"}))[0] == 422
    assert (await ask(client, "POST", path, json=decision))[0] == 200
    assert (await ask(client, "POST", path, json=decision))[1]["code"] == "decided"
    news = {"type": "news", "what": "swap", "id": str(shift.id), "state": "approved"}
    assert ("v001", news) in house.told
    await sign_in(client, "v001")
    _, mine = await ask(client, "GET", "/api/own-swaps")
    assert [(one["state"], one["note"], one["to_name"]) for one in mine["items"]] == [
        ("approved", "好", None)
    ]
    assert (await ask(client, "GET", "/api/own-shifts"))[1]["items"] == []
    assert (await ask(client, "DELETE", f"/api/own-shifts/{shift.id}/swap"))[0] == 404
