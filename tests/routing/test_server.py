"""The private server: it is there while its owner is, and nobody else's."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from routing.engine import Engine
from routing.errors import RoutingServerError, RoutingServerInUse
from routing.model import Entry, Step
from routing.server import RoutingServer

ENTRY = Entry("c1", 0, 0, (Step(0, "lawyer|labour|zh"),))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):  # noqa: ASYNC110 - nothing tells the end of a process that is not our child
            await asyncio.sleep(0.02)


async def test_the_child_ends_with_the_block_and_state_outlives_it(
    routing_dir: Path, routing_binary: Path
) -> None:
    async with RoutingServer(routing_dir, binary=routing_binary) as server:
        first = server.pid
        async with await Engine.connect(server.url) as engine:
            await engine.enter(ENTRY)
    assert first
    assert not alive(first)
    async with (
        RoutingServer(routing_dir, binary=routing_binary) as server,
        await Engine.connect(server.url) as engine,
    ):
        assert [entry.id for entry in (await engine.snapshot()).entries] == ["c1"]


async def test_a_child_that_is_killed_is_started_again(routing_server: RoutingServer) -> None:
    for times in (1, 2):
        assert routing_server.pid
        os.kill(routing_server.pid, signal.SIGKILL)
        async with await Engine.connect(routing_server.url, patience_ms=10_000) as engine:
            await engine.now_ms()
        async with asyncio.timeout(10):
            while routing_server.restarts < times:  # noqa: ASYNC110 - the count follows the first answer
                await asyncio.sleep(0.01)


async def test_a_folder_has_one_owner(routing_server: RoutingServer, routing_binary: Path) -> None:
    with pytest.raises(RoutingServerInUse):
        await RoutingServer(routing_server.run_dir, binary=routing_binary).__aenter__()
    async with await Engine.connect(routing_server.url) as engine:
        await engine.now_ms()


async def test_the_socket_is_the_owners_alone(routing_server: RoutingServer) -> None:
    mode = os.stat(routing_server.url.removeprefix("unix://")).st_mode
    assert mode & 0o077 == 0


async def test_a_folder_with_a_long_name_gets_a_socket_elsewhere(
    routing_dir: Path, routing_binary: Path
) -> None:
    folder = routing_dir / ("deep" * 30)
    async with (
        RoutingServer(folder, binary=routing_binary) as server,
        await Engine.connect(server.url) as engine,
    ):
        await engine.now_ms()
    assert not Path(server.url.removeprefix("unix://")).parent.exists()


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent/redis-server"])
async def test_a_program_that_does_not_start_is_a_typed_error(routing_dir: Path, program: str) -> None:
    with pytest.raises(RoutingServerError):
        await RoutingServer(routing_dir, binary=Path(program)).__aenter__()


OWNER = """
import asyncio, os, signal, sys
from pathlib import Path
from routing.server import RoutingServer
import routing.server
if sys.argv[3] == "orphan":
    routing.server._dies_with_us = lambda: ()
async def main():
    async with RoutingServer(Path(sys.argv[1]), binary=Path(sys.argv[2])) as server:
        print("PID", server.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def start_owner_and_kill_it(folder: Path, binary: Path, how: str) -> int:
    """A process with a server of its own, killed without a chance to end it. Returns the server's process
    id."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(folder), str(binary), how, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout
    async with asyncio.timeout(20):
        while not (line := await owner.stdout.readline()).startswith(b"PID"):
            assert line, "the owner ended"
        owner.kill()
        await owner.wait()
    return int(line.split()[1])


async def test_the_child_of_a_killed_owner_ends_too(routing_dir: Path, routing_binary: Path) -> None:
    await gone(await start_owner_and_kill_it(routing_dir, routing_binary, "normal"))


async def test_a_server_left_behind_is_replaced_and_its_state_kept(
    routing_dir: Path, routing_binary: Path
) -> None:
    orphan = await start_owner_and_kill_it(routing_dir, routing_binary, "orphan")
    assert alive(orphan)
    async with await Engine.connect(f"unix://{routing_dir}/routing.sock") as engine:
        await engine.enter(ENTRY)
    async with RoutingServer(routing_dir, binary=routing_binary) as server:
        await gone(orphan)
        async with await Engine.connect(server.url) as engine:
            assert [entry.id for entry in (await engine.snapshot()).entries] == ["c1"]
