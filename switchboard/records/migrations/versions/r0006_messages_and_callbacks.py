"""What messages and call-backs need: where they come from, when they are due, the code, the attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("origin", sa.String(64)))
    op.add_column("contacts", sa.Column("due_ms", sa.BigInteger()))
    op.add_column("contacts", sa.Column("next_ms", sa.BigInteger()))
    op.add_column("contacts", sa.Column("code", sa.String(12)))
    op.add_column("contacts", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("contacts_code", "contacts", ["code"])


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")
