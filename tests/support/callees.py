"""Callers at home: the telephones behind the trunk, which the switchboard calls back."""

from __future__ import annotations

import json
from typing import Self

from tests.support.ports import free_port
from tests.support.rtp import RtpPeer
from tests.support.sipp import HOST, Sipp, SippEvent


class Callee:
    """Every number behind the trunk, one call at a time: rings, answers (or is busy), hears and presses keys.

    async with Callee() as home, Switchboard(env={"TRUNKS": home.trunks}) as switchboard: ...

    Args:
        scenario: "agents" answers after ``ring_ms``, "agents_refuse" is busy.
    """

    def __init__(self, *, scenario: str = "agents", ring_ms: int = 0) -> None:
        self.rtp = RtpPeer()
        self.port = free_port()
        self._scenario, self._ring_ms = scenario, ring_ms
        self._sipp: Sipp | None = None

    @property
    def trunks(self) -> str:
        """SWITCHBOARD_TRUNKS with one trunk whose calls to the outside come here."""
        return json.dumps([{"addresses": [f"{HOST}/32"], "host": HOST, "port": self.port}])

    async def __aenter__(self) -> Self:
        await self.rtp.__aenter__()
        self._sipp = Sipp(
            self._scenario,
            free_port(),
            keys={"ring_ms": str(self._ring_ms)},
            port=self.port,
            rtp_port=self.rtp.port,
            server=True,
            timeout_s=600.0,
        )
        await self._sipp.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sipp.__aexit__()
        await self.rtp.__aexit__()

    @property
    def sipp(self) -> Sipp:
        assert self._sipp is not None
        return self._sipp

    async def rung(self, timeout: float = 15.0, *, nth: int = 1) -> SippEvent:
        """The nth time the telephone rings; ``rest`` is the number called and who calls."""
        return await self.sipp.wait_event("ringing", timeout, nth=nth)

    async def answered(self, timeout: float = 15.0, *, nth: int = 1) -> SippEvent:
        """The nth time it is answered; from then on sound goes there."""
        event = await self.sipp.wait_event("answered", timeout, nth=nth)
        self.rtp.remote = (HOST, int(event.rest[0]))
        return event

    async def ended(self, timeout: float = 15.0, *, nth: int = 1) -> SippEvent:
        return await self.sipp.wait_event("ended", timeout, nth=nth)

    def rings(self) -> int:
        """How often it has rung so far."""
        return sum(event.kind == "ringing" for event in self.sipp.read_events())

    def hang_up(self, call_id: str) -> None:
        self.sipp.hang_up(call_id)
