"""The one way in which a container is laid out as a ZIP file (PKWARE APPNOTE 6.3.9), stored, without any freedom.

Every byte that is not a member's content follows from the members' names, sizes and CRC-32: local header, content,
local header, ..., central directory, end record. A reader makes these bytes anew and compares, so that nothing can be
changed, added, hidden or doubled in them; any ordinary program still opens the file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from switchboard.evidence.errors import ContainerUnreadable, MemberUnfit

MOST_MEMBERS = 10_000
MOST_NAME = 200
_NAME = re.compile(r"(?!.*//)[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)*")
_BIG = 0xFFFFFFFF
_VERSION_ZIP64, _VERSION = 45, 20
_DATE = 0x21  # 1980-01-01; when something happened stands in the manifest
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64, _LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _END64_BYTES, _CENTRAL_BYTES = 22, 20, 56, 46


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the ZIP file sees it. ``offset``: of its local header, in bytes from the file's beginning."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def content_offset(self) -> int:
        return self.offset + len(local_header(self))


def check_name(name: str) -> str:
    """ASCII letters, digits, ``_.+-`` and single slashes; no part begins with a dot. Raises MemberUnfit."""
    if len(name) > MOST_NAME or _NAME.fullmatch(name) is None or name.endswith("."):
        raise MemberUnfit("a name that no member may have")
    return name


def local_header(entry: Entry) -> bytes:
    name = entry.name.encode("ascii")
    big = entry.size >= _BIG
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if big else b""
    size = _BIG if big else entry.size
    version = _VERSION_ZIP64 if big else _VERSION
    fixed = struct.pack("<HHHHHIIIHH", version, 0, 0, 0, _DATE, entry.crc, size, size, len(name), len(extra))
    return _LOCAL + fixed + name + extra


def _central(entry: Entry) -> bytes:
    name = entry.name.encode("ascii")
    extra = b""
    if entry.size >= _BIG:
        extra += struct.pack("<QQ", entry.size, entry.size)
    if entry.offset >= _BIG:
        extra += struct.pack("<Q", entry.offset)
    if extra:
        extra = struct.pack("<HH", 1, len(extra)) + extra
    version = _VERSION_ZIP64 if extra else _VERSION
    size = min(entry.size, _BIG)
    fixed = struct.pack("<HHHHHHIIIHHHHHII",
        version, version, 0, 0, 0, _DATE, entry.crc, size, size,
        len(name), len(extra), 0, 0, 0, 0, min(entry.offset, _BIG),
    )  # fmt: skip
    return _CENTRAL + fixed + name + extra


def directory(entries: Sequence[Entry], offset: int) -> bytes:
    """Central directory and end record; ``offset`` is where they begin."""
    table = b"".join(_central(entry) for entry in entries)
    count = len(entries)
    end64 = b""
    if offset + len(table) >= _BIG:
        at = offset + len(table)
        end64 = _END64 + struct.pack("<QHHIIQQQQ", 44, _VERSION_ZIP64, _VERSION_ZIP64, 0, 0, count, count,
            len(table), offset)  # fmt: skip
        end64 += _LOCATOR64 + struct.pack("<IQI", 0, at, 1)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, min(len(table), _BIG), min(offset, _BIG), 0)
    return table + end64 + _END + end


def read(file: BinaryIO, size: int) -> list[Entry]:
    """The members of a file of ``size`` bytes. Raises ContainerUnreadable unless every byte beside the members'
    contents is exactly what ``local_header`` and ``directory`` make."""
    offset, count = _end(file, size)
    if not 0 < count <= MOST_MEMBERS:
        raise ContainerUnreadable("number of members")
    entries = _entries(_at(file, offset, size - offset), count)
    next_at = 0
    for entry in entries:
        if entry.offset != next_at:
            raise ContainerUnreadable("members are not one after another")
        header = local_header(entry)
        if _at(file, entry.offset, len(header)) != header:
            raise ContainerUnreadable("a member's header differs from the directory")
        next_at = entry.offset + len(header) + entry.size
    if next_at != offset or _at(file, offset, size - offset) != directory(entries, offset):
        raise ContainerUnreadable("the directory is not as it is written")
    return entries


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    if length > MOST_MEMBERS * (MOST_NAME + 128):
        raise ContainerUnreadable("the directory is too large")
    file.seek(offset)
    read = file.read(length)
    if len(read) != length:
        raise ContainerUnreadable("the file is cut off")
    return read


def _end(file: BinaryIO, size: int) -> tuple[int, int]:
    """(offset of the directory, number of members) out of the last bytes; there is no comment."""
    if size < _END_BYTES:
        raise ContainerUnreadable("too short")
    end = _at(file, size - _END_BYTES, _END_BYTES)
    if not end.startswith(_END):
        raise ContainerUnreadable("no end record at the end")
    _, _, _, count, _, offset, _ = struct.unpack("<HHHHIIH", end[4:])
    before = size - _END_BYTES - _LOCATOR_BYTES - _END64_BYTES
    if before >= 0:
        record = _at(file, before, _END64_BYTES)
        if record.startswith(_END64) and _at(file, before + _END64_BYTES, 4) == _LOCATOR64:
            *_, count, _, offset = struct.unpack("<QHHIIQQQQ", record[4:])
    if offset > size:
        raise ContainerUnreadable("the directory lies outside the file")
    return offset, count


def _entries(table: bytes, count: int) -> list[Entry]:
    entries: list[Entry] = []
    names: set[str] = set()
    at = 0
    for _ in range(count):
        fixed = table[at : at + _CENTRAL_BYTES]
        if len(fixed) < _CENTRAL_BYTES or not fixed.startswith(_CENTRAL):
            raise ContainerUnreadable("the directory is damaged")
        crc, size, offset = (struct.unpack_from("<I", fixed, place)[0] for place in (16, 24, 42))
        length, extra = struct.unpack_from("<HH", fixed, 28)
        at += _CENTRAL_BYTES
        name, wide = table[at : at + length], table[at + length + 4 : at + length + extra]
        at += length + extra
        if size == _BIG and len(wide) >= 16:
            size, wide = struct.unpack_from("<Q", wide)[0], wide[16:]
        if offset == _BIG and len(wide) >= 8:
            offset = struct.unpack_from("<Q", wide)[0]
        entries.append(Entry(_readable(name), size, crc, offset))
        if entries[-1].name.lower() in names:
            raise ContainerUnreadable("two members of one name")
        names.add(entries[-1].name.lower())
    return entries


def _readable(name: bytes) -> str:
    try:
        return check_name(name.decode("ascii"))
    except (UnicodeDecodeError, MemberUnfit):
        raise ContainerUnreadable("a name that no member may have") from None
