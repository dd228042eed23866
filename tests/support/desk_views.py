"""Every view of the volunteer desk, one after the other, for whoever must look at all of them.

``tour`` leads two volunteers through a day: signing in, set-up, a card, a talk with each panel, a colleague, another
hotline, wrap-up, messages, lists of one's own, troubles. At each view it calls ``look``; what is seen does not move
while that looks.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Page, expect

from switchboard.law import Library, read_articles
from switchboard.law.files import SAMPLE
from switchboard.records import Records
from switchboard.records.people import AgentRow
from switchboard.records.shifts import NewShift
from switchboard.records.tickets import TicketText
from switchboard.times import now_ms
from tests.support.browser import PATIENCE_S, active, at, ready, sign_in
from tests.support.callees import Callee
from tests.support.desk_calls import calling, leave_message
from tests.support.relay import Relay
from tests.support.switchboard import Switchboard, eventually

MINUTE, HOUR = 60_000, 3_600_000
KNOWN_CALLER = "13800138501"
"""Whose earlier contacts are in the records."""

Look = Callable[[str, Page], Awaitable[None]]

MICROPHONE_FAULTS = {"denied": "NotAllowedError", "none": "NotFoundError", "busy": "NotReadableError"}
FAULTS = """
    const devices = navigator.mediaDevices
    const ask = devices.getUserMedia.bind(devices)
    const all = devices.enumerateDevices.bind(devices)
    devices.getUserMedia = (wanted) =>
      localStorage.fault ? Promise.reject(new DOMException('', localStorage.fault)) : ask(wanted)
    devices.enumerateDevices = async () =>
      (await all()).filter((device) => !localStorage.fault || device.kind !== 'audiooutput')
    const awake = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, 'state')
    Object.defineProperty(BaseAudioContext.prototype, 'state', {
      get() { return localStorage.asleep ? 'suspended' : awake.get.call(this) },
    })
"""


@asynccontextmanager
async def office() -> AsyncIterator[tuple[Switchboard, Callee]]:
    """A switchboard with two volunteers who have a past, and the telephones outside."""
    hotline = Callee(ring_ms=2_500)
    env = {"WRAP_UP_MS": "180000", "TRUNKS": hotline.trunks, "CALL_FROM_HOUR": "0", "CALL_UNTIL_HOUR": "24"}
    house = Switchboard(volunteers=2, roles=("lawyer", "notary"), env=env)
    async with hotline, house as switchboard:
        async with switchboard.records() as records:
            await _a_past(records)
        yield switchboard, hotline


async def tour(switchboard: Switchboard, hotline: Callee, browser: Browser, look: Look) -> None:
    """Through every view. ``hotline`` answers what is called through the trunk."""
    async with Relay(switchboard.http_port) as relay:
        walk = _Walk(switchboard, hotline, browser, look, relay)
        await walk.sign_in_and_set_up()
        await walk.own_lists()
        await walk.messages()
        await walk.card_and_talk()
        await walk.hotline_and_colleague()
        await walk.wrap_up()
        await walk.troubles()


@dataclass
class _Walk:
    switchboard: Switchboard
    hotline: Callee
    browser: Browser
    look: Look
    relay: Relay

    async def sign_in_and_set_up(self) -> None:
        door = await (await self.browser.new_context(locale="zh-CN")).new_page()
        await door.goto(f"http://localhost:{self.switchboard.http_port}/sign-in")
        await self.look("sign-in", door)
        await at(door, "submit").click()
        await self.look("sign-in-refused", door)
        await door.context.close()
        desk = self.first = await sign_in(
            self.browser, self.switchboard, "v901", "/desk", port=self.relay.port, before=FAULTS
        )
        await desk.emulate_media(reduced_motion="reduce")
        await expect(at(desk, "set-up-ready")).to_be_enabled()
        await self.look("set-up", desk)
        await at(desk, "phone-sip").check()
        await expect(at(desk, "set-up")).to_contain_text("sip:v901@")
        await self.look("set-up-telephone", desk)
        await at(desk, "phone-trunk").check()
        await at(desk, "own-save").click()
        await self.look("set-up-own-telephone", desk)
        await at(desk, "phone-browser").check()
        await expect(at(desk, "set-up-ready")).to_be_enabled()
        await at(desk, "set-up-later").click()
        await expect(at(desk, "unfinished")).to_be_visible()
        await self.look("paused", desk)
        await at(desk, "complete-c-1").click()
        await self.look("unfinished-ticket", desk)
        await at(desk, "complete-c-1").click()

    async def own_lists(self) -> None:
        desk = self.first
        await at(desk, "open-shifts").click()
        await at(desk, "swap-ask").first.click()
        await at(desk, "swap-send").click()
        await self.look("shifts", desk)
        await self._close_list()
        await at(desk, "open-figures").click()
        await expect(at(desk, "figure-answered")).to_be_visible()
        await self.look("figures", desk)
        await self._close_list()
        await at(desk, "open-ratings").click()
        await at(desk, "appeal").first.click()
        await self.look("appeal", desk)
        await self._close_list()
        await at(desk, "keys").click()
        await self.look("keys", desk)
        await at(desk, "keys-close").click()
        await at(desk, "pause").click()
        await expect(at(desk, "pause-break")).to_be_visible()
        await self.look("pause-reasons", desk)
        await desk.keyboard.press("Escape")

    async def _close_list(self) -> None:
        """Escape closes the form in it first, if there is one, and then the list."""
        while await at(self.first, "duty-panel").is_visible():
            forms = await at(self.first, "duty-panel").locator("form").count()
            await self.first.keyboard.press("Escape")
            if forms:
                await expect(at(self.first, "duty-panel").locator("form")).to_have_count(0)
            else:
                await expect(at(self.first, "duty-panel")).to_be_hidden()

    async def messages(self) -> None:
        desk = self.first
        message = await leave_message(self.switchboard, "13800138502")
        await at(desk, "ready").click()
        await expect(at(desk, f"message-{message.id}")).to_be_visible()
        await self.look("ready", desk)
        await at(desk, f"finish-{message.id}").click()
        await at(desk, "message-save").click()
        await self.look("message-closed", desk)
        await at(desk, f"return-{message.id}").click()
        await at(desk, f"listen-{message.id}").click()
        await self.look("message-given-back", desk)
        await at(desk, f"listen-{message.id}").click()
        await at(desk, f"return-{message.id}").click()

    async def card_and_talk(self) -> None:
        desk = self.first
        self.caller = calling(self.switchboard, KNOWN_CALLER)
        await self.caller.__aenter__()
        await expect(at(desk, "countdown")).to_have_text(re.compile(r"剩余 1\d 秒"))  # the desk has seen it
        await self.look("card", desk)
        await at(desk, "accept").click()
        await eventually(lambda: active(desk), PATIENCE_S, "the softphone has answered")
        await at(desk, "ticket-facts").fill("工厂拖欠三个月工资，共 18,600 元，没有书面合同。")
        await expect(at(desk, "ticket")).to_have_attribute("data-save", "saved")
        await self.look("talk", desk)
        await at(desk, "earlier-open").click()
        await at(desk, "keypad-toggle").click()
        await at(desk, "key-5").click()
        await self.look("keypad-and-earlier", desk)
        await at(desk, "keypad-toggle").click()
        await at(desk, "earlier-open").click()
        await at(desk, "pause-recording").click()
        await expect(at(desk, "recording")).to_have_attribute("data-state", "paused")
        await self.look("recording-paused", desk)
        await at(desk, "pause-recording").click()
        await desk.keyboard.press("Alt+l")
        await at(desk, "law-input").fill("拖欠 工资")
        await expect(at(desk, "law-0")).to_be_visible()
        await self.look("law", desk)
        await at(desk, "law-close").click()
        await at(desk, "mute").click()
        await at(desk, "hold").click()
        await expect(at(desk, "call-title")).to_contain_text("来电者等待中")
        await at(desk, "help-call").click()
        await expect(at(desk, "help")).to_have_attribute("data-stage", "asked")
        await self.look("held-and-help", desk)
        await at(desk, "help-over").click()
        await at(desk, "hold").click()
        await at(desk, "mute").click()

    async def hotline_and_colleague(self) -> None:
        desk = self.first
        second = self.second = await sign_in(self.browser, self.switchboard, "v902", "/desk")
        await second.emulate_media(reduced_motion="reduce")
        await expect(at(second, "set-up-ready")).to_be_enabled()
        await at(desk, "hand-over-toggle").click()
        await expect(at(desk, "row-v902")).to_be_visible()
        await self.look("directory", desk)
        await at(desk, "transfer-v902").click()
        await expect(at(desk, "transfer-refused")).to_be_visible()
        await self.look("transfer-refused", desk)
        await at(desk, "three-way-12345").click()
        await expect(at(desk, "hand-over")).to_have_attribute("data-state", "ringing")
        talk = await self.hotline.answered(PATIENCE_S)
        await expect(at(desk, "hand-over")).to_have_attribute("data-state", "joined")
        await self.look("hotline-joined", desk)
        self.hotline.hang_up(talk.call_id)
        await expect(at(desk, "hand-over")).to_have_attribute("data-state", "left")
        await ready(second)
        await at(desk, "hand-over-toggle").click()
        await at(desk, "transfer-note").fill("想问遗嘱公证要带什么")
        await at(desk, "consult-v902").click()
        await expect(at(second, "incoming")).to_be_visible()
        await self.look("colleague-asked", second)
        await at(second, "accept").click()
        await expect(at(desk, "colleague")).to_have_attribute("data-state", "consulting")
        await eventually(lambda: active(second), PATIENCE_S, "the second softphone has answered")
        await self.look("consultation", desk)
        await self.look("consulted", second)
        await at(desk, "join").click()
        await expect(at(desk, "colleague")).to_have_attribute("data-state", "three_way")
        await self.look("three-way", desk)

    async def wrap_up(self) -> None:
        desk, second = self.first, self.second
        await at(desk, "complete").click()
        await expect(at(desk, "wrap-up")).to_be_visible()
        await self.look("wrap-up", desk)
        await at(desk, "save-ready").click()
        await self.look("wrap-up-incomplete", desk)
        await at(second, "hang-up").click()
        await expect(at(second, "wrap-up")).to_be_visible()
        await self.caller.__aexit__(None, None, None)
        await second.context.close()
        await at(desk, "disposition-notary").click()
        await at(desk, "save-ready").click()
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")

    async def troubles(self) -> None:
        desk = self.first
        async with calling(self.switchboard, "13800138503"):
            await expect(at(desk, "incoming")).to_be_visible()
            await expect(at(desk, "back")).to_be_visible()  # the time runs out
            await self.look("missed", desk)
        await desk.evaluate("localStorage.asleep = 'yes'")
        self.relay.cut("/ws/sip", refuse=True)
        for name, fault in MICROPHONE_FAULTS.items():
            await desk.evaluate(f"localStorage.fault = '{fault}'")
            await desk.reload()
            await expect(at(desk, "set-up").get_by_role("alert")).to_have_count(2)
            await self.look(f"set-up-{name}", desk)
            await at(desk, "set-up-later").click()
            await expect(at(desk, "trouble-speaker")).to_be_visible()
            await expect(at(desk, "trouble-line")).to_be_visible()
            await expect(at(desk, "trouble-ringer")).to_be_visible()
            await self.look(f"trouble-{name}", desk)
        tab = await desk.context.new_page()
        await tab.goto("/desk")
        await expect(at(tab, "refused")).to_be_visible()
        await self.look("second-tab", tab)
        await tab.close()
        self.relay.free()
        self.relay.cut("/ws/desk", refuse=True)
        await expect(at(desk, "interrupted")).to_be_visible()
        await self.look("interrupted", desk)


async def _a_past(records: Records) -> None:
    """Shifts, ratings, an unfinished ticket, a caller who called before, and a collection of law."""
    skills = {"law_inquiry": 3, "labour": 4, "debt": 3, "notarization": 3}
    await records.upsert_agent(AgentRow("v901", "王敏", "lawyer", languages=("zh", "en"), skills=skills))
    await records.upsert_agent(AgentRow("v902", "李国华", "notary", languages=("zh", "en"), skills=skills))
    await Library(records.database).put(read_articles(SAMPLE))
    now = now_ms()
    for number, key in enumerate("3111211131"):
        await _served(records, f"c-{number}", key, now - (number + 1) * 25 * MINUTE)
    for after, note in ((-2 * HOUR, ""), (22 * HOUR, "前台"), (46 * HOUR, "")):
        shift = NewShift("v901", now + after, now + after + 4 * HOUR, "labour", note=note)
        await records.shifts.add(shift, by="root", at_ms=now)
    text = TicketText(matter="labour", facts="来电者：本人。工资拖欠两个月，公司已停业。")
    await records.tickets.begin("c-1", "v901", matter="labour", at_ms=now - 50 * MINUTE)
    await records.tickets.save("c-1", "v901", text, revision=1, base=0, writer="tour", at_ms=now)


async def _served(records: Records, ident: str, key: str, start: int) -> None:
    """A call that v901 answered, and what the caller said of it."""

    async def note(kind: str, after_ms: int, **data: Any) -> None:
        await records.append(ident, kind, at_ms=start + after_ms, **data)

    await note("arrived", 0, medium="call", hotline="12348", caller=KNOWN_CALLER)
    await note("intake", 1, language="zh", matter="labour")
    await note("connected", 9_000, agent="v901")
    await note("disconnected", 391_000, by="caller")
    for question in ("patient", "polite", "efficient"):
        await note("survey", 392_000, question=question, answer=key)
    if key == "3":
        await note("follow_up", 392_000, key="follow_up", why="dissatisfied")
    await note("wrapped_up", 420_000, agent="v901", disposition="advised")
    await note("ended", 421_000, reason="completed", by="caller")


LANGUAGES = ("zh", "en")
SIZES = ((1366, 768), (1920, 1080))


async def show_in(page: Page, language: str, size: tuple[int, int]) -> None:
    """The page in this language and size. The switch is pressed without a mouse, which a dialog would keep off."""
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    spoken = await page.evaluate("document.documentElement.lang")
    if not spoken.startswith(language):
        await at(page, "language").dispatch_event("click")
