"""Frozen pictures as evidence: what came is kept byte by byte, and a copy made anew is what anybody is shown.

The bridge takes the picture from the page that was asked for it (``video.captures``). Here it is decoded once, within
limits, so that nothing but pixels can reach whoever looks at it; both files go to ``recordings/CONTACT/captures``, read
only, with both digests in the contact's record.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ivr.recording import flush
from switchboard.errors import RecordsAway
from video.captures import Captured
from video.errors import CaptureRefused
from video.recording.evidence import digests_of

if TYPE_CHECKING:
    from switchboard.records.store import Records

log = structlog.get_logger(__name__)

FOLDER = "captures"
PIXELS_MAX = 32_000_000
"""About 130 MB while it is made anew; one at a time."""
QUALITY = 90
MOST_OF_ROOM = 200
"""Pictures kept of one contact; somebody who presses for ever must not fill the disk."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture in the record. Files are named below the recordings' folder; digests are hexadecimal."""

    id: str
    room: str
    participant: str
    by: str
    what: str
    width: int
    height: int
    file: str
    sha256: str
    sm3: str
    shown: str
    shown_sha256: str
    shown_sm3: str


class CaptureStore:
    """One for each node. ``keep`` is called when the bridge has a picture, before anybody is told of it."""

    def __init__(self, records: Records, root: Path) -> None:
        self._records = records
        self._root = root
        self._turn = asyncio.Lock()

    async def keep(self, contact: str, picture: Captured) -> Kept:
        """Both files under their last names, flushed, and the event committed.

        Raises:
            CaptureRefused: no picture after all, too large to be made anew, or too many of this contact.
            RecordsAway, OSError: nothing was kept.
        """
        if await self._count(contact) >= MOST_OF_ROOM:
            await asyncio.to_thread(picture.file.unlink, missing_ok=True)
            raise CaptureRefused("too many")
        wish = picture.wish
        folder = self._root / contact / FOLDER
        original = folder / f"{wish.id}.original{picture.file.suffix}"
        shown = folder / f"{wish.id}{picture.file.suffix}"
        try:
            async with self._turn:
                await asyncio.to_thread(_store, picture.file, original, shown)
            again = await asyncio.to_thread(digests_of, shown)
            kept = Kept(
                wish.id,
                wish.room,
                wish.participant,
                wish.by,
                wish.what,
                picture.width,
                picture.height,
                f"{contact}/{FOLDER}/{original.name}",
                picture.sha256,
                picture.sm3,
                f"{contact}/{FOLDER}/{shown.name}",
                again.sha256,
                again.sm3,
            )
            facts = {name: getattr(kept, name) for name in Kept.__slots__}
            await self._records.append(contact, "capture", key=f"capture-{wish.id}", **facts)
        except (CaptureRefused, RecordsAway, OSError):
            for file in (picture.file, original, shown):
                await asyncio.to_thread(file.unlink, missing_ok=True)
            raise
        log.info("picture kept", contact=contact, capture=wish.id)
        return kept

    async def of(self, contact: str) -> list[Kept]:
        """The pictures in this contact's record, oldest first."""
        found = await self._records.contact(contact)
        events = found[1] if found else []
        return [
            Kept(**{name: event.data[name] for name in Kept.__slots__})  # pyright: ignore[reportArgumentType]
            for event in events
            if event.kind == "capture"
        ]

    async def _count(self, contact: str) -> int:
        return len(await self.of(contact))

    def file_of(self, kept: Kept) -> Path:
        """The copy that is shown."""
        return self._root / kept.shown


def _store(came: Path, original: Path, shown: Path) -> None:
    original.parent.mkdir(parents=True, exist_ok=True)
    _made_anew(came, shown)
    came.chmod(0o440)
    shown.chmod(0o440)
    came.replace(original)
    flush(shown)
    flush(original.parent)


def _made_anew(came: Path, shown: Path) -> None:
    """Pixels and nothing else: no metadata, no second image, nothing behind the end. Raises CaptureRefused."""
    from PIL import Image, ImageOps  # loaded when the first picture comes

    part = shown.with_name(shown.name + ".part")
    kind = "PNG" if shown.suffix == ".png" else "JPEG"
    try:
        with Image.open(came, formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > PIXELS_MAX:
                raise CaptureRefused("too many pixels")
            plain = ImageOps.exif_transpose(picture).convert("RGB")
        with part.open("wb") as file:
            plain.save(file, kind, **({"quality": QUALITY} if kind == "JPEG" else {"compress_level": 3}))
            file.flush()
            os.fsync(file.fileno())
        part.replace(shown)
    except (ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise CaptureRefused("not a picture that can be read") from error
    except OSError as error:
        if error.errno is not None:  # the disk's, not the decoder's
            raise
        raise CaptureRefused("not a picture that can be read") from error
    finally:
        part.unlink(missing_ok=True)
