"""Real SIP: the trunk's callers and the volunteers' phones."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from ivr import softphones
from ivr.ari.channel import Channel
from ivr.ari.client import Ari, new_id
from ivr.ari.events import ChannelDestroyed, ChannelDtmfReceived, EndpointStateChange, StasisEnd, StasisStart
from ivr.errors import Unreachable
from ivr.server.config import ServerOptions
from ivr.server.process import AsteriskServer
from tests.support.asterisk import SOUNDS_MS, own_asterisk, until
from tests.support.calls import connected, next_of
from tests.support.telephones import BrowserPhone, DeskPhone, Sound, free_udp_port, run_sipp, sipp


@pytest.fixture
async def ari(asterisk: AsteriskServer) -> AsyncIterator[Ari]:
    async with connected(asterisk) as client:
        yield client


def arrivals(ari: Ari) -> asyncio.Queue[StasisStart]:
    queue: asyncio.Queue[StasisStart] = asyncio.Queue()
    ari.on(StasisStart, queue.put_nowait)
    return queue


async def test_a_call_from_the_trunk_is_answered_hears_a_prompt_and_presses_keys(
    ari: Ari, asterisk: AsteriskServer
) -> None:
    started = arrivals(ari)
    async with Sound.open() as sound:
        keys = {"dialled": "12348", "caller": "13800138000", "rtp": sound.port}
        async with sipp(asterisk, "call", **keys) as caller:
            channel = Channel.from_start(ari, await asyncio.wait_for(started.get(), 5))
            assert channel.args == ("call", "12348")
            assert channel.caller_number == "13800138000"
            with channel.events() as events:
                assert await channel.answer()
                playback = await channel.play("sound:zh/second")
                await until(lambda: sound.packets > 5)
                for key in "12348*#":
                    await sound.press(key)
                    assert (await next_of(events, ChannelDtmfReceived)).digit == key
                assert await playback.finished() == "finished"
                assert await channel.hangup()
                await next_of(events, StasisEnd)
            await asyncio.wait_for(caller.communicate(), 5)
        assert caller.returncode == 0
        assert sound.loud >= SOUNDS_MS["second"] * 8 * 0.9


async def test_a_number_nobody_configured_reaches_the_application_too(
    ari: Ari, asterisk: AsteriskServer
) -> None:
    started = arrivals(ari)
    async with sipp(asterisk, "call", dialled="95598", caller="13800138000", rtp=free_udp_port()):
        channel = Channel.from_start(ari, await asyncio.wait_for(started.get(), 5))
        assert channel.dialled == "95598"
        assert await channel.hangup()


async def test_with_the_application_away_a_caller_hears_words_and_is_let_go(asterisk: AsteriskServer) -> None:
    async with connected(asterisk):
        pass  # it was there, and has gone
    away = asterisk.settings.recordings_dir / "away"
    async with Sound.open() as sound:
        async with sipp(asterisk, "call", dialled="12348", caller="13900139000", rtp=sound.port) as caller:
            await until(lambda: sound.loud >= SOUNDS_MS["away"] * 8 * 0.9)
            await until(lambda: list(away.glob("*-13900139000-*.wav")))
            await sound.press("#")
            await asyncio.wait_for(caller.communicate(), 10)
        assert caller.returncode == 0
        assert sound.loud >= (SOUNDS_MS["away"] + SOUNDS_MS["away_thanks"]) * 8 * 0.9


async def test_a_pushed_phone_registers_though_the_trunk_has_the_same_address(
    ari: Ari, asterisk: AsteriskServer
) -> None:
    await softphones.provision(ari, "v001", "right", kind="sip")
    await run_sipp(asterisk, "register_refused", user="v001", password="wrong")
    await run_sipp(asterisk, "register_phone", user="v001", password="right")
    await softphones.provision(ari, "v001", "changed", kind="sip")
    await run_sipp(asterisk, "register_refused", user="v001", password="right")
    await run_sipp(asterisk, "register_phone", user="v001", password="changed")
    assert await softphones.remove(ari, "v001")
    assert not await softphones.remove(ari, "v001")
    assert not await softphones.online(ari, "v001")


async def test_a_phone_that_dials_by_itself_reaches_nobody(ari: Ari, asterisk: AsteriskServer) -> None:
    started = arrivals(ari)
    await softphones.provision(ari, "v002", "right", kind="sip")
    for dialled in ("12348", "13800138000", "s", "v001", "trunk"):
        await run_sipp(asterisk, "refused_call", user="v002", password="right", dialled=dialled)
    assert started.empty()
    assert await softphones.remove(ari, "v002")


async def test_a_desk_telephone_is_called_and_hears_what_is_played(
    ari: Ari, asterisk: AsteriskServer
) -> None:
    await softphones.provision(ari, "v003", "right", kind="sip")
    async with DeskPhone.open(asterisk, "v003") as phone:
        leg_id = new_id("ag")
        with ari.follow(leg_id, "PJSIP/v003") as events:
            assert await phone.register("right") == 200
            await next_of(events, EndpointStateChange, lambda event: event.endpoint.state == "online")
            assert await softphones.online(ari, "v003")
            leg = await Channel.originate(ari, softphones.dial_string("v003"), id=leg_id, timeout_s=5)
            assert (await next_of(events, StasisStart)).channel.id == leg_id
            assert await (await leg.play("sound:zh/second")).finished() == "finished"
            assert phone.sound.loud >= SOUNDS_MS["second"] * 8 * 0.9
            assert await leg.hangup()
            await until(lambda: phone.said_bye)
    assert await softphones.remove(ari, "v003")


async def test_a_browser_is_offered_opus_over_dtls_srtp(ari: Ari, asterisk: AsteriskServer) -> None:
    await softphones.provision(ari, "v004", "right")
    async with BrowserPhone.open(asterisk, "v004") as browser:
        assert await browser.register("wrong") == 401
        assert await browser.register("right") == 200
        leg_id = new_id("ag")
        with ari.follow(leg_id, "PJSIP/v004") as events:
            await Channel.originate(ari, softphones.dial_string("v004"), id=leg_id, timeout_s=5)
            offer = await browser.offer()
            assert (await next_of(events, ChannelDestroyed)).cause == 17
        assert re.search(r"^m=audio \d+ UDP/TLS/RTP/SAVPF", offer, re.MULTILINE)
        assert re.search(r"^a=rtpmap:\d+ opus/48000/2", offer, re.MULTILINE)
        assert re.search(r"^a=rtpmap:8 PCMA/8000", offer, re.MULTILINE)
        assert re.search(r"^a=fingerprint:sha-256 ", offer, re.MULTILINE | re.IGNORECASE)
        assert "a=setup:actpass" in offer
        assert "a=ice-ufrag:" in offer
        assert "a=rtcp-mux" in offer
        assert "m=video" not in offer
    with ari.follow("PJSIP/v004") as events:
        if await softphones.online(ari, "v004"):
            await next_of(events, EndpointStateChange, lambda event: event.endpoint.state == "offline")
    assert await softphones.remove(ari, "v004")


async def test_calling_a_phone_that_is_not_there_is_an_error_at_once(ari: Ari) -> None:
    await softphones.provision(ari, "v005", "right")
    with pytest.raises(Unreachable):
        await Channel.originate(ari, softphones.dial_string("v005"))
    assert await softphones.remove(ari, "v005")
    with pytest.raises(Unreachable):
        await Channel.originate(ari, softphones.dial_string("v005"))


async def test_with_the_words_missing_too_a_caller_hears_a_tone_and_never_silence() -> None:
    options = ServerOptions(away_prompt="nobody-recorded-this")
    async with own_asterisk(options) as server, Sound.open() as sound:  # noqa: SIM117 - reads in its order
        async with sipp(server, "call", dialled="12348", caller="13900139000", rtp=sound.port):
            await until(lambda: sound.loud > 2000)
