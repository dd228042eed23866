"""What happened, in SQL: append-only events of each contact, folded into one record."""

from switchboard.records.audit import AuditEntry
from switchboard.records.events import ContactEvent, EndedBy, EndReason
from switchboard.records.fold import ContactRecord, Recording, fold
from switchboard.records.numbers import mask_number
from switchboard.records.people import Account, AgentRow, Passwords, Role
from switchboard.records.published import Kind, Version
from switchboard.records.queries import ContactQuery, ContactState, Figures, Page, TaskFigures
from switchboard.records.store import Records, StateChange

__all__ = [
    "Account",
    "AgentRow",
    "AuditEntry",
    "ContactEvent",
    "ContactQuery",
    "ContactRecord",
    "ContactState",
    "EndReason",
    "EndedBy",
    "Figures",
    "Kind",
    "Page",
    "Passwords",
    "Recording",
    "Records",
    "Role",
    "StateChange",
    "TaskFigures",
    "Version",
    "fold",
    "mask_number",
]
