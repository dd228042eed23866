"""The routes of callers known by their number (administrators) and of follow-ups (supervisors)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from pydantic import BaseModel, Field

from ivr.dialling import caller_number
from switchboard.errors import InvalidInput, KnownCallersInvalid, NotFound, TextInvalid
from switchboard.records.events import FollowUpOutcome
from switchboard.records.known_callers import KnownCaller, read_callers
from switchboard.times import now_ms
from switchboard.web.routes import ADMINISTRATORS, SUPERVISORS, Call, Routes
from switchboard.web.schemas import SLUG, ContactView, Input, PlainText
from switchboard.web.spreadsheets import csv_text

routes = Routes()

PAGE = 200
NUMBER = r"\+?[0-9]{3,20}"


class KnownCallerView(BaseModel):
    """The number in full: who may see the list has to be able to correct it."""

    number: str
    reason: str
    added_by: str
    added_ms: int

    @classmethod
    def of(cls, caller: KnownCaller) -> KnownCallerView:
        return cls(**asdict(caller))


class Reason(BaseModel):
    id: str
    zh: str
    en: str


class KnownCallersPage(BaseModel):
    """``next`` goes into ``after`` for the next page. ``reasons`` are those the routing policy knows."""

    items: list[KnownCallerView]
    next: str | None
    reasons: list[Reason]


class KnownCallersQuery(Input):
    after: str = Field("", pattern=rf"^({NUMBER})?$")


class KnownCallerOrder(Input):
    number: str = Field(min_length=3, max_length=32)
    reason: str = Field(min_length=1, max_length=40)


class Imported(BaseModel):
    imported: int


@routes.add(
    "GET",
    "/api/known-callers",
    roles=ADMINISTRATORS,
    summary="Numbers whose callers go first, and why",
    query=KnownCallersQuery,
    answer=KnownCallersPage,
)
async def known_callers(call: Call) -> KnownCallersPage:
    found = await call.house.records.known_callers.listed(after=call.query.after, limit=PAGE + 1)
    await call.house.records.audit(call.account.name, "known_callers.read")
    return KnownCallersPage(
        items=[KnownCallerView.of(one) for one in found[:PAGE]],
        next=found[PAGE - 1].number if len(found) > PAGE else None,
        reasons=[Reason(**one) for one in call.house.priorities()],
    )


@routes.add(
    "POST",
    "/api/known-callers",
    roles=ADMINISTRATORS,
    summary="Let the callers of a number go first",
    body=KnownCallerOrder,
    answer=KnownCallerView,
    status=201,
)
async def add_known_caller(call: Call) -> KnownCallerView:
    number = caller_number(call.body.number)
    wrong = () if number else ("number",)
    wrong += () if call.body.reason in _reasons(call) else ("reason",)
    if wrong or number is None:
        raise InvalidInput(fields=wrong)
    caller = KnownCaller(number, call.body.reason, call.account.name, now_ms())
    await call.house.records.known_callers.put([caller])
    await call.house.records.audit(call.account.name, "known_callers.add")
    return KnownCallerView.of(caller)


@routes.add(
    "DELETE",
    "/api/known-callers/{number}",
    roles=ADMINISTRATORS,
    summary="Let them wait like everybody",
    status=204,
    parts={"number": NUMBER},
)
async def remove_known_caller(call: Call) -> None:
    number = caller_number(call.part("number"))
    if number is None or not await call.house.records.known_callers.remove(number):
        raise NotFound
    await call.house.records.audit(call.account.name, "known_callers.remove")


@routes.add(
    "POST",
    "/api/known-callers/import",
    roles=ADMINISTRATORS,
    summary="Add many at once: CSV of number,reason; all of them or none",
    answer=Imported,
    status=201,
)
async def import_known_callers(call: Call) -> Imported:
    text = await csv_text(call)
    try:
        found = await asyncio.to_thread(
            read_callers, text.splitlines(), _reasons(call), by=call.account.name, at_ms=now_ms()
        )
    except KnownCallersInvalid as error:
        raise TextInvalid(problems=tuple(error.problems)) from None
    count = await call.house.records.known_callers.put(found)
    await call.house.records.audit(call.account.name, "known_callers.import")
    return Imported(imported=count)


def _reasons(call: Call) -> set[str]:
    return {one["id"] for one in call.house.priorities()}


# ---- follow-ups


class FollowUps(BaseModel):
    """``open`` counts all of them, the list holds the oldest two hundred."""

    items: list[ContactView]
    open: int


class FollowedUp(Input):
    outcome: FollowUpOutcome
    note: PlainText | None = Field(None, max_length=4_000)


@routes.add(
    "GET",
    "/api/follow-ups",
    roles=SUPERVISORS,
    summary="Contacts that somebody still has to look into, oldest first",
    answer=FollowUps,
)
async def follow_ups(call: Call) -> FollowUps:
    records = call.house.records
    found, count = await records.follow_ups(limit=PAGE), await records.open_follow_ups()
    return FollowUps(items=[ContactView.of(one) for one in found], open=count)


@routes.add(
    "POST",
    "/api/follow-ups/{id}",
    roles=SUPERVISORS,
    summary="Somebody has looked into it",
    body=FollowedUp,
    status=204,
    parts={"id": SLUG},
)
async def followed_up(call: Call) -> None:
    """Doing it twice changes nothing; the first outcome stays."""
    records, ident = call.house.records, call.part("id")
    found = await records.contact(ident)
    if found is None or found[0].follow_up is None:
        raise NotFound
    await records.append(
        ident,
        "followed_up",
        at_ms=now_ms(),
        key="followed_up",
        by=call.account.name,
        outcome=call.body.outcome,
        note=call.body.note,
    )
    await records.audit(call.account.name, "follow_up.done", ident)
    await call.house.duty.look_at_plan()
