"""Who was away from a room from when to when, out of its events: what a network-fault certificate says."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from video.events import CameBack, Entered, Event, Gone, Left, MediaBack, MediaLost


@dataclass(frozen=True, slots=True)
class Interruption:
    """Times are wall clock, of the bridge's machine. ``to_ms`` None: it lasted when the events ended.

    ``what``: ``line`` (nothing at all was heard of their page) or ``media`` (the page was there, sound and picture
    were not). ``ended``: ``back``, or the reason of ``Left``; empty while it lasts.
    """

    participant: str
    person: str
    what: Literal["line", "media"]
    from_ms: int
    to_ms: int | None = None
    ended: str = ""

    @property
    def lasted_ms(self) -> int | None:
        return None if self.to_ms is None else max(0, self.to_ms - self.from_ms)


def interruptions(events: Iterable[Event]) -> list[Interruption]:
    """In the order in which they began; ``events`` of one room, in order. One that was noticed begins with the last
    sign of life, not with its notice."""
    people: dict[str, str] = {}
    found: list[Interruption] = []
    open_now: dict[tuple[str, str], int] = {}

    def begin(who: str, what: Literal["line", "media"], from_ms: int) -> None:
        if (who, what) not in open_now:
            open_now[who, what] = len(found)
            found.append(Interruption(who, people.get(who, ""), what, from_ms))

    def end(who: str, what: str, to_ms: int, why: str) -> None:
        at = open_now.pop((who, what), None)
        if at is not None:
            found[at] = replace(found[at], to_ms=to_ms, ended=why)

    for event in events:
        match event:
            case Entered():
                people[event.participant] = event.person
            case Gone():
                begin(event.participant, "line", event.heard_at_ms or event.at_ms)
            case CameBack():
                end(event.participant, "line", event.at_ms, "back")
            case MediaLost():
                begin(event.participant, "media", event.heard_at_ms or event.at_ms)
            case MediaBack():
                end(event.participant, "media", event.at_ms, "back")
            case Left():
                for what in ("line", "media"):
                    end(event.participant, what, event.at_ms, event.reason)
            case _:
                pass
    return sorted(found, key=lambda one: one.from_ms)
