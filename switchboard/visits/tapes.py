"""The recording of a room: begun with consent, paused for a secret, kept under the contact's folder as evidence.

A recording that fails never ends a visit.
"""

from __future__ import annotations

import structlog

from switchboard.contacts.contact import Contact
from switchboard.visits.rooms import Rooms

log = structlog.get_logger(__name__)


class RoomRecording:
    """The recording of one room."""

    def __init__(self, contact: Contact, rooms: Rooms, room: str) -> None:
        self._contact = contact
        self._rooms = rooms
        self._room = room
        self.runs = False
        self.paused = False

    def begin(self) -> None:
        return

    def pause(self) -> None:
        return

    def resume(self) -> None:
        return

    def end(self) -> None:
        return
