"""Blind transfers to a colleague and to a matter, by tones on the real Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.agents import DeskRefused, Manner
from tests.support.office import (
    FIRST,
    PATIENCE_S,
    SECOND,
    ended,
    hear_each_other,
    hears_music,
    hears_nothing_of,
    recorded,
    talking,
    together,
)
from tests.support.spoken import Spoken
from tests.support.switchboard import Switchboard, eventually

CALLER = 600
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def switchboard() -> AsyncIterator[Switchboard]:
    """One for the whole file."""
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


async def test_a_blind_transfer_takes_the_caller_to_the_colleague_with_the_note(
    switchboard: Switchboard,
) -> None:
    async with Spoken(switchboard) as spoken, talking(switchboard) as (caller, first, second):
        await first.does("transfer", agent="v902", note="工资拖欠三个月")
        await spoken.wait_for(caller.row[0], "next_lawyer")
        await first.state("wrap_up")
        await first.line_ended()
        contact = await second.shows(stage="talking", part="lead")
        assert contact["card"]["medium"] == "call"
        assert contact["card"]["passed"]["note"] == "工资拖欠三个月"
        await hear_each_other(caller, second)
        await hears_nothing_of(first, CALLER, SECOND)
        await first.desk.wrap_up(note="转给同事")
        await second.does("hang_up")
        await second.state("wrap_up")
        await second.desk.wrap_up(note="已答复")
        caller.hang_up()
        await caller.ended()
    record, talks = await ended(switchboard, caller)
    assert together(talks) == [("caller", "v901"), ("caller", "v902")]
    assert (record.agent, record.note, record.end_reason) == ("v902", "已答复", "completed")
    await eventually(lambda: recorded(switchboard, record.id, 2), PATIENCE_S, "a recording of each talk")


async def test_a_blind_transfer_to_a_matter_tells_first_when_nobody_is_free(switchboard: Switchboard) -> None:
    async with talking(switchboard) as (caller, first, second):
        await second.desk.command("pause", reason="meal")
        await second.state("paused")
        for wanted, code in (
            ({"agent": "v902"}, "colleague_busy"),
            ({"agent": "v999"}, "colleague_left"),
            ({"agent": "v901"}, "yourself"),
            ({"matter": "debt"}, "nobody_free"),
            ({"matter": "notary"}, "no_such_matter"),
            ({"matter": "notarization"}, "nobody_serves"),
        ):
            with pytest.raises(DeskRefused, match=code):
                await first.does("transfer", **wanted)
        await hear_each_other(caller, first)
        await first.does("transfer", matter="debt", anyway=True)
        await first.state("wrap_up")
        await hears_music(caller, FIRST)
        await second.desk.ready()
        contact = await second.shows(stage="talking")
        assert contact["card"]["matter"]["id"] == "debt"
        await hear_each_other(caller, second)
        caller.hang_up()
        await caller.ended()
    record, talks = await ended(switchboard, caller)
    assert together(talks) == [("caller", "v901"), ("caller", "v902")]
    assert record.matter == "debt"


async def test_a_colleague_who_does_not_take_the_transfer_leaves_the_caller_to_the_matter(
    switchboard: Switchboard,
) -> None:
    async with talking(switchboard, second=Manner(answer="reject")) as (caller, first, second):
        await first.does("transfer", agent="v902")
        await first.state("wrap_up")
        await second.desk.until(
            lambda d: any(f.get("why") == "rejected" for f in d.frames), PATIENCE_S, "declined"
        )
        await hears_music(caller, FIRST)
        await second.desk.command("sign_out")  # nobody else is left
        await first.desk.wrap_up(note="转给同事")  # ready again, and next in the rings of the matter
        await first.shows(25, stage="talking")
        await hear_each_other(caller, first)
        caller.hang_up()
        await caller.ended()
        await first.state("wrap_up")
        await first.desk.wrap_up(note="再次答复")
    record, talks = await ended(switchboard, caller)
    assert together(talks) == [("caller", "v901")] * 2
    assert record.note == "再次答复"


async def test_a_caller_who_was_let_go_does_not_come_back_while_somebody_else_could_serve(
    switchboard: Switchboard,
) -> None:
    async with talking(switchboard) as (caller, first, second):
        await second.desk.command("pause", reason="meal")
        await second.state("paused")
        await first.does("transfer", matter="debt", anyway=True)
        await first.state("wrap_up")
        before = len(first.desk.frames)
        await first.desk.wrap_up(note="转给同事")

        def kept_away(_: object) -> bool:
            """The routing engine has met the first volunteer, and the caller was not offered."""
            names = [
                one["state"]["name"] for one in list(first.desk.frames)[before:] if one["type"] == "state"
            ]
            return "reserved" in names and names[-1] == "available"

        await first.desk.until(kept_away, PATIENCE_S, "met and passed over")
        await hears_music(caller, FIRST)
        await second.desk.ready()
        await second.shows(stage="talking")
        await hear_each_other(caller, second)
        assert not [one for one in list(first.desk.frames)[before:] if one["type"] == "reservation"]
        caller.hang_up()
        await caller.ended()
    record, talks = await ended(switchboard, caller)
    assert together(talks) == [("caller", "v901"), ("caller", "v902")]
    assert record.reservations == 2
