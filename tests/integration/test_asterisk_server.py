"""Asterisk as our child: adopted, restarted, ended. Against the real program."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from ivr.ari.client import probe
from ivr.errors import AsteriskFailed, PortTaken, Refused
from ivr.server import fetch, process
from ivr.server.config import ServerOptions
from ivr.server.process import AsteriskServer
from tests.support.asterisk import (
    ARI_PASSWORD,
    ARI_USER,
    CACHE,
    ROOT,
    home,
    new_server,
    own_asterisk,
    short_folder,
    until,
)
from tests.support.calls import connected, local_call


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits to be reaped by somebody else does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_entering_returns_when_ari_answers() -> None:
    async with own_asterisk() as server:
        info = await probe(server.url, ARI_USER, ARI_PASSWORD)
        assert info["config"]["name"] == server.settings.system_name
        assert server.ready
        assert not server.adopted


async def test_wrong_password_is_refused() -> None:
    async with own_asterisk() as server:
        with pytest.raises(Refused):
            await probe(server.url, ARI_USER, "guessed")


async def test_asterisk_writes_no_warning_at_start() -> None:
    async with own_asterisk() as server:
        written = (server.settings.run_dir / "log" / "messages").read_text()
    assert [line for line in written.splitlines() if " built by " not in line] == [
        ""
    ] or " built by " in written
    assert "WARNING" not in written
    assert "ERROR" not in written


async def test_killed_asterisk_is_started_again() -> None:
    async with own_asterisk() as server:
        for restart in (1, 2):
            first = server.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda wanted=restart: server.restarts == wanted)
            await server.wait_ready(5)
            assert server.pid != first


async def test_leaving_ends_the_child_and_its_pid_file() -> None:
    async with own_asterisk() as server:
        pid = server.pid
        assert pid is not None
        pid_file = server.settings.run_dir / "child.pid"
        assert pid_file.read_text() == f"{pid}\n"
        await server.stop()
        assert not alive(pid)
        assert not pid_file.exists()


_STARTS_AND_DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.support.asterisk import new_server
from ivr.server.config import ServerPorts

async def main():
    server = new_server(Path(sys.argv[1]), ports=ServerPorts(*map(int, sys.argv[2:])))
    await server.start()
    print(server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_after_kill_9_of_the_switchboard_the_same_asterisk_is_adopted() -> None:
    with short_folder() as folder:
        server = new_server(folder)
        ports = server.settings.ports
        parent = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _STARTS_AND_DIES,
            str(folder),
            *(str(port) for port in (ports.sip, ports.http, ports.rtp_first, ports.rtp_last)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await parent.communicate()
        assert parent.returncode == -signal.SIGKILL
        left = int(said.split()[-1])
        async with server:
            assert server.adopted
            assert server.pid == left
            os.kill(left, signal.SIGKILL)
            await until(lambda: server.restarts == 1)
            await server.wait_ready(5)
        assert not alive(left)


async def test_an_asterisk_with_another_password_is_replaced_not_adopted() -> None:
    with short_folder() as folder:
        first = new_server(folder)
        await first.start()
        left = first.pid
        await first.leave_running()
        second = AsteriskServer(
            first.home,
            first.settings.run_dir,
            first.settings.ports,
            ari_user=ARI_USER,
            ari_password="changed",
            sounds_dir=first.settings.sounds_dir,
            recordings_dir=first.settings.recordings_dir,
        )
        async with second:
            assert not second.adopted
            assert second.pid != left


async def test_a_taken_port_is_named() -> None:
    with short_folder() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
        server = new_server(folder)
        squatter.bind(("127.0.0.1", server.settings.ports.sip))
        with pytest.raises(PortTaken, match=str(server.settings.ports.sip)):
            await server.start()


async def test_an_asterisk_that_cannot_start_says_why() -> None:
    with short_folder() as folder:
        server = new_server(folder, ServerOptions(extra_files={"asterisk.conf": "[directories]\n"}))
        with pytest.raises(AsteriskFailed):
            await server.start()
        assert server.pid is None


async def test_a_lost_tree_is_unpacked_again_without_the_network_and_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home()  # fills the cache that is copied
    with short_folder() as folder:
        shutil.copytree(CACHE / "asterisk" / "packages", folder / "asterisk" / "packages")
        shutil.copy(CACHE / "asterisk" / "stamp.json", folder / "asterisk")
        monkeypatch.setattr(fetch, "_fetch", lambda *_: pytest.fail("the network was asked"))
        told: list[str] = []
        homes = await asyncio.gather(
            *(fetch.find_or_fetch(folder, progress=lambda what, _: told.append(what)) for _ in range(3))
        )
        assert len(set(homes)) == 1
        assert told.count("Asterisk is here") == 1
        assert homes[0].version.startswith("22.")
        assert fetch.missing_libraries(homes[0]) == set()


async def test_a_log_that_has_grown_is_cut_and_asterisk_writes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT_BYTES", 1000)
    monkeypatch.setattr(process, "LOG_CHECK_S", 0.01)
    async with own_asterisk() as server:
        log = server.settings.run_dir / "log" / "messages"
        with log.open("a") as out:
            out.write("x" * 5000)
        await until(lambda: log.stat().st_size < 1000)
        async with connected(server) as ari:
            _, near = await local_call(ari)
            assert await (await near.play("sound:zh/nobody-recorded-this")).finished() == "failed"
        await until(lambda: "nobody-recorded-this" in log.read_text())
        assert "\0" not in log.read_text()
