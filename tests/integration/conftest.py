"""Fixtures of the tests that use real servers."""

from collections.abc import AsyncIterator

import pytest

from tests.support.asterisk import asterisk
from tests.support.callees import Callee
from tests.support.promises import PROMISES
from tests.support.switchboard import Switchboard

__all__ = ["asterisk"]


@pytest.fixture
async def home() -> AsyncIterator[Callee]:
    """The telephones behind the trunk of ``switchboard``."""
    async with Callee() as callee:
        yield callee


@pytest.fixture
async def switchboard(home: Callee) -> AsyncIterator[Switchboard]:
    """For messages and call-backs, with a trunk to ``home``. Files with other needs have one of their own."""
    async with Switchboard(volunteers=2, env=PROMISES | {"TRUNKS": home.trunks}) as running:
        yield running
