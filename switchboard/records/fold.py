"""A contact's record is a pure fold over its events.

``fold`` takes the events in any order and with repeats, sorts by ``seq`` and never fails on their content:
what it does not understand it leaves out. After ``ended`` only the wrap-up and recordings still count; after
the record is final only recordings, since a file may be found and repaired later, and a ticket whose time had run
out. The first word on how a contact ended stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from switchboard.errors import InvalidEvent
from switchboard.records.events import ContactEvent


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of sound or picture. ``gaps`` are (from_ms, to_ms) on its own time."""

    id: str
    file: str
    ms: int
    sha256: str | None = None
    sm3: str | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    kind: str = "talk"


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """What is known of one contact. All ``*_ms`` points are wall clock; ``wait_ms`` and ``talk_ms`` are
    durations.

    ``wait_ms`` runs from the first queueing to the first talk, or to the end where there was none;
    ``talk_ms`` is the sum of all talks. Both are None while they still run. ``agent`` is who talked last.
    ``reservation`` is the one now pending, ``reservations`` how many there were. ``consent`` is False when the
    caller refused to be recorded, None when nobody was asked; ``pauses`` are (from_ms, to_ms or None) of the talk's
    recording. ``information`` and ``transferred_to`` name the last of each; ``follow_up`` is ``open`` or ``done``;
    ``appeal``, the volunteer's objection to the rating, is ``open``, ``upheld`` or ``dismissed``.
    Messages and call-backs have ``origin`` (the call they come from; of a call that dialled back in, the contact it
    is about), ``due_ms``, ``next_ms`` (not before), ``code`` and ``attempts``. ``final`` means that nothing but a
    recording, a follow-up and a ticket finished late can be added.
    """

    id: str
    medium: str | None = None
    hotline: str | None = None
    caller: str | None = None
    channel: str | None = None
    language: str | None = None
    matter: str | None = None
    priority: int = 0
    priority_reason: str | None = None
    intake_how: str | None = None
    consent: bool | None = None
    information: str | None = None
    transferred_to: str | None = None
    stage: str = "intake"
    entry: str | None = None
    arrived_ms: int = 0
    queued_ms: int | None = None
    connected_ms: int | None = None
    disconnected_ms: int | None = None
    ended_ms: int | None = None
    wait_ms: int | None = None
    talk_ms: int | None = None
    agent: str | None = None
    reservation: int | None = None
    reserved_agent: str | None = None
    reservations: int = 0
    disconnected_by: str | None = None
    end_reason: str | None = None
    ended_by: str | None = None
    hangup_cause: int | None = None
    survey: Mapping[str, str] = field(default_factory=dict)
    follow_up: str | None = None
    appeal: str | None = None
    pauses: tuple[tuple[int, int | None], ...] = ()
    disposition: str | None = None
    note: str | None = None
    recordings: tuple[Recording, ...] = ()
    origin: str | None = None
    due_ms: int | None = None
    next_ms: int | None = None
    code: str | None = None
    attempts: int = 0
    terminal: str | None = None
    demo: bool = False
    final: bool = False
    last_seq: int = 0

    @property
    def board_stage(self) -> str:
        """The stage as the board names it: waiting with a reservation pending is ``ringing``, talking to another
        hotline is ``talking``.
        """
        if self.stage in ("transfer", "room"):
            return "talking"
        return "ringing" if self.stage == "waiting" and self.reservation is not None else self.stage


def fold(events: Iterable[ContactEvent]) -> ContactRecord:
    """The record of one contact; raises InvalidEvent when there are no events or they are of several
    contacts.
    """
    by_seq: dict[int, ContactEvent] = {}
    for event in events:
        by_seq.setdefault(event.seq, event)
    if not by_seq:
        raise InvalidEvent("no events to fold")
    ordered = [by_seq[seq] for seq in sorted(by_seq)]
    if any(event.contact != ordered[0].contact for event in ordered):
        raise InvalidEvent("events of several contacts")
    folding = _Folding(ordered[0])
    for event in ordered:
        folding.take(event)
    return folding.record()


def elapsed_ms(first: ContactEvent, second: ContactEvent) -> int:
    """How long from one to the other: by the monotonic clock where one machine wrote both, and never
    negative.
    """
    one_clock = first.clock is not None and first.clock == second.clock
    if one_clock and first.tick_ms is not None and second.tick_ms is not None:
        return max(0, second.tick_ms - first.tick_ms)
    return max(0, second.at_ms - first.at_ms)


_AFTER_END = frozenset(
    {"wrapped_up", "ticket_filed", "recording", "follow_up", "followed_up", "appealed", "appeal_decided"}
)
_AFTER_FINAL = _AFTER_END - {"wrapped_up"}


class _Folding:
    """The fold under way. One method per kind; each sets only what its kind says."""

    def __init__(self, first: ContactEvent) -> None:
        self._id = first.contact
        self._set: dict[str, object] = {"arrived_ms": first.at_ms}
        self._last_seq = 0
        self._keys: set[str] = set()
        self._queued: ContactEvent | None = None
        self._talk_from: ContactEvent | None = None
        self._talked = False
        self._talk_ms = 0
        self._calling: int | None = None
        self._attempts = 0
        self._reservations: set[int | None] = set()
        self._talkers: set[str | None] = set()
        self._wrapped: set[str | None] = set()
        self._outcome_by: str | None = None
        self._survey: dict[str, str] = {}
        self._recordings: dict[str, Recording] = {}
        self._pauses: dict[int, int | None] = {}
        self._ended = False
        self._final = False

    def take(self, event: ContactEvent) -> None:
        self._last_seq = max(self._last_seq, event.seq)
        if event.key is not None:
            if event.key in self._keys:
                return
            self._keys.add(event.key)
        if self._final and event.kind not in _AFTER_FINAL:
            return
        if self._ended and event.kind not in _AFTER_END:
            return
        handler = getattr(self, f"_on_{event.kind}", None)
        if handler is not None:
            handler(event, event.data)
        self._final = self._ended and self._talkers <= self._wrapped

    def record(self) -> ContactRecord:
        return ContactRecord(
            id=self._id,
            **self._set,  # pyright: ignore[reportArgumentType]  # each method below sets one field of its type
            reservations=len(self._reservations),
            attempts=self._attempts,
            survey=dict(self._survey),
            recordings=tuple(self._recordings.values()),
            pauses=tuple(sorted(self._pauses.items())),
            final=self._final,
            last_seq=self._last_seq,
        )

    def _on_arrived(self, event: ContactEvent, data: Mapping[str, object]) -> None:
        if "medium" in self._set:
            return
        self._set["arrived_ms"] = event.at_ms
        for name in ("medium", "hotline", "caller", "channel", "terminal"):
            self._set[name] = _str(data.get(name))
        self._set["demo"] = data.get("demo") is True

    def _on_stage(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["stage"] = _str(data.get("stage")) or self._set.get("stage", "intake")

    def _on_intake(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        for name in ("language", "matter", "priority_reason"):
            self._set[name] = _str(data.get(name))
        self._set["intake_how"] = _str(data.get("how"))
        self._set["priority"] = _int(data.get("priority")) or 0

    def _on_consent(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        given = None if data.get("person") else data.get("recording")
        self._set["consent"] = given if isinstance(given, bool) else None

    def _on_information(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["information"] = _str(data.get("id"))

    def _on_transferred(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        if data.get("answered") is True:
            self._set["transferred_to"] = _str(data.get("to"))

    def _on_queued(self, event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["stage"] = "waiting"
        self._set["entry"] = _str(data.get("entry"))
        if self._queued is None:  # entering anew after a restart is the same wait
            self._queued = event
            self._set["queued_ms"] = event.at_ms

    def _on_reserved(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        reservation = _int(data.get("reservation"))
        self._reservations.add(reservation)
        self._set["reservation"] = reservation
        self._set["reserved_agent"] = _str(data.get("agent"))

    def _on_reservation_ended(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        if _int(data.get("reservation")) == self._set.get(
            "reservation"
        ):  # a late word on an older one changes nothing
            self._no_reservation()

    def _on_promised(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["stage"] = "waiting"
        for name in ("origin", "code"):
            self._set[name] = _str(data.get(name))
        for name in ("due_ms", "next_ms"):
            self._set[name] = _int(data.get(name))

    def _on_linked(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set.setdefault("origin", _str(data.get("to")))

    def _on_assigned(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["agent"] = _str(data.get("agent"))

    def _on_returned(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        if self._set.get("agent") == _str(data.get("agent")):
            self._set["agent"] = None

    def _on_number(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["caller"] = _str(data.get("caller"))

    def _on_calling(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        self._set["stage"] = "calling"
        self._set["agent"] = _str(data.get("agent"))
        self._calling = _int(data.get("attempt"))

    def _on_called(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        if self._calling is None or _int(data.get("attempt")) != self._calling:
            return
        self._calling = None
        if data.get("how") == "reached":
            self._attempts += 1
            return
        self._set["stage"] = "waiting"
        self._set["next_ms"] = _int(data.get("next_ms"))
        if data.get("how") not in ("given_up", "lost"):  # not the caller's doing: it is no attempt
            self._attempts += 1

    def _on_connected(self, event: ContactEvent, data: Mapping[str, object]) -> None:
        self._no_reservation()
        self._set["stage"] = "talking"
        agent = _str(data.get("agent"))
        self._set["agent"] = agent
        self._talkers.add(agent)
        self._wrapped.discard(agent)  # another talk with the same volunteer has a wrap-up of its own
        if self._talk_from is None:
            self._talk_from = event
            self._pauses.clear()  # each talk has a recording of its own, whose gaps are kept with it
        if not self._talked:
            self._talked = True
            self._set["connected_ms"] = event.at_ms
            self._set["wait_ms"] = elapsed_ms(self._queued, event) if self._queued else 0

    def _on_passed(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        if matter := _str(data.get("matter")):
            self._set["matter"] = matter
        if data.get("how") == "blind" or self._talk_from is None:
            return  # whoever takes it will be connected
        self._set["agent"] = agent = _str(data.get("agent"))
        self._talkers.add(agent)
        self._wrapped.discard(agent)
        if entry := _str(data.get("entry")):
            self._set["entry"] = entry

    def _on_disconnected(self, event: ContactEvent, data: Mapping[str, object]) -> None:
        if self._talk_from is None:
            return
        self._talk_ms += elapsed_ms(self._talk_from, event)
        self._talk_from = None
        self._set["talk_ms"] = self._talk_ms
        self._set["disconnected_ms"] = event.at_ms
        self._set["disconnected_by"] = _str(data.get("by"))

    def _on_recording(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        recording = recording_of(data)
        if recording is not None:
            self._recordings.setdefault(recording.id, recording)

    def _on_recording_paused(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        begin = _int(data.get("from_ms"))
        if begin is not None:
            self._pauses.setdefault(begin, None)

    def _on_recording_resumed(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        begin, end = _int(data.get("from_ms")), _int(data.get("to_ms"))
        if begin is not None and end is not None and end >= begin:
            self._pauses[begin] = end

    def _on_follow_up(self, _event: ContactEvent, _data: Mapping[str, object]) -> None:
        self._set["follow_up"] = "open"

    def _on_followed_up(self, _event: ContactEvent, _data: Mapping[str, object]) -> None:
        if self._set.get("follow_up") == "open":
            self._set["follow_up"] = "done"

    def _on_appealed(self, _event: ContactEvent, _data: Mapping[str, object]) -> None:
        self._set.setdefault("appeal", "open")

    def _on_appeal_decided(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        if self._set.get("appeal") == "open":
            self._set["appeal"] = _str(data.get("outcome"))

    def _on_survey(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        question, answer = _str(data.get("question")), _str(data.get("answer"))
        if question is not None and answer is not None:
            self._survey.setdefault(question, answer)  # an answer counts once

    def _on_wrapped_up(self, _event: ContactEvent, data: Mapping[str, object]) -> None:
        agent = _str(data.get("agent"))
        self._wrapped.add(agent)
        last = _str(self._set.get("agent"))
        if self._outcome_by is not None and self._outcome_by == last != agent:
            return  # the word of whoever talked last stands, also when an earlier volunteer writes later
        self._outcome_by = agent
        for name in ("matter", "disposition", "note"):
            said = _str(data.get(name))
            if said is not None:  # a wrap-up that ran out says nothing and erases nothing
                self._set[name] = said

    def _on_ticket_filed(self, event: ContactEvent, data: Mapping[str, object]) -> None:
        """What somebody else said about the outcome meanwhile stays, unless this one talked last."""
        if self._set.get("disposition") is None or self._set.get("agent") == _str(data.get("agent")):
            self._on_wrapped_up(event, data)
        self._wrapped.add(_str(data.get("agent")))

    def _on_ended(self, event: ContactEvent, data: Mapping[str, object]) -> None:
        self._ended = True
        self._no_reservation()
        self._on_disconnected(event, data)
        self._set["stage"] = "finished"
        self._set["ended_ms"] = event.at_ms
        self._set["end_reason"] = _str(data.get("reason"))
        self._set["ended_by"] = _str(data.get("by"))
        self._set["hangup_cause"] = _int(data.get("hangup_cause"))
        if self._queued is not None and not self._talked:
            self._set["wait_ms"] = elapsed_ms(self._queued, event)

    def _no_reservation(self) -> None:
        self._set["reservation"] = None
        self._set["reserved_agent"] = None


@dataclass(frozen=True, slots=True)
class Talk:
    """Some who could hear each other: ``caller``, agents' ids, ``hotline:ID``. ``to_ms`` None: they still can."""

    who: tuple[str, ...]
    from_ms: int
    to_ms: int | None
    ms: int | None


def talks_of(events: Iterable[ContactEvent]) -> tuple[Talk, ...]:
    """Who talked to whom and when, in the order of their beginnings; the wall clock says when, the steady one how
    long."""
    open_: dict[tuple[str, ...], ContactEvent] = {}
    talks: list[tuple[tuple[str, ...], ContactEvent, ContactEvent | None]] = []
    for event in sorted(events, key=lambda one: one.seq):
        groups = _groups_after(event)
        if groups is None:
            continue
        now = {tuple(sorted(group, key=_caller_first)) for group in groups if len(group) > 1}
        talks += [(who, open_.pop(who), event) for who in list(open_) if who not in now]
        for who in now:
            open_.setdefault(who, event)
    talks += [(who, begun, None) for who, begun in open_.items()]
    talks.sort(key=lambda talk: talk[1].seq)
    return tuple(
        Talk(who, begun.at_ms, over.at_ms if over else None, elapsed_ms(begun, over) if over else None)
        for who, begun, over in talks
    )


def _groups_after(event: ContactEvent) -> list[tuple[str, ...]] | None:
    """Who is with whom after this event; None when it says nothing about that."""
    match event.kind:
        case "connected":
            return [("caller", _str(event.data.get("agent")) or "")]
        case "together":
            groups = event.data.get("groups")
            return [tuple(group) for group in groups] if isinstance(groups, list | tuple) else None
        case "disconnected" | "ended":
            return []
        case _:
            return None


def _caller_first(who: str) -> tuple[bool, str]:
    return (who != "caller", who)


def recording_of(data: Mapping[str, object]) -> Recording | None:
    """A recording as stored (in an event or in the contacts table), or None when it is not one."""
    ident, file, ms = _str(data.get("id")), _str(data.get("file")), _int(data.get("ms"))
    if ident is None or file is None or ms is None:
        return None
    sha256, sm3 = _str(data.get("sha256")), _str(data.get("sm3"))
    kind = _str(data.get("kind")) or "talk"
    return Recording(ident, file, ms, sha256, sm3, _gaps(data.get("gaps")), kind)


def pauses_of(value: object) -> tuple[tuple[int, int | None], ...]:
    """The pauses of a recording as stored in the contacts table."""
    pairs = value if isinstance(value, list | tuple) else ()
    return tuple((pair[0], pair[1]) for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2)


def _gaps(value: object) -> tuple[tuple[int, int], ...]:
    pairs = value if isinstance(value, list | tuple) else ()
    return tuple((gap[0], gap[1]) for gap in pairs if isinstance(gap, list | tuple) and len(gap) == 2)


def _str(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
