"""Telephones for tests: SIPp for the signalling, a socket for the sound, and a browser's SIP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from ivr.ari.client import new_id
from ivr.server.process import AsteriskServer

SCENARIOS = Path(__file__).with_name("sipp")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@contextlib.asynccontextmanager
async def sipp(
    server: AsteriskServer, scenario: str, *, port: int | None = None, **keys: str | int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One SIPp call by `<scenario>.xml`; keys fill its [names]. It is ended when the block is left."""
    command = ["sipp", f"127.0.0.1:{server.settings.ports.sip}", "-sf", str(SCENARIOS / f"{scenario}.xml")]
    command += [
        "-i",
        "127.0.0.1",
        "-p",
        str(port or free_udp_port()),
        "-m",
        "1",
        "-nostdin",
        "-timeout",
        "20s",
    ]
    # SIPp fills [authentication] from options of its own.
    command += [option for name, value in keys.items() for option in ("-key", name, str(value))]
    command += ["-au", str(keys.get("user", "")), "-ap", str(keys.get("password", ""))]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=server.settings.run_dir,
        env={**os.environ, "TERM": "dumb"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run_sipp(server: AsteriskServer, scenario: str, *, port: int | None = None, **keys: str) -> None:
    """Run the scenario to its end; AssertionError when something else came than it expects."""
    async with sipp(server, scenario, port=port, **keys) as process, asyncio.timeout(25):
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-2000:]


class Sound(asyncio.DatagramProtocol):
    """The sound side of a telephone: keeps what comes, sends keys (RFC 4733) to where it comes from."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.packets = 0
        self._peer: tuple[str, int] | None = None
        self._sequence = 1000
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Sound]:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        protocol._transport = transport
        try:
            yield protocol
        finally:
            transport.close()

    @property
    def port(self) -> int:
        assert self._transport is not None
        return self._transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._peer = addr
        if len(data) > 12 and data[1] & 0x7F == 8:
            self.packets += 1
            self.heard += data[12:]

    @property
    def loud(self) -> int:
        """How many bytes heard are not A-law silence."""
        return sum(1 for byte in self.heard if byte & 0x7F != 0x55 and byte & 0x7F != 0x54)

    async def press(self, key: str, *, held_ms: int = 100) -> None:
        """Send one key as telephone events, 50 packets a second, with the end told three times."""
        assert self._transport is not None
        assert self._peer is not None, "nothing was heard yet, so nobody to send to"
        event = "0123456789*#".index(key)
        start = self._sequence * 160
        durations = [*range(160, held_ms * 8 + 1, 160)]
        for number, duration in enumerate([*durations, *durations[-1:] * 3]):
            ended = number >= len(durations)
            marker = 0x80 if number == 0 else 0
            header = struct.pack("!BBHII", 0x80, marker | 101, self._sequence, start, 0x12348)
            payload = struct.pack("!BBH", event, (0x80 if ended else 0) | 10, duration)
            self._transport.sendto(header + payload, self._peer)
            self._sequence += 1
            await asyncio.sleep(0.02)


class _Phone:
    """A telephone's SIP: registers with digest and takes calls. How messages travel is the subclass' part."""

    via = ""
    address = ""

    def __init__(self, user: str) -> None:
        self.user = user
        self._sequence = 0
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._invites: asyncio.Queue[str] = asyncio.Queue()
        self.said_bye = False

    async def send(self, message: str) -> None:
        raise NotImplementedError

    async def received(self, message: str) -> None:
        """Sort what came: answers to our requests, calls, and what is answered with 200 without a thought."""
        if message.startswith("SIP/2.0"):
            self._answers.put_nowait(message)
        elif message.startswith("INVITE"):
            await self.invited(message)
        elif message.startswith(("OPTIONS", "BYE")):
            self.said_bye = self.said_bye or message.startswith("BYE")
            await self.answer(message, "200 OK")

    async def invited(self, invite: str) -> None:
        self._invites.put_nowait(invite)
        await self.answer(invite, "486 Busy Here")

    async def answer(self, request: str, status: str, sdp: str = "") -> None:
        head = request.partition("\r\n\r\n")[0].split("\r\n")
        kept = [line for line in head if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
        kept = [line + ";tag=us" if re.match(r"To:(?!.*tag=)", line) else line for line in kept]
        if sdp:
            kept += [f"Contact: <sip:{self.user}@{self.address}>", "Content-Type: application/sdp"]
        await self.send("\r\n".join([f"SIP/2.0 {status}", *kept, f"Content-Length: {len(sdp)}", "", sdp]))

    async def register(self, password: str) -> int:
        """Register; the final status."""
        refused = await self._send_register("")
        assert refused.startswith("SIP/2.0 401")
        found = dict(re.findall(r'(realm|nonce|opaque)="([^"]*)"', refused))
        one = _md5(f"{self.user}:{found['realm']}:{password}")
        two = _md5("REGISTER:sip:switchboard")
        response = _md5(f"{one}:{found['nonce']}:00000001:abc:auth:{two}")
        answer = await self._send_register(
            f'Authorization: Digest username="{self.user}", realm="{found["realm"]}", algorithm=MD5, '
            f'nonce="{found["nonce"]}", uri="sip:switchboard", response="{response}", qop=auth, nc=00000001, '
            f'cnonce="abc", opaque="{found.get("opaque", "")}"\r\n'
        )
        return int(answer.split()[1])

    async def _send_register(self, authorization: str) -> str:
        self._sequence += 1
        await self.send(
            "REGISTER sip:switchboard SIP/2.0\r\n"
            f"Via: SIP/2.0/{self.via} {self.address};branch={new_id('z9hG4bK')}\r\n"
            f"From: <sip:{self.user}@switchboard>;tag=1\r\nTo: <sip:{self.user}@switchboard>\r\n"
            f"Call-ID: phone-{self.user}\r\nCSeq: {self._sequence} REGISTER\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:{self.user}@{self.address};transport={self.via.lower()}>\r\nExpires: 120\r\n"
            f"{authorization}Content-Length: 0\r\n\r\n"
        )
        return await asyncio.wait_for(self._answers.get(), 5)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - SIP's digest


class BrowserPhone(_Phone):
    """The SIP side of a browser's softphone (RFC 7118). It shows the offer it is called with and is busy."""

    via = "WS"
    address = "df7jal.invalid"

    def __init__(self, web: aiohttp.ClientWebSocketResponse, user: str) -> None:
        super().__init__(user)
        self._web = web

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server: AsteriskServer, user: str) -> AsyncIterator[BrowserPhone]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{server.url}/ws", protocols=["sip"]) as web,
        ):
            phone = cls(web, user)
            reading = asyncio.create_task(phone._read())
            try:
                yield phone
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._web:
            await self.received(frame.data if isinstance(frame.data, str) else frame.data.decode())

    async def send(self, message: str) -> None:
        await self._web.send_str(message)

    async def offer(self) -> str:
        """The SDP of the next call."""
        return (await asyncio.wait_for(self._invites.get(), 5)).partition("\r\n\r\n")[2]


class DeskPhone(_Phone, asyncio.DatagramProtocol):
    """A desk telephone over UDP that answers every call at once; `sound` is its ear and mouth."""

    via = "UDP"

    def __init__(self, server: AsteriskServer, user: str, sound: Sound) -> None:
        super().__init__(user)
        self.sound = sound
        self._server = ("127.0.0.1", server.settings.ports.sip)
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server: AsteriskServer, user: str) -> AsyncIterator[DeskPhone]:
        loop = asyncio.get_running_loop()
        async with Sound.open() as sound:
            transport, phone = await loop.create_datagram_endpoint(
                lambda: cls(server, user, sound), local_addr=("127.0.0.1", 0)
            )
            phone._transport = transport
            phone.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
            try:
                yield phone
            finally:
                await asyncio.gather(*phone._tasks)
                transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self.received(data.decode()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, message: str) -> None:
        assert self._transport is not None
        self._transport.sendto(message.encode(), self._server)

    async def invited(self, invite: str) -> None:
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.sound.port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n"
        )
        await self.answer(invite, "200 OK", sdp)
