"""Debian's Chromium with a microphone that plays a tone, and its processes, for whoever must end or stop one."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import wave
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

VOICE_HZ = 1000
RATE = 48_000
CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)
FAKE_DEVICES = "--use-fake-device-for-media-stream"
NO_QUESTIONS = "--use-fake-ui-for-media-stream"


@asynccontextmanager
async def chromium(
    folder: Path, *, flags: Sequence[str] = (FAKE_DEVICES, NO_QUESTIONS), hertz: int = VOICE_HZ
) -> AsyncIterator[Browser]:
    """A browser whose microphone hears one tone without end. Without ``FAKE_DEVICES`` it has no sound device at
    all, without ``NO_QUESTIONS`` it asks before it lets a page listen."""
    voice = folder / f"voice-{hertz}.wav"
    await asyncio.to_thread(write_voice, voice, hertz)
    wanted = [*QUIET, *flags, f"--use-file-for-fake-audio-capture={voice}"]
    if os.geteuid() == 0:
        wanted.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=wanted)
        try:
            yield browser
        finally:
            with contextlib.suppress(Exception):  # a browser that was killed cannot be closed
                await browser.close()


async def processes(browser: Browser, kind: str) -> set[int]:
    """Process ids of this browser: ``browser``, ``renderer`` (one a tab, and perhaps a spare one)."""
    session = await browser.new_browser_cdp_session()
    try:
        told = await session.send("SystemInfo.getProcessInfo")
    finally:
        await session.detach()
    return {one["id"] for one in told["processInfo"] if one["type"] == kind}


def tell(pids: set[int], what: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def write_voice(file: Path, hertz: int) -> None:
    sound = (round(12_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE))
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array("h", sound).tobytes())
