"""The rooms as plain data, to be kept by whoever has a database, and rooms made of it again after a restart.

Everything but media is in it: places, roles, who was admitted, mutes, the caucus, what was recorded. The secret with
which a page takes its place back is kept as a digest only. Peers are not: pages make new ones by themselves.

::

    {"v": 1, "at_ms": 1795368000000, "rooms": [
      {"name": "s17", "seats": 8, "groups": [["59690ce8"]], "recording": {"folder": "…", "session": "s17"},
       "people": [{"id": "59690ce8", "resume": "…hex…", "admitted": true, "muted": ["audio"], "heard_at_ms": …,
                   "invitation": {"room": "s17", "person": "…", "name": "…", "role": "host", …}}]}]}
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from video.errors import StateUnreadable
from video.participant import Participant, Standing
from video.room import Room
from video.tokens import NAME_MAX, SEATS_MAX, Invitation, Role

VERSION = 1
PEOPLE_MAX = 256
_Id = Annotated[str, Field(min_length=1, max_length=64)]


class _Plain(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Invitation(_Plain):
    room: _Id
    person: _Id
    name: Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
    role: Role
    expires_ms: int
    waits: bool = False
    seats: Annotated[int, Field(ge=2, le=SEATS_MAX)] = SEATS_MAX


class PersonState(_Plain):
    id: _Id
    resume: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    invitation: _Invitation
    admitted: bool
    muted: list[Literal["audio", "video"]] = []
    heard_at_ms: int


class RecordingState(_Plain):
    folder: str
    session: str


class RoomState(_Plain):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    seats: Annotated[int, Field(ge=2, le=SEATS_MAX)]
    groups: list[list[_Id]] = []
    recording: RecordingState | None = None
    people: Annotated[list[PersonState], Field(max_length=PEOPLE_MAX)]


class BridgeState(_Plain):
    v: Literal[1]
    at_ms: int
    rooms: list[RoomState]


def read(state: Mapping[str, Any]) -> BridgeState:
    """Raises StateUnreadable for anything that ``state_of_room`` and the bridge did not write."""
    try:
        return BridgeState.model_validate(dict(state))
    except (ValidationError, TypeError, ValueError) as error:
        raise StateUnreadable("this is no state of rooms") from error


def state_of_room(room: Room, recording: Mapping[str, str] | None) -> dict[str, Any]:
    """One room as plain data (``rooms`` above)."""
    now_s, now_ms = time.monotonic(), time.time_ns() // 1_000_000
    return {
        "name": room.name,
        "seats": room.seats,
        "groups": [list(group) for group in room.groups],
        "recording": dict(recording) if recording is not None else None,
        "people": [
            {
                "id": person.id,
                "resume": person.resume_digest,
                "invitation": asdict(person.invitation),
                "admitted": person.admitted,
                "muted": sorted(person.muted),
                "heard_at_ms": now_ms - round((now_s - person.beat_s) * 1000),
            }
            for person in room.people.values()
        ],
    }


def people_of(state: RoomState) -> list[Participant]:
    """Their places: everybody is gone, and has the whole time in which a place is kept."""
    now_s = time.monotonic()
    people: list[Participant] = []
    for one in state.people:
        invitation = Invitation(**one.invitation.model_dump())
        person = Participant(invitation, Standing.GONE, id=one.id, admitted=one.admitted, gone_s=now_s)
        person.resume, person.resume_digest = "", one.resume
        person.muted.update(one.muted)
        person.beat_s = now_s
        people.append(person)
    return people
