"""What happens in rooms, as values, through one bounded queue to whoever keeps the record.

Times are ``at_ms`` (wall clock, for the record) and ``since_ms`` (monotonic, for durations and order). People are
participant ids and the inviter's ``person`` ids; no names.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

QUEUE_MAX = 4_096


def wall_ms() -> int:
    """The wall clock, as events carry it."""
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    room: str
    at_ms: int = field(default_factory=wall_ms)
    since_ms: int = field(default_factory=_monotonic_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOpened(Event):
    seats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRestored(Event):
    """After a restart of the bridge: the room as it was at ``from_ms`` (wall clock), everybody gone for now."""

    seats: int
    people: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    from_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEnded(Event):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered(Event):
    """Somebody came: into the waiting room, or at once into the room."""

    participant: str
    person: str
    role: str
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CameByPhone(Event):
    """From now on this participant speaks and hears by telephone; without ``consents`` their voice is on no tape."""

    participant: str
    consents: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted(Event):
    participant: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentToWait(Event):
    participant: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Event):
    """No heartbeat for three seconds; the place is kept. ``heard_at_ms``: the last sign of life, wall clock."""

    participant: str
    heard_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack(Event):
    participant: str
    away_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """``reason``: left, removed, place_lost, elsewhere, room_ended; of a telephone also hung_up, line_lost."""

    participant: str
    person: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUp(Event):
    """The encrypted connection stands; ``peer`` counts the connections of this participant."""

    participant: str
    peer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLost(Event):
    """Nothing came from a participant who sends, for three seconds. ``heard_at_ms``: the last packet, wall clock."""

    participant: str
    heard_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaBack(Event):
    participant: str
    gap_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackAdded(Event):
    participant: str
    track: str
    what: str
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRemoved(Event):
    participant: str
    track: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Muted(Event):
    participant: str
    by: str
    kind: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaucusChanged(Event):
    """From now on exactly these ``flows`` (from, to) carry sound and picture; whoever is in a group is not recorded.

    ``crossed`` counts packets that went over a border of the arrangement before this one while it stood: 0, or the
    bridge has a fault.
    """

    by: str
    groups: tuple[tuple[str, ...], ...]
    flows: tuple[tuple[str, str], ...]
    crossed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned(Event):
    """A receiver's line is too thin for a picture (or wide enough again)."""

    participant: str
    from_participant: str
    held: bool
    bits_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Event):
    """Chat (``captions`` False) or a finished caption."""

    participant: str
    text: str
    captions: bool
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCaptured(Event):
    """A picture at full resolution of what ``participant`` showed, made for the host ``by``. ``file`` is its path."""

    participant: str
    by: str
    what: str
    capture: str
    file: str
    size: int
    sha256: str
    sm3: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingBegan(Event):
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEnded(Event):
    session: str
    sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFault(Event):
    """A tape cannot be written (``reason``: disk_full, disk_error, sealed, internal, dropped), or can again (empty)."""

    participant: str
    track: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeEnded(Event):
    """``digest`` is the end of the tape's chain: it stands for all of it."""

    participant: str
    track: str
    digest: str
    packets: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsMissed(Event):
    """The queue was full: so many of the oldest events were lost."""

    count: int


class Events:
    """``async for event in events``. Putting never waits; a reader who is too slow learns how much was lost."""

    def __init__(self, limit: int = QUEUE_MAX) -> None:
        self._waiting: deque[Event] = deque()
        self._limit = limit
        self._missed = 0
        self._there = asyncio.Event()

    def put(self, event: Event) -> None:
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._there.set()

    async def get(self) -> Event:
        while not self._waiting:
            self._there.clear()
            await self._there.wait()
        if self._missed:
            count, self._missed = self._missed, 0
            return EventsMissed(room=self._waiting[0].room, count=count)
        return self._waiting.popleft()

    def drain(self) -> list[Event]:
        """Everything that waits now."""
        found = list(self._waiting)
        self._waiting.clear()
        return found

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self.get()
