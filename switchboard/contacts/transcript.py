"""What is said in a talk as text, while it is said: a help for the volunteer, never the record.

A transcriber calls ``Contact.said`` with lines; one that is not final yet comes again under the same number. Nothing of
it is stored here: a transcript is a derivative of the recording.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Speaker = Literal["caller", "volunteer", "colleague"]
MOST_LINES = 400
MOST_CHARS = 500


@dataclass(frozen=True, slots=True)
class Line:
    """``at_ms``: when it began, since 1970. ``number`` grows with the lines of a contact."""

    number: int
    at_ms: int
    speaker: Speaker
    text: str
    final: bool = True

    def frame(self) -> dict[str, Any]:
        frame = asdict(self)
        frame["at"] = frame.pop("at_ms")
        return frame


class Transcript:
    """The last ``MOST_LINES`` lines, in the order of their numbers."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}

    def take(self, line: Line) -> bool:
        """False: nothing new, such as a guess that comes after the final line, or a line that was dropped already."""
        known = self._lines.get(line.number)
        late = known is None and len(self._lines) >= MOST_LINES and line.number < min(self._lines)
        if late or (known is not None and (known.final or known == line)):
            return False
        self._lines[line.number] = line
        while len(self._lines) > MOST_LINES:
            del self._lines[min(self._lines)]
        return True

    def frames(self) -> list[dict[str, Any]]:
        return [self._lines[number].frame() for number in sorted(self._lines)]
