"""A villager at a terminal and a volunteer at a desk, by the protocols alone: the queue, the room, the record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

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
