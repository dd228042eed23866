"""A call that we placed and nobody finished: the citizen is called again, and the promise stays open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.agents import ScriptedDesk
from tests.support.callees import Callee
from tests.support.phones import Caller
from tests.support.promises import PROMISES, book, callback_of, staff_of
from tests.support.prompts import GONE, PRESS_ONE, SURVEY
from tests.support.switchboard import Switchboard


@pytest.fixture
async def switchboard(home: Callee) -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env=PROMISES | {"TRUNKS": home.trunks}) as running:
        yield running


async def picked_up(home: Callee, desk: ScriptedDesk, nth: int) -> str:
    """This volunteer accepts, and talks with the citizen who has pressed the key."""
    await desk.wait_reservation(20)
    await desk.accept()
    call = await home.answered(nth=nth)
    await home.rtp.hear(PRESS_ONE)
    await home.rtp.press("1")
    await desk.wait_contact("talking")
    return call.call_id


async def finish(home: Callee, desk: ScriptedDesk, call: str) -> None:
    await desk.hang_up()
    await home.rtp.hear(SURVEY)
    home.hang_up(call)
    await desk.wait_contact("wrap_up")
    await desk.wrap_up("labour")


async def test_whose_volunteer_is_lost_is_called_again_by_the_next(
    home: Callee, switchboard: Switchboard
) -> None:
    async with staff_of(switchboard, 2) as staff:
        assert staff.phones is not None
        first, second = staff.desks
        await first.command("pause", reason="meal")
        await second.disconnect()
        await second.connect(phone="browser")
        await second.command("pause", reason="meal")
        async with Caller(switchboard.sip_port, "13800138210") as caller:
            await book(caller)
            await caller.ended(30)
        await second.ready()
        await picked_up(home, second, 1)

        line = await staff.phones.rung(second.telephone[0])
        await second.disconnect()
        staff.phones.sipp.hang_up(line.call_id)
        await home.rtp.hear(GONE, 30)
        await home.ended(nth=1)
        assert (await callback_of(switchboard)).end_reason is None
        await first.ready()
        call = await picked_up(home, first, 2)
        await finish(home, first, call)

    booked = await callback_of(switchboard)
    assert (booked.end_reason, booked.agent, booked.attempts) == ("completed", "v901", 2)
