"""The bridge as ``python -m video.serve`` runs it, but its event loop can be blocked: for 300 ms at each SIGUSR1, with
the interpreter's lock held, as a slow query or a large offer would."""

from __future__ import annotations

import asyncio
import signal
import time

import uvloop

from video import serve

BLOCKED_S = 0.3


def block() -> None:
    until_s = time.monotonic() + BLOCKED_S
    while time.monotonic() < until_s:
        pass


async def run() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, block)
    await serve.run(serve.parse(["--every", "3600"]))


if __name__ == "__main__":
    uvloop.run(run())
