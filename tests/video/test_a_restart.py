"""The bridge's process is killed and started again: rooms are as they were, and the pages come back by themselves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from playwright.async_api import Browser

from tests.support.ports import free_port
from tests.video import rig
from tests.video.library import script
from tests.video.rig import SECRET, TINY, House, Visitor, eventually, token
from video.bridge import VideoBridge
from video.errors import PlaceLost, StateUnreadable
from video.events import CameBack, Gone, RoomRestored
from video.interruptions import interruptions
from video.participant import Standing
from video.recording.errors import TrackInvalid
from video.tokens import Role


class Quiet:
    """A page that is told things and says nothing."""

    def __init__(self) -> None:
        self.ended = ""

    def say(self, message: dict[str, Any]) -> None: ...

    def end(self, code: str) -> None:
        self.ended = code


async def test_rooms_come_back_with_everything_but_media(tmp_path: Path) -> None:
    async with VideoBridge(SECRET) as bridge:
        room, host = bridge.enter("mediation", token("host", role=Role.HOST), Quiet())
        _, guest = bridge.enter("mediation", token("guest", waits=True), Quiet())
        _, party = bridge.enter("mediation", token("party"), Quiet())
        _, last = bridge.enter("mediation", token("last"), Quiet())
        room.mute(host, party.id, "audio", True)
        room.caucus(host, [[host.id, party.id]])
        bridge.record("mediation", tmp_path / "s1")
        with pytest.raises(TrackInvalid):
            bridge.record(bridge.open_room("other").name, tmp_path / "a name that no session may have")
        kept = json.loads(json.dumps(bridge.state()))
    assert guest.resume not in json.dumps(kept)

    async with VideoBridge(SECRET) as bridge:
        bridge.restore(kept)
        again = bridge.rooms["mediation"]
        assert again.groups == ((host.id, party.id),)
        assert {one.standing for one in again.people.values()} == {Standing.GONE}
        assert [again.people[one.id].admitted for one in (host, guest, party, last)] == [
            True,
            False,
            True,
            True,
        ]
        assert again.people[party.id].muted == {"audio"}
        assert again.people[host.id].role is Role.HOST
        back = again.resume(guest.resume, Quiet())
        assert (back.id, back.standing) == (guest.id, Standing.WAITING)
        assert back.resume == guest.resume
        with pytest.raises(PlaceLost):
            again.resume("", Quiet())
        _, same = bridge.enter("mediation", token("party"), Quiet())
        assert same.id == party.id
        assert same.resume
        assert bridge.state()["rooms"][0]["recording"] == {"folder": str(tmp_path / "s1"), "session": "s1"}
        assert again.view(again.people[last.id])["recorded"]
        assert not again.view(same)["recorded"]
        events = bridge.events.drain()
        assert [type(event) for event in events if isinstance(event, RoomRestored | Gone)][:2] == [
            RoomRestored,
            Gone,
        ]
        came = [event for event in events if isinstance(event, CameBack)]
        assert {event.participant for event in came} == {guest.id, party.id}
        away = [one for one in interruptions(events) if one.ended == "back"]
        assert {one.participant for one in away} == {guest.id, party.id}


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"v": 2, "at_ms": 1, "rooms": []},
        {"v": 1, "at_ms": 1, "rooms": [{"name": "../x", "seats": 8, "people": []}]},
        {"v": 1, "at_ms": 1, "rooms": [{"name": "x", "seats": 8, "people": [{"id": "a"}]}]},
        {"v": 1, "at_ms": "x", "rooms": 3},
    ],
)
async def test_what_is_no_state_changes_nothing(kept: dict[str, Any]) -> None:
    async with VideoBridge(SECRET) as bridge:
        with pytest.raises(StateUnreadable):
            bridge.restore(kept)
        assert bridge.rooms == {}


@asynccontextmanager
async def bridge_process(folder: Path, http: int) -> AsyncIterator[asyncio.subprocess.Process]:
    command = (
        sys.executable,
        "-m",
        "video.serve",
        "--http",
        str(http),
        "--state",
        str(folder / "rooms.json"),
    )
    child = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"VIDEO_SECRET": SECRET.decode()},
    )
    try:
        async with asyncio.timeout(rig.PATIENCE_S):
            assert child.stdout is not None
            assert json.loads(await child.stdout.readline())["http"] == http
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.communicate()


@asynccontextmanager
async def pages(bridge_port: int) -> AsyncIterator[str]:
    """Serves the test page, and passes its sockets on to the bridge, as a web server in front of it does."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(Path(__file__).with_name("page.html"))

    async def library(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(await asyncio.to_thread(script))

    async def pass_on(request: web.Request) -> web.StreamResponse:
        url = f"http://127.0.0.1:{bridge_port}{request.path}"
        async with ClientSession() as session:
            try:
                bridge = await session.ws_connect(url, max_msg_size=1 << 20)
            except OSError as error:
                raise web.HTTPBadGateway from error
            ws = web.WebSocketResponse(max_msg_size=1 << 20)
            await ws.prepare(request)

            async def one_way(source: Any, sink: Any) -> None:
                async for message in source:
                    await sink.send_str(message.data)
                await sink.close(code=source.close_code or 1000)

            await asyncio.gather(one_way(ws, bridge), one_way(bridge, ws), return_exceptions=True)
            return ws

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/page.js", library), web.get("/video/{room}", pass_on)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_pages_rejoin_by_themselves_after_a_kill(chromium: Browser, tmp_path: Path) -> None:
    http = free_port()
    async with pages(http) as url:
        async with bridge_process(tmp_path, http) as first:
            host = await enter(chromium, url, "host", 500, Role.HOST)
            one = await enter(chromium, url, "one", 1200)
            other = await enter(chromium, url, "other", 2000)
            await rig.all_meet(host, one, other)
            await host.ask("groups => room.session.caucus(groups)", [[host.id, one.id]])
            await other.hears_nothing_of(host)
            kept = tmp_path / "rooms.json"

            async def written() -> bool:
                return bool(json.loads(await asyncio.to_thread(kept.read_text))["rooms"][0]["groups"])

            await eventually(written, "the caucus is kept")
            first.send_signal(signal.SIGKILL)
            await first.wait()
        async with bridge_process(tmp_path, http):
            for visitor in (host, one, other):
                was = visitor.id
                await eventually(
                    lambda visitor=visitor: visitor.ask(
                        "room.state.line === 'open' && room.state.media === 'up'"
                    ),
                    f"{visitor.person} is back",
                )
                assert await visitor.ask("room.me") == was
            await asyncio.gather(host.sees(one), one.hears(host))
            await other.hears_nothing_of(host)
            assert await other.ask("room.state.groups") == [[host.id, one.id]]
            await host.ask("room.session.caucus([])")
            await rig.all_meet(host, one, other)
            assert await host.ask("room.errors") == []


async def enter(chromium: Browser, url: str, person: str, hertz: int, role: Role = Role.PARTY) -> Visitor:
    house = House.__new__(House)  # a bridge in another process: only its pages are here
    house.address, house.http_port = "localhost", int(url.rsplit(":", 1)[1])
    return await Visitor.enter(chromium, house, person, hertz, role=role, video=TINY)
