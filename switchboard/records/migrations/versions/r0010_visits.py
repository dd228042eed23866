"""Visits: terminals, video rooms with what happened in them, and links into a room."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from switchboard.records.migrations.append_only import append_only

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("contacts", sa.Column("terminal", sa.String(64)))
    op.create_table(
        "terminals",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("village", sa.String(80), nullable=False),
        sa.Column("district", sa.String(64)),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("code_hash", sa.String(64)),
        sa.Column("code_until_ms", sa.BigInteger()),
        sa.Column("paired_ms", sa.BigInteger()),
        sa.Column("seen_ms", sa.BigInteger()),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("token_hash", name="terminals_token"),
        sa.UniqueConstraint("code_hash", name="terminals_code"),
    )
    _rooms()
    append_only("room_events")


def _rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("reason", sa.String(40)),
        sa.Column("state", _JSON),
    )
    op.create_index("rooms_contact", "rooms", ["contact"])
    op.create_index("rooms_ended", "rooms", ["ended_ms"])
    op.create_table(
        "room_events",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("room", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("data", _JSON, nullable=False),
    )
    op.create_index("room_events_room", "room_events", ["room", "id"])
    op.create_table(
        "room_links",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("room", sa.String(64), nullable=False),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger()),
    )
    op.create_index("room_links_room", "room_links", ["room"])


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")
