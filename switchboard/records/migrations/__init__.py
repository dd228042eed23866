"""Brings a database to the schema of this program. Run at every start; safe from several nodes at once."""

from __future__ import annotations

import logging
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from switchboard.records.migrations import versions

_LOCK = 12348

if TYPE_CHECKING:
    from alembic.config import Config

# A dozen lines at every start that say nothing. Some come at the import, hence the imports further down.
logging.getLogger("alembic").setLevel(logging.WARNING)


def config(connection: Connection) -> Config:
    """An alembic configuration without a file: the scripts lie in this package, wherever it is installed."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", "switchboard.records:migrations")
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def newest() -> str:
    """The revision of this program, by the names of its files."""
    return max(module.name.partition("_")[0].removeprefix("r") for module in iter_modules(versions.__path__))


def _is_there(connection: Connection) -> bool:
    """Whether there is nothing to do, as at nearly every start: alembic itself takes a third of a second to load."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [newest()]


def upgrade(connection: Connection) -> None:
    """Upgrades to the newest revision, inside the transaction that ``connection`` is in."""
    if _is_there(connection):
        return
    from alembic import command

    if connection.dialect.name == "postgresql":
        # A second node waits here and then finds nothing to do. On SQLite the transaction is already the only
        # writer.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    command.upgrade(config(connection), "head")
