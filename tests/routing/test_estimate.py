"""The estimate is learned from the changes alone, said as a band, and not said without a recent sample."""

import pytest

from routing.estimate import BANDS, LEAST_SAMPLE, RECENT_MS, Band, Estimator, band_of
from routing.model import Change, Entry, Step, Subscription
from routing.twin import Twin

NOW = 1_800_000_000_000
SUBSCRIPTIONS = (Subscription("notary|notarization|zh"), Subscription("notary|*|zh"))
STEPS = (Step(0, "notary|notarization|zh"), Step(20_000, "notary|*|zh"))


class Desk:
    """A small house on the twin: so many notaries, who talk for as long as they are told."""

    def __init__(self, seats: int) -> None:
        self.estimator = Estimator(lambda seat: "notary" if seat.endswith("/live") else None)
        self.changes: list[Change] = []
        self.twin = Twin(observe=self._tell)
        self.now = NOW
        self.seats = [f"n{n}/live" for n in range(seats)]
        for seat in self.seats:
            self.twin.ready(seat, SUBSCRIPTIONS, now_ms=self.now)
        self._callers = 0

    def _tell(self, change: Change) -> None:
        self.changes.append(change)
        self.estimator.take(change)

    def call(self, credit_ms: int = 0) -> str:
        self._callers += 1
        name = f"c{self._callers:04}"
        self.twin.enter(Entry(name, self.now, credit_ms, STEPS), now_ms=self.now)
        return name

    def serve(self, count: int, talk_ms: int = 100_000) -> None:
        """``count`` contacts one after the other, each of one cycle of ``talk_ms``."""
        for _ in range(count):
            self.call()
            self._accept_all()
            self.now += talk_ms
            self.finish_all()

    def _accept_all(self) -> None:
        for one in self.twin.snapshot().reservations:
            if not one.accepted:
                self.twin.accept(one.id, now_ms=self.now)

    def finish_all(self) -> None:
        for one in self.twin.snapshot().reservations:
            if one.accepted:
                self.twin.finish(one.id, 0, now_ms=self.now)

    def fill(self) -> None:
        """Everybody is in contact."""
        for _ in self.seats:
            self.call()
        self._accept_all()


def test_nothing_is_said_before_enough_was_seen_nor_long_after() -> None:
    desk = Desk(2)
    assert desk.estimator.newcomer("notary", desk.now) is None
    desk.serve(LEAST_SAMPLE - 1)
    assert desk.estimator.newcomer("notary", desk.now) is None
    desk.serve(1)
    assert desk.estimator.newcomer("notary", desk.now) is not None
    assert desk.estimator.newcomer("notary", desk.now + RECENT_MS + 1) is None
    assert desk.estimator.newcomer("lawyer", desk.now) is None


def test_more_before_me_is_a_longer_wait_and_more_volunteers_a_shorter_one() -> None:
    waits = {}
    for seats in (2, 4):
        desk = Desk(seats)
        desk.serve(20)
        desk.fill()
        queue = [desk.call() for _ in range(10)]
        waits[seats] = [desk.estimator.estimate(name, desk.now) or 0 for name in queue]
        assert waits[seats] == sorted(waits[seats])
        assert waits[seats][-1] > 2 * waits[seats][0]
    assert waits[4][-1] < waits[2][-1]
    # Ten moves of two volunteers at 100 s each, patience aside: between a third and all of 500 s.
    assert 150_000 < waits[2][-1] <= 510_000


def test_a_head_start_counts_in_the_estimate() -> None:
    desk = Desk(2)
    desk.serve(20)
    desk.fill()
    ordinary = [desk.call() for _ in range(8)]
    first = desk.call(credit_ms=180_000)
    assert (desk.estimator.estimate(first, desk.now) or 0) <= (
        desk.estimator.estimate(ordinary[0], desk.now) or 0
    )


def test_a_free_volunteer_means_no_more_than_a_ring() -> None:
    desk = Desk(2)
    desk.serve(10)
    load = desk.estimator.load("notary", desk.now)
    assert (load.waiting, load.free, load.on_duty, load.oldest_ms) == (0, 2, 2, None)
    assert load.estimate_ms is not None
    assert load.estimate_ms <= 15_000


def test_who_left_or_is_served_is_not_before_me_any_more() -> None:
    desk = Desk(1)
    desk.serve(10)
    desk.fill()
    queue = [desk.call() for _ in range(5)]
    before = desk.estimator.estimate(queue[4], desk.now) or 0
    for name in queue[:3]:
        desk.twin.abandon(name, "caller_left", now_ms=desk.now)
    after = desk.estimator.estimate(queue[4], desk.now) or 0
    assert after < before
    assert desk.estimator.load("notary", desk.now).waiting == 2
    assert desk.estimator.estimate(queue[0], desk.now) is None


def test_paused_and_signed_out_volunteers_do_not_count() -> None:
    desk = Desk(3)
    desk.serve(10)
    desk.twin.pause(desk.seats[0], "meal", now_ms=desk.now)
    desk.twin.leave(desk.seats[1], now_ms=desk.now)
    load = desk.estimator.load("notary", desk.now)
    assert (load.free, load.on_duty) == (1, 1)


def test_after_lost_changes_a_snapshot_puts_it_right_again() -> None:
    desk = Desk(3)
    desk.serve(10)
    desk.fill()
    queue = [desk.call() for _ in range(4)]
    desk.twin.pause(desk.seats[0], "meal", now_ms=desk.now)
    known = [desk.estimator.estimate(name, desk.now) for name in queue]
    desk.estimator.take(Change("", 0, desk.now, "stream.reset"))
    assert desk.estimator.estimate(queue[0], desk.now) is None
    desk.estimator.begin(desk.twin.snapshot())
    assert [desk.estimator.estimate(name, desk.now) for name in queue] == known
    load = desk.estimator.load("notary", desk.now)
    assert (load.waiting, load.on_duty) == (4, 3)


def test_the_same_changes_give_the_same_estimate() -> None:
    desk = Desk(2)
    desk.serve(15)
    desk.fill()
    name = desk.call()
    again = Estimator(lambda seat: "notary" if seat.endswith("/live") else None)
    for change in desk.changes:
        again.take(change)
    assert again.estimate(name, desk.now) == desk.estimator.estimate(name, desk.now)


def test_unknown_seats_and_messages_count_nowhere() -> None:
    estimator = Estimator(lambda _seat: None)
    estimator.take(Change("", 1, NOW, "seat.changed", seat="x/message-1", state="available"))
    estimator.take(Change("", 2, NOW, "entry.left", entry="nobody", how="abandoned"))
    estimator.take(Change("", 3, NOW, "reservation.accepted", entry="nobody", seat="x/live"))
    assert estimator.load("notary", NOW).on_duty == 0


@pytest.mark.parametrize(
    ("seconds", "band"),
    [(0, Band(0, 1)), (59, Band(0, 1)), (60, Band(1, 3)), (299, Band(3, 5)), (3_599, Band(45, 60))],
)
def test_a_wait_is_said_as_the_band_in_which_it_lies(seconds: int, band: Band) -> None:
    assert band_of(seconds * 1_000) == band
    assert band_of(10 * 3_600_000) == Band(60, None)


def test_the_bands_join_without_gap() -> None:
    assert [band.high_min for band in BANDS[:-1]] == [band.low_min for band in BANDS[1:]]
