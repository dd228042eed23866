"""A container holds whole: one changed bit anywhere is found, and there is a whole one or none."""

from __future__ import annotations

import hashlib
import io
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest

from switchboard.evidence import (
    Act,
    EvidenceError,
    Member,
    Provider,
    check_container,
    manifest_of,
    open_provider,
    seal,
)
from switchboard.evidence.errors import ContainerExists, MemberChanged, MemberUnfit
from switchboard.evidence.layout import Entry, directory, local_header, read
from switchboard.evidence.stamps import check
from tests.support.evidence import TITLE, tampered

LONG = os.environ.get("SWITCHBOARD_LONG") == "1"


def holds(path: Path, provider: Provider) -> bool:
    try:
        return check_container(path, provider.roots).holds
    except EvidenceError:
        return False


def test_a_sealed_act_holds_and_any_program_opens_it(act: Path, provider: Provider) -> None:
    report = check_container(act, provider.roots)
    assert (report.holds, report.trusted, report.title, report.bad) == (True, True, TITLE, [])
    assert report.authority == hashlib.sha256(provider.roots[0]).hexdigest()
    with zipfile.ZipFile(act) as opened:
        assert opened.testzip() is None
        assert opened.read("recordings/talk.mka") == bytes(range(256)) * 40
        seal_json = opened.read("seal.json")
        stamp = check(opened.read("stamp.tst"), hashlib.sha256(seal_json).digest(), provider.roots)
    assert stamp.trusted
    assert stat.S_IMODE(act.stat().st_mode) == 0o400
    facts, digest = manifest_of(act)
    assert (facts["facts"], len(digest)) == ({"place": "青山村", "parties": 2}, 64)
    assert [row["name"] for row in facts["members"]] == [
        "papers/agreement.pdf",
        "recordings/talk.mka",
        "empty.txt",
        "events.jsonl",
    ]


def test_one_changed_bit_anywhere_is_found(act: Path, provider: Provider, tmp_path: Path) -> None:
    whole, copy = act.read_bytes(), tmp_path / "copy.zip"
    chance = random.Random(20261123)
    tail = whole.index(b"manifest.json") - 30
    places = [chance.randrange(tail) for _ in range(40)] + [
        chance.randrange(tail, len(whole)) for _ in range(260)
    ]
    for at in range(tail, len(whole)) if LONG else places:
        changed = bytearray(whole)
        changed[at] ^= 1 << chance.randrange(8)
        copy.write_bytes(changed)
        assert not holds(copy, provider), at
    copy.write_bytes(whole)
    assert holds(copy, provider)


def test_whatever_is_done_to_it_is_found(act: Path, provider: Provider, tmp_path: Path) -> None:
    for what, changed in tampered(act.read_bytes()):
        copy = tmp_path / "copy.zip"
        copy.write_bytes(changed)
        assert changed != act.read_bytes(), what
        assert not holds(copy, provider), what


def test_what_somebody_else_sealed_holds_but_is_not_trusted(act: Path, tmp_path: Path) -> None:
    stranger = open_provider(tmp_path)
    for roots in ((), stranger.roots):
        report = check_container(act, roots)
        assert (report.holds, report.trusted) == (True, False)


def test_a_tail_of_another_house_is_found(act: Path, provider: Provider, tmp_path: Path) -> None:
    """Somebody with keys of their own can close the same manifest anew, but not under this authority."""
    stranger = open_provider(tmp_path / "keys")
    forged = seal(Act("act-1", "c-1", TITLE, []), tmp_path / "f.zip", stranger).path
    report = check_container(forged, provider.roots)
    assert (report.holds, report.trusted) == (True, False)
    parts = []
    for path in (act, forged):
        with zipfile.ZipFile(path) as opened:
            parts.append({name: opened.read(name) for name in opened.namelist()})
    mixed = {**parts[0], "close.json": parts[1]["close.json"], "stamp.tst": parts[1]["stamp.tst"]}
    copy = tmp_path / "mixed.zip"
    with copy.open("wb") as file:
        _packed(file, mixed)
    assert {finding.what for finding in check_container(copy, provider.roots).bad} == {
        "stamp.tst",
        "close.json",
    }


def _packed(file: BinaryIO, members: dict[str, bytes]) -> None:
    """In our own layout, so that nothing but what is inside can give it away."""
    import zlib

    entries = []
    for name, content in members.items():
        entries.append(Entry(name, len(content), zlib.crc32(content), file.tell()))
        file.write(local_header(entries[-1]) + content)
    file.write(directory(entries, file.tell()))


@pytest.mark.parametrize(
    "name",
    ["../a", "/a", "a//b", "a/../b", "a\\b", "", "a\0", "ä", ".a", "a/.b", "manifest.json", "A/x", "x" * 201],
)
def test_names_that_lead_elsewhere_are_refused(name: str, provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(MemberUnfit):
        seal(Act("a", "c", "t", [Member("a/x", b""), Member(name, b"")]), tmp_path / "a.zip", provider)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_nothing_half_is_left(provider: Provider, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_bytes(b"something else")
    with pytest.raises(ContainerExists):
        seal(Act("a", "c", "t", []), target, provider)
    growing = tmp_path / "growing"
    growing.write_bytes(bytes(1 << 20))

    def grow(_share: float) -> None:
        with growing.open("ab") as file:
            file.write(b"more")

    with pytest.raises(MemberChanged):
        seal(Act("a", "c", "t", [Member("g", growing)]), tmp_path / "b.zip", provider, grow)
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "growing"}
    assert target.read_bytes() == b"something else"


def test_sizes_beyond_four_gigabytes_are_written_as_zip64_and_read_back() -> None:
    entries = [Entry("a.bin", 5 << 30, 7, 0)]
    entries.append(Entry("b.bin", 3, 9, entries[0].content_offset + (5 << 30)))
    end = entries[1].content_offset + 3
    table = directory(entries, end)

    class Sparse(io.RawIOBase):
        """A file with nothing in its members."""

        at = 0

        def seek(self, offset: int, whence: int = 0, /) -> int:
            self.at = offset
            return offset

        def read(self, length: int = -1, /) -> bytes:
            for begin, content in [*((one.offset, local_header(one)) for one in entries), (end, table)]:
                if begin <= self.at < begin + len(content):
                    return content[self.at - begin :][:length]
            return bytes(length)

    assert read(Sparse(), end + len(table)) == entries  # pyright: ignore[reportArgumentType]


_KILLED = """
    import sys
    from pathlib import Path
    from switchboard.evidence import Act, Member, open_provider, seal
    folder = Path(sys.argv[1])
    provider = open_provider(folder / "house")
    print("ready", flush=True)
    for n in range(1000):
        seal(Act(f"a{n}", "c", "t", [Member("r", folder / "recording")]), folder / "out" / f"{n}.zip", provider)
"""


def test_killed_at_any_moment_there_is_a_whole_container_or_none(tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(os.urandom(1 << 20))
    chance = random.Random(7)
    for _ in range(40 if LONG else 6):
        command = [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
        ) as running:
            assert running.stdout
            assert running.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.3))  # the moment of the kill is what is tried out
            running.send_signal(signal.SIGKILL)
        provider = open_provider(tmp_path / "house")
        for path in (tmp_path / "out").glob("*.zip"):
            assert check_container(path, provider.roots).trusted
            path.unlink()
