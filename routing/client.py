"""One pipelined line to the routing server.

Every step is one command and one reply, asked for by many contacts at once: all of them share one connection, in
the order in which they came, so that a step costs one write and one read. Time-outs, repetition and what a reply
means are the engine's.
"""

import asyncio
import ssl
from collections import deque
from typing import Any

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

ANSWER_S = 2.0
"""How long a reply may be owed before the line counts as lost."""
MOST_PENDING = 10_000
"""Replies that may be owed at a time; more would only pile up behind a server that does not answer."""
_LOOKS = 4
"""A late reply is given up at this many looks in a row: a process that stood still itself sees one of them only."""
_AWAY = ("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY ")
"""What a server says that will serve later, or elsewhere after a fail-over."""


class Client:
    """Commands to the server of a ``redis://``, ``rediss://`` or ``unix://`` address.

    Connects at the first command and anew after each loss. ``execute`` raises redis-py's ConnectionError or OSError
    when the server is away or silent for ``ANSWER_S`` (the command may or may not have happened) and ResponseError
    for its refusals.
    """

    def __init__(self, url: str) -> None:
        self._options: Any = parse_url(url)
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()

    async def execute(self, *command: str | int) -> Any:
        """Send one command and wait for its reply. A caller who gives up leaves the others undisturbed."""
        line = self._line
        if line is None or line.lost:
            line = await self._connect()
        reply = await line.ask(command)
        if isinstance(reply, hiredis.ReplyError):
            text = str(reply)
            if text.startswith(_AWAY):
                self.drop()
                raise RedisConnectionError(text)
            raise ResponseError(text)
        return reply

    def drop(self) -> None:
        """Give the connection up, with everything still owed on it: it may lead to nobody."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def aclose(self) -> None:
        """Close the connection."""
        self.drop()

    async def _connect(self) -> "_Line":
        async with self._connecting, asyncio.timeout(ANSWER_S):
            if self._line is not None and not self._line.lost:
                return self._line
            options, loop = self._options, asyncio.get_running_loop()
            if "path" in options:
                _, line = await loop.create_unix_connection(_Line, options["path"])
            else:
                host, port = options.get("host", "localhost"), options.get("port", 6379)
                _, line = await loop.create_connection(_Line, host, port, ssl=_encryption(options))
            try:
                await self._greet(line)
            except BaseException:
                line.close()
                raise
            self._line = line
            return line

    async def _greet(self, line: "_Line") -> None:
        options = self._options
        commands: list[tuple[str | int, ...]] = []
        if options.get("password"):
            name = (options["username"],) if options.get("username") else ()
            commands.append(("AUTH", *name, options["password"]))
        if options.get("db"):
            commands.append(("SELECT", options["db"]))
        for command in commands:
            reply = await line.ask(command)
            if isinstance(reply, hiredis.ReplyError):
                raise RedisConnectionError(f"{command[0]} was refused: {reply}")


class _Line(asyncio.Protocol):
    """One connection; replies come in the order of the commands."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(encoding="utf-8")
        self._owed: deque[asyncio.Future[Any]] = deque()
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self.lost = False

    def ask(self, command: tuple[str | int, ...]) -> asyncio.Future[Any]:
        if self.lost:
            raise RedisConnectionError("the connection was lost")
        if len(self._owed) >= MOST_PENDING:
            raise RedisConnectionError("too many commands wait for the server")
        reply: asyncio.Future[Any] = self._loop.create_future()
        self._owed.append(reply)
        if self._watch is None:
            self._watch = self._loop.call_later(ANSWER_S / _LOOKS, self._look, reply, 1)
        self._transport.write(hiredis.pack_command(command))  # pyright: ignore[reportArgumentType]  # its stub says 1-tuple
        return reply

    def _look(self, oldest: asyncio.Future[Any], times: int) -> None:
        """One timer for the whole line: is it still the same reply that is owed longest?"""
        self._watch = None
        if not self._owed:
            return
        times = times + 1 if self._owed[0] is oldest else 1
        if times > _LOOKS:
            self.close()
        else:
            self._watch = self._loop.call_later(ANSWER_S / _LOOKS, self._look, self._owed[0], times)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                owed = self._owed.popleft()
                if not owed.done():
                    owed.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        owed, self._owed = self._owed, deque()
        for reply in owed:
            if not reply.done():
                reply.set_exception(RedisConnectionError("the connection was lost"))


def _encryption(options: Any) -> ssl.SSLContext | None:
    """TLS as redis-py's address options say (``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``,
    ``ssl_cert_reqs``); None for a plain connection."""
    if options.get("connection_class") is not SSLConnection:
        return None
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
