"""sums.toml beside rendered files: for each key what was said into it and what the file holds.

A checker with the tables and these sums finds a file that is missing, damaged, or said with older words.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import BrokenTable

_HEAD = (
    "# Written by recipe/render.py: the words' fingerprint, the file's SHA-256, its length in milliseconds.\n"
)


@dataclass(frozen=True, slots=True)
class Sum:
    """What is known of one rendered file: fingerprint of the words, SHA-256 of the file, length."""

    words: str
    file: str
    ms: int


def file_sum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_sums(folder: Path) -> dict[str, Sum]:
    """The sums of a folder by key; empty when there is no sums.toml. Raises BrokenTable."""
    path = folder / "sums.toml"
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return {key: Sum(str(row["words"]), str(row["file"]), int(row["ms"])) for key, row in table.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenTable(f"{path}: {error!r}") from error


def write_sums(folder: Path, sums: Mapping[str, Sum]) -> None:
    """Replace a folder's sums.toml at once, so that a stopped renderer leaves the old or the new one."""
    rows = [
        f'{key} = {{ words = "{row.words}", file = "{row.file}", ms = {row.ms} }}\n'
        for key, row in sorted(sums.items())
    ]
    new = folder / "sums.toml.new"
    new.write_text(_HEAD + "".join(rows), encoding="utf-8")
    os.replace(new, folder / "sums.toml")
