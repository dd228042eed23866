"""Guests that have a place and misbehave: the room goes on for everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.video.rig import House, eventually, token
from tests.video.sources import Tone, loudness
from tests.video.test_signalling import talking
from video.client import VideoClient
from video.room import Room
from video.tokens import Role

OFFER = (Path(__file__).parent / "offers" / "chromium.sdp").read_text().replace("\n", "\r\n")


class Silent:
    """A page that is told things and answers nothing."""

    def say(self, message: dict[str, Any]) -> None: ...

    def end(self, code: str) -> None: ...


def only(codec: str) -> str:
    """The offer of a browser that knows one kind of picture."""
    other = "H264" if codec == "VP8" else "VP8"
    return OFFER.replace(f" {other}/90000", " AV1/90000")


def receiving(sdp: str) -> str:
    return sdp.replace("a=sendonly", "a=recvonly").replace("a=sendrecv", "a=recvonly")


def room_of_two(house: House) -> tuple[Room, list[Any]]:
    people = [house.bridge.enter("mediation", token(name), Silent())[1] for name in ("a", "b")]
    return house.bridge.rooms["mediation"], people


async def test_a_picture_that_the_others_cannot_decode_is_refused_and_the_voice_stands(house: House) -> None:
    room, (one, other) = room_of_two(house)
    room.offer(one, 1, receiving(only("VP8")), {})
    answered = room.offer(other, 1, only("H264"), {})
    assert {refusal.reason.code for refusal in answered.refused} == {"video.codec"}
    assert {sent.kind for sent in answered.added} == {"audio"}
    again = room.offer(other, 2, OFFER, {})
    assert again.refused == ()
    assert {sent.codec for sent in again.added} == {"OPUS", "VP8"}


async def test_whoever_offers_and_never_sends_costs_one_peer(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("a", role=Role.HOST), microphone=Tone(500)) as one,
        VideoClient(house.socket(), token("b"), microphone=Tone(900)) as other,
        talking(house, token("idle")) as idle,
    ):
        await eventually(lambda: hears(one, other, 900), "the others hear each other")
        before = len(house.bridge.port._endpoints)
        for number in range(1, 30):
            answer = await idle.ask("offer", peer=number, sdp=OFFER, tracks={"0": "microphone"})
            assert answer["type"] == "answer"

        async def settled() -> bool:
            return len(house.bridge.port._endpoints) <= before + 1

        await eventually(settled, "earlier peers are closed")
        assert len(house.bridge.peers()) == 3
        await eventually(lambda: hears(other, one, 500), "the others still hear each other")


async def test_whoever_floods_is_cut_short_and_nobody_else(house: House) -> None:
    async with (
        VideoClient(house.socket(), token("a", role=Role.HOST), microphone=Tone(500)) as one,
        VideoClient(house.socket(), token("b"), microphone=Tone(900)) as other,
        VideoClient(house.socket(), token("flood"), microphone=Tone(1_500)) as flood,
    ):
        await eventually(lambda: hears(one, flood, 1_500), "the room stands")
        assert flood._peer is not None
        transport = flood._peer.getSenders()[0].transport
        counters = house.bridge.port.forwarder.counters
        packets = [bytes([0x80, 96]) + number.to_bytes(2, "big") + bytes(1_000) for number in range(4_000)]
        for at, packet in enumerate(packets):
            await transport._send_rtp(packet)
            if at % 50 == 49:
                house.bridge.port.forwarder.on_readable()

        async def cut_short() -> bool:
            return counters.flooded > 0

        await eventually(cut_short, "the flood is seen")
        for received in (one.of(other.id, "microphone"), other.of(one.id, "microphone")):
            assert received is not None
            received.sound.clear()
        await eventually(lambda: hears(one, other, 900), "the others hear each other")
        await eventually(lambda: hears(other, one, 500), "in both directions")
        assert (one.peers_made, other.peers_made) == (1, 1)


async def hears(one: VideoClient, other: VideoClient, hertz: float) -> bool:
    return loudness(one.of(other.id, "microphone"), hertz) > 0.05
