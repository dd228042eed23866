"""What hangs on the aiohttp application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import ClientSession, web
from aiohttp_session import Session

if TYPE_CHECKING:
    from switchboard.web.gate import Gate
    from switchboard.web.house import WebHouse
    from switchboard.web.routes import Route
    from switchboard.web.sessions import CookieStorage, SignInDesk, Throttle
    from switchboard.web.sip_relay import SipLines

HOUSE: web.AppKey[WebHouse] = web.AppKey("house")
LOCAL_ADMIN = web.AppKey("local_admin", bool)
COOKIES: web.AppKey[CookieStorage] = web.AppKey("cookies")
SESSION = web.RequestKey("session", Session)
"""Only where the request begins or ends one."""

ROUTES: web.AppKey[list[Route]] = web.AppKey("routes")
"""Every route of the application, for its description."""

SOUND_DOOR = web.AppKey("sound_door", asyncio.Semaphore)
"""One recording is converted at a time: it keeps a core busy for some seconds."""

SIGN_IN_DESK: web.AppKey[SignInDesk] = web.AppKey("sign_in_desk")
PAIRING_DOOR: web.AppKey[Throttle] = web.AppKey("pairing_door")
"""Counts the pairing codes that were tried, by address."""
CAPTURE_DOOR: web.AppKey[Throttle] = web.AppKey("capture_door")
LINK_DOOR: web.AppKey[Throttle] = web.AppKey("link_door")
NUMBER_DOOR: web.AppKey[Throttle] = web.AppKey("number_door")
"""Counts the booking numbers that were tried, by terminal."""
OPEN_GATE: web.AppKey[Gate] = web.AppKey("open_gate")
"""What needs no sign-in, by address."""
SIP_LINES: web.AppKey[SipLines] = web.AppKey("sip_lines")
CLIENT = web.AppKey("client", ClientSession)
GOING = web.AppKey("going", asyncio.Event)
"""Set when the server goes down: sockets say goodbye by themselves."""
