"""Shifts, own figures and objections as volunteers, supervisors and administrators use them on their pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from switchboard.records import Records
from switchboard.records.queries import CHINA
from switchboard.records.shifts import NewShift, Shift
from switchboard.times import now_ms
from tests.support.browser import at, sign_in
from tests.support.switchboard import ADMINISTRATOR, SUPERVISOR, Switchboard

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    """Without telephony: nothing here rings."""
    async with Switchboard(volunteers=2, env={"ASTERISK": "none"}, tones=False) as running:
        yield running


async def plan(switchboard: Switchboard, after_ms: int, *, agent: str = "v901", note: str = "") -> Shift:
    begin = now_ms() + after_ms
    async with switchboard.records() as records:
        return await records.shifts.add(
            NewShift(agent, begin, begin + 3 * HOUR, "labour", note=note), by="root", at_ms=1
        )


async def rated(records: Records, ident: str, key: str, *, ago_ms: int = 5 * MINUTE) -> None:
    """A call that v901 answered, and what the caller said of it."""
    start = now_ms() - ago_ms

    async def note(kind: str, after_ms: int, **data: Any) -> None:
        await records.append(ident, kind, at_ms=start + after_ms, **data)

    await note("arrived", 0, medium="call", hotline="12348", caller="13800138500")
    await note("intake", 1, language="zh", matter="labour")
    await note("connected", 1_000, agent="v901")
    await note("disconnected", 91_000, by="caller")
    for question in ("patient", "polite", "efficient"):
        await note("survey", 92_000, question=question, answer=key)
    if key == "3":
        await records.append(ident, "follow_up", at_ms=start + 92_000, key="follow_up", why="dissatisfied")
    await note("wrapped_up", 93_000, agent="v901", disposition="advised")
    await note("ended", 94_000, reason="completed", by="caller")


async def open_panel(desk: Page, name: str) -> None:
    await at(desk, f"open-{name}").click()
    await expect(at(desk, name)).to_be_visible()


async def test_the_next_shift_is_always_seen_and_a_late_volunteer_is_reminded_and_on_the_board(
    switchboard: Switchboard, chromium: Browser
) -> None:
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await expect(at(desk, "shift-outside")).to_be_visible()  # signed in all the same
    later = await plan(switchboard, 2 * DAY, note="前台")
    begin = dt.datetime.fromtimestamp(later.from_ms / 1000, CHINA)
    await expect(at(desk, "shift-next")).to_contain_text(
        f"周{'一二三四五六日'[begin.weekday()]} {begin:%H:%M}"
    )
    await expect(at(desk, "shift-next")).to_contain_text("前台")
    now = await plan(switchboard, -6 * MINUTE)
    await expect(at(desk, "shift-late")).to_be_visible()
    await expect(at(board, "late-v901")).to_contain_text("尚未到岗")
    await expect(at(board, "late-v901")).to_contain_text("已登录，未开始接听")
    await at(desk, "set-up-ready").click()
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    await expect(at(desk, "shift-late")).to_have_count(0)
    await expect(at(board, "late-v901")).to_have_count(0)
    await open_panel(desk, "shifts")
    await expect(at(desk, f"shift-{now.id}")).to_contain_text("已到岗")


async def test_a_request_to_be_relieved_goes_to_the_supervisor_and_back(
    switchboard: Switchboard, chromium: Browser
) -> None:
    shift = await plan(switchboard, DAY)
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await open_panel(desk, "shifts")
    await at(desk, "swap-ask").click()
    await at(desk, "swap-send").click()  # without a word
    await expect(at(desk, "shifts").get_by_role("alert")).to_be_visible()
    await at(desk, "swap-text").fill("孩子生病，v902 可以代班")
    await at(desk, "swap-send").click()
    await expect(at(desk, "swap-open")).to_be_visible()

    await at(board, "requests-swaps").click()
    row = at(board, f"swap-{shift.id}")
    await expect(row).to_contain_text("孩子生病")
    await row.locator('[data-test="swap-open"]').click()
    await at(board, "swap-approve").click()
    await expect(row.get_by_role("alert")).to_be_visible()  # who takes it must be said
    await at(board, "swap-to").select_option("v902")
    await at(board, "swap-note").fill("好的")
    await at(board, "swap-approve").click()
    await expect(row).to_have_count(0)

    await expect(at(desk, "notice")).to_contain_text("换班申请已批准")
    await expect(at(desk, "swap-decided")).to_contain_text("好的")
    await expect(at(desk, f"shift-{shift.id}")).to_have_count(0)
    async with switchboard.records() as records:
        (given,) = await records.shifts.listed(shift.from_ms, shift.to_ms)
        assert given.agent == "v902"
        assert await records.verify_audit() > 0


async def test_an_objection_is_decided_and_the_rating_leaves_the_volunteers_figures(
    switchboard: Switchboard, chromium: Browser
) -> None:
    async with switchboard.records() as records:
        await rated(records, "c-bad", "3")
        for number in range(9):
            await rated(records, f"c-{number}", "1")
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board")
    desk = await sign_in(chromium, switchboard, "v901", "/desk")
    await open_panel(desk, "figures")
    month = at(desk, "survey-patient").locator("td").last
    await expect(month).to_contain_text("90.0%")
    await expect(at(desk, "figure-answered").locator("td").last).to_have_text("10")
    await expect(at(desk, "figure-meanTalk").locator("td").last).to_have_text("1:30")
    await desk.keyboard.press("Escape")

    await open_panel(desk, "ratings")
    await expect(at(desk, "rating-c-bad")).to_contain_text("有耐心：不满意")
    await at(desk, "appeal").click()
    await at(desk, "appeal-text").fill("来电者说的是等候时间太长 <script>")
    await at(desk, "appeal-send").click()
    await expect(at(desk, "rating-c-bad")).to_have_attribute("data-appeal", "open")
    await expect(at(desk, "appeal")).to_have_count(0)

    await at(board, "requests-appeals").click()
    row = at(board, "appeal-c-bad")
    await expect(row).to_contain_text("等候时间太长 <script>")
    await at(board, "appeal-open").click()
    await at(board, "appeal-dismiss").click()
    await expect(row.get_by_role("alert")).to_be_visible()  # not without a reason
    await at(board, "appeal-reason").fill("录音可证")
    await at(board, "appeal-uphold").click()
    await expect(row).to_have_count(0)

    await expect(at(desk, "notice")).to_contain_text("申诉成立")
    await expect(at(desk, "rating-c-bad")).to_have_attribute("data-appeal", "upheld")
    await expect(at(desk, "step-appeal_decided")).to_contain_text("录音可证")
    await desk.keyboard.press("Escape")
    await open_panel(desk, "figures")
    await expect(month).to_contain_text("满意 9")
    await expect(month.locator('[data-test="too-few"]')).to_be_visible()  # nine answers make no percentage

    await at(board, "requests-follow_ups").click()
    await at(board, "follow-up-open").click()
    await at(board, "follow-up-outcome").select_option("called_back")
    await at(board, "follow-up-save").click()
    await expect(at(board, "follow-up-c-bad")).to_have_count(0)


async def test_an_administrator_plans_shifts_one_by_one_and_by_a_table(
    switchboard: Switchboard, chromium: Browser
) -> None:
    page = await sign_in(chromium, switchboard, ADMINISTRATOR, "/admin")
    await at(page, "tab-shifts").click()
    await expect(at(page, "shifts-none")).to_be_visible()
    day = (dt.datetime.now(CHINA) + dt.timedelta(days=1)).date()
    await at(page, "shift-save").click()
    await expect(at(page, "shifts").get_by_role("alert")).to_be_visible()
    await at(page, "shift-agent").select_option("v901")
    await at(page, "shift-date").fill(str(day))
    await at(page, "shift-from").fill("22:00")
    await at(page, "shift-to").fill("06:00")
    await at(page, "shift-save").click()
    row = at(page, "shift-row")
    await expect(row).to_contain_text("22:00–06:00")

    await row.locator('[data-test="shift-edit"]').click()
    await at(page, "shift-to").fill("23:30")
    await at(page, "shift-note").fill("夜班")
    await at(page, "shift-save").click()
    await expect(row).to_contain_text("22:00–23:30")
    await expect(row).to_contain_text("夜班")

    def table(*rows: str) -> FilePayload:
        text = "\r\n".join(("志愿者,日期,开始,结束,事项,类别,备注", *rows))
        return {"name": "shifts.csv", "mimeType": "text/csv", "buffer": text.encode("gb18030")}

    bad = (f"v902,{day},09:00,12:00,cooking", f"v901,{day},23:00,23:50", "v999,x")
    await at(page, "shift-file").set_input_files(table(*bad))
    problems = at(page, "shift-problem")
    await expect(problems).to_have_count(2)
    await expect(problems.first).to_contain_text("第 2 行")
    await expect(problems.first).to_contain_text("没有这个咨询事项")
    await at(page, "shift-file").set_input_files(table(bad[1]))
    await expect(problems).to_contain_text("已有班次")
    await at(page, "shift-file").set_input_files(table(f"v902,{day},09:00,12:00,labour,lawyer,前台"))
    await expect(at(page, "shift-done")).to_contain_text("新增 1 个班次")
    await expect(row).to_have_count(2)
    await expect(row.first).to_contain_text("志愿者 v902")

    await row.first.locator('[data-test="shift-remove"]').click()
    await page.get_by_role("dialog").locator('[data-test="confirm-go"]').click()
    await expect(row).to_have_count(1)
