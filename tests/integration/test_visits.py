"""A villager at a terminal and a volunteer at a desk, by the protocols alone: the queue, the room, the record."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from switchboard.clinic.booking import BOOKINGS, Booking
from switchboard.clinic.cases import Cases, Step
from switchboard.clinic.machine import Actor
from switchboard.times import now_ms
from switchboard.visits.simulated import SimulatedTerminal, TerminalRefused
from switchboard.visits.synthetic import Picture, Tone
from tests.support.agents import Manner, ScriptedDesk
from tests.support.switchboard import PASSWORD, Switchboard, eventually
from tests.support.terminals import VILLAGE, VISITOR_HZ, in_room, paired, sees_and_hears, terminal
from video.client import Refused, VideoClient
from video.recording.verify import verify

AGENT_HZ = 1000
TAKES = Manner(answer="accept")


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(
        volunteers=1, env={"ASTERISK": "none", "WRAP_UP_MS": "60000", "VISIT_KEPT_MS": "8000"}
    ) as running:
        yield running


@asynccontextmanager
async def volunteer(switchboard: Switchboard, name: str = "v901") -> AsyncIterator[ScriptedDesk]:
    async with ScriptedDesk(switchboard.base_url, name, PASSWORD, manner=TAKES) as desk:
        await desk.ready()
        yield desk


@asynccontextmanager
async def desk_in_room(switchboard: Switchboard, desk: ScriptedDesk) -> AsyncIterator[VideoClient]:
    """The volunteer's page goes into the room that the desk shows."""
    await desk.until(lambda d: d.contact and d.contact["video"], 20, "a room on the desk")
    assert desk.contact is not None
    room = desk.contact["video"]
    url = f"{switchboard.base_url.replace('http', 'ws')}{room['url']}/{room['room']}"
    async with VideoClient(url, room["token"], microphone=Tone(AGENT_HZ), camera=Picture()) as client:
        yield client


@asynccontextmanager
async def desk_in_room_later(
    switchboard: Switchboard, desk: ScriptedDesk
) -> AsyncIterator[Callable[[], Awaitable[VideoClient]]]:
    """The same, when the test says so."""
    async with AsyncExitStack() as held:

        async def enter() -> VideoClient:
            client = await held.enter_async_context(desk_in_room(switchboard, desk))
            await eventually(lambda: _sees_the_room(client), 20, "the room")
            return client

        yield enter


async def _sees_the_room(client: VideoClient) -> bool:
    return bool(client.view.get("participants"))


async def ended_with(visitor: SimulatedTerminal, code: int) -> None:
    async def so() -> bool:
        return visitor.ended == code

    await eventually(so, 10, f"the socket is closed with {code}")


async def refused(client: VideoClient, code: str) -> None:
    async def so() -> bool:
        return client.ended == code

    await eventually(so, 10, f"refused with {code}")


async def test_a_visit_waits_is_accepted_and_leaves_one_record(switchboard: Switchboard) -> None:
    async with terminal(switchboard) as visitor:
        ident = await visitor.begin(matter="labour", priority="over_80", consent=False)
        view = await visitor.until(lambda v: v["stage"] == "waiting")
        assert view["room"] is None
        async with volunteer(switchboard) as desk, desk_in_room(switchboard, desk) as page:
            assert desk.contact is not None
            card = desk.contact["card"]
            assert (card["medium"], card["terminal"]["village"]) == ("visit", VILLAGE)
            assert (card["matter"]["id"], card["priority_reason"]) == ("labour", "over_80")
            await visitor.until(lambda v: v["stage"] == "talking")
            await sees_and_hears(page, VISITOR_HZ)
            await sees_and_hears(await in_room(visitor), AGENT_HZ)
            await desk.hang_up()
            view = await visitor.until(lambda v: v["survey"])
            for question in view["survey"]["questions"]:
                await visitor.order("answer", question=question, answer="1")
            view = await visitor.until(lambda v: v["ended"])
            assert view["ended"] == "completed"
            await desk.wait_state("wrap_up")
            await desk.wrap_up()
    record, _ = await switchboard.contact(ident)
    assert (record.medium, record.terminal, record.agent) == ("visit", "t-1", "v901")
    assert (record.end_reason, record.ended_by, record.final) == ("completed", "agent", True)
    assert (record.consent, set(record.survey.values())) == (False, {"1"})


async def test_a_visit_is_recorded_with_consent_paused_and_sealed(switchboard: Switchboard) -> None:
    async with terminal(switchboard) as visitor, volunteer(switchboard) as desk:
        ident = await visitor.begin(matter="labour")
        async with desk_in_room(switchboard, desk) as page:
            await sees_and_hears(page, VISITOR_HZ)
            assert desk.contact is not None
            assert (visitor.view["consent"], desk.contact["recording"]) == (None, False)
            await visitor.order("consent", recording=True)
            await desk.until(lambda d: d.contact and d.contact["recording"], 10, "the recording light")
            await visitor.until(lambda v: v["recording"])
            await desk.command("pause_recording", contact=ident)
            await visitor.until(lambda v: v["recording_paused"])
            await desk.command("resume_recording", contact=ident)
            await visitor.until(lambda v: not v["recording_paused"])
            await sees_and_hears(await in_room(visitor), AGENT_HZ)
            await desk.hang_up()
            await visitor.until(lambda v: v["survey"])
            await visitor.order("leave")
        await desk.until(lambda d: d.state["name"] == "wrap_up", 20, "wrap-up")
        await desk.wrap_up()

    async def kept() -> bool:
        return len((await switchboard.contact(ident))[0].recordings) >= 3

    await eventually(kept, 30, "manifest and media of both in the record")
    record, events = await switchboard.contact(ident)
    folder = switchboard.data_dir / "recordings"
    assert all((folder / one.file).is_file() and one.sha256 and one.sm3 for one in record.recordings)
    assert {"recording_paused", "recording_resumed"} <= {event.kind for event in events}
    (room,) = (folder / ident).iterdir()
    assert all(finding.holds for finding in verify(room))
    async with switchboard.records() as records:
        assert "RecordingEnded" in {one.kind for one in await records.rooms.events(room.name)}


async def test_a_visitor_who_leaves_frees_queue_and_volunteer(switchboard: Switchboard) -> None:
    async with terminal(switchboard) as visitor:
        waited = await visitor.begin(matter="labour")
        await visitor.until(lambda v: v["stage"] == "waiting")
        await visitor.order("leave")
        await visitor.until(lambda v: v["ended"])
        async with volunteer(switchboard) as desk:
            talked = await visitor.begin(matter="labour", consent=False)
            async with desk_in_room(switchboard, desk):
                await desk.wait_contact("talking", 20)
                await visitor.order("leave")
                await desk.wait_state("wrap_up")
    await switchboard.wait_ended(2)
    assert (await switchboard.contact(waited))[0].end_reason == "abandoned_waiting"
    record, _ = await switchboard.contact(talked)
    assert (record.end_reason, record.ended_by) == ("completed", "caller")
    assert (await switchboard.snapshot()).entries == ()


async def test_a_terminal_that_is_gone_loses_its_place_after_its_time(switchboard: Switchboard) -> None:
    token = await paired(switchboard)
    async with SimulatedTerminal(switchboard.base_url, token) as visitor:
        ident = await visitor.begin(matter="labour")
        await visitor.until(lambda v: v["stage"] == "waiting")
    (record,) = await switchboard.wait_ended(1, 20)
    assert (record.id, record.end_reason) == (ident, "abandoned_waiting")


async def test_the_queue_is_one_and_a_waiting_visit_survives_a_kill(switchboard: Switchboard) -> None:
    """Two visits keep their order over a kill -9; the one with a priority goes first."""
    first_token, second_token = await paired(switchboard, "t-1"), await paired(switchboard, "t-2")
    async with (
        SimulatedTerminal(switchboard.base_url, first_token) as first,
        SimulatedTerminal(switchboard.base_url, second_token) as second,
    ):
        await first.begin(matter="labour")
        await first.until(lambda v: v["ahead"] == 0)
        favoured = await second.begin(matter="labour", priority="over_80")
        await first.until(lambda v: v["ahead"] == 1)
        await switchboard.kill()
        await switchboard.start()
        await first.until(lambda v: v["ahead"] == 1)
        async with volunteer(switchboard) as desk:
            await desk.until(lambda d: d.contact, 20, "a visit")
            assert desk.contact is not None
            assert desk.contact["id"] == favoured


async def test_nobody_comes_in_without_the_right_token(switchboard: Switchboard) -> None:
    """Wrong, used and void codes and tokens, a visit twice, another's visit, and rooms that are not theirs."""
    token, other = await paired(switchboard, "t-1"), await paired(switchboard, "t-2")
    async with SimulatedTerminal(switchboard.base_url, "x" * 43) as stranger:
        with pytest.raises(TerminalRefused, match="not_paired"):
            await stranger.begin(matter="labour")
        stranger.follow()
        await ended_with(stranger, 4401)
    async with (
        SimulatedTerminal(switchboard.base_url, token) as visitor,
        volunteer(switchboard) as desk,
        desk_in_room_later(switchboard, desk) as enter,
    ):
        ident = await visitor.begin(key="one", matter="labour")
        assert await visitor.begin(key="one", matter="labour") == ident
        with pytest.raises(TerminalRefused, match="visit_open"):
            await visitor.begin(key="two", matter="labour")
        with pytest.raises(TerminalRefused, match="invalid_input"):
            await visitor.begin(key="three", matter="no_such_matter")
        with pytest.raises(TerminalRefused, match="not_now"):
            await visitor.order("answer", question="polite", answer="1")
        with pytest.raises(TerminalRefused, match="bad_number"):
            await visitor.order("callback", number="not a number")
        async with (
            aiohttp.ClientSession(switchboard.base_url, headers={"Authorization": f"Bearer {other}"}) as http,
            http.delete(f"/api/visits/{ident}") as answer,
        ):
            assert answer.status == 404
        page = await enter()
        assert page.view["participants"][0]["role"] in ("host", "party")
        assert desk.contact is not None
        mine = desk.contact["video"]
        url = switchboard.base_url.replace("http", "ws")
        async with VideoClient(f"{url}/video/{mine['room']}x", mine["token"]) as lost:
            await refused(lost, "video.room_closed")
        async with VideoClient(f"{url}/video/{mine['room']}", mine["token"][:-2] + "AA") as forged:
            await refused(forged, "video.token")
        with pytest.raises(Refused):
            await (await in_room(visitor)).ask("end")
        await desk.hang_up()
        await visitor.until(lambda v: v["survey"])
        async with VideoClient(f"{url}/video/{mine['room']}", mine["token"]) as late:
            await refused(late, "video.room_closed")


async def test_hold_stops_picture_and_voice_both_ways_and_no_second_of_it_is_recorded(
    switchboard: Switchboard,
) -> None:
    async with terminal(switchboard) as visitor, volunteer(switchboard) as desk:
        ident = await visitor.begin(matter="labour", consent=True)
        async with desk_in_room(switchboard, desk) as page:
            await sees_and_hears(page, VISITOR_HZ)
            await desk.until(lambda d: d.contact and d.contact["recording"], 20, "the recording light")
            await desk.command("hold", contact=ident)
            view = await visitor.until(lambda v: v["held"])
            assert (view["stage"], view["recording_paused"]) == ("talking", True)
            room = await in_room(visitor)
            await eventually(
                lambda: _is_so(lambda: room.view["standing"] == "waiting"), 20, "before the door"
            )
            assert room.view["participants"] == []
            assert desk.contact is not None
            assert desk.contact["held"]
            await desk.command("resume", contact=ident)
            await visitor.until(lambda v: not v["held"] and not v["recording_paused"])
            await sees_and_hears(page, VISITOR_HZ)
            await sees_and_hears(room, AGENT_HZ)
            await desk.hang_up()
            await visitor.until(lambda v: v["survey"])
            await visitor.order("leave")
    _, events = await switchboard.contact(ident)
    paused = [event.data.get("why") for event in events if event.kind == "recording_paused"]
    together = [event.data["groups"] for event in events if event.kind == "together"]
    assert (paused, together) == (["hold"], [[["caller"]], [["caller", "v901"]]])


async def test_a_visit_is_passed_on_with_a_note_and_keeps_its_place() -> None:
    env = {"ASTERISK": "none", "WRAP_UP_MS": "60000"}
    async with Switchboard(volunteers=2, env=env) as switchboard, terminal(switchboard) as visitor:
        async with volunteer(switchboard) as first:
            ident = await visitor.begin(matter="labour", consent=False)
            async with desk_in_room(switchboard, first) as page:
                view = await visitor.until(lambda v: v["stage"] == "talking")
                queued = view["queued"]
                await sees_and_hears(page, VISITOR_HZ)
                before = view["room"]["room"]
                async with volunteer(switchboard, "v902") as second:
                    await first.command("transfer", contact=ident, agent="v902", matter=None, note="要看合同")
                    await first.wait_state("wrap_up")
                    async with desk_in_room(switchboard, second) as other:
                        view = await visitor.until(lambda v: v["stage"] == "talking" and v["agent"])
                        assert (view["queued"], view["agent"]["name"]) == (queued, "志愿者 v902")
                        assert view["room"]["room"] != before
                        assert second.contact is not None
                        passed = second.contact["card"]["passed"]
                        assert (passed["by"]["id"], passed["note"]) == ("v901", "要看合同")
                        await sees_and_hears(other, VISITOR_HZ)
                        assert page.ended  # nothing of the visitor reaches the first any more
                        await visitor.order("leave")
        (record,) = await switchboard.wait_ended(1, 20)
    assert (record.agent, record.reservations, record.end_reason) == ("v902", 2, "completed")


async def test_a_visitor_whom_nobody_answers_leaves_a_message_written_or_spoken(
    switchboard: Switchboard,
) -> None:
    """Both are on a desk as every message is, also after a restart; what is no sound ends nothing."""
    spoken = io.BytesIO()
    with wave.open(spoken, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(b"\x10\x20" * 32_000)
    token = await paired(switchboard)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "audio/wav"}
    async with (
        SimulatedTerminal(switchboard.base_url, token) as visitor,
        aiohttp.ClientSession(switchboard.base_url, headers=headers) as http,
    ):
        await visitor.begin(matter="labour")
        await visitor.until(lambda v: "message" in v["choices"])
        with pytest.raises(TerminalRefused, match="empty"):
            await visitor.order("message", text=" ")
        with pytest.raises(TerminalRefused, match="bad_number"):
            await visitor.order("message", text="x", number="110")
        await visitor.order("message", text="<b>老板不给工资</b>")
        view = await visitor.until(lambda v: v["ended"])
        assert (view["ended"], len(view["promised"]["code"])) == ("message_left", 6)
        ident = await visitor.begin(matter="debt")
        await visitor.until(lambda v: "message" in v["choices"])
        async with http.put(f"/api/visits/{ident}/message", data=b"no sound at all") as answer:
            assert answer.status == 202
        await visitor.until(lambda v: v["notice"] == "message_not_kept" and not v["ended"])
        async with http.put(f"/api/visits/{ident}/message", data=spoken.getvalue()) as answer:
            assert answer.status == 202
        await visitor.until(lambda v: v["ended"] == "message_left")
    async with volunteer(switchboard) as desk:
        await desk.until(lambda d: len(d.messages) == 2, 20, "both messages")
        written, said = sorted(desk.messages, key=lambda one: one["seconds"])
        assert (written["text"], written["listen"]) == ("<b>老板不给工资</b>", None)
        assert (said["text"], said["seconds"]) == (None, 2)
        async with switchboard.sign_in("v901", PASSWORD) as own, own.get(said["listen"]) as answer:
            assert (answer.status, (await answer.read())[:4]) == (200, b"RIFF")


async def test_a_recording_whose_visit_does_not_go_on_after_a_kill_is_sealed_at_the_next_start(
    switchboard: Switchboard,
) -> None:
    async with terminal(switchboard) as visitor, volunteer(switchboard) as desk:
        ident = await visitor.begin(matter="labour", consent=True)
        async with desk_in_room(switchboard, desk) as page:
            await sees_and_hears(page, VISITOR_HZ)
            await desk.until(lambda d: d.contact and d.contact["recording"], 20, "the recording light")
            await sees_and_hears(await in_room(visitor), AGENT_HZ)
            (folder,) = (switchboard.data_dir / "recordings" / ident).iterdir()
            await eventually(
                lambda: _is_so(lambda: _bytes_of(folder) > 100_000), 20, "something on the tapes"
            )
            await switchboard.kill()
    async with (
        switchboard.records() as records
    ):  # the terminal was taken away meanwhile: nobody can resume it
        await records.terminals.disable("t-1", by="a900", at_ms=1)
        await records.append(ident, "ended", key="ended", reason="lost", by="system", hangup_cause=None)
    await switchboard.start()

    async def sealed() -> bool:
        return bool((await switchboard.contact(ident))[0].recordings)

    await eventually(sealed, 40, "the recording is in the record")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (gap,) = manifest["gaps"]
    assert (manifest["ended"], gap["kind"], gap["from_ms"] < gap["to_ms"]) == ("killed", "killed", True)
    assert all(finding.holds for finding in verify(folder))
    record, _ = await switchboard.contact(ident)
    assert record.recordings[0].gaps == ((gap["from_ms"], gap["to_ms"]),)
    assert len(record.recordings) >= 3
    assert all((switchboard.data_dir / "recordings" / one.file).is_file() for one in record.recordings)


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.tape"))


async def _is_so(seen: Callable[[], bool]) -> bool:
    return seen()


async def test_a_booked_visit_comes_to_the_booked_volunteer_first() -> None:
    """Of two who are free it is the one who was booked, although the other is idle for longer."""
    env = {"ASTERISK": "none"}
    async with Switchboard(volunteers=2, env=env) as switchboard:
        token = await paired(switchboard)
        async with volunteer(switchboard, "v901") as other, volunteer(switchboard, "v902") as booked:
            from_ms = now_ms() + 60_000
            value = Booking(
                "legal_advice",
                from_ms,
                from_ms + 1_800_000,
                "t-1",
                matter="labour",
                agent="v902",
                role="lawyer",
            )
            async with switchboard.records() as records:
                step = Step("book", Actor("t-1", "terminal"), now_ms(), "k")
                case = await Cases(records.database).open(BOOKINGS, value, step, number=True)
            headers = {"Authorization": f"Bearer {token}"}
            path = f"{switchboard.base_url}/api/bookings/numbered/{case.number}/arrive"
            async with aiohttp.ClientSession(headers=headers) as http:
                visits: list[str] = []
                for _ in range(2):
                    async with http.post(path, json={"key": "k"}) as answer:
                        assert answer.status == 201, await answer.text()
                        visits.append((await answer.json())["visit"])
            visit, again = visits
            assert again == visit
            await booked.until(lambda d: d.contact is not None, 20, "the booked visit")
            assert booked.contact is not None
            assert (booked.contact["id"], other.contact) == (visit, None)
            async with switchboard.records() as records:
                kept = await Cases(records.database).of(BOOKINGS, case.id)
            assert (kept.state, kept.value.contact) == ("arrived", visit)
