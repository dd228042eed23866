"""``python -m video.serve``: the bridge alone, for trying it out and for load tests. Prints its ports, then its counts.

The secret that tokens are signed with comes from the environment variable VIDEO_SECRET, or is made and printed. With
``--state FILE`` the rooms are kept in that file, and made again from it at the next start.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
from contextlib import suppress
from pathlib import Path

import structlog
import uvloop

from video.bridge import VideoBridge
from video.errors import StateUnreadable
from video.signalling import serve

log = structlog.get_logger(__name__)

KEEP_EVERY_S = 0.25


async def run(arguments: argparse.Namespace) -> None:
    secret = os.environ.get("VIDEO_SECRET") or secrets.token_hex(32)
    async with VideoBridge(secret.encode(), arguments.host, arguments.udp, arguments.announce) as bridge:
        if arguments.state is not None:
            restore(bridge, arguments.state)
        runner = await serve(bridge, arguments.http_host, arguments.http)
        keeping = asyncio.create_task(_keep(bridge, arguments.state)) if arguments.state else None
        try:
            facts = {"udp": bridge.port.number, "http": runner.addresses[0][1]}
            if "VIDEO_SECRET" not in os.environ:
                facts["secret"] = secret
            print(json.dumps(facts), flush=True)
            await _tell(bridge, arguments.every)
        finally:
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
            await runner.cleanup()


async def _tell(bridge: VideoBridge, every_s: float) -> None:
    """Counts now and then, until the process is asked to end."""
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    while not stopping.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await stopping.wait()
        print(json.dumps(bridge.counts()), flush=True)
        bridge.events.drain()


def restore(bridge: VideoBridge, path: Path) -> None:
    """The rooms of this file; none where there is no file or it is none of ours."""
    try:
        bridge.restore(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, StateUnreadable) as error:
        log.error("the kept rooms cannot be read", error=type(error).__name__)


def keep(bridge: VideoBridge, path: Path) -> None:
    """Write all rooms to this file, whole or not at all. Raises OSError."""
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(bridge.state(), file, ensure_ascii=False)
    part.replace(path)


async def _keep(bridge: VideoBridge, path: Path) -> None:
    while True:
        await asyncio.sleep(KEEP_EVERY_S)
        try:
            keep(bridge, path)
        except OSError as error:
            log.error("the rooms cannot be kept", error=error.strerror)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="UDP address to bind")
    parser.add_argument("--udp", type=int, default=0, help="UDP port, 0 for a free one")
    parser.add_argument("--announce", action="append", default=[], help="address told to pages")
    parser.add_argument("--http-host", default="127.0.0.1")
    parser.add_argument("--http", type=int, default=0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between counts")
    parser.add_argument("--state", type=Path, help="file in which the rooms are kept over restarts")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
