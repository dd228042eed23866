"""Booking a time: who is free when, holding it, changing, cancelling, coming, and what the clock does to it.

A time is held by rows whose key is who and when, so that nobody can be booked twice, whichever node asks.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.calendar import Calendar
from switchboard.clinic.booking import (
    BOOKINGS,
    GRACE_MS,
    KINDS,
    QUARTER_MS,
    REMIND_MS,
    SESSIONS,
    Booking,
    BookingKind,
    Session,
    quarters,
)
from switchboard.clinic.cases import Case, Cases, Step, hold, open_key, release
from switchboard.clinic.errors import AlreadyBooked, Full, NotNow, NotOpen, Refused, Unfit
from switchboard.clinic.machine import SYSTEM, Actor
from switchboard.errors import NotFound
from switchboard.records.clinic_models import ClinicCaseRow, ClinicFeedRow, ClinicHoldRow
from switchboard.records.people import AgentRow
from switchboard.records.shifts import Shift
from switchboard.records.store import Records
from switchboard.sending import Sender, ShortText

log = structlog.get_logger(__name__)

FIRST_HOUR, LAST_HOUR = 8, 20
SOONEST_MS = 15 * 60_000
FURTHEST_MS = 60 * 86_400_000
LOOK_AHEAD_MS = 7 * 86_400_000
MOST_SEATS = 2_000
MOST_PLANNED_MS = 400 * 86_400_000
CLOCK = Actor("clock", SYSTEM)


@dataclass(frozen=True, slots=True)
class Slot:
    """``free``: how many could still be booked then."""

    from_ms: int
    to_ms: int
    free: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to book; ``session`` for what is watched, ``from_ms`` for the rest."""

    kind: str
    from_ms: int = 0
    terminal: str | None = None
    language: str = "zh"
    matter: str | None = None
    agent: str | None = None
    session: str | None = None
    phone: str | None = None


class Bookings:
    """``calendar`` gives the one in force; ``sender`` may be None: nobody is reminded then."""

    def __init__(
        self, records: Records, cases: Cases, calendar: Callable[[], Calendar], sender: Sender | None
    ) -> None:
        self._records = records
        self._database = records.database
        self._cases = cases
        self._calendar = calendar
        self._sender = sender

    # ---- who is free

    async def slots(
        self, kind_id: str, day: dt.date, *, language: str = "zh", matter: str | None = None, at_ms: int
    ) -> list[Slot]:
        """The times of a day that can be booked, each with how many are free. Raises Unfit."""
        kind = _served(kind_id)
        calendar = self._calendar()
        ahead = (day - calendar.local(at_ms).date()).days
        if not 0 <= ahead <= FURTHEST_MS // 86_400_000 or not calendar.is_working_day(day):
            return []
        length = kind.minutes * 60_000
        begin = dt.datetime.combine(day, dt.time(FIRST_HOUR), calendar.zone)
        first = int(begin.timestamp()) * 1000
        starts = range(first, first + (LAST_HOUR - FIRST_HOUR) * 3_600_000, length)
        staff = await self._staff(kind, first, first + 86_400_000, language, matter)
        taken = await self._taken([agent.id for agent, _ in staff], first, first + 86_400_000)
        found = []
        for since in starts:
            free = _free(staff, taken, since, since + length, calendar)
            if free and at_ms + SOONEST_MS <= since <= at_ms + FURTHEST_MS:
                found.append(Slot(since, since + length, len(free)))
        return found

    async def _staff(
        self, kind: BookingKind, since_ms: int, until_ms: int, language: str, matter: str | None
    ) -> list[tuple[AgentRow, list[Shift]]]:
        """Who of the right role, skill and language has a shift then."""
        about = matter or kind.matter
        shifts: dict[str, list[Shift]] = {}
        for one in await self._records.shifts.listed(since_ms, until_ms, limit=5_000):
            if one.matter in (None, about) and one.role in (None, kind.role):
                shifts.setdefault(one.agent, []).append(one)
        people = [one for one in await self._records.agents() if one.id in shifts and one.role == kind.role]
        able = [one for one in people if about in one.skills and language in one.languages]
        return [(one, shifts[one.id]) for one in able]

    async def _taken(self, agents: Sequence[str], since_ms: int, until_ms: int) -> set[tuple[str, int]]:
        row = ClinicHoldRow
        resources = [f"agent/{one}" for one in agents]
        wanted = select(row.resource, row.quarter_ms).where(
            row.resource.in_(resources), row.quarter_ms >= since_ms, row.quarter_ms < until_ms
        )
        async with self._database.read() as connection:
            rows = await connection.execute(wanted)
            return {(one.resource.removeprefix("agent/"), one.quarter_ms) for one in rows}

    async def _agents_for(
        self, kind: BookingKind, wanted: Wanted, *, but: str | None = None
    ) -> list[AgentRow]:
        """Who could take it, the one wished for first, then whoever has the fewest bookings that day."""
        since, to = wanted.from_ms, wanted.from_ms + kind.minutes * 60_000
        calendar = self._calendar()
        local = calendar.local(since)
        day = int(dt.datetime.combine(local.date(), dt.time(), calendar.zone).timestamp()) * 1000
        staff = await self._staff(kind, day, day + 86_400_000, wanted.language, wanted.matter)
        taken = await self._taken([agent.id for agent, _ in staff], day, day + 86_400_000)
        free = [one for one in _free(staff, taken, since, to, calendar) if one.id != but]
        load = {one.id: sum(agent == one.id for agent, _ in taken) for one in free}
        return sorted(free, key=lambda one: (one.id != wanted.agent, load[one.id], one.id))

    def _check_time(self, kind: BookingKind, from_ms: int, at_ms: int) -> None:
        if not at_ms + SOONEST_MS <= from_ms <= at_ms + FURTHEST_MS:
            raise NotOpen
        calendar = self._calendar()
        local = calendar.local(from_ms)
        on_grid = from_ms % (kind.minutes * 60_000) == 0 and FIRST_HOUR <= local.hour < LAST_HOUR
        if not on_grid or not calendar.is_working_day(local.date()):
            raise NotOpen

    # ---- book, change, cancel

    async def book(self, wanted: Wanted, step: Step, *, demo: bool = False) -> Case[Booking]:
        """Raises NotOpen, Full, AlreadyBooked, Unfit, NotFound (no such session). The same actor and key again is the
        same booking."""
        if wanted.session is not None:
            return await self._book_seat(wanted, step, demo)
        kind = _served(wanted.kind)
        if known := await self._known(step):
            return known
        self._check_time(kind, wanted.from_ms, step.at_ms)
        to_ms = wanted.from_ms + kind.minutes * 60_000
        for agent in await self._agents_for(kind, wanted):
            booking = Booking(
                kind=kind.id,
                from_ms=wanted.from_ms,
                to_ms=to_ms,
                terminal=wanted.terminal,
                language=wanted.language,
                matter=wanted.matter or kind.matter,
                agent=agent.id,
                role=kind.role,
                phone=wanted.phone,
            )
            try:
                return await self._cases.open(
                    BOOKINGS, booking, step, number=True, demo=demo, within=_hold_times
                )
            except IntegrityError:
                await self._check_own(booking)
        raise Full

    async def _known(self, step: Step) -> Case[Booking] | None:
        """What this key has booked already: its time may be past, or full by itself."""
        mine = ClinicCaseRow.open_key == open_key(BOOKINGS, step)
        found = await self._cases.listed(BOOKINGS, mine, limit=1)
        return found[0] if found else None

    async def _check_own(self, booking: Booking, ident: str = "") -> None:
        """Raises AlreadyBooked when the terminal or the person has something then."""
        own = [one for one in _resources(booking) if not one.startswith("agent/")]
        row = ClinicHoldRow
        wanted = select(row.case_id).where(
            row.resource.in_(own), row.quarter_ms.in_(list(quarters(booking.from_ms, booking.to_ms)))
        )
        async with self._database.read() as connection:
            if any(one != ident for one in (await connection.execute(wanted)).scalars()):
                raise AlreadyBooked

    async def _book_seat(self, wanted: Wanted, step: Step, demo: bool) -> Case[Booking]:
        session = await self._cases.of(SESSIONS, wanted.session or "")
        if known := await self._known(step):
            return known
        if session.state not in ("planned", "live") or step.at_ms >= session.value.to_ms:
            raise NotOpen
        if wanted.kind != session.value.kind:
            raise Unfit(fields=("kind",))
        for seat in await self._free_seats(session):
            booking = Booking(
                kind=session.value.kind,
                from_ms=session.value.from_ms,
                to_ms=session.value.to_ms,
                terminal=wanted.terminal,
                language=wanted.language,
                session=session.id,
                seat=seat,
                phone=wanted.phone,
            )
            try:
                return await self._cases.open(
                    BOOKINGS, booking, step, number=True, demo=demo, within=_hold_times
                )
            except IntegrityError:
                await self._check_own(booking)
        raise Full

    async def _free_seats(self, session: Case[Session]) -> list[int]:
        """In no order, so that many at once do not try the same; at most a dozen tries."""
        row = ClinicHoldRow
        mine = select(row.resource).where(row.resource.startswith(f"session/{session.id}/", autoescape=True))
        async with self._database.read() as connection:
            taken = {int(one.rpartition("/")[2]) for one in (await connection.execute(mine)).scalars()}
        free = [seat for seat in range(1, session.value.seats + 1) if seat not in taken]
        return secrets.SystemRandom().sample(free, min(12, len(free)))

    async def change(
        self, ident: str, from_ms: int, step: Step, *, agent: str | None = None
    ) -> Case[Booking]:
        """Another time for the same. Raises NotFound, NotNow, NotOpen, Full, AlreadyBooked; then all stays."""
        case = await self._cases.of(BOOKINGS, ident)
        booking = case.value
        if booking.session is not None:
            raise NotNow
        kind = _served(booking.kind)
        self._check_time(kind, from_ms, step.at_ms)
        to_ms = from_ms + kind.minutes * 60_000
        wish = Wanted(
            kind.id, from_ms, language=booking.language, matter=booking.matter, agent=agent or booking.agent
        )
        overlaps = from_ms < booking.to_ms and booking.from_ms < to_ms
        able = await self._agents_for(kind, wish)
        own = await self._records.agent(booking.agent or "") if overlaps else None
        for one in [*([own] if own else []), *able]:
            fresh = {"from_ms": from_ms, "to_ms": to_ms, "agent": one.id, "seat": None}
            moved = Step(step.verb, step.actor, step.at_ms, step.key, fresh)
            try:
                return await self._cases.do(BOOKINGS, ident, moved, within=_hold_anew)
            except IntegrityError:
                await self._check_own(
                    Booking(kind.id, from_ms, to_ms, booking.terminal, phone=booking.phone), ident
                )
        raise Full

    async def cancel(self, ident: str, step: Step) -> Case[Booking]:
        return await self._cases.do(BOOKINGS, ident, step, within=_let_go)

    async def arrive(self, ident: str, step: Step) -> Case[Booking]:
        """The visit has begun; ``contact`` is its id."""
        return await self._cases.do(BOOKINGS, ident, step)

    async def check_arrival(self, number: str, at_ms: int) -> Case[Booking]:
        """The booking of somebody who stands at a terminal. Raises NotFound, NotNow, CaseOver."""
        case = await self._cases.numbered(BOOKINGS, number)
        if case.state == "arrived":
            return case
        BOOKINGS.machine.after(case.state, "arrive", "terminal")
        BOOKINGS.apply(case.value, Step("arrive", CLOCK, at_ms, "look", {"contact": None}), case.state)
        return case

    # ---- sessions

    async def plan(self, session: Session, step: Step) -> Case[Session]:
        if (
            session.kind not in KINDS
            or KINDS[session.kind].role is not None
            or not 0 < session.to_ms - session.from_ms <= 86_400_000
            or not 1 <= session.seats <= MOST_SEATS
            or not step.at_ms < session.to_ms <= step.at_ms + MOST_PLANNED_MS
        ):
            raise Unfit(fields=("kind", "from_ms", "to_ms", "seats"))
        return await self._cases.open(SESSIONS, session, step)

    async def call_off(self, ident: str, step: Step) -> Case[Session]:
        """The session does not take place: every booking of it is cancelled and told."""
        done = await self._cases.do(SESSIONS, ident, step)
        for one in await self._cases.listed(BOOKINGS, states=["booked"], parent=ident):
            phone = one.value.phone
            await self.cancel(one.id, Step("cancel", CLOCK, step.at_ms, "called-off"))
            await self._send(phone, f"您预约的“{done.value.title}”已取消，号码 {one.number}。12348")
        return done

    # ---- what the clock does

    async def tick(self, at_ms: int) -> None:
        """Reminders, no-shows and lost agents. Any node may do it: each is a step with a key of its own."""
        row = ClinicCaseRow
        near = row.from_ms <= at_ms + LOOK_AHEAD_MS
        for case in await self._cases.listed(BOOKINGS, near, states=["booked"]):
            booking = case.value
            try:
                if at_ms > booking.to_ms + GRACE_MS:
                    await self._cases.do(
                        BOOKINGS, case.id, Step("no_show", CLOCK, at_ms, "no-show"), within=_let_go
                    )
                    continue
                if booking.agent and booking.from_ms > at_ms:
                    await self._keep_staffed(case, at_ms)
                await self._remind(case, at_ms)
            except (NotFound, Refused, IntegrityError):
                continue  # it changed meanwhile: the next tick looks again
        for case in await self._cases.listed(BOOKINGS, row.from_ms < at_ms - 86_400_000, states=["arrived"]):
            await self._cases.do(BOOKINGS, case.id, Step("finish", CLOCK, at_ms, "finish"))

    async def _remind(self, case: Case[Booking], at_ms: int) -> None:
        booking = case.value
        if not booking.phone or self._sender is None:
            return
        left_ms = booking.from_ms - at_ms
        for which, before_ms in sorted(REMIND_MS.items(), key=lambda one: one[1]):
            due = 0 < left_ms <= before_ms and case.opened_ms < booking.from_ms - before_ms
            if not due or which in booking.reminded:
                continue
            step = Step("remind", CLOCK, at_ms, f"remind-{secrets.token_hex(6)}", {"which": which})
            await self._cases.do(BOOKINGS, case.id, step, base=case.revision)  # of two nodes, one is too late
            await self._send(booking.phone, self.reminder(case))
            return

    async def _send(self, phone: str | None, text: str) -> None:
        if phone and self._sender is not None:
            try:
                await self._sender.send(ShortText(phone, text, ""))
            except OSError as error:
                log.warning("reminder not handed over", error=type(error).__name__)

    async def _keep_staffed(self, case: Case[Booking], at_ms: int) -> None:
        """Whose shift was taken out of the plan, or who was suspended, is replaced by another of the same skills."""
        booking = case.value
        kind = KINDS[booking.kind]
        calendar = self._calendar()
        staff = await self._staff(kind, booking.from_ms, booking.to_ms, booking.language, booking.matter)
        on_duty = _free(staff, set(), booking.from_ms, booking.to_ms, calendar)
        if any(one.id == booking.agent for one in on_duty):
            return
        wish = Wanted(kind.id, booking.from_ms, language=booking.language, matter=booking.matter)
        for one in await self._agents_for(kind, wish, but=booking.agent):
            key = f"reassign-{case.revision}"
            try:
                await self._cases.do(
                    BOOKINGS,
                    case.id,
                    Step("reassign", CLOCK, at_ms, key, {"agent": one.id}),
                    base=case.revision,
                    within=_hold_anew,
                )
            except IntegrityError:
                continue
            return
        if not booking.unstaffed:
            step = Step("reassign", CLOCK, at_ms, f"reassign-{case.revision}", {"agent": None})
            await self._cases.do(BOOKINGS, case.id, step, base=case.revision)

    # ---- words

    def said(self, case: Case[Booking]) -> tuple[str, str]:
        """The confirmation, to be printed and spoken."""
        local = self._calendar().local(case.value.from_ms)
        words = KINDS[case.value.kind].words
        day = "一二三四五六日"[local.weekday()]
        number = " ".join((case.number or "")[at : at + 4] for at in (0, 4))
        when = f"{local.month}月{local.day}日（星期{day}）{local:%H:%M}"
        zh = f"预约成功：{words.zh}，{when}。预约号 {number}，请提前十分钟到。"
        en = f"Booked: {words.en}, {local:%A %d %B %H:%M}. Your number is {number}; please come ten minutes early."
        return zh, en

    def reminder(self, case: Case[Booking]) -> str:
        local = self._calendar().local(case.value.from_ms)
        words = KINDS[case.value.kind].words
        when = f"{local.month}月{local.day}日{local:%H:%M}"
        return f"【12348】提醒您：{when} {words.zh}，预约号 {case.number}。不来请取消，让给别人。"

    # ---- feeds

    async def new_feed(self, subject: str, at_ms: int) -> str:
        """The token of a calendar from now on; the one before is void."""
        token = secrets.token_urlsafe(32)
        row = ClinicFeedRow
        async with self._database.write() as connection:
            await connection.execute(delete(row).where(row.subject == subject))
            await connection.execute(
                insert(row).values(subject=subject, token_hash=_digest(token), made_ms=at_ms)
            )
        return token

    async def feed(self, token: str, at_ms: int) -> tuple[str, list[Case[Booking]]]:
        """Whose it is (``agent/...``, ``terminal/...``) and its bookings, cancelled ones too. Raises NotFound."""
        wanted = select(ClinicFeedRow.subject).where(ClinicFeedRow.token_hash == _digest(token))
        async with self._database.read() as connection:
            subject = (await connection.execute(wanted)).scalar_one_or_none()
        if subject is None:
            raise NotFound
        kind, _, ident = subject.partition("/")
        fresh = ClinicCaseRow.from_ms >= at_ms - 30 * 86_400_000
        agent, terminal = (ident, None) if kind == "agent" else (None, ident)
        return subject, await self._cases.listed(BOOKINGS, fresh, agent=agent, terminal=terminal)


def _served(kind_id: str) -> BookingKind:
    kind = KINDS.get(kind_id)
    if kind is None or kind.role is None:
        raise Unfit(fields=("kind",))
    return kind


def _free(
    staff: Iterable[tuple[AgentRow, list[Shift]]],
    taken: set[tuple[str, int]],
    since: int,
    to: int,
    calendar: Calendar,
) -> list[AgentRow]:
    day = calendar.local(since).date()
    return [
        agent
        for agent, shifts in staff
        if agent.may_serve(day)
        and any(one.from_ms <= since and to <= one.to_ms for one in shifts)
        and not any((agent.id, quarter) in taken for quarter in quarters(since, to))
    ]


def _resources(booking: Booking) -> list[str]:
    found = [f"agent/{booking.agent}"] if booking.agent else []
    if booking.terminal and booking.session is None:  # a screen that many watch serves all who came for it
        found.append(f"terminal/{booking.terminal}")
    if booking.phone:
        found.append(f"person/{_digest(booking.phone)[:40]}")
    return found


async def _hold_times(connection: AsyncConnection, ident: str, booking: Booking) -> None:
    for resource in _resources(booking):
        await hold(connection, ident, resource, quarters(booking.from_ms, booking.to_ms))
    if booking.session is not None:
        seat = f"session/{booking.session}/{booking.seat}"
        await hold(connection, ident, seat, [booking.from_ms - booking.from_ms % QUARTER_MS])


async def _hold_anew(connection: AsyncConnection, ident: str, booking: Booking) -> None:
    await release(connection, ident)
    await _hold_times(connection, ident, booking)


async def _let_go(connection: AsyncConnection, ident: str, _booking: Booking) -> None:
    await release(connection, ident)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
