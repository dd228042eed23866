"""A call-back whose caller is being rung while the switchboard is killed: one conversation, and no call too many."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from switchboard.records.fold import ContactRecord
from tests.support.agents import ScriptedDesk, Volunteers
from tests.support.operator import HOST, Operator, TakenCall
from tests.support.phones import Caller
from tests.support.ports import free_port
from tests.support.promises import PROMISES, book, callback_of, staff_of
from tests.support.prompts import PRESS_ONE, SURVEY
from tests.support.rtp import RtpPeer
from tests.support.switchboard import Switchboard

NUMBER = "13800138900"


@dataclass
class House:
    """A volunteer has accepted a call-back, and the caller's telephone rings."""

    switchboard: Switchboard
    network: Operator
    staff: Volunteers
    booked: ContactRecord
    ringing: TakenCall

    @property
    def desk(self) -> ScriptedDesk:
        return self.staff.desks[0]

    async def come_back(self) -> None:
        """The switchboard begins anew and the volunteer's page comes back; Asterisk still knows the telephone."""
        await self.switchboard.start()
        await self.desk.disconnect()
        await self.desk.connect()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with _ringing() as ringing:
        yield ringing


@asynccontextmanager
async def _ringing() -> AsyncIterator[House]:
    port = free_port("udp")
    trunk = json.dumps([{"addresses": [f"{HOST}/32"], "host": HOST, "port": port}])
    async with (
        Switchboard(volunteers=1, env=PROMISES | {"TRUNKS": trunk, "DIAL_MS": "60000"}) as switchboard,
        Operator(switchboard.sip_port, port=port) as network,
        staff_of(switchboard) as staff,
    ):
        (desk,) = staff.desks
        await desk.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, NUMBER) as caller:
            await book(caller)
            caller.hang_up()
            await caller.ended()
        await desk.ready()
        await desk.wait_reservation()
        await desk.accept()
        ringing = await network.rung()
        ringing.ring()
        yield House(switchboard, network, staff, await callback_of(switchboard), ringing)


async def talk(house: House, ringing: TakenCall) -> None:
    """The caller answers and presses the key; both talk; the caller rates it."""
    async with RtpPeer() as rtp:
        ringing.answer(rtp)
        await rtp.hear(PRESS_ONE)
        await rtp.press("1")
        await house.desk.wait_contact("talking")
        await house.desk.hang_up()
        await rtp.hear(SURVEY)
        ringing.hang_up()
    await house.desk.wait_contact("wrap_up")
    await house.desk.wrap_up("labour")
    await house.switchboard.wait_ended(2)


async def kinds(house: House) -> tuple[ContactRecord, list[str], list[object]]:
    """The record, its events' kinds, and how each call to the caller ended."""
    record, events = await house.switchboard.contact(house.booked.id)
    return record, [one.kind for one in events], [one.data["how"] for one in events if one.kind == "called"]


async def test_a_telephone_that_rings_on_is_answered_once_and_talked_to(house: House) -> None:
    await house.switchboard.kill()
    await house.come_back()
    assert not house.ringing.over.is_set()
    await talk(house, house.ringing)
    record, seen, ends = await kinds(house)
    assert ends == ["reached"]
    assert (seen.count("calling"), seen.count("connected"), seen.count("ended")) == (1, 1, 1)
    assert (record.attempts, record.end_reason, record.agent) == (1, "completed", "v901")
    assert house.network.taken.empty(), "nobody was called a second time"


async def test_a_telephone_that_gave_up_meanwhile_is_rung_again(house: House) -> None:
    await house.switchboard.kill()
    house.ringing.refuse("480 Temporarily Unavailable")
    await house.come_back()
    await house.desk.ready()
    await house.desk.wait_reservation(20)
    await house.desk.accept()
    again = await house.network.rung(20)
    assert again.number == NUMBER
    await talk(house, again)
    record, seen, ends = await kinds(house)
    assert ends == ["lost", "reached"]
    assert (seen.count("calling"), seen.count("connected"), seen.count("ended")) == (2, 1, 1)
    assert (record.attempts, record.end_reason) == (1, "completed"), (
        "what we lost is not the caller's attempt"
    )
    assert house.network.taken.empty()
