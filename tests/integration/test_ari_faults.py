"""What is kept when the event socket, Asterisk or the application goes away. Against the real Asterisk."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from ivr.ari.channel import Channel
from ivr.ari.client import Ari, Reconciled
from ivr.ari.events import ChannelDestroyed, ChannelStateChange, StasisStart
from ivr.server.process import AsteriskServer
from tests.support.asterisk import own_asterisk, until
from tests.support.calls import connected, local_call, next_of, settings_for


async def drop_socket(ari: Ari) -> None:
    """Cut the event socket as a network fault would, and wait until the client knows."""
    assert ari._socket is not None
    transport = ari._socket._response.connection
    assert transport is not None
    assert transport.transport is not None
    transport.transport.abort()
    await until(lambda: not ari.connected)


async def test_a_dropped_socket_comes_back_and_tells_what_exists(asterisk: AsteriskServer) -> None:
    async with connected(asterisk) as ari:
        told: list[Reconciled] = []

        async def remember(reconciled: Reconciled) -> None:
            told.append(reconciled)

        ari.on_reconciled.append(remember)
        far, near = await local_call(ari)
        with near.events() as events:
            await drop_socket(ari)
            await ari.wait_connected(5)
            assert near.id in (await next_of(events, Reconciled)).channels
        await until(lambda: told)
        assert not told[0].restarted
        assert {far.id, near.id} <= set(told[0].channels)
        assert await near.hangup()


async def test_a_prompt_that_ended_while_the_socket_was_away_ends_for_who_waits(
    asterisk: AsteriskServer,
) -> None:
    async with connected(asterisk) as ari:
        _, near = await local_call(ari)
        ended = await near.play("sound:zh/short")
        _, other = await local_call(ari)
        goes_on = await other.play(["sound:zh/tone", "sound:zh/tone"])
        await missed(ari, ended_ms=500)
        assert await asyncio.wait_for(ended.finished(), 2) == "finished"
        assert goes_on.live
        assert await goes_on.stop()
        assert await goes_on.finished() == "stopped"


async def test_a_caller_who_left_while_the_socket_was_away_ends_prompt_and_recording(
    asterisk: AsteriskServer,
) -> None:
    async with connected(asterisk) as ari, connected(asterisk, "other") as other:
        far_a, near_a = await local_call(ari)
        far_b, near_b = await local_call(ari)
        playback = await near_a.play("sound:zh/tone")
        recording = await near_b.record("left-behind", if_exists="overwrite")
        ari._read = lambda text: None  # what Asterisk says from here on is lost
        assert await Channel(other, far_a.id).hangup()
        assert await Channel(other, far_b.id).hangup()
        await until_gone(other, far_a, far_b, near_a, near_b)
        del ari._read
        await drop_socket(ari)
        assert await asyncio.wait_for(playback.finished(), 5) == "hung_up"
        assert await asyncio.wait_for(recording.finished(), 5) == "hung_up"


async def missed(ari: Ari, *, ended_ms: int) -> None:
    """Lose all events for a while, then lose the socket."""
    ari._read = lambda text: None
    await asyncio.sleep(ended_ms / 1000)  # the sound itself takes this long
    del ari._read
    await drop_socket(ari)


async def until_gone(ari: Ari, *channels: Channel) -> None:
    async with asyncio.timeout(5):
        for channel in channels:
            while await Channel(ari, channel.id).exists():
                pass


def is_stopped(pid: int) -> bool:
    """Every thread stands: the signal reaches a thread on another core only a moment after it was sent."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


async def test_after_kill_9_of_asterisk_the_client_returns_and_says_it_was_restarted() -> None:
    async with own_asterisk() as server, connected(server) as ari:
        told: asyncio.Queue[Reconciled] = asyncio.Queue()
        ari.on_reconciled.append(told.put)
        _, near = await local_call(ari)
        playback = await near.play("sound:zh/tone")
        first = ari.startup_time
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        reconciled = await asyncio.wait_for(told.get(), 10)
        assert reconciled.restarted
        assert reconciled.channels == {}
        assert ari.startup_time != first
        assert await asyncio.wait_for(playback.finished(), 1) == "hung_up"
        _, near = await local_call(ari)
        assert await (await near.play("sound:zh/short")).finished() == "finished"


async def test_requests_in_flight_fail_when_asterisk_dies(asterisk: AsteriskServer) -> None:
    async with own_asterisk() as server, connected(server) as ari:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        await until(lambda: is_stopped(server.pid or 0))
        asking = asyncio.gather(*(ari.request("GET", "channels") for _ in range(5)), return_exceptions=True)
        await asyncio.sleep(
            0
        )  # each has begun: it is in flight, or has been told already that nobody answers
        os.kill(server.pid, signal.SIGKILL)
        codes = {getattr(answer, "code", None) for answer in await asyncio.wait_for(asking, 10)}
        assert codes == {"ari.disconnected"}
        await ari.wait_connected(10)


async def test_a_call_while_the_application_is_away_hears_words_and_may_leave_a_message(
    asterisk: AsteriskServer,
) -> None:
    """Nobody is connected as "switchboard"; another application plays the caller and listens."""
    away = asterisk.settings.recordings_dir / "away"
    async with connected(asterisk, "caller") as ari:
        with ari.follow("lonely") as events:
            caller = await Channel.originate(
                ari, "Local/12348@from-trunk", id="lonely", caller_id="<13800138000>", app_args=["caller"]
            )
            await next_of(events, StasisStart)
            assert [channel["state"] for channel in await ari.request("GET", "channels")] == ["Up", "Up"]
            await until(lambda: list(away.glob("*-13800138000-*.wav")))
            await (await caller.play("sound:zh/short")).finished()
            assert await caller.send_dtmf("#")
            await next_of(events, ChannelDestroyed)
    message = next(away.glob("*-13800138000-*.wav"))
    assert message.stat().st_size > 44


async def test_the_caller_is_not_dropped_when_the_application_dies_and_is_found_again(
    asterisk: AsteriskServer,
) -> None:
    async with Ari(settings_for(asterisk)) as first:
        await first.wait_connected(5)
        far, near = await local_call(first)
    async with connected(asterisk) as second:
        again = Channel(second, near.id)
        assert await again.exists()
        assert await (await again.play("sound:zh/short")).finished() == "finished"
        with again.events() as events:
            assert await Channel(second, far.id).hangup()
            await next_of(events, ChannelDestroyed)


async def test_ringing_without_an_answer_is_told_with_its_cause(asterisk: AsteriskServer) -> None:
    async with connected(asterisk) as ari:
        with ari.follow("unanswered") as events:
            await Channel.originate(
                ari, "Local/s@demo-agent", id="unanswered", timeout_s=1, variables={"DEMO_ANSWER_MS": "9000"}
            )
            await next_of(events, ChannelStateChange, lambda event: event.channel.state == "Ringing")
            assert (await next_of(events, ChannelDestroyed)).cause in (0, 16, 19)


async def test_a_call_given_back_to_the_dialplan_hears_the_same_words(asterisk: AsteriskServer) -> None:
    away = asterisk.settings.recordings_dir / "away"
    async with connected(asterisk) as ari:
        far, near = await local_call(ari)
        before = set(away.iterdir())
        assert await near.continue_in_dialplan("away")
        await until(lambda: set(away.iterdir()) - before)
        assert await far.hangup()
        assert not await near.continue_in_dialplan("away")
