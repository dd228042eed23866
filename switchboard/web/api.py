"""The JSON routes."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from routing.errors import RoutingError
from switchboard.errors import NotFound, Unavailable, WrongPassword
from switchboard.explanation import explain
from switchboard.records import Account
from switchboard.records.queries import TASK_MEDIA
from switchboard.times import now_ms
from switchboard.web import metrics, schemas
from switchboard.web.house import WebHouse
from switchboard.web.openapi import describe
from switchboard.web.routes import ANYBODY, SIGNED_IN, SUPERVISORS, Call, Routes
from switchboard.web.sessions import begin_session, end_session
from switchboard.web.state import ROUTES, SIGN_IN_DESK

log = structlog.get_logger(__name__)
routes = Routes()

HEALTH_S = 5.0
TYPES = {".webm": "video/webm", ".mkv": "video/x-matroska", ".json": "application/json"}
"""Of a recording that is no WAV: a room's tracks, and the manifest over them."""


@routes.add(
    "POST",
    "/api/session",
    roles=ANYBODY,
    summary="Sign in",
    body=schemas.SignIn,
    answer=schemas.Who,
    status=201,
)
async def sign_in(call: Call) -> schemas.Who:
    records, given = call.house.records, call.body
    desk = call.request.app[SIGN_IN_DESK]
    try:
        account = await desk.check(records, given.name, given.password, call.request.remote)
    except WrongPassword:
        await records.audit("anonymous", "session.begin", outcome="refused")
        raise
    await begin_session(call.request, account)
    await records.audit(account.name, "session.begin")
    return await _who(call.house, account)


@routes.add("GET", "/api/session", roles=SIGNED_IN, summary="Who is signed in", answer=schemas.Who)
async def who_am_i(call: Call) -> schemas.Who:
    return await _who(call.house, call.account)


@routes.add("DELETE", "/api/session", roles=ANYBODY, summary="Sign out", status=204)
async def sign_out(call: Call) -> None:
    await end_session(call.request)


async def _who(house: WebHouse, account: Account) -> schemas.Who:
    agent = await house.records.agent(account.agent_id) if account.agent_id else None
    return schemas.Who(role=account.role, name=agent.name if agent else account.name, agent=account.agent_id)


@routes.add(
    "GET",
    "/api/contacts",
    roles=SIGNED_IN,
    summary="Contacts, newest first; a volunteer sees their own",
    query=schemas.ContactsQuery,
    answer=schemas.ContactPage,
)
async def contacts(call: Call) -> schemas.ContactPage:
    own = (call.account.agent_id or "") if call.is_volunteer else None
    page = await call.house.records.contacts(call.query.to_query(own))
    return schemas.ContactPage(items=[schemas.ContactView.of(one) for one in page.items], next=page.next)


@routes.add(
    "GET",
    "/api/contacts/{id}",
    roles=SIGNED_IN,
    summary="One contact with its events; a volunteer sees their own",
    answer=schemas.ContactWithEvents,
    parts={"id": schemas.SLUG},
)
async def contact(call: Call) -> schemas.ContactWithEvents:
    ident = call.part("id")
    found = await call.house.records.contact(ident)
    if found is None or (call.is_volunteer and found[0].agent != call.account.agent_id):
        raise NotFound  # the same words for what does not exist and for what is another's
    await call.house.records.audit(call.account.name, "contact.read", ident)
    record, events = found
    return schemas.ContactWithEvents(
        contact=schemas.ContactView.of(record), events=[schemas.EventView.of(event) for event in events]
    )


@routes.add(
    "GET",
    "/api/contacts/{id}/recordings/{recording}",
    roles=SIGNED_IN,
    summary="One recording of a contact: WAV, of a room WebM or Matroska; a volunteer hears their own",
    parts={"id": schemas.SLUG, "recording": schemas.SLUG},
)
async def recording(call: Call) -> web.StreamResponse:
    ident, wanted = call.part("id"), call.part("recording")
    found = await call.house.records.contact(ident)
    known = next((one for one in found[0].recordings if one.id == wanted), None) if found else None
    if found is None or known is None or not known.file:
        raise NotFound
    if call.is_volunteer and found[0].agent != call.account.agent_id:
        await call.house.records.audit(call.account.name, "recording.listen", ident, "refused")
        raise NotFound  # the same words for what does not exist and for what is another's
    root = call.house.recordings_dir
    file = await asyncio.to_thread((root / known.file).resolve)
    if not file.is_relative_to(root.resolve()) or not await asyncio.to_thread(file.is_file):
        raise NotFound
    await call.house.records.audit(call.account.name, "recording.listen", ident)
    return web.FileResponse(file, headers={"Content-Type": TYPES.get(file.suffix, "audio/wav")})


@routes.add(
    "GET",
    "/api/tasks",
    roles=SIGNED_IN,
    summary="Open messages and call-backs, the one due first at first; a volunteer sees their own",
    query=schemas.TasksQuery,
    answer=schemas.TasksAnswer,
)
async def tasks(call: Call) -> schemas.TasksAnswer:
    records, at_ms = call.house.records, now_ms()
    own = (call.account.agent_id or "") if call.is_volunteer else None
    media = (call.query.medium,) if call.query.medium else TASK_MEDIA
    found = await records.tasks(media, agent=own, limit=call.query.limit)
    figures = await records.task_figures(at_ms=at_ms)
    return schemas.TasksAnswer(
        items=[schemas.TaskView.of(record, at_ms) for record in found],
        messages_open=figures.messages_open,
        callbacks_open=figures.callbacks_open,
        due_today=figures.due_today,
        overdue=figures.overdue,
    )


@routes.add(
    "GET",
    "/api/contacts/{id}/explanation",
    roles=SUPERVISORS,
    summary="Why this volunteer, or why it still waits and who could serve it",
    answer=schemas.ExplanationView,
    parts={"id": schemas.SLUG},
)
async def explanation(call: Call) -> schemas.ExplanationView:
    ident = call.part("id")
    found = await call.house.records.contact(ident)
    if found is None:
        raise NotFound
    await call.house.records.audit(call.account.name, "contact.explained", ident)
    try:
        standing = await call.house.standing(ident)
    except RoutingError as error:  # what is kept can be told all the same
        log.info("queue not asked", error=error.code)
        standing = None
    names = {agent.id: agent.name for agent in await call.house.records.agents()}
    return schemas.ExplanationView.of(explain(*found, standing, names))


@routes.add("GET", "/api/agents", roles=SUPERVISORS, summary="All volunteers", answer=schemas.Agents)
async def agents(call: Call) -> schemas.Agents:
    return schemas.Agents(items=[schemas.AgentView.of(agent) for agent in await call.house.records.agents()])


@routes.add(
    "GET", "/api/policy/matters", roles=SIGNED_IN, summary="What contacts are about", answer=schemas.Matters
)
async def matters(call: Call) -> schemas.Matters:
    return schemas.Matters(items=[schemas.Matter(**matter) for matter in call.house.matters()])


@routes.add(
    "POST",
    "/api/demo/calls",
    roles=SUPERVISORS,
    summary="Place one simulated caller",
    body=schemas.DemoOrder,
    answer=schemas.DemoPlaced,
    status=201,
)
async def demo_call(call: Call) -> schemas.DemoPlaced:
    try:
        placed = await call.house.demo_call(call.body.keys)
    except Exception as error:
        log.warning("demo.refused", error=type(error).__name__)
        raise Unavailable from error
    await call.house.records.audit(call.account.name, "demo.call")
    return schemas.DemoPlaced(id=placed)


@routes.add("GET", "/api/openapi.json", roles=ANYBODY, summary="This description")
async def openapi(call: Call) -> web.Response:
    return web.json_response(describe(call.request.app[ROUTES]))


@routes.add("GET", "/healthz", roles=ANYBODY, summary="Whether every part works", answer=schemas.HealthView)
async def healthz(call: Call) -> web.Response:
    """200 when all parts work, 503 when one does not."""
    try:
        async with asyncio.timeout(HEALTH_S):
            found = await call.house.health()
    except TimeoutError:
        raise Unavailable from None
    view = schemas.HealthView(
        ok=all(ok for ok, _, _ in found.values()),
        items=[schemas.Part(name=name, ok=ok, zh=zh, en=en) for name, (ok, zh, en) in found.items()],
    )
    for part in view.items:
        metrics.PART_OK.labels(part.name).set(part.ok)
    return web.Response(
        status=200 if view.ok else 503,
        body=view.model_dump_json().encode(),
        content_type="application/json",
    )


@routes.add("GET", "/metrics", roles=ANYBODY, summary="Figures for Prometheus")
async def prometheus(call: Call) -> web.Response:
    metrics.BACKLOG.set(call.house.records.backlog)
    metrics.AWAY.set(call.house.records.away_s)
    for what, count in (call.house.rooms.counts() if call.house.rooms else {}).items():
        metrics.VIDEO.labels(what).set(count)
    return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
