"""The engine: one atomic step of the kernel per method.

Every step may be repeated: a second ``enter``, ``accept`` or ``finish`` changes nothing and is answered like
the first. That is why a call that found the server away is tried again by itself, for a bounded time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Literal, Self

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from routing import wire
from routing.client import ANSWER_S, Client
from routing.errors import InvalidRouting, RoutingConflict, RoutingError, RoutingUnavailable, RoutingVersion
from routing.model import (
    EXCLUDE_MS,
    RING_MS,
    Change,
    Entry,
    KnownEntry,
    KnownSeat,
    LiveEntry,
    Place,
    Reservation,
    Seat,
    SeatState,
    Snapshot,
    Standing,
    Subscription,
    TickResult,
    check_class,
    check_id,
    check_ms,
    check_reason,
    check_subscriptions,
)
from routing.reconcile import reconcile
from routing.stream import ChangeReader

log = structlog.get_logger(__name__)

AWAY = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OSError)
_PAGE = 1_000
_SEATS_AT_ONCE = 500
_TICK_LIMIT = 200
_LIBRARIES_KEPT = 8


class Engine:
    """Who waits, who is free, who is reserved for whom: one shard of one routing server.

    ``now_ms`` is for simulations; 0 means the server's clock. All methods raise RoutingUnavailable when the
    server stays away for ``patience_ms``, and InvalidRouting for ids, reasons or times that the kernel cannot
    hold.

    ``owner`` names this node. What it enters, signs in or restores is its own from then on, and only that is
    what its ``reconcile`` may end.
    """

    def __init__(self, url: str, *, shard: str = "main", patience_ms: int = 2_000, owner: str = "") -> None:
        check_id(shard)
        self.owner = check_id(owner) if owner else ""
        self.shard = shard
        self._url = url
        self._tag = "{" + shard + "}"
        self._patience_s = patience_ms / 1000
        self._client = Client(url)

    @classmethod
    async def connect(
        cls, url: str, *, shard: str = "main", patience_ms: int = 2_000, owner: str = ""
    ) -> Self:
        """Connect and bring the kernel's functions to the server, if they are not there yet.

        Raises RoutingUnavailable, or RoutingVersion when the shard's state has another layout.
        """
        engine = cls(url, shard=shard, patience_ms=patience_ms, owner=owner)
        try:
            layout, _ = await engine._call("open", wire.LAYOUT)
            if layout != wire.LAYOUT:
                raise RoutingVersion(f"shard {shard} has layout {layout}, this node knows {wire.LAYOUT}")
        except BaseException:
            await engine.close()
            raise
        return engine

    async def close(self) -> None:
        """Close the connections. Readers of ``changes`` have their own and end with their iteration."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------------------------------- entries

    async def enter(self, entry: Entry, *, now_ms: int = 0, revive_ms: int = 0) -> Reservation | None:
        """Let the entry wait, or meet a seat at once. An id that is known already is left as it is: the
        answer is its pending reservation, if it has one. An id that left less than ten minutes ago does not
        come back, unless it left before ``revive_ms``."""
        args = (*_entry_args(entry, revive_ms), self.owner)
        return wire.reservation(await self._call("enter", *args, now_ms=now_ms))

    async def abandon(self, entry_id: str, reason: str, *, now_ms: int = 0) -> bool:
        """The entry leaves without a contact; a seat reserved for it is free again and keeps its idle time.

        False when it does not wait (any more): a connected one ends with ``finish``.
        """
        return bool(await self._call("abandon", check_id(entry_id), check_reason(reason), now_ms=now_ms))

    async def place(self, entry_id: str) -> Place | None:
        """Where the entry stands, or None when it does not live. A reserved or connected entry has nobody
        ahead."""
        reply = await self._call("place", check_id(entry_id))
        return None if reply is None else Place(*reply)

    # --------------------------------------------------------------------------------------------- seats

    async def ready(
        self, seat: str, subscriptions: Iterable[Subscription] | None = None, *, now_ms: int = 0
    ) -> Reservation | None:
        """The seat takes contacts from now on (None: in the classes it has). On a reserved seat or one in
        contact only a remembered pause or leave is forgotten; the answer is then the pending reservation, if
        any."""
        args = (check_id(seat), *_subscription_args(subscriptions), self.owner)
        return wire.reservation(await self._call("ready", *args, now_ms=now_ms))

    async def subscribe(
        self, seat: str, subscriptions: Iterable[Subscription], *, now_ms: int = 0
    ) -> Reservation | None:
        """Change what a signed-in seat serves and nothing else. A pending reservation is not taken back."""
        args = (check_id(seat), _subscription_args(subscriptions)[1])
        return wire.reservation(await self._call("subscribe", *args, now_ms=now_ms))

    async def pause(
        self,
        seat: str,
        reason: str,
        subscriptions: Iterable[Subscription] | None = None,
        *,
        now_ms: int = 0,
    ) -> SeatState:
        """No more contacts; signs the seat in when it was offline. On a reserved seat or one in contact it is
        remembered and applied when the seat comes free. Returns the state the seat has now."""
        args = (check_id(seat), check_reason(reason), *_subscription_args(subscriptions), self.owner)
        return await self._call("pause", *args, now_ms=now_ms)

    async def leave(self, seat: str, *, now_ms: int = 0) -> SeatState:
        """Sign the seat out; remembered like a pause when it is reserved or in contact. Returns its state
        now."""
        return await self._call("leave", check_id(seat), now_ms=now_ms)

    async def extend_wrap_up(self, seat: str, ms: int, *, now_ms: int = 0) -> int | None:
        """Lengthen a running wrap-up, once. Returns when it ends, or None when the seat is in none."""
        check_ms(ms)
        return await self._call("extend", check_id(seat), ms, now_ms=now_ms)

    async def staffed(self, *classes: str) -> tuple[int, ...]:
        """How many signed-in seats (any state but offline) serve each class."""
        return tuple(await self._call("staffed", *(check_class(klass) for klass in classes)))

    async def on_duty(self, classes: Iterable[str]) -> int:
        """How many signed-in seats serve what waits in these classes (``Policy.classes``). 0: nobody would
        come, so that a caller can be told at once. A seat that serves several of them counts once when the
        last is the widest."""
        counts = await self.staffed(*classes)
        return max(counts, default=0)

    # -------------------------------------------------------------------------------------- reservations

    async def acknowledge(
        self, reservation: int, *, ring_ms: int = RING_MS, now_ms: int = 0
    ) -> Reservation | None:
        """It rings: the lease grows from 2 s to ``ring_ms``, once. A desk that shows a card needs the 15 s, a
        telephone called through a trunk more. None when the reservation no longer lives."""
        check_ms(ring_ms)
        return wire.reservation(await self._call("acknowledge", reservation, ring_ms, now_ms=now_ms))

    async def accept(self, reservation: int, *, now_ms: int = 0) -> bool:
        """The entry and the seat are in contact. False when the reservation no longer lives."""
        return bool(await self._call("accept", reservation, now_ms=now_ms))

    async def reject(
        self,
        reservation: int,
        reason: str,
        seat_to: Literal["paused", "available"] = "paused",
        *,
        exclude_ms: int = EXCLUDE_MS,
        now_ms: int = 0,
    ) -> bool:
        """Give a pending reservation back: the entry keeps its place and does not meet this seat for
        ``exclude_ms``; the seat becomes paused(reason) or available. False when it was not pending (and not
        already rejected)."""
        check_ms(exclude_ms)
        args = (reservation, check_reason(reason), _seat_to(seat_to), exclude_ms)
        return bool(await self._call("reject", *args, now_ms=now_ms))

    async def give_back(
        self,
        reservation: int,
        reason: str,
        seat_to: Literal["paused", "available"] = "paused",
        *,
        exclude_ms: int = EXCLUDE_MS,
        now_ms: int = 0,
    ) -> bool:
        """The same for an accepted reservation whose contact did not come about (the agent's leg failed)."""
        check_ms(exclude_ms)
        args = (reservation, check_reason(reason), _seat_to(seat_to), exclude_ms)
        return bool(await self._call("give_back", *args, now_ms=now_ms))

    async def finish(self, reservation: int, wrap_up_ms: int, *, now_ms: int = 0) -> bool:
        """The contact is over. The seat wraps up for ``wrap_up_ms`` and comes free then (0: now)."""
        check_ms(wrap_up_ms)
        return bool(await self._call("finish", reservation, wrap_up_ms, now_ms=now_ms))

    async def restore(
        self,
        known: KnownEntry,
        subscriptions: Iterable[Subscription],
        *,
        now_ms: int = 0,
        revive_ms: int = 0,
        take_over: bool = False,
    ) -> Reservation | None:
        """Put a contact back that lives although the kernel forgot it: afterwards entry and seat are in
        contact.

        None when the kernel knows that it ended since ``revive_ms``. Where the kernel believes one of the two in
        contact with somebody else it raises RoutingConflict; with ``take_over`` the caller knows better: that
        other contact goes back to its place, that other seat comes free.
        """
        if known.seat is None:
            raise InvalidRouting("only an entry in contact is restored; a waiting one enters")
        args = (*_entry_args(known.entry, revive_ms), self.owner)
        subs = _subscription_args(subscriptions)[1]
        reply = await self._call(
            "restore", *args, check_id(known.seat), known.reservation, subs, int(take_over), now_ms=now_ms
        )
        return wire.reservation(reply)

    # ------------------------------------------------------------------------------------- time and view

    async def tick(self, *, limit: int = _TICK_LIMIT, now_ms: int = 0) -> TickResult:
        """Do what fell due: ended leases, rings to open, wrap-ups, exclusions. At most ``limit`` things in
        one call; when ``handled == limit`` more may be due."""
        return TickResult(*await self._call("tick", limit, now_ms=now_ms))

    async def keep_time(self, *, interval_ms: int = 200) -> None:
        """Tick for ever, at most ``interval_ms`` late; a server that is away is waited for. Any number of
        nodes may do this at once."""
        while True:
            try:
                result = await self.tick()
            except RoutingUnavailable:
                log.warning("routing.tick_failed", shard=self.shard)
                result = TickResult(None, 0)
            await asyncio.sleep(0 if result.handled >= _TICK_LIMIT else interval_ms / 1000)

    async def now_ms(self) -> int:
        """The server's clock."""
        return (await self._call("open", wire.LAYOUT))[1]

    async def snapshot(self) -> Snapshot:
        """All that lives. Up to 1,000 entries and 1,000 seats are read at one instant; more come in pages,
        read anew when something happened between them, three times at most. Changes after ``stream_id`` may
        then be partly contained: they say how things are, so that applying them again does no harm."""
        pages: list[Any] = []
        for _ in range(3):
            pages = [await self._call("snapshot", 0, 0, _PAGE)]
            while max(len(pages[-1][6]), len(pages[-1][8])) == _PAGE:
                start = len(pages) * _PAGE
                pages.append(await self._call("snapshot", start, start, _PAGE))
            if pages[0][2] == pages[-1][2]:
                break
        return wire.snapshot(pages)

    async def find_entry(self, entry_id: str) -> LiveEntry | None:
        """One entry as it stands, None when it does not live."""
        row = await self._call("entry", check_id(entry_id))
        return None if row is None else wire.live_entry(row)

    async def find_seat(self, seat_id: str) -> Seat | None:
        """One seat as it stands, None when it is not signed in."""
        row = await self._call("seat", check_id(seat_id))
        return None if row is None else wire.seat(row)

    async def standing(self, entry_id: str, *, now_ms: int = 0) -> Standing | None:
        """All about one living entry, for explaining: its rings, and every signed-in seat that could serve it.

        Looks at all seats, in pages: for a person who asks, not for every call."""
        reply = await self._call("rings", check_id(entry_id), now_ms=now_ms)
        if reply is None:
            return None
        rows: list[Any] = []
        first = 0
        while True:
            seen, found = await self._call("servers", entry_id, first, _SEATS_AT_ONCE)
            rows += found
            first += _SEATS_AT_ONCE
            if seen < _SEATS_AT_ONCE:
                return wire.standing(reply, rows)

    def changes(self, after: str = "$") -> AsyncIterator[Change]:
        """All changes after a stream id (``"$"``: from now, ``"0"``: from the beginning), for ever and in
        order.

        It survives reconnects and restarts of the server. A change of kind ``stream.reset`` says that some
        were lost (``reason``: ``restarted``, ``trimmed`` or ``lost``) or may have been: take a snapshot, then
        ``reconcile``. Later changes follow it.
        """
        return ChangeReader(_reader(self._url), self._tag).follow(after)

    async def reconcile(
        self,
        entries: Iterable[KnownEntry],
        seats: Iterable[KnownSeat],
        *,
        as_of_ms: int = 0,
        also: Iterable[str] = (),
    ) -> Snapshot:
        """Make the kernel's state what the owner knows to be true; see ``routing.reconcile``."""
        owners = frozenset((self.owner, *also))
        return await reconcile(self, tuple(entries), tuple(seats), as_of_ms=as_of_ms, owners=owners)

    # -------------------------------------------------------------------------------------------- inside

    async def _call(self, step: str, *args: str | int, now_ms: int = 0) -> Any:
        """One FCALL, repeated while the server is away, at most for the patience of this engine.

        It is tried twice at least: an answer may be late because this process itself stood still."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        delay = 0.02
        attempts = 0
        name = f"{step}_{wire.VERSION}"
        while True:
            attempts += 1
            try:
                return await self._client.execute("FCALL", name, 1, self._tag, now_ms, *args)
            except AWAY as error:
                cause: Exception = error
            except ResponseError as error:
                if str(error).startswith("CONFLICT"):
                    raise RoutingConflict(str(error).removeprefix("CONFLICT ")) from None
                if "unction not found" not in str(error):
                    raise RoutingError(f"{step}: {error}") from error
                cause = error
                await self._load()
            if attempts > 1 and loop.time() + delay > deadline:
                raise RoutingUnavailable(f"{step}: the routing server is away") from cause
            await asyncio.sleep(delay)
            delay = min(delay * 2, 0.3)

    async def _load(self) -> None:
        """Bring the library. The same text under the same name from any number of nodes is one library."""
        try:
            await self._client.execute("FUNCTION", "LOAD", "REPLACE", wire.LIBRARY_CODE)
            await self._forget_old_libraries()
            log.info("routing.library_loaded", library=wire.LIBRARY)
        except AWAY:
            log.warning("routing.library_not_loaded", library=wire.LIBRARY)
        except ResponseError as error:
            raise RoutingError(f"the kernel was refused: {error}") from error

    async def _forget_old_libraries(self) -> None:
        """Keep a bounded number; a node whose library is gone brings it again by itself."""
        listed: Any = await self._client.execute("FUNCTION", "LIST", "LIBRARYNAME", wire.LIBRARY_PREFIX + "*")
        names = [row[row.index("library_name") + 1] for row in listed]
        old = sorted(name for name in names if name != wire.LIBRARY)
        for name in old[: max(0, len(names) - _LIBRARIES_KEPT)]:
            await self._client.execute("FUNCTION", "DELETE", name)


def _reader(url: str) -> Redis:
    # Repeating is this package's own decision. So are timeouts: a socket_timeout would go through
    # asyncio.wait_for, which in Python 3.11 can swallow a cancellation.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=1,
        timeout=ANSWER_S,
        socket_timeout=None,
        socket_connect_timeout=ANSWER_S,
        decode_responses=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def _entry_args(entry: Entry, revive_ms: int) -> tuple[str | int, ...]:
    return (entry.id, entry.arrived_ms, entry.credit_ms, wire.steps_text(entry.steps), revive_ms)


def _subscription_args(subscriptions: Iterable[Subscription] | None) -> tuple[int, str]:
    if subscriptions is None:
        return 0, ""
    return 1, wire.subscriptions_text(check_subscriptions(subscriptions))


def _seat_to(state: str) -> str:
    if state not in ("paused", "available"):
        raise InvalidRouting("a seat that gives back becomes paused or available")
    return state
