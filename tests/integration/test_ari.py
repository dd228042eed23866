"""The ARI client, channels and bridges against the real Asterisk."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.ari.bridge import Bridge
from ivr.ari.channel import Channel
from ivr.ari.client import Ari, new_id
from ivr.ari.events import (
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelEnteredBridge,
    ChannelLeftBridge,
    Dial,
    StasisEnd,
    StasisStart,
)
from ivr.ari.generate import generate
from ivr.errors import AriError, Conflict, Disconnected, NotFound, Overflowed, RecordingFailed, StoodDown
from ivr.recording import discard, recorded
from ivr.server.process import AsteriskServer
from tests.support.asterisk import ROOT, SOUNDS_MS, home
from tests.support.calls import connected, local_call, next_of, settings_for
from tests.support.switchboard import eventually


@pytest.fixture
async def ari(asterisk: AsteriskServer) -> AsyncIterator[Ari]:
    async with connected(asterisk) as client:
        yield client


# --- the client ----------------------------------------------------------------------------------------


def test_the_committed_events_are_what_asterisk_describes() -> None:
    installed = home()
    assert (ROOT / "ivr/ari/events.py").read_text() == generate(installed.rest_api, "22")


async def test_a_missing_thing_is_not_found(ari: Ari) -> None:
    with pytest.raises(NotFound) as caught:
        await ari.request("GET", "channels/nobody")
    assert caught.value.status == 404
    assert "nobody" not in str(caught.value)


async def test_a_taken_id_is_a_conflict(ari: Ari) -> None:
    far, _ = await local_call(ari)
    with pytest.raises(Conflict):
        await Channel.originate(ari, "Local/12348@from-trunk", id=far.id)


async def test_a_wrong_request_is_an_error_with_asterisks_reason(ari: Ari) -> None:
    with pytest.raises(AriError) as caught:
        await Channel.originate(ari, "")
    assert caught.value.status == 400
    assert caught.value.reason


async def test_any_text_passes_through_a_request_unchanged(ari: Ari) -> None:
    _, near = await local_call(ari)
    text = '张 & é %20 "q" a=b;c,d + \\ end'
    for sent in (text, "", "1"):
        assert await near.set_var("SAID", sent)
        assert await near.get_var("SAID") == sent


async def test_requests_at_once_each_get_their_own_answer(ari: Ari) -> None:
    bridges = await asyncio.gather(*(Bridge.create(ari, f"br-{n}") for n in range(200)))
    answers = await asyncio.gather(*(ari.request("GET", f"bridges/{bridge.id}") for bridge in bridges))
    assert [answer["id"] for answer in answers] == [f"br-{n}" for n in range(200)]
    assert await asyncio.gather(*(bridge.destroy() for bridge in bridges)) == [True] * 200


async def test_a_request_without_a_connection_says_so_at_once(asterisk: AsteriskServer) -> None:
    client = Ari(settings_for(asterisk, "elsewhere"))
    with pytest.raises(Disconnected):
        await client.request("GET", "channels")
    async with connected(asterisk, "elsewhere") as client:
        pass
    with pytest.raises(Disconnected):
        await client.request("GET", "channels")


async def test_a_second_client_makes_the_first_stand_down_for_good(asterisk: AsteriskServer) -> None:
    async with Ari(settings_for(asterisk, "contested")) as first:
        await first.wait_connected(5)
        told = asyncio.Event()
        first.on_stood_down.append(told.set)
        stream = first.follow("anything")
        async with connected(asterisk, "contested") as second:
            await asyncio.wait_for(told.wait(), 5)
            assert first.state == "stood_down"
            with pytest.raises(StoodDown):
                await stream.get(1)
            with pytest.raises(StoodDown):
                await first.request("GET", "channels")
            with pytest.raises(StoodDown):
                await first.wait_connected(1)
            assert second.connected
            _, near = await local_call_of(second, "contested")
            assert near.dialled == "12348"


async def local_call_of(ari: Ari, app: str) -> tuple[Channel, Channel]:
    """As local_call, for an application that gets no calls from the trunk."""
    far_id = new_id("far")
    with ari.follow(far_id) as events:
        far = await Channel.originate(ari, "Local/s@demo-agent", id=far_id, app_args=["call"])
        await next_of(events, StasisStart)
    return far, Channel(ari, far.id, dialled="12348")


async def test_a_follower_that_does_not_read_is_cut_off_and_nobody_else(ari: Ari) -> None:
    far, near = await local_call(ari)
    lazy = ari.follow(near.id)
    lazy._limit = 3
    with ari.follow(near.id) as keen:
        for _ in range(5):
            assert await far.send_dtmf("5", duration_ms=60)
            await next_of(keen, ChannelDtmfReceived)
    with pytest.raises(Overflowed):
        await lazy.get(1)
    lazy.close()


async def test_a_callback_that_raises_harms_nobody(ari: Ari) -> None:
    def fails(event: StasisStart) -> None:
        raise RuntimeError("on purpose")

    seen: list[str] = []
    off = ari.on(StasisStart, fails)
    off_too = ari.on(StasisStart, lambda event: seen.append(event.channel.id))
    far, near = await local_call(ari)
    assert seen == [near.id, far.id]
    off()
    off_too()
    await local_call(ari)
    assert len(seen) == 2


async def test_following_an_id_before_it_exists_misses_nothing(ari: Ari) -> None:
    for _ in range(20):
        far_id = new_id("far")
        with ari.follow(far_id) as events:
            far = await Channel.originate(ari, "Local/s@demo-agent", id=far_id)
            assert (await next_of(events, Dial, lambda event: event.dialstatus == "ANSWER")).peer.id == far_id
            await next_of(events, StasisStart)
            assert await far.hangup()
            await next_of(events, StasisEnd)
            await next_of(events, ChannelDestroyed)


# --- channels ------------------------------------------------------------------------------------------


async def test_a_call_tells_who_calls_and_what_was_dialled(ari: Ari) -> None:
    _, near = await local_call(ari, "95598")
    assert near.dialled == "95598"
    assert near.caller_number == "13800138000"
    assert near.args == ("call", "95598")
    assert near.language == "zh"


async def test_hanging_up_twice_is_no_error(ari: Ari) -> None:
    far, near = await local_call(ari)
    with ari.follow(near.id) as events:
        assert await far.hangup(17)
        assert (await next_of(events, ChannelDestroyed)).cause == 17
    assert not await near.hangup()
    assert not await near.answer()
    assert not await near.ring()
    assert not await near.set_var("A", "b")
    assert await near.get_var("A") is None
    assert not await near.exists()


async def test_a_prompt_ends_by_itself(ari: Ari) -> None:
    _, near = await local_call(ari)
    clock = asyncio.get_running_loop().time
    began = clock()
    playback = await near.play(["sound:zh/short", "sound:zh/short"])
    assert await playback.finished() == "finished"
    assert clock() - began >= 2 * SOUNDS_MS["short"] / 1000 - 0.05
    assert not await playback.stop()


async def test_barge_in_stops_a_prompt_at_once(ari: Ari) -> None:
    far, near = await local_call(ari)
    clock = asyncio.get_running_loop().time
    with near.events() as events:
        playback = await near.play("sound:zh/tone")
        assert await far.send_dtmf("1", duration_ms=60)
        assert (await next_of(events, ChannelDtmfReceived)).digit == "1"
        pressed = clock()
        assert await playback.stop()
        assert await playback.finished() == "stopped"
        assert clock() - pressed < 1


async def test_a_sound_that_is_missing_fails_and_does_not_hang(ari: Ari) -> None:
    _, near = await local_call(ari)
    playback = await near.play("sound:zh/nobody-recorded-this")
    assert await playback.finished() == "failed"


async def test_a_caller_who_hangs_up_during_a_prompt_ends_it_as_hung_up(ari: Ari) -> None:
    far, near = await local_call(ari)
    playback = await near.play("sound:zh/tone")
    assert await far.hangup()
    assert await playback.finished() == "hung_up"
    assert await (await near.play("sound:zh/tone")).finished() == "hung_up"


async def test_nothing_follows_a_prompt_that_has_ended(ari: Ari) -> None:
    far, near = await local_call(ari)
    await (await near.play("sound:zh/short")).finished()
    await near.play("sound:zh/tone")
    with far.events() as events:
        await far.hangup()
        await next_of(events, ChannelDestroyed)
    await (await near.play("sound:zh/tone")).finished()
    assert len(ari._followers) == 0


async def test_what_waits_for_one_channel_does_not_hold_up_the_others(ari: Ari) -> None:
    """On the event socket it would: a variable set during a prompt stops every call until the prompt ends."""
    _, near = await local_call(ari)
    await near.play("sound:zh/tone")
    async with await Bridge.create(ari) as bridge:
        waiting = [asyncio.create_task(near.set_var("A", "b")), asyncio.create_task(bridge.add(near))]
        _, other = await local_call(ari)
        assert await (await other.play("sound:zh/short")).finished() == "finished"
        assert not any(task.done() for task in waiting)
        assert await asyncio.gather(*waiting) == [True, True]


async def test_a_message_is_recorded_and_can_be_fetched(ari: Ari, asterisk: AsteriskServer) -> None:
    far, near = await local_call(ari)
    name = new_id("message")
    await far.play("sound:zh/tone")
    recording = await near.record(name, max_s=1)
    assert await recording.finished() == "finished"
    assert recording.duration_ms == 1000
    content = await ari.download(f"recordings/stored/{name}/file")
    assert content[:4] == b"RIFF"
    assert content == (asterisk.settings.recordings_dir / f"{name}.wav").read_bytes()
    with pytest.raises(AriError):
        await ari.download(f"recordings/stored/{name}/file", limit=1000)
    with pytest.raises(Conflict):
        await near.record(name)


async def test_a_recording_ends_when_the_caller_hangs_up(ari: Ari) -> None:
    far, near = await local_call(ari)
    recording = await near.record(new_id("message"))
    assert await recording.pause()
    assert await recording.unpause()
    assert await recording.mute()
    assert await recording.unmute()
    assert await far.hangup()
    assert await recording.finished() == "hung_up"
    assert not await recording.stop()


async def test_a_discarded_recording_leaves_no_file(ari: Ari, asterisk: AsteriskServer) -> None:
    _, near = await local_call(ari)
    name = new_id("message")
    recording = await near.record(name)
    assert await recording.discard()
    assert await recording.finished() == "stopped"
    with pytest.raises(NotFound):
        await ari.request("GET", f"recordings/stored/{name}")


async def test_a_talks_recording_that_begins_on_one_side_only_leaves_no_file(
    ari: Ari, asterisk: AsteriskServer
) -> None:
    far, near = await local_call(ari)
    await far.play("sound:zh/tone")
    folder, name = asterisk.settings.recordings_dir, new_id("rec")
    (folder / f"{name}-agent.wav").write_bytes(b"taken: Asterisk refuses this side")
    with pytest.raises(RecordingFailed):
        async with recorded(ari, near, name):
            pass
    assert (folder / f"{name}-caller.wav").exists()
    await discard(ari, folder, name)
    assert list(folder.glob(f"{name}*")) == []
    assert not await Channel(ari, f"snoop-{name}-caller").exists()


# --- bridges -------------------------------------------------------------------------------------------


async def test_two_calls_in_a_bridge_hear_each_other(ari: Ari) -> None:
    far_a, near_a = await local_call(ari)
    far_b, near_b = await local_call(ari)
    with ari.follow(near_a.id, near_b.id) as events:
        async with await Bridge.create(ari) as bridge:
            assert await bridge.add(near_a, near_b)
            for _ in range(2):
                assert (await next_of(events, ChannelEnteredBridge)).bridge.id == bridge.id
            with far_b.events() as heard:
                assert await far_a.send_dtmf("7", duration_ms=60)
                assert (await next_of(heard, ChannelDtmfReceived)).digit == "7"
        for _ in range(2):
            await next_of(events, ChannelLeftBridge)
    assert not await bridge.add(near_a)
    assert not await bridge.destroy()
    assert await near_a.exists()


async def test_adding_a_channel_that_is_gone_is_no_error(ari: Ari) -> None:
    far, near = await local_call(ari)
    with near.events() as events:
        await far.hangup()
        await next_of(events, ChannelDestroyed)
    async with await Bridge.create(ari) as bridge:
        assert not await bridge.add(near)
        assert not await bridge.remove(near)


async def test_a_bridge_given_up_while_it_is_made_does_not_stay(ari: Ari) -> None:
    async def talk(number: int) -> None:
        async with Bridge.mixing(ari, f"br-{number}"):
            await asyncio.Event().wait()

    for steps in range(40):
        talking = asyncio.create_task(talk(steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)

    async def none_left() -> bool:
        return await ari.request("GET", "bridges") == []

    await eventually(none_left, 10, "every bridge dissolved")


async def test_a_prompt_right_after_a_talk_is_heard(ari: Ari) -> None:
    """What is played to a channel that is still on its way out of a bridge is never heard and never ends."""
    _, caller = await local_call(ari)
    _, volunteer = await local_call(ari)
    for number in range(40):
        async with Bridge.mixing(ari, f"br-{number}", outlived_by=caller.id) as bridge:
            await asyncio.gather(bridge.add(caller.id), bridge.add(volunteer.id))
        async with asyncio.timeout(5):
            assert await (await caller.play("sound:zh/short")).finished() == "finished"


async def test_creating_a_bridge_twice_gives_the_same_bridge(ari: Ari) -> None:
    first = await Bridge.create(ari, "br-same", name="call 1")
    again = await Bridge.create(ari, "br-same")
    assert again.id == first.id
    assert len(await ari.request("GET", "bridges")) == 1
    assert await again.destroy()
    assert not await first.destroy()


async def test_music_goes_on_for_who_waits_while_one_hears_a_prompt(ari: Ari) -> None:
    _, near = await local_call(ari)
    async with await Bridge.create(ari, type="holding") as waiting:
        assert await waiting.add(near)
        assert await waiting.start_moh()
        assert await (await near.play("sound:zh/short")).finished() == "finished"
        assert await (await waiting.play("sound:zh/short")).finished() in ("failed", "finished")
        assert await waiting.stop_moh()


def seconds_and_level(path: Path) -> tuple[float, int]:
    """Length of a WAV file and its loudest sample."""
    with wave.open(str(path)) as file:
        frames = file.readframes(file.getnframes())
        samples = memoryview(frames).cast("h")
        return file.getnframes() / file.getframerate(), max(abs(sample) for sample in samples)


async def test_two_snoops_record_each_party_in_a_file_of_its_own(ari: Ari, asterisk: AsteriskServer) -> None:
    far_a, near_a = await local_call(ari)
    _, near_b = await local_call(ari)
    names = {spy: new_id(spy) for spy in ("in", "out")}
    async with await Bridge.create(ari) as bridge:
        assert await bridge.add(near_a, near_b)
        caller = await near_a.snoop(spy="in", app_args=["snoop"])
        agent = await near_a.snoop(spy="out", app_args=["snoop"])
        left, right = await caller.record(names["in"]), await agent.record(names["out"])
        # Only the caller speaks.
        assert await (await far_a.play("sound:zh/second")).finished() == "finished"
        assert await left.stop()
        assert await right.stop()
        assert await left.finished() == "stopped"
        assert await right.finished() == "stopped"
        assert await caller.hangup()
        assert await agent.hangup()
    recordings = asterisk.settings.recordings_dir
    length, level = seconds_and_level(recordings / f"{names['in']}.wav")
    assert length == pytest.approx(SOUNDS_MS["second"] / 1000, abs=0.2)
    assert level > 7000
    length_of_other, level = seconds_and_level(recordings / f"{names['out']}.wav")
    assert length_of_other == pytest.approx(length, abs=0.1)
    assert level < 100
