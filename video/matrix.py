"""The forwarding matrix of a room: who hears and sees whom, and the lines on which that comes to each of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from video.forward import Forwarder
from video.participant import Participant
from video.peer import Peer, Sent, Slot

if TYPE_CHECKING:
    from video.phone.peer import PhonePeer


class Matrix:
    """Follows what participants and ``groups`` say; ``arrange`` makes the forwarder do it."""

    def __init__(self, people: Mapping[str, Participant], forwarder: Forwarder) -> None:
        self.groups: tuple[tuple[str, ...], ...] = ()
        """The caucus: each group is among itself, whoever is in none is in the main room."""
        self._people = people
        self._forwarder = forwarder
        self._borders: list[tuple[Slot, int]] = []

    def without(self, who: str) -> None:
        """This participant is in no group any more."""
        self.only(one for one in self._people if one != who)

    def only(self, who: Iterable[str]) -> None:
        """Groups hold nobody but these."""
        here = set(who)
        groups = (tuple(one for one in group if one in here) for group in self.groups)
        self.groups = tuple(kept for kept in groups if kept)

    def watch_borders(self) -> None:
        """Remember how many packets each closed line has carried until now."""
        self._borders = [
            (slot, slot.sub.packets)
            for person in self._people.values()
            if person.peer
            for slot in person.peer.slots.values()
            if slot.sent is not None and not slot.allowed
        ]

    def crossed(self) -> int:
        """Packets that went over a closed line since ``watch_borders``: 0, or the caucus was none."""
        return sum(max(0, slot.sub.packets - before) for slot, before in self._borders)

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
        for sender in self._people.values():
            for receiver in self._people.values():
                if self.hears(receiver, sender):
                    yield sender.id, receiver.id

    def number_groups(self) -> list[Participant]:
        """Write each one's group to the participant; returns whoever came out of one."""
        number = {one: index for index, group in enumerate(self.groups) for one in group}
        came_out: list[Participant] = []
        for person in self._people.values():
            group = number.get(person.id)
            if person.group is not None and group is None:
                came_out.append(person)
            person.group = group
        return came_out

    def arrange(self) -> None:
        """Make the forwarder do what the room says, in one step: closings before openings."""
        with self._forwarder.at_once():
            self._arrange_slots()

    def _arrange_slots(self) -> None:
        owners = self.owners()
        peers = [
            (one, one.peer) for one in self._people.values() if one.peer is not None and not one.peer.ended
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
        for sender in self._people.values():
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

    def owners(self) -> dict[Sent, Participant]:
        """Whose it is, of everything that is sent."""
        return {
            sent: person
            for person in self._people.values()
            if person.peer
            for sent in person.peer.sent.values()
        }
