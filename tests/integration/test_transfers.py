"""Hold, consultation, three-way talk and transfer between volunteers, by tones on the real Asterisk."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio

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
from tests.support.spoken import Spoken
from tests.support.switchboard import Switchboard, eventually

CALLER, FIRST, SECOND = 600, 1000, 1500
NUMBERS = (f"1390000{number}" for number in itertools.count(2001))

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def switchboard() -> AsyncIterator[Switchboard]:
    """One for the whole file: every test has callers with numbers of their own."""
    async with Switchboard(volunteers=2, env={"WRAP_UP_MS": "60000"}) as running:
        yield running


@asynccontextmanager
async def talking(
    switchboard: Switchboard, *, second: Manner = TAKES
) -> AsyncIterator[tuple[Voice, Volunteer, Volunteer]]:
    """A caller in a talk with the first volunteer; the second is free."""
    async with AsyncExitStack() as held:
        first = await held.enter_async_context(Volunteer(switchboard, "v901", FIRST))
        caller = await held.enter_async_context(voice(switchboard, next(NUMBERS), "2", MENU))
        await first.shows(stage="talking")
        colleague = Volunteer(switchboard, "v902", SECOND, manner=second)
        colleague = await held.enter_async_context(colleague)
        await hear_each_other(caller, first)
        yield caller, first, colleague


async def ended(switchboard: Switchboard, caller: Voice) -> tuple[ContactRecord, tuple[Talk, ...]]:
    """The caller's record, and who talked to whom."""
    contact = ""

    async def over() -> bool:
        nonlocal contact
        mine = [one for one in await switchboard.contacts() if one.caller == caller.row[0]]
        contact = mine[0].id
        return mine[0].ended_ms is not None

    await eventually(over, PATIENCE_S, "the end of the call")
    record, events = await switchboard.contact(contact)
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
    assert {seat.state for seat in (await switchboard.snapshot()).seats} <= {"paused", "wrap_up"}


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


@pytest.mark.parametrize("phase", ["on hold", "consulting", "three-way"])
async def test_after_kill_9_the_conversation_is_found_as_it_was(switchboard: Switchboard, phase: str) -> None:
    async with talking(switchboard) as (caller, first, second):
        if phase == "on hold":
            await first.does("hold")
            await hears_music(caller, FIRST)
        else:
            await first.does("ask_colleague", agent="v902", note="请看一下", three_way=phase == "three-way")
            await hear_each_other(first, second)
        await switchboard.kill()
        await hears_what_was(phase, caller, first, second)
        await switchboard.start()
        people = [first, second]
        for one in people:
            await one.desk.disconnect()
            await one.desk.sign_in()
            await one.desk.connect()
        await hears_what_was(phase, caller, first, second)
        if phase == "on hold":
            await first.shows(held=True, stage="talking")
            await first.does("resume")
            await hear_each_other(caller, first)
        elif phase == "consulting":
            await first.shows(held=True, colleague="consulting")
            await second.shows(part="colleague", room="consulting")
            await first.does("complete")
            await first.state("wrap_up")
            await hear_each_other(caller, second)
            assert (await second.shows(part="lead"))["card"]["passed"]["note"] == "请看一下"
        else:
            await first.shows(held=False, colleague="three_way")
            await second.drop_line()
            await first.shows(colleague="left")
            await hear_each_other(caller, first)
        caller.hang_up()
        await caller.ended()
        await ended(switchboard, caller)
        await nothing_left(switchboard)
    record, _ = await ended(switchboard, caller)
    assert record.agent == ("v902" if phase == "consulting" else "v901")


async def hears_what_was(phase: str, caller: Voice, first: Volunteer, second: Volunteer) -> None:
    if phase == "on hold":
        await hears_music(caller, FIRST)
        await hears_nothing_of(first, CALLER)
    elif phase == "consulting":
        await hear_each_other(first, second)
        await hears_music(caller, FIRST, SECOND)
    else:
        await hear_each_other(caller, first, second)


async def nothing_left(switchboard: Switchboard) -> None:
    """No channel and no bridge but the waiting room, and nobody in the queue."""

    async def quiet() -> bool:
        bridges = [one["id"] for one in await switchboard.ari("bridges") if one["bridge_type"] != "holding"]
        return not bridges and await switchboard.ari("channels") == []

    await eventually(quiet, PATIENCE_S, "nothing left in Asterisk")
    assert (await switchboard.snapshot()).entries == ()


async def recorded(switchboard: Switchboard, contact: str, count: int) -> bool:
    return len((await switchboard.contact(contact))[0].recordings) == count
