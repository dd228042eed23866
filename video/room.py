"""A room: who is in it, who hears and sees whom, and what of it is recorded.

Everything here is synchronous: when a method returns, the forwarding matrix is as it says, and the event that proves it
is in the queue. Announcements to pages follow within a beat (50 ms).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import structlog

from video import adapt
from video.captures import Captured, Captures
from video.description import parse_offer
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
    VideoError,
    ViewersFull,
)
from video.events import (
    Admitted,
    CameBack,
    CameByPhone,
    CaucusChanged,
    Entered,
    Event,
    Events,
    Gone,
    Left,
    MediaBack,
    MediaLost,
    MediaUp,
    Muted,
    RoomEnded,
    RoomOpened,
    RoomRestored,
    Said,
    SentToWait,
    Thinned,
    TrackAdded,
    TrackRemoved,
)
from video.forward import Kind
from video.participant import GONE_AFTER_S, KEPT_S, Outlet, Participant, Standing, digest_of
from video.peer import Answered, Peer, Sent, Slot, What
from video.port import Port
from video.stills import Stills
from video.taping import AFTER_CAUCUS_S, Tapes, Taping
from video.tokens import Invitation, Role

if TYPE_CHECKING:
    from video.phone.peer import PhonePeer

log = structlog.get_logger(__name__)

VIEWERS_MAX = 200
WAITING_MAX = 16
MEDIA_LOST_NS = 3_000_000_000


class Room:
    """``enter`` gives a place; everything else is done for somebody who has one."""

    def __init__(self, name: str, seats: int, port: Port, identity: Identity, events: Events) -> None:
        self.name = name
        self.seats = seats
        self.people: dict[str, Participant] = {}
        self.groups: tuple[tuple[str, ...], ...] = ()
        self.closing: list[Peer | PhonePeer] = []
        """Peers that are to be closed by whoever has a task for it."""
        self.empty_since_s: float | None = time.monotonic()
        self.ended = False
        self._port = port
        self._identity = identity
        self._events = events
        self._dirty = True
        self._lines: dict[str, adapt.Line] = {}
        self._looked_s = 0.0
        self.taping = Taping(name, self.people, port.forwarder)
        self.stills = Stills(self.people, self._owners)
        self._recording_works = True
        self._recorded_since_ms: int | None = None
        self._borders: list[tuple[Slot, int]] = []
        self._put(RoomOpened(room=name, seats=seats))

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
        self._put(
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
        self.groups = tuple(
            kept for group in groups if (kept := tuple(one for one in group if one in self.people))
        )
        self.empty_since_s = None if self.people else time.monotonic()
        self._put(
            RoomRestored(
                room=self.name,
                seats=self.seats,
                people=tuple(self.people),
                groups=self.groups,
                from_ms=from_ms,
            )
        )
        for person, heard_at_ms in people:
            self._put(Gone(room=self.name, participant=person.id, heard_at_ms=heard_at_ms))
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
            self._put(CameBack(room=self.name, participant=person.id, away_ms=away_ms))
            self._dirty = True

    def leave(self, person: Participant, reason: str) -> None:
        """The place is given up."""
        if self.people.pop(person.id, None) is None:
            return
        self._lines.pop(person.id, None)
        self.groups = tuple(
            kept for group in self.groups if (kept := tuple(one for one in group if one != person.id))
        )
        self._drop_peer(person)
        self._put(Left(room=self.name, participant=person.id, person=person.invitation.person, reason=reason))
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
        self._put(RoomEnded(room=self.name, reason=reason))

    # ------------------------------------------------------------------ media

    def offer(self, person: Participant, number: int, sdp: object, named: Mapping[str, What]) -> Answered:
        """Answer an offer. A new ``number`` is a new peer: the old one is closed.

        Raises:
            DescriptionRefused: nothing changed.
        """
        offer = parse_offer(sdp)
        peer = person.peer
        fresh = peer is None or person.peer_number != number or peer.ended
        if fresh or not isinstance(peer, Peer):
            fresh, peer = True, Peer(self._port, self._identity, person.id, self._peer_changed)
        others = [one.peer for one in self.people.values() if one is not person and one.admitted and one.peer]
        try:
            if not person.talks and any(line.sends for line in offer.lines):
                raise NotAllowed("viewers send nothing")
            answered = peer.offer(offer, named, lambda codec: all(one.can_show(codec) for one in others))
        except VideoError:
            if fresh:
                self.closing.append(peer)
            raise
        if fresh:
            self._drop_peer(person)
            person.peer, person.peer_number = peer, number
            person.peers_made += 1
            self._lines[person.id] = adapt.Line()
        for sent in answered.removed:
            self._put(TrackRemoved(room=self.name, participant=person.id, track=sent.mid, what=sent.what))
        for sent in answered.added:
            self._put(
                TrackAdded(
                    room=self.name, participant=person.id, track=sent.mid, what=sent.what, codec=sent.codec
                )
            )
        person.told_slots = []
        self.arrange()
        return answered

    def attach(self, person: Participant, phone: "PhonePeer", *, consents: bool) -> None:
        """This person speaks and hears by a telephone from now on; what there was before is closed."""
        self._drop_peer(person)
        person.peer, phone.person = phone, person
        person.peer_number += 1
        person.peers_made += 1
        person.consents = consents
        if not person.talks:
            phone.sent.clear()  # viewers send nothing, by telephone neither
        self._put(CameByPhone(room=self.name, participant=person.id, consents=consents))
        for sent in phone.sent.values():
            self._put(
                TrackAdded(
                    room=self.name, participant=person.id, track=sent.mid, what=sent.what, codec=sent.codec
                )
            )
        self._put(MediaUp(room=self.name, participant=person.id, peer=person.peers_made))
        person.told_slots = []
        self.arrange()

    def _drop_peer(self, person: Participant) -> None:
        if person.peer is None:
            return
        for other in self.people.values():
            for slot in other.peer.slots.values() if other.peer else ():
                if slot.sent in person.peer.sent.values() and other.peer:
                    other.peer.show(slot, None, allowed=False)
        self.closing.append(person.peer)
        person.peer.ended = True
        person.peer.ready = False
        for layer in person.peer.layers():
            self._port.forwarder.unpublish(layer.track)
        person.peer = None

    def _peer_changed(self, peer: Peer) -> None:
        person = next((one for one in self.people.values() if one.peer is peer), None)
        if person is None:
            return
        if peer.ready and not peer.ended:
            self._put(MediaUp(room=self.name, participant=person.id, peer=person.peers_made))
            if person.media_lost_ns:
                self._media_back(person)
        else:
            code = peer.failure.code if peer.failure else "video.handshake"
            self._drop_peer(person)
            person.tell({"type": "peer", "state": "ended", "peer": person.peer_number, "code": code})
        self.arrange()

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
        self._put(Admitted(room=self.name, participant=person.id, by=host.id))
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
        self.groups = tuple(
            kept for group in self.groups if (kept := tuple(one for one in group if one != person.id))
        )
        self._put(SentToWait(room=self.name, participant=person.id, by=host.id))
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
        self._put(Muted(room=self.name, participant=person.id, by=host.id, kind=kind, muted=muted))
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
        self.groups = tuple(tuple(group) for group in groups)
        crossed = self._crossed()
        self.arrange()
        self._borders = [
            (slot, slot.sub.packets)
            for person in self.people.values()
            if person.peer
            for slot in person.peer.slots.values()
            if slot.sent is not None and not slot.allowed
        ]
        self._put(
            CaucusChanged(
                room=self.name, by=host.id, groups=self.groups, flows=tuple(self.flows()), crossed=crossed
            )
        )

    def _crossed(self) -> int:
        return sum(max(0, slot.sub.packets - before) for slot, before in self._borders)

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
        message = {"type": kind, "from": person.id, "text": text, "at_ms": _wall_ms()}
        if captions:
            message["final"] = final
        for one in heard:
            one.tell(message)
        if final:
            listeners = tuple(one.id for one in heard)
            self._put(Said(room=self.name, participant=person.id, text=text, captions=captions, to=listeners))

    # ------------------------------------------------------------------ the matrix

    def hears(self, receiver: Participant, sender: Participant) -> bool:
        """Whether sound and picture of ``sender`` go to ``receiver`` as the room stands: both admitted, and in the
        same group or both in none."""
        return (
            receiver is not sender
            and receiver.admitted
            and sender.admitted
            and sender.talks
            and receiver.group == sender.group
        )

    def flows(self) -> Iterator[tuple[str, str]]:
        """Every (from, to) that is open now, among participants; viewers all stand where nobody's group is."""
        for sender in self.people.values():
            for receiver in self.people.values():
                if self.hears(receiver, sender):
                    yield sender.id, receiver.id

    def arrange(self) -> None:
        """Make the forwarder do what the room says, in one step: closings before openings."""
        number = {one: index for index, group in enumerate(self.groups) for one in group}
        for person in self.people.values():
            group = number.get(person.id)
            if person.group is not None and group is None:
                person.unrecorded_until_s = time.monotonic() + AFTER_CAUCUS_S
            person.group = group
        self.taping.follow()
        self.stills.forget()
        with self._port.forwarder.at_once():
            self._arrange_slots()
        self._dirty = True

    def _arrange_slots(self) -> None:
        owners = self._owners()
        peers = [
            (one, one.peer) for one in self.people.values() if one.peer is not None and not one.peer.ended
        ]
        for person, peer in peers:
            self._close_slots(person, peer, owners)
        for person, peer in peers:
            self._fill_slots(person, peer, owners)

    def _open(self, receiver: Participant, sender: Participant, sent: Sent) -> bool:
        return self.hears(receiver, sender) and sent.kind not in sender.muted

    def _close_slots(
        self, person: Participant, peer: "Peer | PhonePeer", owners: Mapping[Sent, Participant]
    ) -> None:
        for slot in peer.slots.values():
            if slot.sent is None:
                continue
            owner = owners.get(slot.sent)
            if owner is None or not owner.admitted or not person.admitted:
                peer.show(slot, None, allowed=False)
            elif not self._open(person, owner, slot.sent):
                peer.show(slot, slot.sent, allowed=False)

    def _fill_slots(
        self, person: Participant, peer: "Peer | PhonePeer", owners: Mapping[Sent, Participant]
    ) -> None:
        if not person.admitted:
            return
        shown = {slot.sent for slot in peer.slots.values()}
        seats = {
            owner.id: slot.seat
            for slot in peer.slots.values()
            if slot.kind == "audio" and slot.sent and (owner := owners.get(slot.sent))
        }
        for sender in self.people.values():
            if sender is person or sender.peer is None or not sender.admitted or not sender.talks:
                continue
            for sent in sorted(sender.peer.sent.values(), key=lambda one: one.kind):
                if sent in shown:
                    continue
                slot = self._slot_for(peer, sent, seats.get(sender.id))
                if slot is not None and peer.show(slot, sent, allowed=False) and slot.kind == "audio":
                    seats[sender.id] = slot.seat
        for slot in peer.slots.values():
            owner = owners.get(slot.sent) if slot.sent else None
            if owner is not None and slot.sent is not None:
                peer.show(slot, slot.sent, allowed=self._open(person, owner, slot.sent))

    def _slot_for(self, peer: "Peer | PhonePeer", sent: Sent, seat: int | None) -> Slot | None:
        """A free line for it: a camera beside its voice, a document or screen where no voice is."""
        free = [one for one in peer.slots.values() if one.kind == sent.kind and one.sent is None]
        free = [one for one in free if sent.codec in one.codecs]
        if sent.kind == "video":
            beside = seat if sent.what == "camera" else None
            free.sort(key=lambda one: (one.seat != beside, one.seat is not None, one.seat or 0))
        return free[0] if free else None

    def _owners(self) -> dict[Sent, Participant]:
        return {
            sent: person
            for person in self.people.values()
            if person.peer
            for sent in person.peer.sent.values()
        }

    def record(self, tapes: Tapes | None) -> None:
        """Begin or end recording everybody who is in the main room."""
        self.taping.tapes = tapes
        if tapes is not None and self._recorded_since_ms is None:
            self._recorded_since_ms = _wall_ms()
        self._recording_works = True
        self.taping.follow()
        self._dirty = True

    def recording_works(self, works: bool) -> None:
        """Whether the disk takes what is recorded; pages are told by ``recorded``."""
        self._dirty = self._dirty or works != self._recording_works
        self._recording_works = works

    # ------------------------------------------------------------------ the beat

    def beat(self) -> None:
        """Every 50 ms: who is gone, whose place is over, whose line is thin, and what pages should know."""
        now_s = time.monotonic()
        for person in list(self.people.values()):
            if person.standing is not Standing.GONE:
                if now_s - person.beat_s > GONE_AFTER_S:
                    person.standing, person.gone_s = Standing.GONE, person.beat_s
                    heard_at_ms = _wall_ms() - round((now_s - person.beat_s) * 1000)
                    self._put(Gone(room=self.name, participant=person.id, heard_at_ms=heard_at_ms))
                    self._dirty = True
            elif now_s - (person.gone_s or now_s) > KEPT_S:
                if person.outlet is not None:
                    person.outlet.end(PlaceLost.code)
                self.leave(person, "place_lost")
                continue
            self._watch_media(person)
        if now_s - self._looked_s >= adapt.EVERY_S:
            self._looked_s = now_s
            self._adapt()
        self.taping.beat()
        self.stills.beat()
        if self._dirty:
            self._dirty = False
            self._announce()

    def _watch_media(self, person: Participant) -> None:
        peer = person.peer
        if peer is None or not peer.ready or not peer.sent or not peer.lane.heard_ns:
            return
        silent_ns = time.monotonic_ns() - peer.lane.heard_ns
        if not person.media_lost_ns and silent_ns > MEDIA_LOST_NS:
            person.media_lost_ns = peer.lane.heard_ns
            self.taping.mark(person, "lost")
            heard_at_ms = _wall_ms() - silent_ns // 1_000_000
            self._put(MediaLost(room=self.name, participant=person.id, heard_at_ms=heard_at_ms))
            person.tell({"type": "peer", "state": "silent", "peer": person.peer_number})
            self._dirty = True
        elif person.media_lost_ns and silent_ns < MEDIA_LOST_NS:
            self._media_back(person)

    def _media_back(self, person: Participant) -> None:
        gap_ms = (time.monotonic_ns() - person.media_lost_ns) // 1_000_000
        person.media_lost_ns = 0
        self.taping.mark(person, "back", gap_ms=gap_ms)
        self._put(MediaBack(room=self.name, participant=person.id, gap_ms=gap_ms))
        self._dirty = True

    def _adapt(self) -> None:
        owners: dict[Sent, Participant] | None = None
        for person in self.people.values():
            peer = person.peer
            if not isinstance(peer, Peer) or not peer.ready:
                continue
            for decision in list(adapt.look(peer, self._lines.setdefault(person.id, adapt.Line()))):
                slot = decision.slot
                if decision.rid:
                    peer.switch(slot, decision.rid)
                if slot.held != decision.held:
                    slot.held = decision.held
                    peer.apply(slot)
                    owners = owners or self._owners()
                    sender = owners.get(slot.sent) if slot.sent else None
                    self._put(
                        Thinned(
                            room=self.name,
                            participant=person.id,
                            from_participant=sender.id if sender else "",
                            held=slot.held,
                            bits_per_second=peer.estimate or 0,
                        )
                    )
                    self._dirty = True

    # ------------------------------------------------------------------ what pages are told

    def _announce(self) -> None:
        owners = self._owners()
        for person in list(self.people.values()):
            view = self.view(person)
            if view != person.told_room:
                person.told_room = view
                person.tell(view)
            slots = self._slots_of(person, owners)
            if slots != person.told_slots:
                person.told_slots = slots
                person.tell({"type": "slots", "peer": person.peer_number, "slots": slots})

    def view(self, person: Participant) -> dict[str, Any]:
        """The room as this participant may see it (``room`` in protocol.md)."""
        talking = [one for one in self.people.values() if one.talks and one.admitted]
        others = [one for one in talking if one is not person]
        more = sum(
            sent.what in ("document", "screen")
            for one in others
            if one.peer
            for sent in one.peer.sent.values()
        )
        showing = sum(one.via != "phone" for one in others)
        view: dict[str, Any] = {
            "type": "room",
            "room": self.name,
            "you": person.id,
            "standing": person.standing.value,
            "muted": sorted(person.muted),
            "participants": [],
            "groups": [],
            "viewers": sum(not one.talks for one in self.people.values()),
            "lines": {"audio": 0, "video": 0},
            "recorded": False,
            "recorded_since": self._recorded_since_ms,
        }
        if person.admitted:
            view["participants"] = [self._card(one) for one in talking]
            view["groups"] = [list(group) for group in self.groups]
            view["lines"] = {"audio": len(others), "video": showing + more}
            view["recorded"] = (
                self.taping.tapes is not None
                and self._recording_works
                and person.group is None
                and person.consents
            )
        if person.role is Role.HOST:
            view["waiting"] = [self._card(one) for one in self.people.values() if not one.admitted]
        return view

    def _card(self, person: Participant) -> dict[str, Any]:
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
            "media": "lost"
            if person.media_lost_ns
            else "up"
            if person.peer and person.peer.ready
            else "none",
            "sends": [
                {"track": sent.mid, "what": sent.what, "kind": sent.kind}
                for sent in (person.peer.sent.values() if person.peer else ())
            ],
        }

    def _slots_of(self, person: Participant, owners: Mapping[Sent, Participant]) -> list[dict[str, Any]]:
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

    def _put(self, event: Event) -> None:
        self._events.put(event)


def _kept_until_ms(person: Participant) -> int | None:
    """When the place of somebody who is gone is given up, to the second; None for everybody else."""
    if person.gone_s is None:
        return None
    left_s = KEPT_S - (time.monotonic() - person.gone_s)
    return round(_wall_ms() / 1000 + left_s) * 1000


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
