"""A villager at the terminal: to a lawyer's face with few touches and no typing, back to them after a power cut, a word
about the service, a print, and nothing left for whoever comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.pages.conftest import SECOND_HZ, VOICE_HZ
from tests.support.browser import PATIENCE_S, at, sign_in
from tests.support.kiosk import (
    TOKEN,
    digits,
    kiosk,
    left_behind,
    on_disk,
    pair_by_hand,
    power_cut,
    tap,
    token_is_on_disk,
    view,
    wiped,
)
from tests.support.room_pages import page_sees_and_hears
from tests.support.switchboard import ADMINISTRATOR, Switchboard, eventually
from tests.support.terminal_views import volunteer
from tests.support.terminals import VILLAGE, loudness, other, sees_and_hears

NOBODY = {"session": [], "databases": [], "caches": [], "cookies": "", "history": 1, "name": "", "found": []}


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"ASTERISK": "none", "WRAP_UP_MS": "60000"}) as running:
        yield running


async def they_meet(terminal: Page, desk: Page) -> None:
    await page_sees_and_hears(terminal, SECOND_HZ)
    await page_sees_and_hears(desk, VOICE_HZ)


async def test_from_the_button_to_a_lawyer_through_a_power_cut_and_nothing_is_left(
    switchboard: Switchboard, second_chromium: Browser, tmp_path: Path
) -> None:
    desk = await sign_in(second_chromium, switchboard, "v901", "/desk")
    await at(desk, "set-up-ready").click()
    async with kiosk(tmp_path, switchboard.base_url) as terminal:
        await pair_by_hand(terminal, switchboard)
        await expect(terminal.locator(".village")).to_have_text(VILLAGE)

        await terminal.evaluate("window.__touches = 0")
        await tap(terminal, "lawyer", "matter-labour", "record-no")
        await expect(
            view(terminal, "test").or_(view(terminal, "waiting")).or_(at(terminal, "room"))
        ).to_be_visible()
        await expect(at(desk, "village")).to_have_text(VILLAGE)
        await at(desk, "accept").click()
        await they_meet(terminal, desk)
        touches = await terminal.evaluate("window.__touches")
        print(f"touches from the first page to the lawyer's face: {touches}")
        assert 0 < touches < 6

        await token_is_on_disk(terminal, tmp_path)
        await asyncio.to_thread(power_cut, tmp_path)
    async with kiosk(tmp_path, switchboard.base_url) as terminal:
        await expect(at(terminal, "room")).to_be_visible()
        await they_meet(terminal, desk)

        await tap(terminal, "show-paper", "shutter", "use")
        await expect(at(terminal, "page-1")).to_have_attribute("data-state", "sent")
        await tap(terminal, "papers-done")
        await expect(at(desk, "room").locator("figure video")).to_have_count(2)
        await tap(terminal, "end", "end-no", "end", "end-yes")
        await expect(view(terminal, "survey")).to_be_visible()
        for word in ("有耐心", "有礼貌", "快吗"):
            await expect(at(terminal, "question")).to_contain_text(word)
            await tap(terminal, "face-0")
        await expect(view(terminal, "thanks")).to_be_visible()
        await tap(terminal, "print")
        await expect(view(terminal, "thanks")).to_contain_text("请从打印口取走")
        (sheet,) = await terminal.evaluate("window.__printed")
        assert VILLAGE in sheet
        assert "志愿者 v901" in sheet
        contact = (await switchboard.contacts())[0].id
        assert contact in sheet
        await tap(terminal, "finish")
        await wiped(terminal)

        secrets = [contact, "v901"]
        left = await left_behind(terminal, secrets)
        assert left.pop("local") == [TOKEN]
        assert left == NOBODY
    assert await asyncio.to_thread(on_disk, tmp_path, secrets) == []

    await at(desk, "disposition-advised").click()
    await at(desk, "save-ready").click()
    await expect(at(desk, "wrap-up")).to_be_hidden()
    record, _ = await switchboard.contact(contact)
    assert (record.end_reason, record.ended_by, record.agent) == ("completed", "caller", "v901")
    assert record.matter == "labour"


async def test_whoever_goes_away_is_asked_aloud_and_then_forgotten(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async with kiosk(tmp_path, switchboard.base_url) as terminal:
        await pair_by_hand(terminal, switchboard)
        await terminal.clock.install()
        await terminal.reload()
        await tap(terminal, "size", "language", "bookings")
        await digits(terminal, "13571357")
        await expect(at(terminal, "booking-fault")).to_be_visible()

        async def asked() -> bool:
            await terminal.clock.fast_forward(61_000)
            return await at(terminal, "anything").count() > 0

        await eventually(asked, PATIENCE_S, "the question whether anything else is wanted")
        await tap(terminal, "digits")
        await expect(at(terminal, "anything")).to_have_count(0)
        await expect(at(terminal, "digits")).to_have_text("13571357")

        await eventually(asked, PATIENCE_S, "the question again")

        async def forgotten() -> bool:
            await terminal.clock.fast_forward(21_000)
            return await view(terminal, "home").count() > 0

        await eventually(forgotten, PATIENCE_S, "the first page")
        await expect(terminal.locator("html")).to_have_attribute("lang", "zh-CN")
        await expect(terminal.locator(".terminal")).to_have_attribute("data-size", "0")
        left = await left_behind(terminal, ["13571357"])
        assert left.pop("local") == [TOKEN]
        assert left == NOBODY
    assert await asyncio.to_thread(on_disk, tmp_path, ["13571357"]) == []


async def test_what_fails_is_said_in_words_mended_by_itself_and_told_to_the_staff(
    switchboard: Switchboard, chromium: Browser, tmp_path: Path
) -> None:
    admin = await sign_in(chromium, switchboard, ADMINISTRATOR, "/admin")
    await at(admin, "tab-terminals").click()
    await at(admin, "terminal-name").fill("一号终端")
    await at(admin, "terminal-village").fill(VILLAGE)
    await at(admin, "terminal-add").click()
    code = await at(admin, "terminal-code").inner_text()
    async with kiosk(tmp_path, switchboard.base_url) as terminal:
        await digits(terminal, "00000000")
        await expect(at(terminal, "pairing-fault")).to_be_visible()
        await digits(terminal, code)
        await expect(view(terminal, "home")).to_be_visible()
        row = admin.locator("tbody tr")
        await expect(row).to_contain_text("设备正常")
        await expect(row).to_contain_text("秒前")

        await terminal.evaluate("localStorage.simulated_printer = 'paper_out'")
        await tap(terminal, "help")
        await expect(at(terminal, "help-said")).to_contain_text("已经叫")
        await expect(at(terminal, "fault-printer")).to_contain_text("没有纸")
        board = await admin.context.new_page()
        await board.goto("/board")
        alerts = at(board, "terminal-alerts")
        await expect(alerts).to_contain_text(f"{VILLAGE} 有人叫帮忙")
        await expect(alerts).to_contain_text("打印机 缺纸")
        await at(board, "terminal-see").click()
        await expect(at(terminal, "help-said")).to_contain_text("马上就来")
        await terminal.evaluate("localStorage.simulated_printer = 'ok'")
        await expect(at(terminal, "fault-printer")).to_have_count(0)
        await at(board, "terminal-close").click()
        await expect(alerts).to_have_count(0)
        await expect(at(terminal, "help-said")).to_have_count(0)

        await terminal.evaluate("localStorage.simulated_camera = 'missing'")
        await tap(terminal, "lawyer", "matter-labour", "record-no")
        await expect(at(terminal, "fault-camera")).to_contain_text("声音照常")
        async with volunteer(switchboard) as (_, client):
            await expect(at(terminal, "room")).to_be_visible()

            async def heard() -> bool:
                return loudness(client.of(other(client), "microphone"), VOICE_HZ) > 0.02

            await eventually(heard, PATIENCE_S, "the voice without a camera")
            await terminal.evaluate("localStorage.removeItem('simulated_camera')")
            await sees_and_hears(client, VOICE_HZ)
            await expect(at(terminal, "fault-camera")).to_have_count(0)

            await terminal.context.set_offline(True)
            await expect(at(terminal, "fault-network")).to_contain_text("12348")
            await terminal.context.set_offline(False)
            await expect(at(terminal, "fault-network")).to_have_count(0)
            await sees_and_hears(client, VOICE_HZ)
