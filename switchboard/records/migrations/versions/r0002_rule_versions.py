"""Versions of the rules: hotlines, routing policy, calendar."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FIXED = ("kind", "name", "number", "text", "author", "note", "created_ms", "base")


def upgrade() -> None:
    op.create_table(
        "rule_versions",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("published_ms", sa.BigInteger()),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("restores", sa.Integer()),
        sa.UniqueConstraint("kind", "name", "number", name="rule_versions_number"),
    )
    in_force = sa.text("state = 'published'")
    op.create_index(
        "rule_versions_in_force",
        "rule_versions",
        ["kind", "name"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    if op.get_bind().dialect.name == "postgresql":
        _keep_postgresql()
    else:
        _keep_sqlite()


def downgrade() -> None:
    raise NotImplementedError("what was once in force is never taken away by a program")


def _keep_sqlite() -> None:
    """What was written stays as it was written; only the state moves on."""
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _FIXED)
    op.execute(
        "CREATE TRIGGER rule_versions_no_delete BEFORE DELETE ON rule_versions "
        "BEGIN SELECT RAISE(ABORT, 'rule_versions are never deleted'); END"
    )
    op.execute(
        f"CREATE TRIGGER rule_versions_no_change BEFORE UPDATE ON rule_versions WHEN {changed} "
        "BEGIN SELECT RAISE(ABORT, 'rule_versions are never changed'); END"
    )


def _keep_postgresql() -> None:
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _FIXED)
    op.execute(
        "CREATE TRIGGER rule_versions_no_delete BEFORE DELETE OR TRUNCATE ON rule_versions "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER rule_versions_no_change BEFORE UPDATE ON rule_versions "
        f"FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION refuse_change()"
    )
