"""A client for the tests' Asterisk, and calls without telephones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from ivr.ari.channel import Channel
from ivr.ari.client import Ari, AriSettings, EventStream, new_id
from ivr.ari.events import Event, StasisStart, UnknownEvent
from ivr.errors import AriError
from ivr.server.process import AsteriskServer
from tests.support.asterisk import ARI_PASSWORD, ARI_USER, until

E = TypeVar("E", bound=Event)


def settings_for(server: AsteriskServer, app: str = "switchboard") -> AriSettings:
    return AriSettings(server.url, ARI_USER, ARI_PASSWORD, app=app)


@contextlib.asynccontextmanager
async def connected(server: AsteriskServer, app: str = "switchboard") -> AsyncIterator[Ari]:
    """A connected client. At the end no channel and no bridge is left, and no event was unknown."""
    unknown: list[str] = []
    async with Ari(settings_for(server, app)) as ari:
        await until(lambda: ari.connected and ari.heard, 15)
        ari.on(UnknownEvent, lambda event: unknown.append(event.type))
        try:
            yield ari
        finally:
            if ari.connected:
                await clear(ari)
    assert unknown == []


async def clear(ari: Ari) -> None:
    """Hang up and dissolve everything, and wait until Asterisk has none of it."""
    for what in ("channels", "bridges"):
        async with asyncio.timeout(5):
            while found := await ari.request("GET", what):
                for item in found:
                    with contextlib.suppress(AriError):
                        await ari.request("DELETE", f"{what}/{item['id'].replace(';', '%3B')}")


async def next_of(events: EventStream, kind: type[E], accept: Callable[[E], bool] = lambda _: True) -> E:
    """The next event of this type that is accepted; others are skipped. Raises TimeoutError after 5 s."""
    async with asyncio.timeout(5):
        while True:
            event = await events.get()
            if isinstance(event, kind) and accept(event):
                return event


async def local_call(ari: Ari, dialled: str = "12348", *, answer: bool = True) -> tuple[Channel, Channel]:
    """A call to `dialled` as (caller's end, our end), of a Local channel; both are in the application."""
    far_id = new_id("far")
    near_id = far_id + ";2"
    with ari.follow(far_id, near_id) as events:
        far = await Channel.originate(
            ari,
            f"Local/{dialled}@from-trunk",
            id=far_id,
            caller_id="<13800138000>",
            app_args=["far"],
            formats=["alaw"],
        )
        started = await next_of(events, StasisStart, lambda event: event.channel.id == near_id)
        near = Channel.from_start(ari, started)
        if answer:
            assert await near.answer()
            await next_of(events, StasisStart, lambda event: event.channel.id == far_id)
    return far, near
