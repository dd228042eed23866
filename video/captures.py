"""Frozen frames: a picture at the camera's full resolution, made by the publisher's page when a host asks for it.

A page is told a one-time key with the wish, and uploads the picture over HTTP; digests are taken while it comes in.
What is kept is what came, byte by byte: it is evidence. Whoever shows it to somebody else makes a copy of their own.
"""

import asyncio
import hashlib
import os
import secrets
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives import hashes

from video.errors import CaptureRefused
from video.stills import size_of_jpeg

BYTES_MAX = 16 << 20
SIDE_MAX = 12_000
PIXELS_MAX = 50_000_000
WAITS_S = 60.0
WAITING_MAX = 16
_HEAD = 1 << 18
"""Bytes in which the size must stand."""
_PNG = b"\x89PNG\r\n\x1a\n"
_IHDR = struct.Struct("!I4sII")


@dataclass(frozen=True, slots=True)
class Wish:
    """One picture that a page was asked for. ``by`` and ``participant`` are ids."""

    id: str
    key: str
    room: str
    participant: str
    by: str
    mid: str
    what: str
    until_s: float


@dataclass(frozen=True, slots=True)
class Captured:
    """A picture that came. Digests are hexadecimal, of the whole file."""

    wish: Wish
    file: Path
    size: int
    sha256: str
    sm3: str
    width: int
    height: int


class Captures:
    """The wishes of all rooms, and the folder (one below it for each room) into which pictures go."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._waiting: dict[str, Wish] = {}

    def wish(self, room: str, participant: str, by: str, mid: str, what: str) -> Wish:
        """A new one, good for a minute. Raises CaptureRefused: nowhere to put it, or too many wait."""
        now_s = time.monotonic()
        self._waiting = {key: one for key, one in self._waiting.items() if one.until_s > now_s}
        if self._folder is None or sum(one.room == room for one in self._waiting.values()) >= WAITING_MAX:
            raise CaptureRefused("not now")
        made = Wish(
            secrets.token_hex(8), secrets.token_urlsafe(24), room, participant, by, mid, what, now_s + WAITS_S
        )
        self._waiting[made.id] = made
        return made

    def redeem(self, room: str, capture: str, key: str) -> Wish:
        """The wish that somebody comes to fulfil; each once. Raises CaptureRefused."""
        wish = self._waiting.get(capture)
        if (
            wish is None
            or wish.room != room
            or wish.until_s <= time.monotonic()
            or not compare_digest(wish.key.encode(), key.encode("utf-8", "surrogateescape"))
        ):
            raise CaptureRefused("nobody asked for this")
        return self._waiting.pop(capture)

    async def take(self, wish: Wish, chunks: AsyncIterator[bytes]) -> Captured:
        """Keep the picture that these bytes are.

        Raises:
            CaptureRefused: no JPEG or PNG of a possible size; nothing is kept.
            OSError: the disk refuses.
        """
        if self._folder is None:
            raise CaptureRefused("nowhere to put it")
        folder = self._folder / wish.room
        part = folder / f"{wish.id}.part"
        try:
            found = await self._write(wish, part, chunks)
            await asyncio.to_thread(part.replace, found.file)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return found

    async def _write(self, wish: Wish, part: Path, chunks: AsyncIterator[bytes]) -> Captured:
        sha256, sm3, size, head = hashlib.sha256(), hashes.Hash(hashes.SM3()), 0, b""
        file = await asyncio.to_thread(_open, part)
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > BYTES_MAX:
                    raise CaptureRefused("too large")
                head += chunk[: max(0, _HEAD - len(head))]
                sha256.update(chunk)
                sm3.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            width, height, ending = _picture(head)
            await asyncio.to_thread(_settle, file)
        finally:
            file.close()
        name = part.with_name(f"{wish.participant}.{wish.what}.{wish.id}.{ending}")
        return Captured(wish, name, size, sha256.hexdigest(), sm3.finalize().hex(), width, height)


def _open(part: Path) -> IO[bytes]:
    part.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb")


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _picture(head: bytes) -> tuple[int, int, str]:
    """Width, height and the ending of the file's name. Raises CaptureRefused."""
    size, ending = size_of_jpeg(head), "jpg"
    if size is None and head.startswith(_PNG) and len(head) >= 24:
        _, kind, width, height = _IHDR.unpack_from(head, 8)
        size, ending = ((width, height) if kind == b"IHDR" else None), "png"
    if size is None:
        raise CaptureRefused("neither JPEG nor PNG")
    width, height = size
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX and width * height <= PIXELS_MAX):
        raise CaptureRefused("no camera makes pictures of this size")
    return width, height, ending
