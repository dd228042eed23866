"""The fonts of papers: where they lie, and whether they have every character that is to be printed.

Noto Serif CJK first; HanaMin and BabelStone Han for names in rare characters (extensions B to H). Fonts that an
administrator puts into ``fonts/`` of the data directory are used too. A character that no font has is refused by name:
a box in place of a letter of somebody's name is never printed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import typst

from switchboard.papers.coverage import letters_of, merged
from switchboard.papers.errors import FontsMissing, LetterMissing

FAMILIES = ("Noto Serif CJK SC", "HanaMinA", "HanaMinB", "BabelStone Han")
FOLDERS = (
    Path("/usr/share/fonts/opentype/noto"),
    Path("/usr/share/fonts/truetype/hanazono"),
    Path("/usr/share/fonts/truetype/babelstone"),
)
_ALWAYS = ((ord("\n"), ord("\n")), (ord(" "), ord(" ")))


class Fonts:
    """Open once: reading the fonts' tables takes some tenths of a second. ``more``: folders beside Debian's own."""

    def __init__(self, more: Iterable[Path] = ()) -> None:
        folders = [folder for folder in (*FOLDERS, *more) if folder.is_dir()]
        self.loaded = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[*map(str, folders)]
        )
        found = self.loaded.families()
        own = {info.family for info in self.loaded.fonts() if info.path and not _is_debian(Path(info.path))}
        self.families = tuple(name for name in (*FAMILIES, *sorted(own)) if name in found)
        if FAMILIES[0] not in self.families:
            raise FontsMissing
        paths = {
            (info.path or "", info.index) for info in self.loaded.fonts() if info.family in self.families
        }
        self._letters = merged([_ALWAYS, *(letters_of(Path(path), index) for path, index in paths)])

    def check(self, texts: Iterable[str]) -> None:
        """Raises LetterMissing naming every character that no font has."""
        wanted = set("".join(texts))
        missing = sorted(letter for letter in wanted if not self._has(ord(letter)))
        if missing:
            raise LetterMissing(missing)

    def _has(self, code: int) -> bool:
        place = bisect_right(self._letters, (code, 0x110000)) - 1
        return place >= 0 and code <= self._letters[place][1]


def _is_debian(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in FOLDERS)


@lru_cache(maxsize=4)
def fonts_of(*more: Path) -> Fonts:
    """The fonts of this process. Raises FontsMissing."""
    return Fonts(more)
