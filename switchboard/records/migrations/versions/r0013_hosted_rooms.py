"""Rooms that staff open by themselves, the codes by which telephones come in, and links that name who they are for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "hosted_rooms",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("staff", _JSON, nullable=False),
        sa.Column("records", sa.Boolean(), nullable=False),
        sa.Column("recording", sa.String(8), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("contact", name="hosted_rooms_contact"),
    )
    op.create_table(
        "room_codes",
        sa.Column("code", sa.String(12), primary_key=True),
        sa.Column("room", sa.String(64), nullable=False),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64)),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("room", name="room_codes_room"),
    )
    op.add_column("room_links", sa.Column("person", sa.String(64)))
    op.add_column("room_links", sa.Column("shown", sa.String(64)))


def downgrade() -> None:
    op.drop_column("room_links", "shown")
    op.drop_column("room_links", "person")
    op.drop_table("room_codes")
    op.drop_table("hosted_rooms")
