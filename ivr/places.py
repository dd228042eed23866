"""Where a telephone number is at home, without a second's work and 95 MB at each start.

phonenumbers knows the places of the whole world and reads all of them at once. Out of its tables a child process makes
one file for each version of the library: the places and mobile companies of one country, the names of the others,
sorted. That file is searched where it lies; nothing of it is loaded.

A line is ``KEY<tab>Chinese<tab>English``; the key is a number's beginning with the country code (``861380013``), the
same with an ``m`` before it (who sold a mobile number) or a country (``FR``).
"""

from __future__ import annotations

import asyncio
import mmap
import os
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path

import phonenumbers
import structlog

from ivr.dialling import REGION, known_number

log = structlog.get_logger(__name__)

LANGUAGES = ("zh", "en")
LONGEST = 11
"""Digits of the longest beginning that tells places apart, with the country code."""


class Places:
    """The table in ``folder``. Until it is there (``prepare``) no place is known, which is no error."""

    def __init__(self, folder: Path, region: str = REGION) -> None:
        self.file = folder / f"places-{region}-{phonenumbers.__version__}.tsv"
        self._region = region
        self._table: mmap.mmap | None = None

    async def prepare(self) -> None:
        """Make the table unless it is there: some seconds of a child process, once. Never fails."""
        if self.file.exists():
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            command = (sys.executable, "-m", "ivr.places", str(self.file), self._region)
            child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
            code = await child.wait()
        except OSError as error:
            log.warning("no table of places", error=type(error).__name__)
            return
        if code:
            log.warning("no table of places", exit_code=code)

    def of(self, number: str | None, language: str) -> str | None:
        """In words ("北京市", "Beijing"); for a mobile with its company, for another country its name. None: not
        known."""
        known = known_number(number, self._region) if number else None
        if known is None:
            return None
        region = phonenumbers.region_code_for_number(known) or ""
        if region != self._region:
            return self._find(region, language)
        digits = f"{known.country_code}{known.national_number}"
        place = self._longest(digits, language) or self._find(region, language)
        company = self._longest(digits, language, "m")
        return " ".join(part for part in (place, company) if part) or None

    def _longest(self, digits: str, language: str, kind: str = "") -> str | None:
        ends = range(min(LONGEST, len(digits)), 2, -1)
        return next((place for end in ends if (place := self._find(kind + digits[:end], language))), None)

    def _find(self, key: str, language: str) -> str | None:
        table = self._open()
        if table is None or not key:
            return None
        wanted = key.encode()
        at = bisect_left(range(len(table)), wanted, key=lambda at: _line(table, at)[0])
        if at == len(table):
            return None
        found = _line(table, at)
        return found[1 + LANGUAGES.index(language)].decode() or None if found[0] == wanted else None

    def _open(self) -> mmap.mmap | None:
        if self._table is None and self.file.exists():
            with self.file.open("rb") as file:
                self._table = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._table


def _line(table: mmap.mmap, at: int) -> list[bytes]:
    """The fields of the line in which this byte lies."""
    return table[table.rfind(b"\n", 0, at) + 1 : table.find(b"\n", at)].split(b"\t")


# ---- making the table


def _lines(region: str) -> Iterator[str]:
    # The large tables: read only here, in a process that ends.
    from phonenumbers.carrierdata import CARRIER_DATA
    from phonenumbers.geodata import GEOCODE_DATA
    from phonenumbers.geodata.locale import LOCALE_DATA

    code = str(phonenumbers.country_code_for_region(region))
    for kind, data in (("", GEOCODE_DATA), ("m", CARRIER_DATA)):
        own = {prefix: _names(names) for prefix, names in data.items() if prefix.startswith(code)}
        for prefix, names in own.items():
            shorter = (own[prefix[:end]] for end in range(len(prefix) - 1, 0, -1) if prefix[:end] in own)
            if next(shorter, None) != names:  # else the shorter beginning says the same
                yield "\t".join((kind + prefix, *names))
    for country, names in LOCALE_DATA.items():
        yield "\t".join((country, *_names(names, names)))


def _names(names: Mapping[str, str], countries: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """In our languages; "*de" stands for "as in German" in the table of countries."""
    found = (names.get(language, "") for language in LANGUAGES)
    return tuple((countries or {}).get(name[1:], "") if name.startswith("*") else name for name in found)


def make(file: Path, region: str = REGION) -> None:
    """Write the table; it appears whole or not at all. Raises OSError."""
    half = file.with_name(f"{file.name}.{os.getpid()}")
    lines = sorted(line.encode() + b"\n" for line in _lines(region))
    half.write_bytes(b"".join(lines))
    half.replace(file)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
