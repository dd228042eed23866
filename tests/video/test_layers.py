"""A browser that sends its picture in two sizes, and a receiver that is given the one or the other."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.video.rig import House, Visitor, eventually
from video.tokens import Role

SIZE = {"width": 640, "height": 360, "frameRate": 10}
LAYERS = [
    {"rid": "q", "scaleResolutionDownBy": 2, "maxBitrate": 80_000},
    {"rid": "h", "scaleResolutionDownBy": 1, "maxBitrate": 250_000},
]


async def test_a_receiver_changes_between_two_sizes_of_one_picture(chromium: Browser, house: House) -> None:
    sender = await Visitor.enter(chromium, house, "sender", 500, role=Role.HOST, video=SIZE, encodings=LAYERS)
    receiver = await Visitor.enter(chromium, house, "receiver", 1200, video=None)
    await receiver.hears(sender)
    await receiver.sees(sender)

    async def width() -> int:
        return (await receiver.ask("who => room.stats(who)", sender.id)).get("frameWidth", 0)

    async def ask_for(rid: str) -> None:
        await receiver.ask(
            "([who, rid]) => room.session.layer(room.slot(who, 'camera').mid, rid)",
            [sender.id, rid],
        )

    async def wide() -> bool:
        await ask_for("h")
        return await width() == 640

    async def narrow() -> bool:
        await ask_for("q")
        return await width() == 320

    await eventually(wide, "the large picture")
    await receiver.sees(sender)
    await eventually(narrow, "the small picture")
    await receiver.sees(sender)
    assert await receiver.ask("room.errors") == []
    peer = house.person("sender").peer
    assert peer is not None
    camera = next(sent for sent in peer.sent.values() if sent.kind == "video")
    assert [layer.rid for layer in camera.layers] == ["h", "q"]
    assert all(layer.track.packets for layer in camera.layers)
