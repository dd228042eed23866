"""The tables of the clinic: cases of every kind, their events, the times that are held, and feeds by token.

``clinic_events`` is append-only; ``clinic_cases`` is the value after the newest event, written in the same transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from switchboard.records.models import Base, Json, RowId


class ClinicCaseRow(Base):
    """``number`` is what a person is told, ``open_key`` the digest of what began it; times are for lists only."""

    __tablename__ = "clinic_cases"
    __table_args__ = (
        UniqueConstraint("number", name="clinic_cases_number"),
        UniqueConstraint("open_key", name="clinic_cases_open_key"),
        Index("clinic_cases_kind_state", "kind", "state", "due_ms"),
        Index("clinic_cases_agent", "agent", "kind", "from_ms"),
        Index("clinic_cases_terminal", "terminal", "kind", "from_ms"),
        Index("clinic_cases_parent", "parent"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    number: Mapped[str | None] = mapped_column(String(16))
    open_key: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(32))
    revision: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    opened_ms: Mapped[int] = mapped_column(BigInteger)
    changed_ms: Mapped[int] = mapped_column(BigInteger)
    from_ms: Mapped[int | None] = mapped_column(BigInteger)
    due_ms: Mapped[int | None] = mapped_column(BigInteger)
    agent: Mapped[str | None] = mapped_column(String(64))
    terminal: Mapped[str | None] = mapped_column(String(64))
    parent: Mapped[str | None] = mapped_column(String(64))
    demo: Mapped[bool] = mapped_column(Boolean)
    value: Mapped[dict[str, Any]] = mapped_column(Json)


class ClinicEventRow(Base):
    """``digest`` binds an event to the one before it; ``data`` holds no name, number or telephone."""

    __tablename__ = "clinic_events"
    __table_args__ = (
        UniqueConstraint("case_id", "seq", name="clinic_events_case_seq"),
        UniqueConstraint("case_id", "key", name="clinic_events_case_key"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    case_id: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    verb: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(80))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    digest: Mapped[str] = mapped_column(String(64))


class ClinicHoldRow(Base):
    """A quarter of an hour of somebody or something: the key makes holding it twice impossible."""

    __tablename__ = "clinic_holds"
    __table_args__ = (Index("clinic_holds_case", "case_id"),)

    resource: Mapped[str] = mapped_column(String(80), primary_key=True)
    quarter_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    case_id: Mapped[str] = mapped_column(String(64))


class ClinicFeedRow(Base):
    """Whose calendar a token opens (``agent/...``, ``terminal/...``); kept as a digest only."""

    __tablename__ = "clinic_feeds"

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_ms: Mapped[int] = mapped_column(BigInteger)
