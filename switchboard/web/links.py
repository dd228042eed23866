"""Links into a room: looked at as often as one likes, used once."""

from __future__ import annotations

from pydantic import BaseModel

from switchboard.errors import LinkExpired, LinkUsed, NotFound
from switchboard.records.rooms import Link
from switchboard.times import now_ms
from switchboard.visits.hosted import Hosting
from switchboard.web.routes import ANYBODY, Call, Routes
from switchboard.web.schemas import Input, Ms
from switchboard.web.state import LINK_DOOR

routes = Routes()

LINK = r"[A-Za-z0-9_-]{20,64}"


class LinkView(BaseModel):
    """``state``: ``open``, ``used`` or ``expired``; ``over`` when the talk that it belonged to has ended.

    ``kind``: ``lift`` (a call becomes a video call), or what the room is for, whose party is ``name`` and who is asked
    whether to be recorded when ``records``."""

    state: str
    expires_ms: Ms
    kind: str = "lift"
    title: str = ""
    name: str = ""
    records: bool = False


class Opened(BaseModel):
    """What the page needs to enter its room (video/protocol.md)."""

    url: str
    room: str
    token: str


class Opening(Input):
    """Whoever has the link may open it. ``consent``: whether to be recorded, where that is asked."""

    consent: bool | None = None


@routes.add(
    "GET",
    "/api/links/{token}",
    roles=ANYBODY,
    summary="Whether a link into a room may still be opened",
    answer=LinkView,
    parts={"token": LINK},
)
async def look(call: Call) -> LinkView:
    link = await _link(call)
    open_ = link.state == "open" and _is_open(call, link)
    hosted = call.house.hosting.at(link.room) if call.house.hosting else None
    return LinkView(
        state=link.state if link.state != "open" or open_ else "expired",
        expires_ms=link.expires_ms,
        kind=hosted.kind if hosted else "lift",
        title=hosted.title if hosted else "",
        name=link.shown or "",
        records=hosted.records if hosted else False,
    )


@routes.add(
    "POST",
    "/api/links/{token}",
    roles=ANYBODY,
    summary="Open the link: once, and only while its talk goes on",
    body=Opening,
    answer=Opened,
    status=201,
    parts={"token": LINK},
)
async def use(call: Call) -> Opened:
    link = await _link(call)
    if link.state == "used":
        raise LinkUsed
    if link.state == "expired" or not _is_open(call, link):
        raise LinkExpired
    if link.person is not None and call.house.hosting is not None:
        return await _enter(call, link, link.person, call.house.hosting)
    lift = call.house.lift_of(link.contact)
    if lift is None or lift.room != link.room:
        raise LinkExpired
    if not await call.house.records.rooms.use_link(call.part("token"), at_ms=now_ms()):
        raise LinkUsed  # somebody was quicker
    way = lift.pass_of_caller()
    await call.house.records.audit("caller", "link.opened", link.contact)
    return Opened(**way.frame())


async def _enter(call: Call, link: Link, person: str, hosting: Hosting) -> Opened:
    """A party comes into a room that staff opened."""
    way = hosting.pass_of_party(link.room, person, link.shown or person, consent=call.body.consent)
    if not await call.house.records.rooms.use_link(call.part("token"), at_ms=now_ms()):
        raise LinkUsed
    await call.house.records.audit("party", "link.opened", link.contact)
    return Opened(**way.frame())


async def _link(call: Call) -> Link:
    """Raises NotFound, or TooManyTries for one who tries many that were never made."""
    door, source = call.request.app[LINK_DOOR], call.request.remote or "local"
    door.take(source)
    found = await call.house.records.rooms.link(call.part("token"), at_ms=now_ms())
    if found is None:
        raise NotFound
    door.give_back(source)
    return found


def _is_open(call: Call, link: Link) -> bool:
    return call.house.rooms is not None and call.house.rooms.is_open(link.room)
