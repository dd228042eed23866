"""A switchboard that died has calls to find again: what only media needs is not loaded before there is any."""

from __future__ import annotations

import asyncio
import sys

from tests.support.asterisk import ROOT

SCRIPT = """
import asyncio, sys
import switchboard.app
from video.bridge import VideoBridge

HEAVY = {"aiortc", "aioice", "av", "numpy", "cffi"}

async def main():
    async with VideoBridge(b"a secret of the tests only, and long enough") as bridge:
        print("before", *sorted(HEAVY & set(sys.modules)))
        bridge.open_room("first")
        await asyncio.to_thread(bridge._identity._preparing.join)
        print("after", *sorted(HEAVY & set(sys.modules)))

asyncio.run(main())
"""


async def test_a_start_loads_what_media_needs_with_the_first_room() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate()
    lines = said.decode().splitlines()
    assert child.returncode == 0, lines
    assert "before" in lines, lines
    (after,) = [line for line in lines if line.startswith("after")]
    assert "aiortc" in after
