"""A picture of the day as SVG: service level by quarter of an hour, and the calls beneath it. No dependency."""

from collections.abc import Callable, Sequence
from html import escape

from routing.simulate.figures import service_levels
from routing.simulate.outcome import Result

_WIDTH, _HEIGHT = 960, 460
_LEFT, _RIGHT, _TOP, _BASE, _FOOT = 56, 20, 54, 330, 430
_COLOURS = ("#1f6feb", "#2da44e", "#bf8700", "#8250df", "#cf222e")
_TARGET = 80


def day_svg(results: Sequence[tuple[str, Result]], title: str) -> str:
    """The whole file. ``results``: label and run, drawn in this order; all must be of one trace."""
    levels = [(label, service_levels(result)) for label, result in results]
    slots = levels[0][1]
    first, last = slots[0][0], slots[-1][0] + 900_000

    def x(ms: float) -> float:
        return _LEFT + (ms - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(percent: float) -> float:
        return _BASE - percent / 100 * (_BASE - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for percent in (0, 20, 40, 60, 80, 100):
        dash = ' stroke-dasharray="6 4" stroke="#57606a"' if percent == _TARGET else ' stroke="#d8dee4"'
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(percent):.1f}" y2="{y(percent):.1f}"{dash}/>'
            f'<text x="{_LEFT - 8}" y="{y(percent) + 4:.1f}" text-anchor="end">{percent}%</text>'
        )
    parts += _hours(first, last, x)
    parts += _bars(slots, x)
    for number, (label, points) in enumerate(levels):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(f"{x(ms + 450_000):.1f},{y(share):.1f}" for ms, share, _ in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="{line}"/>')
        at = _LEFT + number * 230
        parts.append(
            f'<rect x="{at}" y="30" width="18" height="4" fill="{colour}"/>'
            f'<text x="{at + 24}" y="37">{escape(label)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _hours(first: int, last: int, x: Callable[[float], float]) -> list[str]:
    marks = range((first + 3_599_999) // 3_600_000, last // 3_600_000 + 1)
    return [
        f'<text x="{x(hour * 3_600_000):.1f}" y="{_FOOT + 18}" text-anchor="middle">{hour}:00</text>'
        for hour in marks
    ]


def _bars(slots: Sequence[tuple[int, float, int]], x: Callable[[float], float]) -> list[str]:
    most = max(count for _, _, count in slots)
    width = max(1.0, x(900_000) - x(0) - 2)
    bars = [
        f'<rect x="{x(ms) + 1:.1f}" y="{_FOOT - 70 * count / most:.1f}" width="{width:.1f}" '
        f'height="{70 * count / most:.1f}" fill="#afb8c1"/>'
        for ms, _, count in slots
    ]
    caption = (
        f'<text x="{_LEFT}" y="{_FOOT - 76}" fill="#57606a">每刻钟来电 calls in 15 min, at most {most}</text>'
    )
    return [*bars, caption]
