"""Faults of the event socket that the real Asterisk cannot be made to show on demand.

Here, and only here, Asterisk is played by a small server: one that is deaf, silent or talks nonsense.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from ivr.ari import client
from ivr.ari.client import Ari, AriSettings
from ivr.errors import AriError, Disconnected, Refused, RequestTimedOut
from tests.ivr.test_ari_events import CHANNEL, raw
from tests.support.asterisk import until


class OddAsterisk:
    """Answers as Asterisk would, except where told to be odd."""

    def __init__(self) -> None:
        self.connects = 0
        self.echoes = True
        self.mute_paths: set[str] = set()
        self.refuse = False
        self.sockets: list[web.WebSocketResponse] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuse:
            return web.Response(status=401)
        self.connects += 1
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self.answer(socket, json.loads(message.data))
        return socket

    async def answer(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        path = asked["uri"]
        if path in self.mute_paths:
            return
        body: Any = None
        if path == "asterisk/info":
            body = {"status": {"startup_time": "2026-11-22T00:00:00.000+0000"}}
        elif path in ("channels", "bridges"):
            body = [CHANNEL] if path == "channels" else []
        frame = {
            "type": "RESTResponse",
            "request_id": asked["request_id"],
            "status_code": 200,
            "reason_phrase": "",
        }
        await socket.send_json(frame | {"message_body": json.dumps(body) if body is not None else None})
        if path.startswith("events/user/") and self.echoes:
            app = asked["query_strings"][0]["value"]
            name = path.rpartition("/")[2]
            await socket.send_json(
                raw("ChannelUserevent", eventname=name, userevent={}) | {"application": app}
            )


@pytest.fixture
def odd() -> OddAsterisk:
    return OddAsterisk()


@pytest.fixture
async def settings(odd: OddAsterisk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AriSettings]:
    monkeypatch.setattr(client, "BACK_OFF_S", (0.01, 0.05))
    monkeypatch.setattr(client, "ECHO_AFTER_S", (0.01,))
    monkeypatch.setattr(client, "ECHO_EVERY_S", 0.01)
    monkeypatch.setattr(client, "ECHO_TIMEOUT_S", 0.1)
    app = web.Application()
    app.router.add_get("/ari/events", odd.handle)
    async with TestServer(app) as server:
        yield AriSettings(str(server.make_url("")).rstrip("/"), "u", "p", request_timeout_s=0.2)
        for socket in odd.sockets:
            await socket.close()


async def test_a_socket_that_brings_no_events_is_replaced(odd: OddAsterisk, settings: AriSettings) -> None:
    odd.echoes = False
    async with Ari(settings) as ari:
        await until(lambda: odd.connects >= 3)
        assert not ari.heard
        odd.echoes = True
        await until(lambda: ari.heard)
        connects = odd.connects
        await asyncio.wait_for(ari.request("GET", "channels"), 1)
        assert odd.connects == connects


async def test_a_request_that_is_not_answered_ends_in_time(odd: OddAsterisk, settings: AriSettings) -> None:
    async with Ari(settings) as ari:
        await ari.wait_connected(5)
        odd.mute_paths.add("never")
        with pytest.raises(RequestTimedOut) as caught:
            await ari.request("GET", "never")
        assert caught.value.code == "ari.timed_out"
        assert await ari.request("GET", "bridges") == []


async def test_nonsense_on_the_socket_does_not_stop_the_reading(
    odd: OddAsterisk, settings: AriSettings
) -> None:
    async with Ari(settings) as ari:
        await ari.wait_connected(5)
        for nonsense in ("", "{", "[]", "1", '"x"', "null", '{"type": 5}', '{"type": "RESTResponse"}', "{}"):
            await odd.sockets[-1].send_str(nonsense)
        assert await ari.request("GET", "bridges") == []
        assert odd.connects == 1


async def test_waiting_requests_fail_when_the_socket_ends(odd: OddAsterisk, settings: AriSettings) -> None:
    async with Ari(settings) as ari:
        await ari.wait_connected(5)
        odd.mute_paths.add("never")
        asking = asyncio.create_task(ari.request("GET", "never", timeout=5))
        await asyncio.sleep(0)
        await odd.sockets[-1].close()
        with pytest.raises(Disconnected):
            await asking
        await ari.wait_connected(5)
        assert odd.connects == 2


async def test_a_wrong_password_is_tried_on_and_off_until_it_is_right(
    odd: OddAsterisk, settings: AriSettings
) -> None:
    odd.refuse = True
    async with Ari(settings) as ari:
        with pytest.raises(TimeoutError):
            await ari.wait_connected(0.1)
        with pytest.raises(Disconnected):
            await ari.request("GET", "channels")
        odd.refuse = False
        await ari.wait_connected(5)


async def test_a_failing_reconcile_callback_harms_nobody(odd: OddAsterisk, settings: AriSettings) -> None:
    seen: list[set[str]] = []

    async def fails(reconciled: client.Reconciled) -> None:
        raise RuntimeError("on purpose")

    async def sees(reconciled: client.Reconciled) -> None:
        seen.append(set(reconciled.channels))

    async with Ari(settings) as ari:
        ari.on_reconciled += [fails, sees]
        await until(lambda: seen)
        assert seen == [{"c-1"}]
        assert ari.connected


def test_errors_have_stable_codes_and_no_personal_data() -> None:
    error = client.from_status(404, "Channel not found", "GET channels")
    assert (error.code, error.status) == ("ari.not_found", 404)
    assert isinstance(client.from_status(403, "", ""), Refused)
    assert type(client.from_status(500, "", "")) is AriError
