"""A telephone in a room is heard by all and hears all, and no border of the room is thinner for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import numpy as np
from playwright.async_api import Browser

from tests.video.rig import TINY, House, Visitor, all_meet, eventually, token
from tests.video.sources import Tone, loudness
from tests.video.telephones import QUIET, telephone
from tests.video.test_borders import Shelf
from video.client import VideoClient
from video.events import CameByPhone, CaucusChanged, Left
from video.tokens import Role

HOST, OTHER, PHONE = 500, 1400, 900


async def hears(one: VideoClient, other: str, hertz: float) -> None:
    async def loud() -> bool:
        return loudness(one.of(other, "microphone"), hertz) > 0.05

    await eventually(loud, f"{hertz} Hz is heard")


async def ticks(house: House, count: int) -> None:
    """So many frames of the telephones' own clock."""
    await asyncio.sleep(0.02 * count)


def placed(client: VideoClient):
    async def there() -> bool:
        return bool(client.id)

    return there


async def given_back(house: House) -> None:
    async def none() -> bool:
        return house.bridge.counts()["phones"] == 0

    await eventually(none, "the telephone is given back")


async def test_in_a_room_of_three_the_telephone_is_heard_by_both_and_hears_both(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        VideoClient(house.socket(), token("b"), microphone=Tone(OTHER)) as party,
        telephone(house, PHONE) as phone,
    ):
        await asyncio.gather(
            hears(host, phone.person.id, PHONE), hears(party, phone.person.id, PHONE), phone.hears(HOST)
        )
        await phone.hears(OTHER)
        await phone.hears(HOST)
        assert phone.loudness(PHONE, 50) < QUIET  # never itself
        cards = {one["id"]: one for one in host.view["participants"]}
        assert cards[phone.person.id]["via"] == "phone"
        assert cards[party.id]["via"] == "page"
        assert party.view["lines"] == {"audio": 2, "video": 1}
        assert house.bridge.counts()["phones"] == 1
    events = house.bridge.events.drain()
    assert any(isinstance(event, CameByPhone) and event.consents for event in events)
    assert next(event.reason for event in events if isinstance(event, Left)) == "hung_up"
    await given_back(house)


async def test_who_waits_by_telephone_hears_the_music_and_nothing_else(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        telephone(house, PHONE, waits=True) as phone,
    ):
        phone.peer.hold(_tone(700), 8_000)
        phone.peer.say(_tone(300), 8_000)
        await phone.hears(300)
        await phone.hears(700)
        await phone.hears_nothing_of(HOST)
        assert phone.peer.injected == 0
        assert loudness(host.of(phone.person.id, "microphone"), PHONE) == 0.0
        assert [one["id"] for one in host.view["waiting"]] == [phone.person.id]
        await host.ask("admit", participant=phone.person.id)
        await hears(host, phone.person.id, PHONE)
        await phone.hears(HOST)
        await phone.hears_nothing_of(700)
        assert [one["standing"] for one in phone.told if one["type"] == "room"][-1] == "here"
        await host.ask("send_back", participant=phone.person.id)
        before = phone.peer.injected
        await phone.hears_nothing_of(HOST)
        await phone.hears(700)
        assert phone.peer.injected == before
        await host.ask("remove", participant=phone.person.id)
        assert phone.ended == "video.sent_back"


async def test_a_caucus_is_silent_in_both_directions_and_on_no_tape(house: House) -> None:
    shelf = Shelf()
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        VideoClient(house.socket(), token("b"), microphone=Tone(OTHER)) as party,
        telephone(house, PHONE) as phone,
    ):
        phone.room.record(shelf)
        await phone.hears(OTHER)
        await hears(party, phone.person.id, PHONE)
        taped = shelf.tapes[phone.person.id, "microphone"]

        async def on_tape() -> bool:
            return taped.packets > 20 and taped.reports > 0

        await eventually(on_tape, "the telephone is on tape")
        await host.ask("caucus", groups=[[host.id, phone.person.id]])
        packets = taped.packets
        await phone.hears_nothing_of(OTHER)
        await phone.hears(HOST)
        await hears(host, phone.person.id, PHONE)
        from_phone = next(one for one in _slots(house, "b") if _owner(house, one) == "phone")
        sent = from_phone.sub.packets
        await ticks(house, 20)
        assert from_phone.sub.packets == sent
        assert taped.packets == packets
        await host.ask("caucus", groups=[[party.id, phone.person.id]])
        await phone.hears(OTHER)
        await phone.hears_nothing_of(HOST)
        await host.ask("caucus", groups=[])
        await phone.hears(HOST)
        await phone.hears(OTHER)
    changes = [event for event in house.bridge.events.drain() if isinstance(event, CaucusChanged)]
    assert [change.crossed for change in changes] == [0, 0, 0]
    assert (host.id, phone.person.id) in changes[0].flows
    assert (party.id, phone.person.id) not in changes[0].flows


async def test_a_muted_telephone_is_silent_for_all_and_hears_on(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        telephone(house, PHONE) as phone,
    ):
        await hears(host, phone.person.id, PHONE)
        await host.ask("mute", participant=phone.person.id, kind="audio", muted=True)
        before = phone.peer.injected
        await ticks(house, 20)
        assert phone.peer.injected == before
        await phone.hears(HOST)
        await host.ask("mute", participant=phone.person.id, kind="audio", muted=False)

        async def again() -> bool:
            return phone.peer.injected > before + 20

        await eventually(again, "the voice is back")
        await hears(host, phone.person.id, PHONE)


async def test_who_does_not_consent_is_heard_and_on_no_tape(house: House) -> None:
    shelf = Shelf()
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        telephone(house, PHONE, consents=False) as phone,
    ):
        phone.room.record(shelf)
        await hears(host, phone.person.id, PHONE)

        async def others_on_tape() -> bool:
            return shelf.packets(host.id) > 20

        await eventually(others_on_tape, "the others are on tape")
        assert shelf.packets(phone.person.id) == 0
        assert phone.room.view(phone.person)["recorded"] is False


async def test_two_telephones_hear_each_other_and_not_themselves(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        telephone(house, PHONE, person="one") as one,
        telephone(house, 1100, person="two") as two,
    ):
        await asyncio.gather(one.hears(1100), two.hears(PHONE))
        await asyncio.gather(one.hears(HOST), two.hears(HOST))
        await hears(host, one.person.id, PHONE)
        await hears(host, two.person.id, 1100)
        assert one.loudness(PHONE, 50) < QUIET
        assert two.loudness(1100, 50) < QUIET
        assert len(house.bridge.phones._voices) == 3  # each is decoded once, whoever listens


async def test_one_packet_in_twenty_lost_stops_no_voice(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        telephone(house, PHONE, lost=0.05) as phone,
    ):
        await phone.hears(HOST)
        voice = house.person("host").peer
        assert voice is not None
        track = next(iter(voice.sent.values())).start
        heard, count = track.heard, 0
        assert heard is not None

        def lossy(timestamp: int, payload: bytes) -> None:
            nonlocal count
            count += 1
            if count % 20:
                heard(timestamp, payload)

        house.bridge.port.forwarder.tap(track, lossy)
        since, before = phone.received, phone.peer.playout.filled

        async def for_a_while() -> bool:
            return phone.received > since + 200 and phone.peer.playout.filled > before

        await eventually(for_a_while, "four seconds with losses both ways")
        await phone.hears(HOST)
        await hears(host, phone.person.id, PHONE)
        windows = [bytes(one) for one in list(phone.heard)[-150:]]
        assert sum(max(abs(int(x)) for x in memoryview(one).cast("h")) > 1_000 for one in windows) > 140


async def test_the_same_person_moves_between_page_and_telephone(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        VideoClient(house.socket(), token("b"), microphone=Tone(OTHER)) as page,
    ):
        await eventually(placed(page), "the page has a place")
        await hears(host, page.id, OTHER)
        async with telephone(house, PHONE, person="b") as phone:
            assert phone.person.id == page.id
            await hears(host, phone.person.id, PHONE)

            async def closed() -> bool:
                return page.ended is not None

            await eventually(closed, "the page is told")
            async with VideoClient(house.socket(), token("b"), microphone=Tone(OTHER)) as again:

                async def told() -> bool:
                    return phone.ended == "video.elsewhere"

                await eventually(told, "the telephone is told")
                await given_back(house)
                await hears(host, phone.person.id, OTHER)
                assert again.id == phone.person.id


async def test_a_browser_hears_the_telephone_and_is_heard_by_it(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", HOST, role=Role.HOST, video=TINY)
    visitor = await Visitor.enter(chromium, house, "visitor", OTHER, video=TINY)
    await all_meet(notary, visitor)
    async with telephone(house, PHONE) as phone:
        caller = cast(Visitor, SimpleNamespace(id=phone.person.id, hertz=PHONE, person="the telephone"))
        await asyncio.gather(notary.hears(caller), visitor.hears(caller))
        await asyncio.gather(phone.hears(HOST), phone.hears(OTHER))
        await notary.sees(visitor)
        assert await visitor.ask("room.errors") == []
        assert await visitor.ask("room.number") == 1


async def test_the_end_of_the_room_ends_the_telephone(house: House) -> None:
    async with telephone(house, PHONE) as phone:
        house.bridge.end_room("mediation", "ended_by_host")
        assert phone.ended == "video.room_closed"
        await given_back(house)


def _slots(house: House, person: str):
    peer = house.person(person).peer
    return list(peer.slots.values()) if peer else []


def _owner(house: House, slot: object) -> str:
    for one in house.bridge.rooms["mediation"].people.values():
        if one.peer is not None and getattr(slot, "sent", None) in one.peer.sent.values():
            return one.invitation.person
    return ""


def _tone(hertz: float) -> bytes:
    return (8_000 * np.sin(2 * np.pi * hertz * np.arange(8_000) / 8_000)).astype("<i2").tobytes()
