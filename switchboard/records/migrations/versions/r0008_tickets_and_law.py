"""What volunteers write about their contacts, and the collection of law."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("contact", sa.String(64), primary_key=True),
        sa.Column("agent", sa.String(64), primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("writer", sa.String(64), nullable=False),
        sa.Column("matter", sa.String(64), nullable=False),
        sa.Column("disposition", sa.String(64), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("district", sa.String(80), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("follow_up", sa.Text(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("saved_ms", sa.BigInteger()),
        sa.Column("filed_ms", sa.BigInteger()),
    )
    op.create_index("tickets_open", "tickets", ["agent", "filed_ms", "begun_ms"])
    _law()


def _law() -> None:
    op.create_table(
        "law_generations",
        sa.Column("generation", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("articles", sa.Integer(), nullable=False),
        sa.Column("in_use_ms", sa.BigInteger()),
    )
    op.create_table(
        "law_articles",
        sa.Column("generation", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("law", sa.String(100), nullable=False),
        sa.Column("article", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("effective", sa.Date()),
        sa.Column("source", sa.String(300), nullable=False),
        sa.Column("imported_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("law_articles_number", "law_articles", ["generation", "number"])
    op.create_table(
        "law_grams",
        sa.Column("generation", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("gram", sa.String(16), primary_key=True),
        sa.Column("postings", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("what was written about a caller is never taken away by a program")
