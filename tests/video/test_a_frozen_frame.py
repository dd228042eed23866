"""A host freezes what somebody holds up: the picture has the camera's full resolution, and its digests are noted."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser

from tests.video import rig
from tests.video.rig import House, Visitor, eventually, token
from tests.video.test_signalling import talking
from tests.video.test_stills import jpeg
from video.bridge import VideoBridge
from video.captures import Captures
from video.errors import CaptureRefused
from video.events import FrameCaptured
from video.tokens import Role

PAPER = {"width": 1920, "height": 1080, "frameRate": 5}


async def test_a_paper_is_frozen_at_full_resolution(chromium: Browser, tmp_path: Path) -> None:
    async with rig.house(captures=tmp_path) as house:
        notary = await Visitor.enter(chromium, house, "notary", 500, role=Role.HOST, video=None)
        # Chromium's one fake camera gives everybody the size in which it was opened first: here the paper's.
        visitor = await Visitor.enter(chromium, house, "visitor", 1200, video=None)
        await visitor.ask("size => room.show('document', size)", PAPER)
        await notary.sees(visitor, "document")
        await notary.ask("who => room.session.freeze(who, 'document')", visitor.id)
        (told,) = await eventually(lambda: notary.ask("room.frozen"), "the picture has come")
        event = next(one for one in house.bridge.events.drain() if isinstance(one, FrameCaptured))
        data = await asyncio.to_thread(Path(event.file).read_bytes)
        assert hashlib.sha256(data).hexdigest() == event.sha256 == told["sha256"]
        with av.open(event.file) as container:
            frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (event.width, event.height) == (told["width"], told["height"])
        assert (frame.width, frame.height) == (PAPER["width"], PAPER["height"])
        assert (event.participant, event.by, event.what) == (visitor.id, notary.id, "document")
        print(f"{event.width} x {event.height}, {event.size} bytes, {Path(event.file).suffix}")


@pytest.fixture
async def archive(tmp_path: Path):
    async with rig.house(captures=tmp_path) as house:
        yield house


async def put(house: House, capture: str, key: str, data: bytes, room: str = "mediation") -> tuple[int, Any]:
    url = f"{house.url}/video/{room}/captures/{capture}"
    async with (
        ClientSession() as session,
        session.put(url, data=io.BytesIO(data), headers={"Capture-Key": key}) as answer,
    ):
        return answer.status, await answer.json()


async def test_only_the_page_that_was_asked_may_bring_a_picture_and_only_once(archive: House) -> None:
    wish = archive.bridge.captures.wish("mediation", "p1", "h1", "1", "camera")
    picture = jpeg(640, 360)
    assert (await put(archive, wish.id, "wrong", picture))[1]["code"] == "video.capture"
    assert (await put(archive, wish.id, wish.key, picture, "other"))[0] == 400
    assert (await put(archive, "0" * 16, wish.key, picture))[0] == 400
    status, answer = await put(archive, wish.id, wish.key, picture)
    assert (status, answer["sha256"]) == (201, hashlib.sha256(picture).hexdigest())
    assert (await put(archive, wish.id, wish.key, picture))[0] == 400


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" * 10, jpeg()[:30], b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\xff" * 8, bytes(17 << 20)],
    ids=["nothing", "another format", "cut short", "impossible size", "too large"],
)
async def test_what_is_no_picture_leaves_nothing_behind(archive: House, tmp_path: Path, data: bytes) -> None:
    wish = archive.bridge.captures.wish("mediation", "p1", "h1", "1", "camera")
    status, answer = await put(archive, wish.id, wish.key, data)
    assert (status, answer["code"]) == (400, "video.capture")
    assert files_in(tmp_path) == []


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_who_may_freeze_whom(archive: House) -> None:
    async with (
        talking(archive, token("host", role=Role.HOST)) as host,
        talking(archive, token("a")) as guest,
        talking(archive, token("b")) as other,
    ):
        assert (await guest.ask("freeze", participant=host.id))["code"] == "video.not_allowed"
        assert (await host.ask("freeze", participant=guest.id))["code"] == "video.capture"
        assert (await host.ask("freeze", participant="nobody"))["code"] == "video.no_participant"
        await host.ask("caucus", groups=[[guest.id, other.id]])
        assert (await host.ask("freeze", participant=guest.id))["code"] == "video.not_allowed"


async def test_without_a_folder_nothing_is_frozen() -> None:
    async with VideoBridge(rig.SECRET) as bridge:
        with pytest.raises(CaptureRefused):
            bridge.captures.wish("mediation", "p1", "h1", "1", "camera")


def test_wishes_are_bounded(tmp_path: Path) -> None:
    captures = Captures(tmp_path)
    for _ in range(16):
        captures.wish("mediation", "p1", "h1", "1", "camera")
    with pytest.raises(CaptureRefused):
        captures.wish("mediation", "p1", "h1", "1", "camera")
    captures.wish("another", "p1", "h1", "1", "camera")
