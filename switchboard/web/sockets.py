"""The socket routes: who may open which."""

from __future__ import annotations

from aiohttp import web

from switchboard.errors import BadRequest, Forbidden, NoVideo, RecordsAway
from switchboard.web.board import watch_board
from switchboard.web.routes import ANYBODY, SUPERVISORS, VOLUNTEERS, Call, Routes
from switchboard.web.sessions import signed_in
from switchboard.web.sip_relay import relay
from switchboard.web.state import CLIENT, GOING, LOCAL_ADMIN, SIP_LINES
from video.messages import FRAME_MAX
from video.signalling import Session

routes = Routes()

CLOSE_S = 2.0


@routes.add("GET", "/ws/desk", roles=VOLUNTEERS, summary="A volunteer's desk", kind="socket")
async def desk(call: Call) -> web.StreamResponse:
    _check_upgrade(call)
    return await call.house.desk_socket(call.request, _agent(call))


@routes.add("GET", "/ws/sip", roles=VOLUNTEERS, summary="The softphone's line", kind="socket")
async def sip(call: Call) -> web.StreamResponse:
    _check_upgrade(call)
    _agent(call)
    app, name = call.request.app, call.account.name
    app[SIP_LINES].take(name)
    try:
        return await relay(call.request, app[CLIENT], call.house.web.sip_url, app[GOING])
    finally:
        app[SIP_LINES].give_back(name)


@routes.add("GET", "/ws/board", roles=SUPERVISORS, summary="The live queue board", kind="socket")
async def board(call: Call) -> web.StreamResponse:
    _check_upgrade(call)

    async def still_allowed() -> bool:
        if call.request.app[LOCAL_ADMIN]:
            return True
        try:
            account = await signed_in(call.request, optional=False)
        except RecordsAway:
            return True  # nobody is thrown out because the database is away
        return account is not None and account.role in SUPERVISORS

    return await watch_board(call.house.board, call.request, still_allowed, call.request.app[GOING])


@routes.add("GET", "/ws/visit", roles=ANYBODY, summary="A visit at a terminal", kind="socket")
async def visit(call: Call) -> web.StreamResponse:
    """The terminal's token is in its first frame: a browser cannot put it into a header."""
    _check_upgrade(call)
    return await call.house.visit_socket(call.request)


@routes.add(
    "GET",
    "/video/{room}",
    roles=ANYBODY,
    summary="A video room (video/protocol.md)",
    kind="socket",
    parts={"room": r"[A-Za-z0-9_-]{1,64}"},
)
async def video(call: Call) -> web.StreamResponse:
    """Who may enter is said by the token in the first frame."""
    _check_upgrade(call)
    rooms = call.house.rooms
    if rooms is None:
        raise NoVideo
    socket = web.WebSocketResponse(max_msg_size=FRAME_MAX, compress=True, timeout=CLOSE_S)
    await socket.prepare(call.request)
    await Session(rooms.bridge, call.part("room"), socket).run()
    return socket


def _agent(call: Call) -> str:
    if call.account.agent_id is None:
        raise Forbidden
    return call.account.agent_id


def _check_upgrade(call: Call) -> None:
    if not web.WebSocketResponse().can_prepare(call.request):
        raise BadRequest
