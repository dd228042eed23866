"""The telephone network, message by message: whatever a trunk may send us, and telephones that we call through it.

A small SIP user agent over UDP (RFC 3261) whose every message can be bent: headers, SDP, order. Sound is an RtpPeer's.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Self, cast

from tests.support.rtp import RtpPeer

HOST = "127.0.0.1"
_ids = itertools.count(1)


class Message:
    """One SIP message, taken apart."""

    def __init__(self, text: str) -> None:
        self.text = text
        head, _, self.body = text.partition("\r\n\r\n")
        self.first, *self.lines = head.split("\r\n")

    def all(self, name: str) -> list[str]:
        return [
            line.partition(":")[2].strip()
            for line in self.lines
            if line.lower().startswith(f"{name.lower()}:")
        ]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def status(self) -> int:
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return self.get("CSeq").split()[-1] if self.status else self.first.split()[0]

    @property
    def sound_port(self) -> int:
        found = re.search(r"^m=audio (\d+)", self.body, re.MULTILINE)
        return int(found[1]) if found else 0


def sdp(
    port: int, codecs: Sequence[str] = ("8 PCMA/8000",), *, keys: bool = True, direction: str = "sendrecv"
) -> str:
    """An offer or answer; ``keys``: RFC 4733 is spoken."""
    maps = [*codecs, *(["101 telephone-event/8000"] if keys else [])]
    types = " ".join(each.split()[0] for each in maps)
    lines = ["v=0", f"o=- 1 {next(_ids)} IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP {types}", *(f"a=rtpmap:{each}" for each in maps), f"a={direction}"]
    return "\r\n".join(lines) + "\r\n"


class Operator(asyncio.DatagramProtocol):
    """`async with Operator(sip_port) as operator:` one address of the telephone network.

    ``port`` is where the switchboard's trunk calls; every such call becomes a ``Ringing`` in ``taken``.
    """

    def __init__(self, sip_port: int, *, port: int = 0) -> None:
        self._server = (HOST, sip_port)
        self._wanted = port
        self.calls: dict[str, PlacedCall | TakenCall] = {}
        self.taken: asyncio.Queue[TakenCall] = asyncio.Queue()
        self.others: asyncio.Queue[Message] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, self._wanted))
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in list(self.calls.values()):
            if not call.over.is_set():
                call.hang_up()
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def port(self) -> int:
        assert self._transport is not None
        return self._transport.get_extra_info("sockname")[1]

    def send(self, text: str | bytes) -> None:
        assert self._transport is not None
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        self._transport.sendto(data, self._server)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = Message(data.decode(errors="replace"))
        call = self.calls.get(message.get("Call-ID"))
        if call is not None:
            call.received(message)
        elif message.method == "INVITE" and not message.status:
            taken = self.calls[message.get("Call-ID")] = TakenCall(self, message)
            self.taken.put_nowait(taken)
        elif message.method == "OPTIONS" and not message.status:
            self.send(reply(message, "200 OK"))
        else:
            self.others.put_nowait(message)

    def place(self, dialled: str = "12348", caller: str = "13800138000", **bent: object) -> PlacedCall:
        """Send an INVITE; see PlacedCall for what can be bent."""
        call = PlacedCall(self, dialled, caller, **bent)  # pyright: ignore[reportArgumentType]
        self.calls[call.call_id] = call
        call.invite()
        return call

    def dismiss(self, message: Message) -> None:
        """End a call that nobody of ours placed: a final answer to something bent is acknowledged and hung up."""
        target = message.get("Contact").partition("<")[2].partition(">")[0]
        for number, method in (("1", "ACK"), ("2", "BYE")):
            kept = [f"{name}: {message.get(name)}" for name in ("From", "To", "Call-ID")]
            via = f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{secrets.token_hex(6)};rport"
            lines = [f"{method} {target} SIP/2.0", via, *kept, f"CSeq: {number} {method}", "Max-Forwards: 70"]
            self.send("\r\n".join([*lines, "Content-Length: 0", "", ""]))

    async def rung(self, timeout: float = 10.0) -> TakenCall:
        """The next call that comes to us through the trunk."""
        async with asyncio.timeout(timeout):
            return await self.taken.get()


class _Call:
    """What both directions share: the dialog, and its end."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.over = asyncio.Event()
        self.cause = ""
        self.cseq = 1
        self.seen: list[Message] = []
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self.call_id = ""
        self.mine = self.theirs = self.target = ""

    def request(
        self, method: str, body: str = "", *, cseq: int | None = None, extra: Sequence[str] = ()
    ) -> str:
        if cseq is None:
            self.cseq += 1
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {HOST}:{self.operator.port};branch=z9hG4bK{secrets.token_hex(6)};rport",
            f"From: {self.mine}",
            f"To: {self.theirs}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq or self.cseq} {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:net@{HOST}:{self.operator.port}>",
            *extra,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body.encode())}",
        ]
        return "\r\n".join([*lines, "", body])

    def hang_up(self) -> None:
        self.operator.send(self.request("BYE"))
        self.over.set()

    async def ended(self, timeout: float = 10.0) -> None:
        """Until the other side has ended the call."""
        async with asyncio.timeout(timeout):
            await self.over.wait()

    def asked(self, message: Message) -> None:
        """A request within the call."""
        if message.method == "BYE":
            self.cause = message.get("Reason")
            self.over.set()
        if message.method != "ACK":
            self.operator.send(reply(message, "200 OK"))

    async def again(self, body: str, *, extra: Sequence[str] = ()) -> Message:
        """A re-INVITE (hold, session refresh) and its final answer, acknowledged."""
        while not self._answers.empty():
            self._answers.get_nowait()
        self.operator.send(self.request("INVITE", body, extra=extra))
        number = self.cseq
        async with asyncio.timeout(5):
            while (answer := await self._answers.get()).status < 200:
                pass
        self.operator.send(self.request("ACK", cseq=number))
        return answer


class PlacedCall(_Call):
    """A caller. ``headers`` are added, ``offer`` replaces the SDP, ``from_`` the whole From header's value."""

    def __init__(
        self,
        operator: Operator,
        dialled: str,
        caller: str,
        *,
        offer: str | None = None,
        headers: Sequence[str] = (),
        from_: str | None = None,
        call_id: str | None = None,
        rtp_port: int = 9,
    ) -> None:
        super().__init__(operator)
        self.call_id = call_id or f"net-{secrets.token_hex(6)}"
        self.target = f"sip:{dialled}@{HOST}:{operator._server[1]}"
        self.mine = (from_ or f"<sip:{caller}@{HOST}>") + f";tag={secrets.token_hex(4)}"
        self.theirs = f"<sip:{dialled}@{HOST}>"
        self._offer = sdp(rtp_port) if offer is None else offer
        self._headers = headers
        self._invite = ""
        self._final: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.provisional = asyncio.Event()

    def invite(self) -> None:
        self._invite = self.request("INVITE", self._offer, cseq=1, extra=self._headers)
        self.operator.send(self._invite)

    def cancel(self) -> None:
        """CANCEL of the INVITE: the same Via and CSeq number (RFC 3261 section 9.1)."""
        head = self._invite.partition("\r\n\r\n")[0].split("\r\n")
        kept = [line for line in head if re.match(r"(Via|From|To|Call-ID|Max-Forwards):", line)]
        first = head[0].replace("INVITE", "CANCEL", 1)
        self.operator.send("\r\n".join([first, *kept, "CSeq: 1 CANCEL", "Content-Length: 0", "", ""]))

    def received(self, message: Message) -> None:
        self.seen.append(message)
        if not message.status:
            self.asked(message)
            return
        self._answers.put_nowait(message)
        if message.get("CSeq") != "1 INVITE":
            return
        if message.status < 200:
            self.provisional.set()
            return
        if 200 <= message.status < 300:
            self.theirs = message.get("To")
            self.target = message.get("Contact").partition("<")[2].partition(">")[0] or self.target
            self.operator.send(self.request("ACK", cseq=1))
        else:
            via = next(line for line in self._invite.split("\r\n") if line.startswith("Via:"))
            ack = self.request("ACK", cseq=1).split("\r\n")
            to = message.get("To")
            ack = [
                via if line.startswith("Via:") else f"To: {to}" if line.startswith("To:") else line
                for line in ack
            ]
            self.operator.send("\r\n".join(ack))
            self.over.set()
        if not self._final.done():
            self._final.set_result(message)

    async def final(self, timeout: float = 5.0) -> Message:
        """The final answer, acknowledged."""
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._final)

    async def answered(self, rtp: RtpPeer | None = None, timeout: float = 5.0) -> Message:
        """Until 200 OK; ``rtp`` sends to where its SDP says."""
        message = await self.final(timeout)
        assert message.status == 200, message.first
        if rtp is not None:
            rtp.remote = (HOST, message.sound_port)
        return message


class TakenCall(_Call):
    """A telephone in the network that the switchboard calls: an ordinary phone, an answering machine."""

    def __init__(self, operator: Operator, invite: Message) -> None:
        super().__init__(operator)
        self.invite = invite
        self.seen.append(invite)
        self.call_id = invite.get("Call-ID")
        self.mine = f"{invite.get('To')};tag={secrets.token_hex(4)}"
        self.theirs = invite.get("From")
        self.target = invite.get("Contact").partition("<")[2].partition(">")[0]
        self._answered = False

    @property
    def number(self) -> str:
        """Who was dialled."""
        return self.invite.first.split()[1].removeprefix("sip:").partition("@")[0]

    def reply(self, status: str, body: str = "") -> None:
        self.operator.send(reply(self.invite, status, body, to=self.mine, port=self.operator.port))

    def ring(self) -> None:
        self.reply("180 Ringing")

    def progress(self, rtp: RtpPeer) -> None:
        """Early media: 183 with SDP."""
        rtp.remote = (HOST, self.invite.sound_port)
        self.reply("183 Session Progress", sdp(rtp.port))

    def answer(self, rtp: RtpPeer) -> None:
        rtp.remote = (HOST, self.invite.sound_port)
        self._answered = True
        self.reply("200 OK", sdp(rtp.port))

    def refuse(self, status: str = "486 Busy Here") -> None:
        self.reply(status)
        self.over.set()

    def received(self, message: Message) -> None:
        self.seen.append(message)
        if message.status:
            self._answers.put_nowait(message)
        elif message.method == "CANCEL":
            self.operator.send(reply(message, "200 OK"))
            self.reply("487 Request Terminated")
            self.over.set()
        elif message.method == "INVITE" and message.get("CSeq") == self.invite.get("CSeq"):
            return  # sent again
        else:
            self.asked(message)


def reply(request: Message, status: str, body: str = "", *, to: str = "", port: int = 0) -> str:
    """An answer to a request, with its dialog's headers."""
    kept: Mapping[str, list[str]] = {
        name: request.all(name) for name in ("Via", "From", "To", "Call-ID", "CSeq")
    }
    lines = [f"SIP/2.0 {status}"]
    for name, values in kept.items():
        lines += [f"{name}: {to if name == 'To' and to else value}" for value in values]
    lines += [f"Record-Route: {value}" for value in request.all("Record-Route")]
    if port:
        lines.append(f"Contact: <sip:net@{HOST}:{port}>")
    if body:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])
