"""Papers with the steps of each, and what citizens have sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from switchboard.records.migrations.append_only import append_only

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "papers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("number", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("values", sa.String(64), nullable=False),
        sa.Column("signers", _JSON, nullable=False),
        sa.Column("signed", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("noted", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(200), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("contact", "key", name="papers_contact_key"),
    )
    op.create_index("papers_unnoted", "papers", ["noted", "revision"])
    _steps()
    _uploads()


def _steps() -> None:
    op.create_table(
        "paper_steps",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("paper", sa.String(64), sa.ForeignKey("papers.id"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.String(64), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("identity", sa.String(128)),
        sa.Column("strokes", sa.String(64)),
        sa.Column("binding", sa.String(64)),
        sa.Column("reason", sa.String(1000)),
        sa.UniqueConstraint("paper", "revision", name="paper_steps_revision"),
    )
    append_only("paper_steps")


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pages", _JSON, nullable=False),
        sa.Column("pdf", sa.String(64)),
        sa.Column("refused", sa.String(40)),
        sa.Column("removed", sa.Boolean(), nullable=False),
    )
    op.create_index("uploads_contact", "uploads", ["contact", "at_ms"])


def downgrade() -> None:
    raise NotImplementedError("the log of what happened is never taken away by a program")
