"""Terminals of villages in tests: paired by an administrator's code, a tone for a voice, a moving bar for a face."""

from __future__ import annotations

import math
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiortc import MediaStreamTrack

from switchboard.visits.simulated import SimulatedTerminal
from switchboard.visits.synthetic import RATE, Picture, Tone
from tests.support.switchboard import ADMINISTRATOR, Switchboard, eventually
from video.client import Received, VideoClient

VILLAGE = "青山村法律服务室"
VISITOR_HZ = 700
PATIENCE_S = 30.0


async def paired(switchboard: Switchboard, ident: str = "t-1", **more: Any) -> str:
    """The token of a terminal that an administrator has just made and paired."""
    async with switchboard.sign_in(ADMINISTRATOR) as http:
        body = {"id": ident, "name": "一号终端", "village": VILLAGE, **more}
        async with http.post("/api/terminals", json=body) as answer:
            assert answer.status == 201, await answer.text()
        async with http.post(f"/api/terminals/{ident}/code") as answer:
            code = (await answer.json())["code"]
        async with http.post("/api/terminal/pair", json={"code": code}) as answer:
            assert answer.status == 201, await answer.text()
            return (await answer.json())["token"]


def voice_and_face() -> tuple[MediaStreamTrack, MediaStreamTrack]:
    return Tone(VISITOR_HZ), Picture()


@asynccontextmanager
async def terminal(switchboard: Switchboard, ident: str = "t-1") -> AsyncIterator[SimulatedTerminal]:
    token = await paired(switchboard, ident)
    async with SimulatedTerminal(switchboard.base_url, token, voice_and_face) as made:
        yield made


def loudness(received: Received | None, hertz: int) -> float:
    """Amplitude of a tone in what came last, full scale 1."""
    if received is None or len(received.sound) < 10:
        return 0.0
    samples = array("h")
    for frame in list(received.sound)[-10:]:
        channels = len(frame.layout.channels)
        samples.extend(array("h", bytes(frame.planes[0])[: 2 * frame.samples * channels])[::channels])
    turn = 2 * math.pi * hertz / RATE
    real = sum(one * math.cos(turn * n) for n, one in enumerate(samples))
    imaginary = sum(one * math.sin(turn * n) for n, one in enumerate(samples))
    return 2 * math.hypot(real, imaginary) / len(samples) / 32768


def other(client: VideoClient) -> str:
    """The id of the other one in a room of two; empty while nobody is there."""
    return next((one["id"] for one in client.view.get("participants", ()) if one["id"] != client.id), "")


async def sees_and_hears(client: VideoClient | None, hertz: int, patience_s: float = PATIENCE_S) -> None:
    """Fresh pictures and this tone from the other one."""
    assert client is not None, "not in a room"
    seen = client.of(other(client))
    before = seen.frames if seen else 0

    async def both() -> bool:
        face, voice = client.of(other(client)), client.of(other(client), "microphone")
        return face is not None and face.frames >= before + 5 and loudness(voice, hertz) > 0.02

    await eventually(both, patience_s, f"picture and {hertz} Hz at the other end")


async def in_room(terminal: SimulatedTerminal) -> VideoClient:
    """Its client in the room, once it has gone in."""

    async def inside() -> bool:
        return terminal.video is not None

    await eventually(inside, PATIENCE_S, "the terminal is in the room")
    assert terminal.video is not None
    return terminal.video
