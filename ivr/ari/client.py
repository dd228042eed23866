"""The one file that knows HTTP and Asterisk's event socket.

All call control goes over the event socket itself (Asterisk's "REST over WebSocket": RESTRequest and
RESTResponse frames): three times the requests of an HTTP pool for a fifth of the CPU, and requests are done
in the order they were made. HTTP is for downloads, the first probe, and what would hold up the socket.

What Asterisk does to a client that must be lived with (all measured):
- The socket is one queue. `answer`, setting a variable, `addChannel` and `removeChannel` wait while the
  channel plays or records, for minutes if need be, and every request of every call behind them waits too.
  These four therefore go aside, over HTTP, where each has a thread of its own (`aside=True`).
- Events that pass while the socket is away are never replayed. After every connect each follower is told
  what exists now (`Reconciled`) and judges for itself what it missed.
- A client that stops reading makes Asterisk refuse calls. So the reading task never waits for anything:
  callbacks are plain functions, queues are bounded, and who reads too slowly loses the queue and not the
  switchboard.
- Asterisk closes an old socket of ours in its own time, and when the new one was quicker it may switch our
  application off with a healthy socket ("Stasis app not active"; up to 9 of 150 reconnects within a
  millisecond). So we send ourselves a user event through Asterisk every second or two: no echo, new socket.
- A second client with our application's name makes this one deaf. It then stands down for good: two
  switchboards that took turns would each lose half of the calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import structlog
import yarl

from ivr.ari.events import (
    ApplicationReplaced,
    ChannelUserevent,
    Event,
    parse_bridge,
    parse_channel,
    parse_event,
)
from ivr.ari.following import EventStream, Follower, Followers, Reconciled
from ivr.errors import AriError, Disconnected, Overflowed, RequestTimedOut, StoodDown, from_status

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)
Query = Mapping[str, str | int | bool | None]

EVENTS = (
    "ApplicationMoveFailed",
    "ApplicationReplaced",
    "BridgeDestroyed",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ChannelEnteredBridge",
    "ChannelHangupRequest",
    "ChannelLeftBridge",
    "ChannelStateChange",
    "ChannelTalkingFinished",
    "ChannelTalkingStarted",
    "ChannelTransfer",
    "Dial",
    "PlaybackFinished",
    "RecordingFailed",
    "RecordingFinished",
    "RecordingStarted",
    "StasisEnd",
    "StasisStart",
)
"""The events Asterisk sends us; the others cost a third of our CPU and nobody looks at them."""

PHONE_EVENTS = ("ContactStatusChange", "EndpointStateChange", "PeerStatusChange")

BACK_OFF_S = (0.05, 2.0)
CONNECT_TIMEOUT_S = 5.0
GREETING_TIMEOUT_S = 2.0
HEARTBEAT_S = 5.0
HTTP_CONNECTIONS = 64
ECHO_EVENT = "switchboard-echo"
ECHO_AFTER_S = (0.05, 0.2, 0.5, 1.0)
ECHO_EVERY_S = 2.0
ECHO_TIMEOUT_S = 2.0
MAX_FRAME_BYTES = 32 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 256 * 1024 * 1024
MAX_IN_FLIGHT = 5000


def new_id(prefix: str) -> str:
    """An id for something we are about to make, such as "pb-5f0c...". Unique, of letters and digits."""
    return f"{prefix}-{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class AriSettings:
    """Where ARI is and what we want of it.

    `url` is the base address without a path. `events` are the event types to be sent about our channels and
    bridges. `phones` are the event sources that tell when phones come and go.
    """

    url: str
    username: str
    password: str
    app: str = "switchboard"
    events: tuple[str, ...] = EVENTS
    phones: tuple[str, ...] = ("endpoint:PJSIP",)
    request_timeout_s: float = 5.0
    queue_limit: int = 1000

    @property
    def phones_app(self) -> str:
        """The second application on the same socket, which hears of phones.

        Were the first to subscribe to endpoints, each event of their channels would come twice: a key pressed
        once would count twice.
        """
        return f"{self.app}-phones"


class Ari:
    """One application's line to Asterisk: `async with Ari(settings) as ari`.

    Entering starts connecting and returns at once; `wait_connected` waits. The socket is made again for ever
    (50 ms, doubling to 2 s). `state` is "connecting", "connected", "stood_down" (another client took our
    name: no more events, every request raises StoodDown, and only a new `Ari` changes that) or "closed".
    `heard`: events were seen to arrive on the present socket.
    """

    def __init__(self, settings: AriSettings) -> None:
        self.settings = settings
        self.state = "closed"
        self.heard = False
        self.startup_time: str | None = None
        self.on_reconciled: list[Callable[[Reconciled], Awaitable[None]]] = []
        self.on_stood_down: list[Callable[[], None]] = []
        self._http: aiohttp.ClientSession | None = None
        self._media: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._runner: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self._in_flight: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._callbacks: dict[type[Event], tuple[Callable[[Any], None], ...]] = {}
        self._echo = asyncio.Event()
        self._silent: set[str] = set()  # the applications an echo is awaited from
        self._followers = Followers()

    @property
    def connected(self) -> bool:
        return self.state == "connected"

    async def __aenter__(self) -> Ari:
        headers = {"Authorization": aiohttp.encode_basic_auth(self.settings.username, self.settings.password)}
        # Asterisk closes idle connections after 60 s; ours are given up sooner, so none is used while it
        # dies.
        connector = aiohttp.TCPConnector(limit=HTTP_CONNECTIONS, keepalive_timeout=30)
        self._http = aiohttp.ClientSession(headers=headers, connector=connector)
        self.state = "connecting"
        self._runner = asyncio.create_task(self._run(), name="ari")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        self._set_state("closed")
        self._followers.end(Disconnected("the client was closed"))
        for session in (self._http, self._media):
            if session is not None:
                await session.close()

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Return when requests can be made and what exists is known. Raises TimeoutError or StoodDown."""
        async with asyncio.timeout(timeout):
            while not self.connected:
                if self.state in ("stood_down", "closed"):
                    raise self._away("wait")
                await self._changed.wait()

    # --- asking --------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        aside: bool = False,
    ) -> Any:
        """One ARI request, such as ("POST", "channels/c1/answer"). Quote the path's parts with `segment`.

        Returns the decoded answer, None when it is empty. A None in `query` is left out. Raises NotFound
        (404), Conflict (409), Unprocessable (412, 422), AriError (any other), RequestTimedOut, Disconnected
        or StoodDown. After the last three it is not known whether it was done: ask again, which harms
        nothing when you chose the ids yourself. `aside` is for the few requests that Asterisk answers only
        when the channel has finished what it plays or records.
        """
        socket = self._socket
        if socket is None:
            raise self._away(f"{method} {path}")
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            raise Overflowed(f"{MAX_IN_FLIGHT} requests wait for an answer")
        timeout = timeout or self.settings.request_timeout_s
        if aside:
            return await self._ask_aside(method, path, query, body, timeout)
        return await self._ask(socket, method, path, query, body, timeout)

    async def _ask(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        method: str,
        path: str,
        query: Query | None,
        body: Mapping[str, Any] | None,
        timeout: float,
    ) -> Any:
        number = str(next(self._numbers))
        label = f"{method} {path.partition('/')[0]}"
        frame: dict[str, Any] = {"type": "RESTRequest", "request_id": number, "transaction_id": number}
        frame |= {"method": method, "uri": path}
        if query:
            frame["query_strings"] = [
                {"name": name, "value": _text(value)} for name, value in query.items() if value is not None
            ]
        if body is not None:
            frame |= {"content_type": "application/json", "message_body": json.dumps(body)}
        answer = asyncio.get_running_loop().create_future()
        self._in_flight[number] = answer
        try:
            async with asyncio.timeout(timeout):
                await socket.send_str(json.dumps(frame))
                response = await answer
        except TimeoutError:
            raise RequestTimedOut(f"no answer in {timeout} s", request=label) from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Disconnected(type(error).__name__, request=label) from error
        finally:
            del self._in_flight[number]
        return _result(
            response["status_code"], response["reason_phrase"], response.get("message_body"), label
        )

    async def _ask_aside(
        self, method: str, path: str, query: Query | None, body: Mapping[str, Any] | None, timeout: float
    ) -> Any:
        assert self._http is not None  # noqa: S101 - open while there is a socket
        label = f"{method} {path.partition('/')[0]}"
        url = yarl.URL(f"{self.settings.url}/ari/{path}", encoded=True)
        pairs = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._http.request(method, url, params=pairs, json=body, timeout=limit) as answer:
                return _result(answer.status, answer.reason or "", await answer.text(), label)
        except TimeoutError:
            raise RequestTimedOut(f"no answer in {timeout} s", request=label) from None
        except aiohttp.ClientError as error:
            raise Disconnected(type(error).__name__, request=label) from error

    def _away(self, label: str) -> Disconnected:
        if self.state == "stood_down":
            return StoodDown("another client has taken the application over", request=label)
        return Disconnected("the event socket is away", request=label)

    async def download(self, path: str, *, limit: int = MAX_DOWNLOAD_BYTES) -> bytes:
        """The bytes of "recordings/stored/NAME/file" and the like, over HTTP. Raises as `request` does."""
        if self._http is None:
            raise self._away("download")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
        try:
            async with self._http.get(f"{self.settings.url}/ari/{path}", timeout=timeout) as answer:
                if answer.status != 200:
                    raise from_status(answer.status, answer.reason or "", "download")
                content = await answer.content.read(limit + 1) if answer.content_length is None else b""
                if (answer.content_length or len(content)) > limit:
                    raise AriError(f"larger than {limit} bytes", request="download")
                return content or await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Disconnected(type(error).__name__, request="download") from error

    async def media(self, connection: str) -> aiohttp.ClientWebSocketResponse:
        """The socket of an external media channel (chan_websocket), by its MEDIA_WEBSOCKET_CONNECTION_ID.

        It lies on ARI's own address and is the caller's to close. Raises NotFound or Disconnected.
        """
        if self._http is None:
            raise self._away("media")
        if (
            self._media is None
        ):  # these stay open as long as calls, so they have no part in the pool of requests
            self._media = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        url = f"{self.settings.url}/media/{segment(connection)}"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._media.ws_connect(
                    url, protocols=("media",), compress=0, max_msg_size=1 << 16
                )
        except aiohttp.WSServerHandshakeError as error:
            raise from_status(error.status, "no such media connection", "media") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Disconnected(type(error).__name__, request="media") from error

    # --- being told ----------------------------------------------------------------------------------------

    def on(self, kind: type[E], callback: Callable[[E], None]) -> Callable[[], None]:
        """Call `callback` with each event of this type, from the reading task; it must return at once.

        Returns the function that ends it. What the callback raises is logged.
        """
        self._callbacks[kind] = (*self._callbacks.get(kind, ()), callback)

        def off() -> None:
            self._callbacks[kind] = tuple(it for it in self._callbacks.get(kind, ()) if it is not callback)

        return off

    def follow(self, *ids: str) -> EventStream:
        """A stream of the events about these channels, bridges, playbacks, recordings (names) and endpoints.

        Not a coroutine: it is in force when it returns. Follow first and make the thing after, under an id
        of your own (`new_id`), and no event is missed.
        """
        stream = EventStream(self, self.settings.queue_limit)
        self.attach(stream, *ids)
        return stream

    def attach(self, follower: Follower, *ids: str) -> None:
        """Tell `follower` of events about these ids, and of every reconnect, until `detach`."""
        if self.state in ("stood_down", "closed"):
            follower.fail(self._away("follow"))
            return
        self._followers.attach(follower, *ids)

    def detach(self, follower: Follower) -> None:
        self._followers.detach(follower)

    def _dispatch(self, event: Event) -> None:
        """Hand one event to everybody concerned. The reading task does it: nothing may wait."""
        for callback in self._callbacks.get(type(event), ()):
            try:
                callback(event)
            except Exception:
                log.exception("ari.callback_failed", type=type(event).__name__)
        self._followers.tell(event)
        if isinstance(event, ApplicationReplaced):
            self._stand_down()
        elif isinstance(event, ChannelUserevent) and event.eventname == ECHO_EVENT:
            self._silent.discard(event.application)
            if not self._silent:
                self._echo.set()

    def _stand_down(self) -> None:
        log.error("ari.stood_down", app=self.settings.app)
        self._set_state("stood_down")
        self._followers.end(StoodDown("another client has taken the application over"))
        for callback in self.on_stood_down:
            callback()

    def _set_state(self, state: str) -> None:
        if self.state != state:
            self.state = state
            self._changed.set()
            self._changed = asyncio.Event()

    # --- the socket ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Connect, read until the socket ends, and again."""
        pause = BACK_OFF_S[0]
        while self.state != "stood_down":
            try:
                async with self._connect() as socket:
                    await self._serve(socket)
                    if self.heard:
                        pause = BACK_OFF_S[0]
            except (aiohttp.ClientError, AriError, TimeoutError, OSError) as error:
                log.info("ari.not_connected", why=type(error).__name__, again_in_ms=int(pause * 1000))
            if self.state != "stood_down":
                await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads reconnects
                pause = min(pause * 2, BACK_OFF_S[1])

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        assert self._http is not None  # noqa: S101 - made before this task
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            socket = await self._http.ws_connect(
                f"{self.settings.url}/ari/events",
                params={"app": f"{self.settings.app},{self.settings.phones_app}"},
                heartbeat=HEARTBEAT_S,
                max_msg_size=MAX_FRAME_BYTES,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.5),  # pyright: ignore[reportCallIssue]
            )
        self._socket = socket
        self.heard = False
        try:
            yield socket
        finally:
            self._socket = None
            if self.state != "stood_down":
                self._set_state("connecting")
            for answer in self._in_flight.values():
                if not answer.done():
                    answer.set_exception(self._away("request"))
            await socket.close()

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read until the socket ends; meanwhile a second task says what we want and asks what exists."""
        attending = asyncio.create_task(self._attend(socket), name="ari-attend")
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._read(message.data)
                if self.state == "stood_down":
                    break
            log.info("ari.socket_ended", close_code=socket.close_code)
        finally:
            attending.cancel()
            await asyncio.gather(attending, return_exceptions=True)

    def _read(self, text: str) -> None:
        try:
            self._take(text)
        except Exception as error:
            # Whatever is odd about one frame, the reading goes on. It may hold a caller's number: it is not
            # logged.
            log.error("ari.frame_failed", why=type(error).__name__)

    def _take(self, text: str) -> None:
        frame = json.loads(text)
        if frame.get("type") == "RESTResponse":
            answer = self._in_flight.get(frame.get("request_id", ""))
            if answer is not None and not answer.done():
                answer.set_result(frame)
            return
        self._dispatch(parse_event(frame))

    async def _attend(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Beside the reading, for one socket's life: say what we want, ask what exists, test the line."""
        try:
            reconciled = await self._greet(socket)
        except (AriError, KeyError, TypeError) as error:
            log.warning("ari.greeting_failed", why=str(error))
            await socket.close()
            return
        self._set_state("connected")
        log.info("ari.connected", channels=len(reconciled.channels), restarted=reconciled.restarted)
        self._followers.tell_all(reconciled)
        callbacks = asyncio.create_task(
            self._tell_reconciled(reconciled, list(self.on_reconciled)), name="ari-reconciled"
        )
        try:
            await self._listen_for_echo(socket)
        finally:
            callbacks.cancel()
            await asyncio.gather(callbacks, return_exceptions=True)

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> Reconciled:
        """Say what we want to be told of, and ask what exists now."""

        async def ask(method: str, path: str, query: Query | None = None, body: Any = None) -> Any:
            return await self._ask(socket, method, path, query, body, GREETING_TIMEOUT_S)

        wanted = {self.settings.app: self.settings.events, self.settings.phones_app: PHONE_EVENTS}
        for app, events in wanted.items():
            # Without RESTResponse Asterisk would filter out its own answers, the one to this first.
            names = {"RESTResponse", "ApplicationReplaced", "ChannelUserevent", *events}
            allowed = [{"type": name} for name in sorted(names)]
            await ask("PUT", f"applications/{segment(app)}/eventFilter", body={"allowed": allowed})
        for source in self.settings.phones:
            path = f"applications/{segment(self.settings.phones_app)}/subscription"
            await ask("POST", path, {"eventSource": source})
        info = await ask("GET", "asterisk/info", {"only": "status"})
        channels = [parse_channel(raw) for raw in await ask("GET", "channels")]
        bridges = [parse_bridge(raw) for raw in await ask("GET", "bridges")]
        started = info["status"]["startup_time"]
        restarted = self.startup_time not in (None, started)
        self.startup_time = started
        by_id = {channel.id: channel for channel in channels}
        return Reconciled(
            self.settings.app, started, None, by_id, {bridge.id: bridge for bridge in bridges}, restarted
        )

    async def _tell_reconciled(
        self, reconciled: Reconciled, callbacks: list[Callable[[Reconciled], Awaitable[None]]]
    ) -> None:
        for callback in callbacks:
            try:
                await callback(reconciled)
            except Exception:
                log.exception("ari.reconcile_failed")

    async def _listen_for_echo(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send ourselves events through Asterisk; return, the socket closed, when one does not come back."""
        apps = {self.settings.app, self.settings.phones_app}
        for pause in itertools.chain(ECHO_AFTER_S, itertools.repeat(ECHO_EVERY_S)):
            await asyncio.sleep(pause)
            self._silent = set(apps)
            self._echo.clear()
            path, patience = f"events/user/{ECHO_EVENT}", self.settings.request_timeout_s
            try:
                for app in apps:
                    await self._ask(socket, "POST", path, {"application": app}, None, patience)
                async with asyncio.timeout(ECHO_TIMEOUT_S):
                    await self._echo.wait()
                self.heard = True
            except (AriError, TimeoutError) as error:
                log.warning("ari.deaf", why=str(error) or "no echo")
                await socket.close()
                return


def _result(status: int, reason: str, text: str | None, label: str) -> Any:
    """The decoded body of an answer, or the error it stands for."""
    result = json.loads(text) if text else None
    if status >= 400:
        said = result.get("message") or result.get("error") if isinstance(result, dict) else None
        raise from_status(status, said or reason, label)
    return result


def segment(text: str) -> str:
    """`text` as one part of a path."""
    return quote(text, safe="")


def _text(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def probe(url: str, username: str, password: str) -> dict[str, Any]:
    """`GET /asterisk/info` in one HTTP request: is an Asterisk there, which one, since when.

    `url` is the base address without a path. Raises Disconnected when nothing answers within 2 s, Refused
    for a wrong password, NotFound while Asterisk is still loading.
    """
    headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"{url}/ari/asterisk/info") as answer,
        ):
            if answer.status != 200:
                raise from_status(answer.status, answer.reason or "", "GET asterisk/info")
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Disconnected(type(error).__name__, request="GET asterisk/info") from error
