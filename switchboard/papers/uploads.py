"""What citizens send: bounded on the way in, made anew in a process of its own, kept under random names.

The original is not kept: its digest is, and the clean pages. What is not what it says is put under
``quarantine/``, for an administrator only, until there is too much of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import shutil
import sys
import unicodedata
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, insert, select

from switchboard.papers import cleaning
from switchboard.papers.errors import QuotaUsedUp, UploadRefused, UploadTooHeavy, UploadTooLarge
from switchboard.papers.files import Files
from switchboard.records.events import is_slug
from switchboard.records.paper_models import UploadRow
from switchboard.records.store import Records
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

MEDIA_TYPES = frozenset(cleaning.HEADS)
MOST_BYTES = 30 << 20
MOST_OF_CONTACT = 60
MOST_BYTES_OF_CONTACT = 300 << 20
MOST_QUARANTINE = 200 << 20
WORK_S = 40.0
AT_ONCE = 2
_ANSWER_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Page:
    """A clean picture: its digest (``Uploads.path``), ``image/jpeg`` or ``image/png``, and its size in pixels."""

    sha256: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Upload:
    """One file that somebody sent. ``title``: what they called it, for people only; ``size`` and ``sha256``: of the
    original, in bytes; ``kept``: bytes of what was made of it; ``pdf``: digest, where a PDF was sent."""

    id: str
    contact: str
    by: str
    at_ms: int
    title: str
    media_type: str
    size: int
    kept: int
    sha256: str
    pages: tuple[Page, ...]
    pdf: str | None = None
    refused: str | None = None
    removed: bool = False


class Uploads:
    """Open once per process; every method may be used by any task. All raise RecordsAway."""

    def __init__(self, records: Records, folder: Path) -> None:
        """``folder``: ``files/``, ``work/`` and ``quarantine/`` in it are ours."""
        self._records = records
        self._files = Files(folder / "files")
        self._work = folder / "work"
        self._quarantine = folder / "quarantine"
        self._places = asyncio.Semaphore(AT_ONCE)

    async def take(
        self, contact: str, *, by: str, media_type: str, title: str, content: AsyncIterable[bytes]
    ) -> Upload:
        """Raises UploadRefused, UploadTooLarge, UploadTooHeavy, QuotaUsedUp. Bounded in bytes, time and memory."""
        if not (is_slug(contact) and is_slug(by)):
            raise UploadRefused("contact and by are identifiers")
        await self._check_quota(contact, 0)
        ident = f"u-{secrets.token_hex(12)}"
        folder = self._work / ident
        await asyncio.to_thread(folder.mkdir, parents=True, mode=0o700)
        try:
            size, digest = await _received(content, folder / "in")
            await self._check_quota(contact, size)
            upload = Upload(
                ident, contact, by, now_ms(), shown(title), _type(media_type), size, 0, digest, ()
            )
            return await self._made_anew(upload, folder, media_type)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _made_anew(self, upload: Upload, folder: Path, media_type: str) -> Upload:
        try:
            async with self._places:
                told = await _cleaned(folder, media_type)
            pages, pdf, kept = await asyncio.to_thread(self._kept, folder, told)
        except UploadRefused as error:
            await asyncio.to_thread(self._put_away, upload.id, folder / "in")
            await self._note(replace(upload, refused=error.code))
            raise
        done = replace(upload, pages=pages, pdf=pdf, kept=kept)
        await self._note(done)
        return done

    async def of_contact(self, contact: str) -> list[Upload]:
        """What was taken, in the order in which it came."""
        row = UploadRow
        wanted = select(*_COLUMNS).where(
            row.contact == contact, row.refused.is_(None), row.removed.is_(False)
        )
        async with self._records.database.read() as connection:
            rows = await connection.execute(wanted.order_by(row.at_ms, row.id))
            return [_upload(one) for one in rows]

    def path(self, sha256: str) -> Path:
        """Where a clean page or PDF lies. Raises PaperDamaged for anything that is no digest."""
        return self._files.path(sha256)

    # ---- the steps

    async def _check_quota(self, contact: str, more: int) -> None:
        row = UploadRow
        wanted = select(func.count(), func.coalesce(func.sum(row.size), 0)).where(row.contact == contact)
        async with self._records.database.read() as connection:
            count, size = (await connection.execute(wanted)).one()
        if count >= MOST_OF_CONTACT or int(size) + more > MOST_BYTES_OF_CONTACT:
            raise QuotaUsedUp

    def _kept(self, folder: Path, told: dict[str, Any]) -> tuple[tuple[Page, ...], str | None, int]:
        """The child's files under their digests. What it says is believed as far as it can be checked."""
        pages, kept = [], 0
        for page in told["pages"]:
            content = _child_file(folder, page["file"])
            kept += len(content)
            size = (int(page["width"]), int(page["height"]))
            pages.append(Page(self._files.put(content), str(page["media_type"]), *size))
        if not told["pdf"]:
            return tuple(pages), None, kept
        content = _child_file(folder, told["pdf"])
        return tuple(pages), self._files.put(content), kept + len(content)

    def _put_away(self, ident: str, file: Path) -> None:
        """Oldest first out, when there is too much."""
        with suppress(FileNotFoundError):
            self._quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.chmod(0o400)
            file.rename(self._quarantine / ident)
            there = sorted(self._quarantine.iterdir(), key=lambda one: one.stat().st_mtime)
            too_much = sum(one.stat().st_size for one in there) - MOST_QUARANTINE
            for one in there:
                if too_much <= 0:
                    break
                too_much -= one.stat().st_size
                one.unlink()

    async def _note(self, upload: Upload) -> None:
        row = {**asdict(upload), "pages": [asdict(page) for page in upload.pages]}
        async with self._records.database.write() as connection:
            await connection.execute(insert(UploadRow).values(**row))
        await self._records.append(
            upload.contact,
            "upload",
            key=f"upload:{upload.id}",
            upload=upload.id,
            by=upload.by,
            pages=len(upload.pages),
            refused=upload.refused,
        )


_COLUMNS = tuple(getattr(UploadRow, spec.name) for spec in fields(Upload))


def _upload(row: Any) -> Upload:
    values = dict(row._mapping)
    return Upload(**{**values, "pages": tuple(Page(**page) for page in values["pages"])})


def _type(media_type: str) -> str:
    return media_type if media_type in MEDIA_TYPES else "other"


def shown(title: str) -> str:
    """A file's name as it may be shown: its last part, without what cannot be seen; it never becomes a path."""
    last = re.split(r"[/\\]", title)[-1]
    seen = "".join(one for one in last if unicodedata.category(one)[0] != "C")
    return seen.strip()[:200]


def _child_file(folder: Path, name: object) -> bytes:
    if not isinstance(name, str) or re.fullmatch(r"[0-9]{1,3}\.(jpg|png)|whole\.pdf", name) is None:
        raise UploadRefused("an answer that nobody should give")
    file = folder / "out" / name
    if file.is_symlink() or file.stat().st_size > cleaning.MOST_FILE_BYTES:
        raise UploadRefused("an answer that nobody should give")
    return file.read_bytes()


async def _received(content: AsyncIterable[bytes], file: Path) -> tuple[int, str]:
    """(bytes, SHA-256). Raises UploadTooLarge as soon as it is too much."""
    size, digest = 0, hashlib.sha256()
    with file.open("xb") as out:
        async for block in content:
            size += len(block)
            if size > MOST_BYTES:
                raise UploadTooLarge
            digest.update(block)
            await asyncio.to_thread(out.write, block)
    return size, digest.hexdigest()


async def _cleaned(folder: Path, media_type: str) -> dict[str, Any]:
    """The child's answer. Raises UploadRefused and its kinds, also for a child that died or said nothing sound."""
    (folder / "out").mkdir(mode=0o700)
    script = str(Path(cleaning.__file__))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", script, str(folder / "in"), str(folder / "out"), media_type,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={}, cwd=folder,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WORK_S):
            said = await child.stdout.read(_ANSWER_BYTES) if child.stdout else b""
            await child.wait()
    except TimeoutError as error:
        raise UploadTooHeavy("time") from error
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    try:
        told = json.loads(said)
        refused = told.get("refused")
    except (ValueError, AttributeError) as error:
        raise UploadTooHeavy("the child died") from error
    kinds: dict[str, type[UploadRefused]] = {
        "upload_too_large": UploadTooLarge,
        "upload_too_heavy": UploadTooHeavy,
    }
    if refused is not None:
        raise kinds.get(refused, UploadRefused)(str(refused))
    return told
