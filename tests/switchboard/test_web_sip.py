from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer

from switchboard.web.sip_relay import LINES_OF_ONE, MOST_FRAME
from tests.support.web import Client, SmallHouse, client_of, sign_in


class FarEnd:
    """Stands where Asterisk's WebSocket transport stands: sends back what it gets, and can hang up."""

    def __init__(self) -> None:
        self.open: set[web.WebSocketResponse] = set()
        self.ended = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sip",))
        await socket.prepare(request)
        self.open.add(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        self.open.discard(socket)
        self.ended.set()
        return socket


@pytest.fixture
async def far_end(house: SmallHouse) -> AsyncIterator[FarEnd]:
    end = FarEnd()
    app = web.Application()
    app.router.add_get("/ws", end.serve)
    server = TestServer(app)
    await server.start_server()
    house.web = type(house.web)(
        secret="s" * 40, static_dir=house.web.static_dir, sip_url=str(server.make_url("/ws"))
    )
    yield end
    await server.close()


@pytest.fixture
async def phone(house: SmallHouse, far_end: FarEnd) -> AsyncIterator[Client]:
    client = await client_of(house)
    await sign_in(client, "v001")
    yield client
    await client.close()


async def test_frames_of_both_kinds_pass_unchanged_both_ways(phone: Client) -> None:
    async with phone.ws_connect("/ws/sip", protocols=("sip",)) as line:
        assert line.protocol == "sip"
        await line.send_str("REGISTER sip:switchboard SIP/2.0\r\n\r\n")
        assert await line.receive_str(timeout=5) == "REGISTER sip:switchboard SIP/2.0\r\n\r\n"
        await line.send_bytes(b"\x00\xff\r\n")
        assert await line.receive_bytes(timeout=5) == b"\x00\xff\r\n"


async def test_when_the_browser_leaves_asterisk_is_told(phone: Client, far_end: FarEnd) -> None:
    async with phone.ws_connect("/ws/sip", protocols=("sip",)) as line:
        await line.send_str("x")
        await line.receive_str(timeout=5)
    async with asyncio.timeout(5):
        await far_end.ended.wait()
    assert not far_end.open


async def test_when_asterisk_leaves_the_browser_is_told(phone: Client, far_end: FarEnd) -> None:
    async with phone.ws_connect("/ws/sip", protocols=("sip",)) as line:
        await line.send_str("x")
        await line.receive_str(timeout=5)
        (socket,) = far_end.open
        await socket.close()
        assert (await line.receive(timeout=5)).type is WSMsgType.CLOSE
        assert line.close_code == 1001


async def test_a_frame_too_large_ends_the_line(phone: Client, far_end: FarEnd) -> None:
    async with phone.ws_connect("/ws/sip", protocols=("sip",)) as line:
        await line.send_bytes(b"x" * (MOST_FRAME + 1))
        assert (await line.receive(timeout=5)).type is WSMsgType.CLOSE
        assert line.close_code == 1009
    async with asyncio.timeout(5):
        await far_end.ended.wait()


async def test_one_volunteer_cannot_take_all_lines(phone: Client) -> None:
    lines = [await phone.ws_connect("/ws/sip", protocols=("sip",)) for _ in range(LINES_OF_ONE)]
    with pytest.raises(WSServerHandshakeError) as refused:
        await phone.ws_connect("/ws/sip", protocols=("sip",))
    assert refused.value.status == 429
    for line in lines:
        await line.close()


async def test_only_sip_is_relayed_and_only_for_volunteers(phone: Client) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await phone.ws_connect("/ws/sip")
    assert refused.value.status == 400
    for name in ("sun", "root"):
        await sign_in(phone, name)
        with pytest.raises(WSServerHandshakeError) as refused:
            await phone.ws_connect("/ws/sip", protocols=("sip",))
        assert refused.value.status == 403


async def test_without_asterisk_the_line_is_refused_before_the_upgrade(
    phone: Client, house: SmallHouse
) -> None:
    for url in (None, "ws://127.0.0.1:9/ws"):
        house.web = type(house.web)(secret="s" * 40, static_dir=house.web.static_dir, sip_url=url)
        with pytest.raises(WSServerHandshakeError) as refused:
            await phone.ws_connect("/ws/sip", protocols=("sip",))
        assert refused.value.status == 503


async def test_the_desk_gets_the_agent_of_the_account(client: Client) -> None:
    await sign_in(client, "v002")
    async with client.ws_connect("/ws/desk") as desk:
        assert await desk.receive_json(timeout=5) == {"agent": "v002"}
