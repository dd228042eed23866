"""``switchboard prompts``: an operator lists, checks and replaces prompts without a running switchboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ivr.prompts.catalogue import SOUND
from ivr.prompts.sounds import Sound, write_wav
from switchboard.cli import app
from switchboard.records import Records

RECORDING = write_wav(Sound.of_file(SOUND / "zh" / "goodbye.alaw").samples)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWITCHBOARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prompts(*words: str) -> Result:
    return CliRunner().invoke(app, ["prompts", *words])


def test_the_list_shows_words_and_where_the_dialect_has_none_of_its_own() -> None:
    shown = prompts("list")
    assert shown.exit_code == 0
    assert "感谢您的来电，再见。" in shown.output
    assert "local: " in shown.output
    assert "said in Mandarin" in shown.output
    assert "ahead_3" not in shown.output
    assert "ahead_3" in prompts("list", "en", "--series").output
    assert prompts("list", "xx").exit_code == 2


def test_the_check_finds_nothing_as_delivered_and_names_what_is_put_wrong(data: Path) -> None:
    assert "0 problems" in prompts("check").output
    wrong = data / "prompts" / "zh" / "welcom.wav"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(RECORDING)
    found = prompts("check")
    assert found.exit_code == 1
    assert "zh/welcom.wav: belongs to no key" in found.output


def test_a_recording_is_used_given_back_and_used_again(data: Path) -> None:
    file = data / "speaker.wav"
    file.write_bytes(RECORDING)
    assert prompts("upload", "welcome", "local", str(file)).exit_code == 0
    own = str(data / "prompts" / "local" / "welcome.wav")
    assert prompts("play-path", "welcome", "local").output.strip() == own
    assert "recording" in prompts("list", "local", "--recorded").output
    assert prompts("reset", "welcome", "local").exit_code == 0
    assert prompts("play-path", "welcome", "local").output.strip() == str(SOUND / "zh" / "welcome.alaw")
    assert prompts("reset", "welcome", "local").exit_code == 2
    assert prompts("reset", "welcome", "local", "--earlier").exit_code == 0
    assert prompts("play-path", "welcome", "local").output.strip() == own


async def test_each_change_leaves_a_row_in_the_audit_log(data: Path) -> None:
    import asyncio

    file = data / "speaker.wav"
    file.write_bytes(RECORDING)
    for words in (("upload", "welcome", "zh", str(file)), ("reset", "welcome", "zh")):
        assert (await asyncio.to_thread(prompts, *words)).exit_code == 0
    async with await Records.open(f"sqlite+aiosqlite:///{data / 'switchboard.sqlite'}") as records:
        assert await records.verify_audit() == 2


@pytest.mark.parametrize("content", [b"ID3 no wave", b"", None])
def test_a_file_that_cannot_be_used_is_refused_in_words(data: Path, content: bytes | None) -> None:
    file = data / "speaker.wav"
    if content is not None:
        file.write_bytes(content)
    refused = prompts("upload", "welcome", "zh", str(file))
    assert refused.exit_code == 2
    assert refused.output.strip()
    assert not (data / "prompts" / "zh" / "welcome.wav").exists()
