"""Message mode on the real Asterisk: what a caller says is kept, once, and answered by a click."""

from __future__ import annotations

import hashlib
import wave
from array import array
from pathlib import Path

import pytest

from switchboard.records.fold import ContactRecord
from tests.support.agents import ScriptedDesk, Volunteers
from tests.support.alaw import tone_share
from tests.support.callees import Callee
from tests.support.phones import Caller
from tests.support.promises import SPEECH, leave_one, message_of, rated, speak, staff_of, to_message_mode
from tests.support.prompts import AGREE, EMPTY, ENDING, MESSAGE, NOT_KEPT, PRESS_ONE, SAVED, SURVEY
from tests.support.switchboard import Switchboard, eventually


def sound_of(switchboard: Switchboard, record: ContactRecord) -> array[int]:
    """The samples of a message; file, row and hash fit together."""
    (recording,) = (one for one in record.recordings if one.id == record.id)
    path = switchboard.data_dir / "recordings" / recording.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == recording.sha256
    with wave.open(str(path)) as file:
        samples = array("h", file.readframes(file.getnframes()))
    assert len(samples) // 8 == recording.ms
    return samples


def is_tone(samples: array[int], hertz: int) -> bool:
    middle = list(samples[len(samples) // 2 - 4000 : len(samples) // 2 + 4000])
    return tone_share(middle, hertz) > 0.6


def spool(switchboard: Switchboard) -> list[Path]:
    return list((switchboard.data_dir / "run" / "recording").glob("msg-*"))


async def test_nobody_on_duty_is_told_at_once_and_a_message_is_kept(switchboard: Switchboard) -> None:
    async with Caller(switchboard.sip_port, "13800138100") as caller:
        await to_message_mode(caller)
        await speak(caller, 3.0)
        await caller.rtp.press("#")
        await caller.rtp.hear(AGREE)
        await caller.rtp.press("1")
        await caller.rtp.hear(SAVED)
        message = await message_of(switchboard)  # durable before it is said
        assert is_tone(sound_of(switchboard, message), SPEECH)
        assert await caller.ended(20) == "remote"
    call = next(one for one in await switchboard.wait_ended(1) if one.medium == "call")
    assert (call.end_reason, call.ended_by, call.queued_ms) == ("message_left", "caller", None)
    message = await message_of(switchboard)
    assert (message.origin, message.caller, message.matter) == (call.id, "13800138100", "labour")
    assert (message.stage, message.arrived_ms) == ("waiting", call.arrived_ms)
    assert message.due_ms is not None
    assert message.due_ms > message.arrived_ms + 2 * 86_400_000
    assert message.code is not None
    assert spool(switchboard) == []


async def test_a_message_is_heard_again_and_said_anew(switchboard: Switchboard) -> None:
    async with Caller(switchboard.sip_port, "13800138101") as caller:
        await to_message_mode(caller)
        await speak(caller, 3.0)
        await caller.rtp.press("#")
        await caller.rtp.hear(AGREE)
        await caller.rtp.press("2")
        await caller.rtp.hear(SPEECH, seconds=0.3)  # one's own words
        await caller.rtp.hear(AGREE)
        await caller.rtp.press("3")
        await caller.rtp.hear(MESSAGE)
        await speak(caller, 3.0, 1200)
        await caller.rtp.press("#")
        await caller.rtp.hear(AGREE)
        await caller.rtp.press("1")
        await caller.rtp.hear(SAVED)
    assert is_tone(sound_of(switchboard, await message_of(switchboard)), 1200)
    assert spool(switchboard) == []


async def test_silence_is_no_message(switchboard: Switchboard) -> None:
    async with Caller(switchboard.sip_port, "13800138102") as caller:
        await to_message_mode(caller)
        await caller.rtp.hear(EMPTY)
        await caller.rtp.hear(MESSAGE)
        await caller.rtp.hear(NOT_KEPT)
        assert await caller.ended(10) == "remote"
    (call,) = await switchboard.wait_ended(1)
    assert (call.end_reason, call.medium) == ("no_agent", "call")

    async def emptied() -> bool:
        return spool(switchboard) == []

    await eventually(emptied, 40, "the empty tries gone")


async def test_a_long_message_is_warned_and_cut_and_the_warning_is_not_in_it(
    switchboard: Switchboard,
) -> None:
    async with Caller(switchboard.sip_port, "13800138103") as caller:
        await to_message_mode(caller)
        caller.rtp.play_tone(SPEECH)
        await caller.rtp.hear(ENDING, 15)  # two seconds left
        await caller.rtp.hear(AGREE, 15)
        caller.rtp.play_silence()
        await caller.rtp.press("1")
        await caller.rtp.hear(SAVED)
    message = await message_of(switchboard)
    samples = sound_of(switchboard, message)
    assert 7_000 <= message.recordings[0].ms <= 9_000
    end = list(samples[-8000 * 2 : -4000])
    assert tone_share(end, SPEECH) > 0.6
    assert tone_share(end, ENDING) < 0.05


@pytest.mark.parametrize("moment", ["before", "speaking", "choosing", "saved"])
async def test_hanging_up_keeps_what_was_said(switchboard: Switchboard, moment: str) -> None:
    async with Caller(switchboard.sip_port, "13800138104") as caller:
        await to_message_mode(caller)
        if moment != "before":
            await speak(caller, 3.5)
        if moment in ("choosing", "saved"):
            await caller.rtp.press("#")
            await caller.rtp.hear(AGREE)
        if moment == "saved":
            await caller.rtp.press("1")
            await caller.rtp.hear(SAVED)
        caller.hang_up()
        await caller.ended()
    call = next(one for one in await switchboard.wait_ended(1) if one.medium == "call")
    if moment == "before":
        assert call.end_reason == "abandoned_intake"
        assert [one.medium for one in await switchboard.contacts()] == ["call"]
        return
    assert call.end_reason == "message_left"
    message = await message_of(switchboard)
    assert is_tone(sound_of(switchboard, message), SPEECH)
    _, events = await switchboard.contact(message.id)
    (promised,) = (event for event in events if event.kind == "promised")
    assert promised.data["confirmed"] is (moment == "saved")


# ---- answering


async def test_a_message_is_answered_by_one_click(home: Callee, switchboard: Switchboard) -> None:
    message = await leave_one(switchboard)
    async with staff_of(switchboard) as staff, switchboard.board() as board:
        (desk,) = staff.desks
        await desk.until(lambda d: d.messages, what="the message on the desk")
        (row,) = desk.messages
        assert (row["id"], row["state"], row["attempts"]) == (message.id, "assigned", 0)
        assert row["seconds"] >= 2
        async with switchboard.sign_in(*switchboard.accounts[0]) as http, http.get(row["listen"]) as sound:
            assert sound.status == 200
            assert hashlib.sha256(await sound.read()).hexdigest() == message.recordings[0].sha256
        async with switchboard.sign_in(*switchboard.accounts[1]) as http, http.get(row["listen"]) as sound:
            assert sound.status == 404  # not theirs
        await desk.command("call_message", contact=message.id)
        rung = await home.rung()
        assert rung.rest[0] == "13800138105"
        await desk.wait_state("in_contact")
        talk = await home.answered()
        await board.until(lambda b: b.items[f"contact/{message.id}"]["stage"] == "calling", what="calling")
        await home.rtp.hear(PRESS_ONE)
        await home.rtp.press("1")
        await desk.wait_contact("talking")
        await desk.hang_up()
        await home.rtp.hear(SURVEY)
        await home.rtp.press("1")
        await rated(switchboard, message.id)
        home.hang_up(talk.call_id)
        await home.ended()
        await desk.wait_contact("wrap_up")
        await desk.command("finish_message", contact=message.id, disposition="advised", note="已答复")
        await desk.until(lambda d: not d.messages, what="an empty list")
        await desk.wait_state("available")
    (record, _) = await switchboard.contact(message.id)
    assert (record.end_reason, record.agent, record.attempts) == ("completed", "v901", 1)
    assert (record.disposition, record.note, len(record.survey)) == ("advised", "已答复", 1)
    assert {one.id for one in record.recordings} == {message.id, f"rec-{message.id}"}
    assert record.final
    assert home.rings() == 1


async def test_a_machine_is_not_reached_and_after_three_calls_it_is_given_up(
    home: Callee, switchboard: Switchboard
) -> None:
    message = await leave_one(switchboard)
    async with staff_of(switchboard) as staff:
        (desk,) = staff.desks
        for attempt in range(1, 4):
            await desk.until(
                lambda d, n=attempt: d.messages and d.messages[0]["attempts"] == n - 1, 20, f"try {attempt}"
            )
            await desk.wait_state("available")
            await desk.command("call_message", contact=message.id)
            await home.answered(nth=attempt)  # says nothing, presses nothing
            await home.ended(20, nth=attempt)
            await desk.until(lambda d: not d.messages, what="an empty list")
            await desk.wait_state("available")
    await switchboard.wait_ended(2)
    record, events = await switchboard.contact(message.id)
    assert (record.end_reason, record.attempts, record.talk_ms) == ("not_reached", 3, None)
    assert [e.data["how"] for e in events if e.kind == "called"] == ["not_confirmed"] * 3
    assert home.rings() == 3


async def test_who_signs_out_leaves_the_message_to_the_next(switchboard: Switchboard) -> None:
    message = await leave_one(switchboard)
    async with staff_of(switchboard, 2) as staff:
        first = await _holder(staff)
        (second,) = (desk for desk in staff.desks if desk is not first)
        await first.command("sign_out")
        await second.until(lambda d: d.messages, 15, "the message")
        await second.command("finish_message", contact=message.id, disposition="no_need", note="")
        await second.until(lambda d: not d.messages, what="an empty list")
    await switchboard.wait_ended(2)
    record, events = await switchboard.contact(message.id)
    assert (record.end_reason, record.disposition, record.final) == ("completed", "no_need", True)
    assert [e.data["agent"] for e in events if e.kind == "assigned"] == [first.name, second.name]


async def test_a_message_given_back_goes_to_somebody_else(switchboard: Switchboard) -> None:
    message = await leave_one(switchboard)
    async with staff_of(switchboard, 2) as staff:
        first = await _holder(staff)
        (second,) = (desk for desk in staff.desks if desk is not first)
        await first.command("return_message", contact=message.id, reason="not_mine")
        await second.until(lambda d: d.messages, 15, "the message")
        assert first.messages == []


async def _holder(staff: Volunteers) -> ScriptedDesk:
    """The desk that has the message."""

    async def given() -> bool:
        return any(desk.messages for desk in staff.desks)

    await eventually(given, 10, "a desk with the message")
    return next(desk for desk in staff.desks if desk.messages)
