"""One altered byte anywhere in a sealed recording is found, and the file it is in is named."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.media import pictures, sound_sender, sounds, video_sender
from tests.support.tapes import BEGIN_NS, muxed, put, seal_of, track
from video.recording import compose, verify
from video.recording.compose import Format
from video.recording.evidence import LOCAL_STATEMENT, LocalSeal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed recording with a film; tests put back what they alter."""
    made = tmp_path_factory.mktemp("sealed") / "r"
    camera = video_sender(begins_ns=BEGIN_NS).packets(pictures("vp8", 25))
    voice = sound_sender(begins_ns=BEGIN_NS).packets(sounds(50))
    put(made, [(track(), camera, []), (track("mic", "audio"), voice, [])])
    muxed(made)
    compose.process(made, seal_of(made), form=Format(160, 90, 5))
    return made


def bad(folder: Path, public_key: str = "") -> set[str]:
    return {finding.file for finding in verify.verify(folder, public_key) if not finding.holds}


def test_an_untouched_recording_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bad(folder) == set()
    assert verify.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "全部相符" in said
    assert LOCAL_STATEMENT in said


def test_one_altered_byte_anywhere_is_found_and_named(folder: Path) -> None:
    chance = random.Random(0)
    for path in [path for path in sorted(folder.rglob("*")) if path.is_file()]:
        whole, name = path.read_bytes(), path.relative_to(folder).as_posix()
        places = {0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(12))}
        for at in places:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
            assert name in bad(folder), (name, at)
        path.write_bytes(whole)
    assert bad(folder) == set()


def test_every_single_bit_of_a_seal_counts(folder: Path) -> None:
    """Upper case for lower case in a hexadecimal number is a change too."""
    path = folder / "manifest.seal.json"
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in (1, 32):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            assert path.name in bad(folder), at
    path.write_bytes(whole)


def test_a_file_cut_short_missing_or_added_is_found_and_named(folder: Path) -> None:
    for path in [path for path in sorted(folder.rglob("*")) if path.is_file()]:
        whole, name = path.read_bytes(), path.relative_to(folder).as_posix()
        path.write_bytes(whole[:-1])
        assert name in bad(folder)
        path.unlink()
        assert bad(folder), name
        path.write_bytes(whole)
    extra = folder / "media" / "other.webm"
    extra.write_bytes(b"x")
    assert bad(folder) == {"media/other.webm"}
    extra.unlink()
    assert bad(folder) == set()


def test_the_place_in_the_tape_is_named(folder: Path) -> None:
    path = folder / "p1.camera.0001.tape"
    whole = path.read_bytes()
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    words = [str(finding) for finding in verify.verify(folder) if finding.file == path.name]
    path.write_bytes(whole)
    assert any("bytes" in line and "altered" in line for line in words)


def test_a_recording_sealed_anew_by_somebody_else_is_told_by_the_key(folder: Path) -> None:
    ours = seal_of(folder).public_key
    assert bad(folder, ours) == set()
    theirs = LocalSeal(Ed25519PrivateKey.generate())
    assert bad(folder, theirs.public_key) == {"manifest.seal.json", "film.seal.json"}


def test_the_digests_are_those_of_the_standards(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entries = [part for one in manifest["tracks"] for part in one["parts"]] + manifest["media"]
    assert len(entries) == 3
    for entry in entries:
        content = (folder / entry["file"]).read_bytes()
        sm3 = hashes.Hash(hashes.SM3())
        sm3.update(content)
        assert (entry["size"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert entry["sm3"] == sm3.finalize().hex()


def test_the_readme_s_recipe_checks_a_tape_without_our_software(folder: Path) -> None:
    """The program printed in README.md, run as it stands there."""
    readme = (Path(compose.__file__).parent / "README.md").read_text()
    recipe = readme.split("```python\n")[1].split("```")[0]
    said: list[str] = []
    tape = str(folder / "p1.camera.0001.tape")
    given = {"FILE": tape, "print": lambda *words: said.append(" ".join(map(str, words)))}
    exec(recipe, given)  # noqa: S102 - our own documentation
    manifest = json.loads((folder / "manifest.json").read_bytes())
    camera = next(one for one in manifest["tracks"] if one["track"] == "camera")
    assert said[-1].endswith(camera["chain_end"])
    assert f"{camera['packets']} packets" in said[-1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"tracks": 7, "media": [{"file": "../../etc/passwd"}, 3]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_manifest_of_any_kind_is_borne(folder: Path, content: bytes) -> None:
    for name in ("manifest.json", "manifest.seal.json", "film.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        assert bad(folder)
        assert not any("passwd" in finding.file for finding in verify.verify(folder))
        (folder / name).write_bytes(whole)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    one, two = LocalSeal.from_file(tmp_path / "k" / "key"), LocalSeal.from_file(tmp_path / "k" / "key")
    assert one.public_key == two.public_key
    assert (tmp_path / "k" / "key").stat().st_mode & 0o777 == 0o600
