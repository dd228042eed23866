"""The one file that knows HTTP and Asterisk's event socket."""

from __future__ import annotations

from typing import Any

import aiohttp

from ivr.errors import Disconnected, from_status


async def probe(url: str, username: str, password: str) -> dict[str, Any]:
    """`GET /asterisk/info` in one HTTP request: is an Asterisk there, which one, since when.

    `url` is the base address without a path. Raises Disconnected when nothing answers within 2 s, Refused
    for a wrong password, NotFound while Asterisk is still loading.
    """
    headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"{url}/ari/asterisk/info") as answer,
        ):
            if answer.status != 200:
                raise from_status(answer.status, answer.reason or "", "GET asterisk/info")
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Disconnected(type(error).__name__, request="GET asterisk/info") from error
