from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from switchboard.errors import BadCursor, InvalidEvent, RecordsAway, RecordsClosed, TooManyEvents
from switchboard.records import ContactQuery, Records, fold, mask_number
from switchboard.records.database import Database
from switchboard.records.events import MOST_EVENTS
from switchboard.records.journal import Draft, Item, Journal, Outcome
from switchboard.records.queries import begin_of_day_ms
from switchboard.records.writer import Writer
from tests.support.postgres import Cluster
from tests.switchboard.conftest import quick_passwords


async def whole_call(
    records: Records, ident: str, *, caller: str = "13812345678", at_ms: int | None = None
) -> None:
    await records.append(ident, "arrived", at_ms=at_ms, medium="call", hotline="12348", caller=caller)
    await records.append(ident, "intake", language="zh", matter="labour", how="nothing")
    await records.append(ident, "queued", entry=ident)
    await records.append(ident, "reserved", reservation=1, agent="v001")
    await records.append(ident, "connected", reservation=1, agent="v001")
    await records.append(ident, "recording", id=f"r-{ident}", file="x.wav", ms=10, gaps=[(1, 2)])
    await records.append(ident, "disconnected", by="caller")
    await records.append(ident, "survey", question="helpful", answer="1")
    await records.append(ident, "ended", reason="completed", by="caller", hangup_cause=16)
    await records.append(ident, "wrapped_up", agent="v001", disposition="advised", note="好")


async def test_the_row_is_the_fold_of_the_events(records: Records) -> None:
    await whole_call(records, "c-1")
    found = await records.contact("c-1")
    assert found is not None
    record, events = found
    assert [event.seq for event in events] == list(range(1, 11))
    assert record == fold(events)
    assert (await records.contacts(ContactQuery())).items == (record,)
    assert record.final
    assert await records.open_contacts() == []


async def test_the_same_key_twice_changes_nothing(records: Records) -> None:
    first = await records.append("c-1", "arrived", key="a", medium="call")
    assert first is not None
    assert await records.append("c-1", "arrived", key="a", medium="call") is None
    assert await records.append("c-2", "arrived", key="a", medium="call") is not None
    found = await records.contact("c-1")
    assert found is not None
    assert len(found[1]) == 1


async def test_many_tasks_lose_and_double_nothing(records: Records) -> None:
    async def one(number: int) -> None:
        for step in range(10):
            await records.append(f"c-{number % 7}", "stage", key=f"{number}.{step}", stage="waiting")
            await records.append(f"c-{number % 7}", "stage", key=f"{number}.{step}", stage="waiting")

    await asyncio.gather(*(one(number) for number in range(21)))
    for contact in range(7):
        found = await records.contact(f"c-{contact}")
        assert found is not None
        assert [event.seq for event in found[1]] == list(range(1, 31))
        assert found[0] == fold(found[1])


async def test_two_nodes_write_to_one_contact_without_losing_an_event(database_url: str) -> None:
    one = await Records.open(database_url, passwords=quick_passwords())
    two = await Records.open(database_url, passwords=quick_passwords())
    async with one, two:
        writes = [node.append("c-1", "stage", stage=f"s{n}") for n in range(50) for node in (one, two)]
        assert None not in await asyncio.gather(*writes)
        found = await two.contact("c-1")
        assert found is not None
        assert [event.seq for event in found[1]] == list(range(1, 101))
        assert (await one.open_contacts())[0] == found[0]


async def test_a_node_started_later_goes_on_where_the_other_stopped(database_url: str) -> None:
    async with await Records.open(database_url, passwords=quick_passwords()) as one:
        await one.append("c-1", "arrived", medium="call", caller="13812345678")
        await one.append("c-1", "queued", entry="c-1")
    async with await Records.open(database_url, passwords=quick_passwords()) as two:
        [still] = await two.open_contacts()
        assert (still.id, still.stage) == ("c-1", "waiting")
        event = await two.append("c-1", "ended", reason="lost", by="system")
        assert event is not None
        assert event.seq == 3


async def test_a_cancelled_caller_does_not_take_its_event_back(records: Records) -> None:
    append = asyncio.create_task(records.append("c-1", "arrived", medium="call"))
    await asyncio.sleep(0)
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    await records.append("c-1", "stage", stage="waiting")
    found = await records.contact("c-1")
    assert found is not None
    assert [event.kind for event in found[1]] == ["arrived", "stage"]


async def test_callers_who_hang_up_while_we_read_leave_the_records_usable(records: Records) -> None:
    await whole_call(records, "c-1")
    for steps in range(120):
        reading = asyncio.create_task(records.contacts(ContactQuery()))
        for _ in range(steps % 40):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    async with asyncio.timeout(10):
        pages = await asyncio.gather(*(records.contacts(ContactQuery()) for _ in range(30)))
    assert all(len(page.items) == 1 for page in pages)
    assert await records.append("c-2", "arrived", medium="call") is not None


async def test_the_text_of_a_database_error_has_no_values(database_url: str) -> None:
    database = Database(database_url)
    try:
        async with database.read() as connection:
            with pytest.raises(DBAPIError) as failed:
                await connection.execute(text("SELECT :number FROM nowhere"), {"number": "13812345678"})
        assert "13812345678" not in str(failed.value)
    finally:
        await database.close()


async def test_what_happened_cannot_be_changed_or_deleted(database_url: str) -> None:
    async with await Records.open(database_url, passwords=quick_passwords()) as records:
        await records.append("c-1", "arrived", medium="call")
        await records.audit("root", "try")
    database = Database(database_url)
    attempts = ["UPDATE {} SET at_ms = 0", "DELETE FROM {}"]
    attempts.append("INSERT OR REPLACE INTO {0} SELECT * FROM {0}" if database.is_sqlite else "TRUNCATE {}")
    try:
        for table in ("contact_events", "audit"):
            for attempt in attempts:
                with pytest.raises(DBAPIError, match="append-only"):
                    async with database.write() as connection:
                        await connection.execute(text(attempt.format(table)))
    finally:
        await database.close()


async def test_a_wrong_event_is_refused_before_it_is_queued(records: Records) -> None:
    with pytest.raises(InvalidEvent):
        await records.append("c-1", "arrived", medium="call", shoe_size=43)
    assert await records.contact("c-1") is None


async def test_a_loop_cannot_fill_the_disk_with_one_contact(sqlite_records: Records) -> None:
    writes = (sqlite_records.append("c-1", "stage", stage="x") for _ in range(MOST_EVENTS + 3))
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(one, TooManyEvents) for one in done) == 3


async def test_pages_hold_every_contact_once_newest_first(records: Records) -> None:
    for number in range(7):
        await records.append(f"c-{number}", "arrived", at_ms=1_000 + number // 2, medium="call")
    seen: list[str] = []
    mark = None
    while True:
        page = await records.contacts(ContactQuery(after=mark, limit=3))
        seen += [record.id for record in page.items]
        mark = page.next
        if mark is None:
            break
    assert seen == ["c-6", "c-5", "c-4", "c-3", "c-2", "c-1", "c-0"]
    for broken in ("", "x", "1~", "~c-1", "9" * 40 + "~c", "1~\x00"):
        with pytest.raises(BadCursor):
            await records.contacts(ContactQuery(after=broken))


async def test_contacts_are_found_by_state_matter_agent_caller_and_time(records: Records) -> None:
    await whole_call(records, "c-1", caller="13812345678", at_ms=1_000)
    await records.append("c-2", "arrived", at_ms=2_000, medium="visit", caller="02887654321", demo=True)

    async def ids(**wanted: Any) -> list[str]:
        return [found.id for found in (await records.contacts(ContactQuery(**wanted))).items]

    assert await ids(state="open") == ["c-2"]
    assert await ids(state="final") == ["c-1"]
    assert await ids(state="wrap_up") == []
    assert await ids(matter="labour") == ["c-1"]
    assert await ids(agent="v001") == ["c-1"]
    assert await ids(caller="02887654321") == ["c-2"]
    assert await ids(since_ms=1_500) == ["c-2"]
    assert await ids(until_ms=2_000) == ["c-1"]
    assert await ids(demo=False) == ["c-1"]
    assert await records.earlier_contacts("13812345678") == 1
    assert await records.earlier_contacts("13812345678", before_ms=1_000) == 0
    assert await records.earlier_contacts(None) == 0


async def test_the_figures_of_a_day_count_as_they_say(records: Records) -> None:
    day = begin_of_day_ms(1_795_368_000_000)
    await records.append("quick", "arrived", at_ms=day, medium="call")
    await records.append("quick", "queued", at_ms=day, entry="quick")
    await records.append("quick", "connected", at_ms=day + 15_000, agent="v1")
    await records.append("quick", "disconnected", at_ms=day + 75_000, by="caller")
    await records.append("slow", "arrived", at_ms=day + 1, medium="call")
    await records.append("slow", "queued", at_ms=day + 1, entry="slow")
    await records.append("slow", "connected", at_ms=day + 25_002, agent="v1")
    await records.append("left", "arrived", at_ms=day + 2, medium="call")
    await records.append("left", "ended", at_ms=day + 3, reason="abandoned_intake", by="caller")
    await records.append("yesterday", "arrived", at_ms=day - 1, medium="call")
    figures = await records.figures_today(at_ms=day + 80_000_000)
    assert (figures.since_ms, figures.arrived, figures.answered, figures.answered_15s) == (day, 3, 2, 1)
    assert (figures.abandoned, figures.timed_out, figures.open) == (1, 0, 2)
    assert (figures.mean_wait_ms, figures.mean_talk_ms) == (20_000, 60_000)


async def test_an_empty_day_has_no_means(records: Records) -> None:
    figures = await records.figures_today()
    assert (figures.arrived, figures.answered_15s) == (0, 0)
    assert (figures.mean_wait_ms, figures.mean_talk_ms) == (None, None)


async def test_the_log_of_agent_states_keeps_its_order(records: Records) -> None:
    for state in ("available", "reserved", "in_contact", "wrap_up"):
        await records.log_agent_state("v001", state)
    await records.log_agent_state("v001", "paused", "meal")
    states = [(one.state, one.reason) for one in await records.agent_states("v001")]
    assert states[-2:] == [("wrap_up", None), ("paused", "meal")]
    assert len(states) == 5
    with pytest.raises(ValueError, match="state"):
        await records.log_agent_state("v001", "asleep")


async def test_who_appends_does_not_notice_a_postgresql_that_goes_away(postgres: Cluster) -> None:
    async with await Records.open(postgres.create("goes_away"), passwords=quick_passwords()) as records:
        await records.append("c-1", "arrived", medium="call")
        postgres.stop()
        try:
            waiting = [asyncio.create_task(records.append("c-1", "stage", stage=f"s{n}")) for n in range(30)]
            with pytest.raises(RecordsAway):
                await records.ping()
            assert records.backlog == 30
        finally:
            postgres.start()
        async with asyncio.timeout(20):
            assert None not in await asyncio.gather(*waiting)
        found = await records.contact("c-1")
        assert found is not None
        assert [event.seq for event in found[1]] == list(range(1, 32))
        assert records.away_s == 0


async def test_a_commit_whose_answer_was_lost_is_not_doubled(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "r.db"))
    await database.upgrade()
    journal = Journal(database)
    lost = 0

    async def commit(items: list[Item], *, again: bool) -> list[Outcome]:
        nonlocal lost
        outcomes = await journal.commit(items, again=again)
        if not again:
            lost += 1
            raise RecordsAway
        return outcomes

    writer = Writer(commit)
    try:
        event = await writer.write(Draft.now("c-1", "stage", {"stage": "x"}, "mine", None))
        assert event is not None
        assert (event.seq, lost) == (1, 1)
        second = await writer.write(Draft.now("c-1", "stage", {"stage": "x"}, None, None))
        assert second is not None
        assert second.seq == 2
    finally:
        await writer.close()
        await database.close()


async def test_one_item_that_cannot_be_stored_fails_alone() -> None:
    async def commit(items: list[Item], *, again: bool) -> list[Outcome]:
        if any(isinstance(item, Draft) and item.kind == "poison" for item in items):
            raise ValueError("poison")
        return [None for _ in items]

    writer = Writer(commit)
    kinds = ["good", "poison", "good", "good"]
    drafts = [Draft.now("c", kind, {}, None, None) for kind in kinds]
    done = await asyncio.gather(*(writer.write(draft) for draft in drafts), return_exceptions=True)
    assert [isinstance(one, ValueError) for one in done] == [False, True, False, False]
    await writer.close()


async def test_closing_while_the_database_is_away_tells_who_waits() -> None:
    async def commit(items: list[Item], *, again: bool) -> list[Outcome]:
        raise RecordsAway

    writer = Writer(commit, room=2, most=1)
    drafts = [Draft.now("c", "stage", {}, None, None) for _ in range(5)]
    waiting = [asyncio.create_task(writer.write(draft)) for draft in drafts]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await writer.close(timeout=0.05)
        done = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, RecordsClosed) for one in done)
    with pytest.raises(RecordsClosed):
        await writer.write(drafts[0])


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13812345678", "138****5678"),
        ("+8613812345678", "138****5678"),
        ("008613812345678", "138****5678"),
        ("02812345678", "028****5678"),
        ("87654321", "87****21"),
        ("12348", "****"),
        ("", ""),
        (None, ""),
    ],
)
def test_numbers_are_shown_masked(number: str | None, shown: str) -> None:
    assert mask_number(number) == shown
