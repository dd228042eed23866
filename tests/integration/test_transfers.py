"""Hold, consultation, three-way talk and transfer between volunteers, by tones on the real Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from switchboard.records.fold import ContactRecord, Talk, talks_of
from tests.support.agents import DeskRefused, Manner
from tests.support.leftovers import Leftovers
from tests.support.office import (
    PATIENCE_S,
    TAKES,
    Voice,
    Volunteer,
    hear_each_other,
    hears_music,
    hears_nothing_of,
    voice,
)
from tests.support.prompts import MENU
from tests.support.switchboard import Switchboard, eventually

CALLER, FIRST, SECOND = 600, 1000, 1500
NUMBER = "13900002001"


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


@asynccontextmanager
async def talking(
    switchboard: Switchboard, *, second: Manner = TAKES
) -> AsyncIterator[tuple[Voice, Volunteer, Volunteer]]:
    """A caller in a talk with the first volunteer; the second is free."""
    async with AsyncExitStack() as held:
        first = await held.enter_async_context(Volunteer(switchboard, "v901", FIRST))
        caller = await held.enter_async_context(voice(switchboard, NUMBER, "2", MENU))
        await first.shows(stage="talking")
        colleague = Volunteer(switchboard, "v902", SECOND, manner=second)
        colleague = await held.enter_async_context(colleague)
        await hear_each_other(caller, first)
        yield caller, first, colleague


async def ended(switchboard: Switchboard) -> tuple[ContactRecord, tuple[Talk, ...]]:
    (record,) = await switchboard.wait_ended(1, PATIENCE_S)
    record, events = await switchboard.contact(record.id)
    return record, talks_of(events)


async def before(switchboard: Switchboard) -> Leftovers:
    """Each of the two desks may come back for a minute after its page has gone."""
    return Leftovers((await Leftovers.before(switchboard)).tasks + 2)


def together(talks: tuple[Talk, ...]) -> list[tuple[str, ...]]:
    return [talk.who for talk in talks]


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
    record, talks = await ended(switchboard)
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
        assert (card["medium"], card["note"], card["from"]["id"]) == ("consult", "来电者要离婚，有一个孩子", "v901")
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
    record, talks = await ended(switchboard)
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


async def recorded(switchboard: Switchboard, contact: str, count: int) -> bool:
    return len((await switchboard.contact(contact))[0].recordings) == count
