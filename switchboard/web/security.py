"""Headers on every answer, the origin check, and uniform errors."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from switchboard.errors import (
    BadRequest,
    ForeignOrigin,
    NotAllowed,
    NotFound,
    RecordsAway,
    RecordsClosed,
    TooLarge,
    Unavailable,
    WebError,
)
from switchboard.web import metrics
from switchboard.web.state import HOUSE

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it a browser sends "Origin: null" from a form, and our own page would be foreign.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(self), geolocation=(), payment=(), usb=()",
    "Server": "switchboard",
}
HSTS = "max-age=31536000"

_STATUSES: dict[int, type[WebError]] = {404: NotFound, 405: NotAllowed, 413: TooLarge}


async def put_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal of aiohttp: called for every answer, upgrades and files included."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    https = request.secure or request.app[HOUSE].web.https_in_front
    if (
        https and request.host.partition(":")[0] != "localhost"
    ):  # it would bind every port of the name, plain HTTP's too
        response.headers["Strict-Transport-Security"] = HSTS


@web.middleware
async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what another site made a browser send. Programs that are no browser send no Origin at all."""
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    if (request.method not in ("GET", "HEAD") or upgrade) and not _is_ours(request):
        raise ForeignOrigin
    return await handler(request)


def _is_ours(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    if origin in request.app[HOUSE].web.origins:
        return True
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    schemes = ("https",) if request.secure else ("http", "https")  # https: a proxy may end TLS before us
    return given.scheme in schemes and bool(given.netloc) and given.netloc == request.headers.get("Host")


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as {code, zh, en}; what we did not foresee is logged without its content and answered 500."""
    try:
        answer = await handler(request)
    except WebError as error:
        answer = error_answer(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = _STATUSES.get(error.status, BadRequest if error.status < 500 else WebError)
        answer = error_answer(request, known())
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
    except (RecordsAway, RecordsClosed):
        answer = error_answer(request, Unavailable(retry_after_s=2))
    except ConnectionError:
        raise  # the other end has gone: nobody is there to be told
    except Exception as error:
        log.error("web.failed", route=_route(request), error=type(error).__name__, at=_where(error))
        answer = error_answer(request, WebError())
    metrics.REQUESTS.labels(_method(request), _route(request), str(answer.status)).inc()
    return answer


def error_answer(request: web.Request, error: WebError) -> web.Response:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if _wants_page(request):
        return message_page(error.status, error.zh, error.en, headers)
    body: dict[str, object] = {"code": error.code, "zh": error.zh, "en": error.en}
    if error.fields:
        body["fields"] = list(error.fields)
    if error.problems:
        body["problems"] = list(error.problems)
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(status=error.status, text=text, content_type="application/json", headers=headers)


def message_page(status: int, zh: str, en: str, headers: dict[str, str] | None = None) -> web.Response:
    """A page of plain words for where no built page can be shown."""
    text = (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>12348</title>'
        f'<h1>{zh}</h1><p lang="en">{en}</p><p><a href="/">12348</a></p></html>'
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def _wants_page(request: web.Request) -> bool:
    page = request.method == "GET" and not request.path.startswith(("/api/", "/ws/"))
    return page and "text/html" in request.headers.get("Accept", "")


def _where(error: BaseException) -> str:
    """The innermost places of the error, without its text and without any value: both may be personal."""
    places = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in reversed(places))


def _route(request: web.Request) -> str:
    """The route's pattern: bounded, and without what was in its place."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def _method(request: web.Request) -> str:
    return (
        request.method if request.method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS") else "other"
    )
