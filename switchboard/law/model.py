"""One article of one law, and its number in figures and in Chinese."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

MOST_LAW = 100
MOST_TITLE = 200
MOST_SOURCE = 300
MOST_TEXT = 20_000

_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
NUMERAL = "零〇一二两三四五六七八九十百千"

_LABEL = re.compile(rf"第?\s*([0-9]{{1,4}}|[{NUMERAL}]{{1,9}})\s*条?\s*((?:之[{NUMERAL}0-9]{{1,3}})?)")


@dataclass(frozen=True, slots=True)
class Article:
    """``article`` is its label as printed (第八十二条); ``number`` the figure in it, None where there is none.

    ``title`` is the chapter or what the article is about, ``effective`` the day from which this wording applies, None
    where the file does not say; ``source`` where the text was taken from.
    """

    law: str
    article: str
    text: str
    title: str = ""
    effective: dt.date | None = None
    source: str = ""
    number: int | None = None


def label_of(written: str) -> tuple[str, int | None]:
    """The label as it is printed, and its number: ``82``, ``第82条`` and ``第八十二条`` are all 第八十二条.

    What is no article number (附则) stays as it was written.
    """
    found = _LABEL.fullmatch(written.strip())
    number = number_of(found[1]) if found else None
    if found is None or number is None:
        return written.strip(), None
    return f"第{in_chinese(number)}条{found[2]}", number


def number_of(written: str) -> int | None:
    """``1260``, ``一千二百六十`` or ``一二六〇`` as a figure of at most four digits; None for anything else."""
    if written.isascii() and written.isdigit():
        return int(written) if len(written) <= 4 else None
    if not written or any(char not in NUMERAL for char in written):
        return None
    if not any(char in _UNITS for char in written):
        return int("".join(str(_DIGITS[char]) for char in written)) if len(written) <= 4 else None
    total, digit = 0, None
    for char in written:
        if char in _UNITS:
            total += (1 if digit is None else digit) * _UNITS[char]
            digit = None
        elif digit:
            return None
        else:
            digit = _DIGITS[char]
    return total + (digit or 0)


def in_chinese(number: int) -> str:
    """A figure from 0 to 9,999 as laws write it: 110 is 一百一十, 1008 is 一千零八."""
    if number == 0:
        return "零"
    made, gap = "", False
    for value, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // value % 10
        if digit == 0:
            gap = bool(made)
            continue
        made += ("零" if gap else "") + "零一二三四五六七八九"[digit] + unit
        gap = False
    return made.removeprefix("一") if 10 <= number < 20 else made
