"""A call lifted to video."""

from __future__ import annotations

from typing import Any


class Lift:
    def frame(self, agent: str) -> dict[str, Any] | None:
        return None
