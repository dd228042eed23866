"""Cheap WebRTC peers for the video benchmark: real ICE checks, real DTLS, real SRTP, made-up VP8 and opus.

A peer comes up in Python; its media is made and counted by one C thread for all of them (``video_load.c``), so that
the benchmark measures the bridge and not itself.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aioice import stun
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from pylibsrtp import Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp_lib

from video.dtls import fingerprint_of
from video.native.build import extension

TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_SEEN = "typedef struct load load;\n"
_CALLS = ("protect", "unprotect")
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of some seconds of talk. ``late``: packets that the generator itself sent over 20 ms too late."""

    took_s: float
    sent: int
    packets: int
    late: int
    delays_ms: list[float]


class Wire:
    """What RTCDtlsTransport asks of its transport."""

    role = "controlling"

    def __init__(self, peer: LoadPeer) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._peer = peer

    async def _recv(self) -> bytes:
        return await self.queue.get()

    async def _send(self, data: bytes) -> None:
        self._peer.socket.sendto(data, self._peer.target)


class LoadPeer:
    """One connection. ``offer`` or ``answer`` makes its description, ``connect`` brings it up."""

    certificate = RTCCertificate.generateCertificate()

    def __init__(self, sends: bool, *, measures: bool = False) -> None:
        self.sends = sends
        self.target = ("127.0.0.1", 0)
        self.ufrag, self.password = secrets.token_hex(4), secrets.token_hex(12)
        self.audio_ssrc, self.video_ssrc = secrets.randbits(31) + 1, secrets.randbits(31) + 1
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", 0))  # noqa: S104  Janus listens where the machine has an address
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.measures = measures
        self._wire = Wire(self)
        self._dtls = RTCDtlsTransport(self._wire, [self.certificate])  # pyright: ignore[reportArgumentType]
        self.out: Session | None = None
        self.back: Session | None = None
        self._checked = asyncio.Event()
        self._keep: asyncio.Task[None] | None = None
        self._remote = ("", "")

    # ------------------------------------------------------------------ descriptions

    def line(self, kind: str, mid: str, direction: str, setup: str, formats: Sequence[str] = ()) -> list[str]:
        payload = {"audio": "111", "video": "96"}[kind]
        out = [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload}" + (" 97" if kind == "video" else ""),
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {fingerprint_of(self.certificate)}",
            f"a=setup:{setup}",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            f"a=extmap:3 {TWCC}",
        ]
        if kind == "audio":
            out += ["a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 transport-cc", f"a=extmap:1 {LEVEL}"]
        else:
            out += [
                "a=rtpmap:96 VP8/90000",
                "a=rtpmap:97 rtx/90000",
                "a=fmtp:97 apt=96",
                f"a=extmap:2 {SEND_TIME}",
            ]
            out += [
                f"a=rtcp-fb:96 {one}" for one in ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")
            ]
        if direction == "sendonly":
            ssrc = self.audio_ssrc if kind == "audio" else self.video_ssrc
            out += [f"a=msid:load {kind}", f"a=ssrc:{ssrc} cname:load"]
        return out

    def description(self, lines: Sequence[tuple[str, str, str]], setup: str) -> str:
        """``lines``: kind, mid, direction."""
        out = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
        out += ["a=group:BUNDLE " + " ".join(mid for _, mid, _ in lines), "a=msid-semantic: WMS *"]
        for kind, mid, direction in lines:
            out += self.line(kind, mid, direction, setup)
        return "\r\n".join(out) + "\r\n"

    # ------------------------------------------------------------------ coming up

    async def connect(self, remote: str) -> None:
        """Check, shake hands, and be ready; ``remote`` is the other side's description."""

        def one(name: str) -> str:
            found = re.search(rf"^a={name}[: ](\S+)", remote, re.MULTILINE)
            return found[1] if found else ""

        candidate = re.search(
            r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", remote, re.M | re.I
        )
        if candidate is None:
            raise RuntimeError(f"no candidate in {remote}")
        self.target = (candidate[1], int(candidate[2]))
        self._remote = (one("ice-ufrag"), one("ice-pwd"))
        fingerprint = re.search(r"^a=fingerprint:(\S+) (\S+)", remote, re.M)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.socket.fileno(), self._readable)
        for _ in range(50):
            self._check()
            try:
                async with asyncio.timeout(0.2):
                    await self._checked.wait()
                break
            except TimeoutError:
                continue
        self._dtls._set_role("server" if one("setup") == "active" else "client")
        if fingerprint is None:
            raise RuntimeError("no fingerprint")
        async with asyncio.timeout(30):
            await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(fingerprint[1], fingerprint[2])]))
        if self._dtls.state != "connected":
            raise RuntimeError(f"DTLS {self._dtls.state}")
        self.out, self.back = self._dtls._tx_srtp, self._dtls._rx_srtp
        self._keep = asyncio.create_task(self._consent())

    async def _consent(self) -> None:
        while True:
            await asyncio.sleep(2)
            self._check()

    def _check(self) -> None:
        check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{self._remote[0]}:{self.ufrag}"
        check.attributes["PRIORITY"] = 1_853_824_767
        check.attributes["ICE-CONTROLLING"] = 7
        check.attributes["USE-CANDIDATE"] = None
        check.add_message_integrity(self._remote[1].encode())
        self.socket.sendto(bytes(check), self.target)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket.fileno())
        if self._keep is not None:
            self._keep.cancel()
        await self._dtls.stop()
        self.socket.close()

    def _readable(self) -> None:
        for _ in range(64):
            try:
                data = self.socket.recv(2048)
            except (BlockingIOError, ConnectionError):
                return
            self.take(data)

    def take(self, data: bytes) -> None:
        """A datagram that is no media."""
        first = data[0] if data else 0
        if first < 4:
            self._stun(data)
        elif 20 <= first < 64:
            self._wire.queue.put_nowait(data)

    def _stun(self, data: bytes) -> None:
        message = stun.parse_message(data)
        if message.message_class == stun.Class.RESPONSE:
            self._checked.set()
        elif message.message_class == stun.Class.REQUEST:
            answer = stun.Message(
                message_method=stun.Method.BINDING,
                message_class=stun.Class.RESPONSE,
                transaction_id=message.transaction_id,
                attributes={"XOR-MAPPED-ADDRESS": self.target},
            )
            answer.add_message_integrity(self.password.encode())
            self.socket.sendto(bytes(answer), self.target)


class Load:
    """``async with Load(peers) as load``: from then on C reads and writes their sockets."""

    def __init__(self, peers: Sequence[LoadPeer]) -> None:
        module = extension(
            "_video_load",
            _SEEN + (HERE / "video_load.h").read_text(),
            [HERE / "video_load.c"],
            [HERE / "video_load.h"],
            'typedef struct load load;\n#include <stdint.h>\n#include "video_load.h"',
        )
        self._ffi, self._lib = module.ffi, module.lib
        protect, unprotect = (self._pointer(srtp_ffi.addressof(srtp_lib, f"srtp_{one}")) for one in _CALLS)
        self._load = self._ffi.gc(self._lib.load_new(protect, unprotect), self._lib.load_free)
        self._peers = list(peers)
        self._passing: asyncio.Task[None] | None = None

    def _pointer(self, of: Any) -> Any:
        return self._ffi.cast("void *", int(srtp_ffi.cast("uintptr_t", of)))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for peer in self._peers:
            loop.remove_reader(peer.socket.fileno())
            host, port = peer.target
            assert peer.out is not None
            assert peer.back is not None
            added = self._lib.load_add(
                self._load,
                peer.socket.fileno(),
                int.from_bytes(socket.inet_aton(host), sys.byteorder),
                socket.htons(port),
                self._pointer(peer.out._srtp[0]),
                self._pointer(peer.back._srtp[0]),
                peer.sends,
                peer.measures,
                peer.audio_ssrc,
                peer.video_ssrc,
            )
            if added < 0:
                raise MemoryError
        self._lib.load_start(self._load)
        self._passing = asyncio.create_task(self._pass())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._passing is not None:
            self._passing.cancel()
        self._lib.load_stop(self._load)

    async def _pass(self) -> None:
        """What is no media goes to the peers in Python."""
        whose, room = self._ffi.new("int *"), self._ffi.new("uint8_t[]", 2048)
        while True:
            while size := self._lib.load_other(self._load, whose, room, 2048):
                self._peers[whose[0]].take(bytes(self._ffi.buffer(room, size)))
            await asyncio.sleep(0.05)

    async def talk(self, seconds: float) -> Heard:
        """Let all send for so long, and wait for what is still under way."""
        self._lib.load_reset(self._load)
        begun_s = time.monotonic()
        self._lib.load_sending(self._load, True)
        await asyncio.sleep(seconds)
        self._lib.load_sending(self._load, False)
        took_s = time.monotonic() - begun_s
        await asyncio.sleep(0.4)
        count = self._lib.load_delays(self._load, self._ffi.NULL, 0)
        delays = self._ffi.new("int64_t[]", max(1, count))
        count = self._lib.load_delays(self._load, delays, count)
        sent, heard, late = (
            call(self._load) for call in (self._lib.load_sent, self._lib.load_heard, self._lib.load_late)
        )
        return Heard(took_s, sent, heard, late, [one / 1e6 for one in delays[0:count]])


def resident_kb(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def environment(**more: str) -> dict[str, Any]:
    return {**os.environ, **more}
