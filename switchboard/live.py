"""What is going on now, as the board and the desks show it: a view, never the truth.

Contacts and desks tell it of every change; it keeps the keys of docs/protocol.md up to date on the board's hub. Sums
per matter are made from the contacts themselves, so that a figure and its list can never disagree.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from switchboard.agents.desk import Desk
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact
    from switchboard.house import House

log = structlog.get_logger(__name__)

FINISHED_SHOWN_S = 120.0
REFRESH_S = 1.0


class Live:
    """The live view of one node."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._contacts: dict[str, Contact] = {}
        self._stale = True
        self._figures_stale = True

    # ---- contacts

    def contact(self, contact_id: str) -> Contact | None:
        return self._contacts.get(contact_id)

    def contacts(self) -> list[Contact]:
        return list(self._contacts.values())

    def contact_opened(self, contact: Contact) -> None:
        self._contacts[contact.id] = contact
        self.contact_changed(contact)

    def contact_changed(self, contact: Contact) -> None:
        self._house.board.set(f"contact/{contact.id}", contact.board_row())
        if contact.medium == "message":
            self._house.tasks.changed(contact)
        self._stale = self._figures_stale = True

    def contact_closed(self, contact: Contact) -> None:
        self._contacts.pop(contact.id, None)
        self._stale = self._figures_stale = True
        asyncio.get_running_loop().call_later(
            FINISHED_SHOWN_S, self._house.board.delete, f"contact/{contact.id}"
        )

    def rules_changed(self) -> None:
        """Matters may have come, gone or been renamed."""
        known = {f"matter/{words['id']}" for words in self._house.matters()}
        for key in self._house.board.keys("matter/"):
            if key not in known:
                self._house.board.delete(key)
        self._stale = True

    # ---- agents

    def agent_changed(self, desk: Desk) -> None:
        self._house.board.set(f"agent/{desk.agent.id}", _agent_row(desk))
        self._stale = True

    def agent_gone(self, desk: Desk) -> None:
        self._house.board.delete(f"agent/{desk.agent.id}")
        self._stale = True

    def staffed(self, matter: str | None, language: str) -> int:
        """How many signed-in volunteers could serve it (in their rings, sooner or later)."""
        return sum(self._house.serves(desk, matter, language) for desk in self._house.desks.all())

    def queue_of(self, desk: Desk) -> dict[str, Any]:
        """How many wait in the matters that this volunteer serves, and since when the longest."""
        since = [
            contact.queued_ms or contact.arrived_ms
            for contact in self._contacts.values()
            if contact.in_line and self._house.serves(desk, contact.matter, contact.language)
        ]
        return {"waiting": len(since), "longest_since": min(since, default=None)}

    # ---- sums

    async def run(self) -> None:
        """Once a second, what has changed: sums per matter, the desks' queue lines, today's figures."""
        while True:
            if self._stale:
                self._stale = False
                self._matters()
                self._queues()
                self._house.directory.tell()
            if self._figures_stale:
                self._figures_stale = False
                await self._figures()
            await asyncio.sleep(REFRESH_S)

    def _matters(self) -> None:
        house = self._house
        for words in house.matters():
            mine = [contact for contact in self._contacts.values() if contact.matter == words["id"]]
            since = [contact.queued_ms or contact.arrived_ms for contact in mine if contact.in_line]
            house.board.set(
                f"matter/{words['id']}",
                {
                    **words,
                    "waiting": len(since),
                    "longest_since": min(since, default=None),
                    "talking": sum(contact.stage == "talking" for contact in mine),
                    "staffed": self.staffed(words["id"], "zh"),
                },
            )

    def _queues(self) -> None:
        for desk in self._house.desks.all():
            desk.queue_changed(self.queue_of(desk))

    async def _figures(self) -> None:
        try:
            figures = await self._house.records.figures_today()
            tasks = await self._house.records.task_figures()
            follow_ups = await self._house.records.open_follow_ups()
        except Exception as error:
            self._figures_stale = True
            log.warning("figures not read", error=type(error).__name__)
            return
        since = {"since": figures.since_ms, "follow_ups": follow_ups}
        shown = {name: value for name, value in asdict(figures).items() if name != "since_ms"}
        self._house.board.set("figures/all", shown | asdict(tasks) | since)

    def notice(self, name: str, words: tuple[str, str] | None) -> None:
        """Something that a supervisor should see to, in Chinese and English; None: it is settled."""
        if words is None:
            self._house.board.delete(f"notice/{name}")
        else:
            self._house.board.set(f"notice/{name}", {"name": name, "zh": words[0], "en": words[1]})

    def health(self, name: str, ok: bool, zh: str, en: str) -> None:
        """The state of one part of the house; ``since`` moves only when it begins or ceases to work."""
        key = f"health/{name}"
        before = self._house.board.get(key)
        if before and (before["ok"], before["zh"], before["en"]) == (ok, zh, en):
            return
        since = before["since"] if before and before["ok"] == ok else now_ms()
        self._house.board.set(key, {"name": name, "ok": ok, "zh": zh, "en": en, "since": since})


def _agent_row(desk: Desk) -> dict[str, Any]:
    return {
        "id": desk.agent.id,
        "name": desk.agent.name,
        "role": desk.agent.role,
        "state": desk.state["name"],
        "reason": desk.state["reason"],
        "since": desk.state["since"],
        "away": not desk.here and not desk.on_phone,
        "contact": desk.contact["id"] if desk.contact else None,
        "demo": desk.agent.demo,
    }
