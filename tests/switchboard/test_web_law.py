"""The search in the collection of law over the web."""

from __future__ import annotations

import pytest

from switchboard.law import read_articles
from switchboard.law.files import SAMPLE
from tests.support.web import Client, SmallHouse, sign_in


@pytest.mark.parametrize("name", ["v001", "sun", "root"])
async def test_whoever_is_signed_in_finds_articles_with_source_and_date(
    house: SmallHouse, client: Client, name: str
) -> None:
    await house.law.put(read_articles(SAMPLE))
    await sign_in(client, name)
    async with client.get("/api/law", params={"q": "劳动合同法 82"}) as answer:
        body = await answer.json()
    assert answer.status == 200
    first = body["items"][0]
    assert (first["article"], first["effective"], first["whole"]) == ("第八十二条", "2013-07-01", True)
    assert "not the official text" in first["source"]
    assert body["words"] == ["劳动合同法"]
    assert body["articles"] >= 60


async def test_an_empty_collection_says_so(client: Client) -> None:
    await sign_in(client, "v001")
    async with client.get("/api/law", params={"q": "工资"}) as answer:
        assert await answer.json() == {"items": [], "words": ["工资"], "articles": 0}


@pytest.mark.parametrize(
    "params", [{}, {"q": ""}, {"q": "x" * 101}, {"q": "x", "limit": "0"}, {"q": "x", "y": "1"}]
)
async def test_a_question_that_is_none_is_refused(client: Client, params: dict[str, str]) -> None:
    await sign_in(client, "v001")
    async with client.get("/api/law", params=params) as answer:
        assert answer.status == 422


async def test_nobody_searches_without_signing_in(client: Client) -> None:
    async with client.get("/api/law", params={"q": "工资"}) as answer:
        assert answer.status == 401
