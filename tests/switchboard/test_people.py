from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import text

from switchboard.errors import AuditBroken, NameTaken, UnknownAgent, WeakPassword
from switchboard.records import AgentRow, Records
from switchboard.records.database import Database
from tests.switchboard.conftest import quick_passwords

WANG = AgentRow(
    "v001",
    "王敏",
    "lawyer",
    district="jinjiang",
    languages=("zh", "en"),
    team="t1",
    licence_until=dt.date(2027, 3, 31),
    skills={"labour": 5, "debt": 2},
)


async def test_a_volunteer_is_stored_whole_and_replaced_whole(records: Records) -> None:
    await records.upsert_agent(WANG)
    assert await records.agent("v001") == WANG
    changed = AgentRow("v001", "王敏", "notary", skills={"debt": 3})
    await records.upsert_agent(changed)
    assert await records.agents() == [changed]
    assert await records.agent("v002") is None
    assert await records.people.remove_agent("v001")
    assert await records.agents() == []


def test_a_suspended_volunteer_or_one_whose_licence_ran_out_may_not_serve() -> None:
    assert WANG.may_serve(dt.date(2027, 3, 31))
    assert not WANG.may_serve(dt.date(2027, 4, 1))
    assert not AgentRow("v1", "x", "lawyer", suspended=True).may_serve(dt.date(2027, 1, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        AgentRow("v 1", "x", "lawyer"),
        AgentRow("v1", "", "lawyer"),
        AgentRow("v1", "x" * 81, "lawyer"),
        AgentRow("v1", "x", "lawyer", skills={"debt": 6}),
        AgentRow("v1", "x", "lawyer", team="\x00"),
    ],
)
async def test_a_row_that_cannot_be_a_volunteer_is_refused(sqlite_records: Records, wrong: AgentRow) -> None:
    with pytest.raises(ValueError, match=r"agent|skill"):
        await sqlite_records.upsert_agent(wrong)


async def test_only_the_right_password_of_an_enabled_account_signs_in(records: Records) -> None:
    await records.upsert_agent(WANG)
    account = await records.create_account("wangmin", "correct horse", "volunteer", "v001")
    assert await records.verify_password("wangmin", "correct horse") == account
    assert await records.verify_password("wangmin", "correct cart") is None
    assert await records.verify_password("nobody", "correct horse") is None
    assert await records.verify_password("x\x00y", "\ud800") is None
    assert await records.people.set_disabled("wangmin", True)
    assert await records.verify_password("wangmin", "correct horse") is None


async def test_a_new_password_ends_older_sessions(records: Records) -> None:
    before = await records.create_account("sun", "correct horse", "supervisor")
    assert await records.people.set_password("sun", "battery staple")
    after = await records.account("sun")
    assert after is not None
    assert after.epoch == before.epoch + 1
    assert await records.verify_password("sun", "correct horse") is None
    assert await records.verify_password("sun", "battery staple") == after
    assert not await records.people.set_password("nobody", "battery staple")


async def test_accounts_that_cannot_be_are_refused(records: Records) -> None:
    await records.create_account("sun", "correct horse", "supervisor")
    with pytest.raises(NameTaken):
        await records.create_account("sun", "correct horse", "supervisor")
    with pytest.raises(WeakPassword):
        await records.create_account("li", "short", "supervisor")
    with pytest.raises(WeakPassword):
        await records.create_account("li", "x" * 257, "supervisor")
    with pytest.raises(UnknownAgent):
        await records.create_account("li", "correct horse", "volunteer", "v009")
    with pytest.raises(ValueError, match="account"):
        await records.create_account("李", "correct horse", "volunteer")
    assert [account.name for account in await records.people.accounts()] == ["sun"]


async def test_the_audit_log_notices_one_changed_word(database_url: str) -> None:
    async with await Records.open(database_url, passwords=quick_passwords()) as records:
        for number in range(5):
            await records.audit("sun", "contact.read", f"c-{number}")
        assert await records.verify_audit() == 5
        with pytest.raises(ValueError, match="identifiers"):
            await records.audit("sun", "contact.read", "王敏 13812345678")
        database = Database(database_url)
        try:
            async with database.write() as connection:
                if database.is_sqlite:
                    await connection.execute(text("DROP TRIGGER audit_no_update"))
                else:
                    await connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
                await connection.execute(text("UPDATE audit SET object = 'c-9' WHERE id = 3"))
        finally:
            await database.close()
        with pytest.raises(AuditBroken, match="row 3"):
            await records.verify_audit()
