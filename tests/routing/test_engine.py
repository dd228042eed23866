"""What the engine promises, against a real server."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError

from routing import wire
from routing.engine import Engine
from routing.errors import InvalidRouting, RoutingUnavailable, RoutingVersion
from routing.model import RING_MS, Change, Entry, KnownEntry, KnownSeat, Place, Step, Subscription
from routing.server import RoutingServer
from routing.stream import ChangeReader
from tests.support.routing import new_shard

OWN, FAMILY, ANY = "lawyer|labour|zh", "lawyer|family:work|zh", "lawyer|*|zh"
LAWYER = (Subscription(OWN), Subscription(FAMILY, -120_000), Subscription(ANY, -480_000))
OTHER = (Subscription("lawyer|debt|zh"), Subscription(ANY, -480_000))
T = 1_000_000_000


def waiting(name: str, arrived_ms: int = 0, credit_ms: int = 0) -> Entry:
    return Entry(name, arrived_ms, credit_ms, (Step(0, OWN), Step(10_000, FAMILY), Step(20_000, ANY)))


@contextlib.asynccontextmanager
async def following(engine: Engine, after: str = "0") -> AsyncIterator[asyncio.Queue[Change]]:
    """Read the changes into a queue while the block runs."""
    queue: asyncio.Queue[Change] = asyncio.Queue(1_000)

    async def read() -> None:
        async for change in engine.changes(after):
            queue.put_nowait(change)

    task = asyncio.create_task(read())
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(queue: asyncio.Queue[Change], kind: str) -> Change:
    async with asyncio.timeout(10):
        while True:
            change = await queue.get()
            if change.kind == kind:
                return change


async def states(engine: Engine) -> dict[str, str]:
    seen = await engine.snapshot()
    return {entry.id: entry.state for entry in seen.entries} | {seat.id: seat.state for seat in seen.seats}


# ----------------------------------------------------------------------------------------------- one contact


async def test_a_contact_goes_from_entering_to_wrap_up_and_the_seat_takes_the_next(engine: Engine) -> None:
    assert await engine.ready("v1/live", LAWYER, now_ms=T) is None
    reservation = await engine.enter(waiting("c1"), now_ms=T)
    assert reservation
    assert (reservation.seat, reservation.ring, reservation.klass) == ("v1/live", 1, OWN)
    assert reservation.expires_ms == T + 2_000
    seen = await engine.acknowledge(reservation.id, now_ms=T + 500)
    assert seen
    assert seen.expires_ms == T + 15_500
    assert await engine.accept(reservation.id, now_ms=T + 4_000)
    assert await engine.enter(waiting("c2"), now_ms=T + 5_000) is None
    assert await engine.finish(reservation.id, 30_000, now_ms=T + 60_000)
    assert (await states(engine))["v1/live"] == "wrap_up"
    assert await engine.extend_wrap_up("v1/live", 60_000, now_ms=T + 61_000) == T + 150_000
    assert await engine.extend_wrap_up("v1/live", 60_000, now_ms=T + 62_000) == T + 150_000
    assert (await engine.tick(now_ms=T + 149_999)).next_due_ms == T + 150_000
    await engine.tick(now_ms=T + 150_000)
    assert await states(engine) == {"c2": "reserved", "v1/live": "reserved"}


async def test_doing_any_step_twice_changes_nothing(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T)
    assert first
    assert await engine.enter(waiting("c1"), now_ms=T + 1) == first
    assert await engine.ready("v1/live", LAWYER, now_ms=T + 1) == first
    acknowledged = await engine.acknowledge(first.id, now_ms=T + 2)
    assert await engine.acknowledge(first.id, now_ms=T + 900) == acknowledged
    assert await engine.accept(first.id, now_ms=T + 1_000)
    assert await engine.accept(first.id, now_ms=T + 1_001)
    assert not await engine.reject(first.id, "busy", now_ms=T + 1_002)
    assert await engine.finish(first.id, 0, now_ms=T + 2_000)
    before = await engine.snapshot()
    assert await engine.finish(first.id, 0, now_ms=T + 2_001)
    assert await engine.enter(waiting("c1"), now_ms=T + 2_002) is None
    assert not await engine.accept(first.id, now_ms=T + 2_003)
    assert not await engine.abandon("c1", "caller", now_ms=T + 2_004)
    after = await engine.snapshot()
    assert (after.entries, after.seats, after.counters) == (before.entries, before.seats, before.counters)


async def test_a_late_enter_does_not_bring_back_a_caller_who_hung_up_first(engine: Engine) -> None:
    assert not await engine.abandon("c1", "caller", now_ms=T)
    assert await engine.enter(waiting("c1"), now_ms=T + 1) is None
    assert await states(engine) == {}
    await engine.tick(now_ms=T + 600_001)
    await engine.enter(waiting("c1"), now_ms=T + 600_002)
    assert await states(engine) == {"c1": "waiting"}


@pytest.mark.parametrize(
    ("ring_ms", "lease_ms", "reason"),
    [(None, 2_000, "desk_gone"), (RING_MS, 15_000, "no_answer"), (40_000, 40_000, "no_answer")],
)
async def test_a_reservation_that_times_out_keeps_the_place_and_pauses_the_seat(
    engine: Engine, ring_ms: int | None, lease_ms: int, reason: str
) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T)
    await engine.enter(waiting("c2"), now_ms=T)
    assert first
    if ring_ms:
        await engine.acknowledge(first.id, ring_ms=ring_ms, now_ms=T)
    await engine.tick(now_ms=T + lease_ms - 1)
    assert (await states(engine))["c1"] == "reserved"
    await engine.tick(now_ms=T + lease_ms)
    seat = (await engine.snapshot()).seats[0]
    assert (seat.state, seat.reason) == ("paused", reason)
    assert not await engine.accept(first.id, now_ms=T + lease_ms + 1)
    assert await engine.place("c1") == Place(0, 1)
    assert await engine.place("c2") == Place(1, 1)


async def test_a_rejected_entry_goes_to_another_seat_and_not_back_for_a_minute(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T + 1)
    assert first
    assert await engine.reject(first.id, "conflict", "available", now_ms=T + 2)
    assert await states(engine) == {"c1": "waiting", "v1/live": "available"}
    await engine.tick(now_ms=T + 60_001)
    assert (await states(engine))["c1"] == "waiting"
    await engine.tick(now_ms=T + 60_002)
    second = (await engine.snapshot()).reservations[0]
    assert (second.entry, second.seat) == ("c1", "v1/live")
    assert second.id > first.id
    assert await engine.reject(second.id, "conflict", "paused", now_ms=T + 60_003)
    third = await engine.ready("v2/live", LAWYER, now_ms=T + 60_004)
    assert third
    assert third.entry == "c1"


async def test_a_widening_search_looks_past_the_seat_that_gave_the_entry_back(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T + 1)
    assert first
    await engine.reject(first.id, "conflict", "available", now_ms=T + 2)
    await engine.ready("v2/live", OTHER, now_ms=T + 3)
    await engine.tick(now_ms=T + 20_001)
    reservation = (await engine.snapshot()).reservations[0]
    assert (reservation.seat, reservation.ring) == ("v2/live", 3)


async def test_an_accepted_contact_whose_leg_failed_returns_to_its_place(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1", T), now_ms=T)
    await engine.enter(waiting("c2", T + 1), now_ms=T + 1)
    assert first
    await engine.accept(first.id, now_ms=T + 2)
    assert not await engine.reject(first.id, "leg_failed", now_ms=T + 3)
    assert await engine.give_back(first.id, "leg_failed", now_ms=T + 3)
    assert await engine.give_back(first.id, "leg_failed", now_ms=T + 3)
    assert await states(engine) == {"c1": "waiting", "c2": "waiting", "v1/live": "paused"}
    assert await engine.place("c1") == Place(0, 1)
    second = await engine.ready("v2/live", LAWYER, now_ms=T + 4)
    assert second
    assert second.entry == "c1"


async def test_a_caller_who_leaves_while_it_rings_gives_the_seat_back_with_its_idle_time(
    engine: Engine,
) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    await engine.ready("v2/live", LAWYER, now_ms=T + 1)
    first = await engine.enter(waiting("c1"), now_ms=T + 2)
    assert first
    assert first.seat == "v1/live"
    assert await engine.abandon("c1", "caller", now_ms=T + 3)
    second = await engine.enter(waiting("c2"), now_ms=T + 4)
    assert second
    assert second.seat == "v1/live"


# ------------------------------------------------------------------------------------------------- the seat


async def test_pause_and_leave_wait_until_the_contact_is_over(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T)
    assert first
    assert await engine.pause("v1/live", "meal", now_ms=T) == "reserved"
    await engine.accept(first.id, now_ms=T)
    assert await engine.leave("v1/live", now_ms=T) == "in_contact"
    assert await engine.pause("v1/live", "meal", now_ms=T) == "in_contact"
    assert (await engine.snapshot()).seats[0].then == "paused"
    await engine.finish(first.id, 5_000, now_ms=T)
    await engine.tick(now_ms=T + 5_000)
    seat = (await engine.snapshot()).seats[0]
    assert (seat.state, seat.reason, seat.then) == ("paused", "meal", "")


async def test_ready_forgets_a_remembered_pause(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T)
    assert first
    await engine.pause("v1/live", "meal", now_ms=T)
    assert await engine.ready("v1/live", now_ms=T) == first
    await engine.abandon("c1", "caller", now_ms=T)
    assert await states(engine) == {"v1/live": "available"}


async def test_a_suspended_agent_is_offered_nothing_more(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER, now_ms=T)
    await engine.subscribe("v1/live", (), now_ms=T)
    assert await engine.enter(waiting("c1"), now_ms=T) is None
    assert (await engine.subscribe("v1/live", LAWYER, now_ms=T)) is not None


async def test_staffed_counts_every_seat_that_is_signed_in(engine: Engine) -> None:
    await engine.pause("v1/live", "signed_in", LAWYER)
    await engine.ready("v2/live", OTHER)
    assert await engine.staffed(OWN, ANY, "lawyer|nobody|zh") == (1, 2, 0)
    await engine.leave("v1/live")
    assert await engine.staffed(OWN, ANY) == (0, 1)


# ----------------------------------------------------------------------------------------------- the order


async def test_a_search_widens_on_time_but_not_before(engine: Engine) -> None:
    await engine.pause("own/live", "meal", LAWYER, now_ms=T)
    await engine.ready("other/live", OTHER, now_ms=T)
    assert await engine.enter(waiting("c1"), now_ms=T) is None
    await engine.tick(now_ms=T + 19_999)
    assert (await states(engine))["c1"] == "waiting"
    await engine.tick(now_ms=T + 20_000)
    assert (await engine.snapshot()).reservations[0].ring == 3


async def test_nobody_waits_in_a_ring_that_nobody_serves_and_late_staff_still_finds_them(
    engine: Engine,
) -> None:
    await engine.ready("other/live", OTHER, now_ms=T)
    first = await engine.enter(waiting("c1"), now_ms=T)
    assert first
    assert (first.seat, first.ring) == ("other/live", 3)
    assert await engine.enter(waiting("c2"), now_ms=T) is None
    second = await engine.ready("own/live", LAWYER, now_ms=T + 1)
    assert second
    assert (second.entry, second.ring) == ("c2", 1)


async def test_priority_passes_others_but_nobody_later_than_its_credit(engine: Engine) -> None:
    await engine.pause("v1/live", "meal", LAWYER, now_ms=T)
    await engine.enter(waiting("early", T), now_ms=T)
    await engine.enter(waiting("near", T + 179_999, 180_000), now_ms=T + 179_999)
    await engine.enter(waiting("far", T + 180_001, 180_000), now_ms=T + 180_001)
    served = []
    reservation = await engine.ready("v1/live", now_ms=T + 200_000)
    while reservation:
        served.append(reservation.entry)
        await engine.accept(reservation.id, now_ms=T + 200_000)
        await engine.finish(reservation.id, 1, now_ms=T + 200_000)
        reservation = await engine.ready("v1/live", now_ms=T + 200_000)
    assert served == ["near", "early", "far"]


async def test_a_seat_prefers_its_own_skill_to_an_earlier_caller_of_another(engine: Engine) -> None:
    await engine.pause("v1/live", "meal", LAWYER, now_ms=T)
    for name, klass, arrived in [
        ("role", ANY, T),
        ("family", FAMILY, T + 370_000),
        ("own", OWN, T + 480_001),
    ]:
        await engine.enter(Entry(name, arrived, 0, (Step(0, klass),)), now_ms=arrived)
    order = []
    for n in range(3):
        reservation = await engine.ready(f"v{n + 2}/live", LAWYER, now_ms=T + 500_000)
        assert reservation
        order.append(reservation.entry)
    assert order == ["role", "own", "family"]


async def test_a_wished_for_agent_is_waited_for_and_then_anybody_serves(engine: Engine) -> None:
    await engine.pause("v1/live", "meal", (*LAWYER, Subscription("@v1")), now_ms=T)
    await engine.ready("v2/live", LAWYER, now_ms=T)
    entry = Entry("c1", 0, 0, (Step(0, "@v1"), Step(15_000, OWN), Step(35_000, ANY)))
    assert await engine.enter(entry, now_ms=T) is None
    await engine.tick(now_ms=T + 15_000)
    assert (await engine.snapshot()).reservations[0].seat == "v2/live"


async def test_a_clock_set_back_an_hour_changes_neither_order_nor_durations(engine: Engine) -> None:
    hour = 3_600_000
    await engine.pause("v1/live", "meal", LAWYER, now_ms=T)
    await engine.enter(waiting("before", T), now_ms=T)
    await engine.tick(now_ms=T - hour)
    await engine.enter(waiting("after", T - hour + 1), now_ms=T - hour + 1)
    reservation = await engine.ready("v1/live", now_ms=T - hour + 1)
    assert reservation
    assert reservation.entry == "before"
    assert reservation.expires_ms == T - hour + 1 + 2_000
    await engine.tick(now_ms=T - hour + 2_001)
    assert (await states(engine))["v1/live"] == "paused"
    async with following(engine) as changes:
        assert (await until(changes, "reservation.created")).waited_ms == 1


async def test_two_entries_of_one_instant_are_served_in_the_order_of_their_ids(engine: Engine) -> None:
    await engine.pause("v1/live", "meal", LAWYER, now_ms=T)
    for name in ("b-2", "B-1", "a_3"):
        await engine.enter(Entry(name, T, 0, (Step(0, OWN if name[0] != "a" else FAMILY),)), now_ms=T)
    subs = (Subscription(OWN), Subscription(FAMILY))
    reservations = [await engine.ready(f"w{n}/live", subs, now_ms=T) for n in range(3)]
    assert [r and r.entry for r in reservations] == ["B-1", "a_3", "b-2"]


# ------------------------------------------------------------------------------------- explaining and asking


async def test_a_change_says_which_ring_and_who_was_passed_over(engine: Engine) -> None:
    async with following(engine) as changes:
        await engine.ready("v1/live", LAWYER, now_ms=T)
        await engine.ready("v2/live", LAWYER, now_ms=T + 1)
        first = await engine.enter(waiting("c1", 0, 90_000), now_ms=T + 1_000)
        assert first
        created = await until(changes, "reservation.created")
        assert (created.ring, created.klass, created.chosen_by, created.free) == (1, OWN, "entry", 2)
        assert (created.score, created.order_ms) == (T + 1_000 - 90_000, T)
        await engine.reject(first.id, "conflict", now_ms=T + 1_500)
        assert (await until(changes, "reservation.rejected")).reason == "conflict"
        again = await until(changes, "reservation.created")
        assert (again.seat, again.passed_over, again.waited_ms) == ("v2/live", ("v1/live",), 500)


async def test_place_counts_all_who_could_take_the_same_seats_from_the_beginning(engine: Engine) -> None:
    await engine.pause("v1/live", "meal", LAWYER)
    debt = (Step(0, "lawyer|debt|zh"), Step(20_000, ANY))
    await engine.enter(Entry("c1", 0, 0, debt))
    await engine.enter(waiting("c2"))
    assert await engine.place("c2") == Place(1, 1)
    assert await engine.place("nobody") is None
    await engine.abandon("c1", "caller")
    assert await engine.place("c2") == Place(0, 1)


async def test_a_snapshot_of_many_is_whole(engine: Engine) -> None:
    await asyncio.gather(*(engine.enter(waiting(f"c{n}")) for n in range(2_100)))
    seen = await engine.snapshot()
    assert len({entry.id for entry in seen.entries}) == 2_100
    assert seen.counters.entered == 2_100


async def test_a_tick_does_a_bounded_amount_of_work(engine: Engine) -> None:
    await engine.pause("own/live", "meal", LAWYER, now_ms=T)
    for n in range(30):
        await engine.enter(waiting(f"c{n:02}"), now_ms=T)
    handled = [(await engine.tick(limit=20, now_ms=T + 10_000)).handled for _ in range(3)]
    assert handled == [20, 10, 0]


@pytest.mark.parametrize("bad", ["", "with space", "tab\tinside", "x" * 101, "号"])
async def test_ids_that_the_kernel_cannot_hold_are_refused_before_it_is_asked(
    engine: Engine, bad: str
) -> None:
    with pytest.raises(InvalidRouting):
        waiting(bad)
    with pytest.raises(InvalidRouting):
        await engine.leave(bad)


def test_steps_that_make_no_sense_are_refused() -> None:
    for steps in (
        (),
        (Step(5, OWN),),
        (Step(0, OWN), Step(0, OWN)),
        (Step(0, OWN), Step(9, ANY), Step(8, FAMILY)),
    ):
        with pytest.raises(InvalidRouting):
            Entry("c1", 0, 0, steps)


# ---------------------------------------------------------------------------------------------- many nodes


async def test_many_nodes_at_once_never_give_one_seat_twice(routing_server: RoutingServer) -> None:
    shard = new_shard()
    engines = [await Engine.connect(routing_server.url, shard=shard) for _ in range(4)]
    node = itertools.cycle(engines)
    try:
        steps = [next(node).ready(f"v{n}/live", LAWYER) for n in range(40)]
        steps += [next(node).enter(waiting(f"c{n}")) for n in range(60)]
        await asyncio.gather(*steps)
        seen = await engines[0].snapshot()
        assert len({r.seat for r in seen.reservations}) == len({r.entry for r in seen.reservations}) == 40
        accepted = await asyncio.gather(
            *(next(node).accept(r.id) for r in seen.reservations for _ in range(3))
        )
        assert all(accepted)
        finished = await asyncio.gather(
            *(next(node).finish(r.id, 0) for r in seen.reservations for _ in range(3))
        )
        assert all(finished)
        assert (await engines[0].snapshot()).counters.finished == 40
    finally:
        for engine in engines:
            await engine.close()


async def test_shards_know_nothing_of_each_other(routing_server: RoutingServer, engine: Engine) -> None:
    async with await Engine.connect(routing_server.url, shard=new_shard()) as other:
        await engine.ready("v1/live", LAWYER)
        assert await other.enter(waiting("c1")) is None
        assert await states(engine) == {"v1/live": "available"}


async def test_a_state_of_another_layout_is_refused(routing_server: RoutingServer) -> None:
    shard = new_shard()
    async with Redis.from_url(routing_server.url) as redis:
        await redis.hset("{" + shard + "}:m", "layout", "0")  # pyright: ignore[reportGeneralTypeIssues]
    with pytest.raises(RoutingVersion):
        await Engine.connect(routing_server.url, shard=shard)


async def test_functions_that_are_gone_are_brought_again_and_old_ones_do_not_pile_up(
    routing_server: RoutingServer, engine: Engine
) -> None:
    async with Redis.from_url(routing_server.url, decode_responses=True) as redis:
        for n in range(20):
            code = wire.LIBRARY_CODE.replace(wire.VERSION, f"old{n}")
            await redis.function_load(code)
        await redis.function_delete(wire.LIBRARY)
        await engine.enter(waiting("c1"))
        libraries = await redis.function_list(wire.LIBRARY_PREFIX + "*")
    assert len(libraries) <= 8
    assert await states(engine) == {"c1": "waiting"}


# --------------------------------------------------------------------------------------------------- faults


def kill(server: RoutingServer) -> None:
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)


async def test_a_killed_server_comes_back_and_calls_meanwhile_are_only_late(
    routing_server: RoutingServer, engine: Engine
) -> None:
    async with following(engine) as changes:
        await engine.enter(waiting("c0"))
        await until(changes, "entry.entered")
        kill(routing_server)
        await engine.enter(waiting("c1"))
        assert (await until(changes, "stream.reset")).reason == "restarted"
        await engine.enter(waiting("c2"))
        assert (await until(changes, "entry.entered")).entry in ("c1", "c2")
    assert "c1" in await states(engine)


async def test_a_server_that_is_still_loading_does_not_swallow_the_reset(
    routing_server: RoutingServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = ChangeReader._head
    loading = iter([True, True])

    async def busy_at_first(reader: ChangeReader, server: str) -> object:
        if next(loading, False):
            raise BusyLoadingError("it says who it is, and nothing else yet")
        return await head(reader, server)

    async with following(engine) as changes:
        await engine.enter(waiting("c0"))
        await until(changes, "entry.entered")
        monkeypatch.setattr(ChangeReader, "_head", busy_at_first)
        kill(routing_server)
        assert (await until(changes, "stream.reset")).reason == "restarted"
    assert next(loading, None) is None


async def test_an_emptied_server_is_noticed_and_filled_again(
    routing_server: RoutingServer, engine: Engine
) -> None:
    await engine.ready("v1/live", LAWYER)
    first = await engine.enter(waiting("c1"))
    assert first
    await engine.accept(first.id)
    async with following(engine) as changes:
        await until(changes, "reservation.accepted")
        async with Redis.from_url(routing_server.url) as redis:
            await redis.flushall()
            await redis.function_flush()
        assert (await until(changes, "stream.reset")).reason == "lost"
        entries = [KnownEntry(waiting("c1"), "v1/live", first.id), KnownEntry(waiting("c2"))]
        seen = await engine.reconcile(entries, [KnownSeat("v1/live", LAWYER)])
        assert {entry.id: entry.state for entry in seen.entries} == {"c1": "connected", "c2": "waiting"}
        assert seen.reservations[0].id == first.id
        assert (await until(changes, "reservation.accepted")).reservation == first.id


async def test_a_reader_whose_history_was_trimmed_is_told(
    routing_server: RoutingServer, engine: Engine
) -> None:
    await engine.enter(waiting("c1"))
    async with Redis.from_url(routing_server.url, decode_responses=True) as redis:
        key = "{" + engine.shard + "}:events"
        first = (await engine.snapshot()).stream_id
        await engine.enter(waiting("c2"))
        await engine.enter(waiting("c3"))
        await redis.xtrim(key, maxlen=1, approximate=False)
    async with following(engine, first) as changes:
        assert (await until(changes, "stream.reset")).reason == "lost"
        await engine.enter(waiting("c4"))
        assert (await until(changes, "entry.entered")).entry == "c4"
    async with following(engine, "0") as changes:
        assert (await until(changes, "stream.reset")).reason == "trimmed"


async def test_changes_after_a_snapshot_are_those_that_followed_it(engine: Engine) -> None:
    await engine.enter(waiting("c1"))
    seen = await engine.snapshot()
    await engine.enter(waiting("c2"))
    async with following(engine, seen.stream_id) as changes:
        assert (await until(changes, "entry.entered")).entry == "c2"


async def test_a_server_that_stays_away_is_a_typed_error_within_the_patience(routing_dir: Path) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with pytest.raises(RoutingUnavailable):
        await Engine.connect(f"unix://{routing_dir}/nobody.sock", patience_ms=300)
    assert loop.time() - begin < 2


async def test_a_process_that_stood_still_does_not_take_the_server_for_away(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing.client.ANSWER_S", 0.1)
    impatient = Engine(engine._url, shard=engine.shard, patience_ms=0)
    async with impatient:
        await impatient.now_ms()
        call = asyncio.create_task(impatient.enter(waiting("c1")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - the standstill itself
        assert await call is None
    assert await states(engine) == {"c1": "waiting"}


async def test_a_server_that_falls_silent_is_away_for_all_who_ask_and_back_when_it_speaks(
    routing_server: RoutingServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing.client.ANSWER_S", 0.2)
    assert routing_server.pid is not None
    async with Engine(engine._url, shard=engine.shard, patience_ms=100) as impatient:
        await impatient.now_ms()
        os.kill(routing_server.pid, signal.SIGSTOP)
        try:
            asked = [impatient.enter(waiting(f"c{n}")) for n in range(3)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            os.kill(routing_server.pid, signal.SIGCONT)
        assert [type(answer) for answer in answers] == [RoutingUnavailable] * 3
        assert await impatient.enter(waiting("c9")) is None


async def test_keeping_time_goes_on_after_a_restart_of_the_server(
    routing_server: RoutingServer, engine: Engine
) -> None:
    keeper = asyncio.create_task(engine.keep_time(interval_ms=20))
    try:
        async with following(engine) as changes:
            await until_started(changes, engine)
            kill(routing_server)
            await until(changes, "stream.reset")
            await engine.ready("v2/live", LAWYER)
            await engine.enter(waiting("c2"))
            assert (await until(changes, "reservation.timed_out")).reason == "desk_gone"
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


async def until_started(changes: asyncio.Queue[Change], engine: Engine) -> None:
    await engine.pause("v1/live", "signed_in", LAWYER)
    await until(changes, "seat.changed")


async def test_a_cancelled_call_is_cancelled_at_whatever_moment_and_the_engine_goes_on(
    engine: Engine,
) -> None:
    async def busy(n: int) -> None:
        while True:
            await engine.enter(waiting(f"c{n}"))

    for n in range(300):
        task = asyncio.create_task(busy(n))
        for _ in range(n % 30):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done
        assert task.cancelled()
    assert await engine.enter(waiting("last")) is None
    assert "last" in await states(engine)


async def test_following_ends_at_once_when_it_is_cancelled(engine: Engine) -> None:
    for n in range(50):
        async with following(engine) as changes:
            await engine.enter(waiting(f"c{n}"))
            await until(changes, "entry.entered")


# ------------------------------------------------------------------------------------------------ reconciling


async def test_reconciling_ends_what_nobody_knows_and_keeps_the_rest(engine: Engine) -> None:
    for name in ("v1", "v2", "v3"):
        await engine.ready(f"{name}/live", LAWYER)
    known = await engine.enter(waiting("known"))
    ghost = await engine.enter(waiting("ghost"))
    ringing = await engine.enter(waiting("ringing"))
    assert known
    assert ghost
    assert ringing
    await engine.accept(known.id)
    await engine.accept(ghost.id)
    await engine.enter(waiting("gone"))
    entries = [KnownEntry(waiting("known"), known.seat, known.id), KnownEntry(waiting("ringing"))]
    seats = [KnownSeat(known.seat, LAWYER), KnownSeat(ringing.seat, LAWYER)]
    for _ in range(2):
        await engine.reconcile(entries, seats)
        assert await states(engine) == {
            "known": "connected",
            known.seat: "in_contact",
            "ringing": "reserved",
            ringing.seat: "reserved",
        }
    assert await engine.accept(ringing.id), "a reservation that rings goes on"


async def test_reconciling_an_empty_server_restores_order_and_contacts(engine: Engine) -> None:
    now = await engine.now_ms()
    entries = [KnownEntry(waiting(f"c{n}", now - n * 1_000)) for n in range(5)]
    entries.append(KnownEntry(waiting("talking", now - 60_000), "v9/live", 123_456))
    seats = [
        KnownSeat("v9/live", LAWYER),
        KnownSeat("v1/live", LAWYER),
        KnownSeat("v2/live", LAWYER, False, "meal"),
    ]
    seen = await engine.reconcile(entries, seats)
    assert {seat.id: (seat.state, seat.reason) for seat in seen.seats} == {
        "v9/live": ("in_contact", ""),
        "v1/live": ("reserved", ""),
        "v2/live": ("paused", "meal"),
    }
    assert {r.entry: r.seat for r in seen.reservations} == {"talking": "v9/live", "c4": "v1/live"}
    assert [r.id for r in seen.reservations if r.entry == "talking"] == [123_456]
    assert await engine.place("c0") == Place(3, 3)
    fresh = next(r.id for r in seen.reservations if r.entry == "c4")
    assert fresh > now, "new reservations have numbers that no earlier one had"


async def test_reconciling_does_not_bring_back_who_left_meanwhile(engine: Engine) -> None:
    await engine.ready("v1/live", LAWYER)
    first = await engine.enter(waiting("talked"))
    assert first
    await engine.accept(first.id)
    await engine.enter(waiting("left"))
    as_of_ms = await engine.now_ms()
    await engine.abandon("left", "caller")
    await engine.finish(first.id, 0)
    entries = [KnownEntry(waiting("left")), KnownEntry(waiting("talked"), "v1/live", first.id)]
    seen = await engine.reconcile(entries, [KnownSeat("v1/live", LAWYER)], as_of_ms=as_of_ms)
    assert seen.entries == ()
    later = await engine.reconcile(entries, [], as_of_ms=as_of_ms + 60_000)
    assert {entry.id: entry.state for entry in later.entries} == {"left": "waiting", "talked": "connected"}


async def test_a_contact_that_the_owner_never_saw_begin_waits_again_and_may_meet_the_same_seat(
    engine: Engine,
) -> None:
    await engine.ready("v1/live", LAWYER)
    first = await engine.enter(waiting("c1"))
    assert first
    await engine.accept(first.id)
    seen = await engine.reconcile([KnownEntry(waiting("c1"))], [KnownSeat("v1/live", LAWYER)])
    assert [(r.entry, r.seat, r.accepted) for r in seen.reservations] == [("c1", "v1/live", False)]
