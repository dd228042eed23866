from __future__ import annotations

import json
from typing import Any

import pytest

from switchboard.errors import RecordsAway
from switchboard.records import AgentRow
from switchboard.web.routes import Route, Served
from switchboard.web.server import PARTS
from tests.support.web import PASSWORD, Client, SmallHouse, client_of, sign_in

ROUTES = [route for part in PARTS for route in part.routes.all]
ROLES = (None, "volunteer", "supervisor", "administrator")
PROFESSIONS = ("notary", "mediator", "judge", "legal_aid_worker")
NAMES = {"volunteer": "v001", "supervisor": "sun", "administrator": "root"}

ANYBODY = {None, "volunteer", "supervisor", "administrator"}
SIGNED_IN = {"volunteer", "supervisor", "administrator"}

ALLOWED = {
    "POST /api/session": {None, "volunteer", "supervisor", "administrator"},
    "GET /api/session": {"volunteer", "supervisor", "administrator"},
    "DELETE /api/session": {None, "volunteer", "supervisor", "administrator"},
    "GET /api/contacts": {"volunteer", "supervisor", "administrator"},
    "GET /api/contacts/{id}": {"volunteer", "supervisor", "administrator"},
    "GET /api/contacts/{id}/recordings/{recording}": {"volunteer", "supervisor", "administrator"},
    "GET /api/tasks": {"volunteer", "supervisor", "administrator"},
    "GET /api/contacts/{id}/explanation": {"supervisor", "administrator"},
    "GET /api/own-phone": {"volunteer"},
    "POST /api/own-phone": {"volunteer"},
    "DELETE /api/own-phone": {"volunteer"},
    "GET /api/agents": {"supervisor", "administrator"},
    "GET /api/policy/matters": {"volunteer", "supervisor", "administrator"},
    "POST /api/demo/calls": {"supervisor", "administrator"},
    "GET /api/rules": {"administrator"},
    "GET /api/rules/{kind}/{name}": {"administrator"},
    "GET /api/rules/{kind}/{name}/versions/{number}": {"administrator"},
    "POST /api/rules/{kind}/{name}/check": {"administrator"},
    "POST /api/rules/{kind}/{name}/difference": {"administrator"},
    "POST /api/rules/{kind}/{name}/drafts": {"administrator"},
    "POST /api/rules/{kind}/{name}/publish": {"administrator"},
    "POST /api/rules/{kind}/{name}/roll-back": {"administrator"},
    "GET /api/prompts": {"administrator"},
    "GET /api/prompts/{language}/{key}/sound": {"administrator"},
    "POST /api/prompts/{language}/{key}/sound": {"administrator"},
    "DELETE /api/prompts/{language}/{key}/sound": {"administrator"},
    "POST /api/prompts/{language}/{key}/earlier": {"administrator"},
    "POST /api/hotlines/walk": {"administrator"},
    "POST /api/calendar/year": {"administrator"},
    "GET /api/known-callers": {"administrator"},
    "POST /api/known-callers": {"administrator"},
    "DELETE /api/known-callers/{number}": {"administrator"},
    "POST /api/known-callers/import": {"administrator"},
    "GET /api/follow-ups": {"supervisor", "administrator"},
    "POST /api/follow-ups/{id}": {"supervisor", "administrator"},
    "GET /api/directory": {"volunteer"},
    "GET /api/tickets": {"volunteer"},
    "GET /api/tickets/{id}": {"volunteer"},
    "PUT /api/tickets/{id}": {"volunteer"},
    "POST /api/tickets/{id}/file": {"volunteer"},
    "GET /api/contacts/{id}/tickets": {"supervisor", "administrator"},
    "GET /api/contacts/{id}/earlier": {"volunteer"},
    "GET /api/contacts/{id}/earlier/{other}": {"volunteer"},
    "GET /api/law": {"volunteer", "supervisor", "administrator"},
    "GET /api/own-figures": {"volunteer"},
    "GET /api/own-ratings": {"volunteer"},
    "POST /api/own-ratings/{id}/appeal": {"volunteer"},
    "GET /api/appeals": {"supervisor", "administrator"},
    "POST /api/appeals/{id}": {"supervisor", "administrator"},
    "GET /api/shifts": {"supervisor", "administrator"},
    "POST /api/shifts": {"administrator"},
    "POST /api/shifts/{number}": {"administrator"},
    "DELETE /api/shifts/{number}": {"administrator"},
    "POST /api/shift-imports": {"administrator"},
    "GET /api/own-shifts": {"volunteer"},
    "GET /api/own-swaps": {"volunteer"},
    "POST /api/own-shifts/{number}/swap": {"volunteer"},
    "DELETE /api/own-shifts/{number}/swap": {"volunteer"},
    "GET /api/shift-swaps": {"supervisor", "administrator"},
    "POST /api/shift-swaps/{number}": {"supervisor", "administrator"},
    "GET /api/help-calls": {"supervisor", "administrator"},
    "POST /api/help-calls/{number}/seen": {"supervisor", "administrator"},
    "POST /api/help-calls/{number}/close": {"supervisor", "administrator"},
    "GET /api/terminals": {"administrator"},
    "POST /api/terminals": {"administrator"},
    "POST /api/terminals/{id}/code": {"administrator"},
    "DELETE /api/terminals/{id}": {"administrator"},
    "POST /api/terminal/pair": {None, "volunteer", "supervisor", "administrator"},
    "POST /api/terminals/{id}/help/seen": {"supervisor", "administrator"},
    "POST /api/terminals/{id}/help/close": {"supervisor", "administrator"},
    "GET /api/terminal": set(),
    "POST /api/terminal/report": {None, "volunteer", "supervisor", "administrator"},
    "POST /api/terminal/help": {None, "volunteer", "supervisor", "administrator"},
    "DELETE /api/terminal/help": set(),
    "GET /api/terminal/prompts/{language}/{key}": set(),
    "POST /api/visits": {None, "volunteer", "supervisor", "administrator"},
    "GET /api/visits/{id}": set(),
    "PUT /api/visits/{id}/message": set(),
    "DELETE /api/visits/{id}": set(),
    "GET /api/clinic/services": ANYBODY,
    "GET /api/clinic/acts": ANYBODY,
    "POST /api/clinic/acts/{id}/check": ANYBODY,
    "GET /api/clinic/kinds": ANYBODY,
    "GET /api/clinic/slots": ANYBODY,
    "POST /api/bookings": ANYBODY,
    "GET /api/bookings": {"supervisor", "administrator"},
    "GET /api/bookings/numbered/{number}": set(),
    "POST /api/bookings/numbered/{number}/arrive": ANYBODY,
    "GET /api/bookings/{id}": ANYBODY,
    "POST /api/bookings/{id}/time": ANYBODY,
    "POST /api/bookings/{id}/cancel": ANYBODY,
    "POST /api/bookings/{id}/call-off": {"supervisor", "administrator"},
    "GET /api/own-bookings": {"volunteer"},
    "GET /api/clinic/sessions": ANYBODY,
    "POST /api/clinic/sessions": {"supervisor", "administrator"},
    "POST /api/clinic/sessions/{id}": {"supervisor", "administrator"},
    "POST /api/own-feed": {"volunteer"},
    "POST /api/terminals/{id}/feed": {"supervisor", "administrator"},
    "GET /calendar/{token}.ics": ANYBODY,
    "POST /api/acts": ANYBODY,
    "GET /api/acts/{id}": ANYBODY,
    "POST /api/acts/{id}/steps": ANYBODY,
    "GET /api/clinic/agreements": ANYBODY,
    "POST /api/mediations": ANYBODY,
    "GET /api/mediations/{id}": ANYBODY,
    "POST /api/mediations/{id}/steps": ANYBODY,
    "GET /api/terminal/mediations": set(),
    "GET /api/mediator/mediations": {"mediator"},
    "POST /api/mediator/mediations": {"mediator"},
    "GET /api/mediator/mediations/{id}": {"mediator"},
    "POST /api/mediator/mediations/{id}/steps": {"mediator"},
    "GET /api/mediator/mediations/{id}/events": {"mediator"},
    "GET /api/judge/confirmations": {"judge"},
    "GET /api/judge/confirmations/{id}": {"judge"},
    "POST /api/judge/confirmations/{id}/steps": {"judge"},
    "GET /api/judge/confirmations/{id}/events": {"judge"},
    "GET /api/mediator/confirmations": {"mediator"},
    "POST /api/mediator/confirmations/{id}/steps": {"mediator"},
    "GET /api/mediations/{id}/confirmation": ANYBODY,
    "POST /api/mediations/{id}/confirmation/printed": ANYBODY,
    "GET /api/confirmation-figures": {"volunteer", "supervisor", "administrator"},
    "GET /api/aid/{id}": ANYBODY,
    "POST /api/aid/{id}/steps": ANYBODY,
    "POST /api/aid": ANYBODY,
    "GET /api/home-visits/{id}": ANYBODY,
    "POST /api/home-visits/{id}/steps": ANYBODY,
    "POST /api/home-visits": ANYBODY,
    "GET /api/disclosures/{id}": ANYBODY,
    "POST /api/disclosures/{id}/steps": ANYBODY,
    "POST /api/disclosures": ANYBODY,
    "GET /api/staff/aid": {"legal_aid_worker"},
    "GET /api/staff/aid/{id}": {"legal_aid_worker"},
    "POST /api/staff/aid/{id}/steps": {"legal_aid_worker"},
    "GET /api/staff/home-visits": {"legal_aid_worker"},
    "GET /api/staff/home-visits/{id}": {"legal_aid_worker"},
    "POST /api/staff/home-visits/{id}/steps": {"legal_aid_worker"},
    "GET /api/staff/disclosures": {"legal_aid_worker", "rectification_worker"},
    "GET /api/staff/disclosures/{id}": {"legal_aid_worker", "rectification_worker"},
    "POST /api/staff/disclosures/{id}/steps": {"legal_aid_worker", "rectification_worker"},
    "GET /api/disclosure-approvals": {"supervisor", "administrator"},
    "POST /api/disclosure-approvals/{id}": {"supervisor", "administrator"},
    "GET /api/clinic/aid-groups": ANYBODY,
    "GET /api/mediations/{id}/papers/{paper}": ANYBODY,
    "GET /api/mediator/mediations/{id}/papers/{paper}": {"mediator"},
    "GET /api/judge/confirmations/{id}/papers/{paper}": {"judge"},
    "GET /api/notary/acts": {"notary"},
    "GET /api/notary/acts/{id}": {"notary"},
    "POST /api/notary/acts/{id}/steps": {"notary"},
    "GET /api/notary/acts/{id}/events": {"notary"},
    "GET /api/rooms": SIGNED_IN,
    "POST /api/rooms": SIGNED_IN,
    "GET /api/rooms/{room}": SIGNED_IN,
    "DELETE /api/rooms/{room}": SIGNED_IN,
    "POST /api/rooms/{room}/pass": SIGNED_IN,
    "POST /api/rooms/{room}/links": SIGNED_IN,
    "PUT /api/rooms/{room}/recording": SIGNED_IN,
    "POST /api/rooms/{room}/calls": SIGNED_IN,
    "DELETE /api/rooms/{room}/calls/{leg}": SIGNED_IN,
    "PUT /video/{room}/captures/{capture}": ANYBODY,
    "GET /video/{room}/captures/{capture}": SIGNED_IN,
    "GET /api/links/{token}": {None, "volunteer", "supervisor", "administrator"},
    "POST /api/links/{token}": {None, "volunteer", "supervisor", "administrator"},
    "GET /ws/visit": {None, "volunteer", "supervisor", "administrator"},
    "GET /room": ANYBODY,
    "GET /video/{room}": {None, "volunteer", "supervisor", "administrator"},
    "GET /v/{token}": {None, "volunteer", "supervisor", "administrator"},
    "GET /api/openapi.json": {None, "volunteer", "supervisor", "administrator"},
    "GET /healthz": {None, "volunteer", "supervisor", "administrator"},
    "GET /metrics": {None, "volunteer", "supervisor", "administrator"},
    "GET /ws/desk": {"volunteer"},
    "GET /ws/sip": {"volunteer"},
    "GET /ws/board": {"supervisor", "administrator"},
    "GET /": {None, "volunteer", "supervisor", "administrator"},
    "GET /sign-in": {None, "volunteer", "supervisor", "administrator"},
    "GET /desk": {None, "volunteer", "supervisor", "administrator"},
    "GET /admin": {None, "volunteer", "supervisor", "administrator"},
    "GET /terminal": {None, "volunteer", "supervisor", "administrator"},
    "GET /board": {None, "volunteer", "supervisor", "administrator"},
    "GET /static/{path}": {None, "volunteer", "supervisor", "administrator"},
}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_the_table_names_every_route() -> None:
    assert {name_of(route) for route in ROUTES} == set(ALLOWED)


async def test_no_route_goes_past_the_decorator(client: Client) -> None:
    assert client.app is not None
    handlers = [route.handler for route in client.app.router.routes()]
    assert len(handlers) == len(ROUTES)
    assert all(isinstance(getattr(handler, "__self__", None), Served) for handler in handlers)


@pytest.mark.parametrize("role", [*ROLES, *PROFESSIONS], ids=str)
async def test_each_role_reaches_exactly_its_routes(
    client: Client, house: SmallHouse, role: str | None
) -> None:
    if role in PROFESSIONS:
        await house.records.upsert_agent(AgentRow(role, role, role))
        await house.records.create_account(role, PASSWORD, "volunteer", role)
    if role is not None:
        assert await sign_in(client, NAMES.get(role, role)) == 201
    for route in ROUTES:
        if name_of(route) == "DELETE /api/session":
            continue  # last, below: it would sign us out
        if role in PROFESSIONS and not route.professions:
            continue  # as for any volunteer
        path = route.path.replace("{id}", "c-none").replace("{path}", "none.js")
        words = {"kind": "hotline", "name": "12348", "language": "zh", "key": "welcome"} | {
            "room": "none",
            "leg": "ph-none",
            "capture": "0" * 16,
            "paper": "agreement",
        }
        path = path.format(
            number=123,
            recording="r-none",
            other="c-other",
            token="x" * 32,
            **words,
        )
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"} if route.kind == "socket" else {}
        async with client.request(route.method, path, headers=upgrade) as answer:
            refused = answer.status in (401, 403)
            allowed = ALLOWED[name_of(route)]
            may = role in allowed or (role in PROFESSIONS and "volunteer" in allowed)
            assert refused == (not may), (name_of(route), answer.status)
            if answer.status == 503:
                assert (await answer.json())["code"] == "no_video", name_of(route)
            else:
                assert answer.status < 500, name_of(route)
            if refused:
                of_terminals = not ALLOWED[
                    name_of(route)
                ]  # whoever has a terminal's token, and nobody by role
                expected = 401 if of_terminals or (role is None and route.kind != "socket") else 403
                assert answer.status == expected
    async with client.delete("/api/session") as answer:
        assert answer.status == 204


async def contact_of(house: SmallHouse, ident: str, agent: str) -> None:
    await house.records.append(
        ident, "arrived", medium="call", caller="13812345678", channel="secret-channel"
    )
    await house.records.append(ident, "connected", agent=agent)
    await house.records.append(ident, "recording", id="r-1", file="/srv/secret.wav", ms=5)
    await house.records.append(ident, "ended", reason="completed", by="caller")


async def test_a_volunteer_sees_own_contacts_only(client: Client, house: SmallHouse) -> None:
    await contact_of(house, "c-1", "v001")
    await contact_of(house, "c-2", "v002")
    await sign_in(client, "v001")
    for query in ("", "?agent=v002"):
        async with client.get(f"/api/contacts{query}") as answer:
            assert [item["id"] for item in (await answer.json())["items"]] == ["c-1"]
    async with client.get("/api/contacts/c-1") as answer:
        assert answer.status == 200


async def test_what_another_has_and_what_does_not_exist_are_answered_alike(
    client: Client, house: SmallHouse
) -> None:
    await contact_of(house, "c-2", "v002")
    await sign_in(client, "v001")
    answers = []
    for ident in ("c-2", "c-nothing"):
        async with client.get(f"/api/contacts/{ident}") as answer:
            answers.append((answer.status, await answer.text(), dict(answer.headers) | {"Date": ""}))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_numbers_are_masked_and_files_and_channels_hidden(client: Client, house: SmallHouse) -> None:
    await contact_of(house, "c-1", "v001")
    await sign_in(client, "sun")
    for path in ("/api/contacts", "/api/contacts/c-1"):
        async with client.get(path) as answer:
            text = await answer.text()
            assert "138****5678" in text
            assert not any(hidden in text for hidden in ("13812345678", "secret"))
    async with client.get("/api/contacts?caller=13812345678") as answer:
        assert len((await answer.json())["items"]) == 1
    assert await house.records.verify_audit() == 2  # signing in and opening one contact


async def test_pages_of_contacts_follow_each_other(client: Client, house: SmallHouse) -> None:
    for number in range(5):
        await house.records.append(f"c-{number}", "arrived", at_ms=1000 + number, medium="call")
    await sign_in(client, "sun")
    seen: list[str] = []
    query: dict[str, Any] = {"limit": "2"}
    while True:
        async with client.get("/api/contacts", params=query) as answer:
            page = await answer.json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == ["c-4", "c-3", "c-2", "c-1", "c-0"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "state=asleep",
        "after=nonsense",
        "after=99999999999999999999~c",
        "since_ms=99999999999999999999999",
        "since_ms=-1",
        "matter=%00",
        "agent=%ff",
        "caller=12345678%27--",
        "colour=red",
        "demo=maybe",
    ],
)
async def test_a_bad_query_is_refused_with_the_names_of_the_fields(client: Client, query: str) -> None:
    await sign_in(client, "sun")
    async with client.get(f"/api/contacts?{query}") as answer:
        assert answer.status == 422
        body = await answer.json()
        assert body["code"] == "invalid_input"
        assert body["fields"]
        assert {"code", "zh", "en", "fields"} == set(body)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"name":"\\ud800","password":"x"}', "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"name":1,"password":"x"}', "application/json", 422),
        (b'{"name":"a","password":"x","role":"administrator"}', "application/json", 422),
        (json.dumps({"name": "a", "password": "x" * 257}).encode(), "application/json", 422),
        (b'{"name":"a","password":"x"}', "text/plain", 415),
        (b"name=a&password=x", "application/x-www-form-urlencoded", 415),
        (b"x" * 70_000, "application/json", 413),
    ],
)
async def test_a_bad_body_is_refused_and_never_an_error_of_ours(
    client: Client, body: bytes, kind: str, status: int
) -> None:
    async with client.post("/api/session", data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == status
        assert {"code", "zh", "en"} <= set(await answer.json())


async def test_a_cookie_that_is_no_text_is_no_session(client: Client) -> None:
    for cookie in ("switchboard=gAAAA", "switchboard=\udcff\udcfe", "switchboard=" + "x" * 5000):
        async with client.get("/api/session", headers={"Cookie": cookie}) as answer:
            assert answer.status == 401


async def test_every_answer_carries_the_headers_that_keep_scripts_out(client: Client) -> None:
    for path in ("/", "/api/session", "/static/assets/a-1234.js", "/healthz", "/nothing", "/ws/board"):
        async with client.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert "aiohttp" not in answer.headers["Server"].lower()
            assert answer.headers["Cache-Control"]


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_another_site_can_change_nothing(client: Client, method: str, headers: dict[str, str]) -> None:
    async with client.request(method, "/api/session", headers=headers) as answer:
        assert answer.status == 403
        assert (await answer.json())["code"] == "foreign_origin"


async def test_our_own_origin_and_the_configured_ones_may(client: Client) -> None:
    own = str(client.make_url("/")).rstrip("/")
    for origin in (own, "https://desk.example"):
        async with client.delete("/api/session", headers={"Origin": origin}) as answer:
            assert answer.status == 204


async def test_what_does_not_exist_is_said_in_json_and_to_browsers_in_words(client: Client) -> None:
    async with client.get("/api/nothing") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    async with client.put("/api/session") as answer:
        assert (answer.status, (await answer.json())["code"]) == (405, "not_allowed")
        assert "GET" in answer.headers["Allow"]
    async with client.get("/nothing", headers={"Accept": "text/html"}) as answer:
        assert answer.status == 404
        assert "没有找到" in await answer.text()


async def test_pages_and_their_files_are_served_and_nothing_beside_them(client: Client) -> None:
    for path, title in (("/", "home"), ("/sign-in", "sign-in"), ("/desk", "desk"), ("/board", "board")):
        async with client.get(path) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/html"
            assert f"<title>{title}</title>" in await answer.text()
            assert answer.headers["Cache-Control"] == "no-cache"
    async with client.get("/static/assets/a-1234.js") as answer:
        assert answer.content_type.endswith("/javascript")
        assert "immutable" in answer.headers["Cache-Control"]
    for path in (
        "/static/.stamp",
        "/static/%2e%2e/r.db",
        "/static/..%2fr.db",
        "/static/assets",
        "/static/x%00y",
    ):
        async with client.get(path) as answer:
            assert answer.status == 404, path


async def test_pages_that_were_not_built_say_so_in_words(house: SmallHouse) -> None:
    house.web = type(house.web)(secret="s" * 40, static_dir=house.web.static_dir / "missing")
    client = await client_of(house)
    try:
        async with client.get("/desk") as answer:
            assert answer.status == 503
            assert "网页尚未构建" in await answer.text()
    finally:
        await client.close()


async def test_health_is_told_part_by_part(client: Client, house: SmallHouse) -> None:
    async with client.get("/healthz") as answer:
        assert answer.status == 200
        part = {"name": "database", "ok": True, "zh": "数据库正常", "en": "works"}
        assert await answer.json() == {"ok": True, "items": [part]}
    house.parts["asterisk"] = (False, "电话中断", "does not answer")
    async with client.get("/healthz") as answer:
        assert answer.status == 503
        body = await answer.json()
        assert (body["ok"], body["items"][1]["zh"]) == (False, "电话中断")


async def test_the_database_away_is_said_as_such(
    client: Client, house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(client, "sun")

    async def away(_name: str) -> None:
        raise RecordsAway

    monkeypatch.setattr(house.records, "account", away)
    async with client.get("/api/contacts") as answer:
        assert answer.status == 503
        assert (await answer.json())["code"] == "unavailable"
    async with client.get("/") as answer:
        assert answer.status == 200


async def test_an_error_of_ours_is_logged_without_what_was_sent(
    client: Client, house: SmallHouse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail(name: str, password: str) -> None:
        raise LookupError(f"{name} {password}")

    monkeypatch.setattr(house.records, "verify_password", fail)
    async with client.post("/api/session", json={"name": "sun", "password": "a long secret"}) as answer:
        assert answer.status == 500
        assert (await answer.json())["code"] == "internal"
        assert "a long secret" not in await answer.text()
    told = "".join(capfd.readouterr())
    assert "LookupError" in told
    assert "a long secret" not in told


async def test_metrics_name_routes_and_no_people(client: Client, house: SmallHouse) -> None:
    await contact_of(house, "c-1", "v001")
    await sign_in(client, "sun")
    async with client.get("/api/contacts/c-1") as answer:
        assert answer.status == 200
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert 'route="/api/contacts/{id}"' in text
    assert not any(private in text for private in ("13812345678", "c-1", "v001", "sun"))


async def test_the_description_names_every_json_route_and_resolves(client: Client) -> None:
    await sign_in(client, "sun")
    async with client.get("/api/openapi.json") as answer:
        described = await answer.json()
    assert described["openapi"].startswith("3.1")
    for route in ROUTES:
        assert (route.path in described["paths"]) == (route.kind == "api")
    schemas = described["components"]["schemas"]
    referred = {part.split('"')[0] for part in json.dumps(described).split("#/components/schemas/")[1:]}
    assert referred <= schemas.keys()
    assert "/api/session" in described["paths"]
    assert set(described["paths"]["/api/session"]) == {"get", "post", "delete"}


async def test_a_demonstration_call_is_placed_or_said_to_be_impossible(
    client: Client, house: SmallHouse
) -> None:
    await sign_in(client, "sun")
    async with client.post("/api/demo/calls", json={"keys": "2"}) as answer:
        assert (answer.status, await answer.json()) == (201, {"id": "demo-1"})
    async with client.post("/api/demo/calls", json={"keys": "2;rm"}) as answer:
        assert answer.status == 422
    house.telephony = False
    async with client.post("/api/demo/calls", json={}) as answer:
        assert answer.status == 503
    assert house.demo_keys == ["2"]


async def test_on_the_control_socket_one_is_an_administrator_without_signing_in(house: SmallHouse) -> None:
    client = await client_of(house, local_admin=True)
    try:
        async with client.post("/api/demo/calls", json={"keys": ""}) as answer:
            assert answer.status == 201
        async with client.get("/api/agents") as answer:
            assert [one["name"] for one in (await answer.json())["items"]] == ["王敏", "李建国"]
        async with client.get(
            "/ws/desk", headers={"Connection": "Upgrade", "Upgrade": "websocket"}
        ) as answer:
            assert answer.status == 403
    finally:
        await client.close()


async def test_a_volunteer_s_own_telephone_is_stored_and_never_sent_back(
    client: Client, house: SmallHouse
) -> None:
    number, pin = "+86 138 0013 8000", "402917"
    assert await sign_in(client, "v001") == 201
    async with client.get("/api/own-phone") as answer:
        assert await answer.json() == {"number": False, "pin": False, "service_number": None}
    async with client.post("/api/own-phone", json={"number": number, "pin": pin}) as answer:
        assert await answer.json() == {"number": True, "pin": True, "service_number": None}
    assert await house.records.phones.verify_pin("13800138000", pin) == "v001"
    for wrong in ({"number": "110"}, {"number": "anonymous"}, {"number": number, "pin": "123456"}):
        async with client.post("/api/own-phone", json=wrong) as answer:
            assert answer.status == 422
    async with client.get("/api/own-phone") as answer:
        assert "138" not in await answer.text()
    async with client.delete("/api/own-phone") as answer:
        assert answer.status == 204
    assert await house.records.phone_of("v001") is None


async def test_a_number_that_another_has_is_refused_like_one_that_cannot_be(
    client: Client, house: SmallHouse
) -> None:
    await house.records.phones.store("v002", "13800138000", None)
    assert await sign_in(client, "v001") == 201
    said = []
    for number in ("13800138000", "4008123123"):
        async with client.post("/api/own-phone", json={"number": number}) as answer:
            said.append((answer.status, await answer.text()))
    assert said[0] == said[1]
    assert said[0][0] == 422
