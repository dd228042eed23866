"""Call-backs and dialling back in, on the real Asterisk: the place is kept, the call comes once."""

from __future__ import annotations

from tests.support.callees import Callee
from tests.support.phones import Caller
from tests.support.promises import PROMISES, book, callback_of, rated, staff_of, wait_in_line
from tests.support.prompts import BOOKED, CODE, MENU, NUMBER, PRESS_ONE, SURVEY, WAITING, WHEN
from tests.support.switchboard import Switchboard


async def test_a_call_back_keeps_the_place_and_comes_once(home: Callee, switchboard: Switchboard) -> None:
    async with staff_of(switchboard) as staff, switchboard.board() as board:
        (desk,) = staff.desks
        await desk.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, "13800138200") as caller:
            await book(caller)
            assert await caller.ended(30) == "remote"
        call = next(one for one in await switchboard.wait_ended(1) if one.medium == "call")
        assert (call.end_reason, call.ended_by) == ("callback_booked", "caller")
        booked = await callback_of(switchboard)
        assert (booked.origin, booked.caller, booked.arrived_ms) == (call.id, "13800138200", call.arrived_ms)
        (entry,) = (await switchboard.snapshot()).entries
        assert entry.id == booked.id
        assert entry.arrived_ms == booked.queued_ms  # the place of the call
        assert booked.queued_ms is not None
        assert call.queued_ms is not None
        assert booked.queued_ms <= call.queued_ms

        await desk.ready()
        reservation = await desk.wait_reservation()
        assert reservation["card"]["medium"] == "callback"
        await desk.command("seen", reservation=reservation["id"])
        assert home.rings() == 0  # nobody is called before a volunteer has accepted
        await desk.accept()
        assert (await home.rung()).rest[0] == "13800138200"
        talk = await home.answered()
        await board.wait_stage("calling")
        await home.rtp.hear(PRESS_ONE)
        await home.rtp.press("1")
        await desk.wait_contact("talking")
        await desk.hang_up()
        await home.rtp.hear(SURVEY)
        await home.rtp.press("1")
        await rated(switchboard, booked.id)
        home.hang_up(talk.call_id)
        await home.ended()
        await desk.wait_contact("wrap_up")
        await desk.wrap_up("labour")
        await desk.wait_state("available")
    record, _ = await switchboard.contact(booked.id)
    assert (record.end_reason, record.agent, record.attempts, record.final) == ("completed", "v901", 1, True)
    assert record.wait_ms is not None
    assert len(record.survey) == 1
    assert home.rings() == 1


async def test_a_call_back_that_reaches_nobody_is_tried_three_times(
    home: Callee, switchboard: Switchboard
) -> None:
    async with staff_of(switchboard) as staff:
        (desk,) = staff.desks
        await desk.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, "13800138201") as caller:
            await book(caller)
            caller.hang_up()
            await caller.ended()
        await desk.ready()
        for attempt in range(1, 4):
            await desk.wait_reservation(20)
            await desk.accept()
            await home.answered(20, nth=attempt)
            await home.ended(20, nth=attempt)  # the next try may come before anybody could look at the state
        await desk.wait_state("available")
    await switchboard.wait_ended(2)
    record = await callback_of(switchboard)
    assert (record.end_reason, record.attempts, record.reservations) == ("not_reached", 3, 3)


async def test_whoever_does_not_confirm_a_number_goes_on_waiting(switchboard: Switchboard) -> None:
    async with staff_of(switchboard) as staff:
        (desk,) = staff.desks
        await desk.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, "13800138202") as caller:
            await wait_in_line(caller)
            await caller.rtp.press("1")
            await caller.rtp.hear(NUMBER)
            await desk.ready()  # a volunteer is quicker than the booking
            await desk.wait_reservation()
            await desk.accept()
            await desk.wait_contact("talking")
            caller.hang_up()
            await caller.ended()
    (call,) = await switchboard.wait_ended(1)
    assert (call.end_reason, call.medium) == ("completed", "call")


async def test_a_withheld_number_must_key_one_in(home: Callee, switchboard: Switchboard) -> None:
    async with staff_of(switchboard) as staff:
        (desk,) = staff.desks
        await desk.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, "anonymous") as caller:
            await wait_in_line(caller)
            await caller.rtp.press("1")
            await caller.rtp.hear(NUMBER)
            await caller.rtp.press("12345#")  # no number that may be called
            await caller.rtp.hear(NUMBER)
            await caller.rtp.press("01085281700#")
            await caller.rtp.hear(NUMBER)
            await caller.rtp.press("1")
            await caller.rtp.hear(WHEN)
            await caller.rtp.press("2")
            await caller.rtp.hear(BOOKED)
            caller.hang_up()
            await caller.ended()
        await switchboard.wait_ended(1)
        booked = await callback_of(switchboard)
        assert booked.caller == "01085281700"
        assert booked.next_ms is not None
        assert booked.next_ms > booked.arrived_ms
        assert (await switchboard.snapshot()).entries == ()  # not before tomorrow
        assert home.rings() == 0


async def test_busy_is_not_reached() -> None:
    async with Callee(scenario="agents_refuse") as home:
        env = PROMISES | {"TRUNKS": home.trunks, "ATTEMPT_GAPS_MS": "[]"}
        async with Switchboard(volunteers=1, env=env) as other, staff_of(other) as staff:
            (desk,) = staff.desks
            await desk.command("pause", reason="meal")
            async with Caller(other.sip_port, "13800138203") as caller:
                await book(caller)
                caller.hang_up()
                await caller.ended()
            await desk.ready()
            await desk.wait_reservation()
            await desk.accept()
            await desk.wait_state("available", 20)
            await other.wait_ended(2)
            found = await callback_of(other)
            _, events = await other.contact(found.id)
    assert found.end_reason == "not_reached"
    assert [e.data["how"] for e in events if e.kind == "called"] == ["busy"]


async def test_who_dials_back_in_with_the_code_is_put_ahead(switchboard: Switchboard) -> None:
    async with staff_of(switchboard) as staff:
        (desk,) = staff.desks
        await desk.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, "13800138204") as caller:
            await book(caller, when="2")  # tomorrow
            caller.hang_up()
            await caller.ended()
        booked = await callback_of(switchboard)
        async with (
            Caller(switchboard.sip_port, "13800138205") as other,
            Caller(switchboard.sip_port, "13800138206") as back,
        ):
            await wait_in_line(other)
            await back.answered()
            await back.rtp.hear(MENU)
            await back.rtp.press(f"#{booked.code}")
            await back.rtp.hear(CODE)
            await back.rtp.hear(WAITING)
            await desk.ready()
            reservation = await desk.wait_reservation()
            assert reservation["card"]["caller"].endswith("8206")  # came later, and is served first
            await desk.accept()
            await desk.wait_contact("talking")
            other.hang_up()
            back.hang_up()
            await back.ended()
    contacts = await switchboard.wait_ended(4)
    call = next(one for one in contacts if one.caller == "13800138206")
    assert (call.origin, call.matter, call.end_reason) == (booked.id, "labour", "completed")
    assert (await callback_of(switchboard)).end_reason == "completed"  # nobody is called tomorrow
