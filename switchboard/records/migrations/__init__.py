"""Brings a database to the schema of this program. Run at every start; safe from several nodes at once."""

from __future__ import annotations

import logging

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

_LOCK = 12348

logging.getLogger("alembic").setLevel(logging.WARNING)  # a dozen lines at every start that say nothing


def config(connection: Connection) -> Config:
    """An alembic configuration without a file: the scripts lie in this package, wherever it is installed."""
    made = Config()
    made.set_main_option("script_location", "switchboard.records:migrations")
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def upgrade(connection: Connection) -> None:
    """Upgrades to the newest revision, inside the transaction that ``connection`` is in."""
    if connection.dialect.name == "postgresql":
        # A second node waits here and then finds nothing to do. On SQLite the transaction is already the only
        # writer.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    command.upgrade(config(connection), "head")
