"""The peers of a room's participants: made by their offers, dropped, watched, and given what their lines can carry."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from video import adapt
from video.description import parse_offer
from video.dtls import Identity
from video.errors import NotAllowed, VideoError
from video.events import (
    CameByPhone,
    Event,
    MediaBack,
    MediaLost,
    MediaUp,
    Thinned,
    TrackAdded,
    TrackRemoved,
    wall_ms,
)
from video.matrix import Matrix
from video.participant import Participant
from video.peer import Answered, Peer, Sent, What
from video.port import Port
from video.taping import Taping

if TYPE_CHECKING:
    from video.phone.peer import PhonePeer

MEDIA_LOST_NS = 3_000_000_000


class Home(Protocol):
    """What peers need of their room."""

    name: str
    people: dict[str, Participant]
    matrix: Matrix
    taping: Taping

    def arrange(self) -> None:
        """Somebody sends or receives something else now."""
        ...

    def stir(self) -> None:
        """Pages are to be told what has changed."""
        ...

    def put(self, event: Event) -> None: ...


class Peers:
    """``offer`` and ``attach`` bring them up; ``watch`` every 100 ms, ``adapt`` every half second."""

    def __init__(self, room: Home, port: Port, identity: Identity) -> None:
        self.closing: list[Peer | PhonePeer] = []
        self._room = room
        self._port = port
        self._identity = identity
        self._lines: dict[str, adapt.Line] = {}
        self._looked_s = 0.0

    def forget(self, person: Participant) -> None:
        """The place is given up, and the peer with it."""
        self._lines.pop(person.id, None)
        self.drop(person)

    def offer(self, person: Participant, number: int, sdp: object, named: Mapping[str, What]) -> Answered:
        """See ``Room.offer``."""
        offer = parse_offer(sdp)
        peer = person.peer
        fresh = peer is None or person.peer_number != number or peer.ended
        if fresh or not isinstance(peer, Peer):
            fresh, peer = True, Peer(self._port, self._identity, person.id, self._changed)
        others = [
            one.peer for one in self._room.people.values() if one is not person and one.admitted and one.peer
        ]
        try:
            if not person.talks and any(line.sends for line in offer.lines):
                raise NotAllowed("viewers send nothing")
            answered = peer.offer(offer, named, lambda codec: all(one.can_show(codec) for one in others))
        except VideoError:
            if fresh:
                self.closing.append(peer)
            raise
        if fresh:
            self.drop(person)
            person.peer, person.peer_number = peer, number
            person.peers_made += 1
            self._lines[person.id] = adapt.Line()
        for sent in answered.removed:
            self._room.put(
                TrackRemoved(room=self._room.name, participant=person.id, track=sent.mid, what=sent.what)
            )
        for sent in answered.added:
            self._room.put(
                TrackAdded(
                    room=self._room.name,
                    participant=person.id,
                    track=sent.mid,
                    what=sent.what,
                    codec=sent.codec,
                )
            )
        person.told_slots = []
        self._room.arrange()
        return answered

    def attach(self, person: Participant, phone: "PhonePeer", *, consents: bool) -> None:
        """See ``Room.attach``."""
        self.drop(person)
        person.peer, phone.person = phone, person
        person.peer_number += 1
        person.peers_made += 1
        person.consents = consents
        if not person.talks:
            phone.sent.clear()  # viewers send nothing, by telephone neither
        self._room.put(CameByPhone(room=self._room.name, participant=person.id, consents=consents))
        for sent in phone.sent.values():
            self._room.put(
                TrackAdded(
                    room=self._room.name,
                    participant=person.id,
                    track=sent.mid,
                    what=sent.what,
                    codec=sent.codec,
                )
            )
        self._room.put(MediaUp(room=self._room.name, participant=person.id, peer=person.peers_made))
        person.told_slots = []
        self._room.arrange()

    def drop(self, person: Participant) -> None:
        """Close what there is."""
        if person.peer is None:
            return
        for other in self._room.people.values():
            for slot in other.peer.slots.values() if other.peer else ():
                if slot.sent in person.peer.sent.values() and other.peer:
                    other.peer.show(slot, None, allowed=False)
        self.closing.append(person.peer)
        person.peer.ended = True
        person.peer.ready = False
        for layer in person.peer.layers():
            self._port.forwarder.unpublish(layer.track)
        person.peer = None

    def _changed(self, peer: Peer) -> None:
        person = next((one for one in self._room.people.values() if one.peer is peer), None)
        if person is None:
            return
        if peer.ready and not peer.ended:
            self._room.put(MediaUp(room=self._room.name, participant=person.id, peer=person.peers_made))
            if person.media_lost_ns:
                self._back(person)
        else:
            code = peer.failure.code if peer.failure else "video.handshake"
            self.drop(person)
            person.tell({"type": "peer", "state": "ended", "peer": person.peer_number, "code": code})
        self._room.arrange()

    def watch(self, person: Participant) -> None:
        """Whether this one's media still comes."""
        peer = person.peer
        if peer is None or not peer.ready or not peer.sent or not peer.lane.heard_ns:
            return
        silent_ns = time.monotonic_ns() - peer.lane.heard_ns
        if not person.media_lost_ns and silent_ns > MEDIA_LOST_NS:
            person.media_lost_ns = peer.lane.heard_ns
            self._room.taping.mark(person, "lost")
            heard_at_ms = wall_ms() - silent_ns // 1_000_000
            self._room.put(MediaLost(room=self._room.name, participant=person.id, heard_at_ms=heard_at_ms))
            person.tell({"type": "peer", "state": "silent", "peer": person.peer_number})
            self._room.stir()
        elif person.media_lost_ns and silent_ns < MEDIA_LOST_NS:
            self._back(person)

    def _back(self, person: Participant) -> None:
        gap_ms = (time.monotonic_ns() - person.media_lost_ns) // 1_000_000
        person.media_lost_ns = 0
        self._room.taping.mark(person, "back", gap_ms=gap_ms)
        self._room.put(MediaBack(room=self._room.name, participant=person.id, gap_ms=gap_ms))
        self._room.stir()

    def adapt(self) -> None:
        """Give each line what it can carry, when it is time to look again."""
        now_s = time.monotonic()
        if now_s - self._looked_s < adapt.EVERY_S:
            return
        self._looked_s = now_s
        owners: dict[Sent, Participant] | None = None
        for person in self._room.people.values():
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
                    owners = owners or self._room.matrix.owners()
                    sender = owners.get(slot.sent) if slot.sent else None
                    self._room.put(
                        Thinned(
                            room=self._room.name,
                            participant=person.id,
                            from_participant=sender.id if sender else "",
                            held=slot.held,
                            bits_per_second=peer.estimate or 0,
                        )
                    )
                    self._room.stir()
