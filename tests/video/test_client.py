"""The client without a browser."""

from __future__ import annotations

import asyncio
from typing import Any

from switchboard.visits.synthetic import Tone
from tests.video.rig import House, eventually, token
from video.client import VideoClient
from video.tokens import Role


async def test_lines_that_come_while_it_connects_are_asked_for_once_it_is_connected(house: House) -> None:
    """aiortc's steps of connecting must not meet the answer to a second offer."""
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
    port = house.bridge.port
    port.on_stun = lambda data, address: None  # nobody gets through
    host = VideoClient(house.socket(), token("host", role=Role.HOST), microphone=Tone(500))
    party = VideoClient(house.socket(), token("party"), microphone=Tone(900))
    async with host:

        async def answered() -> bool:
            return host.state == "connecting"

        await eventually(answered, "the host has an answer and no way to the bridge")
        async with party:

            async def told() -> bool:
                return host.view.get("lines", {}).get("audio") == 1

            await eventually(told, "the host knows of the other")
            await asyncio.gather(*host._tasks - _endless(host))
            assert host._peer is not None
            assert len(host._peer.getTransceivers()) == 1
            del port.on_stun

            async def heard() -> bool:
                both = (host.of(party.id, "microphone"), party.of(host.id, "microphone"))
                return all(one is not None and one.frames > 5 for one in both)

            await eventually(heard, "both hear each other")
            assert len(host._peer.getTransceivers()) == 3  # a voice and a picture
    assert broken == []


def _endless(client: VideoClient) -> set[asyncio.Task[None]]:
    """Tasks that drain a track."""
    return {one for one in client._tasks if one.get_coro().__qualname__.endswith("_drain")}  # type: ignore[union-attr]
