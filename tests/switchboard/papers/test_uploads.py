"""Whatever is sent is made anew or refused; nothing that it carries gets across, and it costs at most 200 MB."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from switchboard.papers import cleaning, uploads
from switchboard.papers.errors import QuotaUsedUp, UploadRefused, UploadTooLarge
from switchboard.papers.uploads import Upload, Uploads, shown
from switchboard.records import Records

MARK = b"<script>alert('MARK-4711')</script>"


@pytest.fixture
def taking(sqlite_records: Records, tmp_path: Path) -> Uploads:
    return Uploads(sqlite_records, tmp_path / "uploads")


async def take(taking: Uploads, content: bytes, media_type: str, title: str = "证件.jpg") -> Upload:
    async def blocks() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 65_536):
            yield content[at : at + 65_536]

    return await taking.take("c-1", by="t-1", media_type=media_type, title=title, content=blocks())


def picture(form: str, size: tuple[int, int] = (640, 480)) -> bytes:
    """With metadata of every kind that the format has."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = MARK.decode()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, form, exif=exif.tobytes(), icc_profile=b"\0" * 128 + MARK)
    return out.getvalue()


def png_of(wide: int, high: int, rows: bytes) -> bytes:
    """A PNG with this head, whatever its rows are."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def pdf_of(*pages: str, extra: str = "", stream: bytes = b"", more: str = "") -> bytes:
    """A PDF by hand, with a script that runs when it is opened."""
    kids = " ".join(f"{10 + n} 0 R" for n in range(len(pages)))
    objects = [
        "1 0 obj << /Type /Catalog /Pages 2 0 R /OpenAction 3 0 R /Names << /JavaScript 3 0 R >> >> endobj",
        f"2 0 obj << /Type /Pages /Count {len(pages)} /Kids [{kids}] >> endobj",
        f"3 0 obj << /S /JavaScript /JS ({MARK.decode().replace('(', '').replace(')', '')}) >> endobj",
        *(f"{10 + n} 0 obj << /Type /Page /Parent 2 0 R {page} >> endobj" for n, page in enumerate(pages)),
        extra,
    ]
    body = "%PDF-1.4\n" + "\n".join(objects)
    head = f"\n5 0 obj << /Length {len(stream)} {more} >>\nstream\n".encode()
    return body.encode() + head + stream + b"\nendstream endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"


A4 = "/MediaBox [0 0 595 842]"


@pytest.mark.parametrize(
    ("form", "media_type", "made"),
    [
        ("JPEG", "image/jpeg", "image/jpeg"),
        ("PNG", "image/png", "image/png"),
        ("WEBP", "image/webp", "image/jpeg"),
    ],
)
async def test_a_picture_is_made_anew_upright_and_without_metadata(
    taking: Uploads, form: str, media_type: str, made: str
) -> None:
    sent = picture(form) + b"PK\x03\x04" + MARK  # and a second file behind the first
    upload = await take(taking, sent, media_type, "../../../etc/证\u202e件.jpg")
    (page,) = upload.pages
    content = taking.path(page.sha256).read_bytes()
    assert (upload.title, page.media_type, page.width, page.height) == ("证件.jpg", made, 480, 640)
    assert b"MARK" not in content
    assert b"PK\x03\x04" not in content
    with Image.open(io.BytesIO(content)) as image:
        assert (image.size, dict(image.getexif()), image.info.get("icc_profile")) == ((480, 640), {}, None)
    assert await taking.of_contact("c-1") == [upload]


async def test_of_a_pdf_only_what_its_pages_show_is_kept(taking: Uploads) -> None:
    upload = await take(taking, pdf_of(A4, A4), "application/pdf", "合同.pdf")
    assert len(upload.pages) == 2
    content = taking.path(upload.pdf or "").read_bytes()
    for word in (b"MARK", b"JavaScript", b"OpenAction", b"/Names"):
        assert word not in content
    document = pypdfium2.PdfDocument(content)
    assert [round(side) for side in document[1].get_size()] == [595, 842]


def bombs() -> dict[str, tuple[bytes, str]]:
    rows = zlib.compress(bytes(1 << 27), 9)
    huge = f"/Contents 5 0 R {A4} /Resources << /XObject << /P 6 0 R >> >>"
    image = (
        "6 0 obj << /Type /XObject /Subtype /Image /Width 30000 /Height 30000 /ColorSpace /DeviceRGB "
        f"/BitsPerComponent 8 /Filter /FlateDecode /Length {len(rows)} >>\nstream\n"
    )
    many = pdf_of(*[A4] * 100)
    return {
        "pixels in a PNG": (png_of(60_000, 60_000, rows), "image/png"),
        "a flood behind a small head": (png_of(4_000, 4_000, rows)[:-30], "image/png"),
        "pixels in a JPEG": (
            picture("JPEG").replace(struct.pack(">HH", 480, 640), b"\xff\xff\xff\xff", 1),
            "image/jpeg",
        ),
        "a page of a kilometre": (pdf_of("/MediaBox [0 0 99999999 99999999]"), "application/pdf"),
        "too many pages": (many, "application/pdf"),
        "an image that unpacks for ever": (
            pdf_of(huge, stream=b"q 595 0 0 842 0 0 cm /P Do Q").replace(
                b"trailer", image.encode("latin-1") + rows + b"\nendstream endobj\ntrailer"
            ),
            "application/pdf",
        ),
        "a page that says it is a picture": (b"<!doctype html>" + MARK, "image/png"),
        "another kind than it says": (picture("PNG"), "image/jpeg"),
        "a PDF that says it is a picture": (pdf_of(A4), "image/jpeg"),
        "a kind that is not taken": (b"GIF89a" + bytes(64), "image/gif"),
        "a picture cut off": (picture("PNG")[:200], "image/png"),
        "a locked PDF": (b"%PDF-1.4\n" + os.urandom(3_000), "application/pdf"),
        "nothing": (b"", "image/png"),
    }


BOMBS = bombs()
BOUNDED = {"a flood behind a small head", "an image that unpacks for ever"}
"""Taken, as far as their first pixels go: what they would cost beyond that is not spent."""


@pytest.mark.parametrize("name", [name for name in BOMBS if name not in BOUNDED])
async def test_what_is_not_what_it_says_or_far_too_large_is_refused_and_put_away(
    taking: Uploads, sqlite_records: Records, tmp_path: Path, name: str
) -> None:
    content, media_type = BOMBS[name]
    with pytest.raises(UploadRefused) as refused:
        await take(taking, content, media_type)
    (away,) = (tmp_path / "uploads" / "quarantine").iterdir()
    assert (away.read_bytes(), away.stat().st_mode & 0o777) == (content, 0o400)
    assert list((tmp_path / "uploads" / "work").iterdir()) == []
    assert await taking.of_contact("c-1") == []
    found = await sqlite_records.contact("c-1")
    assert found
    assert found[1][-1].data["refused"] == refused.value.code


def child(tmp_path: Path, content: bytes, media_type: str) -> dict[str, Any]:
    """What the script says."""
    (tmp_path / "in").write_bytes(content)
    (tmp_path / "out").mkdir(exist_ok=True)
    command = [sys.executable, "-I", str(Path(cleaning.__file__)), "in", "out", media_type]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    return json.loads(said)


def test_no_file_costs_more_memory_than_is_allowed(tmp_path: Path) -> None:
    """What the loaded program needs by itself is known from a file that is none."""
    usual = child(tmp_path, b"no file at all", "image/png")["memory_bytes"]
    for name, (content, media_type) in BOMBS.items():
        most = child(tmp_path, content, media_type)["memory_bytes"]
        assert most - usual < cleaning.GROWTH_BYTES, name
    said = child(tmp_path, picture("JPEG", (9_000, 6_000)), "image/jpeg")
    assert "pages" in said
    assert said["memory_bytes"] - usual < cleaning.GROWTH_BYTES


async def test_too_much_is_refused_while_it_still_comes(
    taking: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 200_000)
    with pytest.raises(UploadTooLarge):
        await take(taking, bytes(400_000), "image/png")
    monkeypatch.setattr(uploads, "MOST_OF_CONTACT", 1)
    await take(taking, picture("PNG", (20, 20)), "image/png")
    with pytest.raises(QuotaUsedUp):
        await take(taking, picture("PNG", (20, 20)), "image/png")


def test_names_of_files_never_become_paths() -> None:
    assert shown("..\\..\\a\x00\n.jpg") == "a.jpg"
    assert shown("/etc/passwd") == "passwd"
    assert len(shown("长" * 999)) == 200
