"""A village behind a line that can be cut and made narrow: two network namespaces, a router and a browser's.

::

    the house 10.77.N.1 -- 10.77.N.2  router  10.78.N.1 -- 10.78.N.2  the browser

The router drops everything without a word while the line is cut (as a mast without power does), and shapes both
directions with a token bucket. Needs root and the right to make namespaces.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


class NoNamespaces(RuntimeError):
    """This machine lets nobody make network namespaces."""


async def run(*command: str) -> None:
    """Raises NoNamespaces with what it said."""
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await child.communicate()
    if child.returncode:
        raise NoNamespaces(f"{' '.join(command)}: {said.decode().strip()}")


@dataclass
class Village:
    """``address`` is the house as the village sees it; ``browser`` is a command that starts Chromium there."""

    number: int
    router: int
    village: int
    browser: Path

    @property
    def address(self) -> str:
        return f"10.77.{self.number}.1"

    async def _at_router(self, *command: str) -> None:
        await run("nsenter", "-t", str(self.router), "-n", *command)

    async def cut(self) -> None:
        """From now on nothing passes, and nobody is told."""
        await self._at_router("sysctl", "-qw", "net.ipv4.ip_forward=0")

    async def mend(self) -> None:
        await self._at_router("sysctl", "-qw", "net.ipv4.ip_forward=1")

    async def narrow(self, down_kbit: int, up_kbit: int, queue_ms: int = 600) -> None:
        """So many kbit/s towards the village and from it; packets that would wait for longer are lost."""
        for device, rate in (("r1", down_kbit), ("r0", up_kbit)):
            await self._at_router(
                *("tc", "qdisc", "replace", "dev", device, "root", "tbf"),
                *("rate", f"{rate}kbit", "burst", "3000", "latency", f"{queue_ms}ms"),
            )

    async def widen(self) -> None:
        for device in ("r0", "r1"):
            await self._at_router("tc", "qdisc", "del", "dev", device, "root")


@asynccontextmanager
async def village(folder: Path) -> AsyncIterator[Village]:
    """Raises NoNamespaces where none can be made."""
    if os.geteuid() != 0:
        raise NoNamespaces("not root")
    number = 1 + secrets.randbelow(250)
    holders = [await _namespace(), await _namespace()]
    try:
        router, inside = (holder.pid for holder in holders)
        host, far = f"vr{number}", f"vp{number}"
        await run("ip", "link", "add", host, "type", "veth", "peer", "name", "r0", "netns", str(router))
        in_router = ("nsenter", "-t", str(router), "-n")
        in_village = ("nsenter", "-t", str(inside), "-n")
        await run(*in_router, "ip", "link", "add", "r1", "type", "veth", "peer", "name", far)
        await run(*in_router, "ip", "link", "set", far, "netns", str(inside))
        await run("ip", "addr", "add", f"10.77.{number}.1/30", "dev", host)
        await run("ip", "link", "set", host, "up")
        await run("ip", "route", "add", f"10.78.{number}.0/30", "via", f"10.77.{number}.2")
        for device, address in (("r0", f"10.77.{number}.2/30"), ("r1", f"10.78.{number}.1/30")):
            await run(*in_router, "ip", "addr", "add", address, "dev", device)
            await run(*in_router, "ip", "link", "set", device, "up")
        await run(*in_village, "ip", "addr", "add", f"10.78.{number}.2/30", "dev", far)
        await run(*in_village, "ip", "link", "set", far, "up")
        await run(*in_village, "ip", "link", "set", "lo", "up")
        await run(*in_village, "ip", "route", "add", "default", "via", f"10.78.{number}.1")
        browser = folder / "chromium-in-the-village"
        browser.write_text(f'#!/bin/sh\nexec nsenter -t {inside} -n /usr/bin/chromium "$@"\n')
        browser.chmod(0o755)
        made = Village(number, router, inside, browser)
        await made.mend()
        yield made
    finally:
        for holder in holders:
            holder.terminate()
            await holder.wait()
        with suppress(NoNamespaces):  # a namespace takes its devices along, a little later
            await run("ip", "link", "del", f"vr{number}")


async def _namespace() -> asyncio.subprocess.Process:
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "-n", "sh", "-c", "echo there; exec sleep 3600"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if holder.stdout is None or await holder.stdout.readline() != b"there\n":
        raise NoNamespaces("unshare -n is not allowed")
    return holder
