"""The rig itself, against a bare Asterisk: what it sends arrives, and what it reports is so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from tests.support import alaw
from tests.support.asterisk import home
from tests.support.bare_asterisk import KEY_TONES, BareAsterisk
from tests.support.phones import Caller, Phones
from tests.support.rtp import RtpPeer
from tests.support.sipp import HOST, Sipp, SippError

AGENTS = [("v001", "first-secret"), ("v002", "second-secret")]
SOUNDS = {"welcome": alaw.tone(440, ms=400), "menu": alaw.tone(520, ms=3000), "next": alaw.tone(800, ms=400)}


@pytest.fixture
async def bare() -> AsyncIterator[BareAsterisk]:
    async with BareAsterisk(await asyncio.to_thread(home), agents=AGENTS, sounds=SOUNDS) as asterisk:
        yield asterisk


@pytest.mark.parametrize("sample", range(-32000, 32001, 2000))
def test_alaw_gives_back_every_sample_nearly(sample: int) -> None:
    (back,) = alaw.decode(alaw.encode([sample]))
    assert abs(back - sample) <= max(8, abs(sample) * 0.035)


def test_alaw_codes_survive_a_round_trip() -> None:
    codes = bytes(range(256))
    assert alaw.encode(alaw.decode(codes)) == codes


def test_goertzel_tells_one_tone_from_its_neighbour() -> None:
    samples = alaw.decode(alaw.tone(600, ms=200))
    assert alaw.tone_share(samples, 600) > 0.95
    assert alaw.tone_share(samples, 700) < 0.01


async def test_two_peers_hear_each_other_and_each_other_s_keys() -> None:
    async with RtpPeer() as left, RtpPeer() as right:
        left.remote = (HOST, right.port)
        left.play_tone(500)
        right.play_tone(900)  # right answers where left's packets came from
        await asyncio.gather(right.wait_tone(500), left.wait_tone(900))
        press = await left.press("27")
        await right.wait_digits("27")
    assert right.digits == "27"
    assert press.end_ns > press.begin_ns


async def test_a_tone_sent_to_the_echo_comes_back(bare: BareAsterisk) -> None:
    async with Caller(bare.sip_port, "13800000001", "echo") as caller:
        await caller.answered()
        caller.rtp.play_tone(440)
        await caller.rtp.wait_tone(440)
        caller.rtp.play_tone(1020)
        await caller.rtp.wait_tone(1020)
        await caller.rtp.wait_no_tone(440)
        assert await bare.channels() == 1
        caller.hang_up()
        assert await caller.ended() == "local"
        assert (await caller.sipp.wait()).exit_code == 0
    assert await bare.channels() == 0


async def test_each_pressed_key_is_recognised(bare: BareAsterisk) -> None:
    async with Caller(bare.sip_port, "13800000001", "keys") as caller:
        await caller.answered()
        for key in ("1", "2", "9"):
            press = await caller.rtp.press(key)
            await caller.rtp.wait_tone(KEY_TONES[key])
            assert await caller.rtp.wait_onset(press.begin_ns) > press.end_ns
            await caller.rtp.wait_quiet()
        caller.hang_up()
        await caller.ended()


async def test_an_unknown_number_is_refused(bare: BareAsterisk) -> None:
    async with Caller(bare.sip_port, "13800000001", "nobody") as caller:
        assert await caller.refused() == "404"


async def test_a_wrong_password_does_not_register(bare: BareAsterisk) -> None:
    with pytest.raises(SippError):
        async with Phones(bare.sip_port, [("v001", "guessed")]):
            pass


async def test_caller_and_volunteer_talk_and_the_volunteer_hangs_up(bare: BareAsterisk) -> None:
    async with (
        RtpPeer() as agent,
        Phones(bare.sip_port, AGENTS, ring_ms=50, rtp_port=agent.port) as phones,
        Caller(bare.sip_port, "13800000001") as caller,
    ):
        await caller.answered()
        await caller.rtp.wait_tone(520)
        press = await caller.rtp.press("2")
        assert await caller.rtp.wait_sound_of(SOUNDS["next"], press.begin_ns) > press.begin_ns
        ringing = await phones.rung("v001")
        assert ringing.rest == ("v001", "13800000001")
        answered = await phones.sipp.wait_event("answered")
        agent.remote = (HOST, int(answered.rest[0]))
        caller.rtp.play_tone(600)
        agent.play_tone(1100)
        await asyncio.gather(agent.wait_tone(600), caller.rtp.wait_tone(1100))
        phones.sipp.hang_up(answered.call_id)
        assert (await phones.sipp.wait_event("ended")).rest == ("local",)
        assert await caller.ended() == "remote"


async def test_a_caller_who_leaves_while_it_rings_stops_the_ringing(bare: BareAsterisk) -> None:
    async with (
        Phones(bare.sip_port, AGENTS, ring_ms=20_000) as phones,
        Caller(bare.sip_port, "13800000001") as caller,
    ):
        await caller.answered()
        await caller.rtp.wait_tone(520)
        await caller.rtp.press("2")
        await phones.rung("v001")
        caller.hang_up()
        assert (await phones.sipp.wait_event("ended")).rest == ("cancelled",)


async def test_telephones_that_refuse_pass_the_call_on(bare: BareAsterisk) -> None:
    async with (
        Phones(bare.sip_port, AGENTS, scenario="agents_refuse") as phones,
        Caller(bare.sip_port, "13800000001") as caller,
    ):
        await caller.answered()
        await caller.rtp.wait_tone(520)
        await caller.rtp.press("2")
        await phones.rung("v001")
        await phones.rung("v002")
        assert (await phones.sipp.wait_event("ended")).rest == ("refused",)


async def test_many_callers_press_leave_and_are_counted(bare: BareAsterisk) -> None:
    """Every second one presses 2 in the menu and reaches a telephone, the others leave before it ends."""
    rows = [
        (f"1380000{n:04}", "12348", *(("2", "900", "2500") if n % 2 else ("-", "900", "500")))
        for n in range(8)
    ]
    agents = [("v001", "first-secret"), ("v002", "second-secret")]
    async with (
        Phones(bare.sip_port, agents, echo=True) as phones,
        Sipp("load", bare.sip_port, rows=rows, calls=len(rows), rate=2, timeout_s=30) as callers,
    ):
        result = await callers.wait()
        reached = {event.rest[1] for event in phones.sipp.read_events() if event.kind == "ringing"}
    assert result.exit_code == 0, result.describe()
    assert (result.created, result.succeeded, result.failed) == (8, 8, 0)
    ended = {event.rest[0] for event in result.events if event.kind == "ended"}
    assert ended == {row[0] for row in rows}
    assert reached
    assert all(int(number[-1]) % 2 for number in reached)
    assert await bare.channels() == 0


async def test_a_run_is_over_when_its_time_is(bare: BareAsterisk) -> None:
    rows = [("13800000001", "12348", "-", "60000", "60000")]
    async with Sipp("load", bare.sip_port, rows=rows, calls=1, timeout_s=1) as callers:
        pid = callers.pid
        with pytest.raises(SippError):
            await callers.wait()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
