"""The files of a folder, known without asking for each: one question to the system tells whether all is as it was.

A folder's time of change moves when a file is added, taken away or replaced by another. It moves in steps, on some
file systems as coarse as a second: a listing made within `_SETTLED_NS` of the change is not trusted yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_SETTLED_NS = 2_000_000_000
_NONE: Mapping[str, Path] = MappingProxyType({})

_Mark = tuple[int, int]  # which folder, and when it changed


class Listing:
    """The files of one folder with one suffix, by stem; none where there is no folder. May be used by many threads."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder = folder
        self._name = os.fspath(folder)  # a text is asked about in less time than a Path
        self._suffix = suffix
        self._known: tuple[_Mark | None, Mapping[str, Path]] = (None, _NONE)

    def files(self) -> Mapping[str, Path]:
        """The files of this moment; read again only when the folder has changed."""
        try:
            found = os.stat(self._name)
        except OSError:
            return _NONE
        mark, (known, files) = (found.st_ino, found.st_mtime_ns), self._known
        if known == mark:
            return files
        settled = time.time_ns() - found.st_mtime_ns > _SETTLED_NS
        files = self._read()
        self._known = (mark if settled else None, files)
        return files

    def _read(self) -> Mapping[str, Path]:
        try:
            with os.scandir(self._name) as entries:
                names = [one.name for one in entries if one.name.endswith(self._suffix) and one.is_file()]
        except OSError:
            return _NONE
        return {name.removesuffix(self._suffix): self._folder / name for name in names}
