"""A house of one room: real records and a real board behind the real web server, without telephony."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ivr.prompts.catalogue import PromptSet
from ivr.prompts.studio import Studio
from routing.model import Standing
from routing.twin import Twin
from switchboard.agents.duty import Duty
from switchboard.calendar import Calendar
from switchboard.clinic.clinic import Clinic
from switchboard.config import load_config
from switchboard.law import Library
from switchboard.records import Records, Role
from switchboard.rules import RuleBook, read_seeds
from switchboard.visits.captures import CaptureStore
from switchboard.visits.hosted import Hosting
from switchboard.visits.rooms import Rooms
from switchboard.visits.telephones import Telephones
from switchboard.visits.visits import Visits
from switchboard.web.board import LiveBoard
from switchboard.web.house import Health, WebSettings
from switchboard.web.server import make_app

PASSWORD = "correct horse battery"
Client = TestClient[web.Request, web.Application]


class SmallHouse:
    def __init__(self, records: Records, static_dir: Path, *, sip_url: str | None = None) -> None:
        self.records = records
        self.law = Library(records.database)
        self.board = LiveBoard()
        self.web = WebSettings(
            secret="s" * 40,
            origins=("https://desk.example",),
            sip_url=sip_url,
            static_dir=static_dir,
        )
        self.recordings_dir = static_dir
        self.rooms: Rooms | None = None
        self.visits: Visits | None = None
        self.hosting: Hosting | None = None
        self.telephones: Telephones | None = None
        self.captures = CaptureStore(records, static_dir)
        self.calls_out = False
        self.parts: dict[str, Health] = {"database": (True, "数据库正常", "works")}
        self.demo_keys: list[str | None] = []
        self.telephony = True
        self.queue = Twin()
        self.service_number: str | None = None
        self.hotline_number = "12348"
        self.studio = Studio(PromptSet(static_dir.parent / "recordings"))
        self.calendar = Calendar()
        self.clinic = Clinic(records, self.web.secret, lambda: self.calendar, None)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.at_desks: list[str] = []
        self.ratings_read = 0
        self.duty = Duty(records, self.board, self, self.matter_words, on_ratings=self._rated)
        self.rule_book = RuleBook(records, read_seeds(load_config()))

    async def health(self) -> Mapping[str, Health]:
        return self.parts

    def directory_of(self, agent_id: str) -> dict[str, Any]:
        return {"now": 0, "colleagues": [], "matters": [], "roles": []}

    def matters(self) -> list[dict[str, str]]:
        return [{"id": "labour", "zh": "劳动人事", "en": "Labour"}]

    def priorities(self) -> list[dict[str, str]]:
        return [
            {"id": "over_80", "zh": "八十岁以上老人", "en": "Over 80"},
            {"id": "minor", "zh": "未成年人", "en": "Minor"},
        ]

    def lift_of(self, contact_id: str) -> None:
        return None

    def live_contact(self, contact_id: str) -> None:
        return None

    def dialable(self, number: str | None) -> str | None:
        return number

    def languages(self) -> list[dict[str, str]]:
        return [{"id": "zh", "zh": "普通话", "en": "Mandarin"}]

    async def visit_socket(self, request: web.Request) -> web.StreamResponse:
        return await self.desk_socket(request, "a terminal")

    def present(self) -> list[str]:
        return self.at_desks

    def tell(self, agent: str, frame: dict[str, Any]) -> None:
        self.told.append((agent, frame))

    def _rated(self) -> None:
        self.ratings_read += 1

    def matter_words(self, matter: str | None) -> dict[str, str] | None:
        return next((words for words in self.matters() if words["id"] == matter), None)

    def survey_keys(self, hotline: str | None) -> str | None:
        return "123" if hotline == "12348" else None

    async def desk_socket(self, request: web.Request, agent_id: str) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"agent": agent_id})
        await socket.close()
        return socket

    async def standing(self, contact_id: str) -> Standing | None:
        return self.queue.standing(contact_id)

    async def demo_call(self, keys: str | None) -> str:
        if not self.telephony:
            raise RuntimeError("no telephony")
        self.demo_keys.append(keys)
        return "demo-1"


async def client_of(house: SmallHouse, *, local_admin: bool = False) -> Client:
    """A browser's own cookie jar on a server of its own; close it."""
    client = TestClient(TestServer(make_app(house, local_admin=local_admin)))
    await client.start_server()
    return client


async def sign_in(client: Client, name: str, password: str = PASSWORD) -> int:
    async with client.post("/api/session", json={"name": name, "password": password}) as answer:
        return answer.status


async def people(records: Records) -> dict[Role, str]:
    """One account of each role, two volunteers among them."""
    from switchboard.records import AgentRow

    for ident, name in (("v001", "王敏"), ("v002", "李建国")):
        await records.upsert_agent(AgentRow(ident, name, "lawyer", skills={"labour": 3}))
        await records.create_account(ident, PASSWORD, "volunteer", ident)
    await records.create_account("sun", PASSWORD, "supervisor")
    await records.create_account("root", PASSWORD, "administrator")
    return {"volunteer": "v001", "supervisor": "sun", "administrator": "root"}
