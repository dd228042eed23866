"""The record of a contact is the same whatever order and however often its events are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.errors import InvalidEvent
from switchboard.records import ContactEvent, Recording, fold
from switchboard.records.events import KINDS, check
from switchboard.records.fold import talks_of


def event(
    seq: int, kind: str, at_ms: int | None = None, *, tick_ms: int | None = None, **data: object
) -> ContactEvent:
    at = seq * 1000 if at_ms is None else at_ms
    clock = None if tick_ms is None else "one"
    return ContactEvent("c-1", seq, at, kind, data, f"k{seq}", tick_ms, clock)


ARRIVED = event(1, "arrived", medium="call", hotline="12348", caller="13812345678", demo=False)
WHOLE_CALL = [
    ARRIVED,
    event(2, "intake", language="zh", matter="labour", priority=1, priority_reason="over 80", how="key"),
    event(3, "queued", entry="c-1"),
    event(4, "reserved", reservation=7, agent="v001"),
    event(5, "reservation_ended", reservation=7, agent="v001", how="timed_out", reason=None),
    event(6, "reserved", reservation=8, agent="v002"),
    event(7, "connected", reservation=8, agent="v002"),
    event(8, "recording", id="r-1", file="r-1.wav", ms=5000, sha256="a" * 64, sm3="b" * 64, gaps=[[1, 2]]),
    event(9, "disconnected", by="agent"),
    event(10, "survey", question="helpful", answer="1"),
    event(11, "ended", reason="completed", by="caller", hangup_cause=16),
    event(12, "wrapped_up", agent="v002", matter="debt", disposition="advised", note="已告知"),
]


def test_each_talk_with_the_same_volunteer_has_a_wrap_up_of_its_own() -> None:
    again = [
        ARRIVED,
        event(2, "queued", entry="c-1"),
        event(3, "connected", agent="v001"),
        event(4, "disconnected", by="agent"),
        event(5, "wrapped_up", agent="v001", note="转接"),
        event(6, "queued", entry="c-1"),
        event(7, "connected", agent="v001"),
        event(8, "ended", reason="completed", by="caller"),
    ]
    assert not fold(again).final
    done = fold([*again, event(9, "wrapped_up", agent="v001", note="已告知")])
    assert (done.final, done.note) == (True, "已告知")


contents = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
any_kind = st.sampled_from([*KINDS, "unheard_of"])


@st.composite
def any_event(draw: st.DrawFn) -> ContactEvent:
    kind = draw(any_kind)
    names = list(KINDS.get(kind, {"x": None}))
    data = draw(st.dictionaries(st.sampled_from(names), contents, max_size=len(names)))
    seq = draw(st.integers(1, 40))
    tick = draw(st.none() | st.integers(0, 10**6))
    clock = draw(st.sampled_from(["one", "two", None]))
    key = draw(st.none() | st.sampled_from(["a", "b", "c"]))
    return ContactEvent("c-1", seq, draw(st.integers(0, 10**6)), kind, data, key, tick, clock)


@st.composite
def likely_events(draw: st.DrawFn) -> list[ContactEvent]:
    """Well-formed events in any sequence, with a wall clock that jumps."""
    chosen = draw(st.lists(st.sampled_from(WHOLE_CALL), min_size=1, max_size=30))
    return [
        ContactEvent("c-1", seq, draw(st.integers(0, 10**6)), like.kind, like.data, None)
        for seq, like in enumerate(chosen, 1)
    ]


def test_a_whole_call_folds_into_its_record() -> None:
    record = fold(WHOLE_CALL)
    assert (record.medium, record.hotline, record.caller) == ("call", "12348", "13812345678")
    assert (record.language, record.matter, record.priority) == ("zh", "debt", 1)
    assert (record.arrived_ms, record.queued_ms, record.connected_ms) == (1000, 3000, 7000)
    assert (record.disconnected_ms, record.ended_ms) == (9000, 11000)
    assert (record.wait_ms, record.talk_ms) == (4000, 2000)
    assert (record.agent, record.reservations, record.reservation) == ("v002", 2, None)
    assert (record.end_reason, record.ended_by, record.hangup_cause) == ("completed", "caller", 16)
    assert record.survey == {"helpful": "1"}
    assert (record.disposition, record.note) == ("advised", "已告知")
    assert record.recordings == (Recording("r-1", "r-1.wav", 5000, "a" * 64, "b" * 64, ((1, 2),)),)
    assert record.final
    assert record.last_seq == 12


@given(st.data(), likely_events() | st.lists(any_event(), min_size=1, max_size=25, unique_by=lambda e: e.seq))
def test_order_of_telling_and_repeats_do_not_matter(data: st.DataObject, told: list[ContactEvent]) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=10))
    assert fold(data.draw(st.permutations(told + again))) == fold(told)


@given(likely_events() | st.lists(any_event(), min_size=1, max_size=25))
def test_no_duration_is_ever_negative_and_no_content_makes_the_fold_fail(told: list[ContactEvent]) -> None:
    record = fold(told)
    assert record.wait_ms is None or record.wait_ms >= 0
    assert record.talk_ms is None or record.talk_ms >= 0


@given(likely_events())
def test_a_final_record_changes_no_more_but_for_recordings(told: list[ContactEvent]) -> None:
    final = None
    for end in range(1, len(told) + 1):
        record = fold(told[:end])
        if final is not None:
            assert record.final
            kept = {"recordings", "last_seq"}
            assert all(
                getattr(record, n) == getattr(final, n) for n in type(final).__slots__ if n not in kept
            )
        final = record if record.final else None


@given(likely_events(), st.integers(1, 5))
def test_once_ended_a_contact_stays_ended_the_same_way(told: list[ContactEvent], more: int) -> None:
    extra = [event(len(told) + n, "ended", reason="lost", by="system") for n in range(1, more + 1)]
    before, after = fold(told), fold(told + extra)
    if before.ended_ms is not None:
        assert (after.end_reason, after.ended_ms) == (before.end_reason, before.ended_ms)


def test_a_contact_that_was_never_connected_is_final_when_it_ends() -> None:
    left = [
        ARRIVED,
        event(2, "queued", entry="c-1"),
        event(3, "ended", reason="abandoned_waiting", by="caller"),
    ]
    record = fold(left)
    assert record.final
    assert (record.wait_ms, record.talk_ms, record.connected_ms) == (1000, None, None)


def test_a_connected_contact_waits_for_the_wrap_up_of_everyone_who_talked() -> None:
    talked = [ARRIVED, event(2, "connected", agent="v1"), event(3, "connected", agent="v2")]
    ended = [*talked, event(4, "ended", reason="completed", by="caller")]
    one = [*ended, event(5, "wrapped_up", agent="v1", disposition="referred")]
    both = [*one, event(6, "wrapped_up", agent="v2", disposition=None)]
    assert [fold(told).final for told in (talked, ended, one, both)] == [False, False, False, True]
    assert fold(both).disposition == "referred"


def test_a_clock_set_back_or_forward_by_an_hour_leaves_the_durations_right() -> None:
    hour = 3_600_000
    told = [
        event(1, "arrived", 5 * hour, tick_ms=0, medium="call"),
        event(2, "queued", 5 * hour, tick_ms=0, entry="c-1"),
        event(3, "connected", 4 * hour, tick_ms=8_000, agent="v1"),
        event(4, "disconnected", 6 * hour, tick_ms=68_000, by="caller"),
    ]
    record = fold(told)
    assert (record.wait_ms, record.talk_ms) == (8_000, 60_000)


def test_talks_before_and_after_a_transfer_add_up() -> None:
    told = [
        ARRIVED,
        event(2, "connected", agent="v1"),
        event(3, "disconnected", by="agent"),
        event(10, "connected", agent="v2"),
        event(15, "disconnected", by="agent"),
    ]
    assert fold(told).talk_ms == 6_000
    assert fold(told).agent == "v2"


def test_entering_the_queue_anew_after_a_restart_is_the_same_wait() -> None:
    told = [
        ARRIVED,
        event(2, "queued", entry="c-1"),
        event(5, "queued", entry="c-1"),
        event(9, "connected", agent="v1"),
    ]
    assert fold(told).wait_ms == 7_000


def test_waiting_with_a_pending_reservation_is_shown_as_ringing() -> None:
    told = [ARRIVED, event(2, "queued", entry="c-1"), event(3, "reserved", reservation=1, agent="v1")]
    assert fold(told).board_stage == "ringing"
    told.append(event(4, "reservation_ended", reservation=1, agent="v1", how="rejected"))
    assert fold(told).board_stage == "waiting"


def test_a_late_word_on_an_older_reservation_leaves_the_present_one() -> None:
    told = [
        ARRIVED,
        event(2, "reserved", reservation=1, agent="v1"),
        event(3, "reserved", reservation=2, agent="v2"),
        event(4, "reservation_ended", reservation=1, agent="v1", how="timed_out"),
    ]
    assert (fold(told).reservation, fold(told).reserved_agent) == (2, "v2")


def test_events_of_two_contacts_or_none_are_refused() -> None:
    with pytest.raises(InvalidEvent):
        fold([])
    with pytest.raises(InvalidEvent):
        fold([ARRIVED, ContactEvent("c-2", 2, 0, "stage", {"stage": "x"})])


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("unheard_of", {}),
        ("arrived", {}),
        ("arrived", {"medium": "call", "colour": "red"}),
        ("arrived", {"medium": "call", "caller": "x" * 65}),
        ("arrived", {"medium": "call", "caller": "1\x002"}),
        ("arrived", {"medium": "call", "caller": "\ud800"}),
        ("arrived", {"medium": "call", "demo": 1}),
        ("intake", {"priority": True}),
        ("reserved", {"reservation": "7", "agent": "v1"}),
        ("reservation_ended", {"reservation": 7, "agent": "v1", "how": "forgotten"}),
        ("recording", {"id": "r", "file": "f", "ms": -1}),
        ("recording", {"id": "r", "file": "f", "ms": 1, "sha256": "short"}),
        ("recording", {"id": "r", "file": "f", "ms": 1, "gaps": [[2, 1]]}),
        ("wrapped_up", {"agent": "v1", "note": "x" * 4001}),
        ("ended", {"reason": "bored", "by": "caller"}),
    ],
)
def test_an_event_that_breaks_the_vocabulary_is_refused(kind: str, data: dict[str, object]) -> None:
    with pytest.raises(InvalidEvent):
        check("c-1", kind, data, None)


def test_what_may_be_left_out_gets_its_default() -> None:
    assert check("c-1", "arrived", {"medium": "call"}, None) == {
        "medium": "call",
        "hotline": None,
        "caller": None,
        "channel": None,
        "terminal": None,
        "demo": False,
        "rules": None,
    }


# ---- several volunteers

PASSED_ON = [
    ARRIVED,
    event(2, "queued", entry="c-1"),
    event(3, "connected", reservation=7, agent="v001"),
    event(4, "together", groups=[["caller"], ["v001"]]),
    event(5, "together", groups=[["caller"], ["v001", "v002"]]),
    event(6, "together", groups=[["caller", "v001", "v002"]]),
    event(7, "passed", how="attended", by="v001", agent="v002", reservation=8, entry="c-1/colleague-1"),
    event(8, "together", groups=[["caller", "v002"]]),
    event(9, "wrapped_up", agent="v001", matter="labour", disposition="referred", note="转给同事"),
    event(10, "disconnected", by="agent"),
    event(11, "ended", reason="completed", by="caller"),
]


def test_a_contact_that_was_passed_on_is_the_volunteers_who_talked_last() -> None:
    record = fold(PASSED_ON)
    assert (record.agent, record.entry, record.final) == ("v002", "c-1/colleague-1", False)
    late = event(12, "wrapped_up", agent="v002", matter="debt", disposition="advised", note="已答复")
    record = fold([*PASSED_ON, late])
    assert (record.matter, record.disposition, record.note, record.final) == (
        "debt",
        "advised",
        "已答复",
        True,
    )


def test_whoever_writes_later_about_an_earlier_part_does_not_overwrite_the_last_word() -> None:
    early = [one for one in PASSED_ON if one.kind != "wrapped_up"]
    last = event(12, "wrapped_up", agent="v002", matter="debt", disposition="advised", note="已答复")
    first = event(13, "wrapped_up", agent="v001", matter="labour", disposition="referred", note="转给同事")
    record = fold([*early, last, first])
    assert (record.matter, record.note, record.final) == ("debt", "已答复", True)


def test_a_blind_transfer_is_nobodys_before_somebody_is_connected() -> None:
    events = [
        *PASSED_ON[:3],
        event(4, "passed", how="blind", by="v001", agent="v002", matter="debt"),
        event(5, "disconnected", by="agent"),
        event(6, "queued", entry="c-1"),
    ]
    record = fold(events)
    assert (record.agent, record.matter, record.stage) == ("v001", "debt", "waiting")


def test_the_record_says_who_talked_to_whom_and_when() -> None:
    talks = talks_of(reversed(PASSED_ON))
    assert [(talk.who, talk.from_ms, talk.to_ms) for talk in talks] == [
        (("caller", "v001"), 3_000, 4_000),
        (("v001", "v002"), 5_000, 6_000),
        (("caller", "v001", "v002"), 6_000, 8_000),
        (("caller", "v002"), 8_000, 10_000),
    ]
    assert [talk.to_ms for talk in talks_of(PASSED_ON[:5])] == [4_000, None]
    assert talks_of(WHOLE_CALL)[0].ms == 2_000
