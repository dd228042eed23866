"""A tape's part files: blocks are appended, each whole or not at all, until a part is full and the next one begins."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from video.recording.blocks import DESCRIPTION, START, PartReader, pack_block, pack_record
from video.recording.model import Track

VERSION = 1
MANIFEST = "manifest.json"
RESERVE = "reserve"  # a file that keeps room for the last words on a disk that fills up
RESERVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """`buffer_bytes` per tape wait in memory for the disk; `part_bytes` is where a new part file begins."""

    buffer_bytes: int = 2 << 20
    part_bytes: int = 256 << 20
    sync_ns: int = 5_000_000_000


LIMITS = Limits()


def boot_id() -> str:
    """Names the machine's run during which CLOCK_MONOTONIC can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


class Parts:
    """The row of part files of one track in a folder; used by the recorder's thread alone. Every method may raise
    OSError: then nothing of what was to be written is there."""

    def __init__(self, folder: Path, track: Track, limits: Limits) -> None:
        self.folder = folder
        self._stem = track.stem
        self._limits = limits
        self._known = track  # as described on the tape so far
        self._fd = -1
        self._size = 0
        self._part = 0
        self._number = -1
        self._digest = START
        self._described_ns = 0
        self._unsynced = False

    def _append(self, payload: bytes, records: int) -> None:
        data, digest = pack_block(self._number + 1, self._digest, records, payload)
        if self._size and self._size + len(data) > self._limits.part_bytes:
            self._begin_part(time.monotonic_ns())
            data, digest = pack_block(self._number + 1, self._digest, records, payload)
        try:
            self._put_bytes(data)
        except OSError as error:
            if error.errno != errno.EFBIG or not self._size:
                raise
            self._begin_part(time.monotonic_ns())  # the file system's own limit for a file
            data, digest = pack_block(self._number + 1, self._digest, records, payload)
            self._put_bytes(data)
        self._number, self._digest = self._number + 1, digest

    def _put_bytes(self, data: bytes) -> None:
        """All of it or nothing: half a block is cut off again."""
        view, at = memoryview(data), self._size
        try:
            while view:
                count = os.pwrite(self._fd, view, at)
                view, at = view[count:], at + count
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size = at
        self._unsynced = True

    def _begin_part(self, now_ns: int) -> None:
        """Open the next part file, after the parts that are there. Raises OSError."""
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd, self._size = -1, 0
        elif self._part == 0:
            self._go_on_after_earlier_parts()
        path = self.folder / f"{self._stem}.{self._part + 1:04d}.tape"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o640)
        self._part += 1
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells the muxer that this tape is running
        self._describe(now_ns)

    def _go_on_after_earlier_parts(self) -> None:
        if (self.folder / MANIFEST).exists():
            raise OSError(errno.EROFS, "the folder is sealed")
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            handle = os.open(
                self.folder / RESERVE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640
            )
            os.write(handle, bytes(RESERVE_BYTES))
            os.close(handle)
        for path in tape_parts(self.folder, self._stem):
            _refuse_if_running(path)
            reader = PartReader(path, number=self._number, digest=self._digest)
            for _block in reader.blocks():
                pass
            self._number, self._digest = reader.number, reader.digest
            self._part = int(path.name.split(".")[-2])

    def _describe(self, now_ns: int) -> None:
        """A block with the description record alone."""
        payload = pack_record(DESCRIPTION, *self._description(self._known))
        block, digest = pack_block(self._number + 1, self._digest, 1, payload)
        self._put_bytes(block)
        self._number, self._digest = self._number + 1, digest
        self._described_ns = now_ns

    def _description(self, track: Track) -> tuple[int, bytes]:
        """Time and content of a description: who and what, and what wall clock and monotonic clock said together."""
        monotonic_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        facts = {
            "version": VERSION,
            **track.described(),
            "part": self._part,
            "boot": boot_id(),
            "monotonic_ns": monotonic_ns,
            "wall_ns": wall_ns,
        }
        return monotonic_ns, json.dumps(facts, ensure_ascii=False).encode()


def _refuse_if_running(path: Path) -> None:
    """Another process may still write this part: then it is tried again later. Raises OSError."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def tape_parts(folder: Path, stem: str) -> list[Path]:
    """A track's part files in order."""
    return sorted(folder.glob(f"{stem}.[0-9][0-9][0-9][0-9].tape"))
