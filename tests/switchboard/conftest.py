from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from switchboard.records import Passwords, Records
from tests.support.postgres import Cluster, private_cluster
from tests.support.web import Client, SmallHouse, client_of, people

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


@pytest.fixture
def static_dir(tmp_path: Path) -> Path:
    """Pages as the build makes them, with nothing on them."""
    root = tmp_path / "static"
    for page in ("home", "sign-in", "desk", "board", "admin", "room", "video", "terminal"):
        (root / page).mkdir(parents=True)
        (root / page / "index.html").write_text(f"<!doctype html><title>{page}</title>")
    (root / "assets").mkdir()
    (root / "assets" / "a-1234.js").write_text("export {}")
    (root / ".stamp").write_text("secret")
    return root


@pytest.fixture
async def house(sqlite_records: Records, static_dir: Path) -> SmallHouse:
    await people(sqlite_records)
    return SmallHouse(sqlite_records, static_dir)


@pytest.fixture
async def client(house: SmallHouse) -> AsyncIterator[Client]:
    opened = await client_of(house)
    yield opened
    await opened.close()
