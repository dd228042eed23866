"""A speaker's recording of any usual form becomes a prompt like the others; what is none is refused in words."""

from __future__ import annotations

import math
import os
import random
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.prompts import studio
from ivr.prompts.catalogue import SOUND, PromptSet, wav_problem
from ivr.prompts.check import check
from ivr.prompts.errors import (
    NoEarlierRecording,
    NoOverlay,
    NotSound,
    SoundTooLong,
    StudioError,
    TooQuiet,
    UnknownPrompt,
)
from ivr.prompts.level import SPEECH_DBFS, active_power, decibels, sample_powers
from ivr.prompts.sounds import RATE, Sound, high_pass, read_wav, resampled, write_wav
from ivr.prompts.studio import Studio, convert

WELCOME = Sound.of_file(SOUND / "zh" / "welcome.alaw")


def wav_of(
    samples: Iterable[float],
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    kind: int = 1,
    extensible: bool = False,
) -> bytes:
    """A WAV file as recorders write them; both channels alike."""
    if kind == 3:
        whole = b"".join(struct.pack("<f", one) * channels for one in samples)
    else:
        most = 2 ** (bits - 1) - 1
        whole = b"".join(
            round(one * most).to_bytes(bits // 8, "little", signed=True) * channels for one in samples
        )
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else kind, channels, rate, rate * block, block, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, kind) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    chunks = chunk(b"fmt ", form) + chunk(b"LIST", b"by us") + chunk(b"data", whole)
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks


def chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def tone(hertz: float, *, rate: int = RATE, ms: int = 500, level: float = 0.3) -> list[float]:
    return [level * math.sin(2 * math.pi * hertz * n / rate) for n in range(rate * ms // 1000)]


def level_of(samples: Iterable[float]) -> float:
    return decibels(active_power(sample_powers(list(samples))))


# Reading


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(
    ("bits", "kind", "off"), [(16, 1, 1e-4), (24, 1, 1e-6), (32, 1, 1e-8), (32, 3, 1e-6)]
)
def test_every_usual_form_is_read_as_it_was_written(
    channels: int, extensible: bool, bits: int, kind: int, off: float
) -> None:
    written = tone(440, ms=50)
    data = wav_of(written, rate=44_100, channels=channels, bits=bits, kind=kind, extensible=extensible)
    read = read_wav(data)
    assert read.rate == 44_100
    assert len(read.samples) == len(written)
    assert max(abs(a - b) for a, b in zip(read.samples, written, strict=True)) < off


def test_a_file_whose_writer_was_stopped_is_read_as_far_as_it_goes() -> None:
    data = wav_of(tone(440))
    at = data.index(b"data") + 4
    for size in (0, 0xFFFFFFFF):
        assert len(read_wav(data[:at] + struct.pack("<I", size) + data[at + 4 :]).samples) == 4000
    assert len(read_wav(data[:-1001]).samples) == 3499


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no sound file"),
        (b"hello", "no sound file"),
        (b"ID3\x04" + bytes(100), "MP3 file; please save the recording as WAV"),
        (b"OggS" + bytes(100), "Ogg"),
        (b"\0\0\0\x20ftypM4A ", "M4A"),
        (b"RIFF\0\0\0\0WAVE", "no sound"),
        (b"RIFF\0\0\0\0AVI LIST", "no sound file"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", bytes(8)), "does not say"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"junk", b"") * 500 + chunk(b"data", bytes(8)), "no sound"),
        (wav_of(tone(440), kind=6, bits=8), "compressed"),
        (wav_of(tone(440), bits=8), "compressed"),
        (wav_of(tone(440), channels=6), "one or two channels"),
        (wav_of(tone(440), rate=4000), "samples a second"),
        (wav_of(tone(440), rate=3_000_000_000 // 2), "samples a second"),
        (wav_of([]), "no sound"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(NotSound, match=words) as caught:
        convert(data)
    assert caught.value.code == "not_sound"


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_no_file_whatever_breaks_the_reader(noise: bytes, place: int, byte: int) -> None:
    changed = bytearray(wav_of(tone(440, ms=20)))
    changed[place] = byte
    for data in (noise, b"RIFF\0\0\0\0WAVE" + noise, bytes(changed), bytes(changed) + noise):
        with suppress(StudioError):
            convert(data)


def test_floats_that_are_no_numbers_become_silence() -> None:
    read = read_wav(wav_of([math.nan, math.inf, 0.5, -7.0], bits=32, kind=3))
    assert list(read.samples) == [0.0, 0.0, 0.5, -1.0]


# Filtering


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
def test_the_voice_comes_through_any_rate_unchanged_and_what_lies_above_is_gone(rate: int) -> None:
    for hertz, gain_db in ((300, 0.0), (1_000, 0.0), (3_000, 0.0)):
        heard = resampled(Sound(_array(tone(hertz, rate=rate)), rate), RATE)
        assert abs(len(heard) - RATE // 2) <= 1
        assert level_of(heard[800:-800]) - level_of(tone(hertz)) == pytest.approx(gain_db, abs=0.3)
    if rate > 11_025:
        heard = resampled(Sound(_array(tone(5_000, rate=rate)), rate), RATE)
        assert level_of(heard[800:-800]) < level_of(tone(1_000)) - 50


def test_rumble_is_taken_away_and_the_voice_is_left() -> None:
    assert level_of(high_pass(tone(30), 120)) < level_of(tone(30)) - 20
    assert level_of(high_pass([0.5] * 8000, 120)[4000:]) < -100
    assert level_of(high_pass(tone(400), 120)) == pytest.approx(level_of(tone(400)), abs=0.2)


def _array(samples: list[float]):
    from array import array

    return array("d", samples)


# Converting


@pytest.mark.parametrize("gain", [0.02, 0.3, 1.0])
@pytest.mark.parametrize(("rate", "channels", "bits"), [(8_000, 1, 16), (16_000, 2, 24)])
def test_a_recording_is_as_loud_as_our_own_prompts_however_loud_it_came(
    tmp_path: Path, gain: float, rate: int, channels: int, bits: int
) -> None:
    spoken = [one * gain for one in WELCOME.samples for _ in range(rate // RATE)]
    recording = convert(wav_of(spoken, rate=rate, channels=channels, bits=bits), "welcome")
    assert level_of(read_wav(recording.wav).samples) == pytest.approx(SPEECH_DBFS, abs=0.5)
    (tmp_path / "a.wav").write_bytes(recording.wav)
    assert wav_problem(tmp_path / "a.wav") == ""


def test_silence_at_both_ends_is_cut_and_the_usual_pause_put_behind() -> None:
    quiet = [0.0] * RATE
    cut = convert(wav_of([*quiet, *WELCOME.samples, *quiet]), "welcome")
    assert cut.ms == pytest.approx(WELCOME.ms, abs=120)
    entry = convert(wav_of([*quiet, *WELCOME.samples, *quiet]), "menu_labour")
    assert entry.ms - cut.ms == 180


def test_a_speaker_is_told_what_would_make_it_better() -> None:
    loud = convert(wav_of([max(-1.0, min(1.0, 9 * one)) for one in WELCOME.samples]))
    assert [note.split(":")[0] for note in loud.notes] == ["clipped"]
    low = convert(wav_of([one / 30 for one in WELCOME.samples], bits=24))
    assert "low" in [note.split(":")[0] for note in low.notes]
    hiss = random.Random(1)
    noisy = convert(wav_of([0.5 * one + hiss.gauss(0, 0.02) for one in WELCOME.samples]))
    assert [note.split(":")[0] for note in noisy.notes] == ["noise"]


def test_silence_is_no_recording() -> None:
    for samples in ([0.0] * RATE, [0.0001] * RATE, tone(440, ms=100)):
        with pytest.raises(TooQuiet):
            convert(wav_of(samples))


def test_a_recording_is_no_longer_than_three_minutes_and_ten_megabytes() -> None:
    with pytest.raises(SoundTooLong, match="3 minutes"):
        convert(write_wav([0.1, -0.1] * (RATE * 181 // 2)))
    with pytest.raises(SoundTooLong, match="10 MB"):
        convert(bytes(studio.MOST_BYTES + 1))


# The overlay folder


@pytest.fixture
def at_work(tmp_path: Path) -> Studio:
    return Studio(PromptSet(tmp_path / "own"))


def recorded(hertz: float = 500) -> bytes:
    return wav_of(tone(hertz, rate=16_000), rate=16_000)


def test_an_uploaded_recording_is_heard_at_once_and_ours_again_when_it_is_taken_away(at_work: Studio) -> None:
    before = at_work.entry("zh", "welcome")
    assert (before.source, before.changed_ms, before.earlier) == ("rendered", None, False)
    at_work.upload("zh", "welcome", recorded())
    heard = at_work.entry("zh", "welcome")
    assert (heard.source, heard.earlier, heard.problems) == ("studio", False, ())
    assert at_work.prompts.media("zh", "welcome") == f"sound:{at_work.prompts.overlay}/zh/welcome"
    assert heard.ms == read_wav(at_work.wav("zh", "welcome")).ms
    assert at_work.reset("zh", "welcome")
    assert at_work.entry("zh", "welcome").source == "rendered"
    assert not at_work.reset("zh", "welcome")


def test_the_recording_before_can_be_taken_back_and_again(at_work: Studio) -> None:
    with pytest.raises(NoEarlierRecording):
        at_work.take_back("zh", "welcome")
    at_work.upload("zh", "welcome", recorded(500))
    first = at_work.wav("zh", "welcome")
    at_work.upload("zh", "welcome", recorded(900))
    second = at_work.wav("zh", "welcome")
    assert first != second
    at_work.take_back("zh", "welcome")
    assert at_work.wav("zh", "welcome") == first
    at_work.take_back("zh", "welcome")
    assert at_work.wav("zh", "welcome") == second
    at_work.reset("zh", "welcome")
    at_work.take_back("zh", "welcome")
    assert at_work.wav("zh", "welcome") == second
    assert not at_work.entry("zh", "welcome").earlier


def test_a_refused_file_changes_nothing_and_leaves_nothing(at_work: Studio) -> None:
    at_work.upload("zh", "welcome", recorded())
    heard = at_work.wav("zh", "welcome")
    with pytest.raises(NotSound):
        at_work.upload("zh", "welcome", b"ID3 not a wave")
    assert at_work.wav("zh", "welcome") == heard
    assert at_work.prompts.overlay
    assert [path.name for path in at_work.prompts.overlay.rglob("*.wav*")] == ["welcome.wav"]


def test_a_disk_that_is_full_leaves_the_recording_in_use(
    at_work: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work.upload("zh", "welcome", recorded(500))
    heard = at_work.wav("zh", "welcome")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        at_work.upload("zh", "welcome", recorded(900))
    assert at_work.wav("zh", "welcome") == heard
    assert at_work.prompts.overlay
    assert [path.name for path in at_work.prompts.overlay.rglob("*.wav*")] == ["welcome.wav"]


def test_recordings_and_the_ones_before_are_no_problem_to_the_checker(at_work: Studio) -> None:
    for hertz in (500, 900):
        at_work.upload("zh", "welcome", recorded(hertz))
    assert check(at_work.prompts) == []


@pytest.mark.parametrize(
    ("language", "key"),
    [
        ("zh", "welcom"),
        ("zh", "../welcome"),
        ("zh", "beep"),
        ("..", "welcome"),
        ("", "welcome"),
        ("zh/../en", "welcome"),
        ("music", "welcome"),
    ],
)
def test_only_known_prompts_of_a_language_can_be_recorded(at_work: Studio, language: str, key: str) -> None:
    with pytest.raises(UnknownPrompt):
        at_work.upload(language, key, recorded())
    with pytest.raises(UnknownPrompt):
        at_work.reset(language, key)


def test_without_a_folder_there_are_no_recordings() -> None:
    with pytest.raises(NoOverlay):
        Studio(PromptSet()).upload("zh", "welcome", recorded())


def test_the_dialect_is_said_in_mandarin_until_it_is_recorded(at_work: Studio) -> None:
    assert at_work.languages == ["zh", "en", "local"]
    assert {entry.source for entry in at_work.entries("local")} == {"fallback"}
    at_work.upload("local", "welcome", recorded())
    assert at_work.entry("local", "welcome").source == "studio"
    at_work.upload("zh", "goodbye", recorded())
    assert at_work.entry("local", "goodbye").source == "fallback"
    at_work.upload("yue", "goodbye", recorded())
    assert at_work.languages == ["zh", "en", "local", "yue"]


def test_the_list_names_every_prompt_with_its_words_and_its_length(at_work: Studio) -> None:
    for language in ("zh", "en"):
        entries = {entry.key: entry for entry in at_work.entries(language)}
        assert entries.keys() == at_work.prompts.phrases[language].keys()
        assert {entry.source for entry in entries.values()} == {"rendered"}
        assert all(entry.text and entry.ms > 200 for entry in entries.values())
        assert entries["ahead_3"].series
        assert not entries["band_3_5"].series


def test_a_file_put_there_by_hand_that_cannot_be_played_is_named_in_the_list(at_work: Studio) -> None:
    at_work.upload("zh", "welcome", recorded())
    assert at_work.prompts.overlay
    own = at_work.prompts.overlay / "zh" / "welcome.wav"
    own.write_bytes(wav_of(tone(440, rate=44_100), rate=44_100))
    entry = at_work.entry("zh", "welcome")
    assert entry.source == "rendered"
    assert "44100 Hz" in entry.problems[0]
