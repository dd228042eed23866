"""Words and numbers as people read them."""

from __future__ import annotations


def mask_number(number: str | None) -> str:
    """``13812345678`` becomes ``138****5678``; shorter ones keep less; none is said to be withheld."""
    if not number:
        return "—"
    if len(number) >= 8:
        return f"{number[:3]}****{number[-4:]}"
    return f"{number[:1]}***{number[-1:]}" if len(number) > 2 else "***"
