"""The sound of a call as frames, on the real Asterisk: both ways, in both rates, and ended with the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from ivr.ari.channel import Channel
from ivr.ari.client import Ari, new_id
from ivr.ari.events import StasisStart
from ivr.audio import AudioLine, audio_line
from ivr.call import Call
from ivr.errors import AriError, AudioFailed, CallerLeft
from ivr.prompts.catalogue import PromptSet
from ivr.server.process import AsteriskServer
from tests.support.asterisk import own_asterisk, until
from tests.support.calls import connected
from tests.support.phones import Caller
from tests.support.switchboard import eventually


def tone(rate: int, hertz: float, frames: int) -> list[bytes]:
    count = rate // 50
    wave = 8_000 * np.sin(2 * np.pi * hertz * np.arange(count * frames) / rate)
    return [part.astype("<i2").tobytes() for part in np.split(wave, frames)]


def share(frames: list[bytes], rate: int, hertz: float) -> float:
    """Amplitude of a tone, full scale 1."""
    pcm = np.frombuffer(b"".join(frames), "<i2")
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(pcm)) / rate)
    return float(2 * abs(np.dot(pcm, wave)) / max(1, len(pcm)) / 32768)


async def left_with(ari: Ari, *channels: str) -> None:
    """No others and no bridge; Asterisk answers a hang-up a moment before the channel is gone."""

    async def gone() -> bool:
        left = [raw["id"] for raw in await ari.request("GET", "channels")]
        return left == list(channels) and await ari.request("GET", "bridges") == []

    await eventually(gone, 5, "nothing is left behind")


@asynccontextmanager
async def call_in(server: AsteriskServer, ari: Ari) -> AsyncIterator[tuple[Caller, Call]]:
    """Somebody who has called and was answered."""
    arrived: asyncio.Queue[StasisStart] = asyncio.Queue()
    off = ari.on(StasisStart, arrived.put_nowait)
    async with Caller(server.settings.ports.sip, "13800138000") as caller:
        async with asyncio.timeout(10):
            event = await arrived.get()
        off()
        async with Call(ari, Channel.from_start(ari, event), PromptSet()) as call:
            assert await call.channel.answer()
            await caller.answered()
            yield caller, call


async def say(line: AudioLine, hertz: float) -> None:
    """Without end, a frame every 20 ms."""
    loop = asyncio.get_running_loop()
    frames, due, at = tone(line.rate, hertz, 50), loop.time(), 0
    while True:
        line.send(frames[at % 50])
        at += 1
        due += 0.02
        await asyncio.sleep(max(0.0, due - loop.time()))


async def collect(line: AudioLine, count: int) -> list[bytes]:
    found: list[bytes] = []
    async for frame in line:
        found.append(frame)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_what_the_caller_says_comes_out_and_what_is_sent_the_caller_hears(
    asterisk: AsteriskServer, rate: int
) -> None:
    async with connected(asterisk) as ari, call_in(asterisk, ari) as (caller, call):
        caller.rtp.play_tone(440)
        media = new_id("em")
        async with audio_line(ari, call.channel, media_id=media, rate=16000 if rate > 8000 else 8000) as line:
            speaking = asyncio.create_task(say(line, 1000))
            await caller.rtp.wait_tone(1000)
            await collect(line, 25)
            frames = await collect(line, 25)
            assert {len(frame) for frame in frames} == {rate // 25}
            assert share(frames, rate, 440) > 0.1
            await until(lambda: line.waiting_ms is not None)
            speaking.cancel()
        await left_with(ari, call.channel.id)
        playback = await call.channel.play("sound:zh/second")  # the caller is here and can be spoken to
        assert await playback.finished() == "finished"


async def test_a_telephone_that_carries_no_more_gets_eight_kilohertz(asterisk: AsteriskServer) -> None:
    async with (
        connected(asterisk) as ari,
        call_in(asterisk, ari) as (_, call),
        audio_line(ari, call.channel, media_id=new_id("em")) as line,
    ):
        assert line.rate == 8000


async def test_a_caller_who_hangs_up_ends_it_and_leaves_nothing_behind(asterisk: AsteriskServer) -> None:
    async with connected(asterisk) as ari, call_in(asterisk, ari) as (caller, call):

        async def talk() -> None:
            async with call.while_connected(), audio_line(ari, call.channel, media_id=new_id("em")) as line:
                caller.rtp.play_tone(440)
                await collect(line, 5)
                caller.hang_up()
                await collect(line, 10_000)

        with pytest.raises(CallerLeft):
            await talk()
        await left_with(ari)


async def test_lines_and_prompts_one_after_the_other_all_come_up(asterisk: AsteriskServer) -> None:
    """The socket is up before Asterisk lets the channel into a bridge, and the bridge is gone before the caller is out
    of it: both were once in 75 and once in 400."""
    async with connected(asterisk) as ari, call_in(asterisk, ari) as (caller, call):
        caller.rtp.play_tone(440)
        for _ in range(40):
            async with audio_line(ari, call.channel, media_id=new_id("em")) as line:
                await collect(line, 1)
            async with asyncio.timeout(5):
                assert await (await call.channel.play("sound:zh/short")).finished() == "finished"


@pytest.mark.parametrize("after_ms", [0, 1, 2, 4, 8, 16, 32])
async def test_whoever_gives_up_at_any_moment_leaves_nothing_behind(
    asterisk: AsteriskServer, after_ms: int
) -> None:
    async with connected(asterisk) as ari, call_in(asterisk, ari) as (_, call):

        async def listen() -> None:
            async with audio_line(ari, call.channel, media_id=new_id("em")) as line:
                await collect(line, 10_000)

        listening = asyncio.create_task(listen())
        await asyncio.sleep(after_ms / 1000)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await left_with(ari, call.channel.id)


async def test_the_sound_goes_on_while_the_event_socket_is_away(asterisk: AsteriskServer) -> None:
    async with (
        connected(asterisk) as ari,
        call_in(asterisk, ari) as (caller, call),
        audio_line(ari, call.channel, media_id=new_id("em")) as line,
    ):
        caller.rtp.play_tone(440)
        assert ari._socket is not None
        await ari._socket.close()
        await until(lambda: not ari.connected)
        await collect(line, 50)
        await ari.wait_connected(10)
        assert share(await collect(line, 25), line.rate, 440) > 0.1
        assert not call.gone.done()


async def test_a_media_channel_that_is_hung_up_is_an_error_with_a_code(asterisk: AsteriskServer) -> None:
    async with connected(asterisk) as ari, call_in(asterisk, ari) as (_, call):
        media = new_id("em")

        async def talk() -> None:
            async with audio_line(ari, call.channel, media_id=media) as line:
                assert await Channel(ari, media).hangup()
                await collect(line, 10_000)

        with pytest.raises(AudioFailed) as failed:
            await talk()
        assert (failed.value.code, failed.value.why) == ("call.audio_failed", "lost")
        assert await call.channel.exists()


async def test_an_asterisk_that_is_killed_ends_it_with_an_error() -> None:
    async with own_asterisk() as server, connected(server) as ari:
        with suppress(AriError):  # giving back what is gone
            async with call_in(server, ari) as (caller, call):
                caller.rtp.play_tone(440)

                async def talk() -> None:
                    async with audio_line(ari, call.channel, media_id=new_id("em")) as line:
                        await collect(line, 5)
                        assert server._running is not None
                        server._running._signal(9)
                        await collect(line, 10_000)

                with pytest.raises(AudioFailed) as failed:
                    await talk()
                assert failed.value.why == "lost"
        await server.wait_ready()
        await ari.wait_connected(15)


async def test_what_piles_up_is_thrown_away_and_the_sound_goes_on(asterisk: AsteriskServer) -> None:
    async with (
        connected(asterisk) as ari,
        call_in(asterisk, ari) as (caller, call),
        audio_line(ari, call.channel, media_id=new_id("em")) as line,
    ):
        for frame in tone(line.rate, 600, 49):
            line.send(frame)
        speaking = asyncio.create_task(say(line, 1000))
        await until(lambda: line.flushed > 0)
        await caller.rtp.wait_tone(1000)
        await until(lambda: line.waiting_ms is not None and line.waiting_ms < 200)
        speaking.cancel()
