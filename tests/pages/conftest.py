"""A real browser on real pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from switchboard.pages.build import build
from tests.support.chromium import VOICE_HZ
from tests.support.chromium import chromium as started

__all__ = ["VOICE_HZ"]

SECOND_HZ = 1500


@pytest.fixture(scope="session", autouse=True)
def _pages_are_built() -> None:
    build()


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser whose microphone hears ``VOICE_HZ`` without end."""
    async with started(tmp_path) as browser:
        yield browser


@pytest.fixture
async def second_chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """Another person's browser: its microphone hears ``SECOND_HZ``."""
    async with started(tmp_path, hertz=SECOND_HZ) as browser:
        yield browser
