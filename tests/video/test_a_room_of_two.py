"""Two real browsers in a room: faces, voices, a document held up, a new peer."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.video.rig import SMALL, TINY, House, Visitor, all_meet, eventually
from video.events import MediaUp
from video.tokens import Role


async def test_two_see_and_hear_each_other_and_what_they_hold_up(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200)
    await all_meet(notary, visitor)

    await visitor.ask("room.show('document', {width: 640, height: 360, frameRate: 5})")
    await notary.sees(visitor, "document")
    await notary.sees(visitor)
    await visitor.ask("room.hide('document')")
    await eventually(
        lambda: notary.ask("who => !room.slot(who, 'document')", visitor.id), "the document is gone"
    )
    await visitor.ask("size => room.changeCamera(size)", SMALL)
    await notary.sees(visitor)

    for one in (notary, visitor):
        assert await one.ask("room.errors") == []
        assert await one.ask("room.number") == 1
    assert house.bridge.port.counts()["forged"] == 0


async def test_a_page_whose_peer_is_lost_makes_a_new_one(chromium: Browser, house: House) -> None:
    notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST, video=TINY)
    visitor = await Visitor.enter(chromium, house, "visitor", 1200, video=TINY)
    await notary.hears(visitor)
    peer = house.person("visitor").peer
    assert peer is not None
    await visitor.ask("{ const {pc} = room; pc.close(); pc.onconnectionstatechange(); }")
    await notary.sees(visitor)
    await visitor.hears(notary)
    assert house.person("visitor").peer is not peer
    ups = [event for event in house.bridge.events.drain() if isinstance(event, MediaUp)]
    assert [event.peer for event in ups if event.participant == visitor.id] == [1, 2]
