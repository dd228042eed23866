"""The directory: which colleagues are there, in which state and since when, and who is free for what.

No telephone numbers, no personal data but the name and the role that colleagues know anyway. It is made from the desks
of this node and told to the desks that have it open, at most once a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routing.estimate import band_of
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.house import House


class Directory:
    """Answers from what the desks show; keeps nothing but what was told last."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._told: dict[str, dict[str, Any]] = {}

    def of(self, agent: str) -> dict[str, Any]:
        """What this volunteer may see: all colleagues who are signed in, and the matters they serve."""
        return {
            "now": now_ms(),
            "colleagues": [_colleague(desk) for desk in self._others(agent)],
            "matters": [self._row(words["id"], agent) for words in self._house.matters()],
            "roles": self._roles(agent),
        }

    def matter(self, matter: str, language: str, *, but: str) -> dict[str, Any]:
        """How many colleagues serve this matter in this language (``on_duty``), how many of them are ``free``, and the
        likely wait in minutes."""
        desks = [desk for desk in self._others(but) if self._house.serves(desk, matter, language)]
        role = self._house.policy.matter(matter).role
        ms = self._house.overload.estimator.newcomer(role, now_ms(), matter=matter, language=language)
        band = band_of(ms) if ms is not None else None
        return {
            "on_duty": len(desks),
            "free": sum(desk.state["name"] == "available" for desk in desks),
            "estimate": [band.low_min, band.high_min] if band else None,
        }

    def tell(self) -> None:
        """To every desk that has the directory open, where something has changed."""
        open_desks = [desk for desk in self._house.desks.all() if desk.directory_open and desk.send]
        for agent in self._told.keys() - {desk.agent.id for desk in open_desks}:
            del self._told[agent]
        for desk in open_desks:
            listed = self.of(desk.agent.id)
            at = listed.pop("now")
            if self._told.get(desk.agent.id) != listed:
                self._told[desk.agent.id] = listed
                desk.tell({"type": "directory", "directory": listed | {"now": at}})

    def _others(self, agent: str) -> list[Desk]:
        desks = [desk for desk in self._house.desks.all() if desk.agent.id != agent]
        return sorted(desks, key=lambda desk: (desk.state["name"] != "available", desk.agent.name))

    def _row(self, matter: str, agent: str) -> dict[str, Any]:
        words = self._house.matter_words(matter) or {}
        role = self._house.policy.matter(matter).role
        return {**words, "role": role, **self.matter(matter, "zh", but=agent)}

    def _roles(self, agent: str) -> list[dict[str, Any]]:
        """Each role that answers anything, with the matter through which anybody of it is reached."""
        rows: list[dict[str, Any]] = []
        for role in self._house.policy.roles:
            matters = [one.id for one in self._house.policy.matters if one.role == role.id]
            if matters:
                mine = [desk for desk in self._others(agent) if desk.agent.role == role.id]
                rows.append(
                    {
                        "id": role.id,
                        "zh": role.zh,
                        "en": role.en,
                        "matter": matters[0],
                        "on_duty": len(mine),
                        "free": sum(desk.state["name"] == "available" for desk in mine),
                    }
                )
        return rows


def _colleague(desk: Desk) -> dict[str, Any]:
    agent = desk.agent
    return {
        "id": agent.id,
        "name": agent.name,
        "role": agent.role,
        "languages": list(agent.languages),
        "matters": sorted(agent.skills),
        "state": desk.state["name"],
        "reason": desk.state["reason"],
        "since": desk.state["since"],
        "demo": agent.demo,
    }
