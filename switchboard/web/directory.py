"""``GET /api/directory``: the colleagues who are there, for volunteers who want to hand somebody on."""

from __future__ import annotations

from pydantic import BaseModel

from switchboard.errors import NotFound
from switchboard.web.routes import VOLUNTEERS, Call, Routes

routes = Routes()


class ColleagueView(BaseModel):
    """Somebody who is signed in. ``since``: in this state, ms since 1970."""

    id: str
    name: str
    role: str
    languages: list[str]
    matters: list[str]
    state: str
    reason: str | None
    since: int
    demo: bool


class MatterRow(BaseModel):
    """``estimate``: the likely wait in minutes, from and to (null: more); null without a recent sample."""

    id: str
    zh: str
    en: str
    role: str
    on_duty: int
    free: int
    estimate: tuple[int, int | None] | None


class RoleRow(BaseModel):
    """``matter``: through which anybody of this role is reached."""

    id: str
    zh: str
    en: str
    matter: str
    on_duty: int
    free: int


class DirectoryView(BaseModel):
    now: int
    colleagues: list[ColleagueView]
    matters: list[MatterRow]
    roles: list[RoleRow]


@routes.add(
    "GET",
    "/api/directory",
    roles=VOLUNTEERS,
    summary="Colleagues who are signed in, and who is free for which matter",
    answer=DirectoryView,
)
async def directory(call: Call) -> DirectoryView:
    if call.account.agent_id is None:
        raise NotFound
    return DirectoryView.model_validate(call.house.directory_of(call.account.agent_id))
