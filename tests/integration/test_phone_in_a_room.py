"""Real telephones in a video room: SIPp's caller through Asterisk beside pages, from the first word to the last."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.ari.channel import Channel
from ivr.ari.client import Ari, Reconciled
from ivr.ari.events import StasisStart, parse_bridge, parse_channel
from ivr.call import Call
from ivr.errors import AriError, CallerLeft, NotReached
from ivr.prompts.catalogue import PromptSet
from ivr.server.config import ServerOptions
from ivr.server.process import AsteriskServer
from ivr.server.trunk import Trunk
from switchboard.visits.phone_leg import How, call_out, end_left_behind, new_leg_id, take_part
from tests.support import alaw
from tests.support.asterisk import ARI_PASSWORD, ARI_USER, own_asterisk
from tests.support.callees import Callee
from tests.support.calls import connected
from tests.support.phones import Caller
from tests.video import rig
from tests.video.rig import House, eventually, token
from tests.video.sources import Tone
from tests.video.test_borders import Shelf
from tests.video.test_phone_in_a_room import hears
from video.client import VideoClient
from video.events import Admitted, CameByPhone, Left
from video.forward import Track
from video.phone.peer import PhonePeer
from video.tokens import Role

HOST, OTHER, PHONE = 500, 1400, 900
ROOM = "mediation"
WORDS = {
    "room_invite_mediation": 1800,
    "room_press_one": 1900,
    "room_recording": 2000,
    "room_wait": 2100,
    "room_here": 2200,
    "room_caucus": 2300,
    "room_muted": 2400,
    "room_over": 2500,
    "room_removed": 2600,
    "room_lost": 2700,
    "room_on_screen": 2800,
    "room_sent_back": 2900,
}
MUSIC = 700


def write_wave(path: Path, hertz: float, ms: int) -> None:
    samples = 8_000 * np.sin(2 * np.pi * hertz * np.arange(8 * ms) / 8_000)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def prompts(tmp_path: Path) -> PromptSet:
    """Each sentence is a tone of its own."""
    for key, hertz in WORDS.items():
        write_wave(tmp_path / "zh" / f"{key}.wav", hertz, 400)
    write_wave(tmp_path / "zh" / "room_not_recorded.wav", 3000, 200)
    write_wave(tmp_path / "music" / "music.wav", MUSIC, 1_000)
    return PromptSet(tmp_path)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with rig.house() as made:
        made.bridge.open_room(ROOM)
        yield made


class Leg:
    """A caller on their way through a room."""

    def __init__(self, caller: Caller, call: Call, task: asyncio.Task[How]) -> None:
        self.caller, self.call, self.task = caller, call, task
        self.rtp = caller.rtp

    async def how(self) -> How:
        async with asyncio.timeout(15):
            return await self.task


@asynccontextmanager
async def caller_in(
    server: AsteriskServer,
    ari: Ari,
    house: House,
    prompts: PromptSet,
    *,
    waits: bool = False,
    records: bool = False,
    person: str = "phone",
) -> AsyncIterator[Leg]:
    """A caller who says PHONE and takes part in the room."""
    arrived: asyncio.Queue[StasisStart] = asyncio.Queue()
    off = ari.on(StasisStart, arrived.put_nowait)
    async with Caller(server.settings.ports.sip, "13800138000") as caller:
        async with asyncio.timeout(10):
            event = await arrived.get()
        off()
        async with Call(ari, Channel.from_start(ari, event), prompts) as call:
            assert await call.channel.answer()
            await caller.answered()
            caller.rtp.play_tone(PHONE)
            invitation = token(person, ROOM, waits=waits)
            task = asyncio.create_task(take_part(call, house.bridge, ROOM, invitation, records=records))
            try:
                yield Leg(caller, call, task)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def lose_some(house: House, track: Track) -> None:
    """One packet in twenty of this voice is lost before the telephones hear it."""
    heard, chance = track.heard, random.Random(6)
    assert heard is not None

    def lossy(timestamp: int, payload: bytes) -> None:
        if chance.random() >= 0.05:
            heard(timestamp, payload)

    house.bridge.port.forwarder.tap(track, lossy)


def id_of(house: House, person: str = "phone") -> str:
    return house.person(person).id


async def there(house: House, person: str = "phone") -> str:
    """The participant's id, once there is one."""

    async def here() -> str:
        room = house.bridge.rooms[ROOM]
        return next((one.id for one in room.people.values() if one.invitation.person == person), "")

    return await eventually(here, f"{person} has a place")


async def test_in_a_room_of_three_a_caller_is_heard_by_both_and_hears_both(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    async with (
        connected(asterisk) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        VideoClient(house.socket(), token("b"), microphone=Tone(OTHER)) as party,
        caller_in(asterisk, ari, house, prompts) as leg,
    ):
        await leg.rtp.wait_tone(WORDS["room_here"], timeout=10)
        phone = await there(house)
        await asyncio.gather(hears(host, phone, PHONE), hears(party, phone, PHONE))
        await leg.rtp.wait_for(lambda: _both(leg, HOST, OTHER), 10, "both voices")
        assert _share(leg, PHONE) < 0.05  # never itself

        await host.ask("mute", participant=phone, kind="audio", muted=True)
        await leg.rtp.wait_tone(WORDS["room_muted"])
        peer = house.person("phone").peer
        assert peer is not None
        (voice,) = peer.sent.values()
        assert voice.start.live == []
        await host.ask("mute", participant=phone, kind="audio", muted=False)
        await hears(host, phone, PHONE)

        await host.ask("caucus", groups=[[host.id, phone]])
        await leg.rtp.wait_tone(WORDS["room_caucus"])
        await leg.rtp.wait_no_tone(OTHER, seconds=1.0, timeout=10)
        await leg.rtp.wait_for(lambda: _share(leg, HOST) > 0.5, 10, "the one in the same group")
        assert (phone, party.id) not in set(house.bridge.rooms[ROOM].flows())
        heard_by = {one for sub in voice.start.live for one in [sub.lane.name]}
        assert heard_by == {host.id}
        await host.ask("caucus", groups=[])
        await leg.rtp.wait_for(lambda: _both(leg, HOST, OTHER), 10, "both voices")

        leg.caller.hang_up()
        with pytest.raises(CallerLeft):
            await leg.how()
        assert [one.id for one in house.bridge.rooms[ROOM].people.values() if one.id == phone] == []
    left = [event for event in house.bridge.events.drain() if isinstance(event, Left)]
    assert left[0].reason == "hung_up"


async def test_one_packet_in_twenty_lost_on_every_line_stops_nothing(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    async with (
        connected(asterisk) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        caller_in(asterisk, ari, house, prompts) as leg,
    ):
        chance, send = random.Random(5), leg.rtp._send

        def lossy(*args: Any, **kwargs: Any) -> None:
            if chance.random() >= 0.05:
                send(*args, **kwargs)

        leg.rtp._send = lossy
        phone = await there(house)
        peer = house.person("phone").peer
        assert isinstance(peer, PhonePeer)
        await hears(host, phone, PHONE)
        ((track, voice),) = house.bridge.phones._voices.items()
        lose_some(house, track)
        filled = peer.playout.filled, voice.playout.filled

        async def lost_and_filled() -> bool:
            return peer.playout.filled > filled[0] + 3 and voice.playout.filled > filled[1] + 3

        await eventually(lost_and_filled, "losses on both ways are filled")
        await hears(host, phone, PHONE)
        await leg.rtp.wait_tone(HOST, seconds=1.0)
        assert not leg.task.done()


async def test_a_caller_who_waits_hears_music_is_let_in_is_sent_back_and_is_sent_out(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    async with (
        connected(asterisk) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        caller_in(asterisk, ari, house, prompts, waits=True) as leg,
    ):
        await leg.rtp.wait_tone(WORDS["room_wait"], timeout=10)
        await leg.rtp.wait_tone(MUSIC)
        await leg.rtp.wait_no_tone(HOST, seconds=0.5)
        phone = id_of(house)
        peer = house.person("phone").peer
        assert peer is not None
        (voice,) = peer.sent.values()
        assert voice.start.packets == 0
        await host.ask("admit", participant=phone)
        await leg.rtp.wait_tone(WORDS["room_here"])
        await leg.rtp.wait_tone(HOST)
        await hears(host, phone, PHONE)
        await host.ask("send_back", participant=phone)
        await leg.rtp.wait_tone(WORDS["room_sent_back"])
        await leg.rtp.wait_tone(MUSIC)
        before = voice.start.packets
        await leg.rtp.wait_no_tone(HOST, seconds=0.5)
        assert voice.start.packets == before
        await host.ask("remove", participant=phone)
        await leg.rtp.wait_tone(WORDS["room_removed"])
        assert await leg.how() == "removed"
    events = house.bridge.events.drain()
    assert any(isinstance(event, Admitted) for event in events)


async def test_a_caller_is_asked_before_anything_of_theirs_is_on_tape(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    shelf = Shelf()
    house.bridge.rooms[ROOM].record(shelf)
    async with (
        connected(asterisk) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
    ):
        async with caller_in(asterisk, ari, house, prompts, records=True) as leg:
            await leg.rtp.wait_tone(WORDS["room_recording"], timeout=10)
            assert len(house.bridge.rooms[ROOM].people) == 1
            await leg.rtp.press("2")
            phone = await there(house)
            await hears(host, phone, PHONE)
            assert shelf.packets(phone) == 0
        async with caller_in(asterisk, ari, house, prompts, records=True, person="other") as leg:
            await leg.rtp.wait_tone(WORDS["room_recording"], timeout=10)
            await leg.rtp.press("1")
            phone = await there(house, "other")
            await eventually(lambda: _on_tape(shelf, phone), "the telephone is on tape")
    came = [event.consents for event in house.bridge.events.drain() if isinstance(event, CameByPhone)]
    assert came == [False, True]


async def test_a_telephone_stays_until_the_page_of_the_same_person_is_up(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    async with (
        connected(asterisk) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
        caller_in(asterisk, ari, house, prompts, person="v") as leg,
    ):
        phone = await there(house, "v")
        await hears(host, phone, PHONE)
        async with VideoClient(house.socket(), token("v"), microphone=Tone(OTHER)) as page:
            await leg.rtp.wait_tone(WORDS["room_on_screen"], timeout=15)
            assert await leg.how() == "on_screen"
            await hears(host, phone, OTHER)
            assert page.id == phone


async def test_the_end_of_the_bridge_is_said_in_words(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    async with connected(asterisk) as ari, caller_in(asterisk, ari, house, prompts) as leg:
        await leg.rtp.wait_tone(WORDS["room_here"], timeout=10)
        house.bridge.end_all("shutdown")
        await leg.rtp.wait_tone(WORDS["room_over"])
        assert await leg.how() == "over"
        assert await leg.call.channel.exists()


async def test_a_room_that_is_full_says_so_and_a_media_channel_that_is_lost_too(
    asterisk: AsteriskServer, house: House, prompts: PromptSet
) -> None:
    async with connected(asterisk) as ari:
        async with caller_in(asterisk, ari, house, prompts) as leg:
            await leg.rtp.wait_tone(WORDS["room_here"], timeout=10)
            media = [raw["id"] for raw in await ari.request("GET", "channels") if raw["id"].startswith("em-")]
            assert await Channel(ari, media[0]).hangup()
            await leg.rtp.wait_tone(WORDS["room_lost"])
            assert await leg.how() == "lost"
        house.bridge.rooms[ROOM].seats = 0
        async with caller_in(asterisk, ari, house, prompts) as leg:
            assert await leg.how() == "full"
    left = [event.reason for event in house.bridge.events.drain() if isinstance(event, Left)]
    assert left == ["line_lost"]


async def test_an_asterisk_that_is_killed_takes_the_telephone_out_of_the_room(
    house: House, prompts: PromptSet
) -> None:
    async with (
        own_asterisk() as server,
        connected(server) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
    ):
        with suppress(AriError):  # giving back what is gone
            async with caller_in(server, ari, house, prompts) as leg:
                phone = await there(house)
                await hears(host, phone, PHONE)
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)

                async def out() -> bool:
                    return all(one["id"] != phone for one in host.view["participants"])

                await eventually(out, "the page sees that the telephone has gone")
                await asyncio.wait({leg.task}, timeout=15)
                assert leg.task.done()
        await server.wait_ready()
        await ari.wait_connected(15)
    left = [event.reason for event in house.bridge.events.drain() if isinstance(event, Left)]
    assert left[0] in ("hung_up", "line_lost")


def trunk_to(home: Callee) -> ServerOptions:
    return ServerOptions(trunks=(Trunk(match=("127.0.0.1/32",), host="127.0.0.1", port=home.port),))


async def test_a_room_calls_out_and_whoever_presses_the_key_is_in(house: House, prompts: PromptSet) -> None:
    async with (
        Callee() as home,
        own_asterisk(trunk_to(home)) as server,
        connected(server) as ari,
        VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(HOST)) as host,
    ):

        async def call(person: str, waits: bool) -> How:
            return await call_out(
                ari,
                "PJSIP/13800138001@trunk",
                prompts,
                house.bridge,
                ROOM,
                token(person, waits=waits),
                kind="mediation",
                records=False,
                caller_id="12348 <12348>",
                leg_id=new_leg_id(),
            )

        calling = asyncio.create_task(call("called", True))
        talk = await home.answered()
        home.rtp.play_tone(PHONE)
        await home.rtp.wait_tone(WORDS["room_invite_mediation"])
        await home.rtp.wait_tone(WORDS["room_press_one"])
        assert len(house.bridge.rooms[ROOM].people) == 1
        await home.rtp.press("1")
        await home.rtp.wait_tone(WORDS["room_wait"])
        await host.ask("admit", participant=await there(house, "called"))
        await home.rtp.wait_tone(HOST)
        await hears(host, id_of(house, "called"), PHONE)
        home.hang_up(talk.call_id)
        async with asyncio.timeout(10):
            assert await calling == "hung_up"

        calling = asyncio.create_task(call("somebody", False))
        await home.answered(nth=2)
        await home.rtp.wait_tone(WORDS["room_invite_mediation"])
        await home.rtp.press("222")  # whoever picked up by mistake, or a machine
        with pytest.raises(NotReached) as failed:
            async with asyncio.timeout(30):
                await calling
        assert failed.value.how == "not_confirmed"
        assert len(house.bridge.rooms[ROOM].people) == 1


async def test_whoever_was_left_behind_by_a_killed_process_is_told_and_hung_up(
    house: House, prompts: PromptSet
) -> None:
    async with Callee() as home, own_asterisk(trunk_to(home)) as server:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.room_caller", server.url, ARI_USER, ARI_PASSWORD)
        )
        try:
            await home.answered(60)
            home.rtp.play_tone(PHONE)
            await home.rtp.wait_tone(380, timeout=20)  # in the child's room, where somebody says this
        finally:
            child.kill()
            await child.wait()
        async with connected(server) as ari:
            await eventually(lambda: _no_media(ari), "the media channel ends with its process")
            assert await end_left_behind(ari, await _what_is(ari), prompts) == 1
            await home.rtp.hear(WORDS["room_lost"])
            await home.ended()
            assert await ari.request("GET", "bridges") == []


async def _no_media(ari: Ari) -> bool:
    return all(not one["id"].startswith("em-") for one in await ari.request("GET", "channels"))


async def _what_is(ari: Ari) -> Reconciled:
    channels = {one.id: one for one in map(parse_channel, await ari.request("GET", "channels"))}
    bridges = {one.id: one for one in map(parse_bridge, await ari.request("GET", "bridges"))}
    return Reconciled("switchboard", "", None, channels, bridges, restarted=False)


async def _on_tape(shelf: Shelf, participant: str) -> bool:
    return shelf.packets(participant) > 20


def _share(leg: Leg, hertz: float) -> float:
    return alaw.tone_share(leg.rtp.heard(0.4), hertz)


def _both(leg: Leg, *hertz: float) -> bool:
    return all(_share(leg, one) > 0.3 for one in hertz)
