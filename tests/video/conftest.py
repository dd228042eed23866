from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings
from playwright.async_api import Browser

from tests.video import rig

settings.register_profile("patient", deadline=None)  # a busy machine is no fault of what is tried
settings.load_profile("patient")


@pytest.fixture
async def house() -> AsyncIterator[rig.House]:
    async with rig.house() as made:
        yield made


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with rig.chromium() as browser:
        yield browser
