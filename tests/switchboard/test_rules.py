"""What is in force, and how a running node comes to know of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from switchboard.config import load_config
from switchboard.errors import ConfigurationError, RecordsAway
from switchboard.records import Records
from switchboard.rules import RuleBook, Rules, check, difference, follow, read_seeds

HOTLINE = ("hotline", "12348")


@pytest.fixture
async def book(records: Records) -> RuleBook:
    return RuleBook(records, read_seeds(load_config()))


async def publish(records: Records, book: RuleBook, name: str) -> int:
    seed = book.seed(*HOTLINE) or ""
    text = seed.replace('name_en = "Public legal service hotline"', f'name_en = "{name}"')
    draft = await records.save_draft(*HOTLINE, text, author="root")
    return (await book.publish(*HOTLINE, draft.number, author="root")).number


def test_the_seeds_of_this_program_can_be_published() -> None:
    for (kind, name), text in read_seeds(load_config()).items():
        assert check(kind, name, text) == []


async def test_what_is_published_is_taken_over_what_lies_on_disk(records: Records, book: RuleBook) -> None:
    assert (await book.in_force()).numbers_for("12348") == {"hotline": 0, "policy": 0, "calendar": 0}
    await publish(records, book, "Ours")
    now = await book.in_force()
    assert now.hotlines["12348"].name_en == "Ours"
    assert now.numbers_for("12348")["hotline"] == 1


async def test_a_node_takes_what_another_published_and_keeps_it_while_the_database_is_away(
    database_url: str, records: Records, book: RuleBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("switchboard.rules.LOOK_S", 0.01)
    taken: asyncio.Queue[Rules] = asyncio.Queue()
    async with await Records.open(database_url) as elsewhere:
        here = RuleBook(elsewhere, read_seeds(load_config()))
        node = asyncio.create_task(follow(here, await here.in_force(), taken.put_nowait))
        try:
            await publish(records, book, "One")
            async with asyncio.timeout(10):
                assert (await taken.get()).hotlines["12348"].name_en == "One"
            with monkeypatch.context() as away:

                async def no_answer(*_: object) -> bool:
                    raise RecordsAway

                away.setattr(here, "changed_since", no_answer)
                await publish(records, book, "Two")
                for _ in range(20):
                    await asyncio.sleep(0)
                assert taken.empty()
            async with asyncio.timeout(10):
                assert (await taken.get()).hotlines["12348"].name_en == "Two"
            assert not node.done()
        finally:
            node.cancel()
            await asyncio.gather(node, return_exceptions=True)


async def test_a_published_text_of_another_program_is_served_from_disk_and_named(
    records: Records, book: RuleBook
) -> None:
    draft = await records.save_draft(*HOTLINE, "of_the_future = 1", author="root")
    await records.publish(*HOTLINE, draft.number, author="root")
    now = await book.in_force()
    assert now.hotlines["12348"].name_zh == "公共法律服务热线"
    assert any("hotline 12348 1" in problem for problem in now.broken)


async def test_a_hotline_that_has_no_file_can_be_published(records: Records, book: RuleBook) -> None:
    text = (book.seed(*HOTLINE) or "").replace('"12348"', '"12345"')
    await records.save_draft("hotline", "12345", text, author="root")
    await book.publish("hotline", "12345", 1, author="root")
    assert set((await book.in_force()).hotlines) == {"12345", "12348"}
    assert await book.names("hotline") == ["12345", "12348"]


def test_a_difference_names_what_is_gone_and_what_is_new() -> None:
    assert difference("a\nb\nc", "a\nB\nc") == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert difference("a", "a") == []


def test_every_file_that_cannot_be_used_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('number = "1234"')
    (tmp_path / "b.toml").write_text("= 3")
    with pytest.raises(ConfigurationError) as told:
        read_seeds(load_config(hotline_dir=tmp_path, policy_file=tmp_path / "none.toml"))
    named = {problem.partition(":")[0] for problem in told.value.problems}
    assert named == {"a.toml", "b.toml", "none.toml"}
