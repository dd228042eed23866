"""A signature by hand: the strokes as they were written, and the picture that is drawn from them.

The picture on the paper is drawn here and nowhere else, so that it cannot show anything but the strokes that are
kept; no picture from outside is taken.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw

from switchboard.papers.errors import HandwritingUnfit
from switchboard.papers.rendering import BOX_PT

MOST_STROKES = 300
MOST_POINTS = 20_000
MOST_SIDE = 4_000
MOST_MS = 600_000
LEAST_WAY = 40
"""In the units of the canvas: less is a touch, not a signature."""

_SCALE = 4
_INK = (16, 24, 64, 255)


@dataclass(frozen=True, slots=True)
class Handwriting:
    """``strokes``: for each, its points (x, y, ms) on a canvas of ``width`` x ``height``, from the upper left corner;
    ms since the first touch. Raises HandwritingUnfit on construction."""

    width: int
    height: int
    strokes: tuple[tuple[tuple[int, int, int], ...], ...]

    def __post_init__(self) -> None:
        sides = (self.width, self.height)
        if not all(_whole(side) and 20 <= side <= MOST_SIDE for side in sides):
            raise HandwritingUnfit("canvas")
        points = [point for stroke in self.strokes for point in stroke]
        if not 0 < len(self.strokes) <= MOST_STROKES or not 2 <= len(points) <= MOST_POINTS:
            raise HandwritingUnfit("number of strokes or points")
        for point in points:
            if len(point) != 3 or not all(map(_whole, point)):
                raise HandwritingUnfit("a point is three whole numbers")
            x, y, ms = point
            if not (0 <= x <= self.width and 0 <= y <= self.height and 0 <= ms <= MOST_MS):
                raise HandwritingUnfit("a point outside")
        if sum(map(_way, self.strokes)) < LEAST_WAY:
            raise HandwritingUnfit("too short")

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Handwriting:
        """From JSON ``{"width", "height", "strokes": [[[x, y, ms], ...], ...]}``; numbers are rounded."""
        try:
            strokes = tuple(
                tuple((round(x), round(y), round(ms)) for x, y, ms in stroke)
                for stroke in given["strokes"][: MOST_STROKES + 1]
            )
            return cls(round(given["width"]), round(given["height"]), strokes)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise HandwritingUnfit("not as it should be written") from error

    def data(self) -> bytes:
        """The strokes in one fixed writing: what is kept and whose digest is signed."""
        facts = {"width": self.width, "height": self.height, "strokes": self.strokes}
        return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()

    def picture(self) -> bytes:
        """A PNG with a transparent ground, cut to the writing and fitted into a signature's box."""
        points = [point for stroke in self.strokes for point in stroke]
        left, top = min(x for x, _, _ in points), min(y for _, y, _ in points)
        wide = max(1, max(x for x, _, _ in points) - left)
        high = max(1, max(y for _, y, _ in points) - top)
        across, down = (round(side * _SCALE) for side in BOX_PT)
        edge = 2 * _SCALE
        scale = min((across - 2 * edge) / wide, (down - 2 * edge) / high)
        image = Image.new("RGBA", (across, down), (255, 255, 255, 0))
        draw = ImageDraw.Draw(image)
        shift = ((across - wide * scale) / 2, (down - high * scale) / 2)
        for stroke in self.strokes:
            line = [((x - left) * scale + shift[0], (y - top) * scale + shift[1]) for x, y, _ in stroke]
            if len(line) == 1:
                x, y = line[0]
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_INK)
            else:
                draw.line(line, fill=_INK, width=6, joint="curve")
        out = io.BytesIO()
        image.save(out, "PNG", optimize=True)
        return out.getvalue()


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _way(stroke: tuple[tuple[int, int, int], ...]) -> float:
    return sum(abs(b[0] - a[0]) + abs(b[1] - a[1]) for a, b in pairwise(stroke))
