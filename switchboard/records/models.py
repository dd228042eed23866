"""The tables. Nothing creates them but the migrations; a test holds the two against each other.

``contact_events`` and ``audit`` are append-only: triggers (in the migrations) refuse UPDATE and DELETE.
``contacts`` is the folded row of each contact, written in the same transaction as the event that changed it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = JSON().with_variant(JSONB(), "postgresql")
RowId = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts by itself only in an INTEGER key


class Base(DeclarativeBase):
    pass


class ContactEventRow(Base):
    __tablename__ = "contact_events"
    __table_args__ = (
        UniqueConstraint("contact", "seq", name="contact_events_contact_seq"),
        UniqueConstraint("contact", "key", name="contact_events_contact_key"),
        Index("contact_events_agent_at", "agent", "at_ms"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    contact: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    tick_ms: Mapped[int | None] = mapped_column(BigInteger)
    clock: Mapped[str | None] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(128))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    agent: Mapped[str | None] = mapped_column(String(64))
    """The volunteer that ``data`` names, to find the events of one volunteer."""


class ContactRow(Base):
    """The columns are the fields of ``fold.ContactRecord``, name by name."""

    __tablename__ = "contacts"
    __table_args__ = (
        Index("contacts_arrived", "arrived_ms", "id"),
        Index("contacts_agent_arrived", "agent", "arrived_ms"),
        Index("contacts_caller", "caller", "arrived_ms"),
        Index("contacts_final", "final", "arrived_ms"),
        Index("contacts_code", "code"),
        Index("contacts_follow_up", "follow_up", "arrived_ms"),
        Index("contacts_appeal", "appeal", "arrived_ms"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    medium: Mapped[str | None] = mapped_column(String(64))
    hotline: Mapped[str | None] = mapped_column(String(32))
    caller: Mapped[str | None] = mapped_column(String(64))
    channel: Mapped[str | None] = mapped_column(String(128))
    language: Mapped[str | None] = mapped_column(String(64))
    matter: Mapped[str | None] = mapped_column(String(64))
    priority: Mapped[int] = mapped_column(Integer)
    priority_reason: Mapped[str | None] = mapped_column(String(200))
    intake_how: Mapped[str | None] = mapped_column(String(64))
    consent: Mapped[bool | None] = mapped_column(Boolean)
    information: Mapped[str | None] = mapped_column(String(64))
    transferred_to: Mapped[str | None] = mapped_column(String(64))
    stage: Mapped[str] = mapped_column(String(64))
    entry: Mapped[str | None] = mapped_column(String(64))
    arrived_ms: Mapped[int] = mapped_column(BigInteger)
    queued_ms: Mapped[int | None] = mapped_column(BigInteger)
    connected_ms: Mapped[int | None] = mapped_column(BigInteger)
    disconnected_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    wait_ms: Mapped[int | None] = mapped_column(BigInteger)
    talk_ms: Mapped[int | None] = mapped_column(BigInteger)
    agent: Mapped[str | None] = mapped_column(String(64))
    reservation: Mapped[int | None] = mapped_column(BigInteger)
    reserved_agent: Mapped[str | None] = mapped_column(String(64))
    reservations: Mapped[int] = mapped_column(Integer)
    disconnected_by: Mapped[str | None] = mapped_column(String(16))
    end_reason: Mapped[str | None] = mapped_column(String(32))
    ended_by: Mapped[str | None] = mapped_column(String(16))
    hangup_cause: Mapped[int | None] = mapped_column(Integer)
    survey: Mapped[dict[str, Any]] = mapped_column(Json)
    follow_up: Mapped[str | None] = mapped_column(String(16))
    appeal: Mapped[str | None] = mapped_column(String(16))
    pauses: Mapped[list[Any]] = mapped_column(Json, server_default="[]")
    disposition: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(Text)
    recordings: Mapped[list[Any]] = mapped_column(Json)
    origin: Mapped[str | None] = mapped_column(String(64))
    due_ms: Mapped[int | None] = mapped_column(BigInteger)
    next_ms: Mapped[int | None] = mapped_column(BigInteger)
    code: Mapped[str | None] = mapped_column(String(12))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    terminal: Mapped[str | None] = mapped_column(String(64))
    demo: Mapped[bool] = mapped_column(Boolean)
    final: Mapped[bool] = mapped_column(Boolean)
    last_seq: Mapped[int] = mapped_column(Integer)


class Agent(Base):
    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(64))
    district: Mapped[str | None] = mapped_column(String(64))
    languages: Mapped[list[str]] = mapped_column(Json)
    team: Mapped[str | None] = mapped_column(String(64))
    suspended: Mapped[bool] = mapped_column(Boolean)
    licence_until: Mapped[date | None] = mapped_column(Date)
    demo: Mapped[bool] = mapped_column(Boolean)
    backup: Mapped[bool] = mapped_column(Boolean, server_default=false())


class AgentSkill(Base):
    __tablename__ = "agent_skills"

    agent: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    matter: Mapped[str] = mapped_column(String(64), primary_key=True)
    level: Mapped[int] = mapped_column(Integer)


class AgentPhone(Base):
    """A volunteer's own telephone. ``duty``: ``ready`` or ``paused`` while they serve by telephone without a desk."""

    __tablename__ = "agent_phones"
    __table_args__ = (UniqueConstraint("number", name="agent_phones_number"),)

    agent: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    pin_hash: Mapped[str | None] = mapped_column(String(256))
    duty: Mapped[str | None] = mapped_column(String(8))


class AgentState(Base):
    """Every change of an agent's state, in order; the last one is not needed to run, only to report."""

    __tablename__ = "agent_states"
    __table_args__ = (Index("agent_states_agent_at", "agent", "at_ms"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    agent: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class ShiftRow(Base):
    """When a volunteer is expected. ``begun_ms``: since when they were there. Removed ones stay, marked."""

    __tablename__ = "shifts"
    __table_args__ = (
        Index("shifts_agent_from", "agent", "from_ms"),
        Index("shifts_from", "from_ms", "id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    agent: Mapped[str] = mapped_column(String(64))
    from_ms: Mapped[int] = mapped_column(BigInteger)
    to_ms: Mapped[int] = mapped_column(BigInteger)
    matter: Mapped[str | None] = mapped_column(String(64))
    role: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(String(200))
    begun_ms: Mapped[int | None] = mapped_column(BigInteger)
    removed_ms: Mapped[int | None] = mapped_column(BigInteger)


class ShiftSwapRow(Base):
    """A volunteer asks to be relieved of a shift. ``state``: open, approved, declined, withdrawn."""

    __tablename__ = "shift_swaps"
    __table_args__ = (
        Index(
            "shift_swaps_open",
            "shift",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("shift_swaps_asked", "asked_ms"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    shift: Mapped[int] = mapped_column(ForeignKey("shifts.id"))
    agent: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(String(1000))
    asked_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_ms: Mapped[int | None] = mapped_column(BigInteger)
    to_agent: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(String(1000))


class HelpCallRow(Base):
    """A volunteer calls for a supervisor; one open at a time for each volunteer."""

    __tablename__ = "help_calls"
    __table_args__ = (
        Index(
            "help_calls_open",
            "agent",
            unique=True,
            sqlite_where=text("closed_ms IS NULL"),
            postgresql_where=text("closed_ms IS NULL"),
        ),
        Index("help_calls_asked", "asked_ms"),
        Index("help_calls_closed", "closed_ms"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    agent: Mapped[str] = mapped_column(String(64))
    team: Mapped[str | None] = mapped_column(String(64))
    contact: Mapped[str] = mapped_column(String(64))
    asked_ms: Mapped[int] = mapped_column(BigInteger)
    seen_by: Mapped[str | None] = mapped_column(String(64))
    seen_ms: Mapped[int | None] = mapped_column(BigInteger)
    closed_by: Mapped[str | None] = mapped_column(String(64))
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(String(2000))


class AccountRow(Base):
    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    role: Mapped[str] = mapped_column(String(16))
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    disabled: Mapped[bool] = mapped_column(Boolean)
    epoch: Mapped[int] = mapped_column(Integer)


class RuleVersionRow(Base):
    """The columns are the fields of ``published.Version``, name by name. One of a name is in force at most."""

    __tablename__ = "rule_versions"
    __table_args__ = (
        UniqueConstraint("kind", "name", "number", name="rule_versions_number"),
        Index(
            "rule_versions_in_force",
            "kind",
            "name",
            unique=True,
            sqlite_where=text("state = 'published'"),
            postgresql_where=text("state = 'published'"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(32))
    number: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    author: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(String(200))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    published_ms: Mapped[int | None] = mapped_column(BigInteger)
    base: Mapped[int] = mapped_column(Integer)
    restores: Mapped[int | None] = mapped_column(Integer)


class KnownCallerRow(Base):
    """Numbers whose callers go first, in the form in which callers' numbers are stored."""

    __tablename__ = "known_callers"

    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(40))
    added_by: Mapped[str] = mapped_column(String(64))
    added_ms: Mapped[int] = mapped_column(BigInteger)


class OverloadRow(Base):
    """The overload step on which a role stands, and since when."""

    __tablename__ = "overload_steps"

    role: Mapped[str] = mapped_column(String(64), primary_key=True)
    level: Mapped[str] = mapped_column(String(16))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class TicketRow(Base):
    """What one volunteer writes about one contact, as typed; ``filed_ms`` None: still open, not looked at by others.

    ``revision`` grows with each save and ``writer`` names the page that made it (records.tickets).
    """

    __tablename__ = "tickets"
    __table_args__ = (Index("tickets_open", "agent", "filed_ms", "begun_ms"),)

    contact: Mapped[str] = mapped_column(String(64), primary_key=True)
    agent: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    writer: Mapped[str] = mapped_column(String(64))
    matter: Mapped[str] = mapped_column(String(64))
    disposition: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(80))
    district: Mapped[str] = mapped_column(String(80))
    facts: Mapped[str] = mapped_column(Text)
    advice: Mapped[str] = mapped_column(Text)
    follow_up: Mapped[str] = mapped_column(Text)
    begun_ms: Mapped[int] = mapped_column(BigInteger)
    saved_ms: Mapped[int | None] = mapped_column(BigInteger)
    filed_ms: Mapped[int | None] = mapped_column(BigInteger)


class LawGenerationRow(Base):
    """A state of the law collection; the newest with ``in_use_ms`` is the one in use (switchboard.law.library)."""

    __tablename__ = "law_generations"

    generation: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    articles: Mapped[int] = mapped_column(Integer)
    in_use_ms: Mapped[int | None] = mapped_column(BigInteger)


class LawArticleRow(Base):
    """``place`` counts from 0 within the generation; the other columns are the fields of ``law.model.Article``."""

    __tablename__ = "law_articles"
    __table_args__ = (Index("law_articles_number", "generation", "number"),)

    generation: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    law: Mapped[str] = mapped_column(String(100))
    article: Mapped[str] = mapped_column(String(40))
    number: Mapped[int | None] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    effective: Mapped[date | None] = mapped_column(Date)
    source: Mapped[str] = mapped_column(String(300))
    imported_ms: Mapped[int] = mapped_column(BigInteger)


class LawGramRow(Base):
    """The articles that hold one gram (switchboard.law.ranking)."""

    __tablename__ = "law_grams"

    generation: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    gram: Mapped[str] = mapped_column(String(16), primary_key=True)
    postings: Mapped[bytes] = mapped_column(LargeBinary)


class AuditRow(Base):
    """``hash`` covers the row and the hash before it, so that one changed bit breaks the chain."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    object: Mapped[str | None] = mapped_column(String(128))
    outcome: Mapped[str] = mapped_column(String(32))
    before: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class TerminalRow(Base):
    """A terminal in a village. Token and pairing code are kept as digests only (records.terminals)."""

    __tablename__ = "terminals"
    __table_args__ = (
        UniqueConstraint("token_hash", name="terminals_token"),
        UniqueConstraint("code_hash", name="terminals_code"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    village: Mapped[str] = mapped_column(String(80))
    district: Mapped[str | None] = mapped_column(String(64))
    token_hash: Mapped[str | None] = mapped_column(String(64))
    code_hash: Mapped[str | None] = mapped_column(String(64))
    code_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    paired_ms: Mapped[int | None] = mapped_column(BigInteger)
    seen_ms: Mapped[int | None] = mapped_column(BigInteger)
    disabled: Mapped[bool] = mapped_column(Boolean)
    demo: Mapped[bool] = mapped_column(Boolean)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class RoomRow(Base):
    """A video room. ``state`` is what the bridge needs to open it again after a restart (``bridge.state``)."""

    __tablename__ = "rooms"
    __table_args__ = (Index("rooms_contact", "contact"), Index("rooms_ended", "ended_ms"))

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    contact: Mapped[str] = mapped_column(String(64))
    seats: Mapped[int] = mapped_column(Integer)
    opened_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[dict[str, Any] | None] = mapped_column(Json)


class RoomEventRow(Base):
    """What happened in a room (``video.events``), append-only; ``since_ms`` is the monotonic clock."""

    __tablename__ = "room_events"
    __table_args__ = (Index("room_events_room", "room", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    room: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    since_ms: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(Json)


class RoomLinkRow(Base):
    """A link into one room, for one use; its token is kept as a digest only."""

    __tablename__ = "room_links"
    __table_args__ = (Index("room_links_room", "room"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(String(64))
    contact: Mapped[str] = mapped_column(String(64))
    made_by: Mapped[str] = mapped_column(String(64))
    made_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)
    person: Mapped[str | None] = mapped_column(String(64))
    shown: Mapped[str | None] = mapped_column(String(64))
