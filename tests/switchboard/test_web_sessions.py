from __future__ import annotations

import asyncio

import pytest

from switchboard.errors import TooManyTries
from switchboard.web.sessions import BLOCKED_S, Throttle
from tests.support.web import PASSWORD, Client, SmallHouse, client_of, sign_in


async def test_signing_in_says_who_one_is_and_signing_out_ends_it(client: Client) -> None:
    async with client.get("/api/session") as answer:
        assert answer.status == 401
        assert (await answer.json())["code"] == "not_signed_in"
    async with client.post("/api/session", json={"name": "v001", "password": PASSWORD}) as answer:
        assert answer.status == 201
        assert await answer.json() == {"role": "volunteer", "name": "王敏", "agent": "v001"}
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
        assert PASSWORD not in cookie
    async with client.get("/api/session") as answer:
        assert (await answer.json())["agent"] == "v001"
    async with client.delete("/api/session") as answer:
        assert answer.status == 204
    async with client.get("/api/session") as answer:
        assert answer.status == 401


async def test_a_copied_cookie_is_worth_nothing_after_signing_out(client: Client) -> None:
    async with client.post("/api/session", json={"name": "sun", "password": PASSWORD}) as answer:
        cookie = answer.headers["Set-Cookie"].split(";")[0]
    async with client.delete("/api/session") as answer:
        assert answer.status == 204
    async with client.get("/api/session", headers={"Cookie": cookie}) as answer:
        assert answer.status == 401


async def test_a_disabled_account_and_a_new_password_end_sessions_at_once(
    client: Client, house: SmallHouse
) -> None:
    assert await sign_in(client, "sun") == 201
    await house.records.people.set_password("sun", "another long one")
    async with client.get("/api/session") as answer:
        assert answer.status == 401
    assert await sign_in(client, "sun", "another long one") == 201
    await house.records.people.set_disabled("sun", True)
    async with client.get("/api/session") as answer:
        assert answer.status == 401


async def test_behind_https_the_cookie_is_secure_and_bound_to_the_host(house: SmallHouse) -> None:
    house.web = type(house.web)(secret="s" * 40, static_dir=house.web.static_dir, https_in_front=True)
    client = await client_of(house)
    try:
        async with client.post("/api/session", json={"name": "sun", "password": PASSWORD}) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert cookie.startswith("__Host-switchboard=")
            assert "Secure" in cookie
            assert "Strict-Transport-Security" in answer.headers
    finally:
        await client.close()


async def test_an_unknown_name_and_a_wrong_password_are_answered_alike(client: Client) -> None:
    answers = []
    for name in ("sun", "nobody", "王敏", "x\u0000y"):
        async with client.post("/api/session", json={"name": name, "password": "wrong"}) as answer:
            answers.append((answer.status, await answer.text(), sorted(answer.headers)))
    assert answers[0][0] == 401
    assert all(one == answers[0] for one in answers)


@pytest.mark.parametrize("name", ["sun", "nobody"])
async def test_after_ten_tries_the_name_is_blocked_whether_it_exists_or_not(
    client: Client, name: str
) -> None:
    tries = [sign_in(client, name, f"wrong {number}") for number in range(14)]
    assert sorted(await asyncio.gather(*tries)) == [401] * 10 + [429] * 4
    async with client.post("/api/session", json={"name": name, "password": PASSWORD}) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 301
    assert await sign_in(client, "root") == 201


def test_a_block_ends_after_five_minutes_and_a_success_forgets_the_tries() -> None:
    now = 0.0
    throttle = Throttle(3, clock=lambda: now)
    for _ in range(3):
        throttle.take("a")
    with pytest.raises(TooManyTries):
        throttle.take("a")
    throttle.take("b")
    throttle.forget("b")
    now = BLOCKED_S + 1
    throttle.take("a")


async def test_signing_in_leaves_no_password_or_cookie_in_logs_and_audit(
    client: Client, house: SmallHouse, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    await sign_in(client, "sun", "a wrong secret")
    async with client.post("/api/session", json={"name": "sun", "password": PASSWORD}) as answer:
        value = answer.headers["Set-Cookie"].split(";")[0].partition("=")[2]
    told = "".join(capfd.readouterr()) + caplog.text
    assert not any(secret in told for secret in (PASSWORD, "a wrong secret", value))
    assert await house.records.verify_audit() == 2
