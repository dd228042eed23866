"""The vocabulary of a contact's life: every kind of event, its fields and what they may hold.

Events are written once and never changed, so a wrong one would stay for ever: ``check`` refuses it before it
is stored. Reading is more tolerant (see ``fold``), because an older program may have written it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from switchboard.errors import InvalidEvent

EndReason = Literal[
    "completed",
    "abandoned_intake",
    "abandoned_waiting",
    "timed_out",
    "unknown_number",
    "message_left",
    "callback_booked",
    "not_reached",
    "information",
    "transferred",
    "closed",
    "no_agent",
    "fax",
    "failed",
    "lost",
    "joined",
]
EndedBy = Literal["caller", "agent", "system"]
ReservationEnd = Literal["rejected", "timed_out", "cancelled", "leg_failed", "returned"]
CallEnd = Literal["reached", "busy", "no_answer", "not_confirmed", "failed", "given_up", "lost"]
"""How a call that we placed ended; ``not_confirmed``: nobody pressed the key, perhaps a machine."""
ColleagueHow = Literal[
    "asked", "accepted", "declined", "no_answer", "nobody", "withdrawn", "joined", "left", "caller_left"
]
PassedHow = Literal["blind", "attended", "stayed"]
RecordingKind = Literal["talk", "remark", "message", "room"]
VideoHow = Literal["invited", "up", "lost", "ended"]
RoomCallHow = Literal[
    *("called", "inside", "over", "removed", "full", "on_screen", "lost", "hung_up"),
    *("busy", "no_answer", "not_confirmed", "failed", "withdrawn"),
]
Shown = Literal["camera", "document", "screen"]
PaperHow = Literal["made", "signed", "refused", "withdrawn"]
FollowUpOutcome = Literal["called_back", "not_reached", "no_need", "case_opened"]
AppealOutcome = Literal["upheld", "dismissed"]
"""``upheld``: the rating is left out of the volunteer's figures and of what the routing engine knows of them."""

MOST_EVENTS = 2_000
"""One contact cannot have more; a loop somewhere must not fill the disk."""


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """One thing that happened to one contact.

    ``seq`` counts from 1 without gaps within the contact and is the only order. ``at_ms`` is the wall clock
    and may jump; ``tick_ms`` is the monotonic clock of the machine named by ``clock``, and durations come
    from it where both ends have the same ``clock``. ``key`` is the idempotency key: the same one never counts
    twice in a contact.
    """

    contact: str
    seq: int
    at_ms: int
    kind: str
    data: Mapping[str, object] = field(default_factory=dict)
    key: str | None = None
    tick_ms: int | None = None
    clock: str | None = None


Check = Callable[[object], bool]

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]*")
_HEX = re.compile(r"[0-9a-f]{64}")


def is_slug(value: object, most: int = 64) -> bool:
    """An identifier: ASCII, no spaces, no control characters, at most ``most`` long."""
    return isinstance(value, str) and len(value) <= most and _SLUG.fullmatch(value) is not None


def is_text(value: object, most: int) -> bool:
    """Text that every database can store: bounded, no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or len(value) > most or "\x00" in value:
        return False
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _text(most: int) -> Check:
    return lambda value: is_text(value, most)


def _whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _one_of(words: object) -> Check:
    allowed = frozenset(get_args(words))
    return lambda value: isinstance(value, str) and value in allowed


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _hash(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12


def _gaps(value: object) -> bool:
    """[[from_ms, to_ms], ...]: what is missing from a recording, on the recording's own time."""
    if not isinstance(value, list | tuple) or len(value) > 1_000:
        return False
    for gap in value:
        if not isinstance(gap, list | tuple) or len(gap) != 2 or not all(_ms(edge) for edge in gap):
            return False
        if gap[0] > gap[1]:
            return False
    return True


def _numbers(value: object) -> bool:
    """{"hotline": 3, "policy": 0, ...}: the version in force of each kind; 0 is the file on disk."""
    if not isinstance(value, dict) or len(value) > 8:
        return False
    return all(is_slug(kind, 16) and _whole(0, 2**31)(number) for kind, number in value.items())


def _slugs(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) <= 1_000 and all(is_slug(one, 100) for one in value)


def _valued(value: object) -> bool:
    """[[name, milliseconds], ...]: those who stood beside a chosen one."""
    if not isinstance(value, list | tuple) or len(value) > 100:
        return False
    pairs = (isinstance(one, list | tuple) and len(one) == 2 for one in value)
    return all(pairs) and all(is_slug(name, 100) and _signed(at) for name, at in value)


def _groups(value: object) -> bool:
    """[["caller", "v001"], ["v002"]]: who hears whom at this moment."""
    if not isinstance(value, list | tuple) or len(value) > 8:
        return False
    return all(isinstance(one, list | tuple) and len(one) <= 8 and all(map(is_slug, one)) for one in value)


_ms = _whole(0, 2**53)
_signed = _whole(-(2**53), 2**53)
_reservation = _whole(1, 2**53)


@dataclass(frozen=True, slots=True)
class _Field:
    check: Check
    required: bool = True
    default: object = None


def _maybe(check: Check, default: object = None) -> _Field:
    """May be left out or None."""
    return _Field(lambda value: value is None or check(value), required=False, default=default)


KINDS: Mapping[str, Mapping[str, _Field]] = {
    "arrived": {
        "medium": _Field(is_slug),
        "hotline": _maybe(_text(32)),
        "caller": _maybe(_text(64)),
        "channel": _maybe(_text(128)),
        "terminal": _maybe(is_slug),
        "demo": _Field(_flag, required=False, default=False),
        "rules": _maybe(_numbers),
    },
    "stage": {"stage": _Field(is_slug)},
    "intake": {
        "language": _maybe(is_slug),
        "matter": _maybe(is_slug),
        "priority": _Field(_whole(0, 9), required=False, default=0),
        "priority_reason": _maybe(_text(200)),
        "how": _maybe(is_slug),
        "wish": _maybe(is_slug),
    },
    # Whether the caller lets the talk be recorded; asked before anything is.
    # ``person``: one party of several.
    "consent": {"recording": _Field(_flag), "person": _maybe(is_slug)},
    # Recorded information that was begun; ``level`` is its disclosure level.
    "information": {"id": _Field(is_slug), "level": _Field(_whole(1, 4))},
    # Handed to another hotline: by the caller's key or by the volunteer, answered there or not.
    "transferred": {
        "to": _Field(is_slug),
        "by": _Field(_one_of(EndedBy)),
        "answered": _Field(_flag),
        "three_way": _Field(_flag, required=False, default=False),
        "hangup_cause": _maybe(_whole(0, 255)),
    },
    # The volunteer leaves a secret out of the recording; both on the recording's own time.
    "recording_paused": {"id": _Field(is_slug), "from_ms": _Field(_ms), "why": _maybe(is_slug)},
    "recording_resumed": {"id": _Field(is_slug), "from_ms": _Field(_ms), "to_ms": _Field(_ms)},
    # Somebody has to look into this contact; somebody has.
    "follow_up": {"why": _Field(is_slug)},
    "followed_up": {
        "by": _Field(is_slug),
        "outcome": _Field(_one_of(FollowUpOutcome)),
        "note": _maybe(_text(4_000)),
    },
    # The volunteer objects to the rating; a supervisor has decided.
    "appealed": {"agent": _Field(is_slug), "text": _Field(_text(2_000))},
    "appeal_decided": {
        "by": _Field(is_slug),
        "outcome": _Field(_one_of(AppealOutcome)),
        "reason": _Field(_text(2_000)),
    },
    "queued": {"entry": _Field(is_slug)},
    "reserved": {
        "reservation": _Field(_reservation),
        "agent": _Field(is_slug),
        "ring": _maybe(_whole(1, 99)),
        "klass": _maybe(_text(200)),
        "score": _maybe(_signed),
        "order": _maybe(_signed),
        "waited": _maybe(_ms),
        "free": _maybe(_whole(0, 10**7)),
        "waiting": _maybe(_whole(0, 10**7)),
        "chosen_by": _maybe(is_slug),
        "passed_over": _maybe(_slugs),
        "others": _maybe(_valued),
    },
    "reservation_ended": {
        "reservation": _Field(_reservation),
        "agent": _Field(is_slug),
        "how": _Field(_one_of(ReservationEnd)),
        "reason": _maybe(_text(200)),
    },
    # What was promised to the caller: a message will be answered, a call-back placed.
    "promised": {
        "origin": _maybe(is_slug),
        "due_ms": _maybe(_ms),
        "next_ms": _maybe(_ms),
        "code": _maybe(_digits),
        "confirmed": _Field(_flag, required=False, default=True),
    },
    # Dialled back in: this call belongs to that contact; or that contact was served by this call.
    "linked": {"to": _Field(is_slug)},
    # A volunteer has a message on the desk; it was given back.
    "assigned": {"reservation": _Field(_reservation), "agent": _Field(is_slug)},
    "returned": {"agent": _Field(is_slug), "reason": _maybe(_text(40))},
    # A caller whose number is withheld keyed one in.
    "number": {"caller": _Field(_text(64))},
    "calling": {"attempt": _Field(_whole(1, 99)), "agent": _maybe(is_slug)},
    "called": {
        "attempt": _Field(_whole(1, 99)),
        "how": _Field(_one_of(CallEnd)),
        "next_ms": _maybe(_ms),
        "hangup_cause": _maybe(_whole(0, 255)),
    },
    "connected": {"reservation": _maybe(_reservation), "agent": _Field(is_slug)},
    # Who hears whom from now on, whole at each change: the caller is ``caller``, a volunteer the agent's id, another
    # hotline ``hotline:`` and its id. A caller alone is on hold.
    "together": {"groups": _Field(_groups)},
    # A colleague whom the volunteer (``by``) asks for a consultation or into the talk, and what became of it.
    "colleague": {
        "entry": _Field(is_slug),
        "how": _Field(_one_of(ColleagueHow)),
        "by": _Field(is_slug),
        "agent": _maybe(is_slug),
        "matter": _maybe(is_slug),
        "reservation": _maybe(_reservation),
        "three_way": _Field(_flag, required=False, default=False),
        "note": _maybe(_text(4_000)),
    },
    # The contact is another volunteer's from now on: handed over at once (blind: ``agent`` is who is asked first, if
    # anybody), after a consultation, or because the first one left.
    "passed": {
        "how": _Field(_one_of(PassedHow)),
        "by": _Field(is_slug),
        "agent": _maybe(is_slug),
        "matter": _maybe(is_slug),
        "reservation": _maybe(_reservation),
        "entry": _maybe(is_slug),
        "note": _maybe(_text(4_000)),
    },
    "recording": {
        "id": _Field(is_slug),
        "file": _Field(_text(500)),
        "ms": _Field(_ms),
        "sha256": _maybe(_hash),
        "sm3": _maybe(_hash),
        "gaps": _Field(_gaps, required=False, default=()),
        "kind": _Field(_one_of(RecordingKind), required=False, default="talk"),
    },
    # A call lifted to video: a link was sent, its page is in the room, the telephone is all there is again.
    "video": {"how": _Field(_one_of(VideoHow)), "agent": _maybe(is_slug), "room": _maybe(is_slug)},
    # A telephone in this contact's room: called (``by`` an account) or dialled in (``call``, its contact), and how it
    # went.
    "room_call": {
        "how": _Field(_one_of(RoomCallHow)),
        "room": _Field(is_slug),
        "leg": _maybe(is_slug),
        "by": _maybe(is_slug),
        "call": _maybe(is_slug),
        "number": _maybe(_text(64)),
    },
    # A picture at full resolution, asked for by a host: what came (kept byte by byte) and the copy that is shown.
    "capture": {
        "id": _Field(is_slug),
        "room": _Field(is_slug),
        "participant": _Field(is_slug),
        "by": _Field(is_slug),
        "what": _Field(_one_of(Shown)),
        "width": _Field(_whole(1, 20_000)),
        "height": _Field(_whole(1, 20_000)),
        "file": _Field(_text(500)),
        "sha256": _Field(_hash),
        "sm3": _Field(_hash),
        "shown": _Field(_text(500)),
        "shown_sha256": _Field(_hash),
        "shown_sm3": _Field(_hash),
    },
    # What somebody wrote, who leaves a message without speaking.
    "written": {"text": _Field(_text(2_000))},
    # A paper of this contact: what became of it, by whom, and the SHA-256 of its file from then on.
    "paper": {
        "paper": _Field(is_slug),
        "kind": _Field(is_slug),
        "how": _Field(_one_of(PaperHow)),
        "by": _Field(is_slug),
        "sha256": _Field(_hash),
        "state": _Field(is_slug),
    },
    # A file that somebody sent: made anew on arrival, or refused (``refused``: the code).
    "upload": {
        "upload": _Field(is_slug),
        "by": _Field(is_slug),
        "pages": _Field(_whole(0, 1_000)),
        "refused": _maybe(is_slug),
    },
    # An act was sealed into one file (switchboard.evidence); the digest is that of its manifest.
    "sealed": {"act": _Field(is_slug), "file": _Field(_text(500)), "sha256": _Field(_hash)},
    "disconnected": {"by": _Field(_one_of(EndedBy))},
    "survey": {"question": _Field(is_slug), "answer": _Field(_text(8))},
    # ``ticket`` is the SHA-256 of what was typed (records.tickets); without an outcome the time ran out.
    "wrapped_up": {
        "agent": _Field(is_slug),
        "matter": _maybe(is_slug),
        "disposition": _maybe(is_slug),
        "note": _maybe(_text(4_000)),
        "ticket": _maybe(_hash),
    },
    # The same, finished later: the time for it had run out.
    "ticket_filed": {
        "agent": _Field(is_slug),
        "matter": _maybe(is_slug),
        "disposition": _maybe(is_slug),
        "note": _maybe(_text(4_000)),
        "ticket": _maybe(_hash),
    },
    "ended": {
        "reason": _Field(_one_of(EndReason)),
        "by": _Field(_one_of(EndedBy)),
        "hangup_cause": _maybe(_whole(0, 255)),
    },
}


def check(contact: str, kind: str, data: Mapping[str, object], key: str | None) -> dict[str, object]:
    """The event's data with its defaults filled in, ready to be stored; raises InvalidEvent.

    The message names kind and field, never a value: values are personal.
    """
    if not is_slug(contact):
        raise InvalidEvent("contact id")
    if key is not None and not is_text(key, 128):
        raise InvalidEvent("key")
    fields = KINDS.get(kind)
    if fields is None:
        raise InvalidEvent(f"unknown kind {kind[:40]!r}")
    unknown = data.keys() - fields.keys()
    if unknown:
        raise InvalidEvent(f"{kind}: unknown field {min(unknown)[:40]!r}")
    checked: dict[str, object] = {}
    for name, spec in fields.items():
        if name not in data:
            if spec.required:
                raise InvalidEvent(f"{kind}: {name} is missing")
            checked[name] = spec.default
        elif spec.check(data[name]):
            checked[name] = data[name]
        else:
            raise InvalidEvent(f"{kind}: {name} is not valid")
    return checked
