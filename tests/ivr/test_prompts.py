"""Every prompt is there, whole, audible and says today's words; a hotline's own recordings come first."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import pytest

from ivr.prompts import alaw
from ivr.prompts.catalogue import (
    SOUND,
    PromptSet,
    wav_problem,
)
from ivr.prompts.check import check, level_problems
from ivr.prompts.check import main as check_main
from ivr.prompts.errors import BrokenTable, MissingSound, PromptError, UnknownPrompt
from ivr.prompts.level import SPEECH_DBFS, active_dbfs
from ivr.prompts.sums import Sum, file_sum, read_sums, write_sums
from ivr.prompts.texts import HERE, LANGUAGES, load_language

MATTERS = (
    "marriage_family",
    "labour",
    "housing_land",
    "traffic_accident",
    "debt",
    "notarization",
    "mediation",
    "legal_aid",
)


@pytest.fixture(scope="module")
def prompts() -> PromptSet:
    return PromptSet()


def write_wav(path: Path, *, rate: int = 8000, channels: int = 1, frames: int = 800) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setframerate(rate)
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.writeframes(b"\x00\x10" * channels * frames)
    return path


# What is committed


def test_the_checker_finds_nothing_to_mend(prompts: PromptSet) -> None:
    assert [str(problem) for problem in check(prompts)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_has_words_and_a_sound_that_asterisk_finds(prompts: PromptSet, language: str) -> None:
    for key in prompts.phrases[language]:
        assert prompts.text(language, key)
        media = prompts.media(language, key)
        assert media.startswith("sound:/")
        assert Path(media.removeprefix("sound:") + ".alaw").is_file()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_lasts_as_long_as_its_words_need(prompts: PromptSet, language: str) -> None:
    """Between 120 and 480 ms for a hanzi, 30 to 150 ms for an English letter; a lone digit longer."""
    least, most, spare = (120, 480, 600) if language == "zh" else (30, 150, 700)
    sums = read_sums(SOUND / language)
    for key, phrase in prompts.phrases[language].items():
        if phrase.spoken_in != language:
            continue
        size = sum(letter.isalnum() for letter in phrase.said)
        assert least * size < sums[key].ms < most * size + spare, key
        assert sums[key].ms == (SOUND / language / f"{key}.alaw").stat().st_size // 8


def test_demonstration_questions_last_8_to_15_seconds_in_several_voices(prompts: PromptSet) -> None:
    questions = [demo for demo in prompts.demonstrations if demo.kind == "question" and demo.language == "zh"]
    assert len(questions) == 10
    assert len({demo.phrase.voice for demo in questions}) >= 4
    for demo in prompts.demonstrations:
        seconds = prompts.demonstration(demo.phrase.key).stat().st_size / 8000
        assert 7 <= seconds <= 16, demo.phrase.key


def test_music_lasts_over_a_minute_and_comes_round_without_a_click(prompts: PromptSet) -> None:
    sound = (prompts.music / "calm.alaw").read_bytes()
    samples = [alaw.SAMPLES[code] for code in sound]
    steps = [abs(samples[at] - samples[at - 1]) for at in range(1, len(samples))]
    assert 60 <= len(sound) / 8000 <= 90
    assert abs(samples[0] - samples[-1]) <= max(steps)
    assert alaw.peak_dbfs(sound) < -9


def test_no_word_in_mandarin_holds_a_digit_that_the_voice_would_count() -> None:
    said = [phrase.said for phrase in load_language("zh").values() if phrase.spoken_in == "zh"]
    assert not [words for words in said if any(sign.isascii() and sign.isalnum() for sign in words)]


def test_both_languages_have_the_same_keys_and_a_phrase_for_every_menu_entry(prompts: PromptSet) -> None:
    more = prompts.phrases["zh"].keys() - prompts.phrases["en"].keys()
    assert not prompts.phrases["en"].keys() - prompts.phrases["zh"].keys()
    assert all(key.startswith("digits_") for key in more)
    for matter in MATTERS:
        assert f"menu_{matter}" in prompts.keys
        assert f"whisper_{matter}" in prompts.keys


# Finding


def test_english_is_offered_in_english_whatever_the_language(prompts: PromptSet) -> None:
    assert prompts.media("zh", "language_choice") == prompts.media("en", "language_choice")
    assert prompts.text("zh", "language_choice") == "For service in English, press nine."


def test_a_language_without_prompts_is_answered_in_mandarin(prompts: PromptSet) -> None:
    assert prompts.media("yue", "welcome") == prompts.media("zh", "welcome")
    assert prompts.text("yue", "welcome") == prompts.text("zh", "welcome")


@pytest.mark.parametrize("language", ["../zh", "/etc", "", "zh/../../x", "ZH"])
def test_a_strange_language_never_leaves_the_folders(tmp_path: Path, language: str) -> None:
    write_wav(tmp_path / "welcome.wav")
    prompts = PromptSet(tmp_path / "own")
    assert prompts.media(language, "welcome") == prompts.media("zh", "welcome")


def test_an_unknown_key_is_named_in_the_error(prompts: PromptSet) -> None:
    with pytest.raises(UnknownPrompt, match="no prompt has the key 'welcom'") as caught:
        prompts.media("zh", "welcom")
    assert isinstance(caught.value, PromptError)
    assert caught.value.code == "unknown_prompt"
    with pytest.raises(UnknownPrompt):
        prompts.text("zh", "../welcome")
    with pytest.raises(UnknownPrompt):
        prompts.demonstration("../zh/welcome")


def test_a_known_key_without_any_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MissingSound, match="welcome"):
        PromptSet(sound=tmp_path).media("en", "welcome")


def test_an_english_file_that_is_missing_is_said_in_mandarin(tmp_path: Path) -> None:
    (tmp_path / "zh").mkdir()
    shutil.copy(SOUND / "zh" / "welcome.alaw", tmp_path / "zh")
    assert PromptSet(sound=tmp_path).media("en", "welcome") == f"sound:{tmp_path}/zh/welcome"


# A hotline's own recordings


def test_an_own_recording_counts_at_once_and_stops_counting_when_taken_away(tmp_path: Path) -> None:
    prompts = PromptSet(tmp_path)
    rendered = prompts.media("zh", "welcome")
    own = write_wav(tmp_path / "zh" / "welcome.wav")
    assert prompts.media("zh", "welcome") == f"sound:{tmp_path}/zh/welcome"
    own.unlink()
    assert prompts.media("zh", "welcome") == rendered


def test_a_dialect_is_spoken_where_recordings_are_there_and_mandarin_else(tmp_path: Path) -> None:
    prompts = PromptSet(tmp_path)
    write_wav(tmp_path / "yue" / "welcome.wav")
    write_wav(tmp_path / "zh" / "goodbye.wav")
    assert prompts.media("yue", "welcome") == f"sound:{tmp_path}/yue/welcome"
    assert prompts.media("yue", "goodbye") == f"sound:{tmp_path}/zh/goodbye"


def test_a_rendered_english_prompt_is_played_rather_than_an_own_mandarin_one(tmp_path: Path) -> None:
    prompts = PromptSet(tmp_path)
    write_wav(tmp_path / "zh" / "welcome.wav")
    assert prompts.media("en", "welcome") == f"sound:{SOUND}/en/welcome"


def test_a_recording_that_cannot_be_played_never_silences_a_prompt(tmp_path: Path) -> None:
    prompts = PromptSet(tmp_path)
    rendered = prompts.media("zh", "welcome")
    broken = write_wav(tmp_path / "zh" / "welcome.wav", rate=44100, channels=2)
    assert prompts.media("zh", "welcome") == rendered
    assert prompts.media("zh", "welcome") == rendered
    assert "44100 Hz, 2 channels" in wav_problem(broken)
    broken.write_bytes(b"not a sound")
    assert prompts.media("zh", "welcome") == rendered
    assert {problem.code for problem in check(prompts)} == {"unplayable"}


def test_the_checker_names_recordings_that_would_never_be_heard(tmp_path: Path) -> None:
    write_wav(tmp_path / "zh" / "welcom.wav")
    (tmp_path / "zh" / "welcome.mp3").write_bytes(b"")
    write_wav(tmp_path / "music" / "ours.wav")
    found = {problem.file: problem.code for problem in check(PromptSet(tmp_path))}
    assert found == {"zh/welcom.wav": "unknown", "zh/welcome.mp3": "not_wav"}
    assert [problem.code for problem in check(PromptSet(tmp_path / "none"))] == ["no_overlay"]


def test_own_music_replaces_ours(tmp_path: Path) -> None:
    prompts = PromptSet(tmp_path)
    assert prompts.music == SOUND / "music"
    write_wav(tmp_path / "music" / "ours.wav")
    assert prompts.music == tmp_path / "music"


# The checker


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SOUND, tmp_path / "sound"))


def test_a_missing_damaged_stale_or_forgotten_file_is_found(copied: Path) -> None:
    zh = copied / "zh"
    (zh / "welcome.alaw").unlink()
    (zh / "goodbye.alaw").write_bytes((zh / "goodbye.alaw").read_bytes()[:-80])
    sums = read_sums(zh)
    sums["transferring"] = Sum("0" * 64, sums["transferring"].file, sums["transferring"].ms)
    del sums["wrong_key"]
    write_sums(zh, sums)
    (zh / "older.alaw").write_bytes(b"")
    found = {problem.file: problem.code for problem in check(PromptSet(sound=copied))}
    assert found == {
        "zh/welcome.alaw": "missing",
        "zh/goodbye.alaw": "damaged",
        "zh/transferring.alaw": "stale",
        "zh/wrong_key.alaw": "no_sum",
        "zh/older.alaw": "unknown",
    }


def test_changed_words_or_another_voice_make_a_file_stale() -> None:
    phrase = load_language("zh")["welcome"]
    assert phrase.fingerprint == load_language("zh")["welcome"].fingerprint
    assert phrase.fingerprint != load_language("zh")["goodbye"].fingerprint
    assert phrase.fingerprint != load_language("en")["welcome"].fingerprint


def spoken(level: int, ms: int = 400) -> list[int]:
    return [level, -level] * (4 * ms)


def test_speech_that_is_too_loud_too_low_or_clipped_is_found() -> None:
    right = round(32768 * 10 ** (SPEECH_DBFS / 20))
    assert level_problems(alaw.encode(spoken(right))) == []
    loud, low = (level_problems(alaw.encode(spoken(level))) for level in (32767, 500))
    assert loud[:2] == ["is clipped", "peaks at -0.1 dBFS, wanted is below -3"]
    assert "speaks at -0.1 dBFS" in loud[2]
    assert low == ["speaks at -36.3 dBFS, wanted is -20 within 1.5 dB"]


def test_silence_before_between_and_behind_the_words_is_found() -> None:
    words, pause = spoken(3277), [0] * 8 * 1200
    assert level_problems(alaw.encode(pause)) == ["is silent"]
    assert level_problems(alaw.encode([0] * 1600 + words)) == ["begins with 200 ms of silence"]
    assert level_problems(alaw.encode(words + pause + words)) == ["has a pause of 1200 ms"]
    assert level_problems(alaw.encode(words + pause)) == ["ends with 1200 ms of silence"]


def test_every_prompt_of_a_language_is_equally_loud() -> None:
    for language in LANGUAGES:
        levels = [active_dbfs(path.read_bytes()) for path in (SOUND / language).glob("*.alaw")]
        assert SPEECH_DBFS - 0.5 < sum(levels) / len(levels) < SPEECH_DBFS + 0.5


def test_the_command_says_what_it_found_and_ends_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_main([]) == 0
    assert "0 problems" in capsys.readouterr().out
    write_wav(tmp_path / "zh" / "welcome.wav", rate=16000)
    assert check_main(["--overlay", str(tmp_path)]) == 1
    assert "zh/welcome.wav: must be 8000 Hz" in capsys.readouterr().out


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "zh.toml").write_text("say = [", encoding="utf-8")
    with pytest.raises(BrokenTable, match=r"zh\.toml"):
        load_language("zh", tmp_path)
    (tmp_path / "zh.toml").write_text("[say]\nwelcome = 'x'", encoding="utf-8")
    with pytest.raises(BrokenTable, match="voice"):
        load_language("zh", tmp_path)
    (tmp_path / "sums.toml").write_text("welcome = 3", encoding="utf-8")
    with pytest.raises(BrokenTable, match="sums"):
        read_sums(tmp_path)


# A-law


def test_every_alaw_byte_survives_decoding_and_encoding() -> None:
    codes = bytes(range(256))
    assert alaw.encode([alaw.SAMPLES[code] for code in codes]) == codes


def test_encoding_is_within_half_a_step_of_every_sample() -> None:
    for sample in range(-32256, 32257, 97):
        heard = alaw.SAMPLES[alaw.encode([sample])[0]]
        assert abs(heard - sample) <= max(16, abs(sample) / 30)


def test_sums_are_of_the_file_as_it_lies_there(tmp_path: Path) -> None:
    (tmp_path / "a.alaw").write_bytes(b"\xd5" * 8)
    written = {"a": Sum("w", file_sum(tmp_path / "a.alaw"), 1)}
    write_sums(tmp_path, written)
    assert read_sums(tmp_path) == written
    assert read_sums(tmp_path / "none") == {}
    assert HERE.name == "prompts"
