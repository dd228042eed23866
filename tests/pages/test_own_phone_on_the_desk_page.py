"""A computer without microphone: the contact is accepted on the page and talked on the volunteer's own telephone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import PATIENCE_S, accept, at, sign_in
from tests.support.operator import Operator
from tests.support.phones import Caller
from tests.support.ports import free_port
from tests.support.prompts import MENU, OTHER, SURVEY
from tests.support.rtp import RtpPeer
from tests.support.switchboard import Switchboard

CALLER_HZ, VOLUNTEER_HZ = 600, 1200
COUNT_ASKED = """
window.__asked = 0
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
navigator.mediaDevices.getUserMedia = (what) => { window.__asked += 1; return ask(what) }
"""


@dataclass
class Line:
    switchboard: Switchboard
    operator: Operator


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    port = free_port("udp")
    trunk = {"host": "127.0.0.1", "port": port, "addresses": ["127.0.0.1/32"]}
    env = {"TRUNKS": json.dumps([trunk]), "SERVICE_NUMBER": "12348900", "WRAP_UP_MS": "60000"}
    async with (
        Switchboard(volunteers=1, env=env) as switchboard,
        Operator(switchboard.sip_port, port=port) as operator,
    ):
        yield Line(switchboard, operator)


async def test_a_contact_is_accepted_on_the_page_and_talked_on_ones_own_telephone(
    line: Line, chromium: Browser
) -> None:
    desk = await sign_in(chromium, line.switchboard, "v901", "/desk")
    await at(desk, "phone-trunk").check()
    await expect(at(desk, "own-state")).to_have_attribute("data-known", "false")
    await expect(at(desk, "set-up-ready")).to_be_disabled()  # nothing that could ring
    await at(desk, "own-number").fill("110")
    await at(desk, "own-save").click()
    await expect(at(desk, "own-number-wrong")).to_be_visible()
    await at(desk, "own-number").fill("139 1111 2222")
    await at(desk, "own-pin").fill("123456")
    await at(desk, "own-save").click()
    await expect(at(desk, "own-pin-wrong")).to_be_visible()  # the number stays as it was typed
    await at(desk, "own-pin").fill("402917")
    await at(desk, "own-save").click()
    await expect(at(desk, "own-state")).to_have_attribute("data-known", "true")
    assert "1111" not in await desk.content()
    await at(desk, "set-up-ready").click()
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")

    await desk.add_init_script(COUNT_ASKED)
    await desk.reload()
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    await expect(at(desk, "set-up")).to_have_count(0)

    async with RtpPeer() as rtp, Caller(line.switchboard.sip_port, "13800138600") as caller:
        await caller.answered(PATIENCE_S)
        await caller.rtp.wait_tone(MENU, 0.1, PATIENCE_S)
        await caller.rtp.press("2")
        await accept(desk)
        phone = await line.operator.rung(PATIENCE_S)
        assert phone.number == "13911112222"
        await expect(at(desk, "call")).to_contain_text("接起后请按 1")
        phone.ring()
        phone.answer(rtp)
        await rtp.wait_tone(OTHER, 0.1, PATIENCE_S)
        await rtp.press("1")
        await expect(at(desk, "call")).to_contain_text("请在您的电话上通话")
        caller.rtp.play_tone(CALLER_HZ)
        rtp.play_tone(VOLUNTEER_HZ)
        await asyncio.gather(
            rtp.wait_tone(CALLER_HZ, 0.2, PATIENCE_S), caller.rtp.wait_tone(VOLUNTEER_HZ, 0.2, PATIENCE_S)
        )
        rtp.play_silence()
        await desk.keyboard.press("F1")  # help is called here too, by the same key
        await expect(at(desk, "help")).to_have_attribute("data-stage", "asked")
        await at(desk, "help-over").click()
        await expect(at(desk, "help")).to_have_attribute("data-stage", "none")
        await at(desk, "hang-up").click()
        await caller.rtp.hear(SURVEY, PATIENCE_S)
        caller.hang_up()
        await caller.ended(PATIENCE_S)
    await at(desk, "disposition-advised").click()
    await at(desk, "save-ready").click()
    await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    assert await desk.evaluate("window.__asked") == 0  # no microphone was asked for
