"""Cheap WebRTC peers for the video benchmark: real ICE checks, real DTLS, real SRTP, made-up VP8 and opus.

One process drives a few hundred of them: a peer is a socket, two SRTP sessions and a schedule. What comes in is
counted; one peer in four decrypts it, to read when it was sent.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aioice import stun
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from pylibsrtp import Error, Session

from video.dtls import fingerprint_of

AUDIO_BYTES, VIDEO_BYTES = 80, 1_000
AUDIO_EVERY_S, VIDEO_EVERY_S = 0.02, VIDEO_BYTES * 8 / 300_000
TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_KEY, _DELTA = bytes([0x10, 0x50, 0, 0]), bytes([0x10, 0x51, 0, 0])
_KEY_EVERY = 40


@dataclass(slots=True)
class Heard:
    packets: int = 0
    delays_ms: list[float] = field(default_factory=list)


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
        self.heard = Heard()
        self.target = ("127.0.0.1", 0)
        self.ufrag, self.password = secrets.token_hex(4), secrets.token_hex(12)
        self.audio_ssrc, self.video_ssrc = secrets.randbits(31) + 1, secrets.randbits(31) + 1
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", 0))  # noqa: S104  Janus listens where the machine has an address
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sent = 0
        self._measures = measures
        self._wire = Wire(self)
        self._dtls = RTCDtlsTransport(self._wire, [self.certificate])  # pyright: ignore[reportArgumentType]
        self._out: Session | None = None
        self._back: Session | None = None
        self._checked = asyncio.Event()
        self._number = {"audio": 0, "video": 0}
        self._transport_wide = 0
        self._due = {"audio": 0.0, "video": 0.0}
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
        self._out, self._back = self._dtls._tx_srtp, self._dtls._rx_srtp
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

    # ------------------------------------------------------------------ media

    def begin(self, now_s: float) -> None:
        """Phases of its own, so that not all send at once."""
        for kind, every in (("audio", AUDIO_EVERY_S), ("video", VIDEO_EVERY_S)):
            self._due[kind] = now_s + every * secrets.randbelow(1000) / 1000

    def send_due(self, now_s: float) -> None:
        if self._out is None or not self.sends:
            return
        while self._due["audio"] <= now_s:
            self._due["audio"] += AUDIO_EVERY_S
            self._send("audio", 111, self.audio_ssrc, 960, b"\xfc" + bytes(AUDIO_BYTES - 9))
        while self._due["video"] <= now_s:
            self._due["video"] += VIDEO_EVERY_S
            key = self._number["video"] % _KEY_EVERY == 0
            self._send(
                "video", 96, self.video_ssrc, 2_400, (_KEY if key else _DELTA) + bytes(VIDEO_BYTES - 12)
            )

    def _send(self, kind: str, payload_type: int, ssrc: int, step: int, payload: bytes) -> None:
        number = self._number[kind] = self._number[kind] + 1
        self._transport_wide = (self._transport_wide + 1) & 0xFFFF
        head = struct.pack(
            "!BBHII", 0x90, 0x80 | payload_type, number & 0xFFFF, number * step & 0xFFFFFFFF, ssrc
        )
        head += (
            b"\xbe\xde\0\2"
            + bytes([0x31])
            + struct.pack("!H", self._transport_wide)
            + bytes([0x10, 30, 0, 0, 0])
        )
        data = head + payload + struct.pack("!q", time.monotonic_ns())
        assert self._out is not None
        self.socket.sendto(self._out.protect(data), self.target)
        self.sent += 1

    def _readable(self) -> None:
        for _ in range(64):
            try:
                data = self.socket.recv(2048)
            except (BlockingIOError, ConnectionError):
                return
            first = data[0] if data else 0
            if 128 <= first < 192:
                if not 192 <= data[1] <= 223:
                    self._count(data)
            elif first < 4:
                self._stun(data)
            elif 20 <= first < 64:
                self._wire.queue.put_nowait(data)

    def _count(self, data: bytes) -> None:
        self.heard.packets += 1
        if not self._measures or self._back is None:
            return
        try:
            plain = self._back.unprotect(data)
        except Error:
            return
        (sent_ns,) = struct.unpack_from("!q", plain, len(plain) - 8)
        self.heard.delays_ms.append((time.monotonic_ns() - sent_ns) / 1e6)

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


async def drive(peers: Sequence[LoadPeer], seconds: float) -> float:
    """Let all send for so long; returns the seconds it really took."""
    begun_s = time.monotonic()
    for peer in peers:
        peer.begin(begun_s)
    while (now_s := time.monotonic()) - begun_s < seconds:
        for peer in peers:
            peer.send_due(now_s)
        await asyncio.sleep(0.005)
    return time.monotonic() - begun_s


def resident_kb(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def environment(**more: str) -> dict[str, Any]:
    return {**os.environ, **more}
