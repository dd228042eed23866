"""Following: bounded, in order, each event once."""

from __future__ import annotations

import asyncio

import pytest

from ivr.ari.events import Dial, parse_event
from ivr.ari.following import EventStream, Followers
from ivr.errors import Disconnected, Overflowed, StoodDown
from tests.ivr.test_ari_events import CHANNEL, raw


def digit(number: int, channel: str = "c-1"):
    return parse_event(
        raw("ChannelDtmfReceived", digit=str(number), duration_ms=1, channel=CHANNEL | {"id": channel})
    )


async def test_events_come_in_order_and_only_about_what_is_followed() -> None:
    followers = Followers()
    with EventStream(followers, 10) as stream:
        stream.add("c-1")
        sent = [digit(1), digit(2, "c-2"), digit(3)]
        for event in sent:
            followers.tell(event)
        assert [await stream.get(1), await stream.get(1)] == [sent[0], sent[2]]
        with pytest.raises(TimeoutError):
            await stream.get(0)
    assert len(followers) == 0


async def test_an_event_about_two_followed_things_comes_once() -> None:
    followers = Followers()
    with EventStream(followers, 10) as stream:
        stream.add("c-1", "c-2", "c-1")
        event = parse_event(raw("Dial", caller=CHANNEL | {"id": "c-2"}, peer=CHANNEL, dialstatus=""))
        assert isinstance(event, Dial)
        followers.tell(event)
        assert await stream.get(1) is event
        with pytest.raises(TimeoutError):
            await stream.get(0)


async def test_a_reader_that_waits_is_woken() -> None:
    followers = Followers()
    with EventStream(followers, 10) as stream:
        stream.add("c-1")
        reading = asyncio.create_task(stream.get(5))
        await asyncio.sleep(0)
        followers.tell(digit(7))
        assert await reading == digit(7)


async def test_a_reader_that_is_too_slow_hears_of_it_instead_of_filling_the_memory() -> None:
    followers = Followers()
    with EventStream(followers, 3) as stream:
        stream.add("c-1")
        for number in range(100):
            followers.tell(digit(number))
        with pytest.raises(Overflowed):
            await stream.get(1)
        with pytest.raises(Overflowed):
            await stream.get(1)


async def test_what_came_before_the_end_is_still_read() -> None:
    followers = Followers()
    stream = EventStream(followers, 10)
    stream.add("c-1")
    followers.tell(digit(1))
    followers.end(StoodDown("taken over"))
    assert await stream.get(1) == digit(1)
    with pytest.raises(StoodDown):
        await stream.get(1)
    stream.close()


async def test_closing_ends_a_waiting_reader() -> None:
    stream = EventStream(Followers(), 10)
    stream.add("c-1")
    reading = asyncio.create_task(stream.get())
    await asyncio.sleep(0)
    stream.close()
    stream.close()
    with pytest.raises(Disconnected):
        await reading
