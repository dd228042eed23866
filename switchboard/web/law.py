"""The search in the collection of law, for everybody who is signed in."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from switchboard.law.library import Found
from switchboard.law.words import MOST_QUERY
from switchboard.web.routes import SIGNED_IN, Call, Routes
from switchboard.web.schemas import Input

routes = Routes()


class LawQuery(Input):
    q: str = Field(min_length=1, max_length=MOST_QUERY, description="words and article numbers")
    limit: int = Field(20, ge=1, le=50)


class ArticleView(BaseModel):
    """``effective``: the day from which this wording applies; ``whole``: every word is in it, one after the other."""

    law: str
    article: str
    title: str
    text: str
    effective: dt.date | None
    source: str
    imported_ms: int
    whole: bool

    @classmethod
    def of(cls, found: Found) -> ArticleView:
        one = found.article
        return cls(
            law=one.law,
            article=one.article,
            title=one.title,
            text=one.text,
            effective=one.effective,
            source=one.source,
            imported_ms=found.imported_ms,
            whole=found.whole,
        )


class LawAnswer(BaseModel):
    """The best first. ``words`` are what to mark in them; ``articles``: how many the collection holds."""

    items: list[ArticleView]
    words: list[str]
    articles: int


@routes.add(
    "GET",
    "/api/law",
    roles=SIGNED_IN,
    summary="Search the collection of law by words and article numbers",
    query=LawQuery,
    answer=LawAnswer,
)
async def law(call: Call) -> LawAnswer:
    found = await call.house.law.search(call.query.q, limit=call.query.limit)
    return LawAnswer(
        items=[ArticleView.of(one) for one in found.items], words=list(found.words), articles=found.articles
    )
