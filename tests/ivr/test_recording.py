"""A recording is whole, stereo and provable, also after Asterisk was killed in the middle."""

from __future__ import annotations

import hashlib
import wave
from array import array
from pathlib import Path

import pytest

from ivr.errors import RecordingFailed
from ivr.recording import join


def _mono(file: Path, samples: list[int]) -> None:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(array("h", samples).tobytes())


def test_caller_is_left_and_volunteer_right_and_the_shorter_side_is_silence(tmp_path: Path) -> None:
    _mono(tmp_path / "r-caller.wav", [1, 2, 3, 4])
    _mono(tmp_path / "r-agent.wav", [9, 8])
    kept = join(tmp_path, "r", tmp_path / "kept")
    with wave.open(str(tmp_path / "kept" / kept.name)) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (2, 8000, 2)
        assert array("h", sound.readframes(10)).tolist() == [1, 9, 2, 8, 3, 0, 4, 0]


def test_the_digests_are_those_of_the_file_and_the_file_cannot_be_written(tmp_path: Path) -> None:
    _mono(tmp_path / "r-caller.wav", [5] * 8000)
    _mono(tmp_path / "r-agent.wav", [6] * 8000)
    kept = join(tmp_path, "r", tmp_path)
    content = (tmp_path / kept.name).read_bytes()
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert len(kept.sm3) == 64
    assert kept.ms == 1000
    assert (tmp_path / kept.name).stat().st_mode & 0o222 == 0
    assert not (tmp_path / "r-caller.wav").exists()


def test_a_side_whose_header_was_never_finished_is_read_to_its_end(tmp_path: Path) -> None:
    _mono(tmp_path / "r-caller.wav", [7] * 16000)
    broken = bytearray((tmp_path / "r-caller.wav").read_bytes())
    broken[4:8] = broken[40:44] = bytes(4)
    (tmp_path / "r-caller.wav").write_bytes(bytes(broken) + b"\x07")
    kept = join(tmp_path, "r", tmp_path)
    assert kept.ms == 2000


def test_nothing_recorded_is_an_error_and_not_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed):
        join(tmp_path, "r", tmp_path)
    assert not (tmp_path / "r.wav").exists()
