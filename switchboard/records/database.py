"""One database, two kinds: SQLite in a file by default, PostgreSQL through psycopg 3 in production."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from switchboard.errors import RecordsAway
from switchboard.records import migrations

_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # an acknowledged event survives a power cut
    "busy_timeout=10000",
    "foreign_keys=ON",
    "recursive_triggers=ON",  # else INSERT OR REPLACE deletes without asking the append-only triggers
)
_POSTGRESQL_ARGS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # a network that swallows packets must not hold the writer for minutes
    "options": "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000",
}


def database_url(given: str) -> URL:
    """``sqlite:///file``, ``postgresql://...`` or a plain file name, with the driver we use."""
    if not re.match(r"[a-z][a-z0-9+]*://", given):
        return URL.create("sqlite+aiosqlite", database=given)
    url = make_url(given)
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise ValueError(f"not a database we know: {url.get_backend_name()}")


def is_away(error: BaseException) -> bool:
    """Whether the database failed us for a reason that may pass: trying again later is right."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError | TimeoutError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


class Database:
    """Connections to one database. ``read`` and ``write`` are transactions; both raise RecordsAway."""

    def __init__(self, url: str) -> None:
        self.url = database_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self.url) if self.is_sqlite else _postgresql_engine(self.url)
        self._writing = self._engine.execution_options(writes=True)

    async def upgrade(self) -> None:
        """Brings the schema to this program's revision."""
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        async with self._writing.begin() as connection:
            await connection.run_sync(migrations.upgrade)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _away():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, rolls back on any exception."""
        with _away():
            async with self._writing.begin() as connection:
                yield connection

    async def ping(self) -> None:
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()


class _away:
    """Turns the many errors of a database that does not answer into RecordsAway."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None and is_away(error):
            raise RecordsAway(type(error).__name__) from error


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=4, max_overflow=4, pool_timeout=10, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver's own way leaves DDL outside
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins as a reader and then writes fails at once when another has written
        # meanwhile.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: URL) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=5,
        max_overflow=10,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,  # the text of an error is logged, and parameters are names and numbers
        connect_args=_POSTGRESQL_ARGS,
    )
