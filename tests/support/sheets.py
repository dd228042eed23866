"""A sheet of paper on a table, as a document camera sees it: rows of digits, lying a little askew.

The digits are dots of a small grid, so that a test can read them again and count what it misread.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1920, 1080
COLUMNS, ROWS = 24, 18
DOT = 4
"""Pixels of the sheet for each dot of a digit; a digit is 5 x 7 dots in a cell of 7 x 12."""

_DIGITS = (
    ("01110", "10001", "10011", "10101", "11001", "10001", "01110"),
    ("00100", "01100", "00100", "00100", "00100", "00100", "01110"),
    ("01110", "10001", "00001", "00010", "00100", "01000", "11111"),
    ("11111", "00010", "00100", "00010", "00001", "10001", "01110"),
    ("00010", "00110", "01010", "10010", "11111", "00010", "00010"),
    ("11111", "10000", "11110", "00001", "00001", "10001", "01110"),
    ("00110", "01000", "10000", "11110", "10001", "10001", "01110"),
    ("11111", "00001", "00010", "00100", "01000", "01000", "01000"),
    ("01110", "10001", "10001", "01110", "10001", "10001", "01110"),
    ("01110", "10001", "10001", "01111", "00001", "00010", "01100"),
)
_GLYPHS = np.array([[[float(dot) for dot in row] for row in glyph] for glyph in _DIGITS])
_CELL = (12 * DOT, 7 * DOT)
_MARGIN = 10 * DOT

Gray = NDArray[np.float64]


def written(seed: int = 12348) -> list[str]:
    """What stands on the sheet."""
    chance = random.Random(seed)
    return ["".join(chance.choice("0123456789") for _ in range(COLUMNS)) for _ in range(ROWS)]


def sheet(lines: list[str]) -> Gray:
    """The sheet from straight above, 0 black to 255."""
    page = np.full((ROWS * _CELL[0] + 2 * _MARGIN, COLUMNS * _CELL[1] + 2 * _MARGIN), 245.0)
    for row, line in enumerate(lines):
        for column, digit in enumerate(line):
            ink = np.kron(_GLYPHS[int(digit)], np.ones((DOT, DOT)))
            top, left = _MARGIN + row * _CELL[0], _MARGIN + column * _CELL[1]
            page[top : top + 7 * DOT, left : left + 5 * DOT] -= 215 * ink
    return page


def read(page: Gray) -> list[str]:
    """The digits of a straightened sheet of any size."""
    high, wide = ROWS * _CELL[0] + 2 * _MARGIN, COLUMNS * _CELL[1] + 2 * _MARGIN
    rows = np.clip((np.arange(high) + 0.5) * page.shape[0] / high, 0, page.shape[0] - 1).astype(int)
    columns = np.clip((np.arange(wide) + 0.5) * page.shape[1] / wide, 0, page.shape[1] - 1).astype(int)
    even = page[np.ix_(rows, columns)]
    lines: list[str] = []
    for row in range(ROWS):
        line = ""
        for column in range(COLUMNS):
            line += str(_nearest(even, _MARGIN + row * _CELL[0], _MARGIN + column * _CELL[1]))
        lines.append(line)
    return lines


def _nearest(page: Gray, top: int, left: int) -> int:
    """The digit that looks most alike, two dots aside in any direction."""
    best, found = -2.0, 0
    for down in range(-2 * DOT, 2 * DOT + 1, 2):
        for right in range(-2 * DOT, 2 * DOT + 1, 2):
            part = page[top + down : top + down + 7 * DOT, left + right : left + right + 5 * DOT]
            dots = 255 - part.reshape(7, DOT, 5, DOT).mean((1, 3))
            dots = dots - dots.mean()
            for digit, glyph in enumerate(_GLYPHS):
                ink = glyph - glyph.mean()
                alike = float((dots * ink).sum() / (np.sqrt((dots**2).sum() * (ink**2).sum()) + 1e-9))
                if alike > best:
                    best, found = alike, digit
    return found


def on_a_table(page: Gray) -> Gray:
    """The camera's picture: the sheet a little askew on dark wood."""
    corners = np.array([[520.0, 60.0], [1405.0, 85.0], [1450.0, 1040.0], [470.0, 1015.0]])
    high, wide = page.shape
    square = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], float)
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(corners, square, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.append(np.linalg.solve(np.array(rows), square.ravel()), 1).reshape(3, 3)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    points = solved @ np.stack([xs.ravel() + 0.5, ys.ravel() + 0.5, np.ones(xs.size)])
    u, v = points[0] / points[2] - 0.5, points[1] / points[2] - 0.5
    table = 70 + 14 * np.sin(ys / 9.0) + 6 * np.sin(xs / 37.0)
    inside = (u >= 0) & (v >= 0) & (u < wide - 1) & (v < high - 1)
    u0, v0 = np.clip(u, 0, wide - 2).astype(int), np.clip(v, 0, high - 2).astype(int)
    fu, fv = np.clip(u - u0, 0, 1), np.clip(v - v0, 0, 1)
    value = (page[v0, u0] * (1 - fu) + page[v0, u0 + 1] * fu) * (1 - fv)
    value += (page[v0 + 1, u0] * (1 - fu) + page[v0 + 1, u0 + 1] * fu) * fv
    return np.where(inside, value, table.ravel()).reshape(HEIGHT, WIDTH)


def write_camera(file: Path, picture: Gray) -> None:
    """A film of one frame that a fake camera shows again and again (YUV4MPEG2)."""
    luma = np.clip(picture * 219 / 255 + 16, 16, 235).astype(np.uint8)
    chroma = np.full(HEIGHT * WIDTH // 2, 128, np.uint8)
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F5:1 Ip A1:1 C420jpeg\n".encode()
    file.write_bytes(head + b"FRAME\n" + luma.tobytes() + chroma.tobytes())
