"""Demonstration: simulated callers and volunteers on the real switchboard, clearly marked as such.

A simulated caller is a Local channel that speaks a recorded question; a simulated volunteer is a desk like any other
whose phone is a Local channel that speaks an answer. Everything between them is the product itself.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from ivr.ari.channel import Channel
from ivr.call import Line
from ivr.errors import AriError
from ivr.prompts.texts import Demonstration
from switchboard.agents.commands.talking import DISPOSITIONS
from switchboard.agents.desk import Desk
from switchboard.calendar import Calendar
from switchboard.house import House
from switchboard.law.files import SAMPLE, read_articles
from switchboard.law.library import Library
from switchboard.records.people import AgentRow, Role
from switchboard.records.shifts import NewShift
from switchboard.records.store import Records
from switchboard.records.terminals import Terminal
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

PAUSE_BETWEEN_CALLS_S = (12.0, 40.0)
MOST_AT_ONCE = 6

T = TypeVar("T")


@dataclass(frozen=True)
class DemoVolunteer:
    id: str
    name: str
    role: str
    languages: tuple[str, ...]
    skills: dict[str, int]
    simulated: bool
    backup: bool = False


LAWYER = {"law_inquiry": 3, "debt": 3, "contract": 3, "consumer": 2}

VOLUNTEERS = (
    DemoVolunteer(
        "v001", "王敏", "lawyer", ("zh", "en"), LAWYER | {"labour": 5, "marriage_family": 4}, False
    ),
    DemoVolunteer(
        "v002", "李建国", "lawyer", ("zh",), LAWYER | {"housing_land": 5, "traffic_accident": 4}, False
    ),
    DemoVolunteer("v003", "陈静", "notary", ("zh", "en"), {"notarization": 5}, False),
    DemoVolunteer(
        "v101", "赵丽华", "lawyer", ("zh",), LAWYER | {"marriage_family": 5, "inheritance": 4}, True
    ),
    DemoVolunteer("v102", "孙伟", "lawyer", ("zh", "en"), LAWYER | {"labour": 4, "injury_medical": 3}, True),
    DemoVolunteer(
        "v103", "周强", "lawyer", ("zh",), LAWYER | {"housing_land": 4, "traffic_accident": 4}, True
    ),
    DemoVolunteer("v104", "吴晓燕", "notary", ("zh",), {"notarization": 4}, True),
    DemoVolunteer("v105", "郑大勇", "mediator", ("zh",), {"mediation": 5}, True),
    DemoVolunteer("v106", "冯雪", "legal_aid_worker", ("zh",), {"legal_aid": 4}, True),
    DemoVolunteer("v107", "褚明", "appraiser", ("zh",), {"judicial_appraisal": 4}, True),
    DemoVolunteer("v108", "卫国华", "rectification_worker", ("zh",), {"rectification_prison": 4}, True),
    DemoVolunteer("v109", "蒋秀兰", "supervisor", ("zh",), {"service_complaint": 4}, True),
    DemoVolunteer("v004", "马建军", "judge", ("zh",), {}, False),
    DemoVolunteer("v005", "林晓梅", "mediator", ("zh",), {"mediation": 5}, False),
    DemoVolunteer("v006", "方志强", "notary", ("zh",), {"notarization": 4}, False),
    DemoVolunteer("v110", "沈涛", "lawyer", ("zh", "en"), LAWYER | {"labour": 3}, True, backup=True),
)
TERMINAL = Terminal("t-demo", "演示终端", "演示村法律服务室", demo=True)
"""``switchboard demo-visit`` comes from there."""
SUPERVISOR = "s001"
SHIFT_DAYS = 7
BOOKED = ("v101", "v104", "v105")
"""Who can be booked: a lawyer, a notary, a mediator."""
ADMINISTRATOR = "a001"


async def load_demo(records: Records, data_dir: Path) -> dict[str, str]:
    """Volunteers, a supervisor and an administrator, with passwords made for this data folder: by sign-in name."""
    file = data_dir / "demo-sign-ins.json"
    passwords: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    for volunteer in VOLUNTEERS:
        await records.upsert_agent(
            AgentRow(
                id=volunteer.id,
                name=volunteer.name,
                role=volunteer.role,
                languages=volunteer.languages,
                skills=volunteer.skills,
                backup=volunteer.backup,
                demo=True,
            )
        )
        if not volunteer.simulated:
            await _account(records, passwords, volunteer.id, "volunteer", volunteer.id)
    await _law(records)
    if await records.terminals.of(TERMINAL.id) is None:
        await records.terminals.add(TERMINAL, by="demo", at_ms=now_ms())
    await _account(records, passwords, SUPERVISOR, "supervisor", None)
    await _account(records, passwords, ADMINISTRATOR, "administrator", None)
    file.touch(0o600)
    file.write_text(json.dumps(passwords))
    return passwords


async def plan_shifts(records: Records) -> None:
    """Working hours of simulated volunteers for the next days, so that there are times to book."""
    calendar, at_ms = Calendar(), now_ms()
    today = calendar.local(at_ms).date()
    planned = []
    for day in (today + dt.timedelta(days=n) for n in range(SHIFT_DAYS)):
        if calendar.is_working_day(day):
            nine = int(dt.datetime.combine(day, dt.time(9), calendar.zone).timestamp()) * 1000
            planned += [NewShift(agent, nine, nine + 8 * 3_600_000) for agent in BOOKED]
    await records.shifts.add_all(planned, by="demo", at_ms=at_ms)


async def _law(records: Records) -> None:
    """The sample collection, where there is none."""
    library = Library(records.database)
    if not await library.laws():
        await library.put(await asyncio.to_thread(read_articles, SAMPLE))


async def _account(
    records: Records, passwords: dict[str, str], name: str, role: Role, agent_id: str | None
) -> None:
    if await records.account(name) is None:
        passwords[name] = secrets.token_urlsafe(9)
        await records.create_account(name, passwords[name], role, agent_id)


class SimulatedVolunteer:
    """Answers after a moment, talks for a while, hangs up, writes the record, is ready again."""

    def __init__(self, house: House, volunteer: DemoVolunteer) -> None:
        self._house = house
        self._volunteer = volunteer
        self._desk: Desk | None = None
        self._commands = 0
        self._busy_with: tuple[str, object] | None = None

    async def begin(self) -> None:
        self._desk = await self._house.desks.sign_in(
            self._volunteer.id,
            f"demo-{self._volunteer.id}",
            "sip",
            endpoint=f"Local/{self._volunteer.id}@demo-agent/n",
        )
        self._desk.send = self._hear
        if self._desk.contact:  # found again after a restart
            self._hear({"type": "contact", "contact": self._desk.contact})
        if not self._volunteer.backup:  # they are called in when many wait
            await self._do("ready")

    def _hear(self, frame: dict[str, Any]) -> None:
        match frame:
            case {"type": "reservation", "reservation": {"id": reservation, "card": {"medium": "visit"}}}:
                self._once("reservation", reservation, self._decline(reservation))  # it has no face to show
            case {"type": "reservation", "reservation": {"id": reservation}}:
                self._once("reservation", reservation, self._take(reservation))
            case {"type": "contact", "contact": {"stage": "talking", "id": contact}}:
                self._once("talking", contact, self._talk(contact))
            case {"type": "contact", "contact": {"stage": "wrap_up"} as contact}:
                self._once("wrap_up", contact["id"], self._wrap_up(contact))
            case _:
                pass

    def _once(self, what: str, which: object, work: Coroutine[Any, Any, None]) -> None:
        """A frame may come again with more in it; one person does a thing once."""
        if self._busy_with == (what, which):
            work.close()
            return
        self._busy_with = (what, which)
        self._house.background(work)

    async def _take(self, reservation: int) -> None:
        await self._do("seen", reservation=reservation)
        await asyncio.sleep(_about(1.5, 5))
        await self._do("accept", reservation=reservation)

    async def _decline(self, reservation: int) -> None:
        await self._do("reject", reservation=reservation, reason="declined")

    async def _talk(self, contact: str) -> None:
        await asyncio.sleep(_about(15, 45))
        await self._do("hang_up", contact=contact)

    async def _wrap_up(self, contact: dict[str, Any]) -> None:
        await asyncio.sleep(_about(4, 12))
        await self._do(
            "wrap_up",
            contact=contact["id"],
            matter=contact["card"]["matter"]["id"],
            disposition=_one(DISPOSITIONS),
            then="ready",
        )

    async def _do(self, command: str, **fields: Any) -> None:
        if self._desk:
            self._commands += 1
            await self._desk.command({"type": command, "id": f"demo-{self._commands}", **fields})


async def demo_call(house: House, *, keys: str | None = None) -> str:
    """Place one simulated caller. ``keys``: what is pressed in the menu; None: what fits the question. Returns its id.

    Raises ``AriError`` when Asterisk is away.
    """
    ari = house.require_ari()
    question = _one(
        [demo for demo in house.prompts.demonstrations if demo.kind == "question" and demo.language == "zh"]
    )
    caller = SimulatedCaller(house, question, _keys_for(house, question.matter) if keys is None else keys)
    line = Line(ari, Channel(ari, f"demo-{secrets.token_hex(6)}"))
    try:
        await Channel.originate(
            ari,
            "Local/12348@demo-trunk/n",
            id=line.channel.id,
            caller_id=f"<{caller.number}>",
            timeout_s=30,
            formats=("alaw",),
            app_args=("demo",),
        )
    except AriError:
        await line.let_go()
        raise
    house.background(caller.live(line))
    return line.channel.id


class SimulatedCaller:
    """Listens to the announcement, presses, asks the question, rates; now and then loses patience."""

    def __init__(self, house: House, question: Demonstration, keys: str) -> None:
        self._house = house
        self._question = question
        self._keys = keys
        self.number = f"1390000{secrets.randbelow(10_000):04d}"
        self._patience_s = _about(60, 240)

    async def live(self, line: Line) -> None:
        async with line:
            talk = asyncio.create_task(self._behave(line))
            await asyncio.wait({talk, line.gone}, return_when=asyncio.FIRST_COMPLETED)
            talk.cancel()
            await asyncio.gather(talk, return_exceptions=True)

    async def _behave(self, line: Line) -> None:
        await self._until("intake", 10)
        await asyncio.sleep(_about(9, 14))
        if self._keys:
            await line.channel.send_dtmf(self._keys)
        if not await self._until("talking", self._patience_s):
            return
        sound = self._house.prompts.demonstration(self._question.phrase.key).with_suffix("")
        while self._stage() == "talking":
            await (await line.channel.play([f"sound:{sound}"])).finished()
            await self._until("survey", 4)
        await asyncio.sleep(_about(5, 8))
        await line.channel.send_dtmf("".join(_one("1112") for _ in range(3)) + "#")  # and no remark
        await asyncio.sleep(30)

    def _stage(self) -> str | None:
        return next((c.stage for c in self._house.live.contacts() if c.caller == self.number), None)

    async def _until(self, stage: str, seconds: float) -> bool:
        """Whether the contact came to a stage in time; looked at a few times a second, as a person would."""
        for _ in range(int(seconds * 4)):
            if self._stage() == stage:
                return True
            await asyncio.sleep(0.25)
        return False


def _keys_for(house: House, matter: str | None) -> str:
    return house.hotlines["12348"].keys_to(matter or "") or ""


def _about(low: float, high: float) -> float:
    return random.uniform(low, high)  # noqa: S311 - a person's hesitation, no secret


def _one(choices: Sequence[T]) -> T:
    return random.choice(choices)  # noqa: S311


async def gentle_stream(house: House) -> None:
    """A caller now and then, at most a few at once, for as long as the demonstration runs."""
    for volunteer in VOLUNTEERS:
        if volunteer.simulated:
            await SimulatedVolunteer(house, volunteer).begin()
    while True:
        await asyncio.sleep(_about(*PAUSE_BETWEEN_CALLS_S))
        calls = sum(contact.demo for contact in house.live.contacts())
        if house.ari and house.ari.connected and calls < MOST_AT_ONCE:
            try:
                await demo_call(house)
            except AriError as error:
                log.info("no demonstration call", error=error.code)
