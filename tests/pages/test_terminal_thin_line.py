"""A terminal behind 150 kbit/s each way, 300 ms of delay each way and 3 % of loss: the voice is understood on both
ends, and a paper that was photographed arrives so that every digit can be read."""

from __future__ import annotations

import asyncio
import math
import os
from array import array
from pathlib import Path

import av
import numpy as np
from playwright.async_api import Page, expect

from tests.pages.conftest import VOICE_HZ
from tests.support.browser import at
from tests.support.kiosk import TABLET, kiosk, pair_by_hand, tap
from tests.support.room_pages import HEARD
from tests.support.sheets import Gray, read, written
from tests.support.switchboard import Switchboard, eventually
from tests.support.terminal_views import AGENT_HZ, house, paper_camera, volunteer
from tests.support.terminals import loudness, other
from tests.support.thin_line import ThinLine
from video.client import Received, VideoClient

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
LOOKS = 150 if LONG else 30
"""Of 170 ms each."""
PATIENCE_S = 60.0
UNDERSTOOD = 0.9
"""Share of the time in which the tone is there and is most of what is heard."""

SHARE = """async ([hertz, looks]) => {
    const samples = new Float32Array(8192)
    let heard = 0
    for (let look = 0; look < looks; look += 1) {
        await new Promise((done) => setTimeout(done, 171))
        window.__ears.analyser.getFloatTimeDomainData(samples)
        let [real, imaginary, power] = [0, 0, 0]
        samples.forEach((one, n) => {
            real += one * Math.cos(2 * Math.PI * hertz * n / 48000)
            imaginary += one * Math.sin(2 * Math.PI * hertz * n / 48000)
            power += one * one / samples.length
        })
        const tone = 2 * Math.hypot(real, imaginary) / samples.length
        if (tone > 0.02 && tone * tone / 2 > power / 2) heard += 1
    }
    return heard / looks
}"""


def clear(received: Received | None, hertz: int) -> float:
    """Of the last seconds, the share of frames (20 ms) that are mostly this tone."""
    frames = list(received.sound) if received else []
    turn = 2 * math.pi * hertz / 48_000
    heard = 0
    for frame in frames:
        channels = len(frame.layout.channels)
        samples = array("h", bytes(frame.planes[0])[: 2 * frame.samples * channels])[::channels]
        real = sum(one * math.cos(turn * n) for n, one in enumerate(samples))
        imaginary = sum(one * math.sin(turn * n) for n, one in enumerate(samples))
        tone = 2 * math.hypot(real, imaginary) / len(samples)
        power = sum(one * one for one in samples) / len(samples)
        heard += tone > 300 and tone * tone / 2 > power / 2
    return heard / max(1, len(frames))


async def understood(page: Page, client: VideoClient, when: str) -> tuple[float, float]:
    """At the terminal, at the volunteer."""
    here = float(await page.evaluate(SHARE, [AGENT_HZ, LOOKS]))
    there = await asyncio.to_thread(clear, client.of(other(client), "microphone"), VOICE_HZ)
    print(f"{when}: understood {here:.0%} of the time at the terminal, {there:.0%} at the volunteer")
    return here, there


def luminance(picture: Path) -> Gray:
    with av.open(str(picture)) as file:
        return next(file.decode(video=0)).to_ndarray(format="gray").astype(np.float64)


async def arrived(switchboard: Switchboard) -> list[Path]:
    """The picture of the paper in the house: as it came, and as it is shown to the volunteer."""

    def kept() -> list[Path]:
        return sorted((switchboard.data_dir / "recordings").rglob("*.jp*g"))

    async def there() -> bool:
        return len(kept()) > 1

    await eventually(there, PATIENCE_S, "the picture of the paper in the house")
    return kept()


async def test_on_a_thin_line_the_voice_is_understood_and_a_paper_arrives_readable(tmp_path: Path) -> None:
    film = await paper_camera(tmp_path)
    async with (
        house(VIDEO_HOST="127.0.0.1") as switchboard,
        ThinLine(switchboard.http_port, switchboard.video_port) as line,
        kiosk(tmp_path, line.url, size=TABLET, video=film) as page,
    ):
        await pair_by_hand(page, switchboard)
        await tap(page, "lawyer", "matter-labour", "record-no")
        async with volunteer(switchboard) as (_, client):

            async def meet() -> bool:
                seen = await page.evaluate(HEARD, AGENT_HZ)
                return seen > 0.02 and loudness(client.of(other(client), "microphone"), VOICE_HZ) > 0.02

            await eventually(meet, PATIENCE_S, "both hear each other")
            talking = await understood(page, client, "talking")
            await tap(page, "show-paper", "shutter", "use")
            sending = await understood(page, client, "while a paper is sent")
            await expect(at(page, "page-1")).to_have_attribute(
                "data-state", "sent", timeout=PATIENCE_S * 1000
            )
            files = await arrived(switchboard)
            pages = [await asyncio.to_thread(lambda file=file: read(luminance(file))) for file in files]
            size = max(file.stat().st_size for file in files)
        lost = (line.up.lost, line.down.lost)
    print(f"the paper: {size // 1000} KB; datagrams lost up and down: {lost}")
    assert min(lost) > 0
    assert min(talking) >= UNDERSTOOD
    assert min(sending) >= UNDERSTOOD
    assert pages == [written()] * len(pages)
