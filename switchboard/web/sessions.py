"""Who is signed in, and the gate by which one comes in.

The session is an encrypted cookie with the account's name, its epoch and a random id. Every request looks the account
up again, so that a disabled account or a changed password ends all sessions at once; signing out revokes the one id.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp_session import AbstractStorage, Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from switchboard.errors import TooManyTries, WrongPassword
from switchboard.records import Account, Records
from switchboard.web import metrics
from switchboard.web.state import COOKIES, HOUSE, SESSION, SIGN_IN_DESK

SESSION_S = 12 * 3600
"""A shift and a half; after that one signs in again."""

TRIES = 10
TRIES_OF_ADDRESS = 100
BLOCKED_S = 300.0
MOST_KEYS = 20_000
MOST_AT_ONCE = 16

logging.getLogger("aiohttp_session").setLevel(logging.ERROR)  # a line for each foreign cookie helps nobody


class CookieStorage(AbstractStorage):
    """One cookie for plain HTTP and one, Secure and bound to the host, for HTTPS.

    Browsers do not part cookies by port: under one name, a sign-in on HTTPS would shut the same person out on HTTP.
    """

    def __init__(self, secret: str, *, https_in_front: bool) -> None:
        super().__init__()
        key = urlsafe_b64encode(hashlib.sha256(b"session cookie\0" + secret.encode()).digest())
        self._always_https = https_in_front
        self._plain = _cookie(key, "switchboard", secure=False)
        self._secure = _cookie(key, "__Host-switchboard", secure=True)

    def _for(self, request: web.Request) -> EncryptedCookieStorage:
        return self._secure if self._always_https or request.secure else self._plain

    async def load_session(self, request: web.Request) -> Session:
        try:
            return await self._for(request).load_session(request)
        except ValueError:  # bytes that are no text at all
            return await self.new_session()

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        cookie = self._for(request)
        if session.empty:  # a browser drops a __Host- cookie only when told to with Secure
            response.del_cookie(
                cookie.cookie_name, path="/", httponly=True, samesite="Lax", secure=cookie is self._secure
            )
        else:
            await cookie.save_session(request, response, session)

    async def new_session(self) -> Session:
        return await self._plain.new_session()


def _cookie(key: bytes, name: str, *, secure: bool) -> EncryptedCookieStorage:
    return EncryptedCookieStorage(
        key.decode(), cookie_name=name, max_age=SESSION_S, httponly=True, secure=secure, samesite="Lax"
    )


@web.middleware
async def keep_session(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Writes the cookie when the handler began or ended a session.

    In place of the library's own middleware, which keeps its things in the request under plain strings.
    """
    response = await handler(request)
    session = request.get(SESSION)
    if session is not None and not response.prepared:
        await request.app[COOKIES].save_session(request, response, session)
    return response


async def signed_in(request: web.Request, *, optional: bool) -> Account | None:
    """The account of the request's session, None without a valid one. Raises RecordsAway.

    ``optional`` routes look nobody up: a page for anybody must open while the database is away.
    """
    if optional:
        return None
    session = await request.app[COOKIES].load_session(request)
    name, sid = session.get("name"), session.get("sid")
    if not isinstance(name, str) or not isinstance(sid, str):
        return None
    if request.app[SIGN_IN_DESK].is_revoked(sid):
        return None
    account = await request.app[HOUSE].records.account(name)
    if account is None or account.disabled or account.epoch != session.get("epoch"):
        return None
    return account


class Throttle:
    """Counts tries by key: after ``most`` without success the key is blocked for five minutes. Bounded."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Counts one try before it is made, so that many at once do not slip through. Raises TooManyTries."""
        now = self._clock()
        count, until = self._tries.get(key, (0, 0.0))
        if now >= until:
            count = 0
        if count >= self._most:
            raise TooManyTries(retry_after_s=int(until - now) + 1)
        self._tries[key] = (count + 1, now + BLOCKED_S)
        self._tries.move_to_end(key)
        while len(self._tries) > MOST_KEYS:
            self._tries.popitem(last=False)

    def give_back(self, key: str) -> None:
        """The try was a success after all."""
        count, until = self._tries.get(key, (0, 0.0))
        if count > 1:
            self._tries[key] = (count - 1, until)
        else:
            self._tries.pop(key, None)

    def forget(self, key: str) -> None:
        self._tries.pop(key, None)


class SignInDesk:
    """Checks passwords at a bounded rate and remembers which sessions were given back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_name = Throttle(TRIES, clock=clock)
        self._by_address = Throttle(TRIES_OF_ADDRESS, clock=clock)
        self._at_work = 0
        self._clock = clock
        self._revoked: OrderedDict[str, float] = OrderedDict()

    async def check(self, records: Records, name: str, password: str, address: str | None) -> Account:
        """The account. Raises WrongPassword for anything wrong, TooManyTries when it was tried too often.

        An account that does not exist is counted, timed and answered like one that does.
        """
        if self._at_work >= MOST_AT_ONCE:
            raise TooManyTries(retry_after_s=2)
        source = _network(address)
        key = f"{source} {hashlib.sha256(name.encode(errors='replace')).hexdigest()}"
        try:
            self._by_name.take(key)
            self._by_address.take(source)
        except TooManyTries:
            metrics.SIGN_INS.labels("blocked").inc()
            raise
        self._at_work += 1
        try:
            account = await records.verify_password(name, password)
        finally:
            self._at_work -= 1
        if account is None:
            metrics.SIGN_INS.labels("refused").inc()
            raise WrongPassword
        self._by_name.forget(key)
        self._by_address.give_back(source)
        metrics.SIGN_INS.labels("done").inc()
        return account

    def revoke(self, sid: str) -> None:
        now = self._clock()
        self._revoked[sid] = now + SESSION_S
        while self._revoked and (len(self._revoked) > MOST_KEYS or next(iter(self._revoked.values())) < now):
            self._revoked.popitem(last=False)

    def is_revoked(self, sid: str) -> bool:
        return sid in self._revoked


def _network(address: str | None) -> str:
    """The address; of IPv6 the /64, since whoever has one address of it has them all."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "local"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


async def begin_session(request: web.Request, account: Account) -> None:
    """A new session with a new id, whatever the request had before."""
    await end_session(request)
    session = request[SESSION] = await request.app[COOKIES].new_session()
    session["name"] = account.name
    session["epoch"] = account.epoch
    session["sid"] = secrets.token_urlsafe(16)


async def end_session(request: web.Request) -> None:
    session = await request.app[COOKIES].load_session(request)
    sid = session.get("sid")
    if isinstance(sid, str):
        request.app[SIGN_IN_DESK].revoke(sid)
    request[SESSION] = await request.app[COOKIES].new_session()
