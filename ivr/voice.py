"""What the front of a call needs of whoever is spoken to: a telephone, or somebody at a keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Voice(Protocol):
    """Prompts are keys of the tables of texts; ``en/key`` is spoken in that language whatever ``language`` is."""

    @property
    def language(self) -> str: ...

    @language.setter
    def language(self, language: str, /) -> None: ...

    async def say(self, prompts: Sequence[str], /) -> None:
        """Speak to the end; keys pressed meanwhile are kept for the next question."""
        ...

    async def ask(self, prompts: Sequence[str], /, *, first_key_ms: int) -> str | None:
        """Speak (a key interrupts), then wait for one key. None: nothing was pressed in time."""
        ...

    def forget_keys(self) -> None:
        """Keys pressed so far answer nothing."""
        ...
