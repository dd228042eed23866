"""An administrator changes what callers meet, on the page, and the next caller meets it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from switchboard.records.events import ContactEvent
from switchboard.records.fold import ContactRecord
from tests.support.phones import Caller
from tests.support.prompts import ANNOUNCEMENT, FAREWELL, MENU
from tests.support.switchboard import ADMINISTRATOR, PASSWORD, Switchboard, eventually

SLOW_MS = 20_000


@pytest.fixture
async def quiet_house() -> AsyncIterator[Switchboard]:
    """Without telephony."""
    async with Switchboard(volunteers=1, env={"ASTERISK": "none"}, tones=False) as running:
        yield running


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard() as running:
        yield running


def at(page: Page, name: str) -> Locator:
    """On the tab that is open: a tab that was opened before stays, hidden."""
    return page.locator(f'[data-test="{name}"]:visible')


async def open_page(browser: Browser, switchboard: Switchboard, name: str = ADMINISTRATOR) -> Page:
    context = await browser.new_context(
        base_url=f"http://localhost:{switchboard.http_port}", locale="zh-CN", bypass_csp=False
    )
    context.set_default_timeout(SLOW_MS)
    page = await context.new_page()
    await page.goto("/sign-in?next=/admin")
    await at(page, "name").fill(name)
    await at(page, "password").fill(PASSWORD)
    await at(page, "submit").click()
    await page.wait_for_url(re.compile(r"//[^/]+/admin"))
    return page


async def edit(page: Page, before: str, after: str) -> None:
    editor = at(page, "editor")
    await expect(editor).to_have_value(re.compile(re.escape(before)), timeout=SLOW_MS)
    text = await editor.input_value()
    await editor.fill(text.replace(before, after, 1))


async def publish(page: Page, name: str = "12348") -> None:
    await expect(at(page, "problems")).to_have_attribute("data-count", "0", timeout=SLOW_MS)
    await at(page, "publish").click()
    await confirm(page, name)


async def confirm(page: Page, name: str) -> None:
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator('[data-test="difference"]')).to_be_visible(timeout=SLOW_MS)
    await expect(dialog.locator('[data-test="confirm-go"]')).to_be_disabled()
    await dialog.locator('[data-test="confirm-name"]').fill(name)
    await dialog.locator('[data-test="confirm-go"]').click()


async def in_force(page: Page, number: int) -> None:
    await expect(at(page, "in-force")).to_have_attribute("data-number", str(number), timeout=SLOW_MS)


async def taken_in(switchboard: Switchboard, number: int) -> None:
    """Until the running node has the version: its log says so."""

    async def said() -> bool:
        return re.search(rf"hotline/12348.{{1,6}}{number}\b", switchboard.log()) is not None

    await eventually(said, 10, f"version {number} is in force on the node")


async def record_of(switchboard: Switchboard, number: str) -> tuple[ContactRecord, list[ContactEvent]]:
    [found] = [one for one in await switchboard.contacts() if one.caller and one.caller.endswith(number)]
    return await switchboard.contact(found.id)


async def test_the_next_caller_meets_the_published_menu_and_one_on_the_line_keeps_the_old(
    switchboard: Switchboard, chromium: Browser
) -> None:
    page = await open_page(chromium, switchboard)
    await in_force(page, 0)
    async with Caller(switchboard.sip_port, "13800138001") as early:
        await early.answered()
        await early.rtp.wait_tone(MENU, 0.1, 10)

        await edit(page, 'matter = "labour"', 'matter = "debt"')
        await edit(page, 'language = "zh"', 'language = "zh"\nannouncement = ["goodbye"]')
        await at(page, "note").fill("a shorter greeting")
        await publish(page)
        await in_force(page, 1)
        await taken_in(switchboard, 1)

        await early.rtp.press("2")
        await eventually(lambda: _has_matter(switchboard, "8001"), 10, "the early caller has a matter")
    async with Caller(switchboard.sip_port, "13800138002") as late:
        await late.answered()
        await late.rtp.wait_tone(FAREWELL, 0.2, 10)  # the greeting that was published
        await late.rtp.wait_tone(MENU, 0.1, 10)
        await late.rtp.press("2")
        await eventually(lambda: _has_matter(switchboard, "8002"), 10, "the late caller has a matter")

    await at(page, "roll-back").click()
    await confirm(page, "12348")
    await in_force(page, 2)
    await taken_in(switchboard, 2)
    async with Caller(switchboard.sip_port, "13800138003") as last:
        await last.answered()
        await last.rtp.wait_tone(ANNOUNCEMENT, 0.2, 10)

    for number, matter, version in (("8001", "labour", 0), ("8002", "debt", 1), ("8003", None, 2)):
        record, events = await record_of(switchboard, number)
        assert record.matter == matter
        rules = events[0].data["rules"]
        assert isinstance(rules, dict)
        assert rules["hotline"] == version


async def _has_matter(switchboard: Switchboard, number: str) -> bool:
    return (await record_of(switchboard, number))[0].matter is not None


async def test_mistakes_are_named_while_typing_and_cannot_be_published(
    quiet_house: Switchboard, chromium: Browser
) -> None:
    page = await open_page(chromium, quiet_house)
    await edit(page, '"menu_labour"', '"menu_<img src=x onerror=alert(1)>"')
    await expect(at(page, "problems")).not_to_have_attribute("data-count", "0", timeout=SLOW_MS)
    await expect(at(page, "publish")).to_be_disabled()
    await at(page, "save").click()  # a draft may have mistakes
    await expect(at(page, "version-1")).to_have_attribute("data-state", "draft")
    await at(page, "discard").click()
    await page.get_by_role("dialog").locator('[data-test="confirm-go"]').click()
    await expect(at(page, "changed")).to_have_attribute("data-changed", "false")
    assert await page.locator("img[src=x]").count() == 0


async def test_what_somebody_else_published_meanwhile_is_told_and_nothing_typed_is_lost(
    quiet_house: Switchboard, chromium: Browser
) -> None:
    page = await open_page(chromium, quiet_house)
    await edit(page, "公共法律服务热线", "我们的热线")
    text = (await at(page, "editor").input_value()).replace("我们的热线", "另一条热线")
    async with quiet_house.records() as records:
        other = await records.save_draft("hotline", "12348", text, author="somebody")
        await records.publish("hotline", "12348", other.number, author="somebody")
    await expect(at(page, "moved")).to_be_visible(timeout=SLOW_MS)
    await expect(at(page, "publish")).to_be_disabled()
    await at(page, "see-moved").click()
    await expect(at(page, "compared")).to_contain_text("+name_zh")
    assert "我们的热线" in await at(page, "editor").input_value()
    await publish(page)
    await in_force(page, 2)
    async with quiet_house.records() as records:
        assert "我们的热线" in (await records.published("hotline"))["12348"].text


async def test_a_caller_is_simulated_in_the_page(quiet_house: Switchboard, chromium: Browser) -> None:
    page = await open_page(chromium, quiet_house)
    await at(page, "walk-start").click()
    await expect(at(page, "walk-said")).to_contain_text("12348公共法律服务热线")
    await at(page, "walk-key-2").click()
    await expect(at(page, "walk-ends")).to_have_attribute("data-ends", "waiting")
    await expect(at(page, "walk-ends")).to_contain_text("劳动")
    await expect(at(page, "walk-key-1")).to_be_disabled()


async def test_the_year_shows_holidays_and_what_is_set_by_hand(
    quiet_house: Switchboard, chromium: Browser
) -> None:
    page = await open_page(chromium, quiet_house)
    await at(page, "tab-calendar").click()
    await expect(page.locator('[data-test="year"] td.holiday').first).to_be_visible(timeout=SLOW_MS)
    assert await page.locator('[data-test="year"] td.override').count() == 0
    year = await page.evaluate("new Date().getFullYear()")
    await at(page, "editor").fill(f"days_off = [{year}-03-11]")
    await expect(page.locator('[data-test="year"] td.override')).to_have_count(1, timeout=SLOW_MS)
    await publish(page, "calendar")
    await in_force(page, 1)


async def test_numbers_that_go_first_are_added_imported_and_removed(
    quiet_house: Switchboard, chromium: Browser, tmp_path: Path
) -> None:
    page = await open_page(chromium, quiet_house)
    await at(page, "tab-callers").click()
    await expect(at(page, "callers-none")).to_be_visible()
    await at(page, "caller-number").fill("13800138000")
    await at(page, "caller-reason").select_option("over_80")
    await at(page, "caller-add").click()
    await expect(at(page, "caller-row")).to_have_count(1)
    table = tmp_path / "numbers.csv"
    table.write_text("number,reason\n13900139000,minor\nnobody,minor\n")
    await page.locator('[data-test="caller-file"]').set_input_files(table)
    await expect(at(page, "caller-fault")).to_contain_text("line 3")
    table.write_text("number,reason\n13900139000,minor\n13700137000,disability\n")
    await page.locator('[data-test="caller-file"]').set_input_files(table)
    await expect(at(page, "caller-row")).to_have_count(3)


async def test_a_prompt_is_listened_to_replaced_and_reset(
    quiet_house: Switchboard, chromium: Browser
) -> None:
    page = await open_page(chromium, quiet_house)
    await at(page, "tab-prompts").click()
    await at(page, "prompt-search").fill("welcome")
    await expect(at(page, "prompt-welcome")).to_have_attribute("data-source", "rendered")
    async with page.expect_response(re.compile(r"/api/prompts/zh/welcome/sound")) as sounded:
        await at(page, "listen-welcome").click()
    sound = await (await sounded.value).body()
    await at(page, "upload-welcome").click()
    studio: FilePayload = {"name": "welcome.wav", "mimeType": "audio/wav", "buffer": sound}
    await page.locator('[data-test="prompt-file"]').set_input_files(studio)
    await expect(at(page, "prompt-welcome")).to_have_attribute("data-source", "studio", timeout=SLOW_MS)
    await at(page, "reset-welcome").click()
    await page.get_by_role("dialog").locator('[data-test="confirm-go"]').click()
    await expect(at(page, "prompt-welcome")).to_have_attribute("data-source", "rendered", timeout=SLOW_MS)
    wrong: FilePayload = {"name": "welcome.wav", "mimeType": "audio/wav", "buffer": b"GIF89a"}
    await page.locator('[data-test="prompt-file"]').set_input_files(wrong)
    await expect(at(page, "prompt-fault")).to_be_visible(timeout=SLOW_MS)


async def test_the_page_is_for_administrators_and_nothing_on_it_breaks_the_policy_of_contents(
    quiet_house: Switchboard, chromium: Browser
) -> None:
    volunteer = await open_page(chromium, quiet_house, "v901")
    await expect(at(volunteer, "only-administrators")).to_be_visible()

    complaints: list[str] = []
    page = await open_page(chromium, quiet_house)
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.reload()
    for tab in ("hotline", "policy", "calendar", "prompts", "callers"):
        await at(page, f"tab-{tab}").click()
        await expect(page.locator(f"#panel-{tab}")).to_be_visible()
        await page.wait_for_load_state("networkidle")
    assert complaints == []
