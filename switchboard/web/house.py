"""What the web server asks of the house it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from ivr.prompts.studio import Studio
from routing.model import Standing
from switchboard.agents.duty import Duty
from switchboard.calendar import Calendar
from switchboard.clinic.clinic import Clinic
from switchboard.contacts.contact import Contact
from switchboard.law.library import Library
from switchboard.records import Records
from switchboard.rules import RuleBook
from switchboard.visits.captures import CaptureStore
from switchboard.visits.hosted import Hosting
from switchboard.visits.lift import Lift
from switchboard.visits.rooms import Rooms
from switchboard.visits.telephones import Telephones
from switchboard.visits.visits import Visits
from switchboard.web.board import LiveBoard

STATIC = Path(__file__).resolve().parent / "static"

Health = tuple[bool, str, str]
"""Whether a part works, and words for it in Chinese and English."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """``secret`` keys the session cookies: at least 32 characters, kept from start to start.

    ``origins`` are accepted beside the server's own ("https://desk.example"). ``sip_url`` is Asterisk's WebSocket
    transport ("ws://127.0.0.1:8088/ws"), None where there is no telephony. ``https_in_front`` says that a proxy ends
    TLS before us, so that cookies are Secure although we see plain HTTP.
    """

    secret: str
    origins: tuple[str, ...] = ()
    sip_url: str | None = None
    static_dir: Path = STATIC
    https_in_front: bool = False


class WebHouse(Protocol):
    """Everything is asked for at each request, so that a house may change while it stands."""

    @property
    def records(self) -> Records: ...

    @property
    def law(self) -> Library: ...

    @property
    def service_number(self) -> str | None:
        """What volunteers call to serve from an ordinary telephone."""
        ...

    @property
    def hotline_number(self) -> str:
        """What people dial to be answered."""
        ...

    @property
    def board(self) -> LiveBoard: ...

    @property
    def recordings_dir(self) -> Path:
        """Where the recordings lie that records name."""
        ...

    @property
    def web(self) -> WebSettings: ...

    @property
    def rule_book(self) -> RuleBook: ...

    @property
    def studio(self) -> Studio: ...

    @property
    def duty(self) -> Duty: ...

    @property
    def calendar(self) -> Calendar: ...

    @property
    def clinic(self) -> Clinic: ...

    @property
    def rooms(self) -> Rooms | None:
        """The video rooms; None where video is switched off."""
        ...

    @property
    def visits(self) -> Visits | None: ...

    @property
    def hosting(self) -> Hosting | None:
        """The rooms that staff opened by themselves."""
        ...

    @property
    def telephones(self) -> Telephones | None:
        """Telephones that are called into rooms."""
        ...

    @property
    def captures(self) -> CaptureStore:
        """The frozen pictures of all rooms."""
        ...

    @property
    def calls_out(self) -> bool:
        """Whether any trunk takes calls to the outside."""
        ...

    async def health(self) -> Mapping[str, Health]:
        """Each part by name."""
        ...

    def matters(self) -> list[dict[str, str]]:
        """``id``, ``zh``, ``en`` of each matter."""
        ...

    def survey_keys(self, hotline: str | None) -> str | None:
        """The keys of a hotline's survey, from good to bad; None where nothing is asked."""
        ...

    def priorities(self) -> list[dict[str, str]]:
        """``id``, ``zh``, ``en`` of each reason for which callers go first."""
        ...

    def directory_of(self, agent_id: str) -> dict[str, Any]:
        """The colleagues whom this volunteer may ask or hand somebody on to (``switchboard.agents.directory``)."""
        ...

    async def desk_socket(self, request: web.Request, agent_id: str) -> web.StreamResponse:
        """Upgrade and serve until the desk leaves; origin, session and role have been checked."""
        ...

    def lift_of(self, contact_id: str) -> Lift | None:
        """A call's lift to video, while both go on."""
        ...

    def dialable(self, number: str | None) -> str | None:
        """A number that may be called back, in our one form; None for anything else."""
        ...

    def live_contact(self, contact_id: str) -> Contact | None:
        """A contact that goes on here."""
        ...

    async def visit_socket(self, request: web.Request) -> web.StreamResponse:
        """Upgrade and serve a terminal until its visit is over; the origin has been checked."""
        ...

    def languages(self) -> list[dict[str, str]]:
        """``id``, ``zh``, ``en`` of each language that volunteers serve in."""
        ...

    async def standing(self, contact_id: str) -> Standing | None:
        """How a contact stands in the queue, None when it is not there."""
        ...

    async def demo_call(self, keys: str | None) -> str:
        """Place one simulated caller who presses ``keys`` and return its id; any exception means: not possible now."""
        ...
