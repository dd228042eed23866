"""Volunteers' own telephones: number, PIN, and who serves by telephone now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_phones",
        sa.Column("agent", sa.String(64), sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("pin_hash", sa.String(256)),
        sa.Column("duty", sa.String(8)),
        sa.UniqueConstraint("number", name="agent_phones_number"),
    )


def downgrade() -> None:
    op.drop_table("agent_phones")
