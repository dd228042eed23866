"""coturn from Debian with the very options of docker-compose.yml; addresses, ports and files are the test's own."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.asterisk import ROOT
from tests.support.ports import free_port, free_range

PATIENCE_S = 20.0
SECRET = "shared with the relay of the tests"
_RELAYS = 60
_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}")


@dataclass(frozen=True)
class Relay:
    """Where it listens; ``log`` is what it said."""

    address: str
    port: int
    log: Path

    def url(self, transport: str) -> str:
        return f"turn:{self.address}:{self.port}?transport={transport}"


def composed(**variables: str) -> list[str]:
    """The options that docker-compose.yml gives coturn. Raises KeyError for a variable that is not given."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    service = text.split("\n  coturn:\n", 1)[1].split("\nvolumes:", 1)[0]
    options = re.findall(r"^ +- (--\S.*)$", service, re.MULTILINE)
    return [_VARIABLE.sub(lambda found: variables[found[1]], option) for option in options]


@asynccontextmanager
async def relay(address: str, folder: Path) -> AsyncIterator[Relay]:
    """``address`` is this machine's and PUBLIC_ADDRESS in one: where the relay listens, and all that it sends to."""
    port, (first, last) = free_port(), free_range(_RELAYS)
    own = {"listening-port": port, "min-port": first, "max-port": last}
    options = composed(TURN_SECRET=SECRET, PUBLIC_NAME="turn.example", PUBLIC_ADDRESS=address)
    options = [one for one in options if one.partition("=")[0].removeprefix("--") not in own]
    options += [f"--{name}={value}" for name, value in own.items()]
    options += [f"--listening-ip={address}", f"--pidfile={folder}/turn.pid", f"--userdb={folder}/turn.db"]
    log = folder / "coturn.log"
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            _program(), "-n", *options, stdout=out, stderr=asyncio.subprocess.STDOUT, cwd=folder
        )
    try:
        await _listens(child, address, port, log)
        yield Relay(address, port, log)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _listens(child: asyncio.subprocess.Process, address: str, port: int, log: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if child.returncode is not None:
                raise RuntimeError(f"coturn ended, see {log}")
            try:
                _, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


def _program() -> str:
    program = shutil.which("turnserver")
    if program is None:
        raise RuntimeError("for this test: apt-get install coturn")
    return program


def own_address() -> str:
    """This machine's address in its network, or loopback where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]
