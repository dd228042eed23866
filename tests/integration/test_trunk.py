"""A trunk against a real operator: a second Asterisk with its own codecs, identities and registrar."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.ari.events import ChannelDestroyed, ChannelDtmfReceived, StasisStart
from ivr.dialling import TrunkRules, trunk_endpoint
from ivr.server.config import ServerOptions, ServerPorts
from ivr.server.process import AsteriskServer
from ivr.server.trunk import Codec, Trunk
from tests.support import alaw
from tests.support.asterisk import new_server, short_folder, until
from tests.support.calls import clear, connected, next_of
from tests.support.switchboard import eventually

SECRET = "pass;word>#,1"
ACCOUNT = f"""
[acct12348]
type = endpoint
context = from-trunk
transport = udp
disallow = all
allow = alaw
auth = acct12348
aors = acct12348
direct_media = no

[acct12348]
type = auth
auth_type = userpass
username = acct12348
password = {SECRET.replace(";", chr(92) + ";")}

[acct12348]
type = aor
max_contacts = 1
"""


class Two:
    """Our Asterisk and the operator's, each with an application that answers to the test."""

    def __init__(self, us: AsteriskServer, operator: AsteriskServer) -> None:
        self.us, self.operator = us, operator
        self.ours: Ari
        self.theirs: Ari

    async def started(self, ari: Ari, place: Callable[[], object]) -> Channel:
        """The channel that comes into the application of ``ari`` when ``place`` was called."""
        queue: asyncio.Queue[StasisStart] = asyncio.Queue()
        ari.on(StasisStart, queue.put_nowait)
        place()
        async with asyncio.timeout(10):
            while "call" not in (event := await queue.get()).args[:1]:
                pass
        return Channel.from_start(ari, event)


@contextlib.asynccontextmanager
async def two(
    *,
    codecs: tuple[Codec, ...] = ("alaw",),
    our_trunk: dict[str, object] | None = None,
    operator_dtmf: str = "rfc4733",
    operator_pjsip: str = "",
) -> AsyncIterator[Two]:
    """Both servers, each the other's trunk."""
    with short_folder() as here, short_folder() as there:
        our_ports, their_ports = ServerPorts.free(), ServerPorts.free()
        ours = Trunk(**{"host": "127.0.0.1", "port": their_ports.sip, "codecs": codecs, **(our_trunk or {})})  # pyright: ignore[reportArgumentType]
        theirs = Trunk(host="127.0.0.1", port=our_ports.sip, codecs=codecs, dtmf=operator_dtmf)  # pyright: ignore[reportArgumentType]
        us = new_server(here, ServerOptions(trunks=(ours,)), our_ports)
        operator = new_server(there, ServerOptions(trunks=(theirs,), extra_pjsip=operator_pjsip), their_ports)
        async with us, operator, connected(us) as our_ari, connected(operator) as their_ari:
            pair = Two(us, operator)
            pair.ours, pair.theirs = our_ari, their_ari
            try:
                yield pair
            finally:
                await clear(their_ari)
                await clear(our_ari)


async def call_us(
    pair: Two, *, caller_id: str = "<13800138000>", dialled: str = "12348", **more: object
) -> tuple[Channel, Channel]:
    """A call from the operator's network, answered: (their end, our end)."""
    tasks: list[asyncio.Task[Channel]] = []

    def place() -> None:
        originate = Channel.originate(
            pair.theirs,
            f"PJSIP/{dialled}@trunk",
            id="caller",
            caller_id=caller_id,
            app_args=["far"],
            **more,  # pyright: ignore[reportArgumentType]
        )
        tasks.append(asyncio.create_task(originate))

    with pair.theirs.follow("caller") as events:
        near = await pair.started(pair.ours, place)
        assert await near.answer()
        await next_of(events, StasisStart)
    return await tasks[0], near


async def hears(listener: Channel, server: AsteriskServer, hertz: int) -> bool:
    """Whether half a second of what this channel hears from the other side is this tone."""
    name = f"heard-{hertz}"
    recording = await listener.record(name, format="wav", if_exists="overwrite")
    path = server.settings.recordings_dir / f"{name}.wav"
    await until(lambda: path.exists() and path.stat().st_size > 44 + 16_000, 10)
    await recording.stop()
    raw = path.read_bytes()[44 + 6_000 : 44 + 14_000]
    samples = [int.from_bytes(raw[at : at + 2], "little", signed=True) for at in range(0, len(raw) - 1, 2)]
    return alaw.energy(samples) > 1e4 and alaw.tone_share(samples, hertz) > 0.6


async def test_every_codec_carries_sound_both_ways_and_keys() -> None:
    """One after the other; A-law on the one side of us is transcoded to what the operator speaks."""
    codecs: tuple[Codec, ...] = ("alaw", "ulaw", "g722", "opus")
    for codec in codecs:
        async with two(codecs=(codec,)) as pair:
            far, near = await call_us(pair)
            spoken = await near.get_var("CHANNEL(audionativeformat)")
            assert spoken is not None
            assert codec in spoken
            spoken_by_them = await far.play("tone:1000/60000")
            assert await hears(near, pair.us, 1000), codec
            await spoken_by_them.stop()
            await near.play("tone:600/60000")
            assert await hears(far, pair.operator, 600), codec
            with near.events() as events:
                await far.send_dtmf("1")
                assert (await next_of(events, ChannelDtmfReceived)).digit == "1", codec


@pytest.mark.parametrize("codec", ["alaw", "ulaw"])
async def test_keys_that_are_only_tones_are_heard(codec: Codec) -> None:
    """The operator offers no telephone-event: ``auto`` listens for tones."""
    async with two(codecs=(codec,), our_trunk={"dtmf": "auto"}, operator_dtmf="inband") as pair:
        far, near = await call_us(pair)
        await near.play("tone:400/60000")
        with near.events() as events:
            for key in "129#":
                await far.send_dtmf(key, duration_ms=120)
                assert (await next_of(events, ChannelDtmfReceived)).digit == key


async def test_we_call_out_with_the_hotline_s_number_through_the_trunk() -> None:
    async with two() as pair:
        with pair.ours.follow("out") as events:
            endpoint = trunk_endpoint("+8613911112222", TrunkRules("trunk"))

            def place() -> None:
                tasks.append(
                    asyncio.create_task(
                        Channel.originate(
                            pair.ours, endpoint, id="out", caller_id="12348 <12348>", app_args=["agent"]
                        )
                    )
                )

            tasks: list[asyncio.Task[Channel]] = []
            far = await pair.started(pair.theirs, place)
            assert far.dialled == "13911112222"
            assert far.caller_number == "12348"
            await far.ring()
            await far.answer()
            await next_of(events, StasisStart)
            await far.hangup(17)
            await next_of(events, ChannelDestroyed)


async def test_we_register_with_the_operator_and_its_calls_come_for_the_hotline() -> None:
    register: dict[str, object] = {
        "register": True,
        "user": "acct12348",
        "password": SECRET,
        "number": "12348",
    }
    async with two(our_trunk=register, operator_pjsip=ACCOUNT) as pair:

        async def known() -> bool:
            endpoint = await pair.theirs.request("GET", "endpoints/PJSIP/acct12348")
            return endpoint["state"] == "online"

        await eventually(known, 20, "the account registered")
        tasks: list[asyncio.Task[Channel]] = []

        def place() -> None:
            originate = Channel.originate(
                pair.theirs, "PJSIP/acct12348", id="caller", caller_id="<13800138000>", app_args=["far"]
            )
            tasks.append(asyncio.create_task(originate))

        near = await pair.started(pair.ours, place)
        assert (near.dialled, near.caller_number) == ("12348", "13800138000")
        await near.hangup()
