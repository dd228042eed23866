"""Volunteers' own telephones in the records."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from switchboard.errors import PhoneTaken, WeakPin
from switchboard.records import AgentRow, Records
from switchboard.records.people import is_fit_pin

NUMBER = "13800138000"
PIN = "402917"


@pytest.fixture
async def records(database_url: str) -> AsyncIterator[Records]:
    async with await Records.open(database_url) as opened:
        for agent in ("v001", "v002"):
            await opened.upsert_agent(AgentRow(agent, f"志愿者 {agent}", "lawyer"))
        yield opened


async def test_a_telephone_is_known_by_number_and_pin_only(records: Records) -> None:
    await records.phones.store("v001", NUMBER, PIN)
    assert await records.phones.verify_pin(NUMBER, PIN) == "v001"
    assert await records.phones.verify_pin(NUMBER, "402918") is None
    assert await records.phones.verify_pin("13900139000", PIN) is None
    assert await records.phones.verify_pin(None, PIN) is None
    assert NUMBER not in repr(await records.phone_of("v001"))


async def test_a_telephone_without_a_pin_signs_nobody_in(records: Records) -> None:
    await records.phones.store("v001", NUMBER, None)
    assert await records.phones.verify_pin(NUMBER, "") is None
    assert await records.phones.verify_pin(NUMBER, PIN) is None
    phone = await records.phone_of("v001")
    assert phone is not None
    assert not phone.has_pin


async def test_a_new_number_keeps_the_pin(records: Records) -> None:
    await records.phones.store("v001", NUMBER, PIN)
    await records.phones.store("v001", "13900139000", None)
    assert await records.phones.verify_pin("13900139000", PIN) == "v001"
    assert await records.phones.verify_pin(NUMBER, PIN) is None


async def test_two_volunteers_cannot_have_one_number(records: Records) -> None:
    await records.phones.store("v001", NUMBER, PIN)
    with pytest.raises(PhoneTaken):
        await records.phones.store("v002", NUMBER, PIN)


async def test_who_is_on_duty_by_telephone_is_kept(records: Records) -> None:
    await records.phones.store("v001", NUMBER, PIN)
    assert await records.phones.on_duty() == []
    await records.phones.set_duty("v001", "ready")
    assert [(phone.agent, phone.duty) for phone in await records.phones.on_duty()] == [("v001", "ready")]
    await records.phones.set_duty("v001", None)
    assert await records.phones.on_duty() == []
    assert await records.phones.remove("v001")
    assert await records.phone_of("v001") is None


@pytest.mark.parametrize(
    "pin", ["", "12345", "123456", "654321", "000000", "121212", "123123", "12345a", "1" * 13]
)
async def test_a_pin_that_everybody_tries_first_is_refused(records: Records, pin: str) -> None:
    assert not is_fit_pin(pin)
    with pytest.raises(WeakPin):
        await records.phones.store("v001", NUMBER, pin)
