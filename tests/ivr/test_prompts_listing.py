"""A folder's files are known without reading it each time, and every change counts at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.prompts.listing import Listing


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were read, in order."""
    read: list[str] = []
    scandir = os.scandir

    def noted(path: str) -> Iterator[os.DirEntry[str]]:
        read.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    return read


def settle(folder: Path) -> None:
    """As if the last change of the folder lay an hour back."""
    then = time.time_ns() - 3_600_000_000_000
    os.utime(folder, ns=(then, then))


def test_a_folder_that_stays_as_it_is_is_read_once(tmp_path: Path, readings: list[str]) -> None:
    (tmp_path / "a.wav").touch()
    settle(tmp_path)
    listing = Listing(tmp_path, ".wav")
    for _ in range(5):
        assert listing.files() == {"a": tmp_path / "a.wav"}
    assert readings == [str(tmp_path)]


def test_every_change_counts_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    settle(tmp_path)
    listing = Listing(tmp_path, ".wav")
    assert listing.files().keys() == {"a"}
    (tmp_path / "b.wav").touch()
    assert listing.files().keys() == {"a", "b"}
    (tmp_path / "a.wav").unlink()
    assert listing.files().keys() == {"b"}
    (tmp_path / "b.wav").rename(tmp_path / "c.wav")
    assert listing.files().keys() == {"c"}


def test_a_change_in_the_same_step_of_the_clock_is_not_missed(tmp_path: Path) -> None:
    """Two changes within one step leave the same time: the second must be seen all the same."""
    listing, before = Listing(tmp_path, ".wav"), tmp_path.stat()
    assert listing.files() == {}
    (tmp_path / "a.wav").touch()
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert listing.files().keys() == {"a"}


def test_another_folder_in_its_place_is_seen(tmp_path: Path) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.wav").touch()
        settle(tmp_path / name)
    listing = Listing(tmp_path / "own", ".wav")
    assert listing.files().keys() == {"own"}
    (tmp_path / "own").rename(tmp_path / "gone")
    assert listing.files() == {}
    (tmp_path / "other").rename(tmp_path / "own")
    assert listing.files().keys() == {"other"}


def test_only_files_with_the_suffix_count(tmp_path: Path) -> None:
    for name in ("a.wav", "a.mp3", ".a.wav.1f"):
        (tmp_path / name).touch()
    (tmp_path / "b.wav").mkdir()
    assert Listing(tmp_path, ".wav").files() == {"a": tmp_path / "a.wav"}
    assert Listing(tmp_path / "none", ".wav").files() == {}
