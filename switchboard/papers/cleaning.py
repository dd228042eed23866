"""A picture or PDF from outside, made anew: run as a script of its own, with as little right and memory as it takes.

    python -I cleaning.py FILE FOLDER MEDIA_TYPE

Writes ``1.jpg`` or ``1.png`` (of a PDF ``1.jpg``, ``2.jpg``, ... and ``whole.pdf`` made of these) into the folder
and one line of JSON to its output: {"pages": [{"file", "media_type", "width", "height"}], "pdf": file or null}, or
{"refused": code}; and "memory_bytes", the most that it took. Nothing of the original's bytes gets across but what
its pixels show: no metadata, no scripts, no attachments, no second file behind the first. It imports nothing of
the switchboard, so that a hole in a decoder finds nothing here."""

from __future__ import annotations

import io
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

GROWTH_BYTES = 200 << 20
"""Of memory, beyond what the loaded program has. The kernel holds it."""

CPU_S = 20
MOST_FILE_BYTES = 64 << 20
MOST_PIXELS = {"JPEG": 120_000_000, "PNG": 16_000_000, "WEBP": 16_000_000}
"""A JPEG is decoded at a fraction of its size; the others only whole."""

MOST_SIDE = 3_500
MOST_PAGES = 60
MOST_PAGE_PIXELS = 6_000_000
DPI = 150

HEADS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "application/pdf": "PDF",
}


class Refused(Exception):
    """``args[0]``: the code."""


def kind_of(head: bytes) -> str | None:
    """What a file's first 16 bytes say that it is, at the very beginning and nowhere else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return "PDF" if head.startswith(b"%PDF-") else None


def _limit() -> None:
    """From now on the kernel refuses more memory, time, files and processes."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, used + GROWTH_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, MOST_FILE_BYTES),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _picture(file: Path, folder: Path, kind: str) -> dict[str, Any]:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # our own limits stand before any decoding
    _limit()
    with Image.open(file, formats=[kind]) as opened:
        if not 0 < opened.width * opened.height <= MOST_PIXELS[kind] or max(opened.size) > 65_535:
            raise Refused("upload_too_large")
        if kind == "JPEG":
            opened.draft("RGB", (2_000, 2_000))
            if opened.width * opened.height > MOST_PIXELS["PNG"]:
                raise Refused("upload_too_large")
        opened.load()
        opened.thumbnail((MOST_SIDE, MOST_SIDE))  # before anything else: each copy costs four bytes a pixel
        ImageOps.exif_transpose(opened, in_place=True)
        image = _flat(opened)
        image.info = {}
        name, form = ("1.png", "PNG") if kind == "PNG" else ("1.jpg", "JPEG")
        image.save(folder / name, form, **({} if form == "PNG" else {"quality": 88}))
    media_type = "image/png" if form == "PNG" else "image/jpeg"
    page = {"file": name, "media_type": media_type, "width": image.width, "height": image.height}
    return {"pages": [page], "pdf": None}


def _flat(image: Any) -> Any:
    """RGB on a white ground."""
    from PIL import Image

    if image.mode in ("RGB", "L"):
        return image
    if "A" not in image.mode and "transparency" not in image.info:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    ground = Image.new("RGB", seen.size, "white")
    ground.paste(seen, mask=seen.getchannel("A"))
    return ground


def _pdf(file: Path, folder: Path) -> dict[str, Any]:
    import pypdfium2
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    Image.preinit()
    _limit()
    document = pypdfium2.PdfDocument(file)
    if not 0 < len(document) <= MOST_PAGES:
        raise Refused("upload_too_large")
    pages = []
    for n in range(len(document)):
        page = document[n]
        wide, high = page.get_size()
        if not (1 <= wide <= 20_000 and 1 <= high <= 20_000):
            raise Refused("upload_too_large")
        scale: Any = min(DPI / 72, (MOST_PAGE_PIXELS / (wide * high)) ** 0.5)
        image = page.render(scale=scale, may_draw_forms=False, no_smoothtext=False).to_pil().convert("RGB")
        page.close()
        name = f"{n + 1}.jpg"
        image.save(folder / name, "JPEG", quality=82)
        pages.append({"file": name, "media_type": "image/jpeg", "width": image.width, "height": image.height})
        image.close()
    (folder / "whole.pdf").write_bytes(_bound(folder, pages))
    return {"pages": pages, "pdf": "whole.pdf"}


def _bound(folder: Path, pages: list[dict[str, Any]]) -> bytes:
    """A PDF of pictures, each a page of its own (ISO 32000-1, 7.5): nothing in it can run."""
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")

    def add(number: int, head: str, stream: bytes | None = None) -> None:
        offsets.append((number, out.tell()))
        body = b"" if stream is None else b"\nstream\n" + stream + b"\nendstream"
        out.write(f"{number} 0 obj\n{head}".encode("ascii") + body + b"\nendobj\n")

    kids = " ".join(f"{3 + 3 * n} 0 R" for n in range(len(pages)))
    add(1, "<< /Type /Catalog /Pages 2 0 R >>")
    add(2, f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>")
    for n, page in enumerate(pages):
        first = 3 + 3 * n
        wide, high = (round(page[side] * 72 / DPI, 2) for side in ("width", "height"))
        content = f"q {wide} 0 0 {high} 0 0 cm /P Do Q".encode("ascii")
        box = f"/MediaBox [0 0 {wide} {high}] /Contents {first + 1} 0 R"
        add(
            first, f"<< /Type /Page /Parent 2 0 R {box} /Resources << /XObject << /P {first + 2} 0 R >> >> >>"
        )
        add(first + 1, f"<< /Length {len(content)} >>", content)
        data = (folder / page["file"]).read_bytes()
        size = f"/Width {page['width']} /Height {page['height']}"
        form = "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode"
        add(first + 2, f"<< /Type /XObject /Subtype /Image {size} {form} /Length {len(data)} >>", data)
    at = out.tell()
    table = "".join(f"{offset:010} 00000 n \n" for _, offset in sorted(offsets))
    count = len(offsets) + 1
    end = f"trailer << /Size {count} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n"
    out.write(f"xref\n0 {count}\n0000000000 65535 f \n{table}{end}".encode("ascii"))
    return out.getvalue()


def _most_memory() -> int:
    """The most that this program ever had in memory, loaded code included (VmHWM, proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main(file: Path, folder: Path, media_type: str) -> dict[str, Any]:
    with file.open("rb") as opened:
        kind = kind_of(opened.read(16))
    if kind is None or HEADS.get(media_type) != kind:
        raise Refused("upload_refused")
    return _pdf(file, folder) if kind == "PDF" else _picture(file, folder, kind)


if __name__ == "__main__":
    os.umask(0o077)
    try:
        said = main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except Refused as refused:
        said = {"refused": refused.args[0]}
    except MemoryError:
        said = {"refused": "upload_too_heavy"}
    except Exception:  # whatever a decoder stumbles over: the file is not taken
        said = {"refused": "upload_refused"}
    said = {**said, "memory_bytes": _most_memory()}
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(0)  # decoders' own clean-up is not needed, and may want memory that is not there
