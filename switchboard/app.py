"""Starting and stopping one node: everything put together, in the order in which it is needed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from ivr.ari.client import Ari, AriSettings, Reconciled
from ivr.errors import IvrError
from ivr.prompts.catalogue import SOUND, PromptSet
from ivr.server.config import ServerOptions, ServerPorts
from ivr.server.fetch import find_or_fetch
from ivr.server.process import AsteriskServer
from routing.engine import Engine
from routing.model import agent_of
from routing.server import RoutingServer
from switchboard.config import Config
from switchboard.contacts.arrivals import Arrivals
from switchboard.contacts.away import take_messages_in
from switchboard.demo import gentle_stream, load_demo, plan_shifts
from switchboard.errors import ConfigurationError, DataInUse
from switchboard.health import check_health
from switchboard.house import House
from switchboard.records.store import Records
from switchboard.rules import RuleBook, follow, read_seeds
from switchboard.times import now_ms
from switchboard.visits.orphans import seal_left_behind
from switchboard.visits.rooms import rooms_of
from switchboard.web.board import LiveBoard
from switchboard.web.house import WebSettings
from switchboard.web.sites import open_sites

log = structlog.get_logger(__name__)

Progress = Callable[[str, float], None]
HEALTH_S = 2.0
APPLICATION = "switchboard"


@asynccontextmanager
async def node(config: Config, *, progress: Progress = lambda _what, _share: None) -> AsyncIterator[House]:
    """A running node; leaving the block stops everything that was started here, children included."""
    async with AsyncExitStack() as held:
        _take_data_dir(config, held)
        records = await Records.open(config.sql_url)
        held.push_async_callback(records.close)
        house = await _open_house(config, records, held)
        house.background(house.places.prepare())
        await house.overload.learn_roles()
        found = await house.engine.snapshot()
        house.overload.begin(found)
        await house.overload.resume()
        _run(held, house.dispatch.run(after=found.stream_id), "dispatch")
        _run(held, house.live.run(), "live")
        _run(held, house.keep_qualities(), "ratings")
        _run(held, follow(house.rule_book, house.rules, house.use_rules), "rules")
        _run(held, house.engine.keep_time(), "time")
        _run(held, house.overload.run(), "overload")
        _run(held, _watch_health(house), "health")
        owner = house.engine.owner
        await house.duty.begin([agent_of(seat.id) for seat in found.seats if seat.owner != owner])
        _run(held, house.duty.run(), "duty")
        await house.papers.resume()
        _run(held, house.clinic.run(), "clinic")
        await house.desks.begin()
        rooms = await held.enter_async_context(
            rooms_of(config, records.rooms, secret_file(config, "video-key"))
        )
        if rooms is not None:
            house.use_rooms(rooms)
            held.push_async_callback(_stop_video, house)
        if house.visits is not None and house.hosting is not None:
            await house.hosting.resume()
            await house.visits.resume()
            house.background(seal_left_behind(house))
        await open_sites(house, held)
        held.callback(_part, house)
        if config.asterisk == "none":
            house.live.health("asterisk", False, "未启用电话", "telephony is switched off")
        else:
            house.live.health("asterisk", False, "正在启动", "starting")
            await _open_telephony(house, held, progress)
            await house.desks.return_to_phones()
        if config.demo != "none":
            await load_demo(records, config.data_dir)
        if config.demo == "live" and house.ari:
            await plan_shifts(records)
            _run(held, gentle_stream(house), "demonstration")
        held.push_async_callback(house.close)
        yield house


async def _stop_video(house: House) -> None:
    """After the last page has gone: visits stay open in SQL, and so do their rooms."""
    if house.visits is not None:
        await house.visits.close()
    if house.hosting is not None:
        await house.hosting.close()


def _part(house: House) -> None:
    """Before the web server ends: nobody in a room is waited for, and every page comes back by itself."""
    house.stopping = True
    if house.rooms is not None:
        house.rooms.part()


def _take_data_dir(config: Config, held: AsyncExitStack) -> None:
    """One node for a data folder: a second one would fight over the same children and sockets."""
    try:
        config.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (
            os.geteuid() == 0
        ):  # Asterisk's own user passes through to its folder; each folder in here guards itself
            config.run_dir.chmod(0o711)
        lock = held.enter_context((config.run_dir / "lock").open("w"))
    except OSError as error:
        raise ConfigurationError([f"data_dir: cannot be written: {error.strerror}"]) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DataInUse from error


async def _open_house(config: Config, records: Records, held: AsyncExitStack) -> House:
    if config.redis_url:
        url = config.redis_url.get_secret_value()
    else:
        url = (await held.enter_async_context(RoutingServer(config.run_dir / "redis"))).url
    engine = await Engine.connect(url, owner=secret_file(config, "node"))
    held.push_async_callback(engine.close)
    prompts = PromptSet(overlay=config.recorded_prompts)
    book = RuleBook(records, read_seeds(config), prompts.keys, config.time_zone)
    return House(
        config,
        records,
        engine,
        book,
        await book.in_force(),
        prompts,
        LiveBoard(),
        WebSettings(
            secret=secret_file(config, "session-key"),
            origins=config.allowed_origins,
            sip_url=_sip_url(config),
        ),
    )


def _sip_url(config: Config) -> str | None:
    """Asterisk's WebSocket transport for softphones; it stands on the HTTP server that ARI uses."""
    if config.asterisk == "none":
        return None
    if config.asterisk == "external" and config.ari_url:
        return config.ari_url.rstrip("/").replace("http", "ws", 1) + "/ws"
    return f"ws://127.0.0.1:{config.asterisk_http_port}/ws"


async def _open_telephony(house: House, held: AsyncExitStack, progress: Progress) -> None:
    """Asterisk and the line to it. Where none can be had, pages and routing go on and say what is missing."""
    config = house.config
    try:
        settings = await _asterisk(house, held, progress)
    except IvrError as error:
        log.error("no telephony", error=error.code, what=str(error))
        house.no_telephony = str(error)
        return
    ari = Ari(settings)
    house.use_ari(ari)
    arrivals = Arrivals(house, ari)

    async def reprovision(found: Reconciled) -> None:
        if found.restarted:
            for desk in house.desks.all():
                await house.desks.provision(desk)

    ari.on_reconciled.append(reprovision)
    await held.enter_async_context(ari)
    _run(held, take_messages_in(house), "messages")
    held.push_async_callback(house.tasks.close)
    held.push_async_callback(arrivals.close)
    await ari.wait_connected(timeout=config.leg_ms / 1000)


async def _asterisk(house: House, held: AsyncExitStack, progress: Progress) -> AriSettings:
    config = house.config
    password = _ari_password(config)
    if config.asterisk == "external":
        return AriSettings(
            url=config.ari_url or "", username=config.ari_user, password=password, app=APPLICATION
        )
    home = await find_or_fetch(config.cache_dir, progress=progress)
    ports = ServerPorts(
        sip=config.sip_port,
        http=config.asterisk_http_port,
        rtp_first=config.rtp_first,
        rtp_last=config.rtp_last,
    )
    server = AsteriskServer(
        home,
        config.run_dir / "asterisk",
        ports,
        ari_user=config.ari_user,
        ari_password=password,
        sounds_dir=SOUND,
        recordings_dir=house.recordings_spool,
        options=ServerOptions(
            app=APPLICATION,
            bind=config.sip_host,
            run_as=config.asterisk_user,
            trunks=tuple(line.for_asterisk() for line in config.lines),
            away_prompt="system_trouble_message",
            thanks_prompt="message_saved",
        ),
    )
    await held.enter_async_context(server)
    return AriSettings(url=server.url, username=config.ari_user, password=password, app=APPLICATION)


def _ari_password(config: Config) -> str:
    """The configured one, or one made for this data folder: a node killed in a call must find its Asterisk again."""
    return (
        config.ari_password.get_secret_value() if config.ari_password else secret_file(config, "ari-password")
    )


def secret_file(config: Config, name: str) -> str:
    """A secret kept in the data folder, readable by its owner only; made at the first use."""
    file: Path = config.data_dir / name
    if not file.exists():
        file.touch(0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text()


def _run(held: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.create_task(_for_ever(work, name), name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    held.push_async_callback(stop)


async def _for_ever(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("a part of the house stopped", part=name)


async def _watch_health(house: House) -> None:
    while True:
        for name, (ok, zh, en) in (await check_health(house)).items():
            house.live.health(name, ok, zh, en)
        today = house.calendar.local(now_ms()).date()
        house.live.notice("calendar", house.calendar.warning(today))
        await asyncio.sleep(HEALTH_S)
