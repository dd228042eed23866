"""Rooms on the web: opened by staff, entered, recorded; parties invited by link and telephone; frozen pictures.

A room of somebody else, and one that never was, are the same to whoever asks: not found.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from switchboard.errors import InvalidInput, NotFound, NoVideo, RecordsAway
from switchboard.records.hosted import HostedRoom
from switchboard.visits.hosted import Hosting
from switchboard.visits.phone_leg import Kind
from switchboard.visits.telephones import Telephones
from switchboard.web.routes import ANYBODY, SIGNED_IN, Call, Routes
from switchboard.web.schemas import SLUG, Input, Ms, PlainText, Slug
from switchboard.web.state import CAPTURE_DOOR
from video.errors import CaptureRefused, TooManyRooms
from video.signalling import UPLOAD_S, refusal

routes = Routes()

ROOM = r"[A-Za-z0-9_-]{1,64}"
CAPTURE = r"[0-9a-f]{16}"
MOST_STAFF = 8
MOST_ROOMS = 10
CHUNK = 1 << 16

Name = Annotated[PlainText, Field(min_length=1, max_length=60)]


class NewRoom(Input):
    """``staff``: names of accounts that are hosts too. ``records``: whether it may be recorded; parties are asked."""

    kind: Literal["mediation", "notarization", "meeting"] = "meeting"
    title: Annotated[PlainText, Field(min_length=1, max_length=80)]
    staff: list[Slug] = Field(default=[], max_length=MOST_STAFF)
    records: bool = True


class RoomCallView(BaseModel):
    """``state``: ``ringing``, ``inside``, or how it ended (docs/protocol.md)."""

    id: str
    shown: str
    number: str
    since_ms: Ms
    state: str


class CaptureView(BaseModel):
    """A frozen picture; ``url`` is the copy made anew."""

    id: str
    participant: str
    what: str
    width: int
    height: int
    sha256: str
    sm3: str
    url: str


class RoomView(BaseModel):
    """``number`` and ``code``: what a party dials on any telephone to come in; null where no telephone runs.
    ``calls_out``: whether a host can call somebody in."""

    room: str
    contact: str
    kind: str
    title: str
    owner: str
    staff: list[str]
    records: bool
    recording: str
    opened_ms: Ms
    people: int
    number: str | None
    code: str | None
    calls_out: bool
    calls: list[RoomCallView]
    captures: list[CaptureView]


class RoomList(BaseModel):
    items: list[RoomView]


class Way(BaseModel):
    """What the page needs to enter (video/protocol.md)."""

    url: str
    room: str
    token: str


class Invitation(Input):
    name: Name


class Invited(BaseModel):
    """``url`` and ``qr`` (an image) are shown this once; it may be opened once."""

    url: str
    qr: str
    expires_ms: Ms


class RecordingWish(Input):
    recording: Literal["on", "paused", "off"]


class NewCall(Input):
    """``number`` as a person writes it; it is dialled only when it is an ordinary telephone number."""

    number: str = Field(min_length=3, max_length=32)
    name: Name


class Nothing(Input):
    """No fields."""


@dataclass(frozen=True, slots=True)
class Mine:
    """A room whose host asks. ``hosted`` is None for the room of a visit or a lifted call."""

    room: str
    contact: str
    hosted: HostedRoom | None
    kind: Kind
    records: bool
    language: str


# ---- rooms of staff


@routes.add("GET", "/api/rooms", roles=SIGNED_IN, summary="The open rooms that one hosts", answer=RoomList)
async def rooms(call: Call) -> RoomList:
    found = call.house.hosting.of(call.account.name) if call.house.hosting else []
    return RoomList(items=[await _view(call, one) for one in found])


@routes.add(
    "POST",
    "/api/rooms",
    roles=SIGNED_IN,
    summary="Open a room: a notary's session, a mediation, a meeting",
    body=NewRoom,
    answer=RoomView,
    status=201,
)
async def open_room(call: Call) -> RoomView:
    given, hosting, owner = call.body, _hosting(call), call.account.name
    if len(hosting.of(owner)) >= MOST_ROOMS:
        raise NoVideo
    known = {one.name for one in await call.house.records.people.accounts()}
    if any(name not in known for name in given.staff):
        raise InvalidInput(fields=("staff",))
    try:
        made = await hosting.open(
            owner, given.kind, given.title.strip(), staff=tuple(given.staff), records=given.records
        )
    except TooManyRooms:
        raise NoVideo from None
    await call.house.records.audit(owner, "room.opened", made.contact)
    return await _view(call, made)


@routes.add(
    "GET", "/api/rooms/{room}", roles=SIGNED_IN, summary="One room", answer=RoomView, parts={"room": ROOM}
)
async def room(call: Call) -> RoomView:
    mine = await _mine(call)
    return await _view(call, mine.hosted or _unhosted(mine))


@routes.add(
    "DELETE",
    "/api/rooms/{room}",
    roles=SIGNED_IN,
    summary="End a room for everybody",
    status=204,
    parts={"room": ROOM},
)
async def end_room(call: Call) -> None:
    hosted = await _hosted(call)
    await call.house.records.audit(call.account.name, "room.ended", hosted.contact)
    await _hosting(call).end(hosted.name, "over")


@routes.add(
    "POST",
    "/api/rooms/{room}/pass",
    roles=SIGNED_IN,
    summary="The way into one's own room, as its host",
    body=Nothing,
    answer=Way,
    status=201,
    parts={"room": ROOM},
)
async def enter(call: Call) -> Way:
    hosted = await _hosted(call)
    way = await _hosting(call).pass_of(hosted, call.account)
    await call.house.records.audit(call.account.name, "room.entered", hosted.contact)
    return Way(**way.frame())


@routes.add(
    "POST",
    "/api/rooms/{room}/links",
    roles=SIGNED_IN,
    summary="A link for one party, to be opened once",
    body=Invitation,
    answer=Invited,
    status=201,
    parts={"room": ROOM},
)
async def invite(call: Call) -> Invited:
    hosted = await _hosted(call)
    made = await _hosting(call).invite(hosted, call.account.name, call.body.name.strip())
    await call.house.records.audit(call.account.name, "room.invited", hosted.contact)
    return Invited(url=made.url, qr=made.qr, expires_ms=made.expires_ms)


@routes.add(
    "PUT",
    "/api/rooms/{room}/recording",
    roles=SIGNED_IN,
    summary="Begin, pause or end the recording of one's own room",
    body=RecordingWish,
    answer=RoomView,
    parts={"room": ROOM},
)
async def record(call: Call) -> RoomView:
    hosted, hosting = await _hosted(call), _hosting(call)
    if not await hosting.record(hosted.name, call.body.recording):
        raise InvalidInput(fields=("recording",))
    await call.house.records.audit(call.account.name, f"room.recording_{call.body.recording}", hosted.contact)
    return await _view(call, hosting.at(hosted.name) or hosted)


# ---- telephones


@routes.add(
    "POST",
    "/api/rooms/{room}/calls",
    roles=SIGNED_IN,
    summary="Call somebody into the room by telephone",
    body=NewCall,
    answer=RoomCallView,
    status=201,
    parts={"room": ROOM},
)
async def call_out(call: Call) -> RoomCallView:
    mine, telephones = await _mine(call), _telephones(call)
    given = call.body
    made = telephones.call(
        mine.room,
        mine.contact,
        call.account.name,
        given.number,
        given.name.strip(),
        kind=mine.kind,
        records=mine.records,
        language=mine.language,
    )
    await call.house.records.audit(call.account.name, "room.called", mine.contact)
    return _call_view(telephones, made.room)[-1]


@routes.add(
    "DELETE",
    "/api/rooms/{room}/calls/{leg}",
    roles=SIGNED_IN,
    summary="Ring no more, or hang this telephone up",
    status=204,
    parts={"room": ROOM, "leg": SLUG},
)
async def withdraw(call: Call) -> None:
    mine = await _mine(call)
    _telephones(call).withdraw(mine.room, call.part("leg"))


# ---- frozen pictures


@routes.add(
    "PUT",
    "/video/{room}/captures/{capture}",
    roles=ANYBODY,
    summary="A frozen picture, from the page that was asked for it (video/protocol.md)",
    parts={"room": ROOM, "capture": CAPTURE},
)
async def capture(call: Call) -> web.StreamResponse:
    """The one-time key in ``Capture-Key`` is all that lets anybody upload; a wrong one, another room's and one that
    nobody was asked for are the same: not found."""
    house, request = call.house, call.request
    if house.rooms is None:
        raise NotFound
    bridge, door, source = house.rooms.bridge, request.app[CAPTURE_DOOR], request.remote or "local"
    door.take(source)
    try:
        wish = bridge.captures.redeem(
            call.part("room"), call.part("capture"), request.headers.get("Capture-Key", "")
        )
    except CaptureRefused:
        raise NotFound from None
    door.give_back(source)
    contact = house.rooms.contact_of(wish.room)
    if contact is None:
        raise NotFound
    try:
        async with asyncio.timeout(UPLOAD_S):
            came = await bridge.captures.take(wish, request.content.iter_chunked(CHUNK))
        await house.captures.keep(contact, came)
    except CaptureRefused as error:
        return web.json_response(refusal(error, 0), status=400)
    except TimeoutError:
        return web.json_response(refusal(CaptureRefused("not in time"), 0), status=408)
    except (OSError, RecordsAway):
        return web.json_response(refusal(CaptureRefused("disk"), 0), status=507)
    bridge.captured(came)
    return web.json_response({"sha256": came.sha256, "sm3": came.sm3}, status=201)


@routes.add(
    "GET",
    "/video/{room}/captures/{capture}",
    roles=SIGNED_IN,
    summary="A frozen picture, for the hosts of its room and for supervisors",
    parts={"room": ROOM, "capture": CAPTURE},
)
async def see_capture(call: Call) -> web.StreamResponse:
    mine = await _mine(call, ended=True)
    wanted = call.part("capture")
    kept = next((one for one in await call.house.captures.of(mine.contact) if one.id == wanted), None)
    if kept is None or not hmac.compare_digest(kept.room, mine.room):
        raise NotFound
    file = call.house.captures.file_of(kept)
    if not await asyncio.to_thread(file.is_file):
        raise NotFound
    await call.house.records.audit(call.account.name, "capture.seen", mine.contact)
    kind = "image/png" if file.suffix == ".png" else "image/jpeg"
    return web.FileResponse(file, headers={"Content-Type": kind, "Cache-Control": "private, no-store"})


# ---- whose room it is


def _hosting(call: Call) -> Hosting:
    if call.house.hosting is None:
        raise NoVideo
    return call.house.hosting


def _telephones(call: Call) -> Telephones:
    if call.house.telephones is None:
        raise NoVideo
    return call.house.telephones


async def _hosted(call: Call) -> HostedRoom:
    """The open room of this name that is the asker's own. Raises NotFound for every other, and audits the try."""
    found = call.house.hosting.at(call.part("room")) if call.house.hosting else None
    if found is None or not found.is_of(call.account.name):
        raise await _refused(call)
    return found


async def _mine(call: Call, *, ended: bool = False) -> Mine:
    """A room whose host asks: one's own, that of the contact one talks to, and for a supervisor every one to be looked
    at. ``ended``: also one that is over. Raises NotFound."""
    house, name = call.house, call.part("room")
    found = await house.records.hosted.of(name)
    if found is not None:
        open_ = house.hosting.at(found.name) if house.hosting else None
        allowed = found.is_of(call.account.name) or (ended and not call.is_volunteer)
        if not allowed or (open_ is None and not ended):
            raise await _refused(call)
        return Mine(name, found.contact, open_ or found, _kind(found.kind), found.records, "zh")
    known = await house.records.rooms.contact_of(name)
    if known is None or (known[1] is not None and not ended):
        raise await _refused(call)
    if not (ended and not call.is_volunteer) and not await _serves(call, known[0]):
        raise await _refused(call)
    live = house.live_contact(known[0])
    records = live is not None and live.records_talks and live.consent
    return Mine(name, known[0], None, "meeting", records, live.language if live else "zh")


async def _serves(call: Call, contact: str) -> bool:
    """Whether the asker is the volunteer of this contact, now or at its end."""
    agent = call.account.agent_id
    live = call.house.live_contact(contact)
    if live is not None and live.agent is not None:
        return live.agent == agent
    found = await call.house.records.contact(contact)
    return agent is not None and found is not None and found[0].agent == agent


async def _refused(call: Call) -> NotFound:
    await call.house.records.audit(call.account.name, "room.refused", None, "refused")
    return NotFound()


def _kind(word: str) -> Kind:
    return "mediation" if word == "mediation" else "notarization" if word == "notarization" else "meeting"


def _unhosted(mine: Mine) -> HostedRoom:
    return HostedRoom(mine.room, mine.contact, "visit", "", "", (), mine.records, "off", 0)


async def _view(call: Call, room: HostedRoom) -> RoomView:
    house = call.house
    hosting, telephones = house.hosting, house.telephones
    code = await telephones.code(room.name, room.contact) if telephones else None
    return RoomView(
        room=room.name,
        contact=room.contact,
        kind=room.kind,
        title=room.title,
        owner=room.owner,
        staff=list(room.staff),
        records=room.records,
        recording=hosting.recording(room.name) if hosting else "off",
        opened_ms=room.made_ms,
        people=house.rooms.people(room.name) if house.rooms else 0,
        number=telephones.number if telephones and code else None,
        code=code,
        calls_out=bool(telephones and telephones.works),
        calls=_call_view(telephones, room.name) if telephones else [],
        captures=[
            CaptureView(
                id=one.id,
                participant=one.participant,
                what=one.what,
                width=one.width,
                height=one.height,
                sha256=one.sha256,
                sm3=one.sm3,
                url=f"/video/{one.room}/captures/{one.id}",
            )
            for one in await house.captures.of(room.contact)
            if one.room == room.name
        ],
    )


def _call_view(telephones: Telephones, room: str) -> list[RoomCallView]:
    return [
        RoomCallView(
            id=one.id,
            shown=one.shown,
            number=one.number,
            since_ms=one.since_ms,
            state=telephones.state(one),
        )
        for one in telephones.of(room)
    ]
