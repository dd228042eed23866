"""Files of articles: JSON lines, CSV from a spreadsheet, or plain text. Every row that is wrong is named."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from switchboard.errors import LawFileInvalid
from switchboard.law.model import (
    MOST_LAW,
    MOST_SOURCE,
    MOST_TEXT,
    MOST_TITLE,
    NUMERAL,
    Article,
    label_of,
)
from switchboard.records.events import is_text

SAMPLE = Path(__file__).with_name("sample.jsonl")
"""Summaries in our own words for demonstration, marked as such in every row."""

MOST_BYTES = 128 * 1024 * 1024
MOST_ARTICLES = 200_000
MOST_NAMED = 50

_COLUMNS = {
    "law": ("law", "法律", "法律名称", "名称"),
    "article": ("article", "条", "条号", "条文号"),
    "title": ("title", "标题", "章节"),
    "text": ("text", "内容", "条文", "正文"),
    "effective": ("effective", "施行日期", "生效日期"),
    "source": ("source", "来源", "出处"),
}
_NAMES = {written: name for name, writings in _COLUMNS.items() for written in writings}
_HEADED = re.compile(r"(施行日期|生效日期|effective|来源|出处|source)\s*[:：]\s*(.+)", re.IGNORECASE)
_ARTICLE = re.compile(rf"(第[0-9{NUMERAL}]{{1,9}}条(?:之[{NUMERAL}]{{1,3}})?)(?:[\s:：]+|$)(.*)")
_CHAPTER = re.compile(rf"第[0-9{NUMERAL}]{{1,5}}[编分章节](?:\s|$).*|附\s*则")
_DATE = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")


@dataclass(frozen=True, slots=True)
class Defaults:
    """For rows that do not say it themselves."""

    law: str = ""
    effective: str = ""
    source: str = ""


def read_articles(file: Path, defaults: Defaults = Defaults()) -> list[Article]:
    """All articles of a ``.jsonl``, ``.csv`` or ``.txt`` file, in its order.

    Raises LawFileInvalid naming every row that cannot be taken (the first fifty); OSError where it cannot be read.
    """
    if file.stat().st_size > MOST_BYTES:
        raise LawFileInvalid([f"the file has more than {MOST_BYTES // 1024 // 1024} MB"])
    text = _decoded(file.read_bytes())
    match file.suffix.lower():
        case ".jsonl" | ".ndjson":
            rows = _from_json_lines(text)
        case ".csv":
            rows = _from_csv(text)
        case ".txt" | ".text":
            rows = _from_text(text)
        case other:
            raise LawFileInvalid([f"{other or 'a file without an ending'}: write .jsonl, .csv or .txt"])
    return _checked(rows, defaults)


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # the second is what a Chinese spreadsheet writes
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise LawFileInvalid(["the file is neither UTF-8 nor GB18030 text"])


Row = tuple[int, Mapping[str, object] | str]
"""The line and what it says, or what is wrong with it."""


def _from_json_lines(text: str) -> Iterator[Row]:
    for line, written in enumerate(io.StringIO(text), 1):
        if not written.strip():
            continue
        try:
            row = json.loads(written)
        except (ValueError, RecursionError):
            yield line, "this is not JSON"
            continue
        if not isinstance(row, dict):
            yield line, 'write an object: {"law": "...", "article": "...", "text": "..."}'
            continue
        yield line, {_NAMES.get(str(name), str(name)): value for name, value in row.items()}


def _from_csv(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text))
    try:
        heading = [_NAMES.get(name.strip().lower(), "") for name in next(reader, [])]
        if missing := [name for name in ("law", "article", "text") if name not in heading]:
            yield 1, f"the first line names the columns; missing: {', '.join(missing)}"
            return
        for cells in reader:
            if any(cell.strip() for cell in cells):
                row = {name: cell for name, cell in zip(heading, cells, strict=False) if name}
                yield reader.line_num, row
    except csv.Error as error:
        yield reader.line_num, f"this is not CSV ({error})"


def _from_text(text: str) -> Iterator[Row]:
    """The law's name, if you like its date and source, then its articles, each beginning with 第…条 on a new line."""
    law, chapter, headed = "", "", dict[str, str]()
    article: dict[str, str] | None = None
    begun = 0
    for line, written in enumerate(io.StringIO(text), 1):
        said = written.strip().replace("\u3000", " ")
        if found := _ARTICLE.match(said):
            if article:
                yield begun, article
            begun = line
            article = {"law": law, "article": found[1], "title": chapter, "text": found[2], **headed}
        elif _CHAPTER.fullmatch(said):
            chapter = re.sub(r"\s+", " ", said)
        elif article is None:
            if found := _HEADED.fullmatch(said):
                headed[_NAMES[found[1].lower()]] = found[2].strip()
            elif said and not law:
                law = said
        elif said:
            article["text"] = f"{article['text']}\n{said}".strip()
    if article:
        yield begun, article


def _checked(rows: Iterator[Row], defaults: Defaults) -> list[Article]:
    found: list[Article] = []
    problems: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in rows:
        wrong = None
        try:
            article = _article(row, defaults)
        except ValueError as error:
            wrong = str(error)
        else:
            before = seen.setdefault((article.law, article.article), line)
            if before == line:
                found.append(article)
            else:
                wrong = f"{article.article} of this law is on line {before} already"
        if wrong:
            problems.append(f"line {line}: {wrong}")
        if len(found) > MOST_ARTICLES:
            problems.append(f"more than {MOST_ARTICLES} articles")
        if len(problems) >= MOST_NAMED or len(found) > MOST_ARTICLES:
            break
    if not found and not problems:
        problems.append("there is no article in this file")
    if problems:
        raise LawFileInvalid(problems)
    return found


def _article(row: Mapping[str, object] | str, defaults: Defaults) -> Article:
    """Raises ValueError with words for whoever wrote the row."""
    if isinstance(row, str):
        raise ValueError(row)
    if unknown := row.keys() - _COLUMNS.keys():
        raise ValueError(f"unknown field {str(min(unknown))[:40]!r}; known: {', '.join(_COLUMNS)}")
    label, number = label_of(_said(row, "article", 40))
    return Article(
        law=_said(row, "law", MOST_LAW, defaults.law).removeprefix("《").removesuffix("》"),
        article=label,
        number=number,
        text=_said(row, "text", MOST_TEXT),
        title=_said(row, "title", MOST_TITLE, needed=False),
        effective=_date(_said(row, "effective", 40, defaults.effective, needed=False)),
        source=_said(row, "source", MOST_SOURCE, defaults.source, needed=False),
    )


def _said(
    row: Mapping[str, object], name: str, most: int, otherwise: str = "", *, needed: bool = True
) -> str:
    value = row.get(name)
    if value is None or value == "":
        value = otherwise
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    value = value.strip()
    if needed and not value:
        raise ValueError(f"{name} is missing")
    if not is_text(value, most):
        raise ValueError(f"{name} has more than {most} characters, or some that are no text")
    return value


def _date(written: str) -> dt.date | None:
    if not written:
        return None
    found = _DATE.fullmatch(written)
    try:
        return dt.date(*(int(part) for part in found.groups())) if found else dt.date.fromisoformat(written)
    except ValueError:
        raise ValueError("effective is not a date; write it as 2008-01-01") from None
