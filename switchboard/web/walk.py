"""The route by which a page walks through a hotline as a caller would, with keys and without a telephone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, NaiveDatetime

from ivr.errors import HotlineInvalid
from ivr.hotline import Hotline, parse_hotline
from switchboard.errors import InvalidInput, NotFound, NotPublishable
from switchboard.records.published import MOST_BYTES
from switchboard.rules import Rules
from switchboard.times import now_ms
from switchboard.walk import MOST_KEYS, Ends, walk
from switchboard.web.routes import ADMINISTRATORS, MOST_BODY_OF_ANY, Call, Routes
from switchboard.web.schemas import Input, Matter

routes = Routes()

FIRST_YEAR, LAST_YEAR = 2010, 2100
Key = Annotated[str, Field(pattern=r"^[0-9*#]?$")]


class WalkOrder(Input):
    """``text`` of a hotline, or the ``number`` of one in force. ``at``: a local time, null for now. ``keys``: one each,
    empty for silence.
    """

    text: str | None = Field(None, max_length=MOST_BYTES)
    number: str | None = Field(None, pattern=r"^[0-9]{3,15}$")
    at: NaiveDatetime | None = None
    keys: list[Key] = Field(default_factory=list, max_length=MOST_KEYS)


class LineView(BaseModel):
    """Words of the hotline, or a key of the caller's (empty: none)."""

    who: Literal["hotline", "caller"]
    text: str
    language: str | None
    key: str | None


class WalkView(BaseModel):
    """``asks``: a key is waited for. ``ends``: how it ended, null while it goes on; ``about`` the matter, ``to`` the
    information or the other hotline.
    """

    said: list[LineView]
    asks: bool
    ends: Ends | None
    about: Matter | None
    to: str | None


@routes.add(
    "POST",
    "/api/hotlines/walk",
    roles=ADMINISTRATORS,
    summary="What a caller would hear who presses these keys",
    body=WalkOrder,
    answer=WalkView,
    most_body=MOST_BODY_OF_ANY,
)
async def walk_through(call: Call) -> WalkView:
    asked: WalkOrder = call.body
    rules = await call.house.rule_book.in_force()
    hotline = _hotline(asked, rules)
    at = asked.at.replace(tzinfo=rules.calendar.zone) if asked.at else rules.calendar.local(now_ms())
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise InvalidInput(fields=("at",))
    walked = await walk(hotline, asked.keys, at, rules, call.house.studio.prompts)
    matter = next((one for one in rules.policy.matters if one.id == walked.about), None)
    return WalkView(
        said=[
            LineView(who=one.who, text=one.text, language=one.language, key=one.key) for one in walked.said
        ],
        asks=walked.asks,
        ends=walked.ends,
        about=Matter(id=matter.id, zh=matter.zh, en=matter.en) if matter else None,
        to=walked.to,
    )


def _hotline(asked: WalkOrder, rules: Rules) -> Hotline:
    if asked.text is None:
        hotline = rules.hotlines.get(asked.number or "12348")
        if hotline is None:
            raise NotFound
        return hotline
    try:
        return parse_hotline(asked.text)
    except HotlineInvalid as error:
        raise NotPublishable(problems=tuple(error.problems)) from None
