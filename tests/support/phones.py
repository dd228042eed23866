"""People on the telephone: a caller, and the telephones of the volunteers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from tests.support.ports import free_port
from tests.support.rtp import RtpPeer
from tests.support.sipp import HOST, Sipp, SippError, SippEvent


class Caller:
    """One person on the telephone: SIPp for the signals, an RtpPeer for the sound.

    async with Caller(sip_port, "13800001234") as caller:
        await caller.answered()
        await caller.rtp.press("2")
    """

    def __init__(self, sip_port: int, number: str, dialled: str = "12348", *, timeout_s: float = 120.0):
        self.rtp = RtpPeer()
        self.sip_port = sip_port
        self.row = (number, dialled)
        self.timeout_s = timeout_s
        self._sipp: Sipp | None = None
        self._call_id: str | None = None

    async def __aenter__(self) -> Self:
        await self.rtp.__aenter__()
        self._sipp = Sipp(
            "caller",
            self.sip_port,
            rows=[self.row],
            calls=1,
            rtp_port=self.rtp.port,
            timeout_s=self.timeout_s,
        )
        try:
            await self._sipp.__aenter__()
        except BaseException:
            await self.rtp.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sipp.__aexit__()
        await self.rtp.__aexit__()

    @property
    def sipp(self) -> Sipp:
        assert self._sipp is not None
        return self._sipp

    async def answered(self, timeout: float = 5.0) -> None:
        """Until 200 OK; from then on sound goes to where its SDP said."""
        event = await self.sipp.wait_event("answered", timeout)
        self._call_id = event.call_id
        self.rtp.remote = (HOST, int(event.rest[0]))

    def hang_up(self) -> None:
        assert self._call_id is not None, "not answered yet"
        self.sipp.hang_up(self._call_id)

    async def ended(self, timeout: float = 10.0) -> str:
        """Until the call is over; "remote" or "local": who hung up."""
        return (await self.sipp.wait_event("ended", timeout)).rest[0]

    async def refused(self, timeout: float = 5.0) -> str:
        """Until the call is refused; the SIP status, such as "404"."""
        return (await self.sipp.wait_event("refused", timeout)).rest[0]


class Phones:
    """The telephones of some volunteers: registered one by one, answered by one SIPp.

    Args:
        users: pairs of user and password.
        scenario: "agents" or "agents_refuse".
        rtp_port: of an RtpPeer; None: SIPp itself, which echoes if `echo`.
    """

    def __init__(
        self,
        sip_port: int,
        users: Sequence[tuple[str, str]],
        *,
        scenario: str = "agents",
        ring_ms: int = 0,
        rtp_port: int | None = None,
        echo: bool = False,
        timeout_s: float = 300.0,
    ):
        self.sip_port = sip_port
        self.users = users
        self.port = free_port()
        self.sipp = Sipp(
            scenario,
            sip_port,
            keys={"ring_ms": str(ring_ms)},
            port=self.port,
            rtp_port=rtp_port,
            echo=echo,
            server=True,
            timeout_s=timeout_s,
        )

    async def __aenter__(self) -> Self:
        await self.register()
        await self.sipp.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sipp.__aexit__()

    async def register(self, expires_s: int = 3600) -> None:
        """From the very port the telephones will listen on: some servers look at the source, not the Contact.

        Raises:
            SippError: somebody was not let in.
        """
        rows = [
            (user, f"[authentication username={user} password={password}]") for user, password in self.users
        ]
        run = Sipp(
            "register",
            self.sip_port,
            rows=rows,
            keys={"expires": str(expires_s)},
            calls=len(rows),
            rate=100,
            port=self.port,
            timeout_s=20,
        )
        async with run:
            result = await run.wait()
        if result.exit_code != 0 or result.succeeded != len(rows):
            raise SippError(result.describe())

    async def rung(self, user: str, timeout: float = 10.0, *, nth: int = 1) -> SippEvent:
        """The nth time that this volunteer's telephone rings."""
        return await self.sipp.wait_event("ringing", timeout, where=lambda e: e.rest[0] == user, nth=nth)
