"""A participant without a browser, on aiortc: for tests and for simulated terminals.

It speaks protocol.md as a page does: a socket that comes back by itself, one peer, lines on which it receives, a new
peer whenever the old one is no good. aiortc decodes what it receives in a thread for each track, so this is a
participant or two for a machine, not a load generator.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import structlog
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from video.messages import VERSION
from video.signalling import CLOSED

log = structlog.get_logger(__name__)

_ANSWER_S = 15.0
_AGAIN_S = (0.2, 2.0)
_KEPT_SOUND = 50


class Refused(Exception):
    """The bridge said no; ``code`` is one of protocol.md."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(slots=True)
class Received:
    """What came in on one line: frames counted, the last second of sound and the last picture kept."""

    kind: str
    frames: int = 0
    sound: deque[AudioFrame] = field(default_factory=lambda: deque(maxlen=_KEPT_SOUND))
    picture: VideoFrame | None = None


class VideoClient:
    """``async with VideoClient(url, token, microphone=..., camera=...) as client`` stays in the room until left.

    ``url`` is ``ws://host:port/video/ROOM``. ``view`` is the last ``room`` frame, ``slots`` who is on which line,
    ``ended`` the code with which the bridge ended it, ``heard`` gets every other frame.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        microphone: MediaStreamTrack | None = None,
        camera: MediaStreamTrack | None = None,
        heard: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.id = ""
        self.view: dict[str, Any] = {}
        self.slots: list[dict[str, Any]] = []
        self.received: dict[str, Received] = {}
        self.ended: str | None = None
        self.peers_made = 0
        self.cut = False
        """Stays silent on the socket, as if the network were gone."""
        self._url = url
        self._token = token
        self._tracks = [("microphone", microphone), ("camera", camera)]
        self._heard = heard
        self._resume = ""
        self._number = 0
        self._socket: ClientWebSocketResponse | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._peer: RTCPeerConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sinks: dict[MediaStreamTrack, str] = {}
        self._negotiating = asyncio.Lock()
        self._main: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._main = asyncio.create_task(self._stay())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._main is not None:
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)
        await self._close_peer()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def state(self) -> str:
        """Of the peer: new, connecting, connected, failed, closed."""
        return self._peer.connectionState if self._peer else "new"

    def of(self, participant: str, what: str = "camera") -> Received | None:
        """What came in of somebody; None while no line is theirs."""
        for slot in self.slots:
            if slot["participant"] == participant and slot["what"] == what:
                return self.received.get(slot["mid"])
        return None

    async def ask(self, kind: str, /, **fields: Any) -> dict[str, Any]:
        """Send a frame and wait for its answer. Raises Refused, ConnectionError, TimeoutError."""
        self._number += 1
        number = self._number
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send({"type": kind, "id": number, **fields})
            async with asyncio.timeout(_ANSWER_S):
                return await self._asked[number]
        finally:
            self._asked.pop(number, None)

    async def leave(self) -> None:
        """Give the place up."""
        self.ended = "left"
        with contextlib.suppress(ConnectionError):
            await self._send({"type": "leave"})

    # ------------------------------------------------------------------ the socket

    async def _stay(self) -> None:
        pause_s = _AGAIN_S[0]
        async with ClientSession() as session:
            while self.ended is None:
                try:
                    async with session.ws_connect(self._url, max_msg_size=1 << 20) as self._socket:
                        pause_s = _AGAIN_S[0]
                        await self._talk(self._socket)
                except (ClientError, OSError, TimeoutError):
                    pause_s = min(_AGAIN_S[1], pause_s * 2)
                finally:
                    for waiting in self._asked.values():
                        if not waiting.done():
                            waiting.set_exception(ConnectionError("closed"))
                if self.ended is None:
                    await asyncio.sleep(pause_s)

    async def _talk(self, socket: ClientWebSocketResponse) -> None:
        await self._send(
            {"type": "hello", "v": VERSION, "id": 0, "token": self._token, "resume": self._resume}
        )
        beating = asyncio.create_task(self._beat())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and not self.cut:
                    self._take(json.loads(message.data))
            if socket.close_code == CLOSED:
                self.ended = self.ended or "closed"
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self._send({"type": "heartbeat"})

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._socket is None or self._socket.closed:
            raise ConnectionError("no socket")
        if not self.cut:
            await self._socket.send_json(frame)

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "welcome":
                self.id, self._resume = message["participant"], message["resume"]
                self._begin(self._fresh_peer)
            case "room":
                self.view = message
                self._begin(self._grow)
            case "slots":
                if message["peer"] == self.peers_made:
                    self.slots = message["slots"]
            case "peer" if message["state"] == "ended":
                self._begin(self._fresh_peer)
            case "error" if message["re"] not in self._asked:
                self.ended = message["code"]
        waiting = self._asked.get(message.get("re", 0))
        if waiting is not None and not waiting.done():
            if message["type"] == "error":
                waiting.set_exception(Refused(message["code"]))
            else:
                waiting.set_result(message)
        elif self._heard is not None:
            self._heard(message)

    # ------------------------------------------------------------------ the peer

    def _begin(self, work: Callable[[], Any]) -> None:
        async def alone() -> None:
            async with self._negotiating:
                try:
                    await work()
                except (Refused, ConnectionError, TimeoutError) as error:
                    log.info("a negotiation ended early", error=type(error).__name__)

        task = asyncio.create_task(alone())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fresh_peer(self) -> None:
        await self._close_peer()
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._peer = RTCPeerConnection(configuration)
        self._peer.on("track", self._listen)
        self._peer.on("connectionstatechange", self._connected)
        self.peers_made += 1
        self.slots = []
        for _, track in self._tracks:
            if track is not None:
                self._peer.addTransceiver(track, direction="sendonly")
        self._add_lines()
        if self._peer.getTransceivers():
            await self._negotiate()

    def _connected(self) -> None:
        if self.state == "connected":
            self._begin(self._grow)

    async def _grow(self) -> None:
        """As many lines as the room has now. While aiortc still connects, an answer that brings lines would cross its
        steps and end them with an IndexError: then they are asked for as soon as it is connected."""
        peer = self._peer
        if peer is None or (peer.remoteDescription and self.state in ("new", "connecting")):
            return
        if self._add_lines():
            await self._negotiate()

    def _add_lines(self) -> bool:
        """As many receiving lines as the room asks for; False when there are enough."""
        grown = False
        peer = self._peer
        if peer is None:
            return False
        for kind, wanted in self.view.get("lines", {}).items():
            have = sum(one.kind == kind and one.direction == "recvonly" for one in peer.getTransceivers())
            for _ in range(have, wanted):
                peer.addTransceiver(kind, direction="recvonly")
                grown = True
        return grown

    async def _negotiate(self) -> None:
        peer = self._peer
        if peer is None:
            return
        await peer.setLocalDescription(await peer.createOffer())
        tracks = {
            one.mid: what
            for what, track in self._tracks
            for one in peer.getTransceivers()
            if track is not None and one.sender.track is track
        }
        answer = await self.ask("offer", peer=self.peers_made, sdp=peer.localDescription.sdp, tracks=tracks)
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    def _listen(self, track: MediaStreamTrack) -> None:
        transceiver = next(one for one in self._transceivers() if one.receiver.track is track)
        received = self.received[str(transceiver.mid)] = Received(track.kind)
        task = asyncio.create_task(self._drain(track, received))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _transceivers(self) -> list[RTCRtpTransceiver]:
        return self._peer.getTransceivers() if self._peer else []

    async def _drain(self, track: MediaStreamTrack, received: Received) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            received.frames += 1
            if isinstance(frame, AudioFrame):
                received.sound.append(frame)
            elif isinstance(frame, VideoFrame):
                received.picture = frame

    async def _close_peer(self) -> None:
        if self._peer is not None:
            peer, self._peer = self._peer, None
            self.received.clear()
            await peer.close()
