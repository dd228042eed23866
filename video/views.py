"""What a room's pages are told: the room as each of them may see it, and what is on which line."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from video.participant import KEPT_S, Participant
from video.peer import Sent
from video.tokens import Role

if TYPE_CHECKING:
    from video.room import Room


def room_view(room: "Room", person: Participant) -> dict[str, Any]:
    """The room as this participant may see it (``room`` in protocol.md)."""
    talking = [one for one in room.people.values() if one.talks and one.admitted]
    others = [one for one in talking if one is not person]
    more = sum(
        sent.what in ("document", "screen") for one in others if one.peer for sent in one.peer.sent.values()
    )
    showing = sum(one.via != "phone" for one in others)
    view: dict[str, Any] = {
        "type": "room",
        "room": room.name,
        "you": person.id,
        "standing": person.standing.value,
        "muted": sorted(person.muted),
        "participants": [],
        "groups": [],
        "viewers": sum(not one.talks for one in room.people.values()),
        "lines": {"audio": 0, "video": 0},
        "recorded": False,
        "recorded_since": room.recorded_since_ms,
    }
    if person.admitted:
        view["participants"] = [_card(one) for one in talking]
        view["groups"] = [list(group) for group in room.groups]
        view["lines"] = {"audio": len(others), "video": showing + more}
        view["recorded"] = room.records and person.group is None and person.consents
    if person.role is Role.HOST:
        view["waiting"] = [_card(one) for one in room.people.values() if not one.admitted]
    return view


def slots_view(person: Participant, owners: Mapping[Sent, Participant]) -> list[dict[str, Any]]:
    """The lines of this participant's peer (``slots`` in protocol.md)."""
    found: list[dict[str, Any]] = []
    for slot in person.peer.slots.values() if person.peer else ():
        owner = owners.get(slot.sent) if slot.sent else None
        state = "empty"
        if owner is not None:
            state = "silent" if not slot.allowed else "thin" if slot.held else "live"
        found.append(
            {
                "mid": slot.mid,
                "kind": slot.kind,
                "participant": owner.id if owner else None,
                "what": slot.sent.what if owner and slot.sent else None,
                "state": state,
            }
        )
    return found


def _card(person: Participant) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.invitation.name,
        "role": person.role.value,
        "via": person.via,
        "standing": person.standing.value,
        "muted": sorted(person.muted),
        "group": person.group,
        "thin": any(slot.held for slot in person.peer.slots.values()) if person.peer else False,
        "kept_until": _kept_until_ms(person),
        "media": "lost" if person.media_lost_ns else "up" if person.peer and person.peer.ready else "none",
        "sends": [
            {"track": sent.mid, "what": sent.what, "kind": sent.kind}
            for sent in (person.peer.sent.values() if person.peer else ())
        ],
    }


def _kept_until_ms(person: Participant) -> int | None:
    """When the place of somebody who is gone is given up, to the second; None for everybody else."""
    if person.gone_s is None:
        return None
    left_s = KEPT_S - (time.monotonic() - person.gone_s)
    return round(time.time() + left_s) * 1000
