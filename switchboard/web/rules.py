"""The routes of the rules: hotlines, routing policy and calendar as published versions. Administrators only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from pydantic import BaseModel, Field

from switchboard.errors import (
    InvalidInput,
    Moved,
    NoEarlier,
    NotFound,
    NothingEarlier,
    NotPublishable,
    NotThere,
    RulesInvalid,
    VersionMoved,
)
from switchboard.records.published import KINDS, MOST_BYTES, MOST_NOTE, Kind, State, Version
from switchboard.rules import difference
from switchboard.web.routes import ADMINISTRATORS, MOST_BODY_OF_ANY, Call, Routes
from switchboard.web.schemas import Input

routes = Routes()

PARTS = {"kind": "|".join(KINDS), "name": r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", "number": r"[1-9][0-9]{0,8}"}


class VersionView(BaseModel):
    """One version without its text. ``restores``: which version a roll-back published anew; 0 is the file on disk."""

    number: int
    state: State
    author: str
    note: str
    created_ms: int
    published_ms: int | None
    base: int
    restores: int | None

    @classmethod
    def of(cls, version: Version) -> VersionView:
        return cls(**{name: getattr(version, name) for name in cls.model_fields})


class VersionText(VersionView):
    text: str


class InForce(BaseModel):
    """``number`` 0: the file on disk; ``draft`` is the newest draft that could be published."""

    kind: Kind
    name: str
    number: int
    author: str | None
    published_ms: int | None
    draft: int | None


class AllRules(BaseModel):
    items: list[InForce]


class RulesOf(BaseModel):
    """What is in force under one name, and every version of it, newest first."""

    kind: Kind
    name: str
    number: int
    text: str
    versions: list[VersionView]


class CheckOrder(Input):
    text: str = Field(max_length=MOST_BYTES)


class Checked(BaseModel):
    """None: it can be published."""

    problems: list[str]


class DraftOrder(Input):
    """``base``: the number in force that the author began from."""

    text: str = Field(max_length=MOST_BYTES)
    note: str = Field("", max_length=MOST_NOTE)
    base: int | None = Field(None, ge=0, le=2**31)


class DifferenceOrder(Input):
    """``before`` and ``after`` are versions, 0 the file on disk, null what is in force; ``text`` in place of after."""

    before: int | None = Field(None, ge=0, le=2**31)
    after: int | None = Field(None, ge=0, le=2**31)
    text: str | None = Field(None, max_length=MOST_BYTES)


class Difference(BaseModel):
    """Each line begins with a space, + (new), - (gone) or @@ (a place). None: the same."""

    lines: list[str]


class PublishOrder(Input):
    number: int = Field(ge=1, le=2**31)


class RollBackOrder(Input):
    """``over``: the number in force that is to be left; another one by now is refused."""

    over: int = Field(ge=1, le=2**31)


@routes.add("GET", "/api/rules", roles=ADMINISTRATORS, summary="What is in force", answer=AllRules)
async def all_rules(call: Call) -> AllRules:
    book = call.house.rule_book
    items = [await _in_force(call, kind, name) for kind in get_args(Kind) for name in await book.names(kind)]
    return AllRules(items=items)


async def _in_force(call: Call, kind: Kind, name: str) -> InForce:
    versions = await call.house.records.versions(kind, name)
    now = next((one for one in versions if one.state == "published"), None)
    number = now.number if now else 0
    drafts = (one.number for one in versions if one.state == "draft" and one.base == number)
    return InForce(
        kind=kind,
        name=name,
        number=number,
        author=now.author if now else None,
        published_ms=now.published_ms if now else None,
        draft=next(drafts, None),
    )


@routes.add(
    "GET",
    "/api/rules/{kind}/{name}",
    roles=ADMINISTRATORS,
    summary="What is in force under one name, and its versions",
    answer=RulesOf,
    parts=PARTS,
)
async def rules_of(call: Call) -> RulesOf:
    kind, name = _which(call)
    versions = await call.house.records.versions(kind, name)
    found = await call.house.rule_book.text(kind, name)
    if found is None and not versions:
        raise NotFound
    number, text = found or (0, "")
    return RulesOf(
        kind=kind, name=name, number=number, text=text, versions=[VersionView.of(one) for one in versions]
    )


@routes.add(
    "GET",
    "/api/rules/{kind}/{name}/versions/{number}",
    roles=ADMINISTRATORS,
    summary="One version with its text",
    answer=VersionText,
    parts=PARTS,
)
async def version(call: Call) -> VersionText:
    kind, name = _which(call)
    found = await call.house.records.rules.version(kind, name, int(call.part("number")))
    if found is None:
        raise NotFound
    return VersionText(**VersionView.of(found).model_dump(), text=found.text)


@routes.add(
    "POST",
    "/api/rules/{kind}/{name}/check",
    roles=ADMINISTRATORS,
    summary="Everything that keeps a text from being published",
    body=CheckOrder,
    answer=Checked,
    parts=PARTS,
    most_body=MOST_BODY_OF_ANY,
)
async def check(call: Call) -> Checked:
    kind, name = _which(call)
    return Checked(problems=await call.house.rule_book.check(kind, name, call.body.text))


@routes.add(
    "POST",
    "/api/rules/{kind}/{name}/difference",
    roles=ADMINISTRATORS,
    summary="What one text changes of another",
    body=DifferenceOrder,
    answer=Difference,
    parts=PARTS,
    most_body=MOST_BODY_OF_ANY,
)
async def compare(call: Call) -> Difference:
    asked: DifferenceOrder = call.body
    before = await _text(call, asked.before)
    after = asked.text if asked.text is not None else await _text(call, asked.after)
    return Difference(lines=await asyncio.to_thread(difference, before, after))


@routes.add(
    "POST",
    "/api/rules/{kind}/{name}/drafts",
    roles=ADMINISTRATORS,
    summary="Keep a text as a draft, mistakes and all",
    body=DraftOrder,
    answer=VersionView,
    status=201,
    parts=PARTS,
    most_body=MOST_BODY_OF_ANY,
)
async def save_draft(call: Call) -> VersionView:
    kind, name = _which(call)
    asked: DraftOrder = call.body
    with _in_words():
        kept = await call.house.records.save_draft(
            kind, name, asked.text, author=call.account.name, note=asked.note, base=asked.base
        )
    return VersionView.of(kept)


@routes.add(
    "POST",
    "/api/rules/{kind}/{name}/publish",
    roles=ADMINISTRATORS,
    summary="Put a draft in force for every contact from now on",
    body=PublishOrder,
    answer=VersionView,
    parts=PARTS,
)
async def publish(call: Call) -> VersionView:
    kind, name = _which(call)
    with _in_words():
        done = await call.house.rule_book.publish(kind, name, call.body.number, author=call.account.name)
    return VersionView.of(done)


@routes.add(
    "POST",
    "/api/rules/{kind}/{name}/roll-back",
    roles=ADMINISTRATORS,
    summary="Put the text before the present one in force again",
    body=RollBackOrder,
    answer=VersionView,
    parts=PARTS,
)
async def roll_back(call: Call) -> VersionView:
    kind, name = _which(call)
    with _in_words():
        done = await call.house.rule_book.roll_back(kind, name, author=call.account.name, over=call.body.over)
    return VersionView.of(done)


def _which(call: Call) -> tuple[Kind, str]:
    kinds: dict[str, Kind] = {kind: kind for kind in KINDS}
    return kinds[call.part("kind")], call.part("name")


async def _text(call: Call, number: int | None) -> str:
    """Of a version; 0 is the file on disk, None what is in force."""
    kind, name = _which(call)
    book = call.house.rule_book
    if number == 0:
        return book.seed(kind, name) or ""
    if number is None:
        found = await book.text(kind, name)
        return found[1] if found else ""
    kept = await call.house.records.rules.version(kind, name, number)
    if kept is None:
        raise NotFound
    return kept.text


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except RulesInvalid as error:
        raise NotPublishable(problems=tuple(error.problems)) from None
    except VersionMoved:
        raise Moved from None
    except NothingEarlier:
        raise NoEarlier from None
    except NotThere:
        raise NotFound from None
    except ValueError:
        raise InvalidInput(fields=("text",)) from None
