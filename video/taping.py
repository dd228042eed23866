"""Which tape of a room runs when: only for what the main room may hear, one layer at a time, every change marked."""

import time
from collections.abc import Mapping
from typing import Protocol

from video.forward import Forwarder, Kind, Tape, Track
from video.participant import Participant
from video.peer import Sent

STALLED_NS = 2_000_000_000
AFTER_CAUCUS_S = 1.0
"""So long after a caucus nothing is recorded of whoever was in it: what was said inside may still be on its way, and
lost packets of it may be sent again. A second of the main room is the smaller loss."""


class Tapes(Protocol):
    """Gives the tape for one track of one participant; None when it is not to be recorded."""

    def tape(self, room: str, participant: str, sent: Sent) -> Tape | None: ...


class Taping:
    """The recording side of one room. ``follow`` after every change of the room, ``beat`` every 100 ms."""

    def __init__(self, room: str, people: Mapping[str, Participant], forwarder: Forwarder) -> None:
        self.tapes: Tapes | None = None
        self._room = room
        self._people = people
        self._forwarder = forwarder
        self._looked_s = 0.0

    def follow(self) -> None:
        """A tape runs only for what the main room hears: admitted, in no group, not muted."""
        for person in self._people.values():
            for sent in person.peer.sent.values() if person.peer else ():
                why = self._unrecorded(person, sent.kind)
                running = next((one.track for one in sent.layers if one.track.tape is not None), None)
                if why:
                    self._end(running, why)
                elif running is None and self.tapes is not None:
                    self._begin(person, sent, sent.layers[0].track)

    def beat(self) -> None:
        """Whoever came out of a caucus long enough ago is recorded again; tapes go to the layer that comes."""
        now_s = time.monotonic()
        due = [
            one for one in self._people.values() if one.unrecorded_until_s and one.unrecorded_until_s <= now_s
        ]
        for person in due:
            person.unrecorded_until_s = 0.0
        if due:
            self.follow()
        if now_s - self._looked_s >= 0.5:
            self._looked_s = now_s
            self._follow_layers()

    def mark(self, person: Participant, kind: str, **facts: object) -> None:
        """A fact about a participant, on every tape of theirs that runs."""
        for sent in person.peer.sent.values() if person.peer else ():
            for layer in sent.layers:
                if layer.track.tape is not None:
                    layer.track.tape.mark(kind, **facts)

    def _unrecorded(self, person: Participant, kind: Kind) -> str:
        """Why nothing of this may be on a tape now; empty when it may."""
        if self.tapes is None:
            return "end"
        if not person.admitted:
            return "waiting"
        if person.group is not None or person.unrecorded_until_s:
            return "caucus"
        if not person.consents:
            return "consent"
        return "mute" if kind in person.muted else ""

    def _begin(self, person: Participant, sent: Sent, track: Track) -> None:
        tape = self.tapes.tape(self._room, person.id, sent) if self.tapes is not None else None
        if tape is not None:
            tape.mark("join", what=sent.what)
            self._forwarder.record(track, tape)
            track.needs_key = sent.kind == "video"

    def _end(self, track: Track | None, why: str) -> None:
        if track is not None and track.tape is not None:
            tape = track.tape
            self._forwarder.record(track, None)
            tape.mark(why)

    def _follow_layers(self) -> None:
        """A tape follows the best layer that really comes: browsers stop layers that their line cannot carry."""
        now_ns = time.monotonic_ns()
        for person in self._people.values():
            for sent in person.peer.sent.values() if person.peer and self.tapes else ():
                taped = next((one.track for one in sent.layers if one.track.tape is not None), None)
                best = next(
                    (one.track for one in sent.layers if now_ns - one.track.last_ns < STALLED_NS), None
                )
                stalled = taped is not None and now_ns - taped.last_ns > STALLED_NS
                if taped is not None and best is not None and stalled:
                    tape = taped.tape
                    self._forwarder.record(taped, None)
                    self._forwarder.record(best, tape)
                    best.needs_key = True
