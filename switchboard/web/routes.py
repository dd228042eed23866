"""The one way to add a route: a decorator that states its role, its input and its answer, and enforces them.

Whatever a handler is reached by has passed, in this order: the origin check, the role, the query, the body. A route
that is not declared here does not exist, and the description at ``/api/openapi.json`` is made from the same words.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from switchboard.errors import BadRequest, Forbidden, InvalidInput, NotJson, NotSignedIn, TooLarge
from switchboard.records import Account, AgentRow, Role
from switchboard.times import now_ms
from switchboard.web import metrics
from switchboard.web.house import WebHouse
from switchboard.web.sessions import signed_in
from switchboard.web.state import HOUSE, LOCAL_ADMIN

ANYBODY: frozenset[Role] | None = None
SIGNED_IN: frozenset[Role] = frozenset({"volunteer", "supervisor", "administrator"})
SUPERVISORS: frozenset[Role] = frozenset({"supervisor", "administrator"})
ADMINISTRATORS: frozenset[Role] = frozenset({"administrator"})
VOLUNTEERS: frozenset[Role] = frozenset({"volunteer"})
NOTARIES = frozenset({"notary"})
MEDIATORS = frozenset({"mediator"})
JUDGES = frozenset({"judge"})
LEGAL_AID = frozenset({"legal_aid_worker"})
INFORMATION = frozenset({"rectification_worker", "legal_aid_worker"})
"""Who tells what is known of people in prison and rehabilitation."""

LOCAL = Account("local", "administrator")
"""Who reaches us by the control socket: the file's permissions have let them in."""

MOST_BODY = 64 * 1024
MOST_BODY_OF_ANY = 256 * 1024
"""A text of 64 KB, written as JSON with its escapes, fits."""

BODY_S = 10.0

Model = TypeVar("Model", bound=BaseModel)
Answer = BaseModel | web.StreamResponse | None
Handler = Callable[["Call"], Awaitable[Answer]]
Kind = Literal["api", "socket", "page"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered. ``who`` is None on routes for anybody, unless somebody is signed in."""

    request: web.Request
    house: WebHouse
    who: Account | None
    query: Any = None
    body: Any = None
    agent: AgentRow | None = None
    """The volunteer who asks, on routes of a profession."""

    @property
    def account(self) -> Account:
        if self.who is None:
            raise NotSignedIn
        return self.who

    @property
    def is_volunteer(self) -> bool:
        return self.account.role == "volunteer"

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]


@dataclass(frozen=True, slots=True)
class Route:
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    roles: frozenset[Role] | None
    summary: str
    kind: Kind = "api"
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    parts: Mapping[str, str] = field(default_factory=dict)
    most_body: int = MOST_BODY
    professions: frozenset[str] = frozenset()

    @property
    def aiohttp_path(self) -> str:
        """``/api/contacts/{id}`` with the pattern of each part put in."""
        return re.sub(r"\{(\w+)\}", lambda found: f"{{{found[1]}:{self.parts[found[1]]}}}", self.path)


class Routes:
    """A list of routes in the making. ``add`` is the decorator."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def add(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        *,
        roles: frozenset[Role] | None,
        summary: str,
        kind: Kind = "api",
        query: type[BaseModel] | None = None,
        body: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        parts: Mapping[str, str] | None = None,
        most_body: int = MOST_BODY,
        professions: frozenset[str] = frozenset(),
    ) -> Callable[[Handler], Handler]:
        """``roles``: who may, None for anybody. ``parts``: the pattern of each part of the path. ``most_body``: bytes,
        at most ``MOST_BODY_OF_ANY``. ``professions``: of the volunteers only those who may serve as one of these (the
        roles of the routing policy).

        Query and body are validated by their models; unknown names are refused by the models themselves.
        """

        def register(handler: Handler) -> Handler:
            made = Route(
                method,
                path,
                handler,
                roles,
                summary,
                kind,
                query,
                body,
                answer,
                status,
                parts or {},
                most_body,
                professions,
            )
            self.all.append(made)
            return handler

        return register

    def install(self, app: web.Application) -> None:
        for route in self.all:
            app.router.add_route(route.method, route.aiohttp_path, Served(route).answer)


class Served:
    """What aiohttp calls for one route."""

    def __init__(self, route: Route) -> None:
        self.route = route

    async def answer(self, request: web.Request) -> web.StreamResponse:
        route = self.route
        begun = time.monotonic()
        who = LOCAL if request.app[LOCAL_ADMIN] else await signed_in(request, optional=route.roles is None)
        if route.roles is not None:
            _check_role(route, who)
        agent = await _professional(request.app[HOUSE], route, who) if route.professions else None
        query = _read_query(request, route.query)
        body = await _read_body(request, route.body, route.most_body) if route.body else None
        call = Call(request, request.app[HOUSE], who, query, body, agent)
        if route.kind == "socket":
            with metrics.SOCKETS.labels(route.path).track_inprogress():
                answer = await route.handler(call)
        else:
            answer = await route.handler(call)
            metrics.SECONDS.labels(route.path).observe(time.monotonic() - begun)
        return answer if isinstance(answer, web.StreamResponse) else _json(route, answer)


def _check_role(route: Route, who: Account | None) -> None:
    if who is None:
        raise Forbidden if route.kind == "socket" else NotSignedIn
    if route.roles is not None and who.role not in route.roles:
        raise Forbidden


async def _professional(house: WebHouse, route: Route, who: Account | None) -> AgentRow:
    """The volunteer who asks. Raises Forbidden for another profession, and without a licence in force."""
    agent = await house.records.agent(who.agent_id) if who and who.agent_id else None
    today = house.calendar.local(now_ms()).date()
    if agent is None or agent.role not in route.professions or not agent.may_serve(today):
        raise Forbidden
    return agent


def _json(route: Route, answer: BaseModel | None) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    return web.Response(
        status=route.status, body=answer.model_dump_json().encode(), content_type="application/json"
    )


def _read_query(request: web.Request, model: type[Model] | None) -> Model | None:
    """The query by its model. A name said twice is refused: two readers could read two different things."""
    if model is None:
        return None
    given = request.query
    if len(given) != len(set(given)):
        raise InvalidInput(fields=("query",))
    return _validated(lambda: model.model_validate_strings(dict(given)))


async def _read_body(request: web.Request, model: type[Model], most: int) -> Model:
    if request.content_type != "application/json":
        raise NotJson
    if (request.content_length or 0) > most:
        raise TooLarge
    try:
        async with asyncio.timeout(BODY_S):
            text = await request.read()
    except TimeoutError:
        raise BadRequest from None
    if len(text) > most:
        raise TooLarge
    return _validated(lambda: model.model_validate_json(text))


def _validated(read: Callable[[], Model]) -> Model:
    """Raises BadRequest where it is no JSON at all, else InvalidInput with the names of the wrong fields."""
    try:
        return read()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    except (UnicodeError, RecursionError):
        raise BadRequest from None
    if any(one["type"] == "json_invalid" for one in found):
        raise BadRequest
    names = {_known(".".join(str(part) for part in one["loc"]), one["type"]) for one in found}
    raise InvalidInput(fields=tuple(sorted(names)))


def _known(name: str, kind: str) -> str:
    """Names of our own fields are told; a name that was made up by the sender is not sent back."""
    return "unknown" if kind == "extra_forbidden" else name[:64]
