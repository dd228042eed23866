"""A call's sound as frames: what the caller says comes out, what is sent the caller hears.

The caller's channel is joined in a bridge with an external media channel of Asterisk (chan_websocket), whose other end
is a socket of ours on ARI's own address. Nothing here knows what the sound is for.

How chan_websocket behaves (Asterisk 22.10, measured):
- frames come as the caller sends them, and none while the caller sends none;
- what we send is queued and played by a timer of Asterisk, one frame every 20 ms. When we are late the caller hears a
  hole and the queue stays as much longer afterwards; it never grows shorter by itself. So Asterisk is asked once a
  second how much waits (``waiting_ms``), for whoever sends to steer by, and a queue of half a second is thrown away;
- the socket's end hangs the media channel up; the caller's channel stays where it is.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import aiohttp
import structlog

from ivr.ari.bridge import Bridge
from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.ari.events import ChannelDestroyed, StasisEnd, StasisStart
from ivr.ari.following import EventStream
from ivr.errors import AriError, AudioFailed, Disconnected

log = structlog.get_logger(__name__)

FRAME_MS = 20
Rate = Literal[8000, 16000]
FORMATS: dict[int, str] = {8000: "slin", 16000: "slin16"}
NARROW = ("alaw", "ulaw", "gsm")
WAITING_MAX = 50
"""Frames kept each way for a reader, or for a socket, that is slow: one second."""
FLUSH_MS = 500
START_S = 5.0
_STATUS_EVERY = 50


class AudioLine:
    """``async for frame in line``: 20 ms of 16-bit little-endian mono at ``rate`` Hz each; ``send`` for the other way.

    The iteration raises ``AudioFailed`` ("lost") when Asterisk ends the connection: it was stopped, or the media
    channel was hung up. That the caller has hung up is told by the call (``Call.while_connected``).
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, rate: int) -> None:
        self.rate = rate
        self.frame_bytes = 2 * rate * FRAME_MS // 1000
        self.dropped = 0
        """Frames left out, both ways, because a reader or the socket was slow."""
        self.flushed = 0
        self.started = asyncio.Event()
        self._socket = socket
        self._waiting: int | None = None
        self._heard: deque[bytes] = deque(maxlen=WAITING_MAX)
        self._said: deque[bytes | str] = deque()
        self._there = asyncio.Event()
        self._work = asyncio.Event()
        self._stopped = False
        self._sent = 0

    @property
    def waiting_ms(self) -> int | None:
        """How much of what was sent Asterisk has not played yet, as it said last; None before that."""
        return self._waiting

    def send(self, frame: bytes) -> None:
        """One frame, or several at once, to the caller. Never waits; what is too much is left out, the oldest first."""
        if self._stopped:
            return
        if len(self._said) >= WAITING_MAX:
            self._said.popleft()
            self.dropped += 1
        self._said.append(frame)
        self._sent += 1
        if self._sent % _STATUS_EVERY == 0:
            self._command("GET_STATUS")
        self._work.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._heard:
                yield self._heard.popleft()
            if self._stopped:
                raise AudioFailed("lost", "the connection to Asterisk has ended")
            self._there.clear()
            await self._there.wait()

    def stop(self) -> None:
        """Nothing more comes or goes."""
        self._stopped = True
        self._there.set()
        self._work.set()

    async def carry(self) -> None:
        """Until the socket ends: both ways."""
        writing = asyncio.create_task(self._write(), name="audio out")
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    if len(self._heard) == WAITING_MAX:
                        self.dropped += 1
                    self._heard.append(message.data)
                    self._there.set()
                elif message.type is aiohttp.WSMsgType.TEXT:
                    self._told(message.data)
        finally:
            self.stop()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self) -> None:
        with suppress(aiohttp.ClientError, ConnectionError):
            while not self._stopped:
                while self._said:
                    one = self._said.popleft()
                    if isinstance(one, str):
                        await self._socket.send_str(one)
                    else:
                        await self._socket.send_bytes(one)
                self._work.clear()
                await self._work.wait()

    def _command(self, name: str) -> None:
        self._said.append(json.dumps({"command": name}))
        self._work.set()

    def _told(self, text: str) -> None:
        """An event of the media channel. Whatever is odd about it, the sound goes on."""
        try:
            event: Any = json.loads(text)
            match event.get("event"):
                case "MEDIA_START":
                    self.started.set()
                case "STATUS":
                    self._waiting = int(event["queue_length"]) * FRAME_MS
                    if self._waiting >= FLUSH_MS:
                        self.flushed += 1
                        self._command("FLUSH_MEDIA")
                case _:
                    pass
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("audio.event_odd")


@asynccontextmanager
async def audio_line(
    ari: Ari, channel: Channel, *, media_id: str, rate: Rate | None = None
) -> AsyncIterator[AudioLine]:
    """The sound of this channel (answered, in our application, playing nothing, in no bridge) until the block is left;
    then the channel is in our application as before, in no bridge, if it still is there.

    Args:
        media_id: an id of our own choice for the media channel and, with ``-b`` behind it, for the bridge.
        rate: None takes what the caller's telephone can carry.

    Raises:
        AudioFailed: Asterisk has no chan_websocket, or the connection does not come up.
        Disconnected, RequestTimedOut: Asterisk is away.
    """
    hertz = rate or await _rate_of(channel)
    socket: aiohttp.ClientWebSocketResponse | None = None
    carrying: asyncio.Task[None] | None = None
    try:
        with ari.follow(media_id) as events:
            socket = await _connect(ari, media_id, hertz)
            line = AudioLine(socket, hertz)
            carrying = asyncio.create_task(line.carry(), name=f"audio {media_id}")
            try:
                async with asyncio.timeout(START_S):
                    await line.started.wait()
                    await _in_application(events)
            except TimeoutError:
                raise AudioFailed("silent", "Asterisk did not begin to send") from None
        async with Bridge.mixing(ari, f"{media_id}-b", outlived_by=channel.id) as bridge:
            if not await bridge.add(channel, media_id):
                raise AudioFailed("lost", "the call or its media channel has ended")
            yield line
    finally:
        await asyncio.shield(_end(ari, media_id, socket, carrying))


async def _in_application(events: EventStream) -> None:
    """Until the media channel is ours: its socket is up a moment before, when no bridge takes the channel yet."""
    async for event in events:
        if isinstance(event, StasisStart):
            return
        if isinstance(event, StasisEnd | ChannelDestroyed):
            break
    raise AudioFailed("lost", "the media channel has ended")


async def _connect(ari: Ari, media_id: str, rate: int) -> aiohttp.ClientWebSocketResponse:
    query = {
        "app": ari.settings.app,
        "channelId": media_id,
        "external_host": "INCOMING",
        "transport": "websocket",
        "encapsulation": "none",
        "connection_type": "server",
        "format": FORMATS[rate],
        "transport_data": "f(json)",
    }
    try:
        raw = await ari.request("POST", "channels/externalMedia", query=query)
        connection = raw["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"]
        return await ari.media(connection)
    except Disconnected:
        raise
    except (AriError, KeyError, TypeError) as error:
        raise AudioFailed("refused", "Asterisk makes no media connection") from error


async def _end(
    ari: Ari,
    media_id: str,
    socket: aiohttp.ClientWebSocketResponse | None,
    carrying: asyncio.Task[None] | None,
) -> None:
    """The media channel is hung up first, made or just being made: a socket that closes does it too, but only where
    there was one, and in Asterisk's own time."""
    with suppress(AriError):
        await Channel(ari, media_id).hangup()
    if socket is not None:
        with suppress(aiohttp.ClientError, ConnectionError):
            await socket.close()
    if carrying is not None:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


async def _rate_of(channel: Channel) -> int:
    """8 kHz for a telephone that carries no more; nothing is gained by sending it twice as much."""
    formats = await channel.get_var("CHANNEL(audionativeformat)")
    return 8000 if not formats or any(name in formats for name in NARROW) else 16000
