"""A room: who is in it, who hears and sees whom, and what of it is recorded.

Everything here is synchronous: when a method returns, the forwarding matrix is as it says, and the event that proves it
is in the queue. Announcements to pages follow within a beat (100 ms).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from video.captures import Captured, Captures
from video.dtls import Identity
from video.errors import (
    CaptureRefused,
    InvalidMessage,
    NoSuchParticipant,
    NotAllowed,
    PlaceLost,
    RoomClosed,
    RoomFull,
    SentBack,
    ViewersFull,
)
from video.events import (
    Admitted,
    CameBack,
    CaucusChanged,
    Entered,
    Event,
    Events,
    Gone,
    Left,
    Muted,
    RoomEnded,
    RoomOpened,
    RoomRestored,
    Said,
    SentToWait,
    wall_ms,
)
from video.forward import Kind
from video.matrix import Matrix
from video.participant import GONE_AFTER_S, KEPT_S, Outlet, Participant, Standing, digest_of
from video.peer import Answered, Peer, What
from video.peers import Peers
from video.port import Port
from video.stills import Stills
from video.taping import AFTER_CAUCUS_S, Tapes, Taping
from video.tokens import Invitation, Role
from video.views import room_view, slots_view

if TYPE_CHECKING:
    from video.phone.peer import PhonePeer

VIEWERS_MAX = 200
WAITING_MAX = 16


class Room:
    """``enter`` gives a place; everything else is done for somebody who has one."""

    def __init__(self, name: str, seats: int, port: Port, identity: Identity, events: Events) -> None:
        self.name = name
        self.seats = seats
        self.people: dict[str, Participant] = {}
        self.empty_since_s: float | None = time.monotonic()
        self.ended = False
        self.matrix = Matrix(self.people, port.forwarder)
        self.taping = Taping(name, self.people, port.forwarder)
        self.stills = Stills(self.people, self.matrix.owners)
        self._peers = Peers(self, port, identity)
        self._events = events
        self._dirty = True
        self._recording_works = True
        self.recorded_since_ms: int | None = None
        self.put(RoomOpened(room=name, seats=seats))

    @property
    def closing(self) -> "list[Peer | PhonePeer]":
        """Peers that are to be closed by whoever has a task for it."""
        return self._peers.closing

    # ------------------------------------------------------------------ places

    def enter(self, invitation: Invitation, outlet: Outlet) -> Participant:
        """A place for whoever is invited; the same person coming again gets their own place back.

        Raises:
            RoomFull, ViewersFull, RoomClosed
        """
        if self.ended:
            raise RoomClosed("ended")
        known = next(
            (one for one in self.people.values() if one.invitation.person == invitation.person), None
        )
        if known is not None:
            return self._take_over(known, outlet)
        viewer = invitation.role is Role.VIEWER
        seated = sum(one.talks for one in self.people.values())
        if viewer and len(self.people) - seated >= VIEWERS_MAX:
            raise ViewersFull("viewers")
        waits = invitation.waits and invitation.role is not Role.HOST
        if not viewer and sum(one.talks and one.admitted for one in self.people.values()) >= self.seats:
            raise RoomFull("seats")
        if waits and not viewer and seated >= self.seats + WAITING_MAX:
            raise RoomFull("waiting room")
        standing = Standing.WAITING if waits else Standing.HERE
        person = Participant(invitation, standing, outlet, admitted=not waits)
        self.people[person.id] = person
        self.empty_since_s = None
        self.put(
            Entered(
                room=self.name,
                participant=person.id,
                person=invitation.person,
                role=invitation.role.value,
                waiting=waits,
            )
        )
        self.arrange()
        return person

    def resume(self, secret: str, outlet: Outlet) -> Participant:
        """The place that this secret was given for. Raises PlaceLost."""
        digest = digest_of(secret)
        for person in self.people.values():
            if compare_digest(person.resume_digest, digest):
                person.resume = secret
                return self._take_over(person, outlet)
        raise PlaceLost("no such place")

    def restore(
        self, people: Sequence[tuple[Participant, int]], groups: Sequence[Sequence[str]], from_ms: int
    ) -> None:
        """Fill a fresh room with the places of an earlier one, each with when it was last heard of (wall clock)."""
        for person, _ in people:
            self.people[person.id] = person
        self.matrix.groups = tuple(tuple(group) for group in groups)
        self.matrix.only(self.people)
        self.empty_since_s = None if self.people else time.monotonic()
        self.put(
            RoomRestored(
                room=self.name,
                seats=self.seats,
                people=tuple(self.people),
                groups=self.groups,
                from_ms=from_ms,
            )
        )
        for person, heard_at_ms in people:
            self.put(Gone(room=self.name, participant=person.id, heard_at_ms=heard_at_ms))
        self.arrange()

    def _take_over(self, person: Participant, outlet: Outlet) -> Participant:
        if person.outlet is not None and person.outlet is not outlet:
            person.outlet.end("video.elsewhere")
        person.outlet = outlet
        person.resume = person.resume or token_urlsafe(24)
        person.resume_digest = digest_of(person.resume)
        person.told_room, person.told_slots = {}, []
        self.beat_of(person)
        self._dirty = True
        return person

    def beat_of(self, person: Participant) -> None:
        """A sign of life of the page."""
        person.beat_s = time.monotonic()
        if person.standing is Standing.GONE:
            away_ms = round((person.beat_s - (person.gone_s or person.beat_s)) * 1000)
            person.standing = Standing.HERE if person.admitted else Standing.WAITING
            person.gone_s = None
            self.put(CameBack(room=self.name, participant=person.id, away_ms=away_ms))
            self._dirty = True

    def leave(self, person: Participant, reason: str) -> None:
        """The place is given up."""
        if self.people.pop(person.id, None) is None:
            return
        self.matrix.without(person.id)
        self._peers.forget(person)
        self.put(Left(room=self.name, participant=person.id, person=person.invitation.person, reason=reason))
        if not self.people:
            self.empty_since_s = time.monotonic()
        self.arrange()

    def end(self, reason: str) -> None:
        """Everybody leaves, nobody enters any more."""
        self.ended = True
        for person in list(self.people.values()):
            if person.outlet is not None:
                person.outlet.end(RoomClosed.code)
            self.leave(person, "room_ended")
        self.put(RoomEnded(room=self.name, reason=reason))

    # ------------------------------------------------------------------ media

    def offer(self, person: Participant, number: int, sdp: object, named: Mapping[str, What]) -> Answered:
        """Answer an offer. A new ``number`` is a new peer: the old one is closed.

        Raises:
            DescriptionRefused: nothing changed.
        """
        return self._peers.offer(person, number, sdp, named)

    def attach(self, person: Participant, phone: "PhonePeer", *, consents: bool) -> None:
        """This person speaks and hears by a telephone from now on; what there was before is closed."""
        self._peers.attach(person, phone, consents=consents)

    # ------------------------------------------------------------------ what hosts may do

    def admit(self, host: Participant, who: str) -> None:
        """Out of the waiting room into the room. Raises NotAllowed, NoSuchParticipant, RoomFull."""
        person = self._asked(host, who)
        if person.admitted:
            return
        if person.talks and sum(one.talks and one.admitted for one in self.people.values()) >= self.seats:
            raise RoomFull("seats")
        person.admitted = True
        if person.standing is Standing.WAITING:
            person.standing = Standing.HERE
        self.put(Admitted(room=self.name, participant=person.id, by=host.id))
        self.arrange()

    def send_back(self, host: Participant, who: str) -> None:
        """Back into the waiting room. Raises NotAllowed, NoSuchParticipant."""
        person = self._asked(host, who)
        if person.role is Role.HOST:
            raise NotAllowed("hosts stay")
        if not person.admitted:
            return
        person.admitted = False
        if person.standing is Standing.HERE:
            person.standing = Standing.WAITING
        self.matrix.without(person.id)
        self.put(SentToWait(room=self.name, participant=person.id, by=host.id))
        self.arrange()

    def remove(self, host: Participant, who: str) -> None:
        """Out of the room and the waiting room. Raises NotAllowed, NoSuchParticipant."""
        person = self._asked(host, who)
        if person is host:
            raise NotAllowed("hosts leave by themselves")
        if person.outlet is not None:
            person.outlet.end(SentBack.code)
        self.leave(person, "removed")

    def mute(self, host: Participant, who: str, kind: Kind, muted: bool) -> None:
        """Silence somebody's voice or pictures for all; only the one who may mute may also lift it."""
        person = self._asked(host, who)
        if (kind in person.muted) == muted:
            return
        (person.muted.add if muted else person.muted.discard)(kind)
        self.put(Muted(room=self.name, participant=person.id, by=host.id, kind=kind, muted=muted))
        self.arrange()

    def caucus(self, host: Participant, groups: Sequence[Sequence[str]]) -> None:
        """Divide the room: each group is among itself, unrecorded; whoever is in none stays in the main room. An
        empty list joins all again.

        Raises:
            NotAllowed, NoSuchParticipant, InvalidMessage: somebody is in two groups.
        """
        if host.role is not Role.HOST:
            raise NotAllowed("hosts only")
        members = [one for group in groups for one in group]
        if len(set(members)) != len(members) or any(not group for group in groups):
            raise InvalidMessage("nobody can be in two groups")
        for one in members:
            person = self.people.get(one)
            if person is None or not person.admitted or not person.talks:
                raise NoSuchParticipant("not in the room")
        self.matrix.groups = tuple(tuple(group) for group in groups)
        crossed = self.matrix.crossed()
        self.arrange()
        self.matrix.watch_borders()
        self.put(
            CaucusChanged(
                room=self.name, by=host.id, groups=self.groups, flows=tuple(self.flows()), crossed=crossed
            )
        )

    def _asked(self, host: Participant, who: str) -> Participant:
        if host.role is not Role.HOST:
            raise NotAllowed("hosts only")
        person = self.people.get(who)
        if person is None:
            raise NoSuchParticipant("not here")
        return person

    def freeze(self, host: Participant, who: str, what: What, captures: Captures) -> None:
        """Ask somebody's page for a picture at full resolution of what it shows.

        Raises:
            NotAllowed, NoSuchParticipant: also when the host does not see them now.
            CaptureRefused: they do not show this, or too many pictures are awaited.
        """
        person = self._asked(host, who)
        if person is not host and not self.hears(host, person):
            raise NotAllowed("not seen by this host now")
        shown = person.peer.sent.values() if person.peer else ()
        sent = next((one for one in shown if one.what == what and one.kind == "video"), None)
        if sent is None or "video" in person.muted:
            raise CaptureRefused("nothing of this kind is shown")
        wish = captures.wish(self.name, person.id, host.id, sent.mid, sent.what)
        person.tell({"type": "capture", "capture": wish.id, "key": wish.key, "mid": wish.mid})

    def frozen(self, picture: Captured) -> None:
        """The picture has come: whoever asked and whoever showed it are told, and the recording notes it."""
        wish = picture.wish
        message = {
            "type": "frozen",
            "capture": wish.id,
            "participant": wish.participant,
            "what": wish.what,
            "width": picture.width,
            "height": picture.height,
            "sha256": picture.sha256,
        }
        for one in {wish.participant, wish.by} & self.people.keys():
            self.people[one].tell(message)
        if (person := self.people.get(wish.participant)) is not None:
            self.taping.mark(person, "capture", capture=wish.id, sha256=picture.sha256)

    # ------------------------------------------------------------------ words

    def say(self, person: Participant, text: str, *, captions: bool, final: bool = True) -> None:
        """A line of chat, or a caption, to everybody who may hear this person now."""
        if not person.admitted or not person.talks:
            raise NotAllowed("not in the room")
        heard = [one for one in self.people.values() if one is not person and self.hears(one, person)]
        kind = "caption" if captions else "chat"
        message = {"type": kind, "from": person.id, "text": text, "at_ms": wall_ms()}
        if captions:
            message["final"] = final
        for one in heard:
            one.tell(message)
        if final:
            listeners = tuple(one.id for one in heard)
            self.put(Said(room=self.name, participant=person.id, text=text, captions=captions, to=listeners))

    # ------------------------------------------------------------------ the matrix

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Who is apart with whom; empty while nobody is."""
        return self.matrix.groups

    def hears(self, receiver: Participant, sender: Participant) -> bool:
        """See ``Matrix.hears``."""
        return self.matrix.hears(receiver, sender)

    def flows(self) -> Iterator[tuple[str, str]]:
        """See ``Matrix.flows``."""
        return self.matrix.flows()

    def arrange(self) -> None:
        """Make the forwarder, the tapes and the stills do what the room says."""
        for person in self.matrix.number_groups():
            person.unrecorded_until_s = time.monotonic() + AFTER_CAUCUS_S
        self.taping.follow()
        self.stills.forget()
        self.matrix.arrange()
        self._dirty = True

    def record(self, tapes: Tapes | None) -> None:
        """Begin or end recording everybody who is in the main room."""
        self.taping.tapes = tapes
        if tapes is not None and self.recorded_since_ms is None:
            self.recorded_since_ms = wall_ms()
        self._recording_works = True
        self.taping.follow()
        self._dirty = True

    @property
    def records(self) -> bool:
        """Whether the main room is recorded, and the disk takes it."""
        return self.taping.tapes is not None and self._recording_works

    def recording_works(self, works: bool) -> None:
        """Whether the disk takes what is recorded; pages are told by ``recorded``."""
        self._dirty = self._dirty or works != self._recording_works
        self._recording_works = works

    # ------------------------------------------------------------------ the beat

    def beat(self) -> None:
        """Every 100 ms: who is gone, whose place is over, whose line is thin, and what pages should know."""
        now_s = time.monotonic()
        for person in list(self.people.values()):
            if person.standing is not Standing.GONE:
                if now_s - person.beat_s > GONE_AFTER_S:
                    person.standing, person.gone_s = Standing.GONE, person.beat_s
                    heard_at_ms = wall_ms() - round((now_s - person.beat_s) * 1000)
                    self.put(Gone(room=self.name, participant=person.id, heard_at_ms=heard_at_ms))
                    self._dirty = True
            elif now_s - (person.gone_s or now_s) > KEPT_S:
                if person.outlet is not None:
                    person.outlet.end(PlaceLost.code)
                self.leave(person, "place_lost")
                continue
            self._peers.watch(person)
        self._peers.adapt()
        self.taping.beat()
        self.stills.beat()
        if self._dirty:
            self._dirty = False
            self._announce()

    # ------------------------------------------------------------------ what pages are told

    def _announce(self) -> None:
        owners = self.matrix.owners()
        for person in list(self.people.values()):
            view = self.view(person)
            if view != person.told_room:
                person.told_room = view
                person.tell(view)
            slots = slots_view(person, owners)
            if slots != person.told_slots:
                person.told_slots = slots
                person.tell({"type": "slots", "peer": person.peer_number, "slots": slots})

    def view(self, person: Participant) -> dict[str, Any]:
        """The room as this participant may see it (``room`` in protocol.md)."""
        return room_view(self, person)

    def stir(self) -> None:
        """Pages are told at the next beat what has changed."""
        self._dirty = True

    def put(self, event: Event) -> None:
        """For the event log."""
        self._events.put(event)
