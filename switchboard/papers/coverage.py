"""Which characters a font has: its ``cmap`` table (ISO/IEC 14496-22, 5.2.1), read in milliseconds."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

Ranges = tuple[tuple[int, int], ...]
"""(first, last) code points, both included."""


@lru_cache(maxsize=32)
def letters_of(path: Path, index: int) -> Ranges:
    """The code points that a face has a glyph for. Raises OSError, and what fontTools raises for a damaged font."""
    with path.open("rb") as file:
        content = file.read()
    whole = _format_12(content, index)
    if whole is not None:
        return whole
    from fontTools.ttLib import TTCollection, TTFont  # for the rare font of an administrator

    collection = path.suffix.lower() in (".ttc", ".otc")
    font = TTCollection(path, lazy=True).fonts[index] if collection else TTFont(path, lazy=True)
    return tuple((code, code) for code in sorted(font.getBestCmap() or ()))


def _format_12(content: bytes, index: int) -> Ranges | None:
    """The table for all of Unicode, which every font of ours has; None where there is no such table."""
    begin = struct.unpack_from(">I", content, 12 + 4 * index)[0] if content.startswith(b"ttcf") else 0
    tables = struct.unpack_from(">H", content, begin + 4)[0]
    for n in range(tables):
        name, _, cmap, _ = struct.unpack_from(">4sIII", content, begin + 12 + 16 * n)
        if name == b"cmap":
            break
    else:
        return None
    for n in range(struct.unpack_from(">H", content, cmap + 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHI", content, cmap + 4 + 8 * n)
        table = cmap + offset
        if (platform, encoding) in ((3, 10), (0, 4), (0, 6)) and content[table : table + 2] == b"\0\x0c":
            count = struct.unpack_from(">I", content, table + 12)[0]
            groups = struct.iter_unpack(">III", content[table + 16 : table + 16 + 12 * count])
            return tuple(
                (first + (glyph == 0), last) for first, last, glyph in groups
            )  # glyph 0 is the empty box
    return None


def merged(many: Iterable[Ranges]) -> Ranges:
    """All of them in order, without overlaps."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(one for ranges in many for one in ranges):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    return tuple(out)
