"""A ticket typed during a call survives whatever dies; the law is searched and cited with the keyboard alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from playwright.async_api import Browser, BrowserContext, Page, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from switchboard.law import Library, read_articles
from switchboard.law.files import SAMPLE
from switchboard.records.tickets import Ticket
from tests.support.browser import PATIENCE_S, active, at, ready, sign_in
from tests.support.phones import Caller
from tests.support.prompts import MENU, SURVEY
from tests.support.switchboard import Switchboard, eventually

PHRASE = "可向劳动保障监察投诉，或向劳动争议仲裁委员会申请仲裁（不收费，时效一年）。"
MARKUP = "<img src=x onerror=alert(1)> 欠薪三个月"


@asynccontextmanager
async def switchboard_with(wrap_up_ms: int) -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": str(wrap_up_ms)}) as running:
        yield running


async def in_a_call(desk: Page, caller: Caller) -> None:
    """The caller has chosen labour, and the two talk."""
    await caller.answered(PATIENCE_S)
    await caller.rtp.wait_tone(MENU, 0.1, PATIENCE_S)
    await caller.rtp.press("2")
    await at(desk, "accept").click()
    await eventually(lambda: active(desk), PATIENCE_S, "the softphone is in the call")


async def end_talk(desk: Page, caller: Caller) -> None:
    """Pressed again while nothing happens, as anybody would: just after a restart the talk may not be known yet."""

    async def over() -> bool:
        if await at(desk, "hang-up").is_visible():
            with suppress(PlaywrightTimeout):  # the talk can be over between the look and the press
                await at(desk, "hang-up").click(timeout=2_000, no_wait_after=True)
        return not await at(desk, "hang-up").is_visible()

    await eventually(over, PATIENCE_S, "the volunteer is out of the talk")
    await caller.rtp.hear(SURVEY, PATIENCE_S)


async def saved(desk: Page) -> None:
    await expect(at(desk, "ticket")).to_have_attribute("data-save", "saved")


async def kill(desk: Page) -> BrowserContext:
    """The tab's process dies: nothing of the page can do anything any more."""
    session = await desk.context.new_cdp_session(desk)
    async with desk.expect_event("crash"):
        sent = asyncio.ensure_future(session.send("Page.crash"))  # whoever would answer is dead
    sent.cancel()
    await asyncio.gather(sent, return_exceptions=True)
    return desk.context


async def kept(switchboard: Switchboard, contact: str) -> Ticket:
    async with switchboard.records() as records:
        ticket = await records.tickets.of(contact, "v901")
    assert ticket is not None
    return ticket


async def outcome_by_keyboard(desk: Page, steps: int = 1) -> None:
    """From the matter to the outcomes, and so many to the right."""
    await desk.locator(".outcome input[type=radio]").first.focus()
    for _ in range(steps):
        await desk.keyboard.press("ArrowRight")


async def test_what_was_typed_in_a_call_survives_a_killed_tab_and_a_killed_switchboard(
    chromium: Browser,
) -> None:
    async with switchboard_with(120_000) as switchboard, AsyncExitStack() as held:
        desk = await sign_in(chromium, switchboard, "v901", "/desk")
        await ready(desk)
        caller = await held.enter_async_context(Caller(switchboard.sip_port, "13800138000"))
        await in_a_call(desk, caller)
        await at(desk, "ticket-name").fill("王女士")
        await at(desk, "ticket-facts").press_sequentially(MARKUP)
        await expect(at(desk, "saved")).to_contain_text("已保存")

        context = await kill(desk)
        desk = await context.new_page()
        await desk.goto("/desk")
        await expect(at(desk, "ticket-facts")).to_have_value(MARKUP)
        await expect(at(desk, "ticket-name")).to_have_value("王女士")
        await eventually(lambda: active(desk), PATIENCE_S, "the same call again")

        await switchboard.kill()
        await at(desk, "ticket-advice").press_sequentially("先申请仲裁。")
        await expect(at(desk, "not-saved")).to_be_visible()
        await switchboard.start()
        await saved(desk)
        await expect(at(desk, "ticket-facts")).to_have_value(MARKUP)

        await end_talk(desk, caller)
        caller.hang_up()
        await caller.ended()
        await at(desk, "ticket-follow_up").press_sequentially("周五回电")
        await saved(desk)
        [record] = await switchboard.wait_ended(1, PATIENCE_S)

        await switchboard.kill()  # and once more, while the volunteer writes
        await switchboard.start()
        await expect(at(desk, "wrap-up")).to_be_visible()
        await expect(at(desk, "ticket-follow_up")).to_have_value("周五回电")
        await outcome_by_keyboard(desk)
        await desk.keyboard.press("Control+Enter")
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")
        record, _ = await switchboard.contact(record.id)
        assert (record.matter, record.disposition, record.final) == ("labour", "legal_aid", True)
        assert record.note == f"情况：{MARKUP}\n意见：先申请仲裁。\n跟进：周五回电"
        ticket = await kept(switchboard, record.id)
        assert (ticket.text.name, ticket.filed_ms is not None) == ("王女士", True)
        await expect(at(desk, "unfinished")).to_have_count(0)


async def test_law_is_searched_and_cited_by_keyboard_and_a_ticket_out_of_time_is_finished_later(
    chromium: Browser,
) -> None:
    async with switchboard_with(4_000) as switchboard, AsyncExitStack() as held:
        async with switchboard.records() as records:
            await Library(records.database).put(read_articles(SAMPLE))
        desk = await sign_in(chromium, switchboard, "v901", "/desk")
        await ready(desk)
        caller = await held.enter_async_context(Caller(switchboard.sip_port, "13800138001"))
        await in_a_call(desk, caller)
        await at(desk, "ticket-advice").focus()
        await expect(at(desk, "phrases")).to_be_visible()
        await desk.keyboard.press("Alt+1")
        await expect(at(desk, "ticket-advice")).to_have_value(PHRASE)

        await desk.keyboard.press("Alt+l")
        await expect(at(desk, "law-input")).to_be_focused()
        await desk.keyboard.type("拖欠 工资")
        await expect(at(desk, "law-0").locator("mark").first).to_be_visible()
        await desk.keyboard.press("ArrowDown")
        await expect(at(desk, "law-1")).to_have_attribute("aria-selected", "true")
        await desk.keyboard.press("Control+a")
        await desk.keyboard.type("劳动合同法 82")
        await expect(at(desk, "law-0")).to_contain_text("第八十二条")
        await expect(at(desk, "law-0")).to_contain_text("2013-07-01")
        await expect(at(desk, "law-0")).to_contain_text("非官方文本")
        await desk.keyboard.press("Enter")
        await expect(at(desk, "law-said")).to_contain_text("第八十二条")
        await desk.keyboard.press("Escape")
        await expect(at(desk, "ticket-advice")).to_be_focused()
        cited = f"{PHRASE}《中华人民共和国劳动合同法》第八十二条"
        await expect(at(desk, "ticket-advice")).to_have_value(cited)
        await saved(desk)

        await end_talk(desk, caller)
        caller.hang_up()
        await caller.ended()
        [record] = await switchboard.wait_ended(1, PATIENCE_S)
        await expect(at(desk, "unfinished")).to_have_attribute("data-count", "1")  # nobody wrote an outcome
        await expect(at(desk, "wrap-up")).to_have_count(0)

        await desk.reload()
        await at(desk, f"complete-{record.id}").focus()
        await desk.keyboard.press("Enter")
        await expect(at(desk, "ticket-advice")).to_have_value(cited)
        await at(desk, "file").focus()
        await desk.keyboard.press("Enter")
        await expect(desk.locator(".outcome .wrong")).to_be_visible()  # no outcome, no filing
        await outcome_by_keyboard(desk)
        await at(desk, "file").focus()
        await desk.keyboard.press("Enter")
        await expect(at(desk, "unfinished")).to_have_count(0)
        record, events = await switchboard.contact(record.id)
        assert (record.disposition, record.note) == ("legal_aid", f"意见：{cited}")
        assert [event.kind for event in events].count("ticket_filed") == 1


async def test_too_much_text_is_told_in_words_and_stays_on_the_page(chromium: Browser) -> None:
    text = "字" * 33_400
    async with switchboard_with(60_000) as switchboard, AsyncExitStack() as held:
        desk = await sign_in(chromium, switchboard, "v901", "/desk")
        await ready(desk)
        caller = await held.enter_async_context(Caller(switchboard.sip_port, "13800138002"))
        await in_a_call(desk, caller)
        await at(desk, "ticket-facts").fill(text)
        await expect(at(desk, "too-long")).to_contain_text("206")  # bytes, the matter counted
        await at(desk, "ticket-facts").fill(text[:33_000])
        await saved(desk)
        [record] = [one for one in await switchboard.contacts() if one.ended_ms is None]
        assert len((await kept(switchboard, record.id)).text.facts) == 33_000
        caller.hang_up()
        await caller.ended()
