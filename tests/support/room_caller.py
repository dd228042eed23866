"""Calls somebody into a room of its own, to be killed: ``python -m tests.support.room_caller URL USER PASSWORD``.

Whoever answers hears 380 Hz without end: what is said in the room.
"""

from __future__ import annotations

import asyncio
import sys
import time

import numpy as np

from ivr.ari.client import Ari, AriSettings, new_id
from ivr.audio import AudioLine, audio_line
from ivr.outbound import outbound_call
from ivr.prompts.catalogue import PromptSet
from switchboard.visits.phone_leg import MEDIA_PREFIX, new_leg_id
from video.bridge import VideoBridge
from video.tokens import Invitation, Role, sign

SECRET = b"of this process only"


class _Outlet:
    def say(self, message: object) -> None: ...

    def end(self, code: str) -> None: ...


async def main(url: str, user: str, password: str) -> None:
    async with (
        Ari(AriSettings(url, user, password)) as ari,
        VideoBridge(SECRET) as bridge,
    ):
        await ari.wait_connected(15)
        expires_ms = time.time_ns() // 1_000_000 + 60_000
        token = sign(SECRET, Invitation("r", "p", "p", Role.PARTY, expires_ms, waits=True))
        async with outbound_call(
            ari,
            "PJSIP/13800138001@trunk",
            PromptSet(),
            channel_id=new_leg_id(),
            language="zh",
            caller_id="12348 <12348>",
            timeout_ms=20_000,
        ) as call:
            line: AudioLine
            async with audio_line(ari, call.channel, media_id=new_id(MEDIA_PREFIX.rstrip("-"))) as line:
                _, _, phone = bridge.enter_by_phone("r", token, _Outlet(), line)
                wave = 8_000 * np.sin(2 * np.pi * 380 * np.arange(8_000) / 8_000)
                phone.hold(wave.astype("<i2").tobytes(), 8_000)
                async for frame in line:
                    phone.take(frame)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
