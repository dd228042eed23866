"""Identity card readers: one narrow protocol, so that any make can be put behind it, and a simulated one.

A reader stands at a terminal; what it has read goes to the switchboard as a step of a case (``how`` = ``reader``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class ReaderError(Exception):
    """``code``: ``no_card`` (nobody has laid one on it), ``unreadable``, ``reader_away``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Card:
    """``photo`` is the picture in the card's chip (JPEG), where the reader gives it."""

    name: str
    number: str
    until: str | None = None
    photo: bytes | None = None

    def __repr__(self) -> str:
        return "Card(...)"


class CardReader(Protocol):
    async def read(self) -> Card:
        """Waits for a card and reads it. Raises ReaderError."""
        ...


class SimulatedReader:
    """Gives what it is told, one after the other: a card, or the code of a fault; each after ``delay_s``."""

    def __init__(self, script: Sequence[Card | str], *, delay_s: float = 0.0) -> None:
        self._script = list(script)
        self._delay_s = delay_s

    async def read(self) -> Card:
        await asyncio.sleep(self._delay_s)
        if not self._script:
            await asyncio.Event().wait()  # nobody lays a card on it
        found = self._script.pop(0)
        if isinstance(found, str):
            raise ReaderError(found)
        return found


async def read_card(reader: CardReader, *, patience_s: float = 30.0, tries: int = 3) -> Card:
    """One card, tried again when it could not be read. Raises ReaderError."""
    for left in range(tries - 1, -1, -1):
        try:
            async with asyncio.timeout(patience_s):
                return await reader.read()
        except TimeoutError:
            raise ReaderError("no_card") from None
        except ReaderError as error:
            if error.code != "unreadable" or not left:
                raise
    raise ReaderError("unreadable")
