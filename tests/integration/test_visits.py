"""A villager at a terminal and a volunteer at a desk, by the protocols alone: the queue, the room, the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from switchboard.visits.synthetic import Picture, Tone
from tests.support.agents import Manner, ScriptedDesk
from tests.support.switchboard import PASSWORD, Switchboard
from tests.support.terminals import VILLAGE, VISITOR_HZ, in_room, sees_and_hears, terminal
from video.client import VideoClient

AGENT_HZ = 1000
TAKES = Manner(answer="accept")


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1, env={"ASTERISK": "none", "WRAP_UP_MS": "60000"}) as running:
        yield running


@asynccontextmanager
async def volunteer(switchboard: Switchboard, name: str = "v901") -> AsyncIterator[ScriptedDesk]:
    async with ScriptedDesk(switchboard.base_url, name, PASSWORD, manner=TAKES) as desk:
        await desk.ready()
        yield desk


@asynccontextmanager
async def desk_in_room(switchboard: Switchboard, desk: ScriptedDesk) -> AsyncIterator[VideoClient]:
    """The volunteer's page goes into the room that the desk shows."""
    await desk.until(lambda d: d.contact and d.contact["video"], 20, "a room on the desk")
    assert desk.contact is not None
    room = desk.contact["video"]
    url = f"{switchboard.base_url.replace('http', 'ws')}{room['url']}/{room['room']}"
    async with VideoClient(url, room["token"], microphone=Tone(AGENT_HZ), camera=Picture()) as client:
        yield client


async def test_a_visit_waits_is_accepted_and_leaves_one_record(switchboard: Switchboard) -> None:
    async with terminal(switchboard) as visitor:
        ident = await visitor.begin(matter="labour", priority="over_80", consent=False)
        view = await visitor.until(lambda v: v["stage"] == "waiting")
        assert view["room"] is None
        async with volunteer(switchboard) as desk, desk_in_room(switchboard, desk) as page:
            assert desk.contact is not None
            card = desk.contact["card"]
            assert (card["medium"], card["terminal"]["village"]) == ("visit", VILLAGE)
            assert (card["matter"]["id"], card["priority_reason"]) == ("labour", "over_80")
            await visitor.until(lambda v: v["stage"] == "talking")
            await sees_and_hears(page, VISITOR_HZ)
            await sees_and_hears(await in_room(visitor), AGENT_HZ)
            await desk.hang_up()
            view = await visitor.until(lambda v: v["survey"])
            for question in view["survey"]["questions"]:
                await visitor.order("answer", question=question, answer="1")
            view = await visitor.until(lambda v: v["ended"])
            assert view["ended"] == "completed"
            await desk.wait_state("wrap_up")
            await desk.wrap_up()
    record, _ = await switchboard.contact(ident)
    assert (record.medium, record.terminal, record.agent) == ("visit", "t-1", "v901")
    assert (record.end_reason, record.ended_by, record.final) == ("completed", "agent", True)
    assert (record.consent, set(record.survey.values())) == (False, {"1"})
