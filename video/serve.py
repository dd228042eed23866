"""``python -m video.serve``: the bridge alone, for trying it out and for load tests. Prints its ports, then its counts.

The secret that tokens are signed with comes from the environment variable VIDEO_SECRET, or is made and printed.
"""

import argparse
import asyncio
import json
import os
import secrets
from collections.abc import Sequence

import uvloop

from video.bridge import VideoBridge
from video.signalling import serve


async def run(arguments: argparse.Namespace) -> None:
    secret = os.environ.get("VIDEO_SECRET") or secrets.token_hex(32)
    async with VideoBridge(secret.encode(), arguments.host, arguments.udp, arguments.announce) as bridge:
        runner = await serve(bridge, arguments.http_host, arguments.http)
        try:
            facts = {"udp": bridge.port.number, "http": runner.addresses[0][1]}
            if "VIDEO_SECRET" not in os.environ:
                facts["secret"] = secret
            print(json.dumps(facts), flush=True)
            while True:
                await asyncio.sleep(arguments.every)
                print(json.dumps(bridge.counts()), flush=True)
                bridge.events.drain()
        finally:
            await runner.cleanup()


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="UDP address to bind")
    parser.add_argument("--udp", type=int, default=0, help="UDP port, 0 for a free one")
    parser.add_argument("--announce", action="append", default=[], help="address told to pages")
    parser.add_argument("--http-host", default="127.0.0.1")
    parser.add_argument("--http", type=int, default=0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between counts")
    return parser.parse_args(words)


def main() -> None:
    uvloop.run(run(parse()))


if __name__ == "__main__":
    main()
