"""The tables of papers, signatures and uploads. Files lie in the data directory, named by their SHA-256."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from switchboard.records.models import Base, Json, RowId


class PaperRow(Base):
    """A paper as it stands. ``head`` is the SHA-256 of its file and changes with each signature; ``revision`` counts
    the changes, ``noted`` is the last of them that stands among the contact's events."""

    __tablename__ = "papers"
    __table_args__ = (
        UniqueConstraint("contact", "key", name="papers_contact_key"),
        Index("papers_unnoted", "noted", "revision"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    contact: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(32))
    number: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    head: Mapped[str] = mapped_column(String(64))
    values: Mapped[str] = mapped_column(String(64))
    signers: Mapped[list[Any]] = mapped_column(Json)
    signed: Mapped[int] = mapped_column(Integer)
    revision: Mapped[int] = mapped_column(Integer)
    noted: Mapped[int] = mapped_column(Integer)
    place: Mapped[str] = mapped_column(String(200))
    made_by: Mapped[str] = mapped_column(String(64))
    made_ms: Mapped[int] = mapped_column(BigInteger)


class PaperStepRow(Base):
    """One change of a paper, append-only: made, signed, refused, withdrawn. ``base`` and ``head`` are the file before
    and after; ``strokes`` and ``binding`` name files: the handwriting, and what it was bound to."""

    __tablename__ = "paper_steps"
    __table_args__ = (UniqueConstraint("paper", "revision", name="paper_steps_revision"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    paper: Mapped[str] = mapped_column(ForeignKey("papers.id"))
    revision: Mapped[int] = mapped_column(Integer)
    how: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    base: Mapped[str] = mapped_column(String(64))
    head: Mapped[str] = mapped_column(String(64))
    identity: Mapped[str | None] = mapped_column(String(128))
    strokes: Mapped[str | None] = mapped_column(String(64))
    binding: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(1000))


class UploadRow(Base):
    """What somebody sent: made anew (``pages``, ``pdf``: files), or kept away from everybody (``refused``)."""

    __tablename__ = "uploads"
    __table_args__ = (Index("uploads_contact", "contact", "at_ms"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    contact: Mapped[str] = mapped_column(String(64))
    by: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(40))
    size: Mapped[int] = mapped_column(BigInteger)
    kept: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    pages: Mapped[list[Any]] = mapped_column(Json)
    pdf: Mapped[str | None] = mapped_column(String(64))
    refused: Mapped[str | None] = mapped_column(String(40))
    removed: Mapped[bool] = mapped_column(Boolean)
