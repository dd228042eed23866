from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from switchboard.records import AgentRow
from switchboard.records.terminals import Terminal
from switchboard.times import now_ms
from tests.support.web import PASSWORD, Client, SmallHouse, client_of, sign_in

PEOPLE = {
    "n1": ("notary", {"notarization": 3}),
    "n2": ("notary", {"notarization": 3}),
    "m1": ("mediator", {"mediation": 3}),
    "j1": ("judge", {}),
    "a1": ("legal_aid_worker", {"legal_aid": 3}),
    "a2": ("legal_aid_worker", {"legal_aid": 3}),
    "r1": ("rectification_worker", {}),
    "r2": ("rectification_worker", {}),
}


@dataclass
class Office:
    """The real application, a paired terminal, and one browser for each who works here."""

    house: SmallHouse
    terminal: Client
    token: str
    browsers: dict[str, Client]

    async def at_terminal(
        self, method: str, path: str, body: Any = None, case_pass: str | None = None
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if case_pass:
            headers["Case-Pass"] = case_pass
        return await ask(self.terminal, method, path, body, headers)

    async def by(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if who not in self.browsers:
            self.browsers[who] = await client_of(self.house)
            assert await sign_in(self.browsers[who], who) == 201
        return await ask(self.browsers[who], method, path, body, {})


async def ask(
    client: Client, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    async with client.request(method, path, json=body, headers=headers) as answer:
        return answer.status, (await answer.json() if answer.content_type == "application/json" else None)


@pytest.fixture
async def office(house: SmallHouse) -> AsyncIterator[Office]:
    records = house.records
    for ident, (role, skills) in PEOPLE.items():
        await records.upsert_agent(AgentRow(ident, ident, role, skills=skills))
        await records.create_account(ident, PASSWORD, "volunteer", ident)
    await records.terminals.add(Terminal("t-1", "一号终端", "青山村法律服务室"), by="root", at_ms=now_ms())
    code = await records.terminals.new_code("t-1", by="root", at_ms=now_ms())
    paired = await records.terminals.pair(code or "", at_ms=now_ms())
    assert paired is not None
    made = Office(house, await client_of(house), paired[1], {})
    yield made
    for client in (made.terminal, *made.browsers.values()):
        await client.close()
