"""Telephones in rooms through the whole switchboard and the real Asterisk: a host calls out, a caller of the hotline
keys in the room's code, a visitor goes on by telephone; and what a kill of the switchboard does to all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from switchboard.visits.synthetic import Tone
from tests.integration.test_visits import AGENT_HZ, desk_in_room, volunteer
from tests.support import alaw
from tests.support.callees import Callee
from tests.support.phones import Caller
from tests.support.promises import PROMISES
from tests.support.prompts import FAREWELL, MENU, NOT_KEPT, PRESS_ONE, SAVED, WHEN
from tests.support.rtp import RtpPeer
from tests.support.switchboard import PASSWORD, Switchboard, eventually
from tests.support.terminals import VISITOR_HZ, in_room, loudness, sees_and_hears, terminal
from video.client import VideoClient

HOST_HZ, CALLED_HZ, CALLER_HZ = 500, 900, 1200
PATIENCE_S = 40.0

NOT_TO_BE_CALLED = (
    *(
        "110",
        "Local/13800138001@from-trunk",
        "13800138001@elsewhere",
        "13800138001\r\nContact: x",
        "+12025550123",
    ),
    *("PJSIP/13800138001@trunk", "13800138001&13800138002", "9001234567890123", "16888001234567"),
)


@pytest.fixture
async def switchboard(home: Callee) -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env=PROMISES | {"TRUNKS": home.trunks}) as running:
        yield running


async def asked(
    http: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200
) -> dict[str, Any]:
    async with http.request(method, path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if status != 204 else {}


@asynccontextmanager
async def session_of(
    switchboard: Switchboard, http: aiohttp.ClientSession
) -> AsyncIterator[tuple[VideoClient, dict[str, Any]]]:
    """A room of v901, with its host in it."""
    room = await asked(
        http, "POST", "/api/rooms", {"kind": "mediation", "title": "调解", "records": False}, status=201
    )
    way = await asked(http, "POST", f"/api/rooms/{room['room']}/pass", {}, status=201)
    url = f"{switchboard.base_url.replace('http', 'ws')}{way['url']}/{way['room']}"
    async with VideoClient(url, way["token"], microphone=Tone(HOST_HZ)) as host:
        yield host, room


async def waiting(host: VideoClient, name: str) -> str:
    """The id of whoever of this name stands before the door."""

    async def there() -> bool:
        return any(one["name"] == name for one in host.view.get("waiting", ()))

    await eventually(there, PATIENCE_S, f"{name} waits")
    return next(one["id"] for one in host.view["waiting"] if one["name"] == name)


async def hears(client: VideoClient, other: str, hertz: int) -> None:
    async def loud() -> bool:
        return loudness(client.of(other, "microphone"), hertz) > 0.02

    await eventually(loud, PATIENCE_S, f"{hertz} Hz in the room")


async def heard_by(rtp: RtpPeer, hertz: int) -> None:
    """On the telephone, beside whoever else speaks."""
    share = 0.25
    await rtp.wait_for(
        lambda: alaw.tone_share(rtp.heard(0.4), hertz) > share, PATIENCE_S, f"{hertz} Hz on the telephone"
    )


async def call_state(http: aiohttp.ClientSession, room: str, state: str) -> None:
    async def so() -> bool:
        calls = (await asked(http, "GET", f"/api/rooms/{room}"))["calls"]
        return bool(calls) and calls[-1]["state"] == state

    await eventually(so, PATIENCE_S, f"the call is {state}")


async def answers_and_comes_in(
    home: Callee, host: VideoClient, http: aiohttp.ClientSession, room: str, nth: int
) -> str:
    """Somebody is called, picks up, presses 1, and is asked in; the call's id."""
    body = {"number": "138 0013 8001", "name": "证人王某"}
    made = await asked(http, "POST", f"/api/rooms/{room}/calls", body, status=201)
    assert (made["state"], made["number"]) == ("ringing", "138****8001")
    talk = await home.answered(PATIENCE_S, nth=nth)
    assert (await home.rung(nth=nth)).rest[0] == "13800138001"
    home.rtp.play_tone(CALLED_HZ)
    await home.rtp.hear(PRESS_ONE, PATIENCE_S)
    await home.rtp.press("1")
    await home.rtp.hear(WHEN, PATIENCE_S)
    ident = await waiting(host, "证人王某")
    await host.ask("admit", participant=ident)
    await heard_by(home.rtp, HOST_HZ)
    await hears(host, ident, CALLED_HZ)
    await call_state(http, room, "inside")
    return talk.call_id


async def comes_by_code(caller: Caller, code: str) -> None:
    await caller.answered(PATIENCE_S)
    await caller.rtp.hear(MENU, PATIENCE_S)
    caller.rtp.play_tone(CALLER_HZ)
    await caller.rtp.press("#" + code)


async def test_a_host_calls_out_and_a_caller_comes_in_by_the_code_also_after_a_kill(
    home: Callee, switchboard: Switchboard
) -> None:
    async with (
        switchboard.sign_in("v901", PASSWORD) as http,
        session_of(switchboard, http) as (host, room),
    ):
        name = room["room"]
        for number in NOT_TO_BE_CALLED:
            async with http.post(f"/api/rooms/{name}/calls", json={"number": number, "name": "x"}) as answer:
                assert answer.status == 422, number
        talk = await answers_and_comes_in(home, host, http, name, 1)
        home.hang_up(talk)
        await home.ended()
        await call_state(http, name, "hung_up")
        assert home.rings() == 1  # and none of the others

        await answers_and_comes_in(home, host, http, name, 2)
        async with Caller(switchboard.sip_port, "13800138300") as caller:
            await comes_by_code(caller, room["code"])
            await caller.rtp.hear(WHEN, PATIENCE_S)
            ident = await waiting(host, "电话 138****8300")
            await host.ask("admit", participant=ident)
            await caller.rtp.hear(SAVED, PATIENCE_S)
            await hears(host, ident, CALLER_HZ)
            await heard_by(caller.rtp, HOST_HZ)

            await switchboard.kill()
            await switchboard.start()
            await home.rtp.hear(NOT_KEPT, PATIENCE_S)  # whoever was called is told, and hung up
            await home.ended(PATIENCE_S, nth=2)
            await heard_by(caller.rtp, HOST_HZ)  # whoever called is back by itself
            await hears(host, ident, CALLER_HZ)
            await asked(http, "DELETE", f"/api/rooms/{name}", status=204)
            await caller.rtp.hear(FAREWELL, PATIENCE_S)
            await caller.ended(PATIENCE_S)
    records = {one.medium: one for one in await switchboard.wait_ended(2, PATIENCE_S)}
    call, meeting = records["call"], records["meeting"]
    assert (call.end_reason, call.origin, meeting.end_reason) == ("joined", meeting.id, "completed")
    _, events = await switchboard.contact(meeting.id)
    told = [
        (event.data["how"], bool(event.data.get("call"))) for event in events if event.kind == "room_call"
    ]
    assert [how for how, dialled in told if not dialled] == ["called", "hung_up", "called"]
    assert [how for how, dialled in told if dialled] == ["inside", "inside", "over"]
    assert await switchboard.ari("bridges") == []


async def test_a_visitor_whose_network_is_gone_goes_on_by_telephone(switchboard: Switchboard) -> None:
    async with terminal(switchboard) as visitor, volunteer(switchboard) as desk:
        ident = await visitor.begin(matter="labour", consent=False)
        async with desk_in_room(switchboard, desk) as page:
            view = await visitor.until(lambda v: v["telephone"] and v["room"])
            told = view["telephone"]
            assert told["number"] == "12348"
            await sees_and_hears(page, VISITOR_HZ)
            (await in_room(visitor)).cut = True  # nothing comes from the terminal's page any more

            async def gone() -> bool:
                return any(one["standing"] == "gone" for one in page.view["participants"])

            await eventually(gone, PATIENCE_S, "the volunteer's page sees that the visitor is gone")
            async with Caller(switchboard.sip_port, "13800138301") as caller:
                await comes_by_code(caller, told["code"])
                await heard_by(caller.rtp, AGENT_HZ)
                person = next(one for one in page.view["participants"] if one["id"] != page.id)
                assert (person["via"], person["standing"]) == ("phone", "here")
                await hears(page, person["id"], CALLER_HZ)
                assert len(page.view["participants"]) == 2  # the same place, no third person
                await desk.hang_up()
                await caller.rtp.hear(FAREWELL, PATIENCE_S)
                await caller.ended(PATIENCE_S)
            await visitor.until(lambda v: v["survey"])
            await visitor.order("leave")
    record, _ = await switchboard.contact(ident)
    assert (record.end_reason, record.agent, record.reservations) == ("completed", "v901", 1)
