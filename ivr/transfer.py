"""Handing a call to another hotline: the caller alone, or as a third party in a talk that the volunteer may leave.

What is dialled comes from the hotline's own list of transfers and is made into a dial string by ``ivr.dialling``;
nothing that a browser or a caller says gets further than the choice of one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from ivr.agent_leg import agent_leg
from ivr.ari.bridge import Bridge
from ivr.ari.client import Ari
from ivr.call import Call, Line
from ivr.errors import AriError, LegFailed
from ivr.hotline import Transfer
from ivr.prompt import say


def shown_number(transfer: Transfer, hotline: str, caller: str | None) -> str:
    """The caller id of the new leg: the hotline's number, or the caller's own where the other side needs it."""
    number = caller if transfer.show_caller and caller and caller.removeprefix("+").isdigit() else hotline
    return f"<{number}>"


@asynccontextmanager
async def other_side(
    ari: Ari, endpoint: str, transfer: Transfer, *, leg_id: str, shown: str
) -> AsyncIterator[Line]:
    """Ring the other hotline and give the answered line; hung up at the end. Raises ``LegFailed``."""
    async with agent_leg(ari, endpoint, leg_id=leg_id, caller_id=shown, timeout_ms=transfer.ring_ms) as line:
        yield line


async def put_through(
    call: Call, endpoint: str, transfer: Transfer, *, leg_id: str, shown: str, on_answer: Callable[[], None]
) -> None:
    """Say so, let the caller hear the ringing, join both; returns when the other side has ended the talk.

    Raises ``LegFailed`` when it was not answered: the caller is still here and hears nothing any more.
    """
    await say(call, transfer.prompts)
    async with AsyncExitStack() as held:
        await call.channel.ring()
        try:
            leg = await held.enter_async_context(
                other_side(call.ari, endpoint, transfer, leg_id=leg_id, shown=shown)
            )
        finally:
            if not call.gone.done():
                with suppress(AriError):
                    await call.channel.unring()
        bridge = await held.enter_async_context(
            Bridge.mixing(call.ari, f"{leg_id}-br", outlived_by=call.channel.id)
        )
        await asyncio.gather(bridge.add(call.channel.id), bridge.add(leg.channel.id))
        on_answer()
        await asyncio.shield(leg.gone)


async def found_again(call: Call, leg: Line) -> None:
    """Both talked on while the switchboard was away: wait for the other side's end."""
    async with leg:
        await asyncio.shield(leg.gone)


class ThirdParty:
    """The other hotline in a talk of caller and volunteer: rung, heard by both, stays when the volunteer leaves."""

    def __init__(self, bridge: Bridge, transfer: Transfer) -> None:
        self.transfer = transfer
        self._bridge = bridge
        self._line: Line | None = None
        self._held = AsyncExitStack()

    @property
    def here(self) -> bool:
        return self._line is not None and not self._line.gone.done()

    async def join(self, ari: Ari, endpoint: str, *, leg_id: str, shown: str) -> None:
        """Ring and put into the talk's bridge. Raises ``LegFailed``; the talk goes on as it was."""
        line = await self._held.enter_async_context(
            other_side(ari, endpoint, self.transfer, leg_id=leg_id, shown=shown)
        )
        if not await self._bridge.add(line.channel.id):
            raise LegFailed(0, "the talk has ended meanwhile")
        self._line = line

    async def adopt(self, line: Line) -> None:
        """Whoever is in the bridge already, since before this process."""
        self._line = await self._held.enter_async_context(line)

    async def gone(self) -> None:
        """Until the other side has left."""
        if self._line is not None:
            await asyncio.shield(self._line.gone)

    async def close(self) -> None:
        await self._held.aclose()
