"""Seals one act: recordings, papers, events and the digests of all of them in one file.

The file is a ZIP (``layout``) that any program opens. After the members come, in this order:

- ``manifest.json``: each member's name, title, kind, size, SHA-256 and SM3, and the end of the events' chain;
- ``seal.json``: the manifest's digests with the house's certificates, signed;
- ``stamp.tst``: an RFC 3161 time stamp over ``seal.json``;
- ``close.json``: the digests of seal and stamp, signed, so that not one bit of the stamp can be changed either.

It is written under another name, flushed, made read-only and then given its name: whoever is killed leaves a whole
container or none. Reads and writes in blocks; a member may have any number of gigabytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from switchboard.evidence import events as course
from switchboard.evidence.digests import Digests, Hasher, blocks, canonical, digests_of_bytes
from switchboard.evidence.errors import ContainerExists, MemberChanged, MemberUnfit
from switchboard.evidence.layout import MOST_MEMBERS, Entry, check_name, directory, local_header
from switchboard.evidence.provider import Provider
from switchboard.evidence.signing import encode, public_key_of, signed

FORMAT = "12348-evidence-1"
SUFFIX = ".evidence.zip"
EVENTS, MANIFEST, SEAL, STAMP, CLOSE = (
    "events.jsonl",
    "manifest.json",
    "seal.json",
    "stamp.tst",
    "close.json",
)
TAIL = (MANIFEST, SEAL, STAMP, CLOSE)
Kind = Literal["recording", "paper", "picture", "signature", "events", "other"]


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the act. ``name``: its path in the container (ASCII); ``title``: what people call it, any language;
    ``source``: a file, or the bytes themselves."""

    name: str
    source: Path | bytes
    kind: Kind = "other"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """What is sealed. ``id`` and ``contact`` are ours; ``title`` is read by people; ``facts`` are strings and whole
    numbers that belong to the act (kind, place, roles). ``events``: its course, in order, JSON values only."""

    id: str
    contact: str
    title: str
    members: Sequence[Member]
    events: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A container that lies on the disk. ``size`` in bytes; ``manifest_sha256`` (hexadecimal) names it for ever."""

    path: Path
    size: int
    manifest_sha256: str
    sealed_ms: int


def seal(
    act: Act, target: Path, provider: Provider, progress: Callable[[float], None] = lambda _share: None
) -> Sealed:
    """Write the container of an act. Blocking; ``progress`` hears the share of bytes done.

    Raises MemberUnfit, MemberChanged, ContainerExists, what the provider raises, and OSError.
    """
    members = _checked(act)
    if target.exists():
        raise ContainerExists(target.name)
    lines, chain_end = course.chained(act.events)
    members.append(Member(EVENTS, lines, "events", "经过 · course of the act"))
    part = target.with_name(f"{target.name}.{secrets.token_hex(6)}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            sealed = _write(file, act, members, chain_end, provider, progress)
            file.flush()
            os.fchmod(file.fileno(), 0o400)
            os.fsync(file.fileno())
        os.link(part, target)  # never over what is there
    except FileExistsError as error:
        raise ContainerExists(target.name) from error
    finally:
        part.unlink(missing_ok=True)
    _flush_folder(target.parent)
    return Sealed(target, *sealed)


def _checked(act: Act) -> list[Member]:
    names = {name.lower() for name in (EVENTS, *TAIL)}
    if len(act.members) > MOST_MEMBERS - len(names):
        raise MemberUnfit("too many members")
    if not all(_is_plain(name, value) for name, value in act.facts.items()):
        raise MemberUnfit("facts are words and whole numbers under plain names")
    for member in act.members:
        if check_name(member.name).lower() in names:
            raise MemberUnfit("two members of one name")
        names.add(member.name.lower())
    return list(act.members)


def _is_plain(name: str, value: object) -> bool:
    """What every program writes in the same way: the page of a court makes the same bytes of it as we do."""
    if re.fullmatch(r"[a-z][a-z_0-9]{0,63}", name) is None:
        return False
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return whole or isinstance(value, str)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(
    file: BinaryIO,
    act: Act,
    members: Sequence[Member],
    chain_end: str,
    provider: Provider,
    progress: Callable[[float], None],
) -> tuple[int, str, int]:
    out = _Writer(file, sum(_size(member.source) for member in members) or 1, progress)
    rows = [
        {
            "name": member.name,
            "title": member.title,
            "kind": member.kind,
            **_row(out.member(member.name, member.source)),
        }
        for member in members
    ]
    sealed_at = datetime.now(UTC)
    manifest = canonical(
        {
            "format": FORMAT,
            "act": act.id,
            "contact": act.contact,
            "title": act.title,
            "facts": dict(act.facts),
            "sealed_at": sealed_at.isoformat(timespec="milliseconds"),
            "events_end": chain_end,
            "members": rows,
        }
    )
    digests = _row(out.member(MANIFEST, manifest))
    certificates = provider.certificates
    statement = signed(
        {
            "manifest": digests,
            "certificates": [encode(one) for one in certificates],
            "public_key": encode(public_key_of(certificates[0])),
        },
        provider,
    )
    out.member(SEAL, statement)
    stamp = provider.time_stamp(hashlib.sha256(statement).digest())
    out.member(STAMP, stamp)
    closing = {"seal": _row(digests_of_bytes(statement)), "stamp": _row(digests_of_bytes(stamp))}
    out.member(CLOSE, signed(closing, provider))
    return out.close(), str(digests["sha256"]), int(sealed_at.timestamp() * 1000)


def _row(digests: Digests) -> dict[str, Any]:
    return {"size": digests.size, "sha256": digests.sha256, "sm3": digests.sm3}


def _size(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


class _Writer:
    """Members one after another. A member's header is written again once its CRC is known."""

    def __init__(self, file: BinaryIO, total: int, progress: Callable[[float], None]) -> None:
        self._file = file
        self._entries: list[Entry] = []
        self._at = 0
        self._done, self._total, self._progress = 0, total, progress

    def member(self, name: str, source: Path | bytes) -> Digests:
        """Raises MemberChanged where a file's length is not what it was at the beginning."""
        size = _size(source)
        entry = Entry(name, size, 0, self._at)
        header = local_header(entry)
        self._file.write(header)
        if isinstance(source, bytes):
            hasher, crc = Hasher(), zlib.crc32(source)
            hasher.update(source)
            self._file.write(source)
        else:
            with source.open("rb") as content:
                hasher, crc = self._copy(content, size)
        entry = Entry(name, size, crc, self._at)
        self._file.seek(self._at)
        self._file.write(local_header(entry))
        self._at += len(header) + size
        self._file.seek(self._at)
        self._entries.append(entry)
        return hasher.digests()

    def _copy(self, content: BinaryIO, size: int) -> tuple[Hasher, int]:
        hasher, crc = Hasher(), 0
        for block in blocks(content):
            hasher.update(block)
            if hasher.size > size:
                raise MemberChanged("it grew")
            crc = zlib.crc32(block, crc)
            self._file.write(block)
            self._done += len(block)
            self._progress(min(1.0, self._done / self._total))
        if hasher.size != size:
            raise MemberChanged("it shrank")
        return hasher, crc

    def close(self) -> int:
        """Writes the directory; answers the length of the whole file in bytes."""
        end = directory(self._entries, self._at)
        self._file.write(end)
        return self._at + len(end)
