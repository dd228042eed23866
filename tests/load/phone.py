"""What a telephone in a room costs: `python -m tests.load.phone [SECONDS]`.

One telephone speaks and hears 1, 3 and 7 others. Their opus is decoded, mixed and brought to the telephone's rate; the
telephone's voice is encoded once. Prints the share of one core: of the bridge alone, in as little time as it takes, and
of the whole process beside a real Asterisk, with the socket between them, in real time. The last line is for programs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time

import numpy as np

from ivr.ari.channel import Channel
from ivr.ari.client import Ari, new_id
from ivr.ari.events import StasisStart
from ivr.audio import audio_line
from ivr.server.process import AsteriskServer
from tests.load.measure import say
from tests.support.asterisk import own_asterisk
from tests.support.calls import connected
from tests.support.phones import Caller
from tests.video.telephones import Telephone
from tests.video.test_phone_sound import _Nobody
from video.forward import Forwarder, Source
from video.participant import Participant, Standing
from video.peer import Layer, Sent
from video.phone.codec import CLOCK, Encoder
from video.phone.peer import Line, PhonePeer
from video.phone.phones import Phones
from video.tokens import Invitation, Role

TALKERS = (1, 3, 7)


def speech(seed: int, frames: int = 500) -> list[bytes]:
    """Opus of something with pitch, syllables and breath, as a browser would send it."""
    chance = np.random.default_rng(seed)
    encoder = Encoder(16_000)
    at = np.arange(frames * 320) / 16_000
    pitch = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 0.7 * at + seed)) / 16_000
    voice = sum(np.sin(n * pitch) / n for n in range(1, 20)) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * at))
    sound = (3_000 * voice + chance.normal(0, 150, len(at))).astype(np.float32)
    return [encoder.take(part) for part in np.split(sound, frames)]


class Room:
    """Talkers that are injected, and one telephone that hears them all and is heard."""

    def __init__(self, talkers: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.forwarder = Forwarder(sock, _Nobody())
        self.phones = Phones(self.forwarder)
        self.spoken = [speech(number) for number in range(talkers)]
        self.tracks = [
            self.forwarder.publish(None, Source("audio", "OPUS", CLOCK, 111, ssrc=number + 1))
            for number in range(talkers)
        ]
        self._at = 0

    def join(self, line: Line) -> PhonePeer:
        peer = self.phones.join(line, "phone")
        invitation = Invitation("r", "p", "p", Role.PARTY, 0)
        peer.person = Participant(invitation, Standing.HERE, admitted=True)
        for number, track in enumerate(self.tracks):
            sent = Sent("0", "audio", "microphone", "OPUS", [Layer(track)])
            peer.show(peer.slots[str(number + 1)], sent, allowed=True)
        return peer

    def talk(self) -> None:
        """20 ms of everybody."""
        for track, spoken in zip(self.tracks, self.spoken, strict=True):
            self.forwarder.inject(track, spoken[self._at % len(spoken)], self._at * 960)
        self._at += 1


async def bridge_alone(talkers: int, seconds: int) -> float:
    room = Room(talkers)
    line = Telephone(300)
    peer = room.join(line)
    frames = [line.frame() for _ in range(50)]
    begun = time.process_time()
    for tick in range(seconds * 50):
        room.talk()
        peer.take(frames[tick % 50])
        room.phones.tick()
    spent = time.process_time() - begun
    await peer.close()
    await room.phones.close()
    return 100 * spent / seconds


async def beside_asterisk(server: AsteriskServer, ari: Ari, talkers: int, seconds: int) -> float:
    """CPU of this process less what calling and talking cost without the telephone's part."""
    arrived: asyncio.Queue[StasisStart] = asyncio.Queue()
    off = ari.on(StasisStart, arrived.put_nowait)
    async with Caller(server.settings.ports.sip, "13800138000") as caller:
        channel = Channel.from_start(ari, await arrived.get())
        off()
        await channel.answer()
        await caller.answered()
        caller.rtp.play_tone(300)
        room = Room(talkers)
        idle = await _share(room, seconds)
        async with audio_line(ari, channel, media_id=new_id("em")) as line:
            peer = room.join(line)

            async def pump() -> None:
                async for frame in line:
                    peer.take(frame)

            pumping = asyncio.create_task(pump())
            busy = await _share(room, seconds)
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
            await peer.close()
        await room.phones.close()
        await channel.hangup()
    return busy - idle


async def _share(room: Room, seconds: int) -> float:
    begun, due = time.process_time(), time.monotonic()
    for _ in range(seconds * 50):
        room.talk()
        due += 0.02
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return 100 * (time.process_time() - begun) / seconds


async def main(seconds: int) -> None:
    figures: dict[str, dict[int, float]] = {"bridge": {}, "beside_asterisk": {}}
    say("talkers   the bridge alone   with the socket to Asterisk   (% of a core)")
    async with own_asterisk() as server, connected(server) as ari:
        for talkers in TALKERS:
            alone = await bridge_alone(talkers, seconds)
            beside = await beside_asterisk(server, ari, talkers, seconds)
            figures["bridge"][talkers], figures["beside_asterisk"][talkers] = (
                round(alone, 2),
                round(beside, 2),
            )
            say(f"{talkers:7d}   {alone:16.2f}   {beside:27.2f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
