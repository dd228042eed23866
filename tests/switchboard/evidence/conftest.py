from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.evidence import Provider, open_provider
from tests.support.evidence import sealed_act


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    return open_provider(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Path:
    return sealed_act(tmp_path_factory.mktemp("act"), provider)
