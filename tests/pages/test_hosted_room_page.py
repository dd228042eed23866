"""A mediation in real browsers: opened by its mediator, parties by link, waiting room, mute, caucus, chat, paper,
recording with consent, a frozen picture as evidence, and the end; nobody else learns that it exists."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests.pages.conftest import SECOND_HZ, VOICE_HZ
from tests.support.browser import PATIENCE_S, at
from tests.support.room_views import (
    FIRST,
    HOST,
    SECOND,
    Session,
    admit,
    comes,
    files_of,
    hears,
    hears_not,
    invited,
    nothing,
    open_session,
    refused_to_others,
    sees,
    tile,
)
from tests.support.switchboard import PASSWORD, Switchboard, eventually
from video.recording.verify import verify


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=2, roles=("mediator", "lawyer"), env={"ASTERISK": "none"}) as running:
        yield running


async def test_a_mediation_from_the_opening_to_the_sealed_record(
    switchboard: Switchboard, chromium: Browser, second_chromium: Browser
) -> None:
    host, made = await open_session(switchboard, chromium, nothing)
    first = await comes(second_chromium, switchboard, await invited(host, made, FIRST), nothing, agrees=True)
    second = await comes(
        second_chromium, switchboard, await invited(host, made, SECOND), nothing, agrees=False
    )
    await at(host, "invite").click()
    for name, page in ((FIRST, first), (SECOND, second)):
        await admit(host, name, page)
    await hears(host, FIRST, SECOND_HZ)
    await hears(second, HOST, VOICE_HZ)
    await hears(second, FIRST, SECOND_HZ)
    await sees(host, SECOND)

    await recorded_with_consent(host, first, second)
    await muted_by_the_host(host, first, second)
    await written(host, first)
    await among_themselves(host, first, second)
    await frozen(host, first, switchboard, made)
    await refused_to_others(switchboard, made)

    await host.reload()
    await expect(tile(host, FIRST)).to_be_visible()
    await sees(host, FIRST)
    await at(host, "end-all").click()
    await at(host, "end-sure").click()
    await expect(at(host, "rooms-over")).to_be_visible()
    await expect(at(first, "video-ended")).to_be_visible()
    await in_the_record(switchboard, made)


async def recorded_with_consent(host: Page, first: Page, second: Page) -> None:
    await at(host, "record").click()
    for page, state in ((host, "on"), (first, "on"), (second, "paused")):
        await expect(at(page, "room-recording")).to_have_attribute("data-state", state)
    await expect(at(host, "room-recording")).to_contain_text("正在录音录像")


async def muted_by_the_host(host: Page, first: Page, second: Page) -> None:
    await tile(host, FIRST).locator("[data-test=mute-them]").click()
    await expect(first.get_by_text("主持人已将您静音")).to_be_visible()
    await hears_not(second, FIRST, SECOND_HZ)
    await tile(host, FIRST).locator("[data-test=mute-them]").click()
    await hears(second, FIRST, SECOND_HZ)


async def written(host: Page, first: Page) -> None:
    await at(first, "panel-chat").click()
    await at(first, "chat-text").fill("<b>我带了合同</b>")
    await at(first, "chat-send").click()
    await expect(at(host, "panel-chat").locator(".count")).to_have_text("1")
    await at(host, "panel-chat").click()
    await expect(at(host, "room-chat")).to_contain_text("<b>我带了合同</b>")
    await at(host, "panel-chat").click()


async def among_themselves(host: Page, first: Page, second: Page) -> None:
    """Mediator and one party: the other hears and sees nothing of either, and all three are told."""
    await at(host, "panel-caucus").click()
    await at(host, f"caucus-with-{FIRST}").check()
    await at(host, "caucus-begin").click()
    for page in (host, first):
        await expect(at(page, "caucus")).to_contain_text("其他人听不到 · 不录音录像")
        await expect(at(page, "caucus")).to_contain_text("The others cannot hear you · No recording")
        await expect(at(page, "room-recording")).to_have_attribute("data-state", "off")
    await expect(at(second, "caucus-away")).to_contain_text(f"{HOST}、{FIRST} 正在单独商谈")
    await hears_not(second, FIRST, SECOND_HZ)
    await hears_not(second, HOST, VOICE_HZ)
    await hears_not(first, SECOND, SECOND_HZ)
    await hears(first, HOST, VOICE_HZ)
    await at(host, "caucus-end").click()
    await hears(second, FIRST, SECOND_HZ)
    await expect(at(host, "caucus")).to_be_hidden()


async def frozen(host: Page, first: Page, switchboard: Switchboard, made: Session) -> None:
    """A paper is shown beside the face; a picture of it is kept at full resolution and seen again by the host."""
    await at(first, "papers").click()
    await at(first, "paper-camera").first.click()
    paper = host.locator("figure[data-what=document]")
    await expect(paper).to_be_visible()
    await paper.locator("[data-test=freeze]").click()
    await expect(first.get_by_text("您展示的画面已被主持人定格留存")).to_be_visible()
    picture = host.locator("[data-test^=frozen-]")
    await expect(picture).to_be_visible()
    made.frozen = (await picture.get_attribute("data-test") or "").removeprefix("frozen-")

    async def painted() -> bool:
        return await picture.locator("img").evaluate("image => image.naturalWidth > 0")

    await eventually(painted, PATIENCE_S, "the host sees the frozen picture")
    async with switchboard.sign_in("v901", PASSWORD) as http:
        async with http.get(f"/video/{made.room}/captures/{made.frozen}") as answer:
            assert (answer.status, answer.content_type) == (200, "image/png")
        async with http.get(f"/api/rooms/{made.room}") as answer:
            assert [one["id"] for one in (await answer.json())["captures"]] == [made.frozen]


async def in_the_record(switchboard: Switchboard, made: Session) -> None:
    async def sealed() -> bool:
        return len((await switchboard.contact(made.contact))[0].recordings) >= 3

    await eventually(sealed, 40, "manifest and media of both who agreed")
    record, events = await switchboard.contact(made.contact)
    assert (record.medium, record.end_reason, record.final) == ("meeting", "completed", True)
    consents = [event.data["recording"] for event in events if event.kind == "consent"]
    assert consents == [True, False]
    folder = files_of(switchboard, made.contact)
    assert all(finding.holds for finding in verify(folder / made.room))
    media = {one.file.rpartition("/")[2] for one in record.recordings if "media" in one.file}
    async with switchboard.records() as records:
        told = await records.rooms.events(made.room)
    ids = {event.data["person"]: event.data["participant"] for event in told if event.kind == "Entered"}
    taped = {name.partition(".")[0] for name in media}
    assert ids["host-v901"] in taped
    assert len(taped) == 2  # who did not agree is on no tape
    (capture,) = [event.data for event in events if event.kind == "capture"]
    for file, digest in ((capture["file"], capture["sha256"]), (capture["shown"], capture["shown_sha256"])):
        path = switchboard.data_dir / "recordings" / str(file)
        content = await asyncio.to_thread(path.read_bytes)
        assert hashlib.sha256(content).hexdigest() == digest
        assert path.stat().st_mode & 0o222 == 0
        with Image.open(path) as image:
            assert image.size == (capture["width"], capture["height"])
    assert not list((switchboard.data_dir / "run" / "captures").rglob("*.*"))
