"""Versions of the rules in SQL, on both databases."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from switchboard.errors import NothingEarlier, NotThere, VersionMoved
from switchboard.records import Records
from switchboard.records.database import Database
from tests.switchboard.conftest import quick_passwords

HOTLINE = ("hotline", "12348")


async def published(records: Records, body: str, author: str = "root") -> int:
    draft = await records.save_draft(*HOTLINE, body, author=author)
    return (await records.publish(*HOTLINE, draft.number, author=author)).number


async def test_a_draft_is_in_force_only_after_it_is_published(records: Records) -> None:
    draft = await records.save_draft(*HOTLINE, "a = 1", author="root", note="first")
    assert (draft.number, draft.state, draft.published_ms) == (1, "draft", None)
    assert await records.published("hotline") == {}
    done = await records.publish(*HOTLINE, 1, author="root")
    assert (done.state, done.text, done.note) == ("published", "a = 1", "first")
    assert done.published_ms is not None
    assert await records.published("hotline") == {"12348": done}
    assert await records.published("policy") == {}


async def test_publishing_retires_the_one_before_and_deletes_nothing(records: Records) -> None:
    await published(records, "a = 1")
    await published(records, "a = 2")
    found = await records.versions(*HOTLINE)
    assert [(one.number, one.state, one.text) for one in found] == [
        (2, "published", "a = 2"),
        (1, "retired", "a = 1"),
    ]


async def test_numbers_grow_for_each_name_by_itself(records: Records) -> None:
    await published(records, "a = 1")
    other = await records.save_draft("hotline", "12345", "b = 1", author="root")
    policy = await records.save_draft("policy", "policy", "c = 1", author="root")
    assert (other.number, policy.number) == (1, 1)


async def test_publishing_what_is_in_force_changes_nothing(records: Records) -> None:
    number = await published(records, "a = 1")
    before = await records.versions(*HOTLINE)
    assert (await records.publish(*HOTLINE, number, author="another")) == before[0]
    assert await records.versions(*HOTLINE) == before


async def test_a_draft_begun_before_another_was_published_is_refused(records: Records) -> None:
    late = await records.save_draft(*HOTLINE, "a = 1", author="slow")
    await published(records, "a = 2", author="quick")
    with pytest.raises(VersionMoved) as told:
        await records.publish(*HOTLINE, late.number, author="slow")
    assert told.value.now == 2
    assert (await records.published("hotline"))["12348"].text == "a = 2"


async def test_what_the_author_looked_at_counts_not_what_is_there_when_saving(records: Records) -> None:
    await published(records, "a = 1")
    await published(records, "a = 2")
    late = await records.save_draft(*HOTLINE, "a = 3", author="slow", base=1)
    with pytest.raises(VersionMoved):
        await records.publish(*HOTLINE, late.number, author="slow")


async def test_of_two_who_publish_at_once_one_wins_and_the_other_is_told(database_url: str) -> None:
    one = await Records.open(database_url, passwords=quick_passwords())
    two = await Records.open(database_url, passwords=quick_passwords())
    async with one, two:
        drafts = [await one.save_draft(*HOTLINE, f"a = {n}", author=f"admin{n}") for n in range(8)]
        done = await asyncio.gather(
            *(
                (one, two)[n % 2].publish(*HOTLINE, draft.number, author=draft.author)
                for n, draft in enumerate(drafts)
            ),
            return_exceptions=True,
        )
        told = [outcome for outcome in done if isinstance(outcome, VersionMoved)]
        assert len(told) == 7
        states = [version.state for version in await one.versions(*HOTLINE)]
        assert sorted(states) == ["draft"] * 7 + ["published"]


async def test_rolling_back_publishes_the_text_before_under_a_new_number(records: Records) -> None:
    await published(records, "a = 1")
    await published(records, "a = 2")
    again = await records.roll_back(*HOTLINE, author="root")
    assert (again.number, again.text, again.restores, again.state) == (3, "a = 1", 1, "published")
    assert (await records.published("hotline"))["12348"] == again


async def test_rolling_back_twice_goes_back_twice_and_then_to_the_file_on_disk(records: Records) -> None:
    for n in (1, 2, 3):
        await published(records, f"a = {n}")
    texts = [(await records.roll_back(*HOTLINE, author="root", seed="seed = 1")).text for _ in range(3)]
    assert texts == ["a = 2", "a = 1", "seed = 1"]
    with pytest.raises(NothingEarlier):
        await records.roll_back(*HOTLINE, author="root", seed="seed = 1")


async def test_a_roll_back_of_another_version_than_was_seen_is_refused(records: Records) -> None:
    await published(records, "a = 1")
    await published(records, "a = 2")
    await records.roll_back(*HOTLINE, author="root", over=2)
    with pytest.raises(VersionMoved):  # a second click, or a second administrator
        await records.roll_back(*HOTLINE, author="root", over=2)


async def test_nothing_published_or_no_file_is_nothing_to_go_back_to(records: Records) -> None:
    with pytest.raises(NothingEarlier):
        await records.roll_back(*HOTLINE, author="root", seed="seed = 1")
    await published(records, "a = 1")
    with pytest.raises(NothingEarlier):
        await records.roll_back(*HOTLINE, author="root")


async def test_unknown_versions_and_impossible_texts_are_refused(records: Records) -> None:
    with pytest.raises(NotThere):
        await records.publish(*HOTLINE, 7, author="root")
    for wrong in ("x" * (64 * 1024 + 1), "汉" * (22 * 1024), "a\x00", "\ud800"):
        with pytest.raises(ValueError, match="64 KB"):
            await records.save_draft(*HOTLINE, wrong, author="root")
    with pytest.raises(ValueError, match="identifiers"):
        await records.save_draft("hotline", "12348; DROP", "a = 1", author="root")
    assert await records.versions(*HOTLINE) == []


async def test_every_step_leaves_an_audit_row(records: Records) -> None:
    await published(records, "a = 1")
    await published(records, "a = 2")
    await records.roll_back(*HOTLINE, author="root")
    assert await records.verify_audit() == 5


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM rule_versions",
        "UPDATE rule_versions SET text = 'b'",
        "UPDATE rule_versions SET number = 9",
    ],
)
async def test_the_database_itself_keeps_what_was_written(
    records: Records, database_url: str, change: str
) -> None:
    await published(records, "a = 1")
    database = Database(database_url)
    try:
        with pytest.raises(DBAPIError, match=r"rule_versions"):
            async with database.write() as connection:
                await connection.execute(text(change))
    finally:
        await database.close()
    assert (await records.published("hotline"))["12348"].text == "a = 1"


async def test_the_database_itself_lets_one_version_be_in_force(records: Records, database_url: str) -> None:
    await published(records, "a = 1")
    await published(records, "a = 2")
    database = Database(database_url)
    try:
        with pytest.raises(DBAPIError):
            async with database.write() as connection:
                await connection.execute(text("UPDATE rule_versions SET state = 'published'"))
    finally:
        await database.close()
