"""A group of the desk's commands: their frames, what each does, and the words of their refusals.

A group is one module with ``commands = Group(...)`` and is listed in ``table.GROUPS``:

    commands = Group({"not_here": ("这里没有", "Not here")})

    class Look(Command):
        what: str = Field(max_length=40)

    @commands.on("look", Look)
    async def look(desk: Desk, command: Look) -> dict[str, Any] | None: ...

Whatever fields it returns are part of the ``done`` frame.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk

Answer = dict[str, Any] | None

SHARED_WORDS = {
    "bad_frame": ("这条指令无法理解", "This command was not understood"),
    "not_yours": ("这个来电已不在您这里", "This contact is no longer yours"),
    "busy": ("请先结束手上的来电", "Finish the call you are in first"),
    "too_late": ("时间已过，来电已转给其他志愿者", "Too late: the contact has gone to somebody else"),
    "routing_away": (
        "排队系统暂时不可用，请稍候再试",
        "The queue is not available just now; try again in a moment",
    ),
}


class Command(BaseModel):
    """A frame from the desk. Unknown fields are refused, sizes are bounded; each command adds its own fields."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(max_length=40)
    id: str = Field(min_length=1, max_length=64)


Frame = TypeVar("Frame", bound=Command)


class Refused(Exception):
    """A command that cannot be done; ``code`` is one of its group's words, or of the shared ones. ``detail`` are
    further fields of the answer."""

    def __init__(self, code: str, **detail: Any) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Known:
    """One command: the shape of its frame, and what it does."""

    frame: type[Command]
    do: Callable[[Desk, Any], Awaitable[Answer]]


class Group:
    """Commands that belong together. ``words``: code of a refusal -> Chinese, English."""

    def __init__(self, words: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.words = dict(words or {})
        self.known: dict[str, Known] = {}
        self.welcomes: list[Callable[[Desk], Awaitable[dict[str, Any]]]] = []

    def on(
        self, name: str, frame: type[Frame]
    ) -> Callable[[Callable[[Desk, Frame], Awaitable[Answer]]], Callable[[Desk, Frame], Awaitable[Answer]]]:
        """The decorated coroutine does this command. It raises ``Refused`` with a code, never anything else."""

        def register(
            do: Callable[[Desk, Frame], Awaitable[Answer]],
        ) -> Callable[[Desk, Frame], Awaitable[Answer]]:
            self.known[name] = Known(frame, do)
            return do

        return register

    def on_welcome(
        self, tell: Callable[[Desk], Awaitable[dict[str, Any]]]
    ) -> Callable[[Desk], Awaitable[dict[str, Any]]]:
        """The fields that the decorated coroutine returns are part of the ``welcome`` frame."""
        self.welcomes.append(tell)
        return tell
