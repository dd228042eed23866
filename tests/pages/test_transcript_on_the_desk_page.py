"""Lines of a transcriber beside the talk: read, followed, quoted into the ticket; markup stays text."""

from __future__ import annotations

import json
from typing import Any

from playwright.async_api import Browser, Page, WebSocketRoute, expect

from tests.support.browser import PATIENCE_S, active, at, ready, sign_in
from tests.support.phones import Caller
from tests.support.prompts import MENU
from tests.support.switchboard import Switchboard, eventually

MARKUP = "<img src=x onerror=alert(1)> 老板欠我三个月工资"


def lines(first: int, count: int, text: str, *, final: bool = True) -> list[dict[str, Any]]:
    return [
        {"number": n, "at": n * 1_000, "speaker": "caller", "text": f"{text} {n}", "final": final}
        for n in range(first, first + count)
    ]


async def at_end(desk: Page) -> bool:
    area = at(desk, "transcript").locator("ol")
    return await area.evaluate("area => area.scrollHeight - area.scrollTop - area.clientHeight < 5")


async def test_lines_come_beside_the_talk_and_are_quoted(chromium: Browser) -> None:
    async with Switchboard(volunteers=1, env={"WRAP_UP_MS": "60000"}) as switchboard:
        desk = await sign_in(chromium, switchboard, "v901", "/desk")
        sockets: list[WebSocketRoute] = []

        def between(page: WebSocketRoute) -> None:
            page.connect_to_server()
            sockets.append(page)

        await desk.route_web_socket("**/ws/desk", between)
        await desk.reload()
        await ready(desk)
        async with Caller(switchboard.sip_port, "13800138070") as caller:
            await caller.answered(PATIENCE_S)
            await caller.rtp.wait_tone(MENU, 0.1, PATIENCE_S)
            await caller.rtp.press("2")
            await at(desk, "accept").click()
            await eventually(lambda: active(desk), PATIENCE_S, "the softphone is in the call")
            (contact,) = await switchboard.contacts()

            def say(*said: dict[str, Any], of: str = contact.id) -> None:
                sockets[-1].send(json.dumps({"type": "transcript", "contact": of, "lines": said}))

            await expect(at(desk, "transcript")).to_be_hidden()
            say(*lines(1, 1, "别人的话"), of="c-other")
            say(*lines(1, 1, "老板", final=False))
            rows = at(desk, "transcript").locator("li")
            await expect(rows).to_have_count(1)
            await expect(rows.first).to_contain_text("老板 1…")
            say(*lines(1, 1, MARKUP), *lines(2, 30, "第"))
            await expect(rows).to_have_count(31)
            await eventually(lambda: at_end(desk), PATIENCE_S, "the newest line is seen")
            await rows.first.scroll_into_view_if_needed()
            await expect(at(desk, "transcript-newest")).to_be_visible()
            say(*lines(32, 1, "又一句"))
            await expect(rows).to_have_count(32)
            assert not await at_end(desk)  # whoever reads is not torn away
            await at(desk, "transcript-newest").click()
            await eventually(lambda: at_end(desk), PATIENCE_S, "the newest line is seen")

            await rows.first.get_by_role("button").click()
            await expect(at(desk, "ticket-facts")).to_have_value(f"{MARKUP} 1")
            caller.hang_up()
            await caller.ended(PATIENCE_S)
        await expect(at(desk, "transcript")).to_be_hidden()
