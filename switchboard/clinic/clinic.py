"""``Clinic``: all that the rest of the switchboard asks of what is done at a clinic beside the talk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from switchboard.calendar import Calendar
from switchboard.clinic.acts import Acts, Identities
from switchboard.clinic.agreements import texts
from switchboard.clinic.bookings import Bookings
from switchboard.clinic.cases import Cases
from switchboard.clinic.catalogue import Catalogue, load_catalogue
from switchboard.clinic.mediations import Mediations
from switchboard.clinic.passes import Passes
from switchboard.clinic.providers import Courier, Payment, SimulatedCourier, SimulatedPayment
from switchboard.clinic.registers import Registers, simulated_registers
from switchboard.errors import RecordsAway
from switchboard.records.store import Records
from switchboard.sending import Sender
from switchboard.times import now_ms

log = structlog.get_logger(__name__)

TICK_S = 20.0


class Clinic:
    """``secret`` makes the passes; ``calendar`` gives the one in force; ``sender`` None: nobody is reminded."""

    def __init__(
        self,
        records: Records,
        secret: str,
        calendar: Callable[[], Calendar],
        sender: Sender | None,
        *,
        catalogue: Catalogue | None = None,
        registers: Registers | None = None,
        payment: Payment | None = None,
        courier: Courier | None = None,
    ) -> None:
        self.records = records
        self.catalogue = catalogue or load_catalogue()
        self.passes = Passes(secret)
        self.cases = Cases(records.database)
        self.bookings = Bookings(records, self.cases, calendar, sender)
        self.identities = Identities(self.passes, calendar)
        self.acts = Acts(
            self.cases,
            self.catalogue,
            self.identities,
            registers or Registers(simulated_registers()),
            payment or SimulatedPayment(),
            courier or SimulatedCourier(),
        )
        self.mediations = Mediations(records, self.cases, self.identities, texts(), calendar)

    async def run(self) -> None:
        """For as long as the node runs: what the clock does to open cases."""
        while True:
            try:
                await self.tick(now_ms())
            except RecordsAway:
                pass  # looked at again in a moment
            except Exception as error:
                log.error("the clinic's clock failed", error=type(error).__name__)
            await asyncio.sleep(TICK_S)

    async def tick(self, at_ms: int) -> None:
        await self.bookings.tick(at_ms)
        await self.acts.tick(at_ms)
        await self.mediations.tick(at_ms)

    async def close(self) -> None:
        """A question to a register that is under way is asked again by the next start."""
        await self.acts.close()
