from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from switchboard.records import Passwords, Records
from tests.support.postgres import Cluster, private_cluster

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with private_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex[:12]}"
    yield cluster.create(name)
    cluster.drop(name)


def quick_passwords() -> Passwords:
    """Real argon2 with the least work it allows."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def records(database_url: str) -> AsyncIterator[Records]:
    async with await Records.open(database_url, passwords=quick_passwords()) as opened:
        yield opened


@pytest.fixture
async def sqlite_records(tmp_path: Path) -> AsyncIterator[Records]:
    async with await Records.open(f"sqlite:///{tmp_path / 'r.db'}", passwords=quick_passwords()) as opened:
        yield opened
