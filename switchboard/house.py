"""The house: everything one node needs to serve contacts, put together once in ``switchboard.app``."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.dialling import caller_number, trunk_endpoint
from ivr.errors import NumberRefused
from ivr.hotline import Hotline
from ivr.places import Places
from ivr.prompts.catalogue import PromptSet
from ivr.prompts.studio import Studio
from ivr.waiting import WaitingRoom
from routing.engine import Engine
from routing.errors import RoutingError
from routing.estimate import Band
from routing.model import Entry, KnownEntry, KnownSeat, Standing, Step, Subscription
from routing.policy import Policy, Quality, Volunteer
from switchboard.agents.desk import Desk
from switchboard.agents.desks import Desks
from switchboard.agents.directory import Directory
from switchboard.agents.duty import Duty
from switchboard.agents.quality import DAYS_COUNTED, MOST_COUNTED, qualities
from switchboard.agents.socket import desk_socket
from switchboard.agents.telephone import ServiceLine
from switchboard.calendar import Calendar
from switchboard.clinic.clinic import Clinic
from switchboard.clinic.pdf_papers import PdfPapers
from switchboard.config import Config
from switchboard.contacts.code import WrongCodes
from switchboard.contacts.contact import Contact
from switchboard.contacts.tasks import Tasks
from switchboard.contacts.transfers import HandOver
from switchboard.dispatch import Dispatch
from switchboard.errors import SwitchboardError
from switchboard.health import check_health
from switchboard.law.library import Library
from switchboard.live import Live
from switchboard.overload import OverloadWatch
from switchboard.papers.opening import provider_of
from switchboard.papers.papers import Papers
from switchboard.papers.sealing import FOLDER, Sealing
from switchboard.papers.uploads import Uploads
from switchboard.records.people import AgentRow
from switchboard.records.store import Records
from switchboard.rules import ONLY_NAME, RuleBook, Rules
from switchboard.sending import sender_of
from switchboard.times import now_ms
from switchboard.visits.captures import CaptureStore
from switchboard.visits.hosted import Hosting
from switchboard.visits.lift import Lift
from switchboard.visits.rooms import Rooms, own_addresses
from switchboard.visits.socket import visit_socket
from switchboard.visits.telephones import Telephones
from switchboard.visits.visits import Visits
from switchboard.web.board import LiveBoard
from switchboard.web.house import Health, WebSettings

log = structlog.get_logger(__name__)

SHORT = 6
"""Digits of the longest short number: nobody is at home there."""

POLICY = ("policy", ONLY_NAME["policy"])


QUALITY_S = 3_600.0


class House:
    """One node. ``ari`` is None where no telephony runs; pages and routing work all the same."""

    def __init__(
        self,
        config: Config,
        records: Records,
        engine: Engine,
        rule_book: RuleBook,
        rules: Rules,
        prompts: PromptSet,
        board: LiveBoard,
        web: WebSettings,
    ) -> None:
        self.config = config
        self.records = records
        self.law = Library(records.database)
        self.engine = engine
        self.rule_book = rule_book
        self._take(rules)
        self.prompts = prompts
        self.studio = Studio(prompts)
        self.places = Places(config.cache_dir)
        self.board = board
        self.web = web
        self.live = Live(self)
        self.desks = Desks(self)
        self.directory = Directory(self)
        self._rate_again = asyncio.Event()
        self.duty = Duty(
            records,
            board,
            self.desks,
            self.matter_words,
            alive=config.run_dir / "alive",
            on_ratings=self._rate_again.set,
        )
        self.service_line = ServiceLine(records, self.desks)
        self.dispatch = Dispatch(engine)
        self.dispatch.listen(self.desks.take)
        self.overload = OverloadWatch(self)
        self.dispatch.listen(self.overload.take)
        self.tasks = Tasks(self)
        self.wrong_codes = WrongCodes()
        self.rooms: Rooms | None = None
        self.sender = sender_of(config)
        self.captures = CaptureStore(records, self.recordings_dir)
        self.clinic = Clinic(records, web.secret, lambda: self.calendar, self.sender)
        self.evidence = provider_of(config)
        self.papers = Papers(records, self.evidence, config.data_dir / "papers")
        self.uploads = Uploads(records, config.data_dir / "uploads")
        self.sealing = Sealing(
            records, self.evidence, self.papers, self.uploads, self.recordings_dir, config.data_dir / FOLDER
        )
        self.clinic.mediations.maker = PdfPapers(self.papers)
        self.visits: Visits | None = None
        self.hosting: Hosting | None = None
        self.telephones: Telephones | None = None
        self.stopping = False
        self.dispatch.on_reset = self._restore_anew
        self._restoring: asyncio.Task[None] | None = None
        self.qualities: Mapping[str, Quality] = {}
        self.recordings_spool: Path = config.run_dir / "recording"
        self.no_telephony: str | None = None
        self._ari: Ari | None = None
        self._waiting_room: WaitingRoom | None = None
        self._background: set[asyncio.Task[Any]] = set()

    # ---- the rules in force

    def _take(self, rules: Rules) -> None:
        self.rules = rules
        self.policy: Policy = rules.policy
        self.hotlines: Mapping[str, Hotline] = rules.hotlines
        self.calendar: Calendar = rules.calendar
        self._classes: dict[tuple[str, str], tuple[str, ...]] = {}
        self._matters = {matter.id: matter for matter in rules.policy.matters}

    @property
    def default_hotline(self) -> Hotline:
        """What a message belongs to that nobody took a menu for."""
        return self.hotlines.get("12348") or next(iter(self.hotlines.values()))

    @property
    def hotline_number(self) -> str:
        return self.default_hotline.number

    def use_rules(self, rules: Rules) -> None:
        """From the next contact on; those that are here keep what they arrived under. Never waits, never fails."""
        policy_changed = rules.numbers.get(POLICY) != self.rules.numbers.get(POLICY)
        self._take(rules)
        log.info("rules in force", rules={"/".join(key): number for key, number in rules.numbers.items()})
        if policy_changed:
            self.background(self.desks.subscribe_anew())
        self.live.rules_changed()

    # ---- video

    def use_rooms(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.visits = Visits(self, rooms)
        self.hosting = Hosting(self, rooms)
        self.telephones = Telephones(self, rooms)

    def video_of(self, contact: Contact, agent: str) -> dict[str, Any] | None:
        """The way into the contact's room for this volunteer's desk; None where there is none."""
        if contact.meeting is not None:
            return contact.meeting.frame(agent)
        return contact.lift.frame(agent) if contact.lift is not None else None

    def live_contact(self, contact_id: str) -> Contact | None:
        return self.live.contact(contact_id)

    def lift_of(self, contact_id: str) -> Lift | None:
        """The call's lift to video, while both go on."""
        contact = self.live.contact(contact_id)
        return contact.lift if contact else None

    async def end_room_of(self, contact_id: str) -> None:
        """The contact has ended while we were away; so has its room, if it has one."""
        room = self.rooms.of_contact(contact_id) if self.rooms else None
        if self.rooms is not None and room is not None:
            await self.rooms.end(room, "lost")

    @property
    def public_url(self) -> str:
        """What begins a link that a citizen is sent."""
        config = self.config
        if config.public_url:
            return config.public_url
        if config.https_port:
            address = (config.video_addresses or own_addresses("0.0.0.0"))[0]  # noqa: S104 - asked, not bound
            return f"https://{address}:{config.https_port}"
        return f"http://localhost:{config.http_port}"

    # ---- telephony

    @property
    def ari(self) -> Ari | None:
        return self._ari

    def use_ari(self, ari: Ari) -> None:
        self._ari = ari
        self._waiting_room = WaitingRoom(ari, "waiting-room")

    def require_ari(self) -> Ari:
        if self._ari is None:
            raise RuntimeError("a call without telephony")
        return self._ari

    @property
    def waiting_room(self) -> WaitingRoom:
        if self._waiting_room is None:
            raise RuntimeError("a call without telephony")
        return self._waiting_room

    @property
    def service_number(self) -> str | None:
        return self.config.service_number

    def dial_out(self, number: str, *, listed: Collection[str] = ()) -> str:
        """What to originate to for ``number``: through the first trunk that takes it. Raises ``NumberRefused``.

        ``listed`` are the short numbers that the hotline's own data names.
        """
        refused = NumberRefused("no_trunk", "no trunk takes calls to the outside")
        for line in self.config.lines:
            if rules := line.rules():
                try:
                    return trunk_endpoint(number, rules, listed=listed)
                except NumberRefused as error:
                    refused = error
        raise refused

    @property
    def calls_out(self) -> bool:
        """Whether any trunk takes calls to the outside: without one nobody is promised a call."""
        return any(line.rules() for line in self.config.lines)

    def dialable(self, number: str | None) -> str | None:
        """A number that may be called back, in our one form; None for anything else, short numbers included."""
        known = caller_number(number)
        if known is None or len(known) <= SHORT:
            return None
        try:
            self.dial_out(known)
        except NumberRefused:
            return None
        return known

    async def hang_up_leg(self, contact_id: str, agent: str | None = None) -> None:
        """A volunteer (by default the one who leads) leaves the talk: the leg goes, the caller stays for the survey, or
        with whoever else is in the talk."""
        contact = self.live.contact(contact_id)
        if contact is None:
            return
        if contact.meeting:
            contact.meeting.leave(agent or contact.agent or "")
        elif contact.talk:
            await contact.talk.leave(agent or contact.agent or "")
        elif contact.leg:
            contact.agent_done = True
            await Channel(self.require_ari(), contact.leg).hangup()
        elif contact.stage == "calling":  # the caller's phone still rings
            contact.agent_done = True
            await Channel(self.require_ari(), contact.channel).hangup()

    async def fetch_recording(self, name: str) -> Path:
        """Where a recording lies; brought over first from an Asterisk on another machine. Raises AriError."""
        file = self.recordings_spool / f"{name}.wav"
        if self.config.asterisk == "external" and not await asyncio.to_thread(file.exists):
            await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
            sound = await self.require_ari().download(f"recordings/stored/{name}/file")
            await asyncio.to_thread(file.write_bytes, sound)
            await self.require_ari().request("DELETE", f"recordings/stored/{name}")
        return file

    def hand_over(self, contact_id: str, to: str, *, three_way: bool) -> str | None:
        """The volunteer wants another hotline in the talk. Returns why not (a code of the desk's words), or None.

        ``to`` is an id of the hotline's own list of transfers: nothing else can be asked for.
        """
        contact = self.live.contact(contact_id)
        if contact is None or contact.stage != "talking":
            return "not_yours"
        hotline = contact.rules.hotlines.get(contact.hotline)
        transfer = hotline.transfer(to) if hotline else None
        if transfer is None:
            return "no_such_hotline"
        if contact.handing and contact.handing["state"] in ("ringing", "joined"):
            return "third_party_here"
        if contact.talk and (why := contact.talk.not_just_two):
            return why
        try:
            contact.hand_overs.put_nowait(HandOver(transfer, three_way))
        except asyncio.QueueFull:
            return "third_party_here"
        return None

    def call_off(self, contact_id: str) -> str | None:
        """The volunteer does not want the other hotline any more that still rings. Returns why not, or None."""
        contact = self.live.contact(contact_id)
        if contact is None or contact.handing is None or contact.handing["state"] != "ringing":
            return "nobody_rings"
        contact.call_off.set()
        return None

    async def pause_recording(self, contact_id: str, *, paused: bool) -> str | None:
        """Leave out what is said from now on, or record again; both sides hear it said. Returns why not, or None."""
        contact = self.live.contact(contact_id)
        if contact is not None and contact.meeting is not None:
            if why := contact.meeting.pause(paused=paused):
                return why
            self.desks.talking(contact, recording=True)
            return None
        if contact is None or contact.recording is None:
            return "not_recorded"
        if "hold" in contact.stops:
            return "on_hold"
        changed = await contact.pause_recording() if paused else await contact.resume_recording()
        if changed:
            self.desks.talking(contact, recording=not paused)
        return None

    def transfers_of(self, contact: Contact) -> list[dict[str, str]]:
        """The hotlines that this contact may be handed to: ``id``, ``zh``, ``en``."""
        hotline = contact.rules.hotlines.get(contact.hotline)
        return (
            [{"id": one.id, "zh": one.name_zh, "en": one.name_en} for one in hotline.transfers]
            if hotline
            else []
        )

    def ring_again(self, contact_id: str, agent: str | None = None) -> None:
        """The desk of this volunteer in this contact was reloaded and has no phone session (any more)."""
        contact = self.live.contact(contact_id)
        if contact and contact.talk:
            contact.talk.ring_again(agent or contact.agent or "")
        elif contact and contact.ringing:
            contact.ringing.ring_again.set()

    # ---- matters and volunteers

    def matters(self) -> list[dict[str, str]]:
        return [{"id": matter.id, "zh": matter.zh, "en": matter.en} for matter in self.policy.matters]

    def survey_keys(self, hotline: str | None) -> str | None:
        """The keys of a hotline's survey, from good to bad; None where nothing is asked."""
        known = self.hotlines.get(hotline or "")
        return known.survey.keys if known and known.survey else None

    def priorities(self) -> list[dict[str, str]]:
        return [{"id": reason.id, "zh": reason.zh, "en": reason.en} for reason in self.policy.priorities]

    def matter_words(self, matter: str | None) -> dict[str, str] | None:
        known = self._matters.get(matter or "")
        return {"id": known.id, "zh": known.zh, "en": known.en} if known else None

    def knows_matter(self, matter: str | None) -> bool:
        return matter in self._matters

    def name_of(self, agent: str) -> dict[str, str]:
        """``id``, ``name`` and ``role`` of a volunteer, as colleagues see them; only the id of one who has left."""
        desk = self.desks.at(agent)
        return {
            "id": agent,
            "name": desk.agent.name if desk else agent,
            "role": desk.agent.role if desk else "",
        }

    def subscriptions_of(self, agent: AgentRow) -> tuple[Subscription, ...]:
        return self.policy.subscriptions(self.volunteer(agent))

    def volunteer(self, agent: AgentRow) -> Volunteer:
        """What the policy needs to know of an agent, callers' ratings included."""
        return _volunteer(agent, self.qualities.get(agent.id, Quality()))

    async def keep_qualities(self) -> None:
        """Read callers' ratings every hour, and when one ceases to count; a desk follows when it becomes ready."""
        while True:
            self._rate_again.clear()
            since_ms = now_ms() - DAYS_COUNTED * 86_400_000
            try:
                rated = await self.records.rated(since_ms=since_ms, most=MOST_COUNTED)
                self.qualities = await asyncio.to_thread(qualities, rated, self.hotlines)
            except SwitchboardError as error:
                log.warning("ratings not read", error=error.code)
            with suppress(TimeoutError):
                async with asyncio.timeout(QUALITY_S):
                    await self._rate_again.wait()

    def serves(self, desk: Desk, matter: str | None, language: str) -> bool:
        """Whether the volunteer at this desk could be offered such a contact in any ring."""
        if matter is None or matter not in self._matters:
            return False
        return not desk.classes.isdisjoint(self._classes_of(matter, language))

    def _classes_of(self, matter: str, language: str) -> tuple[str, ...]:
        known = self._classes.get((matter, language))
        if known is None:
            known = self._classes[matter, language] = self.policy.classes(matter, language)
        return known

    def message_subscriptions_of(self, agent: AgentRow, place: int) -> tuple[Subscription, ...]:
        return self.policy.message_subscriptions(_volunteer(agent), place=place)

    async def on_duty(self, contact: Contact) -> bool:
        """Whether anybody who could serve this contact is signed in; after a restart the queue knows it first."""
        matter = contact.served_matter()
        if self.live.staffed(matter, contact.language):
            return True
        try:
            return any(await self.engine.staffed(*self.policy.classes(matter, contact.language)))
        except RoutingError:
            return True

    def message_entry_of(self, contact: Contact) -> Entry:
        """What waits for a message seat."""
        return self.policy.message_entry(
            contact.id,
            matter=contact.served_matter(),
            language=contact.language,
            arrived_ms=contact.arrived_ms,
            due_ms=contact.due_ms or contact.arrived_ms,
            preferred=contact.preferred,
        )

    def call_entry_of(self, contact: Contact) -> Entry:
        """What holds a volunteer's live seat while a message is answered by telephone."""
        return Entry(f"{contact.id}/call", contact.arrived_ms, 0, (Step(0, f"call|{contact.id}"),))

    def entry_of(self, contact: Contact) -> Entry:
        return contact.rules.policy.entry(
            contact.id,
            matter=contact.served_matter(),
            language=contact.language,
            arrived_ms=contact.queued_ms or contact.arrived_ms,
            priority=contact.priority,
            district=contact.terminal.district if contact.terminal else None,
            preferred=contact.preferred,
            preferred_role=contact.preferred_role,
            asked_ms=contact.asked_ms or 0,
        )

    def held_entry_of(self, contact: Contact, entry_id: str) -> Entry:
        """What holds a volunteer's live seat for this contact: its own entry, or the one under which a colleague was
        asked."""
        if entry_id == contact.id:
            return self.entry_of(contact)
        return Entry(entry_id, contact.arrived_ms, 0, (Step(0, f"call|{contact.id}"),))

    async def estimate(self, contact: Contact) -> Band | None:
        """How long this caller will still wait, as it may be said; None when nobody can say."""
        return self.overload.estimate(contact)

    def _known_entries(self, contact: Contact) -> list[KnownEntry]:
        """What the routing engine should hold for a contact that lives."""
        reservation = contact.reservation or 0
        live = f"{contact.agent}/live"
        asked = contact.talk.colleague.known_entry() if contact.talk and contact.talk.colleague else None
        also = [asked] if asked else []
        if contact.medium == "message":
            held = contact.seat if contact.held else None
            known = [KnownEntry(self.message_entry_of(contact), seat=held, reservation=contact.held or 0)]
            if contact.stage in ("calling", "talking"):
                entry = self.held_entry_of(contact, contact.entry_id)
                known.append(KnownEntry(entry, seat=live, reservation=reservation))
            return known + also
        if contact.stage in ("calling", "talking"):
            entry = self.held_entry_of(contact, contact.entry_id)
            return [KnownEntry(entry, seat=live, reservation=reservation), *also]
        if contact.stage == "ringing" or (contact.stage == "waiting" and contact.in_line):
            return [KnownEntry(self.entry_of(contact))]
        return []

    def _restore_anew(self) -> None:
        """A restoring that is under way knows only what was before this loss: it ends before the next begins."""
        earlier = self._restoring
        if earlier:
            earlier.cancel()

        async def restore() -> None:
            if earlier:
                await asyncio.wait([earlier])
            await self.restore_routing()

        self._restoring = self.background(restore())

    async def restore_routing(self) -> None:
        """The routing state was lost or may have gaps: make it again from the calls and desks that live."""
        as_of = await self.engine.now_ms()
        entries = [known for contact in self.live.contacts() for known in self._known_entries(contact)]
        seats = [
            KnownSeat(
                desk.seat,
                desk.subscriptions,
                available=desk.state["name"] != "paused" and not self.desks.is_away(desk.agent.id),
                reason=desk.state["reason"] or "",
            )
            for desk in self.desks.all()
        ]
        seats += [
            KnownSeat(
                seat, subscriptions, available=not self.desks.is_away(desk.agent.id), reason="desk_gone"
            )
            for desk in self.desks.all()
            for seat, subscriptions in desk.message_seats
        ]
        self.overload.begin(await self.engine.reconcile(entries, seats, as_of_ms=as_of))
        log.warning("routing restored", entries=len(entries), seats=len(seats))

    # ---- what the web server asks (switchboard.web.house)

    @property
    def recordings_dir(self) -> Path:
        return self.config.data_dir / "recordings"

    async def health(self) -> dict[str, Health]:
        return await check_health(self)

    async def desk_socket(self, request: web.Request, agent_id: str) -> web.StreamResponse:
        return await desk_socket(self, request, agent_id)

    async def visit_socket(self, request: web.Request) -> web.StreamResponse:
        return await visit_socket(self, request)

    def languages(self) -> list[dict[str, str]]:
        return [{"id": one.id, "zh": one.zh, "en": one.en} for one in self.policy.languages]

    def directory_of(self, agent_id: str) -> dict[str, Any]:
        return self.directory.of(agent_id)

    async def demo_call(self, keys: str | None) -> str:
        from switchboard.demo import demo_call  # the demonstration stands on the house, not in it

        return await demo_call(self, keys=keys)

    def held_elsewhere(self, entry_id: str) -> bool:
        """Whether an entry of the routing engine belongs to a message, a call-back or a visit."""
        return self.tasks.holds(entry_id) or (self.visits is not None and self.visits.holds(entry_id))

    async def standing(self, contact_id: str) -> Standing | None:
        return await self.engine.standing(contact_id)

    # ---- work beside the contacts

    def background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something to its end beside the contact that began it; ``close`` waits for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background_done)
        return task

    def _background_done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background work failed", error=type(error).__name__)

    async def close(self) -> None:
        await self.desks.close()
        await self.clinic.close()
        if self._background:
            await asyncio.wait(self._background, timeout=5)


def _volunteer(agent: AgentRow, quality: Quality = Quality()) -> Volunteer:  # noqa: B008 - frozen
    return Volunteer(
        agent_id=agent.id,
        role=agent.role,
        skills=dict(agent.skills),
        languages=tuple(agent.languages),
        district=agent.district,
        suspended=agent.suspended,
        licence_until=agent.licence_until,
        quality=quality,
    )
