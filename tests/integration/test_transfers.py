"""Hold, consultation and three-way talk, by tones on the real Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.agents import DeskRefused, Manner
from tests.support.office import (
    FIRST,
    PATIENCE_S,
    SECOND,
    TAKES,
    before,
    ended,
    hear_each_other,
    hears_music,
    hears_nothing_of,
    nothing_left,
    recorded,
    talking,
    together,
)
from tests.support.switchboard import Switchboard, eventually

CALLER = 600
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def switchboard() -> AsyncIterator[Switchboard]:
    """One for the whole file."""
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


async def test_on_hold_the_caller_hears_music_and_the_volunteer_nothing(switchboard: Switchboard) -> None:
    left = await before(switchboard)
    async with talking(switchboard) as (caller, first, _):
        await first.does("hold")
        await first.shows(held=True)
        await hears_music(caller, FIRST)
        await hears_nothing_of(first, CALLER)
        await first.does("resume")
        await first.shows(held=False)
        await hear_each_other(caller, first)
        caller.hang_up()
        await caller.ended()
        await first.state("wrap_up")
        await first.desk.wrap_up()
    record, talks = await ended(switchboard, caller)
    assert together(talks) == [("caller", "v901")] * 2
    await eventually(lambda: recorded(switchboard, record.id, 1), PATIENCE_S, "the recording")
    (recording,) = (await switchboard.contact(record.id))[0].recordings
    assert len(recording.gaps) == 1
    await left.none_remain(switchboard)


async def test_a_colleague_is_consulted_in_private_joins_and_takes_over(switchboard: Switchboard) -> None:
    left = await before(switchboard)
    async with talking(switchboard) as (caller, first, second):
        await first.does("ask_colleague", agent="v902", note="来电者要离婚，有一个孩子")
        card = (await second.shows(part="colleague"))["card"]
        assert (card["medium"], card["note"], card["from"]["id"]) == (
            "consult",
            "来电者要离婚，有一个孩子",
            "v901",
        )
        await first.shows(colleague="consulting", held=True)
        await hear_each_other(first, second)
        await hears_music(caller, FIRST, SECOND)
        await first.does("toggle")
        await hear_each_other(caller, first)
        await hears_music(second, CALLER, FIRST)
        await first.does("toggle")
        await hear_each_other(first, second)
        await hears_nothing_of(caller, FIRST, SECOND)
        await first.does("join")
        await hear_each_other(caller, first, second)
        with pytest.raises(DeskRefused, match="colleague_here"):
            await first.does("transfer", agent="v902")
        with pytest.raises(DeskRefused, match="not_leading"):
            await second.does("hold")
        await first.does("complete")
        await first.state("wrap_up")
        await first.line_ended()
        contact = await second.shows(part="lead", stage="talking")
        assert contact["card"]["passed"] == {
            "by": {"id": "v901", "name": "志愿者 v901", "role": "lawyer"},
            "note": "来电者要离婚，有一个孩子",
            "how": "attended",
        }
        await hear_each_other(caller, second)
        await first.desk.wrap_up(note="已转给同事")
        await second.does("hold")  # whoever has the caller now leads
        await hears_music(caller, SECOND)
        await second.does("resume")
        caller.hang_up()
        await caller.ended()
        await second.state("wrap_up")
        await second.desk.wrap_up(note="已答复")
    record, talks = await ended(switchboard, caller)
    assert (record.agent, record.note, record.end_reason) == ("v902", "已答复", "completed")
    assert together(talks) == [
        ("caller", "v901"),
        ("v901", "v902"),
        ("caller", "v901"),
        ("v901", "v902"),
        ("caller", "v901", "v902"),
        ("caller", "v902"),
        ("caller", "v902"),
    ]
    await eventually(lambda: recorded(switchboard, record.id, 1), PATIENCE_S, "one recording of it all")
    (recording,) = (await switchboard.contact(record.id))[0].recordings
    assert len(recording.gaps) == 3
    await left.none_remain(switchboard)


async def test_an_invited_colleague_talks_with_both_and_leaves_again(switchboard: Switchboard) -> None:
    async with talking(switchboard) as (caller, first, second):
        await first.does("ask_colleague", agent="v902", three_way=True)
        await hear_each_other(caller, first, second)  # never on hold
        await second.shows(room="three_way")
        await second.does("hang_up")
        await second.state("available")
        await first.shows(colleague="left", held=False)
        await hear_each_other(caller, first)
        await first.does("ask_colleague", matter="labour", three_way=True)
        await hear_each_other(caller, first, second)
        await first.does("hang_up")  # whoever stays has the caller
        await first.state("wrap_up")
        await second.shows(part="lead")
        await hear_each_other(caller, second)
        await second.drop_line()
        await second.state("wrap_up")
        caller.hang_up()
        await caller.ended()
    record, talks = await ended(switchboard, caller)
    both = ("caller", "v901", "v902")
    assert together(talks) == [("caller", "v901"), both, ("caller", "v901"), both, ("caller", "v902")]
    assert record.agent == "v902"


@pytest.mark.parametrize("way", ["declines", "does not answer", "is given up", "hangs up"])
async def test_whatever_becomes_of_the_colleague_the_volunteer_is_back_with_the_caller(
    switchboard: Switchboard, way: str
) -> None:
    manner = Manner(answer="reject") if way == "declines" else TAKES if way == "hangs up" else Manner()
    async with talking(switchboard, second=manner) as (caller, first, second):
        await first.does("ask_colleague", agent="v902")
        if way == "does not answer":
            await first.shows(held=True)  # the lease of a card that nobody saw is short
        if way == "is given up":
            await second.desk.wait_reservation(PATIENCE_S)
            await first.does("give_up")
        if way == "hangs up":
            await first.shows(colleague="consulting")
            await hear_each_other(first, second)
            await second.drop_line()
        how = {
            "declines": "declined",
            "does not answer": "no_answer",
            "is given up": "withdrawn",
            "hangs up": "left",
        }
        await first.shows(colleague=how[way], held=False)
        await hear_each_other(caller, first)
        await second.state("paused" if way == "does not answer" else "available")
        assert second.desk.contact is None
        caller.hang_up()
        await caller.ended()
        await first.state("wrap_up")
    await ended(switchboard, caller)

    async def at_rest() -> bool:
        return {seat.state for seat in (await switchboard.snapshot()).seats} <= {"paused", "wrap_up"}

    await eventually(at_rest, PATIENCE_S, "every seat at rest, its desk gone")


@pytest.mark.parametrize("phase", ["on hold", "asked", "consulting", "three-way"])
async def test_a_caller_who_hangs_up_ends_all_legs_and_frees_both_volunteers(
    switchboard: Switchboard, phase: str
) -> None:
    manner = Manner() if phase == "asked" else TAKES
    async with talking(switchboard, second=manner) as (caller, first, second):
        if phase == "on hold":
            await first.does("hold")
        else:
            await first.does("ask_colleague", agent="v902", three_way=phase == "three-way")
        if phase == "asked":
            await second.desk.wait_reservation(PATIENCE_S)
        if phase in ("consulting", "three-way"):
            await hear_each_other(first, second)
        caller.hang_up()
        await caller.ended()
        await first.state("wrap_up")
        await second.state("available")
        await second.desk.until(lambda d: not d.contact and not d.reservation, PATIENCE_S, "an empty desk")
        await ended(switchboard, caller)
        await nothing_left(switchboard)
