"""Contacts, their events, people, accounts and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_APPEND_ONLY = ("contact_events", "audit")


def upgrade() -> None:
    _contact_events()
    _contacts()
    _people()
    _audit()
    if op.get_bind().dialect.name == "postgresql":
        _refuse_changes_postgresql()
    else:
        _refuse_changes_sqlite()


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")


def _contact_events() -> None:
    op.create_table(
        "contact_events",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("tick_ms", sa.BigInteger()),
        sa.Column("clock", sa.String(36)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.UniqueConstraint("contact", "seq", name="contact_events_contact_seq"),
        sa.UniqueConstraint("contact", "key", name="contact_events_contact_key"),
    )


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("medium", sa.String(64)),
        sa.Column("hotline", sa.String(32)),
        sa.Column("caller", sa.String(64)),
        sa.Column("channel", sa.String(128)),
        sa.Column("language", sa.String(64)),
        sa.Column("matter", sa.String(64)),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("priority_reason", sa.String(200)),
        sa.Column("intake_how", sa.String(64)),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("entry", sa.String(64)),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger()),
        sa.Column("connected_ms", sa.BigInteger()),
        sa.Column("disconnected_ms", sa.BigInteger()),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("wait_ms", sa.BigInteger()),
        sa.Column("talk_ms", sa.BigInteger()),
        sa.Column("agent", sa.String(64)),
        sa.Column("reservation", sa.BigInteger()),
        sa.Column("reserved_agent", sa.String(64)),
        sa.Column("reservations", sa.Integer(), nullable=False),
        sa.Column("disconnected_by", sa.String(16)),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("ended_by", sa.String(16)),
        sa.Column("hangup_cause", sa.Integer()),
        sa.Column("survey", _JSON, nullable=False),
        sa.Column("disposition", sa.String(64)),
        sa.Column("note", sa.Text()),
        sa.Column("recordings", _JSON, nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
    )
    op.create_index("contacts_arrived", "contacts", ["arrived_ms", "id"])
    op.create_index("contacts_agent_arrived", "contacts", ["agent", "arrived_ms"])
    op.create_index("contacts_caller", "contacts", ["caller", "arrived_ms"])
    op.create_index("contacts_final", "contacts", ["final", "arrived_ms"])


def _people() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("district", sa.String(64)),
        sa.Column("languages", _JSON, nullable=False),
        sa.Column("team", sa.String(64)),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("licence_until", sa.Date()),
        sa.Column("demo", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "agent_skills",
        sa.Column("agent", sa.String(64), sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("matter", sa.String(64), primary_key=True),
        sa.Column("level", sa.Integer(), nullable=False),
    )
    op.create_table(
        "agent_states",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("agent_states_agent_at", "agent_states", ["agent", "at_ms"])
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("password_hash", sa.String(256), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("agent_id", sa.String(64), sa.ForeignKey("agents.id", ondelete="SET NULL")),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("object", sa.String(128)),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )


def _refuse_changes_sqlite() -> None:
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _refuse_changes_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
