"""The clinic: cases with their events, held times, feeds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from switchboard.records.migrations.append_only import append_only

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "clinic_cases",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("number", sa.String(16)),
        sa.Column("open_key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_ms", sa.BigInteger()),
        sa.Column("due_ms", sa.BigInteger()),
        sa.Column("agent", sa.String(64)),
        sa.Column("terminal", sa.String(64)),
        sa.Column("parent", sa.String(64)),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("value", _JSON, nullable=False),
        sa.UniqueConstraint("number", name="clinic_cases_number"),
        sa.UniqueConstraint("open_key", name="clinic_cases_open_key"),
    )
    op.create_index("clinic_cases_kind_state", "clinic_cases", ["kind", "state", "due_ms"])
    op.create_index("clinic_cases_agent", "clinic_cases", ["agent", "kind", "from_ms"])
    op.create_index("clinic_cases_terminal", "clinic_cases", ["terminal", "kind", "from_ms"])
    op.create_index("clinic_cases_parent", "clinic_cases", ["parent"])
    op.create_table(
        "clinic_events",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.UniqueConstraint("case_id", "seq", name="clinic_events_case_seq"),
        sa.UniqueConstraint("case_id", "key", name="clinic_events_case_key"),
    )
    append_only("clinic_events")
    op.create_table(
        "clinic_holds",
        sa.Column("resource", sa.String(80), primary_key=True),
        sa.Column("quarter_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(64), nullable=False),
    )
    op.create_index("clinic_holds_case", "clinic_holds", ["case_id"])
    op.create_table(
        "clinic_feeds",
        sa.Column("subject", sa.String(80), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("token_hash"),
    )


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")
