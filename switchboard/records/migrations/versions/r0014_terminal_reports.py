"""What each terminal says of itself, and calls for help at it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PARTS = ("camera", "microphone", "speaker", "printer", "network")


def upgrade() -> None:
    op.create_table(
        "terminal_reports",
        sa.Column("terminal", sa.String(64), primary_key=True),
        sa.Column("at_ms", sa.BigInteger()),
        *(sa.Column(part, sa.String(16), nullable=False) for part in PARTS),
        sa.Column("version", sa.String(120), nullable=False),
        sa.Column("help_ms", sa.BigInteger()),
        sa.Column("help_why", sa.String(16)),
        sa.Column("help_seen_by", sa.String(64)),
        sa.Column("help_seen_ms", sa.BigInteger()),
    )


def downgrade() -> None:
    op.drop_table("terminal_reports")
