"""What a call must not leave behind: channels, bridges, tasks, entries, reservations and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.switchboard import Switchboard, eventually

TASKS_OF_A_PROMISE = 3
"""An open message or call-back lives on: its own task, and two that wait for what comes first."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """`left = await Leftovers.before(switchboard)` … calls … `await left.none_remain(switchboard)`."""

    tasks: float

    @classmethod
    async def before(cls, switchboard: Switchboard) -> Self:
        return cls(await task_count(switchboard))

    async def none_remain(self, switchboard: Switchboard, timeout: float = 30.0) -> None:
        """Asterisk, Redis, the spool and the process itself are as they were before the first call."""

        seen: dict[str, object] = {}

        async def quiet() -> bool:
            seen["bridges"] = [
                bridge["id"]
                for bridge in await switchboard.ari("bridges")
                if bridge["bridge_type"] != "holding" or bridge["channels"]
            ]
            seen["channels"] = [channel["name"] for channel in await switchboard.ari("channels")]
            seen["sounds"] = spooled(switchboard.data_dir)
            promised = sum(record.ended_ms is None for record in await switchboard.contacts())
            spare = self.tasks + TASKS_OF_A_PROMISE * promised
            seen["tasks"] = max(0.0, await task_count(switchboard) - spare)
            return not any(seen.values())

        try:
            await eventually(quiet, timeout, "nothing left over")
        except TimeoutError:
            raise TimeoutError(f"left over after {timeout} s: {seen}") from None
        live = {record.id for record in await switchboard.contacts() if record.ended_ms is None}
        snapshot = await switchboard.snapshot()
        assert {entry.id for entry in snapshot.entries} <= live
        assert {reservation.entry for reservation in snapshot.reservations} <= live


def spooled(data_dir: Path) -> list[str]:
    """Sound files that nobody has taken in."""
    folder = data_dir / "run" / "recording"
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


async def task_count(switchboard: Switchboard) -> float:
    return (await switchboard.metrics())["switchboard_tasks"]
