"""The front of a call on the real Asterisk: every way through the menu, with the words that were really played."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.hotline import SEEDS
from switchboard.calendar import Calendar
from switchboard.records.fold import ContactRecord
from switchboard.records.known_callers import KnownCaller
from switchboard.times import now_ms
from tests.support.agents import Manner, ScriptedDesk, Volunteers
from tests.support.phones import Caller
from tests.support.spoken import Spoken
from tests.support.switchboard import Switchboard, eventually

LAWYER, SUPERVISOR, OFFICER = "v903", "v901", "v902"
CLOSED = "12349"


def hotlines(folder: Path) -> Path:
    """The built-in hotline, and the same one on another number that opens tomorrow at nine."""
    text = (
        (SEEDS / "12348.toml")
        .read_text("utf-8")
        .replace('language = "zh"\n', 'language = "zh"\nfirst_key_ms = 2_000\n', 1)
    )
    tomorrow = Calendar().local(now_ms()) + dt.timedelta(days=1)
    hours = f'[[hours]]\ndays = ["{tomorrow:%a}"]\nopen = ["09:00-12:00"]\n'.lower()
    folder.mkdir()
    (folder / "12348.toml").write_text(text, "utf-8")
    (folder / f"{CLOSED}.toml").write_text(
        text.replace('number = "12348"', f'number = "{CLOSED}"', 1) + hours, "utf-8"
    )
    return folder


@dataclass
class House:
    switchboard: Switchboard
    spoken: Spoken
    desks: dict[str, ScriptedDesk]

    @asynccontextmanager
    async def call(self, number: str, keys: str = "", dialled: str = "12348") -> AsyncIterator[Caller]:
        """A caller who has heard the beginning of the menu and pressed; hangs up at the end."""
        async with Caller(self.switchboard.sip_port, number, dialled) as caller:
            await caller.answered()
            await self.spoken.wait_for(number, "language_choice")
            if keys:
                await caller.rtp.press(keys)
            yield caller
            caller.hang_up()
            await caller.ended()

    async def record(self, number: str) -> ContactRecord:
        """The one closed record of this caller."""
        found: list[ContactRecord] = []

        async def closed() -> bool:
            found[:] = [one for one in await self.switchboard.contacts() if one.caller == number]
            return len(found) == 1 and found[0].ended_ms is not None

        await eventually(closed, 15, f"one closed record of {number}")
        return found[0]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    env = {"HOTLINE_DIR": str(hotlines(tmp_path / "hotlines")), "WRAP_UP_MS": "2000"}
    skills = {"labour": 4, "debt": 3, "law_inquiry": 3, "rectification_prison": 4}
    roles = ("supervisor", "rectification_worker", "lawyer")
    async with Switchboard(volunteers=3, env=env, roles=roles, skills=skills) as switchboard:
        async with switchboard.records() as records:
            await records.known_callers.put([KnownCaller("13900000008", "servicemen", "test", now_ms())])
        async with (
            Spoken(switchboard) as spoken,
            Volunteers(
                switchboard.base_url, switchboard.sip_port, switchboard.accounts, manner=Manner()
            ) as staff,
        ):
            yield House(switchboard, spoken, {desk.name: desk for desk in staff.desks})


async def test_every_way_through_the_menu_is_spoken_as_it_should_and_stands_in_the_record(
    house: House,
) -> None:
    await asyncio.gather(
        second_level(house),
        information_then_a_person(house),
        information_then_hang_up(house),
        information_that_is_enough(house),
        english(house),
        closed(house),
        refusal(house),
    )
    await complaint(house)
    await priority_by_key(house)
    await priority_by_number(house)


async def second_level(house: House) -> None:
    number = "13900000001"
    async with house.call(number, "42"):
        await house.spoken.wait_for(number, "menu_traffic_accident_1", "next_in_line")
    record = await house.record(number)
    assert (record.matter, record.intake_how, record.end_reason) == ("debt", "key", "abandoned_waiting")
    assert house.spoken.words(number)[:3] == ["welcome", "recording_notice", "recording_refuse"]


async def information_then_a_person(house: House) -> None:
    number = "13900000002"
    async with house.call(number, "61") as caller:
        await house.spoken.wait_for(number, "info_prison", "info_prison_levels", "info_end")
        await caller.rtp.press("0")
        reservation = await house.desks[OFFICER].wait_reservation()
        assert reservation["card"]["matter"]["id"] == "rectification_prison"
    record = await house.record(number)
    assert (record.information, record.matter, record.end_reason) == (
        "prison",
        "rectification_prison",
        "abandoned_waiting",
    )


async def information_then_hang_up(house: House) -> None:
    number = "13900000003"
    async with house.call(number, "62"):
        await house.spoken.wait_for(number, "info_rehabilitation", "info_rehabilitation_levels")
    record = await house.record(number)
    assert (record.information, record.end_reason, record.ended_by) == (
        "rehabilitation",
        "information",
        "caller",
    )
    assert record.queued_ms is None


async def information_that_is_enough(house: House) -> None:
    number = "13900000004"
    async with Caller(house.switchboard.sip_port, number) as caller:
        await caller.answered()
        await house.spoken.wait_for(number, "language_choice")
        await caller.rtp.press("61")
        await house.spoken.wait_for(number, "info_prison")
        await caller.rtp.press("#")
        assert await caller.ended() == "remote"
    await house.spoken.wait_for(number, "goodbye")
    assert (await house.record(number)).end_reason == "information"


async def english(house: House) -> None:
    number = "13900000005"
    async with house.call(number, "9") as caller:
        await house.spoken.wait_for(number, "recording_notice", "menu_person_first", "menu_labour")
        await caller.rtp.press("2")
        await house.spoken.wait_for(number, "next_in_line")
    spoken = house.spoken.by_caller[number]
    chosen = spoken.index(("en", "recording_notice"))
    assert {language for language, _ in spoken[chosen:]} == {"en"}
    record = await house.record(number)
    assert (record.language, record.matter) == ("en", "labour")


async def closed(house: House) -> None:
    number = "13900000006"
    async with Caller(house.switchboard.sip_port, number, CLOSED) as caller:
        await caller.answered()
        await house.spoken.wait_for(number, "closed_hours", "closed_next", "time_0900", "closed_choices")
        await house.spoken.wait_for(number, "menu_labour")
        await caller.rtp.press("2")
        await caller.rtp.wait_quiet(0.1)
        caller.hang_up()
        await caller.ended()
    words = house.spoken.words(number)
    assert words.index("recording_refuse") < words.index("closed_hours")
    assert "menu_person_first" not in words
    record = await house.record(number)
    assert (record.matter, record.queued_ms, record.connected_ms) == ("labour", None, None)


async def refusal(house: House) -> None:
    number = "13900000007"
    async with house.call(number, "#2"):
        await house.spoken.wait_for(number, "recording_refused", "next_in_line")
    record = await house.record(number)
    assert (record.consent, record.matter, record.recordings) == (False, "labour", ())


async def complaint(house: House) -> None:
    number = "13900000009"
    async with house.call(number, "63"):
        reservation = await house.desks[SUPERVISOR].wait_reservation()
        assert reservation["card"]["matter"]["id"] == "service_complaint"
        await house.spoken.wait_for(number, "complaint_notice")
    assert (await house.record(number)).matter == "service_complaint"


async def priority_by_key(house: House) -> None:
    number = "13900000010"
    async with house.call(number, "712"):
        reservation = await house.desks[LAWYER].wait_reservation()
        assert (reservation["card"]["priority"], reservation["card"]["priority_reason"]) == (2, "over_80")
        await house.spoken.wait_for(number, "priority_which", "priority_given")
    record = await house.record(number)
    assert (record.priority, record.priority_reason) == (2, "over_80")


async def priority_by_number(house: House) -> None:
    """However the trunk writes the number, it is the one on the list."""
    written, number = "+8613900000008", "13900000008"
    async with house.call(written):
        await house.spoken.wait_for(written, "recording_refuse", "priority_given", "menu_labour")
        reservation = await house.desks[LAWYER].wait_reservation()
        assert (reservation["card"]["priority"], reservation["card"]["priority_reason"]) == (1, "servicemen")
        assert number[3:7] not in str(reservation["card"]["caller"])
    assert "menu_priority" not in house.spoken.words(written)
    record = await house.record(number)
    assert (record.priority, record.priority_reason, record.intake_how) == (1, "servicemen", "nothing")
