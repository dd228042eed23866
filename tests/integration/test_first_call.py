"""A whole call against the whole switchboard: a telephone, the menu, a volunteer, the survey, the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from routing.explain import decision_from
from switchboard.records.fold import ContactRecord
from tests.support.agents import DeskRefused, Manner, ScriptedDesk, Volunteers
from tests.support.phones import Caller
from tests.support.prompts import FAREWELL, MENU, SURVEY, UNKNOWN_NUMBER, WAITING, WRONG_KEY
from tests.support.rtp import RtpPeer
from tests.support.sipp import HOST
from tests.support.switchboard import Switchboard, eventually

WRAP_UP_MS = 2_000
CLOCKS_MS = 20
"""Durations are measured on another clock than points in time: they may differ by so much."""
BY_HAND = Manner()
"""A volunteer who does only what the test says."""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": str(WRAP_UP_MS)}) as running:
        yield running


def volunteers(
    switchboard: Switchboard,
    count: int = 1,
    *,
    manner: Manner = BY_HAND,
    ring_ms: int = 0,
    rtp_port: int | None = None,
) -> Volunteers:
    accounts = switchboard.accounts[:count]
    return Volunteers(
        switchboard.base_url,
        switchboard.sip_port,
        accounts,
        manner=manner,
        ring_ms=ring_ms,
        rtp_port=rtp_port,
    )


async def at_the_menu(caller: Caller) -> None:
    await caller.answered()
    await caller.rtp.hear(MENU, 10)


async def choose_labour(caller: Caller) -> None:
    await at_the_menu(caller)
    await caller.rtp.press("2")


async def only_record(switchboard: Switchboard) -> ContactRecord:
    """The one contact there is, ended."""
    found = await switchboard.wait_ended(1)
    assert len(found) == 1
    return found[0]


def check_times(record: ContactRecord) -> None:
    """Each thing after the one before it, and the durations fit to them."""
    points = [
        record.arrived_ms,
        record.queued_ms,
        record.connected_ms,
        record.disconnected_ms,
        record.ended_ms,
    ]
    known = [point for point in points if point is not None]
    assert known == sorted(known)
    assert record.ended_ms is not None
    if record.connected_ms is not None:
        assert record.queued_ms is not None
        assert record.disconnected_ms is not None
        assert record.wait_ms == pytest.approx(record.connected_ms - record.queued_ms, abs=CLOCKS_MS)
        assert record.talk_ms == pytest.approx(record.disconnected_ms - record.connected_ms, abs=CLOCKS_MS)


async def nothing_left(switchboard: Switchboard) -> None:
    """No channel, no bridge but the waiting room, no entry in the queue."""

    async def empty() -> bool:
        bridges = [bridge for bridge in await switchboard.ari("bridges") if bridge["channels"]]
        return not bridges and await switchboard.ari("channels") == []

    await eventually(empty, 5, "no channels and no bridge with anybody in it")
    assert (await switchboard.snapshot()).entries == ()


# ---- the way of a call


async def test_a_caller_presses_two_talks_rates_and_is_recorded_once(switchboard: Switchboard) -> None:
    async with (
        RtpPeer() as agent,
        volunteers(switchboard, rtp_port=agent.port) as staff,
        switchboard.board() as board,
        Caller(switchboard.sip_port, "13800138000") as caller,
    ):
        (desk,) = staff.desks
        assert staff.phones is not None
        await choose_labour(caller)

        reservation = await desk.wait_reservation()
        assert reservation["card"]["matter"]["id"] == "labour"
        assert reservation["card"]["language"] == "zh"
        assert "138000138" not in str(reservation["card"]["caller"])
        await desk.command("seen", reservation=reservation["id"])
        await desk.accept()
        answered = await staff.phones.sipp.wait_event("answered")
        agent.remote = (HOST, int(answered.rest[0]))
        contact = await desk.wait_contact("talking")
        await board.wait_stage("talking")

        caller.rtp.play_tone(600)
        agent.play_tone(1200)
        await asyncio.gather(agent.wait_tone(600), caller.rtp.wait_tone(1200))

        await desk.hang_up()
        await caller.rtp.hear(SURVEY, 10)
        caller.rtp.play_silence()
        await caller.rtp.press("111#")  # three questions, and no remark
        await caller.rtp.hear(FAREWELL, 10)
        assert await caller.ended() == "remote"
        await desk.wait_contact("wrap_up")
        await desk.wrap_up("labour", note="劳动合同")
        await desk.wait_state("available")
        assert board.gaps == []

    record = await only_record(switchboard)
    assert (record.matter, record.language, record.caller) == ("labour", "zh", "13800138000")
    assert (record.end_reason, record.ended_by, record.agent) == ("completed", "agent", "v901")
    assert record.survey == {"patient": "1", "polite": "1", "efficient": "1"}
    assert (record.disposition, record.note, record.reservations) == ("advised", "劳动合同", 1)
    assert record.id == contact["id"]
    check_times(record)
    _, events = await switchboard.contact(record.id)
    assert [event.kind for event in events].count("ended") == 1
    assert [event.kind for event in events].count("survey") == 3
    await nothing_left(switchboard)


async def test_a_wrong_key_is_answered_kindly_and_the_next_one_counts(switchboard: Switchboard) -> None:
    async with volunteers(switchboard) as staff, Caller(switchboard.sip_port, "13800138001") as caller:
        await at_the_menu(caller)
        await caller.rtp.press("59")
        await caller.rtp.hear(WRONG_KEY, 10)
        await caller.rtp.hear(MENU, 10)
        await caller.rtp.press("*2")
        reservation = await staff.desks[0].wait_reservation()
        assert reservation["card"]["matter"]["id"] == "labour"
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.matter, record.intake_how) == ("labour", "key")


async def test_who_presses_nothing_reaches_a_person(switchboard: Switchboard) -> None:
    async with volunteers(switchboard) as staff, Caller(switchboard.sip_port, "13800138002") as caller:
        await at_the_menu(caller)
        reservation = await staff.desks[0].wait_reservation(20)
        assert reservation["card"]["matter"]["id"] == "law_inquiry"
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.matter, record.intake_how) == ("law_inquiry", "nothing")


async def test_an_unknown_number_is_told_so_and_recorded(switchboard: Switchboard) -> None:
    async with Caller(switchboard.sip_port, "13800138003", "95555") as caller:
        await caller.answered()
        await caller.rtp.hear(UNKNOWN_NUMBER)
        assert await caller.ended() == "remote"
    record = await only_record(switchboard)
    assert (record.end_reason, record.ended_by, record.agent) == ("unknown_number", "system", None)
    await nothing_left(switchboard)


# ---- hanging up in every stage


async def test_leaving_in_the_intake_is_an_abandoned_intake(switchboard: Switchboard) -> None:
    async with Caller(switchboard.sip_port, "13800138010") as caller:
        await at_the_menu(caller)
        caller.hang_up()
        assert await caller.ended() == "local"
    record = await only_record(switchboard)
    assert (record.end_reason, record.ended_by) == ("abandoned_intake", "caller")
    assert (record.queued_ms, record.connected_ms) == (None, None)
    await nothing_left(switchboard)


async def test_leaving_while_waiting_is_an_abandoned_wait(switchboard: Switchboard) -> None:
    async with (
        volunteers(switchboard) as staff,
        switchboard.board() as board,
        Caller(switchboard.sip_port, "13800138011") as caller,
    ):
        await staff.desks[0].command("pause", reason="meal")
        await choose_labour(caller)
        await board.wait_stage("waiting")
        await caller.rtp.hear(WAITING, 10)
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.end_reason, record.ended_by) == ("abandoned_waiting", "caller")
    assert record.queued_ms is not None
    assert record.reservations == 0
    check_times(record)
    await nothing_left(switchboard)


async def test_leaving_while_it_rings_takes_the_card_away(switchboard: Switchboard) -> None:
    async with (
        volunteers(switchboard) as staff,
        switchboard.board() as board,
        Caller(switchboard.sip_port, "13800138012") as caller,
    ):
        (desk,) = staff.desks
        await choose_labour(caller)
        reservation = await desk.wait_reservation()
        await desk.command("seen", reservation=reservation["id"])
        await board.wait_stage("ringing")
        caller.hang_up()
        await desk.until(lambda d: d.reservation is None, what="the card gone")
        await desk.wait_state("available")
        gone = [frame for frame in desk.frames if frame["type"] == "reservation_gone"]
        assert [frame["why"] for frame in gone] == ["caller_left"]
    record = await only_record(switchboard)
    assert (record.end_reason, record.ended_by, record.reservations) == ("abandoned_waiting", "caller", 1)
    await nothing_left(switchboard)


async def test_a_caller_who_hangs_up_in_the_talk_has_completed_it(switchboard: Switchboard) -> None:
    async with (
        volunteers(switchboard, manner=Manner(answer="accept")) as staff,
        Caller(switchboard.sip_port, "13800138013") as caller,
    ):
        (desk,) = staff.desks
        await choose_labour(caller)
        await desk.wait_contact("talking")
        caller.hang_up()
        await desk.wait_contact("wrap_up")
        assert staff.problems == []
    record = await only_record(switchboard)
    assert (record.end_reason, record.ended_by) == ("completed", "caller")
    assert not record.survey
    check_times(record)
    await nothing_left(switchboard)


async def test_leaving_in_the_survey_keeps_the_talk_completed(switchboard: Switchboard) -> None:
    manner = Manner(answer="accept", talk_s=0.3, wrap_up_s=0.0)
    async with (
        volunteers(switchboard, manner=manner) as staff,
        Caller(switchboard.sip_port, "13800138014") as caller,
    ):
        await choose_labour(caller)
        await caller.rtp.hear(SURVEY, 15)
        caller.hang_up()
        await caller.ended()
        await staff.desks[0].wait_state("available")
        assert staff.problems == []
    record = await only_record(switchboard)
    assert (record.end_reason, record.ended_by) == ("completed", "agent")
    assert not record.survey
    check_times(record)
    await nothing_left(switchboard)


# ---- volunteers who do not take it


async def test_a_volunteer_who_never_answers_is_paused_and_the_next_one_gets_the_call(
    switchboard: Switchboard,
) -> None:
    async with volunteers(switchboard, 2) as staff, Caller(switchboard.sip_port, "13800138020") as caller:
        await choose_labour(caller)
        first = await _whoever_rings(staff)
        reservation = await first.wait_reservation()
        await first.command("seen", reservation=reservation["id"])
        await first.wait_state("paused", 25)  # 15 s of ringing
        assert first.state["reason"] == "no_answer"
        (second,) = (desk for desk in staff.desks if desk is not first)
        await second.wait_reservation()
        await second.accept()
        await second.wait_contact("talking")
        await second.hang_up()
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.agent, record.reservations) == (second.name, 2)
    _, events = await switchboard.contact(record.id)
    assert [event.kind for event in events].count("queued") == 1  # the place was kept
    assert [e.data["how"] for e in events if e.kind == "reservation_ended"] == ["timed_out"]
    chosen = [decision_from(e.data) for e in events if e.kind == "reserved"]
    assert [len(why.passed_over) if why else None for why in chosen] == [0, 1]
    check_times(record)


async def test_a_rejected_caller_keeps_the_place_and_reaches_the_next_volunteer(
    switchboard: Switchboard,
) -> None:
    async with volunteers(switchboard, 2) as staff, Caller(switchboard.sip_port, "13800138021") as caller:
        await choose_labour(caller)
        first = await _whoever_rings(staff)
        await first.reject()
        (second,) = (desk for desk in staff.desks if desk is not first)
        await second.wait_reservation()
        await second.accept()
        await second.wait_contact("talking")
        caller.hang_up()
        await caller.ended()
    record = await only_record(switchboard)
    assert (record.agent, record.reservations, record.end_reason) == (second.name, 2, "completed")
    _, events = await switchboard.contact(record.id)
    assert [event.kind for event in events].count("queued") == 1


async def test_doing_the_same_command_twice_changes_nothing(switchboard: Switchboard) -> None:
    async with volunteers(switchboard) as staff, Caller(switchboard.sip_port, "13800138022") as caller:
        (desk,) = staff.desks
        await choose_labour(caller)
        reservation = await desk.wait_reservation()
        frame = {"type": "accept", "id": "the-same-twice", "reservation": reservation["id"]}
        assert await desk.send(frame) == await desk.send(frame)
        await desk.wait_contact("talking")
        caller.hang_up()
        await caller.ended()
    assert (await only_record(switchboard)).reservations == 1


# ---- two tabs


async def test_a_second_tab_is_refused_until_it_takes_the_desk_over(switchboard: Switchboard) -> None:
    name, password = switchboard.accounts[0]
    async with ScriptedDesk(switchboard.base_url, name, password) as first:
        second = ScriptedDesk(switchboard.base_url, name, password)
        with pytest.raises(DeskRefused, match="second_tab"):
            async with second:
                pass
        assert second.close_code == 4409
        assert first.close_code is None
        async with ScriptedDesk(switchboard.base_url, name, password, takeover=True) as third:
            await first.until(lambda desk: desk.close_code is not None, what="the older tab closed")
            assert first.close_code == 4409
            assert first.frames[-1]["code"] == "taken_over"
            await third.ready()
            await third.wait_state("available")


async def _whoever_rings(staff: Volunteers) -> ScriptedDesk:
    """The desk that gets the first reservation."""
    waits = {asyncio.create_task(desk.wait_reservation()): desk for desk in staff.desks}
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    return waits[done.pop()]
