"""A whole duty without a mouse: every order by keys, the focus always seen, and where one expects it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from switchboard.records.shifts import NewShift
from switchboard.times import now_ms
from tests.support.agents import Manner
from tests.support.browser import PATIENCE_S, active, at, hears, ready, sign_in
from tests.support.desk_calls import CALLER_HZ, calling, leave_message, talk
from tests.support.office import Volunteer
from tests.support.switchboard import PASSWORD, Switchboard, eventually

HOUR = 3_600_000
STEPS = 60
"""More presses of Tab than any view has places to go to."""

FOCUS = """() => {
    const here = document.activeElement
    if (!here || here === document.body) return { name: '', seen: true }
    const around = [here, here.nextElementSibling, here.parentElement, here.closest('.el-select__wrapper, .ask')]
    const seen = around.some((one) => {
        if (!one) return false
        const look = getComputedStyle(one)
        const ring = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2
        return ring || one.matches('.el-dialog') || (one.matches('.el-select__wrapper') && look.boxShadow !== 'none')
    })
    return { name: here.dataset.test ?? here.name ?? '', seen, tag: here.outerHTML.slice(0, 160) }
}"""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "120000"}) as running:
        yield running


async def tab_to(page: Page, name: str, *, back: bool = False) -> list[str]:
    """Press Tab until this is focused; the names on the way. Every place on the way shows that it has the focus."""
    way: list[str] = []
    for _ in range(STEPS):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        here = await page.evaluate(FOCUS)
        assert here["seen"], f"the focus is not seen on {here['tag']}"
        way.append(here["name"])
        if here["name"] == name:
            return way
    raise AssertionError(f"no way to {name} by Tab: {way}")


async def press_on(page: Page, name: str) -> None:
    await tab_to(page, name)
    await page.keyboard.press("Enter")


async def arrive(browser: Browser, switchboard: Switchboard) -> Page:
    """Signed in and ready, by keys."""
    context = await browser.new_context(base_url=f"http://localhost:{switchboard.http_port}", locale="zh-CN")
    await context.grant_permissions(["microphone", "notifications"])
    desk = await context.new_page()
    desk.set_default_timeout(PATIENCE_S * 1000)
    await desk.goto("/sign-in")
    await expect(at(desk, "name")).to_be_focused()
    await desk.keyboard.type("v901")
    await desk.keyboard.press("Tab")
    await desk.keyboard.type(PASSWORD)
    await desk.keyboard.press("Enter")
    await desk.wait_for_url("**/desk")
    await expect(at(desk, "set-up-ready")).to_be_enabled()
    way = await tab_to(desk, "set-up-ready")
    assert way.index("language") < way.index("ready") < way.index("phone-browser") < way.index("set-up-later")
    await desk.keyboard.press("Enter")
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    await expect(at(desk, "resting").locator("h2")).to_be_focused()
    return desk


async def test_a_call_from_card_to_record_without_a_mouse(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await arrive(chromium, switchboard)
    await press_on(desk, "open-figures")
    await expect(at(desk, "figures")).to_be_visible()
    async with calling(switchboard, "13800340001") as caller:
        await expect(at(desk, "incoming")).to_be_visible()  # what lay over it has gone
        await expect(at(desk, "duty-panel")).to_be_hidden()
        await desk.keyboard.press("F2")
        await expect(at(desk, "call")).to_be_visible()
        await talk(desk, caller)
        await desk.keyboard.press("F7")
        await expect(at(desk, "mute")).to_have_attribute("aria-pressed", "true")
        await desk.keyboard.press("F7")
        await desk.keyboard.press("F8")
        await expect(at(desk, "hold")).to_have_attribute("aria-pressed", "true")
        await desk.keyboard.press("F8")
        await hears(desk, CALLER_HZ)

        await press_on(desk, "keypad-toggle")
        await expect(at(desk, "key-1")).to_be_focused()
        await desk.keyboard.type("5#")
        await expect(at(desk, "keypad")).to_contain_text("5#")
        await desk.keyboard.press("Escape")
        await expect(at(desk, "keypad-toggle")).to_be_focused()

        async with Volunteer(switchboard, "v902", 1500, manner=Manner(answer="accept")) as colleague:
            await desk.keyboard.press("F6")
            await expect(at(desk, "directory-search")).to_be_focused()
            await desk.keyboard.press("Escape")
            await expect(at(desk, "hand-over-toggle")).to_be_focused()
            await desk.keyboard.press("Enter")
            await desk.keyboard.type("v902")
            await tab_to(desk, "transfer-note")
            await desk.keyboard.type("请看一下")
            await press_on(desk, "consult-v902")
            await expect(at(desk, "colleague")).to_have_attribute("data-state", "consulting")
            await hears(desk, colleague.hertz)
            await desk.keyboard.press("F3")
            await expect(at(desk, "colleague")).to_have_attribute("data-state", "three_way")
            await hears(desk, CALLER_HZ)
            await desk.keyboard.press("F4")
            await expect(at(desk, "colleague")).to_have_attribute("data-state", "withdrawn")
        await desk.keyboard.press("F1")
        await expect(at(desk, "help")).to_have_attribute("data-stage", "asked")
        await tab_to(desk, "help-over", back=True)
        await desk.keyboard.press("Enter")
        await expect(at(desk, "help")).to_have_attribute("data-stage", "none")

        await tab_to(desk, "ticket-facts")
        await desk.keyboard.type("工资拖欠")
        caller.hang_up()
        await expect(at(desk, "wrap-up")).to_be_visible()
        await expect(at(desk, "ticket-facts")).to_be_focused()  # who was typing goes on typing
        await desk.keyboard.type("三个月")
        await expect(at(desk, "ticket-facts")).to_have_value("工资拖欠三个月")
        await tab_to(desk, "wrap-disposition", back=True)
        await desk.keyboard.press("ArrowRight")
        await desk.keyboard.press("Control+Enter")
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    [record] = await switchboard.wait_ended(1, PATIENCE_S)
    assert (await switchboard.contact(record.id))[0].note == "情况：工资拖欠三个月"


async def test_transfer_messages_and_own_lists_without_a_mouse(
    switchboard: Switchboard, chromium: Browser
) -> None:
    async with switchboard.records() as records:
        begin = now_ms() + 24 * HOUR
        await records.shifts.add(NewShift("v901", begin, begin + HOUR), by="root", at_ms=1)
    desk = await arrive(chromium, switchboard)
    await press_on(desk, "open-shifts")
    await expect(at(desk, "shifts")).to_be_visible()
    await tab_to(desk, "swap-ask")
    await desk.keyboard.press("Enter")
    await expect(at(desk, "swap-text")).to_be_focused()
    await desk.keyboard.type("有事")
    await desk.keyboard.press("Escape")  # the form, not the list
    await expect(at(desk, "swap-ask")).to_be_focused()
    await desk.keyboard.press("Enter")
    await expect(at(desk, "swap-text")).to_have_value("有事")
    await press_on(desk, "swap-send")
    await expect(at(desk, "swap-open")).to_be_visible()
    await desk.keyboard.press("Escape")
    await expect(at(desk, "open-shifts")).to_be_focused()
    await desk.keyboard.press("?")
    await expect(at(desk, "keys-help")).to_contain_text("收起打开的面板")
    await desk.keyboard.press("Escape")
    await expect(at(desk, "keys-help")).to_be_hidden()

    await desk.keyboard.press("F10")
    await expect(at(desk, "state")).to_have_attribute("data-state", "paused")
    message = await leave_message(switchboard, "13800340002")
    await desk.keyboard.press("F10")
    await expect(at(desk, f"message-{message.id}")).to_be_visible()
    await press_on(desk, f"return-{message.id}")
    await expect(at(desk, "why-not_my_matter")).to_be_focused()
    await desk.keyboard.press("Escape")
    await expect(at(desk, f"return-{message.id}")).to_be_focused()
    await tab_to(desk, f"finish-{message.id}", back=True)
    await desk.keyboard.press("Enter")
    await tab_to(desk, f"message-{message.id}-disposition")
    await desk.keyboard.press("ArrowRight")
    await press_on(desk, "message-save")
    await expect(at(desk, "messages")).to_have_attribute("data-count", "0")

    async with calling(switchboard, "13800340003") as caller:
        await expect(at(desk, "accept")).to_be_focused()
        await desk.keyboard.press("Enter")
        await expect(at(desk, "call-title").locator("..")).to_be_focused()
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone has answered")
        second = await sign_in(chromium, switchboard, "v902", "/desk")
        await ready(second)
        await desk.bring_to_front()
        await desk.keyboard.press("F6")
        await expect(at(desk, "row-v902")).to_have_attribute("data-free", "true")
        await press_on(desk, "transfer-v902")
        await expect(at(desk, "wrap-up").locator("h2").first).to_be_focused()
        await second.bring_to_front()
        await expect(at(second, "accept")).to_be_focused()
        await second.keyboard.press("F4")  # declined: back to where the focus was
        await expect(at(second, "resting").locator("h2")).to_be_focused()
        caller.hang_up()
        await caller.ended()
    await desk.bring_to_front()
    await tab_to(desk, "sign-out", back=True)
    await desk.keyboard.press("Enter")
    await desk.wait_for_url("**/sign-in*")
