"""Bringing the kernel's state back to what the owner knows.

The owner (SQL, telephony, the desks' sockets) is the truth of who lives; the kernel is the truth of pending
reservations. Every step is one of the engine's own, so that it may be interrupted and done again:

1. what the kernel holds and the owner does not know ends;
2. contacts that go on are restored, under the reservation they have; what the kernel believes of the same caller
   or the same seat yields;
3. entries that wait enter with their old arrival, and so get their old place;
4. last the seats, so that they choose among all who wait.
"""

from typing import TYPE_CHECKING

from routing.model import KnownEntry, KnownSeat, LiveEntry, Seat, Snapshot

if TYPE_CHECKING:
    from routing.engine import Engine


async def reconcile(
    engine: "Engine",
    entries: tuple[KnownEntry, ...],
    seats: tuple[KnownSeat, ...],
    *,
    as_of_ms: int = 0,
    owners: frozenset[str] = frozenset({""}),
) -> Snapshot:
    """Make the kernel hold, of what belongs to ``owners``, exactly these entries and seats. What belongs to
    another node is left alone, unless this one knows it too: then it is taken over. Doing it twice changes
    nothing.

    ``as_of_ms`` is when the owner's knowledge was gathered (``engine.now_ms()`` asked before it): what ended
    since then stays ended, and what began since then goes on. Seats in contact with a known entry that are not
    in ``seats`` leave when they come free. Returns the state afterwards.
    """
    before = await engine.snapshot()
    revive_ms = as_of_ms or await engine.now_ms()
    known_entries = {known.entry.id: known for known in entries}
    known_seats = {seat.id: seat for seat in seats}
    busy = {known.seat for known in entries if known.seat is not None}
    held = {seat.id: seat for seat in before.seats}
    until_ms = as_of_ms or before.now_ms + 1
    ours = {s.id for s in before.seats if s.owner in owners and s.signed_in_ms < until_ms}

    for entry in before.entries:
        truth = known_entries.get(entry.id)
        seat = held.get(entry.seat or "") if entry.state == "connected" else None
        began_ms = seat.since_ms if seat else entry.entered_ms
        if began_ms < until_ms and (truth is not None or entry.owner in owners):
            await _end_untrue(engine, entry, truth)
    for seat_id in ours - known_seats.keys() - busy:
        await engine.leave(seat_id)
    for known in entries:
        if known.seat is not None:
            await _restore(engine, known, known_seats.get(known.seat), revive_ms)
    for known in sorted(entries, key=lambda known: known.entry.arrived_ms - known.entry.credit_ms):
        if known.seat is None:
            await engine.enter(known.entry, revive_ms=revive_ms)
    for known_seat in seats:
        await _seat(engine, known_seat, held.get(known_seat.id), until_ms)
    return await engine.snapshot()


async def _end_untrue(engine: "Engine", entry: LiveEntry, truth: KnownEntry | None) -> None:
    if entry.state != "connected":
        if truth is None:
            await engine.abandon(entry.id, "reconciled")
    elif entry.reservation is not None and truth is None:
        await engine.finish(entry.reservation, 0)
    elif entry.reservation is not None and truth is not None and truth.seat is None:
        await engine.give_back(entry.reservation, "reconciled", "available", exclude_ms=0)


async def _restore(engine: "Engine", known: KnownEntry, seat: KnownSeat | None, revive_ms: int) -> None:
    subscriptions = seat.subscriptions if seat else ()
    await engine.restore(known, subscriptions, revive_ms=revive_ms, take_over=True)
    if seat is None and known.seat is not None:
        await engine.leave(known.seat)


async def _seat(engine: "Engine", seat: KnownSeat, held: Seat | None, until_ms: int) -> None:
    if held is not None and (held.state == "wrap_up" or held.since_ms >= until_ms):
        await engine.subscribe(seat.id, seat.subscriptions)
    elif seat.available:
        await engine.ready(seat.id, seat.subscriptions)
    else:
        await engine.pause(seat.id, seat.reason, seat.subscriptions)
