"""Overload in the running house: once a second, how each role stands, and what follows from it.

The decisions are ``routing.overload``'s; here they are carried out and made known: a log line, an audit row, the
board's key ``overload/ROLE``, and backup volunteers called in from standby and sent back when they are free. Every node
watches; of those that take the same step one writes it down (``records.overload``). Calling in is each node's own work
for the desks that it holds, and may be repeated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import structlog

from routing.errors import RoutingError
from routing.estimate import Band, Estimator, RoleLoad, band_of
from routing.model import Change, Snapshot, agent_of, live_seat
from routing.overload import LEVELS, Level, Overload, Step
from switchboard.errors import RecordsError
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.contacts.contact import Contact
    from switchboard.house import House

log = structlog.get_logger(__name__)

SAMPLE_S = 1.0
WHO_S = 60.0
"""How often it is looked up who has which role: somebody new on another node is known after so long."""
STANDBY = "standby"
MOST_UNWRITTEN = 100
"""Steps that wait for a database that is away; older ones are in the log only."""


class OverloadWatch:
    """The estimate of the wait and the overload steps of one node. ``take`` every change of the routing stream."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._roles: dict[str, str] = {}
        self._called: set[str] = set()
        self.estimator = Estimator(self._role_of_seat)
        self._overload = Overload(house.policy.overload)
        self._unwritten: deque[Step] = deque(maxlen=MOST_UNWRITTEN)

    # ---- what is asked

    def level(self, role: str) -> Level:
        """The step on which a role stands."""
        return self._overload.level(role)

    def estimate(self, contact: Contact) -> Band | None:
        """What may be said to this caller about the wait; None without a recent sample, or when nobody is on duty."""
        policy = self._house.policy
        ms = self.estimator.estimate(contact.id, now_ms())
        if ms is None and contact.stage in ("intake", "waiting"):
            matter = policy.matter(contact.served_matter())
            ms = self.estimator.newcomer(matter.role, now_ms(), matter=matter.id, language=contact.language)
        return None if ms is None else band_of(ms)

    # ---- what happens

    def take(self, change: Change) -> None:
        """One change of the routing engine."""
        self.estimator.take(change)

    def begin(self, snapshot: Snapshot) -> None:
        """What lived before this process, or after changes were lost."""
        self.estimator.begin(snapshot)

    def knows(self, desk: Desk) -> None:
        """Somebody signs in here."""
        self._roles[desk.agent.id] = desk.agent.role

    def _role_of_seat(self, seat: str) -> str | None:
        agent = agent_of(seat)
        return self._roles.get(agent) if seat == live_seat(agent) else None

    async def learn_roles(self) -> None:
        """Who has which role, on whichever node they sit."""
        self._roles |= {agent.id: agent.role for agent in await self._house.records.agents()}

    async def resume(self) -> None:
        """The house goes on where it stood: a restart does not take an overload away."""
        for role, (level, since_ms) in (await self._house.records.overload.now()).items():
            if level in LEVELS:
                self._overload.resume(role, cast(Level, level), since_ms)

    async def run(self) -> None:
        """For ever: sample, act, show."""
        learned = asyncio.get_running_loop().time()
        while True:
            try:
                if asyncio.get_running_loop().time() - learned > WHO_S:
                    learned = asyncio.get_running_loop().time()
                    await self.learn_roles()
                await self.sample()
            except (RoutingError, RecordsError) as error:
                log.warning("overload not watched", error=error.code)
            await asyncio.sleep(SAMPLE_S)

    async def sample(self) -> list[Step]:
        """One look at every role. Returns the steps taken."""
        house, at_ms = self._house, now_ms()
        self._overload.rules = house.policy.overload
        loads = {role.id: self.estimator.load(role.id, at_ms) for role in house.policy.roles}
        steps = self._overload.sample(loads, at_ms)
        for step in steps:
            log.warning(
                "overload step", role=step.role, before=step.before, now=step.now, wait_ms=step.pressure_ms
            )
            self._unwritten.append(step)
        for role in house.policy.roles:
            words = {"id": role.id, "zh": role.zh, "en": role.en}
            house.board.set(f"overload/{role.id}", words | self._row(role.id, loads[role.id]))
        await self._call_or_release()
        await self._write_down()
        return steps

    async def _write_down(self) -> None:
        while self._unwritten:
            step = self._unwritten[0]
            await self._house.records.overload.step(step.role, step.before, step.now, step.at_ms)
            self._unwritten.popleft()

    def _row(self, role: str, load: RoleLoad) -> dict[str, Any]:
        band = None if load.estimate_ms is None else band_of(load.estimate_ms)
        return {
            "level": self.level(role),
            "since": self._overload.state(role).since_ms or None,
            "waiting": load.waiting,
            "on_duty": load.on_duty,
            "free": load.free,
            "estimate": None if band is None else [band.low_min, band.high_min],
        }

    async def _call_or_release(self) -> None:
        """Whoever is on standby comes while the role needs help, and goes back when it does not and the seat is free.

        A backup volunteer who became available by their own click is left alone.
        """
        for desk in self._house.desks.all():
            if not desk.agent.backup:
                continue
            here = (desk.state["name"], desk.state["reason"])
            needed = self._overload.at_least(desk.agent.role, "backup")
            if needed and here == ("paused", STANDBY):
                self._called.add(desk.agent.id)
                log.info("backup volunteer called in", agent=desk.agent.id)
                await self._house.desks.ready(desk)
            elif desk.agent.id in self._called and not needed and here[0] == "available":
                self._called.discard(desk.agent.id)
                log.info("backup volunteer released", agent=desk.agent.id)
                await self._house.engine.pause(desk.seat, STANDBY)
            elif here[0] in ("paused", "offline") and here[1] != STANDBY:
                self._called.discard(desk.agent.id)
