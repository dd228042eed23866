"""Demonstration: simulated callers and volunteers on the real switchboard, clearly marked as such.

A simulated caller is a Local channel that speaks a recorded question; a simulated volunteer is a desk like any other
whose phone is a Local channel that speaks an answer. Everything between them is the product itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ivr.ari.channel import Channel
from switchboard.agents.desk import DISPOSITIONS, Desk
from switchboard.house import House
from switchboard.records.store import Records

log = structlog.get_logger(__name__)

PAUSE_BETWEEN_CALLS_S = (12.0, 40.0)
MOST_AT_ONCE = 6
TALKS = tuple(range(1, 11))


@dataclass(frozen=True)
class DemoVolunteer:
    id: str
    name: str
    role: str
    languages: tuple[str, ...]
    skills: dict[str, int]
    simulated: bool


LAWYER = {"law_inquiry": 3, "debt": 3, "contract": 3, "consumer": 2}

VOLUNTEERS = (
    DemoVolunteer("v001", "王敏", "lawyer", ("zh", "en"), LAWYER | {"labour": 5, "marriage_family": 4}, False),
    DemoVolunteer("v002", "李建国", "lawyer", ("zh",), LAWYER | {"housing_land": 5, "traffic_accident": 4}, False),
    DemoVolunteer("v003", "陈静", "notary", ("zh", "en"), {"notarization": 5}, False),
    DemoVolunteer("v101", "赵丽华", "lawyer", ("zh",), LAWYER | {"marriage_family": 5, "inheritance": 4}, True),
    DemoVolunteer("v102", "孙伟", "lawyer", ("zh", "en"), LAWYER | {"labour": 4, "injury_medical": 3}, True),
    DemoVolunteer("v103", "周强", "lawyer", ("zh",), LAWYER | {"housing_land": 4, "traffic_accident": 4}, True),
    DemoVolunteer("v104", "吴晓燕", "notary", ("zh",), {"notarization": 4}, True),
    DemoVolunteer("v105", "郑大勇", "mediator", ("zh",), {"mediation": 5}, True),
    DemoVolunteer("v106", "冯雪", "legal_aid_worker", ("zh",), {"legal_aid": 4}, True),
)
SUPERVISOR = ("s001", "supervisor")


async def load_demo(records: Records, data_dir: Path) -> dict[str, str]:
    """Volunteers and a supervisor with passwords made for this data folder. Returns them by sign-in name."""
    file = data_dir / "demo-sign-ins.json"
    passwords: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    for volunteer in VOLUNTEERS:
        await records.upsert_agent(
            id=volunteer.id, name=volunteer.name, role=volunteer.role, languages=volunteer.languages,
            skills=volunteer.skills, demo=True,
        )
        if not volunteer.simulated:
            password = passwords.setdefault(volunteer.id, secrets.token_urlsafe(9))
            await records.upsert_account(volunteer.id, password, role="volunteer", agent_id=volunteer.id)
    name, role = SUPERVISOR
    await records.upsert_account(name, passwords.setdefault(name, secrets.token_urlsafe(9)), role=role)
    if not file.exists():
        file.touch(0o600)
        file.write_text(json.dumps(passwords))
    return passwords


class SimulatedVolunteer:
    """Answers after a moment, talks until the caller is content, writes the record, is ready again."""

    def __init__(self, house: House, volunteer: DemoVolunteer) -> None:
        self._house = house
        self._volunteer = volunteer
        self._desk: Desk | None = None
        self._commands = 0

    async def begin(self) -> None:
        self._desk = await self._house.desks.sign_in(
            self._volunteer.id, f"demo-{self._volunteer.id}", "simulated",
            endpoint=f"Local/{self._volunteer.id}@demo-agent/n",
        )
        self._desk.send = self._hear
        await self._do("ready")

    def _hear(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "reservation" and self._desk and self._desk.state["name"] == "reserved":
            self._house.background(self._take(frame["reservation"]))
        elif frame["type"] == "contact" and frame["contact"]["stage"] == "wrap_up":
            self._house.background(self._wrap_up(frame["contact"]))

    async def _take(self, reservation: dict[str, Any]) -> None:
        await self._do("seen", reservation=reservation["id"])
        await asyncio.sleep(random.uniform(1.5, 5))  # noqa: S311 - a simulated person's hesitation
        await self._do("accept", reservation=reservation["id"])

    async def _wrap_up(self, contact: dict[str, Any]) -> None:
        await asyncio.sleep(random.uniform(4, 12))  # noqa: S311
        await self._do(
            "wrap_up", contact=contact["id"], matter=contact["card"]["matter"]["id"],
            disposition=random.choice(DISPOSITIONS), then="ready",  # noqa: S311
        )

    async def _do(self, command: str, **fields: Any) -> None:
        if self._desk:
            self._commands += 1
            await self._desk.command({"type": command, "id": f"demo-{self._commands}", **fields})


async def demo_call(house: House, *, keys: str = "", talk: int | None = None) -> str:
    """Place one simulated caller: greets, presses ``keys`` in the menu, speaks a question. Returns the channel id."""
    channel_id = f"demo-{secrets.token_hex(6)}"
    number = f"1390000{random.randint(0, 9999):04d}"  # noqa: S311 - a number for show
    await Channel.originate(
        house.require_ari(), "Local/12348@demo-trunk/n", id=channel_id, caller_id=f"<{number}>", timeout_s=30,
        context="demo-caller", extension="s",
        variables={"DEMO_KEYS": keys, "DEMO_SPEECH": house.prompts.demo_speech(talk or random.choice(TALKS))},  # noqa: S311
    )
    return channel_id


async def gentle_stream(house: House) -> None:
    """A caller now and then, at most a few at once, for as long as the demonstration runs."""
    for volunteer in VOLUNTEERS:
        if volunteer.simulated:
            await SimulatedVolunteer(house, volunteer).begin()
    while True:
        await asyncio.sleep(random.uniform(*PAUSE_BETWEEN_CALLS_S))  # noqa: S311
        calls = sum(contact.demo for contact in house.live.contacts())
        if house.ari and house.ari.connected and calls < MOST_AT_ONCE:
            try:
                await demo_call(house, keys=random.choice(("", "1", "2", "3", "4", "6", "7", "8")))  # noqa: S311
            except Exception as error:
                log.info("no demonstration call", error=type(error).__name__)
