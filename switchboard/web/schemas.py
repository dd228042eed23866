"""What goes in and out over HTTP. Numbers are masked, files and channels are not shown."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from switchboard.explanation import Explanation
from switchboard.records import AgentRow, ContactEvent, ContactQuery, ContactRecord, Role, mask_number

SLUG = r"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,63}"

Slug = Annotated[str, Field(pattern=f"^{SLUG}$")]
Ms = Annotated[int, Field(ge=0, le=2**53)]
PlainText = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text that every database can store; give it a length."""


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignIn(Input):
    name: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)


class Who(BaseModel):
    """``name`` is the person's, where the account is a volunteer's; ``agent`` is the volunteer's id."""

    role: Role
    name: str
    agent: str | None


class ContactsQuery(Input):
    after: str | None = Field(None, pattern=rf"^[0-9]{{1,15}}~{SLUG}$")
    limit: int = Field(50, ge=1, le=200)
    state: Literal["open", "wrap_up", "final"] | None = None
    matter: Slug | None = None
    agent: Slug | None = None
    caller: str | None = Field(None, pattern=r"^\+?[0-9]{3,32}$")
    since_ms: Ms | None = None
    until_ms: Ms | None = None
    demo: bool | None = None

    def to_query(self, agent: str | None) -> ContactQuery:
        """The question to the records; ``agent`` binds it to one volunteer, whatever was asked."""
        asked = self.model_dump()
        if agent is not None:
            asked["agent"] = agent
        return ContactQuery(**asked)


class RecordingView(BaseModel):
    id: str
    ms: int
    sha256: str | None
    sm3: str | None
    gaps: list[tuple[int, int]]
    kind: str


class ContactView(BaseModel):
    """One contact. Times in ms since 1970, durations in ms."""

    id: str
    medium: str | None
    hotline: str | None
    caller: str = Field(description="masked")
    language: str | None
    matter: str | None
    priority: int
    priority_reason: str | None
    consent: bool | None = Field(
        description="false: the caller refused to be recorded; null: nobody was asked"
    )
    information: str | None = Field(description="the recorded information that was heard last")
    transferred_to: str | None = Field(description="the other hotline that answered")
    stage: str
    arrived_ms: int
    queued_ms: int | None
    connected_ms: int | None
    disconnected_ms: int | None
    ended_ms: int | None
    wait_ms: int | None
    talk_ms: int | None
    agent: str | None
    reservations: int
    end_reason: str | None
    ended_by: str | None
    hangup_cause: int | None
    survey: dict[str, str]
    follow_up: str | None = Field(description="open, done, or null")
    appeal: str | None = Field(description="the volunteer's objection: open, upheld, dismissed, or null")
    disposition: str | None
    note: str | None
    recordings: list[RecordingView]
    demo: bool
    final: bool

    @classmethod
    def of(cls, record: ContactRecord) -> ContactView:
        plain = {name: getattr(record, name) for name in cls.model_fields if name != "recordings"}
        plain |= {"caller": mask_number(record.caller), "stage": record.board_stage}
        shown = [
            RecordingView(
                id=one.id, ms=one.ms, sha256=one.sha256, sm3=one.sm3, gaps=list(one.gaps), kind=one.kind
            )
            for one in record.recordings
        ]
        return cls(**plain, recordings=shown)


class ContactPage(BaseModel):
    """``next`` goes into ``after`` for the next page; null on the last."""

    items: list[ContactView]
    next: str | None


class TaskView(BaseModel):
    """An open message or call-back. ``due_ms``: the end of its last day; ``next_ms``: nobody is called before."""

    id: str
    medium: str
    stage: str
    caller: str = Field(description="masked")
    language: str | None
    matter: str | None
    priority: int
    arrived_ms: int
    due_ms: int
    next_ms: int | None
    overdue: bool
    agent: str | None
    attempts: int
    origin: str | None
    seconds: int
    listen: str | None
    demo: bool

    @classmethod
    def of(cls, record: ContactRecord, at_ms: int) -> TaskView:
        message = next((one for one in record.recordings if one.id == record.id), None)
        due_ms = record.due_ms or 0
        return cls(
            id=record.id,
            medium=record.medium or "",
            stage=record.board_stage,
            caller=mask_number(record.caller),
            language=record.language,
            matter=record.matter,
            priority=record.priority,
            arrived_ms=record.arrived_ms,
            due_ms=due_ms,
            next_ms=record.next_ms,
            overdue=due_ms < at_ms,
            agent=record.agent,
            attempts=record.attempts,
            origin=record.origin,
            seconds=round(message.ms / 1000) if message else 0,
            listen=f"/api/contacts/{record.id}/recordings/{message.id}" if message else None,
            demo=record.demo,
        )


class TasksQuery(Input):
    medium: Literal["message", "callback"] | None = None
    limit: int = Field(200, ge=1, le=1_000)


class TasksAnswer(BaseModel):
    """The one due first at first. The figures count all that are open, whatever was asked for."""

    items: list[TaskView]
    messages_open: int
    callbacks_open: int
    due_today: int
    overdue: int


class EventView(BaseModel):
    seq: int
    at_ms: int
    kind: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: ContactEvent) -> EventView:
        data = {name: value for name, value in event.data.items() if name not in ("channel", "file", "code")}
        if "caller" in data:
            data["caller"] = mask_number(str(data["caller"] or ""))
        return cls(seq=event.seq, at_ms=event.at_ms, kind=event.kind, data=data)


class ContactWithEvents(BaseModel):
    contact: ContactView
    events: list[EventView]


class ExplanationLine(BaseModel):
    """One sentence; ``at_ms`` null: how it is now."""

    at_ms: int | None
    zh: str
    en: str


class ExplanationView(BaseModel):
    """Why a contact met its volunteer, or why it still waits and who could serve it."""

    contact: str
    stage: str
    lines: list[ExplanationLine]

    @classmethod
    def of(cls, told: Explanation) -> ExplanationView:
        lines = [ExplanationLine(at_ms=line.at_ms, zh=line.zh, en=line.en) for line in told.lines]
        return cls(contact=told.contact, stage=told.stage, lines=lines)


class AgentView(BaseModel):
    """A volunteer. ``skills`` are matter -> level 1 to 5."""

    id: str
    name: str
    role: str
    district: str | None
    languages: list[str]
    team: str | None
    suspended: bool
    licence_until: dt.date | None
    demo: bool
    skills: dict[str, int]

    @classmethod
    def of(cls, agent: AgentRow) -> AgentView:
        plain = {name: getattr(agent, name) for name in cls.model_fields}
        return cls(**plain | {"languages": list(agent.languages), "skills": dict(agent.skills)})


class Agents(BaseModel):
    items: list[AgentView]


class Matter(BaseModel):
    id: str
    zh: str
    en: str


class Matters(BaseModel):
    items: list[Matter]


class DemoOrder(Input):
    keys: str | None = Field(
        None, pattern=r"^[0-9*#]{0,8}$", description="pressed in the menu; null: as fits"
    )


class DemoPlaced(BaseModel):
    id: str


class Part(BaseModel):
    name: str
    ok: bool
    zh: str
    en: str


class HealthView(BaseModel):
    ok: bool
    items: list[Part]
