"""The volunteer's leg: made only after the reservation was accepted, never tied to the caller's channel.

A volunteer who hangs up ends the talk, not the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ivr.ari.channel import Channel
from ivr.ari.client import Ari
from ivr.call import Line
from ivr.errors import AriError, LegFailed

LATE_S = 2.0


@asynccontextmanager
async def agent_leg(
    ari: Ari, endpoint: str, *, leg_id: str, caller_id: str, timeout_ms: int
) -> AsyncIterator[Line]:
    """Ring the volunteer's phone and give the answered line; it is hung up at the end.

    ``endpoint`` is made by the server from an allow-list, never by a browser. Raises ``LegFailed`` with Asterisk's
    hang-up cause when the phone is not registered, does not answer in ``timeout_ms``, or refuses.
    """
    async with Line(ari, Channel(ari, leg_id)) as line:
        try:
            await Channel.originate(
                ari,
                endpoint,
                id=leg_id,
                caller_id=caller_id,
                timeout_s=max(1, timeout_ms // 1000),
                app_args=("agent",),
            )
        except AriError as error:
            line.mark_gone(0)
            raise LegFailed(0, f"the phone could not be rung: {error.code}") from error
        await _answered(line, timeout_ms / 1000 + LATE_S)
        yield line


async def _answered(line: Line, patience_s: float) -> None:
    up = asyncio.create_task(line.entered.wait())
    try:
        await asyncio.wait({up, line.gone}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
    if line.gone.done():
        raise LegFailed(line.gone.result(), "the phone did not answer")
    if not line.entered.is_set():
        raise LegFailed(0, "the phone did not answer in time")


async def standing_legs(ari: Ari, prefix: str) -> list[Channel]:
    """The legs whose channel id begins with ``prefix`` and that are up in Asterisk now."""
    channels = await ari.request("GET", "channels")
    return [
        Channel(ari, raw["id"]) for raw in channels if raw["id"].startswith(prefix) and raw["state"] == "Up"
    ]
