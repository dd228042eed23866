from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.video import rig


@pytest.fixture
async def house() -> AsyncIterator[rig.House]:
    async with rig.house() as made:
        yield made


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with rig.chromium() as browser:
        yield browser
