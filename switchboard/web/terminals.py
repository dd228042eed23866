"""Terminals: kept by administrators, paired by a code, and what a terminal may ask for itself."""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from ivr.prompts.catalogue import LANGUAGE
from ivr.prompts.errors import PromptError
from switchboard.errors import (
    InvalidInput,
    NameTaken,
    NotFound,
    NotJson,
    NotNow,
    NotPaired,
    NoVideo,
    TerminalKnown,
    TooLarge,
    TooManyTries,
    WrongCode,
)
from switchboard.records.terminal_reports import Health, Help, Report
from switchboard.records.terminals import CODE_MS, Terminal
from switchboard.times import now_ms
from switchboard.visits.left_message import MOST_BYTES
from switchboard.visits.left_message import TYPES as SOUNDS
from switchboard.visits.visitor import Visitor
from switchboard.visits.visits import Visits, Wish
from switchboard.web.house import WebHouse
from switchboard.web.routes import ADMINISTRATORS, ANYBODY, SUPERVISORS, Call, Routes
from switchboard.web.schemas import SLUG, Input, Matter, Ms, PlainText, Slug
from switchboard.web.state import PAIRING_DOOR

routes = Routes()

SOCKET = "/ws/visit"
UPLOAD_S = 60.0

_OWN_FILE = re.compile(r"assets/(terminal-[A-Za-z0-9_-]+\.(?:js|css))")

Name = Annotated[PlainText, Field(min_length=1, max_length=80)]


class HelpView(BaseModel):
    """``why``: ``asked`` by a person, else the part that failed there."""

    asked_ms: Ms
    why: str
    seen_by: str | None
    seen_ms: Ms | None

    @classmethod
    def of(cls, call: Help) -> HelpView:
        return cls(asked_ms=call.asked_ms, why=call.why, seen_by=call.seen_by, seen_ms=call.seen_ms)


class HealthView(BaseModel):
    """What the terminal last said of itself, and when. ``current``: whether its page is the one we serve."""

    at_ms: Ms
    camera: str
    microphone: str
    speaker: str
    printer: str
    network: str
    version: str
    current: bool


class TerminalView(BaseModel):
    """``state``: ``new`` (not paired yet), ``paired``, ``disabled``; ``visit`` is the open one."""

    id: str
    name: str
    village: str
    district: str | None
    state: str
    paired_ms: Ms | None
    seen_ms: Ms | None
    visit: str | None
    demo: bool
    health: HealthView | None = None
    help: HelpView | None = None


class TerminalList(BaseModel):
    items: list[TerminalView]


class NewTerminal(Input):
    id: Slug | None = Field(None, description="an id of your own; null: one is made")
    name: Name
    village: Name
    district: Slug | None = None


class PairingCode(BaseModel):
    """Typed at the terminal, once, before ``until_ms``."""

    code: str
    until_ms: Ms


class Pairing(Input):
    code: str = Field(pattern=r"^[0-9]{8}$")


class Paired(BaseModel):
    """``token`` is shown this once: the terminal keeps it."""

    token: str
    terminal: TerminalView


class Choice(BaseModel):
    id: str
    zh: str
    en: str


class TerminalHome(BaseModel):
    """What the terminal's first page needs. ``video``: whether visits can begin; ``phone``: what to dial where there
    is no line; ``version``: of the page that we serve."""

    terminal: TerminalView
    matters: list[Matter]
    priorities: list[Choice]
    languages: list[Choice]
    phone: str
    version: str
    video: bool


class NewVisit(Input):
    """``key`` is made by the terminal for each press of the button: the same one again is the same visit."""

    key: Slug
    matter: Slug | None = Field(None, description="null: whatever it is about")
    language: Slug = "zh"
    priority: Slug | None = Field(None, description="a reason of the policy, as over_80")
    consent: bool | None = Field(None, description="whether to record; null: asked later")


class Spoken(Input):
    """``number``: where the answer may be called; none: it is asked for again at the desk."""

    number: str | None = Field(None, max_length=32)


class NewReport(Input):
    """How each part is now; the words are those of ``switchboard.records.terminal_reports.PARTS``."""

    camera: Literal["ok", "missing", "denied", "busy", "unknown"] = "unknown"
    microphone: Literal["ok", "missing", "denied", "busy", "unknown"] = "unknown"
    speaker: Literal["ok", "missing", "unknown"] = "unknown"
    printer: Literal["ok", "paper_out", "offline", "none", "unknown"] = "unknown"
    network: Literal["ok", "slow"] = "ok"
    version: str = Field("", pattern=r"^[ -~]*$", max_length=120)


class NewHelp(Input):
    why: Literal["asked", "network", "camera", "microphone", "printer"] = "asked"


class Told(BaseModel):
    """What a report is answered with: the page that we serve now, and what became of a call for help."""

    version: str
    help: HelpView | None


class VisitView(BaseModel):
    """``socket`` is where the rest is told (docs/protocol.md)."""

    id: str
    stage: str
    socket: str


# ---- kept by administrators


@routes.add("GET", "/api/terminals", roles=ADMINISTRATORS, summary="All terminals", answer=TerminalList)
async def terminals(call: Call) -> TerminalList:
    found = await call.house.records.terminals.all()
    reports = await call.house.records.terminal_reports.all()
    version = await page_version(call.house)
    return TerminalList(items=[_view(call.house, one, reports.get(one.id), version) for one in found])


@routes.add(
    "POST",
    "/api/terminals",
    roles=ADMINISTRATORS,
    summary="A new terminal, to be paired with a code",
    body=NewTerminal,
    answer=TerminalView,
    status=201,
)
async def add_terminal(call: Call) -> TerminalView:
    given = call.body
    try:
        made = Terminal(
            given.id or f"t-{secrets.token_hex(4)}", given.name.strip(), given.village.strip(), given.district
        )
    except ValueError:
        raise InvalidInput(fields=("id", "name", "village")) from None
    try:
        await call.house.records.terminals.add(made, by=call.account.name, at_ms=now_ms())
    except NameTaken:
        raise TerminalKnown from None
    return _view(call.house, made)


@routes.add(
    "POST",
    "/api/terminals/{id}/code",
    roles=ADMINISTRATORS,
    summary="A code that pairs this terminal once; the code before is void",
    answer=PairingCode,
    status=201,
    parts={"id": SLUG},
)
async def pairing_code(call: Call) -> PairingCode:
    at_ms = now_ms()
    code = await call.house.records.terminals.new_code(call.part("id"), by=call.account.name, at_ms=at_ms)
    if code is None:
        raise NotFound
    return PairingCode(code=code, until_ms=at_ms + CODE_MS)


@routes.add(
    "DELETE",
    "/api/terminals/{id}",
    roles=ADMINISTRATORS,
    summary="Switch a terminal off: its token and code are void at once",
    status=204,
    parts={"id": SLUG},
)
async def disable_terminal(call: Call) -> None:
    ident = call.part("id")
    if not await call.house.records.terminals.disable(ident, by=call.account.name, at_ms=now_ms()):
        raise NotFound
    visitor = call.house.visits.at(ident) if call.house.visits else None
    if visitor is not None:
        visitor.leave()


@routes.add(
    "POST",
    "/api/terminals/{id}/help/seen",
    roles=SUPERVISORS,
    summary="Somebody goes to this terminal: its screen says so",
    status=204,
    parts={"id": SLUG},
)
async def help_seen(call: Call) -> None:
    reports = call.house.records.terminal_reports
    if not await reports.seen(call.part("id"), by=call.account.name, at_ms=now_ms()):
        raise NotFound
    await call.house.duty.look_at_terminals()


@routes.add(
    "POST",
    "/api/terminals/{id}/help/close",
    roles=SUPERVISORS,
    summary="The call for help at this terminal is over",
    status=204,
    parts={"id": SLUG},
)
async def help_over(call: Call) -> None:
    reports = call.house.records.terminal_reports
    if not await reports.close(call.part("id"), by=call.account.name, at_ms=now_ms()):
        raise NotFound
    await call.house.duty.look_at_terminals()


# ---- asked by terminals


@routes.add(
    "POST",
    "/api/terminal/pair",
    roles=ANYBODY,
    summary="Pair this terminal with the code of an administrator",
    body=Pairing,
    answer=Paired,
    status=201,
)
async def pair(call: Call) -> Paired:
    door = call.request.app[PAIRING_DOOR]
    try:
        door.take(call.request.remote or "local")
    except TooManyTries:
        await call.house.records.audit("anonymous", "terminal.paired", outcome="refused")
        raise
    found = await call.house.records.terminals.pair(call.body.code, at_ms=now_ms())
    if found is None:
        await call.house.records.audit("anonymous", "terminal.paired", outcome="refused")
        raise WrongCode
    door.give_back(call.request.remote or "local")
    terminal, token = found
    return Paired(token=token, terminal=_view(call.house, terminal))


@routes.add(
    "GET",
    "/api/terminal",
    roles=ANYBODY,
    summary="This terminal, and what can be asked for",
    answer=TerminalHome,
)
async def terminal_home(call: Call) -> TerminalHome:
    """With the header ``Authorization: Bearer TOKEN``, as all below."""
    terminal = await _terminal(call)
    house = call.house
    return TerminalHome(
        terminal=_view(house, terminal),
        matters=[Matter(**matter) for matter in house.matters()],
        priorities=[Choice(**reason) for reason in house.priorities()],
        languages=[Choice(**one) for one in house.languages()],
        phone=house.hotline_number,
        version=await page_version(house),
        video=house.visits is not None,
    )


@routes.add(
    "POST",
    "/api/terminal/report",
    roles=ANYBODY,
    summary="How this terminal is; once a minute",
    body=NewReport,
    answer=Told,
)
async def report(call: Call) -> Told:
    terminal = await _terminal(call)
    reports = call.house.records.terminal_reports
    await reports.put(terminal.id, Health(**call.body.model_dump()), at_ms=now_ms())
    await call.house.duty.look_at_terminals()
    return await _told(call, terminal)


@routes.add(
    "POST",
    "/api/terminal/help",
    roles=ANYBODY,
    summary="Somebody should come to this terminal; asking twice is asking once",
    body=NewHelp,
    answer=Told,
    status=201,
)
async def ask_help(call: Call) -> Told:
    terminal = await _terminal(call)
    await call.house.records.terminal_reports.ask_help(terminal.id, why=call.body.why, at_ms=now_ms())
    await call.house.duty.look_at_terminals()
    return await _told(call, terminal)


@routes.add(
    "DELETE", "/api/terminal/help", roles=ANYBODY, summary="Nobody need come to this terminal", status=204
)
async def no_help(call: Call) -> None:
    terminal = await _terminal(call)
    await call.house.records.terminal_reports.close(terminal.id, by=terminal.id, at_ms=now_ms())
    await call.house.duty.look_at_terminals()


@routes.add(
    "GET",
    "/api/terminal/prompts/{language}/{key}",
    roles=ANYBODY,
    summary="What a terminal says aloud, as audio/wav",
    parts={"language": LANGUAGE.pattern, "key": r"[a-z][a-z0-9_]{0,63}"},
)
async def spoken(call: Call) -> web.Response:
    """Mandarin where the language has no sound of its own. A terminal keeps it for a day."""
    await _terminal(call)
    language, key = call.part("language"), call.part("key")
    try:
        wav = await asyncio.to_thread(call.house.studio.wav, language, key)
    except PromptError:
        raise NotFound from None
    return web.Response(
        body=wav, content_type="audio/wav", headers={"Cache-Control": "private, max-age=86400"}
    )


@routes.add(
    "POST",
    "/api/visits",
    roles=ANYBODY,
    summary="Somebody pressed the button at this terminal",
    body=NewVisit,
    answer=VisitView,
    status=201,
)
async def begin_visit(call: Call) -> VisitView:
    terminal = await _terminal(call)
    given, house = call.body, call.house
    wrong = [
        name
        for name, value, known in (
            ("matter", given.matter, house.matters()),
            ("priority", given.priority, house.priorities()),
            ("language", given.language, house.languages()),
        )
        if value is not None and value not in {one["id"] for one in known}
    ]
    if wrong:
        raise InvalidInput(fields=tuple(wrong))
    visitor = _visits(call).begin(
        terminal, Wish(given.key, given.matter, given.language, given.priority, given.consent)
    )
    return VisitView(id=visitor.contact.id, stage=visitor.contact.stage, socket=SOCKET)


@routes.add(
    "GET",
    "/api/visits/{id}",
    roles=ANYBODY,
    summary="The open visit of this terminal",
    answer=VisitView,
    parts={"id": SLUG},
)
async def visit(call: Call) -> VisitView:
    visitor = await _mine(call)
    return VisitView(id=visitor.contact.id, stage=visitor.contact.stage, socket=SOCKET)


@routes.add(
    "DELETE",
    "/api/visits/{id}",
    roles=ANYBODY,
    summary="The visitor leaves",
    status=204,
    parts={"id": SLUG},
)
async def leave_visit(call: Call) -> None:
    (await _mine(call)).leave()


@routes.add(
    "PUT",
    "/api/visits/{id}/message",
    roles=ANYBODY,
    summary="A spoken message in place of waiting: the body is the sound, as a browser records it",
    status=202,
    query=Spoken,
    parts={"id": SLUG},
)
async def speak_message(call: Call) -> web.Response:
    """202: it is being kept; ``promised`` of the visit tells that it is, ``notice`` that it could not be."""
    visitor, request = await _mine(call), call.request
    if request.content_type not in SOUNDS:
        raise NotJson
    number = call.house.dialable(call.query.number) if call.query.number else None
    if call.query.number and number is None:
        raise InvalidInput(fields=("number",))
    sound = bytearray()
    async with asyncio.timeout(UPLOAD_S):
        async for chunk in request.content.iter_chunked(1 << 16):
            sound += chunk
            if len(sound) > MOST_BYTES:
                raise TooLarge
    if not visitor.speaks_message(bytes(sound), number):
        raise NotNow
    return web.Response(status=202)


async def _terminal(call: Call) -> Terminal:
    """Whose token the request carries. Raises NotPaired."""
    kind, _, token = call.request.headers.get("Authorization", "").partition(" ")
    found = None
    if kind.lower() == "bearer":
        found = await call.house.records.terminals.by_token(token.strip(), at_ms=now_ms())
    if found is None:
        raise NotPaired
    return found


async def _mine(call: Call) -> Visitor:
    terminal = await _terminal(call)
    visitor = _visits(call).at(terminal.id)
    if visitor is None or visitor.contact.id != call.part("id"):
        raise NotFound
    return visitor


def _visits(call: Call) -> Visits:
    if call.house.visits is None:
        raise NoVideo
    return call.house.visits


async def _told(call: Call, terminal: Terminal) -> Told:
    known = await call.house.records.terminal_reports.of(terminal.id)
    calls = known.help if known else None
    return Told(version=await page_version(call.house), help=HelpView.of(calls) if calls else None)


async def page_version(house: WebHouse) -> str:
    """Names of the built terminal page's own files, which change with their content; empty where none is built."""
    return await asyncio.to_thread(_version_of, house.web.static_dir / "terminal" / "index.html")


def _version_of(file: Path) -> str:
    try:
        named = _OWN_FILE.findall(file.read_text("utf-8"))
    except OSError:
        return ""
    return " ".join(sorted(set(named)))[:120]


def _health(report: Report | None, version: str) -> HealthView | None:
    if report is None or report.at_ms is None:
        return None
    health = report.health
    return HealthView(
        at_ms=report.at_ms,
        camera=health.camera,
        microphone=health.microphone,
        speaker=health.speaker,
        printer=health.printer,
        network=health.network,
        version=health.version,
        current=health.version == version,
    )


def _view(
    house: WebHouse, terminal: Terminal, report: Report | None = None, version: str = ""
) -> TerminalView:
    visitor = house.visits.at(terminal.id) if house.visits else None
    state = "disabled" if terminal.disabled else "paired" if terminal.paired_ms else "new"
    return TerminalView(
        id=terminal.id,
        name=terminal.name,
        village=terminal.village,
        district=terminal.district,
        state=state,
        paired_ms=terminal.paired_ms,
        seen_ms=terminal.seen_ms,
        visit=visitor.contact.id if visitor else None,
        demo=terminal.demo,
        health=_health(report, version),
        help=HelpView.of(report.help) if report and report.help else None,
    )
