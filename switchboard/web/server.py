"""The web application: routes, sessions and sockets of one house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientSession, web

from switchboard.web import (
    acts,
    api,
    appeals,
    bookings,
    calendar,
    calendar_feeds,
    callers,
    clinic_aid,
    clinic_catalogue,
    confirmations,
    directory,
    earlier,
    files,
    help_calls,
    law,
    links,
    mediation_papers,
    mediations,
    own_figures,
    own_phone,
    prompts,
    rooms,
    rules,
    shifts,
    sockets,
    swaps,
    terminals,
    tickets,
    walk,
)
from switchboard.web.gate import Gate
from switchboard.web.house import WebHouse
from switchboard.web.routes import MOST_BODY_OF_ANY
from switchboard.web.security import check_origin, put_headers, tell_errors
from switchboard.web.sessions import (
    TRIES,
    TRIES_OF_ADDRESS,
    CookieStorage,
    SignInDesk,
    Throttle,
    keep_session,
)
from switchboard.web.sip_relay import SipLines
from switchboard.web.state import (
    CAPTURE_DOOR,
    CLIENT,
    COOKIES,
    GOING,
    HOUSE,
    LINK_DOOR,
    LOCAL_ADMIN,
    NUMBER_DOOR,
    OPEN_GATE,
    PAIRING_DOOR,
    ROUTES,
    SIGN_IN_DESK,
    SIP_LINES,
    SOUND_DOOR,
)

PARTS = (
    *(api, rules, prompts, callers, calendar, directory, walk),
    *(own_phone, own_figures, appeals, shifts, swaps, help_calls),
    *(law, tickets, earlier, terminals, links, rooms),
    *(
        clinic_catalogue,
        bookings,
        calendar_feeds,
        acts,
        mediations,
        mediation_papers,
        confirmations,
        clinic_aid,
    ),
    *(sockets, files),
)


OPEN_BURST, OPEN_A_MINUTE = 60, 60
"""What an address may ask for without signing in."""


def make_app(house: WebHouse, *, local_admin: bool = False) -> web.Application:
    """The application to serve on TCP; with ``local_admin`` the one for the control socket.

    On the control socket everybody is an administrator named ``local``: the permissions of its file decide who may
    connect, so it must never be bound to anything else than a unix socket of mode 0600.
    """
    app = web.Application(
        middlewares=[tell_errors, keep_session, check_origin], client_max_size=MOST_BODY_OF_ANY
    )
    app[HOUSE] = house
    app[LOCAL_ADMIN] = local_admin
    app[COOKIES] = CookieStorage(house.web.secret, https_in_front=house.web.https_in_front)
    app[SIGN_IN_DESK] = SignInDesk()
    app[PAIRING_DOOR] = Throttle(TRIES)
    app[LINK_DOOR] = Throttle(TRIES_OF_ADDRESS)
    app[CAPTURE_DOOR] = Throttle(TRIES_OF_ADDRESS)
    app[NUMBER_DOOR] = Throttle(TRIES)
    app[OPEN_GATE] = Gate(OPEN_BURST, OPEN_A_MINUTE)
    app[SIP_LINES] = SipLines()
    app[SOUND_DOOR] = asyncio.Semaphore(1)
    app[GOING] = asyncio.Event()
    app.cleanup_ctx.append(_client)
    app.on_shutdown.append(_say_goodbye)
    app.on_response_prepare.append(put_headers)
    app[ROUTES] = []
    for part in PARTS:
        part.routes.install(app)
        app[ROUTES] += part.routes.all
    return app


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession() as client:
        app[CLIENT] = client
        yield


async def _say_goodbye(app: web.Application) -> None:
    app[GOING].set()
