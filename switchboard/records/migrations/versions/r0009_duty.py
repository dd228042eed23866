"""Shifts and their swaps, calls for help, objections to a rating, and whose doing each event was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _shifts()
    _help_calls()
    op.add_column("contacts", sa.Column("appeal", sa.String(16)))
    op.create_index("contacts_appeal", "contacts", ["appeal", "arrived_ms"])
    op.add_column("contact_events", sa.Column("agent", sa.String(64)))
    _name_agents_of_old_events()
    op.create_index("contact_events_agent_at", "contact_events", ["agent", "at_ms"])


def _shifts() -> None:
    op.create_table(
        "shifts",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("matter", sa.String(64)),
        sa.Column("role", sa.String(64)),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("begun_ms", sa.BigInteger()),
        sa.Column("removed_ms", sa.BigInteger()),
    )
    op.create_index("shifts_agent_from", "shifts", ["agent", "from_ms"])
    op.create_index("shifts_from", "shifts", ["from_ms", "id"])
    op.create_table(
        "shift_swaps",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("shift", _ROW_ID, sa.ForeignKey("shifts.id"), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("text", sa.String(1000), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(64)),
        sa.Column("decided_ms", sa.BigInteger()),
        sa.Column("to_agent", sa.String(64)),
        sa.Column("note", sa.String(1000), nullable=False),
    )
    open_only = sa.text("state = 'open'")
    op.create_index(
        "shift_swaps_open",
        "shift_swaps",
        ["shift"],
        unique=True,
        sqlite_where=open_only,
        postgresql_where=open_only,
    )
    op.create_index("shift_swaps_asked", "shift_swaps", ["asked_ms"])


def _help_calls() -> None:
    op.create_table(
        "help_calls",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("team", sa.String(64)),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_by", sa.String(64)),
        sa.Column("seen_ms", sa.BigInteger()),
        sa.Column("closed_by", sa.String(64)),
        sa.Column("closed_ms", sa.BigInteger()),
        sa.Column("note", sa.String(2000), nullable=False),
    )
    open_only = sa.text("closed_ms IS NULL")
    op.create_index(
        "help_calls_open",
        "help_calls",
        ["agent"],
        unique=True,
        sqlite_where=open_only,
        postgresql_where=open_only,
    )
    op.create_index("help_calls_asked", "help_calls", ["asked_ms"])
    op.create_index("help_calls_closed", "help_calls", ["closed_ms"])


def _name_agents_of_old_events() -> None:
    """The column repeats what each event's data says; the events themselves are not touched."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE contact_events DISABLE TRIGGER contact_events_append_only")
        op.execute("UPDATE contact_events SET agent = data->>'agent' WHERE data->>'agent' IS NOT NULL")
        op.execute("ALTER TABLE contact_events ENABLE TRIGGER contact_events_append_only")
        return
    op.execute("DROP TRIGGER contact_events_no_update")
    op.execute("UPDATE contact_events SET agent = json_extract(data, '$.agent')")
    op.execute(
        "CREATE TRIGGER contact_events_no_update BEFORE UPDATE ON contact_events "
        "BEGIN SELECT RAISE(ABORT, 'contact_events is append-only'); END"
    )


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")
