"""A village's line, made of relays: so many kbit/s each way for everything together, a delay, and lost packets.

::

    the terminal -- 127.0.0.1:port (HTTP, sockets) and 127.0.0.2:video port (sound and picture) -- the house

Every byte towards the village waits in one queue, every byte from it in another. A datagram that would wait for longer
than the queue is lost, as in a router; a connection waits instead. Nothing of what the two say is changed, but that the
terminal is told of the bridge at 127.0.0.2.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any, Self

NEAR, FAR = b"127.0.0.1", b"127.0.0.2"
"""As long as each other: the frames in which the address stands stay as long as they were."""
_CHUNK = 1460
_HEAD = 40
"""Bytes of headers that go with every packet."""


class Way:
    """One direction."""

    def __init__(self, kbit: int, delay_ms: int, loss: float, queue_ms: int, chance: random.Random) -> None:
        self._s_per_byte = 8 / (kbit * 1000)
        self._delay_s = delay_ms / 1000
        self._loss = loss
        self._queue_s = queue_ms / 1000
        self._chance = chance
        self._free_s = 0.0
        self.bytes = 0
        self.lost = 0

    def arrives_s(self, size: int, *, droppable: bool) -> float | None:
        """When a packet that is sent now is there, by the loop's clock; None where it is lost."""
        now_s = asyncio.get_running_loop().time()
        begins_s = max(now_s, self._free_s)
        if droppable and (begins_s - now_s > self._queue_s or self._chance.random() < self._loss):
            self.lost += 1
            return None
        self._free_s = begins_s + (size + _HEAD) * self._s_per_byte
        self.bytes += size + _HEAD
        return self._free_s + self._delay_s

    async def room(self) -> None:
        """Until the queue is short enough for a connection to send more."""
        wait_s = self._free_s - asyncio.get_running_loop().time() - self._queue_s
        await asyncio.sleep(max(0.0, wait_s))


class ThinLine:
    """``async with ThinLine(http_port, video_port) as line:`` and the terminal goes to ``line.url``. The bridge must
    listen on 127.0.0.1 alone (``VIDEO_HOST``)."""

    def __init__(
        self,
        http_port: int,
        video_port: int,
        *,
        kbit: int = 150,
        delay_ms: int = 300,
        loss: float = 0.03,
        queue_ms: int = 600,
        seed: int = 12348,
    ) -> None:
        chance = random.Random(seed)
        self.up, self.down = (Way(kbit, delay_ms, loss, queue_ms, chance) for _ in range(2))
        self.loss = loss
        self._http_port, self._video_port = http_port, video_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._paths: dict[Any, asyncio.DatagramTransport] = {}
        self._server: asyncio.Server | None = None
        self._door: asyncio.DatagramTransport | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        address = (FAR.decode(), self._video_port)
        self._door, _ = await loop.create_datagram_endpoint(lambda: _Door(self), local_addr=address)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for transport in (self._door, *self._paths.values()):
            if transport is not None:
                transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- connections

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._http_port)
            pumps = [
                asyncio.create_task(_pump(reader, far_writer, self.up, _uncompressed)),
                asyncio.create_task(_pump(far_reader, writer, self.down, _elsewhere)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                far_writer.transport.abort()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    # ---- datagrams

    async def path(self, village: Any) -> asyncio.DatagramTransport:
        """The socket that stands for this one of the village's towards the bridge."""
        if village not in self._paths:
            loop = asyncio.get_running_loop()
            remote = ("127.0.0.1", self._video_port)
            made, _ = await loop.create_datagram_endpoint(lambda: _Path(self, village), remote_addr=remote)
            self._paths.setdefault(village, made)
        return self._paths[village]

    def from_village(self, data: bytes, village: Any) -> None:
        when_s = self.up.arrives_s(len(data), droppable=True)
        if when_s is not None:
            self._do(self._forward(data, village, when_s))

    async def _forward(self, data: bytes, village: Any, when_s: float) -> None:
        path = await self.path(village)
        await asyncio.sleep(when_s - asyncio.get_running_loop().time())
        path.sendto(data)

    def to_village(self, data: bytes, village: Any) -> None:
        when_s = self.down.arrives_s(len(data), droppable=True)
        door = self._door
        if when_s is not None and door is not None:
            asyncio.get_running_loop().call_at(
                when_s, lambda: door.is_closing() or door.sendto(data, village)
            )

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Door(asyncio.DatagramProtocol):
    def __init__(self, line: ThinLine) -> None:
        self._line = line

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._line.from_village(data, addr)


class _Path(asyncio.DatagramProtocol):
    def __init__(self, line: ThinLine, village: Any) -> None:
        self._line = line
        self._village = village

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._line.to_village(data, self._village)


def _uncompressed(data: bytes) -> bytes:
    """The page's wish to compress its sockets is not passed on: in what is packed no address can be changed."""
    if b"\r\nSec-WebSocket-Extensions:" not in data:
        return data
    return b"\r\n".join(
        line for line in data.split(b"\r\n") if not line.startswith(b"Sec-WebSocket-Extensions:")
    )


def _elsewhere(data: bytes) -> bytes:
    """The bridge's address, wherever the house names it."""
    return data.replace(NEAR, FAR)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way, change: Any) -> None:
    """In order, each piece when the line has carried it."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1_000)

    async def deliver() -> None:
        while True:
            when_s, data = await queue.get()
            await asyncio.sleep(when_s - loop.time())
            sink.write(data)
            await sink.drain()
            queue.task_done()

    delivering = asyncio.create_task(deliver())
    try:
        while data := await source.read(1 << 16):
            whole = change(data)
            for start in range(0, len(whole), _CHUNK):
                piece = whole[start : start + _CHUNK]
                await way.room()
                when_s = way.arrives_s(len(piece), droppable=False)
                assert when_s is not None
                await queue.put((when_s, piece))
        await queue.join()
    finally:
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering
