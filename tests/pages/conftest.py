"""A real browser on real pages: Debian's Chromium with a microphone that plays a tone."""

from __future__ import annotations

import math
import os
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from switchboard.pages.build import build

VOICE_HZ = 1000
SECOND_HZ = 1500
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
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@pytest.fixture(scope="session", autouse=True)
def _pages_are_built() -> None:
    build()


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser whose microphone hears ``VOICE_HZ`` without end."""
    async with _browser(tmp_path, VOICE_HZ) as browser:
        yield browser


@pytest.fixture
async def second_chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """Another person's browser: its microphone hears ``SECOND_HZ``."""
    async with _browser(tmp_path, SECOND_HZ) as browser:
        yield browser


@asynccontextmanager
async def _browser(folder: Path, hertz: int) -> AsyncIterator[Browser]:
    voice = folder / f"voice-{hertz}.wav"
    with wave.open(str(voice), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        sound = (round(12_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE))
        out.writeframes(array("h", sound).tobytes())
    flags = [*QUIET, f"--use-file-for-fake-audio-capture={voice}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            await browser.close()
