"""How little the running Asterisk can do: its user, its modules, its endpoints, its open ports."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from ivr.ari.client import Ari
from ivr.errors import AriError, AsteriskFailed
from ivr.server.config import ServerOptions, modules_in_use
from ivr.server.process import AsteriskServer
from tests.support.asterisk import new_server, own_asterisk, short_folder
from tests.support.calls import connected

DANGEROUS = ("SHELL(id)", "FILE(/etc/passwd)", "ENV(PATH)", "DB(a/b)", "CURL(http://127.0.0.1)")


async def test_the_running_asterisk_holds_only_what_is_in_use(asterisk: AsteriskServer) -> None:
    async with connected(asterisk) as ari:
        loaded = {module["name"] for module in await ari.request("GET", "asterisk/modules")}
        # What has no file of its own is built into Asterisk.
        assert {name for name in loaded if name.endswith(".so")} == set(modules_in_use())
        for name in (
            "app_system.so",
            "func_shell.so",
            "func_env.so",
            "res_agi.so",
            "pbx_spool.so",
            "chan_iax2.so",
        ):
            assert name not in loaded
        endpoints = {endpoint["resource"] for endpoint in await ari.request("GET", "endpoints")}
        assert endpoints <= {"trunk"}  # a phone is pushed while its desk is open; nobody is anonymous
        for variable in DANGEROUS:
            assert not await _value(ari, variable), variable


async def _value(ari: Ari, variable: str) -> str:
    """What the application is told of a variable or function; nothing where it is refused."""
    try:
        answer = await ari.request("GET", "asterisk/variable", query={"variable": variable})
    except AriError:
        return ""
    return answer["value"]


async def test_only_sip_and_the_loopback_http_are_listened_on(asterisk: AsteriskServer) -> None:
    ports = asterisk.settings.ports
    assert asterisk.pid is not None
    listening = {port for host, port in _listening(asterisk.pid) if host}
    assert listening == {ports.sip, ports.http}


def _listening(pid: int) -> set[tuple[str, int]]:
    """Addresses (hexadecimal) and TCP ports that a process listens on."""
    sockets: set[str] = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed while we look
            sockets.add(os.readlink(entry))
    found: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and f"socket:[{parts[9]}]" in sockets:
                host, _, port = parts[1].rpartition(":")
                found.add((host, int(port, 16)))
    return found


async def test_started_by_root_it_is_a_user_without_rights() -> None:
    """Started by anybody else it stays who we are."""
    with short_folder() as folder:
        folder.chmod(0o755)
        async with new_server(
            folder, ServerOptions(run_as="nobody" if os.geteuid() == 0 else None)
        ) as server:
            owner, rights = _identity(server.pid or 0)
            if os.geteuid() == 0:
                assert owner != 0
                assert int(rights, 16) == 0
            else:
                assert owner == os.geteuid()
            async with connected(server) as ari:
                assert (await ari.request("GET", "asterisk/info"))["system"]["entity_id"]


def _identity(pid: int) -> tuple[int, str]:
    """User and effective rights (hexadecimal) of a process."""
    lines = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return int(lines["Uid"].split()[1]), lines["CapEff"]


async def test_a_user_that_there_is_not_is_refused_in_words() -> None:
    if os.geteuid() != 0:
        async with own_asterisk(ServerOptions(run_as="nobody-of-this-name")) as server:
            assert server.ready
        return
    with pytest.raises(AsteriskFailed, match="nobody-of-this-name"):
        async with own_asterisk(ServerOptions(run_as="nobody-of-this-name")):
            pass
