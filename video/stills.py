"""Still pictures for whoever's line carries no moving ones: a small JPEG of whoever speaks, every few seconds.

The publisher's page makes it (the bridge decodes nothing), and it goes over the signalling socket in small pieces, so
that a picture never stands before the voice in a narrow line: about 40 kbit/s while one is on its way. A key frame now
and then would be five to ten times as large, would come in one burst, and would cost everybody in the room bandwidth.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from video.errors import InvalidMessage
from video.participant import Participant
from video.peer import Sent, Slot

EVERY_S = 3.0
"""From the beginning of one still to the next, for one receiver."""
FRESH_S = 2.5
WIDTH = 320
SIDE_MAX = 640
BYTES_MAX = 8_000
PIECE = 800
"""Characters of base64 in a piece, and one piece every so many seconds."""
PIECE_S = 0.2
ASK_EVERY_S = 2.0
LOUD = 40
"""-dBov; whoever is louder speaks."""


@dataclass(slots=True)
class _Still:
    data: str
    made_s: float


@dataclass(slots=True)
class _Sending:
    """One still on its way to one receiver."""

    slot: Slot
    sent: Sent
    pieces: list[str]
    number: int
    at: int = 0
    due_s: float = 0.0


@dataclass(slots=True)
class _Thin:
    """One receiver."""

    next_s: float = 0.0
    sending: _Sending | None = None
    shown_s: dict[str, float] = field(default_factory=dict)


class Stills:
    """``beat`` every 100 ms; ``take`` what a page made; ``forget`` whenever it changed who may see whom."""

    def __init__(
        self, people: Mapping[str, Participant], owners: Callable[[], Mapping[Sent, Participant]]
    ) -> None:
        self._people = people
        self._owners = owners
        self._receivers: dict[str, _Thin] = {}
        self._made: dict[Sent, _Still] = {}
        self._asked: dict[Sent, tuple[int, float]] = {}
        self._number = 0

    def forget(self) -> None:
        """Who may see whom has changed: nothing that was made or asked for before is shown to anybody."""
        self._made.clear()
        self._asked.clear()
        for receiver in self._receivers.values():
            receiver.sending = None

    def beat(self) -> None:
        now_s = time.monotonic()
        owners: Mapping[Sent, Participant] | None = None
        for person in self._people.values():
            held = [slot for slot in person.peer.slots.values() if _thin(slot)] if person.peer else []
            if not held:
                self._receivers.pop(person.id, None)
                continue
            receiver = self._receivers.setdefault(person.id, _Thin())
            if receiver.sending is not None:
                self._go_on(person, receiver, now_s)
            elif now_s >= receiver.next_s:
                owners = self._owners() if owners is None else owners
                self._begin(receiver, held, owners, now_s)

    def take(self, person: Participant, ask: int, mid: str, data: str) -> None:
        """A still that this page made because it was asked to. One that comes too late is passed over.

        Raises:
            InvalidMessage: never asked for, or no JPEG of that size.
        """
        sent = person.peer.sent.get(mid) if person.peer else None
        if sent is None or not 0 < ask <= self._number:
            raise InvalidMessage("nobody asked for this picture")
        _check(data)
        if self._asked.get(sent, (0, 0.0))[0] == ask:
            self._made[sent] = _Still(data, time.monotonic())

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _begin(
        self, receiver: _Thin, held: list[Slot], owners: Mapping[Sent, Participant], now_s: float
    ) -> None:
        """The next still: of whoever speaks, else of whoever was shown the longest time ago."""
        for slot in sorted(
            held, key=lambda one: (not _speaks(one, owners), receiver.shown_s.get(one.mid, 0.0))
        ):
            sent = slot.sent
            owner = owners.get(sent) if sent is not None else None
            if sent is None or owner is None:
                continue
            made = self._made.get(sent)
            if made is None or now_s - made.made_s > FRESH_S:
                self._ask(owner, sent, now_s)
                continue
            pieces = [made.data[at : at + PIECE] for at in range(0, len(made.data), PIECE)]
            receiver.sending = _Sending(slot, sent, pieces, self._next())
            receiver.shown_s[slot.mid] = now_s
            receiver.next_s = now_s + EVERY_S
            return

    def _ask(self, owner: Participant, sent: Sent, now_s: float) -> None:
        if now_s - self._asked.get(sent, (0, 0.0))[1] < ASK_EVERY_S:
            return
        self._asked = {one: asked for one, asked in self._asked.items() if now_s - asked[1] < 10}
        self._made = {one: made for one, made in self._made.items() if now_s - made.made_s < 10}
        number = self._next()
        self._asked[sent] = (number, now_s)
        owner.tell({"type": "show", "ask": number, "mid": sent.mid, "width": WIDTH, "bytes": BYTES_MAX})

    def _go_on(self, person: Participant, receiver: _Thin, now_s: float) -> None:
        """One piece more, when it is time; nothing more of a picture that may not be seen any longer."""
        going = receiver.sending
        if going is None or now_s < going.due_s:
            return
        if not _thin(going.slot) or going.slot.sent is not going.sent:
            receiver.sending = None
            return
        person.tell(
            {
                "type": "still",
                "mid": going.slot.mid,
                "still": going.number,
                "part": going.at,
                "of": len(going.pieces),
                "data": going.pieces[going.at],
            }
        )
        going.at += 1
        going.due_s = now_s + PIECE_S
        if going.at == len(going.pieces):
            receiver.sending = None


def _thin(slot: Slot) -> bool:
    return slot.kind == "video" and slot.held and slot.allowed and slot.sent is not None


def _speaks(slot: Slot, owners: Mapping[Sent, Participant]) -> bool:
    owner = owners.get(slot.sent) if slot.sent is not None else None
    voices = (
        [one.start for one in owner.peer.sent.values() if one.kind == "audio"] if owner and owner.peer else []
    )
    fresh_ns = time.monotonic_ns() - 1_000_000_000
    return any(track.last_ns > fresh_ns and 0 < track.level < LOUD for track in voices)


def _check(data: str) -> None:
    """Raises InvalidMessage unless this is base64 of a small JPEG."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidMessage("not base64") from error
    if len(raw) > 2 * BYTES_MAX:
        raise InvalidMessage("too large a picture")
    size = size_of_jpeg(raw)
    if size is None or not (0 < size[0] <= SIDE_MAX and 0 < size[1] <= SIDE_MAX):
        raise InvalidMessage("no small JPEG")


def size_of_jpeg(data: bytes) -> tuple[int, int] | None:
    """Width and height as the frame header says (ITU-T T.81, B.2.2); None when this is no JPEG. Any bytes are safe."""
    if data[:2] != b"\xff\xd8":
        return None
    for kind, body in _segments(data):
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return (
                (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
                if len(body) >= 6
                else None
            )
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data) or kind == 0xDA:
            return
        yield kind, data[at + 4 : at + 2 + length]
        at += 2 + length
