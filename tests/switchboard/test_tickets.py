"""Tickets: whatever was saved stays, whoever saves again, late, or from another page; filed is filed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from switchboard.errors import TicketFiled, TicketMoved, TicketTooLong
from switchboard.records import Records, fold
from switchboard.records.tickets import MOST_BYTES, MOST_NOTE, Ticket, TicketText

MARKUP = "<img src=x onerror=alert(1)>\n'\"; DROP TABLE tickets; -- \u202e𠮷🙂"


async def save(
    records: Records, facts: str, revision: int, *, base: int = 0, writer: str = "page-1", agent: str = "v001"
) -> Ticket:
    text = TicketText(matter="labour", facts=facts)
    return await records.tickets.save(
        "c-1", agent, text, revision=revision, base=base, writer=writer, at_ms=1_000 + revision
    )


async def facts(records: Records, agent: str = "v001") -> str | None:
    kept = await records.tickets.of("c-1", agent)
    return kept.text.facts if kept else None


async def test_what_was_typed_is_there_again_letter_by_letter(records: Records) -> None:
    kept = await save(records, MARKUP, 1)
    assert (kept.revision, kept.saved_ms, kept.filed_ms) == (1, 1_001, None)
    assert await records.tickets.of("c-1", "v001") == kept
    assert await records.tickets.of("c-1", "v002") is None


async def test_a_ticket_begins_with_the_talk_and_beginning_twice_changes_nothing(records: Records) -> None:
    await records.tickets.begin("c-1", "v001", matter="labour", at_ms=5)
    await save(records, "写了", 1)
    await records.tickets.begin("c-1", "v001", matter="debt", at_ms=9)
    kept = await records.tickets.of("c-1", "v001")
    assert kept is not None
    assert (kept.text.facts, kept.text.matter, kept.begun_ms) == ("写了", "labour", 5)


async def test_a_save_that_comes_again_or_late_changes_nothing(records: Records) -> None:
    await save(records, "一", 1)
    await save(records, "三", 3)
    for revision in (1, 2, 3):
        kept = await save(records, "迟到的", revision)
        assert (kept.revision, kept.text.facts) == (3, "三")


async def test_another_page_goes_on_from_the_newest_only(records: Records) -> None:
    await save(records, "在家写的", 4)
    with pytest.raises(TicketMoved):
        await save(records, "没看到最新的", 9, base=3, writer="page-2")
    assert await facts(records) == "在家写的"
    kept = await save(records, "看到了再写", 1, base=4, writer="page-2")
    assert kept.revision == 5
    with pytest.raises(TicketMoved):
        await save(records, "旧页面", 6, base=4)


async def test_nobody_writes_on_a_filed_ticket(records: Records) -> None:
    await save(records, "写完", 1)
    await records.tickets.file("c-1", "v001", "debt", "advised", at_ms=7)
    await records.tickets.file("c-1", "v001", "labour", "no_need", at_ms=8)
    with pytest.raises(TicketFiled):
        await save(records, "再改", 2)
    kept = await records.tickets.of("c-1", "v001")
    assert kept is not None
    assert (kept.text.matter, kept.text.disposition, kept.text.facts, kept.filed_ms) == (
        "debt",
        "advised",
        "写完",
        7,
    )
    assert await records.tickets.open_of("v001") == []


async def test_a_second_talk_of_the_same_two_goes_on_with_the_ticket(records: Records) -> None:
    await save(records, "第一次", 1)
    await records.tickets.file("c-1", "v001", "debt", "advised", at_ms=7)
    await records.tickets.begin("c-1", "v001", matter="debt", at_ms=9)
    kept = await save(records, "第一次，又打来", 2)
    assert (kept.text.facts, kept.filed_ms) == ("第一次，又打来", None)
    await records.tickets.file("c-1", "v001", "debt", "advised", at_ms=12)
    assert await records.tickets.open_of("v001") == []


async def test_each_volunteer_of_a_contact_writes_their_own(records: Records) -> None:
    await save(records, "甲写的", 1)
    await save(records, "乙写的", 1, agent="v002")
    assert await facts(records) == "甲写的"
    assert {one.agent for one in await records.tickets.of_contact("c-1")} == {"v001", "v002"}
    assert [one.agent for one in await records.tickets.open_of("v002")] == ["v002"]


async def test_a_long_ticket_is_kept_and_a_longer_one_refused_whole(records: Records) -> None:
    await save(records, "字" * 33_000, 1)
    with pytest.raises(TicketTooLong):
        await save(records, "字" * (MOST_BYTES // 3 + 1), 2)
    assert len(await facts(records) or "") == 33_000


async def test_saves_in_any_order_at_once_keep_the_newest(records: Records) -> None:
    await asyncio.gather(*(save(records, str(revision), revision) for revision in (3, 1, 5, 2, 4)))
    kept = await records.tickets.of("c-1", "v001")
    assert kept is not None
    assert (kept.revision, kept.text.facts) == (5, "5")


def test_the_note_of_a_record_is_what_was_typed_and_has_an_end() -> None:
    assert TicketText().note() == ""
    assert (
        TicketText(name="王女士", facts=" 欠薪 ", follow_up="周五回电").note() == "情况：欠薪\n跟进：周五回电"
    )
    note = TicketText(facts="字" * 10_000).note()
    assert (len(note), note[-1]) == (MOST_NOTE, "…")


def test_one_changed_letter_changes_the_digest() -> None:
    one, other = TicketText(facts="甲", advice=""), TicketText(facts="", advice="甲")
    assert one.digest() == TicketText(facts="甲").digest() != other.digest()


async def call(records: Records, *agents: str) -> None:
    await records.append("c-1", "arrived", medium="call", caller="13812345678")
    for agent in agents:
        await records.append("c-1", "connected", agent=agent)
        await records.append("c-1", "disconnected", by="agent")
    await records.append("c-1", "ended", reason="completed", by="caller")


async def test_a_ticket_finished_later_gives_the_record_its_outcome(records: Records) -> None:
    await call(records, "v001")
    await records.append("c-1", "wrapped_up", key="wrapped_up:v001", agent="v001")
    found = await records.contact("c-1")
    assert found is not None
    assert (found[0].final, found[0].disposition) == (True, None)
    done: dict[str, Any] = {"agent": "v001", "matter": "debt", "disposition": "advised", "note": "后来写的"}
    await records.append("c-1", "ticket_filed", key="ticket_filed:v001", **done)
    found = await records.contact("c-1")
    assert found is not None
    record = found[0]
    assert (record.final, record.matter, record.disposition, record.note) == (
        True,
        "debt",
        "advised",
        "后来写的",
    )
    assert record == fold(found[1])


async def test_a_ticket_finished_later_closes_a_record_that_waited_for_it(records: Records) -> None:
    await call(records, "v001")
    await records.append("c-1", "ticket_filed", agent="v001", disposition="advised")
    assert await records.open_contacts() == []


async def test_whoever_talked_last_has_the_last_word_on_the_outcome(records: Records) -> None:
    await call(records, "v001", "v002")
    await records.append("c-1", "wrapped_up", agent="v002", disposition="mediation", note="最后的")
    await records.append("c-1", "ticket_filed", agent="v001", disposition="advised", note="先前的")
    found = await records.contact("c-1")
    assert found is not None
    assert (found[0].final, found[0].disposition, found[0].note) == (True, "mediation", "最后的")
