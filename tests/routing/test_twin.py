"""What holds for every history, shown on the twin (which agrees with the server)."""

from hypothesis import given
from hypothesis import strategies as st

from routing.model import Entry, Step, Subscription
from routing.twin import Twin

KLASS = "lawyer|labour|zh"
LARGEST_CREDIT_MS = 180_000


@given(
    gaps=st.lists(st.integers(0, 120_000), min_size=2, max_size=40),
    credits=st.lists(st.sampled_from([0, 0, 90_000, LARGEST_CREDIT_MS]), min_size=40, max_size=40),
    served_between=st.lists(st.integers(0, 2), min_size=40, max_size=40),
)
def test_nobody_is_overtaken_by_one_who_came_more_than_the_largest_credit_later(
    gaps: list[int], credits: list[int], served_between: list[int]
) -> None:
    twin, now, arrived, order = Twin(), 1_000_000, {}, []

    def serve() -> None:
        reservation = twin.ready("v1/live", [Subscription(KLASS)], now_ms=now)
        if reservation:
            order.append(reservation.entry)
            twin.accept(reservation.id, now_ms=now)
            twin.finish(reservation.id, 1_000_000, now_ms=now)
        twin.pause("v1/live", "meal", now_ms=now)

    twin.pause("v1/live", "meal", [Subscription(KLASS)], now_ms=now)
    for n, gap in enumerate(gaps):
        now += gap
        arrived[f"c{n:02}"] = now
        twin.enter(Entry(f"c{n:02}", now, credits[n], (Step(0, KLASS),)), now_ms=now)
        for _ in range(served_between[n]):
            serve()
    for _ in gaps:
        serve()
    assert len(order) == len(gaps), "nobody is left behind"
    for i, first in enumerate(order):
        assert all(arrived[first] <= arrived[later] + LARGEST_CREDIT_MS for later in order[i + 1 :])


def test_the_next_due_time_is_where_a_simulation_may_jump_to() -> None:
    twin = Twin()
    assert twin.next_due_ms() is None
    twin.pause("v1/live", "meal", [Subscription(KLASS)], now_ms=1_000)
    twin.enter(Entry("c1", 1_000, 0, (Step(0, KLASS), Step(10_000, "lawyer|*|zh"))), now_ms=1_000)
    assert twin.next_due_ms() == 11_000
    assert twin.tick(now_ms=11_000).handled == 1
    assert twin.next_due_ms() is None
