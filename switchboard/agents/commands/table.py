"""All groups of commands, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchboard.agents.commands import help, messages, presence, talking, transfers, video
from switchboard.agents.commands.group import SHARED_WORDS, Group, Known

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk

GROUPS: tuple[Group, ...] = (
    presence.commands,
    talking.commands,
    messages.commands,
    transfers.commands,
    help.commands,
    video.commands,
)

KNOWN: dict[str, Known] = {name: known for group in GROUPS for name, known in group.known.items()}
WORDS: dict[str, tuple[str, str]] = SHARED_WORDS | {
    code: words for group in GROUPS for code, words in group.words.items()
}


async def welcome(desk: Desk) -> dict[str, Any]:
    """What the groups add to the first frame of a desk."""
    told: dict[str, Any] = {}
    for group in GROUPS:
        for tell in group.welcomes:
            told |= await tell(desk)
    return told
