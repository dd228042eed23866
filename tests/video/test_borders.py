"""Nothing crosses a border: the waiting room, a caucus, a mute; and what is recorded is what the main room heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.video.rig import House, eventually, token
from tests.video.sources import Picture, Tone, loudness
from video.client import Refused, VideoClient
from video.events import Admitted, CaucusChanged
from video.forward import Tape
from video.peer import Sent
from video.tokens import Role


@dataclass
class Kept:
    packets: int = 0
    reports: int = 0
    marks: list[str] = field(default_factory=list)

    def mark(self, kind: str, **facts: object) -> None:
        self.marks.append(kind)

    def write(self, arrival_ns: int, packet: bytes) -> None:
        self.packets += 1

    def report(self, arrival_ns: int, packet: bytes) -> None:
        self.reports += 1


@dataclass
class Shelf:
    tapes: dict[tuple[str, str], Kept] = field(default_factory=dict)

    def tape(self, room: str, participant: str, sent: Sent) -> Tape:
        return self.tapes.setdefault((participant, sent.what), Kept())

    def packets(self, participant: str) -> int:
        return sum(kept.packets for (who, _), kept in self.tapes.items() if who == participant)


async def hears(one: VideoClient, other: VideoClient, hertz: float) -> None:
    async def loud() -> bool:
        return loudness(one.of(other.id, "microphone"), hertz) > 0.05

    await eventually(loud, "the voice is heard")


def sent_to(house: House, person: str) -> int:
    peer = house.person(person).peer
    return sum(slot.sub.packets for slot in peer.slots.values()) if peer else 0


async def beats(count: int) -> None:
    """Time for media to come where it should not: the bridge's clock, not a promise's."""
    for _ in range(count):
        await asyncio.sleep(0.05)


async def test_nothing_of_the_room_reaches_the_waiting_room_until_admitted(house: House) -> None:
    async with (
        VideoClient(
            house.socket(), token("host", role=Role.HOST), microphone=Tone(500), camera=Picture()
        ) as host,
        VideoClient(house.socket(), token("b"), microphone=Tone(1400)) as party,
        VideoClient(house.socket(), token("c", waits=True), microphone=Tone(900), camera=Picture()) as guest,
    ):
        await hears(party, host, 500)

        async def connected() -> bool:
            return guest.state == "connected"

        await eventually(connected, "who waits is already connected")
        await beats(10)
        assert sent_to(house, "c") == 0
        assert host.of(guest.id, "microphone") is None
        assert [one["id"] for one in host.view["waiting"]] == [guest.id]
        await host.ask("admit", participant=guest.id)
        await hears(host, guest, 900)
        await hears(guest, host, 500)
        await hears(guest, party, 1400)
        await host.ask("send_back", participant=guest.id)
        before = sent_to(house, "c")
        peer = house.person("c").peer
        assert peer is not None
        heard = [sent.start.live for sent in peer.sent.values()]
        assert heard == [[], []]
        await beats(10)
        assert sent_to(house, "c") == before
    assert any(isinstance(event, Admitted) for event in house.bridge.events.drain())


async def test_no_second_of_a_caucus_is_recorded_and_a_mute_is_silence(house: House) -> None:
    shelf = Shelf()
    async with (
        VideoClient(
            house.socket(), token("host", role=Role.HOST), microphone=Tone(500), camera=Picture()
        ) as host,
        VideoClient(house.socket(), token("b"), microphone=Tone(900), camera=Picture()) as one,
        VideoClient(house.socket(), token("c"), microphone=Tone(1400), camera=Picture()) as other,
    ):
        await hears(host, one, 900)
        await hears(one, other, 1400)
        room = house.bridge.rooms["mediation"]
        room.record(shelf)

        async def recorded() -> bool:
            return all(kept.packets > 5 for kept in shelf.tapes.values()) and len(shelf.tapes) == 6

        await eventually(recorded, "six tapes run")
        await host.ask("caucus", groups=[[host.id, one.id]])
        inside = shelf.packets(host.id) + shelf.packets(one.id)
        outside = shelf.packets(other.id)
        crossing = sent_to(house, "c")
        await hears(host, one, 900)

        async def outside_goes_on() -> bool:
            return shelf.packets(other.id) > outside + 20

        await eventually(outside_goes_on, "the main room is still recorded")
        assert shelf.packets(host.id) + shelf.packets(one.id) == inside
        assert sent_to(house, "c") == crossing
        await host.ask("caucus", groups=[])

        async def again() -> bool:
            return shelf.packets(host.id) + shelf.packets(one.id) > inside + 20

        await eventually(again, "all are recorded again")

        await host.ask("mute", participant=one.id, kind="audio", muted=True)
        peer = house.person("b").peer
        assert peer is not None
        voice = next(sent for sent in peer.sent.values() if sent.kind == "audio")
        assert voice.start.live == []
        assert voice.start.tape is None
        await host.ask("mute", participant=one.id, kind="audio", muted=False)
        await hears(other, one, 900)

    async def all_left() -> bool:  # a good-bye arrives a little after it was said
        return all(kept.marks[-1] == "leave" for kept in shelf.tapes.values())

    await eventually(all_left, "every tape knows its end")
    crossed = [event.crossed for event in house.bridge.events.drain() if isinstance(event, CaucusChanged)]
    assert crossed == [0, 0]
    marks = [shelf.tapes[person.id, "microphone"].marks for person in (host, one, other)]
    assert marks == [
        ["join", "caucus", "join", "leave"],
        ["join", "caucus", "join", "mute", "join", "leave"],
        ["join", "leave"],
    ]


async def test_a_thin_line_keeps_the_voice_and_gets_its_picture_back(house: House) -> None:
    async with (
        VideoClient(
            house.socket(), token("host", role=Role.HOST), microphone=Tone(500), camera=Picture()
        ) as host,
        VideoClient(house.socket(), token("b")) as thin,
    ):
        await hears(thin, host, 500)
        peer = house.person("b").peer
        assert peer is not None
        slot = next(one for one in peer.slots.values() if one.kind == "video")

        async def seen() -> bool:
            return slot.sub.running

        await eventually(seen, "the picture runs")

        async def held() -> bool:  # what the reports say on a line that carries next to nothing
            peer.estimate, peer.estimate_at_s = 100, asyncio.get_running_loop().time()
            slot.loss = 0.3
            return slot.held

        peer.on_rtcp = lambda data: True  # type: ignore[method-assign]
        await eventually(held, "the picture stops")
        assert not slot.sub.running
        voice = next(one for one in peer.slots.values() if one.kind == "audio")
        before = voice.sub.packets

        async def voice_goes_on() -> bool:
            return voice.sub.packets > before + 20

        await eventually(voice_goes_on, "the voice goes on")

        async def told() -> bool:
            return any(one["state"] == "thin" for one in thin.slots)

        await eventually(told, "the page is told")
        slot.loss = 0.0
        await eventually(seen, "the picture is tried again")


async def test_viewers_see_and_hear_and_are_neither_seen_nor_heard(house: House) -> None:
    async with (
        VideoClient(
            house.socket(), token("judge", role=Role.HOST), microphone=Tone(500), camera=Picture()
        ) as judge,
        VideoClient(house.socket(), token("v1", role=Role.VIEWER)) as viewer,
        VideoClient(house.socket(), token("v2", role=Role.VIEWER)) as another,
    ):
        await hears(viewer, judge, 500)
        await hears(another, judge, 500)

        async def pictures() -> bool:
            received = viewer.of(judge.id)
            return received is not None and received.frames > 5

        await eventually(pictures, "the viewer sees")
        assert judge.view["viewers"] == 2
        assert [one["id"] for one in viewer.view["participants"]] == [judge.id]
        assert judge.view["lines"] == {"audio": 0, "video": 0}


async def test_a_viewer_may_not_send(house: House) -> None:
    offer = (Path(__file__).parent / "offers" / "chromium.sdp").read_text()
    async with VideoClient(house.socket(), token("v", role=Role.VIEWER)) as viewer:

        async def entered() -> bool:
            return bool(viewer.view)

        await eventually(entered, "the viewer is in")
        with pytest.raises(Refused) as refused:
            await viewer.ask("offer", peer=7, sdp=offer, tracks={})
        assert refused.value.code == "video.not_allowed"
        assert house.bridge.peers() == []
