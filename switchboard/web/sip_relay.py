"""``/ws/sip``: carries SIP frames between a volunteer's browser and Asterisk's own WebSocket (RFC 7118).

Nothing is read or changed on the way; sizes, waits and the number of lines are bounded, and both sides end together.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMsgType, web

from switchboard.errors import BadRequest, TooManyTries, Unavailable

log = structlog.get_logger(__name__)

SUBPROTOCOL = "sip"
MOST_FRAME = 64 * 1024
MOST_LINES = 1_000
LINES_OF_ONE = 4
CONNECT_S = 5.0
SEND_S = 10.0
CLOSE_S = 2.0

Socket = web.WebSocketResponse | ClientWebSocketResponse


class SipLines:
    """Counts the open lines, so that one account cannot take them all."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def take(self, account: str) -> None:
        """Raises TooManyTries or Unavailable."""
        if self._open[account] >= LINES_OF_ONE:
            raise TooManyTries(retry_after_s=5)
        if self._open.total() >= MOST_LINES:
            raise Unavailable(retry_after_s=5)
        self._open[account] += 1

    def give_back(self, account: str) -> None:
        self._open[account] -= 1
        if self._open[account] <= 0:
            del self._open[account]


async def relay(
    request: web.Request, client: ClientSession, target: str | None, going: asyncio.Event
) -> web.WebSocketResponse:
    """Relays until one side ends. Origin, session and role were checked. Raises Unavailable without Asterisk."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if SUBPROTOCOL not in [name.strip() for name in offered.split(",")]:
        raise BadRequest("subprotocol sip")
    if target is None:
        raise Unavailable
    far = await _connect(client, target)
    try:
        near = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=MOST_FRAME, heartbeat=20.0, timeout=CLOSE_S, compress=False
        )
        await near.prepare(request)
        code = await _carry(near, far, going)
        await near.close(code=code)
        return near
    finally:
        await far.close()


async def _connect(client: ClientSession, target: str) -> ClientWebSocketResponse:
    try:
        async with asyncio.timeout(CONNECT_S):
            far = await client.ws_connect(
                target,
                protocols=(SUBPROTOCOL,),
                max_msg_size=MOST_FRAME,
                timeout=ClientWSTimeout(ws_close=CLOSE_S),  # pyright: ignore[reportCallIssue]  # attrs
                compress=0,
            )
    except (ClientError, OSError, TimeoutError) as error:
        log.warning("sip.unreachable", error=type(error).__name__)
        raise Unavailable(retry_after_s=2) from error
    if far.protocol != SUBPROTOCOL:
        await far.close()
        raise Unavailable
    return far


async def _carry(near: web.WebSocketResponse, far: ClientWebSocketResponse, going: asyncio.Event) -> int:
    """Both directions until one ends; returns the code to close the browser's side with."""
    ends = {
        asyncio.create_task(_pump(near, far), name="sip up"),
        asyncio.create_task(_pump(far, near), name="sip down"),
        asyncio.create_task(going.wait(), name="sip going"),
    }
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
    return 1001 if going.is_set() or far.closed else 1000


async def _pump(source: Socket, sink: Socket) -> None:
    """Frame by frame; a sink that does not take one in time ends the line."""
    async for message in source:
        try:
            async with asyncio.timeout(SEND_S):
                if message.type is WSMsgType.TEXT:
                    await sink.send_str(message.data)
                elif message.type is WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
        except (TimeoutError, ConnectionError):
            return
