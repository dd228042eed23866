"""Consent, information, transfers, follow-ups and pauses of a contact; callers known by their number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("contacts", sa.Column("consent", sa.Boolean()))
    op.add_column("contacts", sa.Column("information", sa.String(64)))
    op.add_column("contacts", sa.Column("transferred_to", sa.String(64)))
    op.add_column("contacts", sa.Column("follow_up", sa.String(16)))
    op.add_column("contacts", sa.Column("pauses", _JSON, nullable=False, server_default="[]"))
    op.create_index("contacts_follow_up", "contacts", ["follow_up", "arrived_ms"])
    op.create_table(
        "known_callers",
        sa.Column("number", sa.String(32), primary_key=True),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("added_by", sa.String(64), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")
