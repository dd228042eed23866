"""How a short text reaches a citizen's phone: one narrow interface, so that a bureau's own gateway can take its place.

Built in is a file-backed one for the demonstration: each message is a file in ``outbox/``, readable by its owner only.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.config import Config

MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class ShortText:
    """``to`` in the form of ``ivr.dialling.caller_number``; ``link`` is part of ``text`` too."""

    to: str
    text: str
    link: str


class Sender(Protocol):
    """Whoever sends. Raises OSError when it could not be handed over; nobody waits for its delivery."""

    async def send(self, text: ShortText) -> None: ...


class Outbox:
    """Messages as files, the newest ``MOST_KEPT`` of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, text: ShortText) -> None:
        await asyncio.to_thread(self._write, text)

    def _write(self, text: ShortText) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._folder / f"{now_ms()}-{secrets.token_hex(4)}.json"
        part = file.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump({**asdict(text), "at_ms": now_ms()}, out, ensure_ascii=False)
        part.replace(file)
        for old in sorted(self._folder.glob("*.json"))[:-MOST_KEPT]:
            old.unlink(missing_ok=True)


def sender_of(config: Config) -> Sender | None:
    """None where links are only shown on the desk, to be read out or scanned."""
    return Outbox(config.data_dir / "outbox") if config.link_sender == "file" else None
