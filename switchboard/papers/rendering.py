"""From a paper's values to its PDF, by typst. The same values give the same bytes.

PDF/A-2u (ISO 19005-2), so that text can be searched and read aloud and nothing outside the file is needed to show it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typst

from switchboard.papers.errors import PaperUnfit
from switchboard.papers.fonts import Fonts
from switchboard.papers.model import Paper, described, texts_of

TEMPLATES = Path(__file__).with_name("templates")
STANDARD = "a-2u"
PAGE_HEIGHT_PT = 841.89
BOX_PT = (170.0, 56.0)
"""Width and height of a signature's box (``templates/base.typ``)."""

MOST_PAGES = 200


@dataclass(frozen=True, slots=True)
class Box:
    """Where somebody signs: page from 0, rectangle in points from the lower left corner (ISO 32000)."""

    signer: str
    page: int
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class Rendered:
    pdf: bytes
    boxes: tuple[Box, ...]


def render(paper: Paper, fonts: Fonts) -> Rendered:
    """Blocking, some milliseconds. Raises LetterMissing, PaperUnfit."""
    fonts.check(text for _, text in texts_of(paper))
    made = datetime.fromtimestamp(paper.made_ms / 1000, UTC)
    moment = {name: getattr(made, name) for name in ("year", "month", "day", "hour", "minute", "second")}
    facts = described(paper) | {"fonts": fonts.families, "moment": moment}
    compiler = typst.Compiler(
        TEMPLATES / "main.typ",
        root=TEMPLATES,
        font_paths=fonts.loaded,
        ignore_system_fonts=True,
        sys_inputs={"paper": json.dumps(facts, ensure_ascii=False)},
    )
    try:
        pdf = compiler.compile(format="pdf", pdf_standards=STANDARD, timestamp=paper.made_ms // 1000)
        told = json.loads(compiler.query("<signature>", field="value"))
    except typst.TypstError as error:
        raise PaperUnfit([f"it cannot be set: {error.message}"]) from error
    if not isinstance(pdf, bytes):
        raise PaperUnfit(["nothing was set"])
    return Rendered(pdf, tuple(map(_box, told)))


def _box(told: dict[str, object]) -> Box:
    page, x, y = int(str(told["page"])), float(str(told["x"])), float(str(told["y"]))
    if page > MOST_PAGES:
        raise PaperUnfit([f"at most {MOST_PAGES} pages"])
    top = PAGE_HEIGHT_PT - y
    return Box(str(told["signer"]), page - 1, x, top - BOX_PT[1], x + BOX_PT[0], top)
