"""A bad line between a browser and the switchboard: connections that are cut, that stall, and that come back."""

from __future__ import annotations

import asyncio
from typing import Self

_CHUNK = 1 << 16


class _Line:
    """One connection. ``path`` is that of its first request."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.up, self.down = asyncio.Event(), asyncio.Event()
        self.up.set()
        self.down.set()
        self.writers: list[asyncio.StreamWriter] = []


class Relay:
    """`async with Relay(switchboard.http_port) as relay:` and browsers go to ``relay.port``.

    ``cut`` ends connections as a pulled cable on the server's side does, ``stall`` keeps them and carries nothing.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._lines: set[_Line] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def open(self, path: str) -> int:
        """How many connections to this path there are."""
        return len([line for line in self._lines if line.path == path])

    def cut(self, path: str, *, refuse: bool = False) -> None:
        """Ends every connection to this path; ``refuse``: new ones too, until ``free``."""
        self._refused = path if refuse else ""
        for line in list(self._lines):
            if line.path == path:
                for writer in line.writers:
                    writer.transport.abort()

    def stall(self, path: str, *, up: bool = True, down: bool = True) -> None:
        """Carries nothing more to the switchboard (up) or from it (down), and says nothing of it."""
        for line in self._lines:
            if line.path == path:
                if up:
                    line.up.clear()
                if down:
                    line.down.clear()

    def free(self) -> None:
        self._refused = ""
        for line in self._lines:
            line.up.set()
            line.down.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            first = await reader.read(_CHUNK)
            path = first.split(b" ", 2)[1].decode().partition("?")[0] if first.count(b" ") > 1 else ""
            if path and path == self._refused:
                return
            line = _Line(path)
            self._lines.add(line)
            try:
                await self._carry(line, first, reader, writer)
            finally:
                self._lines.discard(line)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(
        self, line: _Line, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        line.writers = [writer, far_writer]
        far_writer.write(first)
        pumps = [
            asyncio.create_task(_pump(reader, far_writer, line.up)),
            asyncio.create_task(_pump(far_reader, writer, line.down)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            far_writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event) -> None:
    while data := await source.read(_CHUNK):
        await flows.wait()
        sink.write(data)
        await sink.drain()
