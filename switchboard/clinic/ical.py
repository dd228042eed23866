"""Calendars for other programs (RFC 5545): who is expected when, without saying who."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

FOLD = 75
"""Bytes in a line, its end not counted (RFC 5545, 3.1)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``cancelled`` ones stay in the feed, so that a calendar takes them away."""

    uid: str
    from_ms: int
    to_ms: int
    changed_ms: int
    revision: int
    summary: str
    location: str = ""
    cancelled: bool = False


def calendar(name: str, entries: Iterable[Entry]) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//12348//switchboard//ZH", "CALSCALE:GREGORIAN"]
    lines.append(f"X-WR-CALNAME:{escape(name)}")
    for one in entries:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{escape(one.uid)}@12348",
            f"DTSTAMP:{_time(one.changed_ms)}",
            f"DTSTART:{_time(one.from_ms)}",
            f"DTEND:{_time(one.to_ms)}",
            f"SEQUENCE:{one.revision}",
            f"SUMMARY:{escape(one.summary)}",
            f"LOCATION:{escape(one.location)}",
            f"STATUS:{'CANCELLED' if one.cancelled else 'CONFIRMED'}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return b"".join(fold(line) for line in lines)


def escape(text: str) -> str:
    """TEXT of RFC 5545, 3.3.11; other control characters have no place in it."""
    plain = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    plain = plain.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return "".join(char for char in plain if char == "\t" or (char >= " " and char != "\x7f"))


def fold(line: str) -> bytes:
    """One content line in pieces of at most ``FOLD`` bytes; no character is cut in two."""
    pieces: list[bytes] = []
    piece = b""
    for char in line:
        said = char.encode()
        if len(piece) + len(said) > FOLD:
            pieces.append(piece)
            piece = b" "
        piece += said
    return b"\r\n".join([*pieces, piece]) + b"\r\n"


def _time(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
