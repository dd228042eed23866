"""What volunteers and supervisors ask of each other: help in a contact, shifts and their swaps, objections to a rating.

SQL is the truth; this looks at it again and again and shows it on the board and on the desks of this node, so that a
restart or another node changes nothing. Whoever changes something here says so, and it is looked at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

import structlog

from switchboard.errors import RecordsAway
from switchboard.records.help_calls import HelpCall
from switchboard.records.shifts import Shift
from switchboard.records.store import Records
from switchboard.records.terminal_reports import Report
from switchboard.times import now_ms
from switchboard.web.board import LiveBoard

log = structlog.get_logger(__name__)

LOOK_S = 2.0
PLAN_S = 5.0
LATE_MS = 5 * 60_000
"""After so long in a shift the board says that its volunteer is not there."""

CLOSED_SHOWN_MS = 10 * 60_000
"""How long a desk shows what the supervisor wrote at the end of a call for help."""


class People(Protocol):
    """Who is signed in at this node, and how to tell them something."""

    def present(self) -> Collection[str]: ...

    def tell(self, agent: str, frame: dict[str, Any]) -> None: ...


class Duty:
    """One node's view. ``words``: a matter's id -> its ``id``, ``zh``, ``en``."""

    def __init__(
        self,
        records: Records,
        board: LiveBoard,
        people: People,
        words: Callable[[str | None], dict[str, str] | None],
        *,
        alive: Path | None = None,
        on_ratings: Callable[[], None] = lambda: None,
    ) -> None:
        self._records = records
        self._board = board
        self._people = people
        self._words = words
        self._alive = alive
        self._on_ratings = on_ratings
        self._looking = asyncio.Lock()
        self._help: dict[str, HelpCall] = {}
        self._told: dict[tuple[str, str], dict[str, Any]] = {}

    # ---- starting and going on

    async def begin(self, elsewhere: Collection[str]) -> None:
        """Times on duty end where this node was last alive. ``elsewhere``: volunteers at other nodes."""
        if self._alive is None:
            return
        try:
            last_ms = int((await asyncio.to_thread(self._alive.stat)).st_mtime * 1000)
        except OSError:
            return  # the first start of all
        await self._records.close_states(last_ms, but=elsewhere)

    async def run(self) -> None:
        next_plan = 0.0
        while True:
            try:
                await self.look_at_help()
                await self.look_at_terminals()
                if time.monotonic() >= next_plan:
                    next_plan = time.monotonic() + PLAN_S
                    await self._keep_alive()
                    await self.look_at_plan()
            except RecordsAway:
                log.info("help and shifts not read")
            await asyncio.sleep(LOOK_S)

    async def _keep_alive(self) -> None:
        if self._alive:
            await asyncio.to_thread(self._alive.touch)

    async def welcome(self, agent: str) -> dict[str, Any]:
        """What a desk is told at its first frame."""
        try:
            async with self._looking:
                plan = await self._records.shifts.coming([agent], now_ms())
            shifts = self._shifts_frame(plan.get(agent, []))
        except RecordsAway:
            shifts = self._told.get((agent, "shifts"), {"shifts": []})
        told = {"help": self._help_frame(agent), "shifts": shifts}
        self._told |= {(agent, kind): frame for kind, frame in told.items()}
        return {kind: frame[kind] for kind, frame in told.items()}

    # ---- help

    async def ask_help(self, agent: str, team: str | None, contact: str) -> None:
        await self._records.help_calls.ask(agent, contact, team, now_ms())
        await self.look_at_help()

    async def take_help_back(self, agent: str) -> None:
        await self._records.help_calls.take_back(agent, now_ms())
        await self.look_at_help()

    async def help_seen(self, ident: int, by: str) -> HelpCall | None:
        found = await self._records.help_calls.seen(ident, by, now_ms())
        await self.look_at_help()
        return found

    async def help_closed(self, ident: int, by: str, note: str) -> HelpCall | None:
        found = await self._records.help_calls.close(ident, by, note, now_ms())
        await self.look_at_help()
        return found

    async def look_at_help(self) -> None:
        """Board and desks show the calls for help that are open, desks also how theirs was closed just now."""
        async with self._looking:
            found = await self._records.help_calls.open(closed_since_ms=now_ms() - CLOSED_SHOWN_MS)
            before = set(self._help)
            self._help = {call.agent: call for call in found}  # the newest of each
            shown = {f"help/{call.id}": _help_row(call) for call in found if call.closed_ms is None}
            for key in self._board.keys("help/"):
                if key not in shown:
                    self._board.delete(key)
            for key, row in shown.items():
                self._board.set(key, row)
            for agent in before | set(self._help):
                self._tell(agent, "help", self._help_frame(agent))

    def _help_frame(self, agent: str) -> dict[str, Any]:
        call = self._help.get(agent)
        if call is None or call.closed_by == agent:
            return {"help": None}
        shown = _help_row(call) | {
            "closed_by": call.closed_by,
            "closed": call.closed_ms,
            "note": call.note,
            "watched": self._board.watched,
        }
        return {"help": shown}

    # ---- terminals

    async def look_at_terminals(self) -> None:
        """The board shows terminals at which somebody calls for help, or something does not work."""
        async with self._looking:
            at_ms = now_ms()
            found = await self._records.terminal_reports.alerts(at_ms=at_ms)
            shown = {f"terminal/{one.terminal}": _terminal_row(one, at_ms) for one in found}
            for key in self._board.keys("terminal/"):
                if key not in shown:
                    self._board.delete(key)
            for key, row in shown.items():
                self._board.set(key, row)

    # ---- shifts

    async def look_at_plan(self) -> None:
        """Who should be here and is not, for the board; the coming shifts, for the desks; open requests, as counts."""
        async with self._looking:
            at_ms = now_ms()
            missing = await self._records.shifts.missing(at_ms)
            present = set(self._people.present())
            late = {
                f"late/{shift.id}": self._late_row(shift, present)
                for shift in missing
                if at_ms - shift.from_ms >= LATE_MS
            }
            for key in self._board.keys("late/"):
                if key not in late:
                    self._board.delete(key)
            for key, row in late.items():
                self._board.set(key, row)
            plans = await self._records.shifts.coming(present, at_ms)
            for agent, shifts in plans.items():
                self._tell(agent, "shifts", self._shifts_frame(shifts))
            self._told = {key: frame for key, frame in self._told.items() if key[0] in present}
            counts = {
                "follow_ups": await self._records.open_follow_ups(),
                "appeals": await self._records.open_appeals(),
                "swaps": await self._records.shifts.open_swaps(),
            }
            self._board.set("requests/all", counts)

    def _late_row(self, shift: Shift, present: Collection[str]) -> dict[str, Any]:
        return {
            "id": shift.id,
            "agent": shift.agent,
            "name": shift.name or shift.agent,
            "from": shift.from_ms,
            "to": shift.to_ms,
            "matter": shift.matter,
            "signed_in": shift.agent in present,
        }

    def _shifts_frame(self, shifts: list[Shift]) -> dict[str, Any]:
        return {"shifts": [self.shift_row(shift) for shift in shifts]}

    def shift_row(self, shift: Shift) -> dict[str, Any]:
        """A shift as its own volunteer sees it."""
        return {
            "id": shift.id,
            "from": shift.from_ms,
            "to": shift.to_ms,
            "matter": self._words(shift.matter),
            "role": shift.role,
            "note": shift.note,
            "begun": shift.begun_ms is not None,
            "swap": shift.swap,
        }

    # ---- what others have decided

    async def swap_decided(self, agent: str, shift: int, state: str) -> None:
        self._people.tell(agent, {"type": "news", "what": "swap", "id": str(shift), "state": state})
        await self.look_at_plan()

    async def appeal_decided(self, agent: str, contact: str, state: str) -> None:
        self._people.tell(agent, {"type": "news", "what": "appeal", "id": contact, "state": state})
        self._on_ratings()
        await self.look_at_plan()

    def _tell(self, agent: str, kind: str, frame: dict[str, Any]) -> None:
        if self._told.get((agent, kind)) != frame:
            self._told[agent, kind] = frame
            self._people.tell(agent, {"type": kind, **frame})


def _help_row(call: HelpCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "agent": call.agent,
        "name": call.name or call.agent,
        "team": call.team,
        "contact": call.contact,
        "asked": call.asked_ms,
        "seen_by": call.seen_by,
        "seen": call.seen_ms,
    }


def _terminal_row(report: Report, at_ms: int) -> dict[str, Any]:
    helping = report.help
    return {
        "id": report.terminal,
        "name": report.name,
        "village": report.village,
        "troubles": list(report.health.troubles) if report.is_fresh(at_ms) else [],
        "asked": helping.asked_ms if helping else None,
        "why": helping.why if helping else None,
        "seen_by": helping.seen_by if helping else None,
    }
