"""A volunteer on an ordinary telephone: called through the trunk, a key to answer, and no desk at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from switchboard.records.fold import ContactRecord
from tests.support.operator import Operator, TakenCall
from tests.support.phones import Caller
from tests.support.ports import free_port
from tests.support.prompts import MENU, OTHER, SURVEY, WAITING
from tests.support.rtp import RtpPeer
from tests.support.switchboard import Board, Switchboard, eventually

NUMBER = "13911112222"
PIN = "402917"
SERVICE = "12348900"


@dataclass
class Line:
    """The switchboard with a trunk to the network, and a volunteer v901 who has a telephone of their own."""

    switchboard: Switchboard
    operator: Operator

    async def seat(self) -> tuple[str, str]:
        seats = (await self.switchboard.snapshot()).seats
        return next(((seat.state, seat.reason) for seat in seats if seat.id == "v901/live"), ("offline", ""))

    async def wait_seat(self, state: str, reason: str | None = None, timeout: float = 10.0) -> None:
        async def there() -> bool:
            now = await self.seat()
            return now[0] == state and reason in (None, now[1])

        await eventually(there, timeout, f"v901 {state} {reason or ''}")

    async def sign_in(self, key: str = "1", *, pin: str = PIN, caller: str = NUMBER) -> None:
        """Call the service number, give the PIN, press a key."""
        async with Caller(self.switchboard.sip_port, caller, SERVICE) as phone:
            await phone.answered()
            await phone.rtp.hear(OTHER)
            await phone.rtp.press(pin + "#")
            await phone.rtp.wait_quiet()
            await phone.rtp.press(key)
            await phone.ended()

    @asynccontextmanager
    async def waiting_caller(self, number: str = "13800138000") -> AsyncIterator[Caller]:
        async with Caller(self.switchboard.sip_port, number) as caller:
            await caller.answered()
            await caller.rtp.hear(MENU, 10)
            await caller.rtp.press("2")
            yield caller


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    port = free_port("udp")
    trunk = {"host": "127.0.0.1", "port": port, "addresses": ["127.0.0.1/32"]}
    env = {
        "TRUNKS": json.dumps([trunk]),
        "SERVICE_NUMBER": SERVICE,
        "PHONE_RING_MS": "5000",
        "PHONE_ACCEPT_MS": "3000",
        "WRAP_UP_MS": "30000",
    }
    async with Switchboard(volunteers=1, env=env) as switchboard:
        async with switchboard.records() as records:
            await records.phones.store("v901", NUMBER, PIN)
        async with Operator(switchboard.sip_port, port=port) as operator:
            yield Line(switchboard, operator)


async def last_record(line: Line, count: int = 1) -> ContactRecord:
    """The record of the ``count``-th contact, all of them ended."""
    found = await line.switchboard.wait_ended(count)
    assert len(found) == count
    return found[-1]


async def nothing_left(line: Line) -> None:
    async def empty() -> bool:
        bridges = [bridge for bridge in await line.switchboard.ari("bridges") if bridge["channels"]]
        return not bridges and await line.switchboard.ari("channels") == []

    await eventually(empty, 5, "no channels and no bridge with anybody in it")
    assert (await line.switchboard.snapshot()).entries == ()


async def picked_up(phone: TakenCall, rtp: RtpPeer) -> None:
    """The volunteer picks up and hears what it is about."""
    phone.ring()
    phone.answer(rtp)
    await rtp.hear(OTHER)


async def talk(line: Line, board: Board) -> None:
    """One caller served by key, who hangs up first; the volunteer says with a key how it went."""
    async with RtpPeer() as rtp, line.waiting_caller() as caller:
        phone = await line.operator.rung()
        assert phone.number == NUMBER
        assert "12348" in phone.invite.get("From")
        assert "13800138000" not in phone.invite.text
        await caller.rtp.hear(WAITING, 10)
        assert (await line.seat())[0] == "reserved"
        await picked_up(phone, rtp)
        await rtp.press("1")
        await board.wait_stage("talking")
        caller.rtp.play_tone(600)
        rtp.play_tone(1200)
        await asyncio.gather(rtp.wait_tone(600), caller.rtp.wait_tone(1200))
        rtp.play_silence()
        caller.hang_up()
        await rtp.hear(OTHER, 15)
        await line.wait_seat("wrap_up")
        await rtp.press("2")
        await phone.ended()
        await line.wait_seat("available")


async def test_pressing_one_on_the_phone_takes_the_caller_and_no_number_is_shown(line: Line) -> None:
    await line.sign_in()
    await line.wait_seat("available")
    async with line.switchboard.board() as board:
        await talk(line, board)
        assert NUMBER not in json.dumps(board.items)
        assert NUMBER[3:7] not in json.dumps(board.items)
    record = await last_record(line)
    assert (record.agent, record.disposition, record.end_reason) == ("v901", "legal_aid", "completed")
    assert record.reservations == 1
    _, events = await line.switchboard.contact(record.id)
    assert NUMBER not in str(events)
    assert NUMBER not in line.switchboard.log()
    await nothing_left(line)

    async with RtpPeer() as rtp, line.waiting_caller("13800138001") as caller:
        phone = await line.operator.rung()
        await picked_up(phone, rtp)
        await rtp.press("1")
        caller.rtp.play_tone(600)
        await rtp.wait_tone(600)
        phone.hang_up()
        await caller.rtp.hear(SURVEY, 10)
        caller.hang_up()
        await caller.ended()
        await line.wait_seat("wrap_up")
    assert (await last_record(line, 2)).ended_by == "agent"
    await nothing_left(line)


async def test_whoever_does_not_press_one_has_not_taken_the_caller(line: Line) -> None:
    hows = ("machine", "wrong key", "busy", "no answer", "hung up at once")
    for count, how in enumerate(hows, 1):
        await line.sign_in()
        await line.wait_seat("available")
        async with RtpPeer() as rtp, line.waiting_caller() as caller:
            phone = await line.operator.rung()
            await not_taken(phone, rtp, how)
            await line.wait_seat("paused", "no_answer", 25)
            await phone.ended(25)
            entry = (await line.switchboard.snapshot()).entries[0]
            assert entry.state == "waiting", how
            caller.hang_up()
            await caller.ended()
        record = await last_record(line, count)
        assert (record.end_reason, record.agent, record.reservations) == ("abandoned_waiting", None, 1), how
        await nothing_left(line)


async def not_taken(phone: TakenCall, rtp: RtpPeer, how: str) -> None:
    if how == "busy":
        phone.refuse("486 Busy Here")
        return
    if how == "no answer":
        phone.ring()
        return
    await picked_up(phone, rtp)
    if how == "machine":
        rtp.play_tone(700)  # a greeting that talks
    elif how == "wrong key":
        await rtp.press("2")
    else:
        phone.hang_up()


async def test_a_caller_who_leaves_stops_the_phone(line: Line) -> None:
    await line.sign_in()
    for count, when in enumerate(("ringing", "the prompt"), 1):
        await line.wait_seat("available")
        async with RtpPeer() as rtp, line.waiting_caller() as caller:
            phone = await line.operator.rung()
            phone.ring()
            if when == "the prompt":
                await picked_up(phone, rtp)
            caller.hang_up()
            await caller.ended()
            await phone.ended()
            await line.wait_seat("available")
        assert (await last_record(line, count)).end_reason == "abandoned_waiting"
        await nothing_left(line)


async def test_who_signs_in_by_phone_is_known_by_number_and_pin_also_after_a_restart(line: Line) -> None:
    for number, pin in ((NUMBER, "999190"), ("13900139000", PIN)):
        async with Caller(line.switchboard.sip_port, number, SERVICE) as phone:
            await phone.answered()
            for _ in range(3):
                await phone.rtp.hear(OTHER)
                await phone.rtp.press(pin + "#")
                await phone.rtp.wait_quiet()
            assert await phone.ended() == "remote"
    assert (await line.seat())[0] == "offline"
    async with Caller(line.switchboard.sip_port, "anonymous", SERVICE) as phone:
        await phone.answered()
        await phone.rtp.hear(OTHER)
        for keys in (NUMBER + "#", PIN + "#", "2"):
            await phone.rtp.press(keys)
            await phone.rtp.wait_quiet()
        await phone.ended()
    await line.wait_seat("paused", "break")
    await line.sign_in("1")
    await line.wait_seat("available")
    await line.switchboard.kill()
    await line.switchboard.start()
    await line.wait_seat("available")
    async with line.switchboard.board() as board:
        await talk(line, board)
    await line.sign_in("0")
    await line.wait_seat("offline")
    await nothing_left(line)
