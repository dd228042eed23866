"""The tape's format: records in blocks, each block's SHA-256 over itself and the block before (README.md, "The tape").

Reading never trusts what it reads: a torn tail, an altered byte or foreign blocks end up in `damage`, and everything
that is whole is used.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MAGIC = b"VTB1"
HEAD = struct.Struct("!4sIIQ32s")  # magic, payload bytes, records, block number, SHA-256 of the block before
DIGEST_BYTES = 32
OVERHEAD = HEAD.size + DIGEST_BYTES
MAX_PAYLOAD = 1 << 20
RECORD = struct.Struct("!BQH")  # kind, time in ns, bytes
MAX_RECORD = 0xFFFF
START = bytes(DIGEST_BYTES)  # what the first block of a tape names as the block before

DESCRIPTION, RTP, RTCP, MARK = 0, 1, 2, 3
_CANDIDATES = 1000  # places at which reading is tried again after damage


@dataclass(frozen=True, slots=True)
class Record:
    """`at_ns`: CLOCK_MONOTONIC of the recording machine, as the packet arrived or the mark was made."""

    kind: int
    at_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    previous: bytes
    digest: bytes
    payload: bytes
    records: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Damage:
    """`length` bytes from `offset` on that cannot be used ("torn", "altered"), or a break before `offset` ("chain")."""

    offset: int
    length: int
    kind: Literal["torn", "altered", "chain"]


def pack_record(kind: int, at_ns: int, data: bytes) -> bytes:
    return RECORD.pack(kind, at_ns, len(data)) + data


def pack_block(number: int, previous: bytes, records: int, payload: bytes) -> tuple[bytes, bytes]:
    """The block's bytes as they stand in the file, and its digest."""
    head = HEAD.pack(MAGIC, len(payload), records, number, previous)
    digest = hashlib.sha256(head + payload).digest()
    return b"".join((head, digest, payload)), digest


def unpack_records(payload: bytes) -> Iterator[Record]:
    """The records of a block that is whole. A length that leads outside ends it silently: the digest held."""
    at, end = 0, len(payload)
    while at + RECORD.size <= end:
        kind, at_ns, length = RECORD.unpack_from(payload, at)
        at += RECORD.size
        if at + length > end:
            return
        yield Record(kind, at_ns, payload[at : at + length])
        at += length


class PartReader:
    """One tape file. `blocks` yields the whole ones; `damage`, `number`, `digest` and `last_end` tell how it went."""

    def __init__(self, path: Path, *, number: int = -1, digest: bytes = START) -> None:
        """`number` and `digest`: of the last block of the part before."""
        self.path = path
        self.number = number
        self.digest = digest
        self.damage: list[Damage] = []
        self.read = 0
        self.last_end = 0

    def blocks(self) -> Iterator[Block]:
        """Every whole block in order. Raises OSError."""
        if self.path.stat().st_size == 0:
            return
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at, end = 0, len(content)
            while at < end:
                block = _block_at(content, at)
                if block is None:
                    at = self._skip(content, at)
                    continue
                if (block.number, block.previous) != (self.number + 1, self.digest):
                    self.damage.append(Damage(at, 0, "chain"))
                self.number, self.digest = block.number, block.digest
                self.read += 1
                at += block.size
                self.last_end = at
                yield block

    def records(self) -> Iterator[Record]:
        for block in self.blocks():
            yield from unpack_records(block.payload)

    def _skip(self, content: mmap.mmap, at: int) -> int:
        """From a place where no whole block is to the next one, or to the end; notes the damage."""
        end, found = len(content), at
        for _ in range(_CANDIDATES):
            found = content.find(MAGIC, found + 1)
            if found < 0:
                break
            if _block_at(content, found) is not None:
                self.damage.append(Damage(at, found - at, "altered"))
                return found
        self.damage.append(Damage(at, end - at, "torn" if _cut_short(content, at) else "altered"))
        return end


def _block_at(content: mmap.mmap, at: int) -> Block | None:
    if len(content) - at < OVERHEAD:
        return None
    magic, length, records, number, previous = HEAD.unpack_from(content, at)
    if magic != MAGIC or length > MAX_PAYLOAD or len(content) - at - OVERHEAD < length:
        return None
    head = content[at : at + HEAD.size]
    digest = content[at + HEAD.size : at + OVERHEAD]
    payload = content[at + OVERHEAD : at + OVERHEAD + length]
    if hashlib.sha256(head + payload).digest() != digest:
        return None
    return Block(number, previous, digest, payload, records, at, OVERHEAD + length)


def _cut_short(content: mmap.mmap, at: int) -> bool:
    """Whether from here to the end there is the beginning of one block, as a kill in the middle of writing leaves."""
    rest = len(content) - at
    if rest < OVERHEAD:
        return content[at : at + 4] == MAGIC[: min(rest, 4)]
    magic, length, *_ = HEAD.unpack_from(content, at)
    return magic == MAGIC and length <= MAX_PAYLOAD and rest - OVERHEAD < length
