"""An administrator hears every prompt and replaces it with a recording; nothing strange gets in."""

from __future__ import annotations

import io
from typing import Any

import pytest

from ivr.prompts.catalogue import SOUND
from ivr.prompts.sounds import Sound, read_wav, write_wav
from ivr.prompts.studio import MOST_BYTES
from tests.support.web import Client, SmallHouse, sign_in

WELCOME = write_wav(Sound.of_file(SOUND / "zh" / "goodbye.alaw").samples)
PLACE = "/api/prompts/zh/welcome/sound"
WAV = {"Content-Type": "audio/wav"}


@pytest.fixture(autouse=True)
async def administrator(client: Client) -> None:
    assert await sign_in(client, "root") == 201


async def listed(client: Client, language: str = "zh", **more: str) -> dict[str, Any]:
    async with client.get("/api/prompts", params={"language": language, **more}) as answer:
        assert answer.status == 200
        body = await answer.json()
    return {item["key"]: item for item in body["items"]} | {"languages": body["languages"]}


async def test_the_list_names_words_source_and_length_of_every_sentence(client: Client) -> None:
    items = await listed(client)
    assert items["languages"] == ["zh", "en", "local"]
    assert items["goodbye"]["text"] == "感谢您的来电，再见。"
    assert items["goodbye"]["source"] == "rendered"
    assert items["goodbye"]["ms"] > 500
    assert "ahead_3" not in items
    assert "ahead_3" in await listed(client, series="true")
    assert (await listed(client, "local"))["goodbye"]["source"] == "fallback"


async def test_a_prompt_is_heard_as_wav(client: Client) -> None:
    async with client.get(PLACE) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/wav")
        assert answer.headers["Cache-Control"] == "no-store"
        assert read_wav(await answer.read()).ms > 1000


async def test_an_upload_is_heard_and_taken_away_again_with_a_row_for_each(
    client: Client, house: SmallHouse
) -> None:
    before = await house.records.verify_audit()
    async with client.post(PLACE, data=WELCOME, headers=WAV) as answer:
        assert answer.status == 201
        body = await answer.json()
    assert (body["source"], body["earlier"], body["problems"], body["notes"]) == ("studio", False, [], [])
    assert house.studio.prompts.path("zh", "welcome").suffix == ".wav"
    async with client.get(PLACE) as answer:
        assert await answer.read() != WELCOME  # written anew, never served as it came
    async with client.post(PLACE, data=WELCOME, headers=WAV) as answer:
        assert (await answer.json())["earlier"]
    async with client.post("/api/prompts/zh/welcome/earlier") as answer:
        assert (answer.status, (await answer.json())["source"]) == (200, "studio")
    async with client.delete(PLACE) as answer:
        assert (answer.status, (await answer.json())["source"]) == (200, "rendered")
    assert await house.records.verify_audit() == before + 4


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"ID3 not a wave", "audio/wav", 422, "not_sound"),
        (b"", "audio/wav", 422, "not_sound"),
        (b"\xff" * 70_000, "application/octet-stream", 422, "not_sound"),
        (write_wav([0.0] * 8000), "audio/wav", 422, "too_quiet"),
        (write_wav([0.1, -0.1] * 4000 * 181), "audio/wav", 422, "sound_too_long"),
        (bytes(MOST_BYTES + 1), "audio/wav", 422, "sound_too_long"),
        (WELCOME, "text/html", 415, "not_wav"),
        (b"{}", "application/json", 415, "not_wav"),
    ],
)
async def test_what_is_no_recording_is_refused_in_words_and_changes_nothing(
    client: Client, house: SmallHouse, data: bytes, kind: str, status: int, code: str
) -> None:
    async with client.post(PLACE, data=io.BytesIO(data), headers={"Content-Type": kind}) as answer:
        body = await answer.json()
        assert (answer.status, body["code"]) == (status, code)
        assert body["zh"]
        assert body["en"]
    assert house.studio.entry("zh", "welcome").source == "rendered"


async def test_a_length_that_was_not_announced_is_limited_too(client: Client) -> None:
    async def endless():
        for _ in range(MOST_BYTES // 65_536 + 2):
            yield bytes(65_536)

    async with client.post(PLACE, data=endless(), headers=WAV) as answer:
        assert (answer.status, (await answer.json())["code"]) == (422, "sound_too_long")


@pytest.mark.parametrize(
    "path", ["zh/nothing", "zh/beep", "music/welcome", "ZH/welcome", "zh/..%2fwelcome", "..%2fzh/welcome"]
)
async def test_only_known_prompts_are_found(client: Client, path: str) -> None:
    async with client.post(f"/api/prompts/{path}/sound", data=WELCOME, headers=WAV) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_without_an_earlier_recording_or_a_folder_it_is_said(client: Client, house: SmallHouse) -> None:
    async with client.post("/api/prompts/zh/welcome/earlier") as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "no_earlier_recording")
    house.studio.prompts.overlay = None
    async with client.post(PLACE, data=WELCOME, headers=WAV) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "no_overlay")
