from __future__ import annotations

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from switchboard.records.database import Database
from switchboard.records.migrations import config, newest
from switchboard.records.models import Base


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


async def test_migrations_make_exactly_the_tables_of_the_models(database_url: str) -> None:
    database = Database(database_url)
    try:
        await database.upgrade()
        async with database.read() as connection:
            assert await connection.run_sync(_differences) == []
    finally:
        await database.close()


async def test_nodes_that_start_together_upgrade_once(database_url: str) -> None:
    nodes = [Database(database_url) for _ in range(4)]
    try:
        await asyncio.gather(*(node.upgrade() for node in nodes))
        await nodes[0].upgrade()
    finally:
        for node in nodes:
            await node.close()


async def test_the_newest_revision_is_known_without_loading_alembic(database_url: str) -> None:
    database = Database(database_url)
    try:
        await database.upgrade()
        async with database.read() as connection:
            made = await connection.run_sync(
                lambda sync: ScriptDirectory.from_config(config(sync)).get_heads()
            )
    finally:
        await database.close()
    assert made == [newest()]
