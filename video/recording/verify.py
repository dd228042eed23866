"""Says what of a recording holds and what was altered: `python -m video.recording.verify FOLDER`.

Exit code 0 when everything holds, 1 otherwise. Chinese first, English beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from video.recording.blocks import START, PartReader
from video.recording.errors import ManifestInvalid
from video.recording.evidence import canonical, digests_of, local_seal_holds
from video.recording.manifest import SEAL, load
from video.recording.tape import MANIFEST, RESERVE

FILM, FILM_SEAL = "film.json", "film.seal.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `file` is relative to the folder."""

    holds: bool
    file: str
    zh: str
    en: str

    def __str__(self) -> str:
        sign = "✓" if self.holds else "✗"
        return f"{sign} {self.file}：{self.zh} · {self.en}"


def verify(folder: Path, public_key: str = "") -> list[Finding]:
    """Look at everything in the folder. `public_key`: whose seal it must be, hexadecimal. Blocking."""
    findings: list[Finding] = []
    manifest = _sealed(folder, MANIFEST, SEAL, public_key, findings)
    listed = {MANIFEST, SEAL}
    if manifest is not None:
        for entry in _files(manifest):
            listed.add(entry["file"])
            findings += _file(folder, entry)
        for track in _list(manifest, "tracks"):
            findings += _chain(folder, track)
    if (folder / FILM).exists() or (folder / FILM_SEAL).exists():
        film = _sealed(folder, FILM, FILM_SEAL, public_key, findings)
        listed |= {FILM, FILM_SEAL}
        for entry in _list(film or {}, "films"):
            if _entry_is_sound(entry):
                listed.add(entry["file"])
                findings += _file(folder, entry)
    findings += _strangers(folder, listed)
    return findings


def _sealed(
    folder: Path, name: str, seal_name: str, public_key: str, findings: list[Finding]
) -> dict[str, Any] | None:
    """The facts of a sealed file, whether or not the seal holds; None when they cannot be read."""
    try:
        seal = load(folder / seal_name)
    except ManifestInvalid as error:
        findings.append(Finding(False, seal_name, "封印缺失或无法读取", str(error)))
        seal = None
    if seal is not None:
        findings.append(_seal(folder, name, seal_name, seal, public_key))
    try:
        return load(folder / name)
    except ManifestInvalid as error:
        findings.append(Finding(False, name, "清单缺失或无法读取", str(error)))
        return None


def _seal(folder: Path, name: str, seal_name: str, seal: dict[str, Any], public_key: str) -> Finding:
    if seal.get("provider") != "local":
        return Finding(False, seal_name, "不认识的封印，请用出具机构的工具核验", "an unknown seal")
    if (folder / seal_name).read_bytes() != canonical(seal) or not local_seal_holds(seal):
        return Finding(False, seal_name, "封印被改动", "the seal was altered")
    if public_key and seal["public_key"] != public_key:
        return Finding(False, seal_name, "封印不是所给密钥所加", "sealed with another key than the one given")
    try:
        digests = digests_of(folder / name)
    except OSError:
        return Finding(False, name, "缺失", "missing")
    if (seal.get("file"), seal.get("sha256"), seal.get("sm3")) != (name, digests.sha256, digests.sm3):
        return Finding(False, name, "封印之后被改动", "altered after it was sealed")
    key = seal["public_key"]
    return Finding(
        True,
        name,
        f"自 {seal['sealed_at']} 封印后未改动（本机封印，不是可信时间戳；公钥 {key}）",
        f"unchanged since sealed ({seal['statement']}; public key {key})",
    )


def _files(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parts = (part for track in _list(manifest, "tracks") for part in _list(track, "parts"))
    for entry in (*parts, *_list(manifest, "media"), *_list(manifest, "unreadable")):
        if _entry_is_sound(entry):
            yield entry


def _list(facts: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = facts.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _entry_is_sound(entry: dict[str, Any]) -> bool:
    """Never look outside the folder, whatever a manifest says."""
    name = entry.get("file")
    if not isinstance(name, str) or "\0" in name:
        return False
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _file(folder: Path, entry: dict[str, Any]) -> list[Finding]:
    name = entry["file"]
    try:
        digests = digests_of(folder / name)
    except OSError:
        return [Finding(False, name, "缺失或无法读取", "missing, or cannot be read")]
    if digests.size != entry.get("size"):
        return [
            Finding(
                False,
                name,
                f"长度 {digests.size} 字节，应为 {entry.get('size')} 字节",
                f"{digests.size} bytes long instead of {entry.get('size')}",
            )
        ]
    if (digests.sha256, digests.sm3) != (entry.get("sha256"), entry.get("sm3")):
        return [Finding(False, name, "内容被改动", "its content was altered")]
    return [Finding(True, name, "SHA-256 与 SM3 相符", "SHA-256 and SM3 agree")]


def _chain(folder: Path, track: dict[str, Any]) -> Iterator[Finding]:
    """Read the tape's own chain: it says where something was altered, and holds without the manifest too."""
    number, digest = -1, START
    whole = True
    name = f"{track.get('participant')}.{track.get('track')}"
    for part in _list(track, "parts"):
        if not _entry_is_sound(part):
            continue
        reader = PartReader(folder / part["file"], number=number, digest=digest)
        try:
            for _ in reader.blocks():
                pass
        except (OSError, ValueError):
            whole = False
            continue
        number, digest = reader.number, reader.digest
        known = [(one.get("offset"), one.get("bytes"), one.get("kind")) for one in _list(part, "unusable")]
        for damage in reader.damage:
            if (damage.offset, damage.length, damage.kind) not in known:
                whole = False
                yield _damage(part["file"], damage.offset, damage.length, damage.kind)
    if whole and digest.hex() == track.get("chain_end"):
        yield Finding(
            True, name, f"哈希链完整，共 {number + 1} 块", f"the hash chain holds, {number + 1} blocks"
        )
    elif whole:
        yield Finding(
            False, name, "哈希链的末端与清单不符", "the hash chain does not end as the manifest says"
        )


def _damage(file: str, offset: int, length: int, kind: str) -> Finding:
    if kind == "chain":
        return Finding(
            False,
            file,
            f"第 {offset} 字节处与前一块接不上",
            f"the block at byte {offset} does not follow the one before: something is missing or was put in",
        )
    return Finding(
        False,
        file,
        f"第 {offset} 至 {offset + length - 1} 字节的块被改动或截断",
        f"the block in bytes {offset} to {offset + length - 1} was altered or cut off",
    )


def _strangers(folder: Path, listed: set[str]) -> Iterator[Finding]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in listed and name != RESERVE and not name.endswith(".part"):
            yield Finding(False, name, "不在清单之中", "not listed: no part of the sealed recording")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m video.recording.verify", description="Does a recording hold?"
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--public-key", default="", help="whose seal it must be, 64 hexadecimal digits")
    parser.add_argument("--json", action="store_true", help="findings as JSON, one a line")
    given = parser.parse_args(arguments)
    findings = verify(given.folder, given.public_key)
    for finding in findings:
        if given.json:
            facts = {"holds": finding.holds, "file": finding.file, "zh": finding.zh, "en": finding.en}
            print(json.dumps(facts, ensure_ascii=False))
        else:
            print(finding)
    bad = sum(not finding.holds for finding in findings)
    if not given.json:
        print(f"{bad} 处不符 · {bad} things do not hold" if bad else "全部相符 · everything holds")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
