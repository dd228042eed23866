"""What the telephone network may send us, well-formed and not, against the whole switchboard; nothing is left."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator

import pytest

from switchboard.records.fold import ContactRecord
from tests.support import alaw
from tests.support.operator import HOST, Operator, PlacedCall, sdp
from tests.support.ports import free_port
from tests.support.prompts import ANNOUNCEMENT, MENU
from tests.support.rtp import RtpPeer
from tests.support.switchboard import Switchboard, eventually

EMOJI = "\U0001f4de\U0001f600"


class Wire:
    def __init__(self, switchboard: Switchboard, operator: Operator) -> None:
        self.switchboard, self.operator = switchboard, operator
        self.seen = 0

    async def new_record(self) -> ContactRecord:
        """The record of the one contact that has come since, ended."""
        self.seen += 1
        found = await self.switchboard.wait_ended(self.seen)
        assert len(found) == self.seen
        return found[-1]

    async def nothing_left(self) -> None:
        async def empty() -> bool:
            bridges = [bridge for bridge in await self.switchboard.ari("bridges") if bridge["channels"]]
            return not bridges and await self.switchboard.ari("channels") == []

        await eventually(empty, 10, "no channels and no bridge with anybody in it")
        assert (await self.switchboard.snapshot()).entries == ()

    async def short_call(self, call: PlacedCall) -> ContactRecord:
        """Answered, hung up by the caller, recorded."""
        await call.answered()
        call.hang_up()
        return await self.new_record()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    trunk = {
        "host": HOST,
        "port": free_port("udp"),
        "addresses": ["127.0.0.1/32"],
        "codecs": ["alaw", "ulaw", "g722", "opus"],
        "silent_s": 5,
    }
    async with (
        Switchboard(volunteers=0, env={"TRUNKS": json.dumps([trunk])}) as switchboard,
        Operator(switchboard.sip_port) as operator,
    ):
        yield Wire(switchboard, operator)


async def test_who_calls_is_the_operator_s_word_and_a_withheld_number_is_nobody_s(wire: Wire) -> None:
    identity = f"P-Asserted-Identity: <sip:+8613900139000@{HOST}>"
    cases: list[tuple[dict[str, object], str | None]] = [
        ({}, "13800138000"),
        ({"headers": [identity]}, "13900139000"),
        ({"headers": [identity, "Privacy: id"]}, None),
        ({"headers": [identity, "Privacy: none"]}, "13900139000"),
        ({"headers": ["Privacy: id"]}, None),
        ({"headers": ["Privacy: user;header;id"]}, None),
        ({"from_": '"Anonymous" <sip:anonymous@anonymous.invalid>'}, None),
        ({"from_": f'"Anonymous" <sip:anonymous@{HOST}>', "headers": [identity, "Privacy: id"]}, None),
        ({"caller": "+8613800138000"}, "13800138000"),
        ({"caller": "008613800138000"}, "13800138000"),
        ({"caller": "01085281700"}, "01085281700"),
        ({"caller": "+493012345678"}, "+493012345678"),
        ({"caller": "abcdefghijkl"}, None),
        ({"caller": "1" * 60}, None),
        ({"from_": f"<sip:{HOST}>"}, None),
        ({"from_": f'"{"n" * 400}" <sip:13800138000@{HOST}>'}, "13800138000"),
        ({"from_": f'"{EMOJI} <script>alert(1)</script>" <sip:13800138000@{HOST}>'}, "13800138000"),
        ({"from_": f'"a%0d%0aVia: evil" <sip:138%0d%0a@{HOST}>'}, None),
    ]
    for bent, caller in cases:
        record = await wire.short_call(wire.operator.place(**bent))  # pyright: ignore[reportArgumentType]
        assert record.caller == caller, bent
        assert record.end_reason == "abandoned_intake"
    assert "13900139000" not in wire.switchboard.log()
    await wire.nothing_left()


async def test_malformed_messages_are_refused_or_dropped_and_the_next_caller_is_served(wire: Wire) -> None:
    """After the torture tests of RFC 4475 (sections in brackets)."""
    good = wire.operator.place()
    await wire.short_call(good)
    invite = good._invite.replace(good.call_id, "torture-{}")
    tortures: list[bytes] = [
        invite.replace("SIP/2.0\r\n", "SIP/7.0\r\n", 1).encode(),  # [3.1.2.16]
        invite.replace("CSeq: 1 INVITE", "CSeq: 36893488147419103232 INVITE").encode(),  # [3.1.2.4]
        invite.replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS").encode(),  # [3.1.2.17]
        invite.replace("Max-Forwards: 70", "Max-Forwards: 300").encode(),  # [3.1.2.4]
        invite.replace("Content-Length: ", "Content-Length: -").encode(),  # [3.1.2.3]
        invite.replace("Content-Length: ", "Content-Length: 9999").encode(),  # [3.1.2.2]
        invite.replace("From: ", 'From: "unterminated ', 1).encode(),  # [3.1.2.6]
        invite.replace("INVITE sip:12348@", "INVITE  sip:12348@", 1).encode(),  # [3.1.2.9]
        invite.replace("INVITE sip:12348", "INVITE <sip:12348", 1).encode(),  # [3.1.2.7]
        invite.replace("INVITE sip:12348", "INVITE nobodyknowsthis:12348", 1).encode(),  # [3.3.3]
        invite.replace("To: ", "X-To: ", 1).encode(),  # [3.3.1]
        invite.replace("v=0", "v=zero").encode(),
        invite.replace("m=audio", "m=audio audio").encode(),
        invite.replace("Via: SIP/2.0/UDP", "Via: SIP/2.0/UDP;;,;,,", 1).encode(),  # [3.1.2.1]
        invite.encode()[: len(invite) // 2],
        b"\x00" * 500,
        b"INVITE",
        b"SIP/2.0 200 OK\r\n\r\n",
        bytes(range(256)) * 8,
        (invite.replace("Max-Forwards", "X-Long: " + "x" * 20_000 + "\r\nMax-Forwards")).encode(),
    ]
    for number, torture in enumerate(tortures):
        wire.operator.send(torture.replace(b"torture-{}", b"torture-%d" % number))
    answered = wire.operator.place(caller="13900139000")
    await answered.answered()
    answered.hang_up()

    async def served() -> bool:
        return any(contact.caller == "13900139000" for contact in await wire.switchboard.contacts())

    await eventually(served, 10, "the caller after the tortures")

    async def quiet() -> bool:
        while not wire.operator.others.empty():
            message = wire.operator.others.get_nowait()
            assert message.status < 600
            if (
                message.status == 200 and message.method == "INVITE"
            ):  # some of it is let in, and is an ordinary call
                wire.operator.dismiss(message)
        return await _all_ended(wire)

    await eventually(quiet, 45, "every record ended")
    await wire.nothing_left()


async def _all_ended(wire: Wire) -> bool:
    return all(contact.ended_ms is not None for contact in await wire.switchboard.contacts())


async def test_a_caller_may_hang_up_hold_refresh_or_fall_silent_at_any_moment(wire: Wire) -> None:
    wire.seen = 0
    at_once = wire.operator.place()
    at_once.cancel()  # before anything came back
    assert (await at_once.final()).status in (200, 487)
    if at_once._final.result().status == 200:
        at_once.hang_up()
    trying = wire.operator.place()
    async with asyncio.timeout(5):
        await trying.provisional.wait()
    trying.cancel()
    assert (await trying.final()).status in (200, 487)
    if trying._final.result().status == 200:
        trying.hang_up()
    await eventually(lambda: _all_ended(wire), 10, "every record ended")
    await wire.nothing_left()

    async with RtpPeer() as rtp:  # hold, back, refresh: the sound goes on
        held = wire.operator.place(rtp_port=rtp.port, headers=["Supported: timer", "Session-Expires: 90"])
        answer = await held.answered(rtp)
        assert "Session-Expires" in answer.text
        await rtp.hear(ANNOUNCEMENT)
        assert (await held.again(sdp(rtp.port, direction="sendonly"))).status == 200
        assert (await held.again(sdp(rtp.port))).status == 200
        assert (
            await held.again(sdp(rtp.port), extra=["Supported: timer", "Session-Expires: 90"])
        ).status == 200
        await rtp.hear(MENU, 10)
        held.hang_up()
    twice = wire.operator.place(
        call_id="the-same"
    )  # a second INVITE in the dialog's Call-ID is no second call
    await twice.answered()
    wire.operator.send(
        twice._invite.replace("branch=z9hG4bK", "branch=z9hG4bKx").replace("CSeq: 1 ", "CSeq: 1 ")
    )
    twice.hang_up()
    async with RtpPeer(sending=False) as rtp:  # no packet at all: ended after silent_s
        dead = wire.operator.place(rtp_port=rtp.port)
        await dead.answered(rtp)
        await dead.ended(20)
    await eventually(lambda: _all_ended(wire), 10, "every record ended")
    await wire.nothing_left()


def cng(ms: int) -> bytes:
    """A calling fax machine: 1100 Hz for 0.5 s, 3 s of silence (ITU-T T.30), A-law."""
    samples = [
        round(8000 * math.sin(2 * math.pi * 1100 * n / 8000)) if n % 28_000 < 4_000 else 0
        for n in range(ms * 8)
    ]
    return alaw.encode(samples)


async def test_a_fax_machine_is_told_in_words_and_ends_as_one(wire: Wire) -> None:
    async with RtpPeer() as rtp:
        fax = wire.operator.place(rtp_port=rtp.port)
        await fax.answered(rtp)
        rtp._sound, rtp._position = cng(3_500), 0
        await fax.ended(15)
    record = await wire.new_record()
    assert (record.end_reason, record.ended_by) == ("fax", "system")
    await wire.nothing_left()
