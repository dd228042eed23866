"""Talks that are handed on, recordings that leave secrets out, and the survey, on the real Asterisk."""

from __future__ import annotations

import asyncio
import json
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from switchboard.records.fold import ContactRecord
from tests.support import alaw
from tests.support.agents import DeskRefused, Manner, ScriptedDesk, Volunteers
from tests.support.leftovers import Leftovers, spooled
from tests.support.operator import Operator
from tests.support.phones import Caller
from tests.support.ports import free_port
from tests.support.rtp import RtpPeer
from tests.support.sipp import HOST, Sipp
from tests.support.spoken import Spoken
from tests.support.switchboard import Switchboard, eventually

RINGING_HZ = 450
TALKS = Manner(answer="accept", wrap_up_s=0.0)


class Outside:
    """The telephone network behind the trunk: whoever is called there. `answers` False: busy."""

    def __init__(self, sip_port: int, port: int, *, answers: bool = True, ring_ms: int = 300) -> None:
        self.rtp = RtpPeer()
        self._answers = answers
        self._wanted = (sip_port, port, ring_ms)

    async def __aenter__(self) -> Outside:
        await self.rtp.__aenter__()
        sip_port, port, ring_ms = self._wanted
        self.sipp = Sipp(
            "agents" if self._answers else "agents_refuse",
            sip_port,
            keys={"ring_ms": str(ring_ms)},
            port=port,
            rtp_port=self.rtp.port,
            server=True,
        )
        await self.sipp.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sipp.__aexit__()
        await self.rtp.__aexit__()

    async def rung(self) -> tuple[str, str]:
        """Until it rings: who is called, and the number that is shown."""
        event = await self.sipp.wait_event("ringing", 15)
        return event.rest[0], event.rest[1]

    async def answered(self) -> str:
        """Until it is answered; the call's id, for `hang_up`."""
        event = await self.sipp.wait_event("answered", 15)
        self.rtp.remote = (HOST, int(event.rest[0]))
        return event.call_id


@pytest.fixture
async def outside_port() -> int:
    return free_port()


@pytest.fixture
async def switchboard(outside_port: int) -> AsyncIterator[Switchboard]:
    trunk = {"addresses": ["127.0.0.1/32"], "host": "127.0.0.1", "port": outside_port}
    env = {"WRAP_UP_MS": "2000", "TRUNKS": json.dumps([trunk])}
    async with Switchboard(volunteers=1, env=env) as running:
        yield running


@asynccontextmanager
async def talking(
    switchboard: Switchboard, spoken: Spoken, number: str, keys: str
) -> AsyncIterator[tuple[Caller, ScriptedDesk]]:
    """A caller who pressed these keys and talks to the volunteer."""
    async with (
        Volunteers(switchboard.base_url, switchboard.sip_port, switchboard.accounts, manner=TALKS) as staff,
        Caller(switchboard.sip_port, number) as caller,
    ):
        await caller.answered()
        await spoken.wait_for(number, "language_choice")
        await caller.rtp.press(keys)
        (desk,) = staff.desks
        await desk.wait_contact("talking")
        yield caller, desk


async def until_handed(desk: ScriptedDesk, state: str) -> None:
    await desk.until(
        lambda d: d.contact is not None and (d.contact["hand_over"] or {}).get("state") == state,
        what=f"the other hotline {state}",
    )


async def only_record(switchboard: Switchboard) -> ContactRecord:
    (record,) = await switchboard.wait_ended(1)
    return record


# ---- another hotline


async def test_a_caller_is_put_through_to_another_hotline_and_the_call_ends_with_it(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001001"
    left = await Leftovers.before(switchboard)
    async with (
        Outside(switchboard.sip_port, outside_port, ring_ms=1_500) as other,
        Spoken(switchboard) as spoken,
        Caller(switchboard.sip_port, number) as caller,
    ):
        await caller.answered()
        await spoken.wait_for(number, "language_choice")
        await caller.rtp.press("64")
        assert await other.rung() == ("12345", "12348")
        await caller.rtp.wait_tone(RINGING_HZ, 0.2)
        call_id = await other.answered()
        caller.rtp.play_tone(600)
        other.rtp.play_tone(1200)
        await asyncio.gather(other.rtp.wait_tone(600), caller.rtp.wait_tone(1200))
        other.sipp.hang_up(call_id)
        await spoken.wait_for(number, "transfer_12345", "transfer_over", "goodbye")
        assert await caller.ended() == "remote"
    record = await only_record(switchboard)
    assert (record.end_reason, record.transferred_to, record.recordings) == ("transferred", "12345", ())
    await left.none_remain(switchboard)


async def test_a_hotline_that_does_not_answer_gives_the_caller_back_to_a_person(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001002"
    async with (
        Outside(switchboard.sip_port, outside_port, answers=False) as other,
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "65") as (caller, desk),
    ):
        assert await other.rung() == ("110", number)  # the police see who needs them
        await spoken.wait_for(number, "transfer_110", "transfer_failed")
        assert desk.contact is not None
        assert desk.contact["card"]["matter"]["id"] == "law_inquiry"
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.end_reason, record.transferred_to, record.agent) == ("completed", None, "v901")


async def test_a_caller_who_leaves_while_another_hotline_rings_stops_the_ringing(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001010"
    async with (
        Outside(switchboard.sip_port, outside_port, ring_ms=20_000) as other,
        Spoken(switchboard) as spoken,
        Caller(switchboard.sip_port, number) as caller,
    ):
        await caller.answered()
        await spoken.wait_for(number, "language_choice")
        await caller.rtp.press("64")
        await other.rung()
        caller.hang_up()
        await caller.ended()
        record = await only_record(switchboard)
        await nothing_left(switchboard)
    assert (record.end_reason, record.ended_by, record.transferred_to) == ("abandoned_intake", "caller", None)


async def test_a_volunteer_adds_another_hotline_and_leaves_both_talking(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001003"
    async with (
        Outside(switchboard.sip_port, outside_port) as other,
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "2") as (caller, desk),
    ):
        assert desk.contact is not None
        contact = desk.contact["id"]
        for wrong in ("119", "13800138000", "12345&PJSIP/900", ""):
            with pytest.raises(DeskRefused, match="no_such_hotline"):
                await desk.command("hand_over", contact=contact, to=wrong, three_way=True)
        await desk.command("hand_over", contact=contact, to="12345", three_way=True)
        call_id = await other.answered()
        await until_handed(desk, "joined")
        with pytest.raises(DeskRefused, match="third_party_here"):
            await desk.command("hand_over", contact=contact, to="110", three_way=False)
        await desk.hang_up()
        await desk.wait_state("available")  # the volunteer is free while they talk on
        caller.rtp.play_tone(600)
        other.rtp.play_tone(1200)
        await asyncio.gather(other.rtp.wait_tone(600), caller.rtp.wait_tone(1200))
        other.sipp.hang_up(call_id)
        await spoken.wait_for(number, "transfer_over", "survey_patient")
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.end_reason, record.transferred_to, record.agent) == ("completed", "12345", "v901")
    _, events = await switchboard.contact(record.id)
    (handed,) = [event.data for event in events if event.kind == "transferred"]
    assert (handed["by"], handed["answered"], handed["three_way"]) == ("agent", True, True)
    await nothing_left(switchboard)


async def test_a_blind_hand_over_takes_the_volunteer_out_only_once_it_is_answered(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001004"
    async with (
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "2") as (caller, desk),
    ):
        assert desk.contact is not None
        contact = desk.contact["id"]
        async with Outside(switchboard.sip_port, outside_port, answers=False):
            await desk.command("hand_over", contact=contact, to="12345", three_way=False)
            await until_handed(desk, "failed")
        assert desk.contact["stage"] == "talking"
        async with Outside(switchboard.sip_port, outside_port) as other:
            await desk.command("hand_over", contact=contact, to="12345", three_way=False)
            await other.answered()
            await desk.wait_state("available")
            other.rtp.play_tone(1200)
            await caller.rtp.wait_tone(1200)
            caller.hang_up()
            await caller.ended()
    record = await only_record(switchboard)
    assert (record.transferred_to, record.end_reason, record.ended_by) == ("12345", "completed", "caller")


async def test_a_hotline_that_still_rings_can_be_called_off(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001011"
    async with (
        Operator(switchboard.sip_port, port=outside_port) as network,
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "2") as (caller, desk),
    ):
        assert desk.contact is not None
        contact = desk.contact["id"]
        with pytest.raises(DeskRefused, match="nobody_rings"):
            await desk.command("call_off", contact=contact)
        await desk.command("hand_over", contact=contact, to="12345", three_way=False)
        ringing = await network.rung()
        ringing.ring()
        await desk.command("call_off", contact=contact)
        await ringing.ended()
        await until_handed(desk, "cancelled")
        assert desk.contact["stage"] == "talking"
        await desk.command("hand_over", contact=contact, to="110", three_way=True)  # and another may be asked
        (await network.rung()).refuse()
        await until_handed(desk, "failed")
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.transferred_to, record.end_reason, record.ended_by) == (None, "completed", "caller")
    await nothing_left(switchboard)


async def test_a_caller_left_with_a_hotline_that_does_not_answer_goes_to_the_head_of_the_queue(
    switchboard: Switchboard, outside_port: int
) -> None:
    number = "13900001012"
    async with (
        Operator(switchboard.sip_port, port=outside_port) as network,
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "2") as (caller, desk),
    ):
        assert desk.contact is not None
        contact = desk.contact["id"]
        desk.manner = replace(TALKS, then="pause")
        await desk.command("hand_over", contact=contact, to="12345", three_way=True)
        ringing = await network.rung()
        ringing.ring()
        await desk.hang_up()
        await desk.wait_state("paused")  # written up while it still rings
        ringing.refuse()
        await spoken.wait_for(number, "transfer_failed")
        await eventually(lambda: waits(switchboard, contact), 10, "the caller in the queue")
        (entry,) = (await switchboard.snapshot()).entries
        record, _ = await switchboard.contact(contact)
        assert entry.arrived_ms == record.queued_ms  # the old place
        assert entry.credit_ms == 180_000
        await desk.ready()
        await desk.wait_contact("talking")
        await desk.hang_up()
        await spoken.wait_for(number, "transfer_failed", "survey_patient")
        caller.hang_up()
        await caller.ended()
        await desk.wait_state("available")  # the time for the second one has run out
    record = await only_record(switchboard)
    await eventually(lambda: has_recordings(switchboard, record.id, 2), 10, "both recordings")
    await eventually(lambda: written_up(switchboard, record.id, 2), 10, "both wrap-ups")
    record, _ = await switchboard.contact(record.id)
    assert (record.end_reason, record.ended_by, record.transferred_to) == ("completed", "agent", None)
    assert record.final
    await nothing_left(switchboard)


async def written_up(switchboard: Switchboard, contact: str, times: int) -> bool:
    _, events = await switchboard.contact(contact)
    return [event.kind for event in events].count("wrapped_up") == times


async def waits(switchboard: Switchboard, contact: str) -> bool:
    return any(entry.id == contact for entry in (await switchboard.snapshot()).entries)


# ---- the recording


async def test_a_secret_is_left_out_of_the_recording_and_the_gap_is_listed(switchboard: Switchboard) -> None:
    number = "13900001005"
    async with (
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "2") as (caller, desk),
    ):
        assert desk.contact is not None
        contact = desk.contact["id"]
        assert desk.contact["recording"]
        caller.rtp.play_tone(600)
        await caller.rtp.wait_quiet(0.3)
        await desk.command("pause_recording", contact=contact)
        await desk.until(lambda d: bool(d.contact and d.contact["recording_paused"]), what="paused")
        caller.rtp.play_tone(1200)  # the secret
        await heard_for(caller, 1.0)
        caller.rtp.play_silence()
        await heard_for(caller, 0.2)
        await desk.command("resume_recording", contact=contact)
        await desk.until(lambda d: bool(d.contact and d.contact["recording"]), what="recorded again")
        caller.rtp.play_tone(600)
        await heard_for(caller, 0.6)
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    await eventually(lambda: has_recordings(switchboard, record.id, 1), 10, "the recording")
    record, events = await switchboard.contact(record.id)
    (recording,) = record.recordings
    (gap,) = recording.gaps
    assert gap[1] - gap[0] >= 1_000
    assert record.pauses == (gap,)
    assert {"recording_paused", "recording_resumed"} <= {event.kind for event in events}
    sound = left_channel(str(switchboard.data_dir / "recordings" / recording.file))
    assert alaw.tone_share(sound, 600) > 0.3
    assert alaw.tone_share(sound, 1200) < 0.02
    inside = sound[8 * (gap[0] + 100) : 8 * (gap[1] - 100)]
    assert set(inside) == {0}, "within the gap nothing was written but silence"


async def test_who_refuses_is_talked_to_and_not_recorded(switchboard: Switchboard) -> None:
    number = "13900001006"
    async with (
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "#2") as (caller, desk),
    ):
        assert desk.contact is not None
        assert (desk.contact["recording"], desk.contact["consent"]) == (False, False)
        with pytest.raises(DeskRefused, match="not_recorded"):
            await desk.command("pause_recording", contact=desk.contact["id"])
        assert not [one for one in await switchboard.ari("channels") if one["id"].startswith("snoop")]
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.consent, record.end_reason, record.recordings) == (False, "completed", ())
    assert list((switchboard.data_dir / "recordings").glob("*/*")) == []


# ---- the survey


async def test_a_dissatisfied_caller_leaves_words_and_opens_a_follow_up(switchboard: Switchboard) -> None:
    number = "13900001007"
    async with (
        switchboard.board() as board,
        Spoken(switchboard) as spoken,
        talking(switchboard, spoken, number, "2") as (caller, desk),
    ):
        await desk.hang_up()
        await spoken.wait_for(number, "agent_left", "survey_intro", "survey_patient")
        await caller.rtp.press("132")
        await spoken.wait_for(number, "survey_efficient", "survey_follow_up", "survey_remark")
        await caller.rtp.press("1")
        await spoken.wait_for(number, "survey_remark_speak", "beep")
        await caller.rtp.wait_quiet(0.3)
        caller.rtp.play_tone(700)
        await heard_for(caller, 1.5)
        caller.rtp.play_silence()
        await caller.rtp.press("#")
        await spoken.wait_for(number, "survey_remark_kept", "goodbye")
        assert await caller.ended() == "remote"
        await board.until(lambda b: b.items.get("figures/all", {}).get("follow_ups") == 1, what="the figure")
        (row,) = board.of("contact")
        assert row["survey"] == "3"
    record = await only_record(switchboard)
    await eventually(lambda: has_recordings(switchboard, record.id, 2), 10, "both recordings")
    record, _ = await switchboard.contact(record.id)
    assert record.survey == {"patient": "1", "polite": "3", "efficient": "2"}
    assert record.follow_up == "open"
    (remark,) = [one for one in record.recordings if one.kind == "remark"]
    assert remark.sha256 is not None
    assert remark.ms > 500
    assert (switchboard.data_dir / "recordings" / remark.file).is_file()
    async with switchboard.sign_in() as http:
        async with http.get("/api/follow-ups") as answer:
            found = await answer.json()
        assert [one["id"] for one in found["items"]] == [record.id]
        done = {"outcome": "called_back", "note": "已致电说明"}
        async with http.post(f"/api/follow-ups/{record.id}", json=done) as answer:
            assert answer.status == 204
        async with http.get("/api/follow-ups") as answer:
            assert (await answer.json())["open"] == 0
    assert (await switchboard.contact(record.id))[0].follow_up == "done"


async def test_hanging_up_in_the_survey_or_the_remark_keeps_what_was_said(switchboard: Switchboard) -> None:
    async with Spoken(switchboard) as spoken:
        async with talking(switchboard, spoken, "13900001008", "2") as (caller, desk):
            await desk.hang_up()
            await spoken.wait_for("13900001008", "survey_patient")
            await caller.rtp.press("3")
            await spoken.wait_for("13900001008", "survey_polite")
            caller.hang_up()
            await caller.ended()
        async with talking(switchboard, spoken, "13900001009", "2") as (caller, desk):
            await desk.hang_up()
            await spoken.wait_for("13900001009", "survey_patient")
            await caller.rtp.press("1111")
            await spoken.wait_for("13900001009", "survey_remark_speak", "beep")
            await caller.rtp.wait_quiet(0.3)
            caller.rtp.play_tone(700)
            await heard_for(caller, 1.5)
            caller.hang_up()
            await caller.ended()
    first, second = await switchboard.wait_ended(2)
    assert (first.survey, first.follow_up, first.end_reason) == ({"patient": "3"}, "open", "completed")
    await eventually(lambda: has_recordings(switchboard, second.id, 2), 10, "talk and remark")
    await nothing_left(switchboard)


async def nothing_left(switchboard: Switchboard) -> None:
    """No channel, no bridge but the waiting room, no sound that nobody took in."""

    async def quiet() -> bool:
        bridges = [one for one in await switchboard.ari("bridges") if one["bridge_type"] != "holding"]
        return not bridges and await switchboard.ari("channels") == [] and not spooled(switchboard.data_dir)

    await eventually(quiet, 15, "nothing left in Asterisk and in its spool")


async def has_recordings(switchboard: Switchboard, contact: str, count: int) -> bool:
    return len((await switchboard.contact(contact))[0].recordings) == count


async def heard_for(caller: Caller, seconds: float) -> None:
    """So much sound of the caller's goes out, packet by packet."""
    wanted = caller.rtp.sent + round(seconds / 0.02)

    async def gone_out() -> bool:
        return caller.rtp.sent >= wanted

    await eventually(gone_out, seconds + 10, f"{seconds} s of sound")


def left_channel(file: str) -> list[int]:
    with wave.open(file) as sound:
        samples = array("h", sound.readframes(sound.getnframes()))
    return list(samples[::2])
