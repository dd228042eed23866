"""Checks a container: every byte of it, without a server or a database."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from switchboard.evidence.container import CLOSE, EVENTS, FORMAT, MANIFEST, SEAL, STAMP, TAIL
from switchboard.evidence.digests import BLOCK, Digests, Hasher, digests_of_bytes
from switchboard.evidence.errors import ContainerUnreadable, StampInvalid
from switchboard.evidence.events import chain_holds
from switchboard.evidence.findings import Finding, Report, bad, good
from switchboard.evidence.layout import Entry, read
from switchboard.evidence.signing import decode, holds, leads_to, parsed, public_key_of
from switchboard.evidence.stamps import Stamp, check

_MOST_TAIL = 64 << 20
"""Bytes of manifest or events that are read at once."""

Progress = Callable[[float], None]


def check_container(
    path: Path, roots: Sequence[bytes] = (), progress: Progress = lambda _share: None
) -> Report:
    """``roots``: DER of the authorities that whoever checks trusts. Blocking, in blocks.

    Raises OSError, and ContainerUnreadable where the file is no container at all (its layout has been changed).
    """
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        return _Check(file, read(file, size), roots, progress).report()


@dataclass(slots=True)
class _Tail:
    """What ``manifest.json`` and those after it say, as far as they can be read."""

    manifest: dict[str, Any] | None
    seal: dict[str, Any] | None
    close: dict[str, Any] | None


class _Check:
    def __init__(
        self, file: BinaryIO, entries: Sequence[Entry], roots: Sequence[bytes], progress: Progress
    ) -> None:
        self._file = file
        self._entries = entries
        self._by_name = {entry.name: entry for entry in entries}
        self._roots = roots
        self._progress = progress
        self._total = sum(entry.size for entry in entries) or 1
        self._done = 0
        self._digests: dict[str, Digests] = {}
        self._found: list[Finding] = []

    def report(self) -> Report:
        if tuple(entry.name for entry in self._entries[-len(TAIL) :]) != TAIL:
            raise ContainerUnreadable("manifest, seal, stamp and close are not the last members")
        for entry in self._entries:
            self._read(entry)
        texts = {name: self._content(name) for name in (*TAIL, EVENTS)}
        tail = _Tail(*(parsed(texts[name]) for name in (MANIFEST, SEAL, CLOSE)))
        for name, facts in ((MANIFEST, tail.manifest), (SEAL, tail.seal), (CLOSE, tail.close)):
            if facts is None:
                self._bad(
                    "unreadable", name, "无法读取，或写法被改动", "cannot be read, or is written otherwise"
                )
        chain = _chain(tail.seal)
        self._seal(tail, chain)
        stamp = self._stamp(texts)
        self._close(tail, chain)
        if tail.manifest is not None:
            self._members(tail.manifest)
            self._events(tail.manifest, texts[EVENTS])
        at = stamp.at if stamp else None
        known = stamp is not None and stamp.trusted and leads_to(chain, self._roots, at)
        return Report(
            "container",
            self._found,
            known,
            authority=hashlib.sha256(chain[-1]).hexdigest() if chain else "",
            stamped_at=at,
            title=_text(tail.manifest, "title"),
            facts={name: _text(tail.manifest, name) for name in ("act", "contact", "sealed_at")},
        )

    def _good(self, code: str, what: str, zh: str, en: str) -> None:
        self._found.append(good(code, what, zh, en))

    def _bad(self, code: str, what: str, zh: str, en: str) -> None:
        self._found.append(bad(code, what, zh, en))

    def _read(self, entry: Entry) -> None:
        hasher, crc, left = Hasher(), 0, entry.size
        self._file.seek(entry.content_offset)
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise ContainerUnreadable("the file is cut off")
            hasher.update(block)
            crc = zlib.crc32(block, crc)
            left -= len(block)
            self._done += len(block)
            self._progress(self._done / self._total)
        self._digests[entry.name] = hasher.digests()
        if crc != entry.crc:
            self._bad("crc", entry.name, "校验码（CRC-32）不符", "the CRC-32 in the file does not fit")

    def _content(self, name: str) -> bytes:
        entry = self._by_name.get(name)
        if entry is None:
            return b""
        if entry.size > _MOST_TAIL:
            raise ContainerUnreadable(f"{name} is too large")
        self._file.seek(entry.content_offset)
        return self._file.read(entry.size)

    def _agrees(self, name: str, row: object) -> bool:
        """Whether a member is what a row of size and digests says."""
        found = self._digests[name]
        return isinstance(row, dict) and (row.get("size"), row.get("sha256"), row.get("sm3")) == (
            found.size,
            found.sha256,
            found.sm3,
        )

    def _seal(self, tail: _Tail, chain: Sequence[bytes]) -> None:
        if tail.seal is None:
            return
        if not chain or not holds(tail.seal, chain[0]):
            self._bad("signature", SEAL, "签名不符：被改动或不是所列证书所签", "the signature does not fit")
        elif not leads_to(chain, chain[-1:], _when(tail.manifest)):
            self._bad("certificates", SEAL, "所列证书不能用于签名", "the certificates listed may not sign")
        elif not self._agrees(MANIFEST, tail.seal.get("manifest")):
            self._bad("manifest", MANIFEST, "签名之后被改动", "altered after it was signed")
        else:
            self._good("signature", MANIFEST, "签名有效，签名后未改动", "signed, and unchanged since")

    def _stamp(self, texts: dict[str, bytes]) -> Stamp | None:
        token, imprint = texts[STAMP], hashlib.sha256(texts[SEAL]).digest()
        try:
            stamp = check(token, imprint, self._roots)
        except StampInvalid as error:
            self._bad("stamp", STAMP, "时间戳无效", f"the time stamp is not valid: {error}")
            return None
        said = stamp.at.isoformat(timespec="seconds")
        self._good("stamp", STAMP, f"时间戳有效：{said}", f"time stamp valid: {said}, by {stamp.signer}")
        return stamp

    def _close(self, tail: _Tail, chain: Sequence[bytes]) -> None:
        if tail.close is None:
            return
        fits = bool(chain) and holds(tail.close, chain[0]) and tail.close.keys() == _CLOSE_KEYS
        if fits and self._agrees(SEAL, tail.close["seal"]) and self._agrees(STAMP, tail.close["stamp"]):
            self._good("close", CLOSE, "封印与时间戳未改动", "seal and stamp are unchanged")
        else:
            self._bad("close", CLOSE, "封印或时间戳被改动", "seal or stamp was altered")

    def _members(self, manifest: dict[str, Any]) -> None:
        rows = manifest.get("members")
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        if manifest.get("format") != FORMAT:
            self._bad("format", MANIFEST, "格式版本不认识", "a format that this program does not know")
        listed = [row.get("name") for row in rows]
        there = [entry.name for entry in self._entries[: -len(TAIL)]]
        if listed != there:
            self._bad(
                "members",
                MANIFEST,
                "文件的名称、数量或次序与清单不符",
                "names, number or order differ from the list",
            )
        for row in rows:
            name = row.get("name")
            if name not in self._digests:
                self._bad("missing", str(name)[:200], "缺失", "missing")
            elif self._agrees(name, row):
                self._good("member", name, "SHA-256 与 SM3 相符", "SHA-256 and SM3 agree")
            else:
                self._bad("member", name, "内容被改动", "its content was altered")

    def _events(self, manifest: dict[str, Any], lines: bytes) -> None:
        if chain_holds(lines, _text(manifest, "events_end")):
            count = lines.count(b"\n")
            self._good(
                "events", EVENTS, f"经过记录的哈希链完整，共 {count} 条", f"chain of {count} events holds"
            )
        else:
            self._bad("events", EVENTS, "经过记录的哈希链中断", "the chain of events is broken")


_CLOSE_KEYS = {"seal", "stamp", "algorithm", "signature"}


def _chain(seal: dict[str, Any] | None) -> list[bytes]:
    """The certificates (DER), or none where the seal's key is not that of the first."""
    try:
        listed = (seal or {}).get("certificates")
        chain = [decode(one) for one in listed] if isinstance(listed, list) else []
        if chain and decode((seal or {}).get("public_key")) == public_key_of(chain[0]):
            return chain
    except ValueError:
        pass
    return []


def _when(manifest: dict[str, Any] | None) -> datetime:
    try:
        return datetime.fromisoformat(_text(manifest, "sealed_at")).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


def _text(facts: dict[str, Any] | None, name: str) -> str:
    value = (facts or {}).get(name)
    return value if isinstance(value, str) else ""


def manifest_of(path: Path) -> tuple[dict[str, Any], str]:
    """(the manifest, its SHA-256) of a container, unchecked but for the layout. Raises ContainerUnreadable, OSError."""
    with path.open("rb") as file:
        file.seek(0, 2)
        for entry in read(file, file.tell()):
            if entry.name == MANIFEST and entry.size <= _MOST_TAIL:
                file.seek(entry.content_offset)
                content = file.read(entry.size)
                facts = parsed(content)
                if facts is not None:
                    return facts, digests_of_bytes(content).sha256
    raise ContainerUnreadable("no manifest")
