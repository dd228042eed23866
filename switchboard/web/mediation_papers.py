"""The signed papers of a mediation, as PDF: for each party, the mediator and the judge."""

from __future__ import annotations

from aiohttp import web

from switchboard.clinic.cases import Case
from switchboard.clinic.confirmation import CONFIRMATIONS
from switchboard.clinic.mediation import MEDIATIONS, Mediation
from switchboard.web.clinic_access import case_by_pass, clinic_of, staff_case
from switchboard.web.routes import ANYBODY, JUDGES, MEDIATORS, VOLUNTEERS, Call, Routes
from switchboard.web.schemas import SLUG

routes = Routes()

PARTS = {"id": SLUG, "paper": "agreement|application"}


@routes.add(
    "GET",
    "/api/mediations/{id}/papers/{paper}",
    roles=ANYBODY,
    summary="A paper for a party (header Case-Pass)",
    parts=PARTS,
)
async def of_party(call: Call) -> web.Response:
    case, actor = await case_by_pass(call, MEDIATIONS)
    case.value.party(actor.id)
    return await _pdf(call, case)


@routes.add(
    "GET",
    "/api/mediator/mediations/{id}/papers/{paper}",
    roles=VOLUNTEERS,
    professions=MEDIATORS,
    summary="A paper for the mediator",
    parts=PARTS,
)
async def of_mediator(call: Call) -> web.Response:
    case, _ = await staff_case(call, MEDIATIONS)
    return await _pdf(call, case)


@routes.add(
    "GET",
    "/api/judge/confirmations/{id}/papers/{paper}",
    roles=VOLUNTEERS,
    professions=JUDGES,
    summary="A paper for the judge",
    parts=PARTS,
)
async def of_judge(call: Call) -> web.Response:
    case, _ = await staff_case(call, CONFIRMATIONS)
    return await _pdf(call, await clinic_of(call).cases.of(MEDIATIONS, case.value.mediation))


async def _pdf(call: Call, case: Case[Mediation]) -> web.Response:
    court = call.part("paper") == "application"
    body = await clinic_of(call).mediations.pdf(case, court=court)
    name = f"{case.number or case.id}-{call.part('paper')}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return web.Response(body=body, content_type="application/pdf", headers=headers)
