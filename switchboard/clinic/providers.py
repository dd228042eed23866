"""Payment and delivery: narrow interfaces to others, and simulated ones that answer as others do."""

from __future__ import annotations

import hashlib
from typing import Literal, Protocol

PaymentState = Literal["none", "asked", "paid", "refunded"]
DeliveryHow = Literal["courier", "pick_up"]


class Payment(Protocol):
    """Raises OSError when it does not answer."""

    async def ask(self, case: str, fee_fen: int) -> str:
        """The address that a QR code shows to be paid; the same case again is the same payment."""
        ...

    async def is_paid(self, case: str) -> bool: ...


class Courier(Protocol):
    async def send(self, case: str) -> str:
        """The number by which the letter is followed. Raises OSError."""
        ...

    async def is_delivered(self, tracking: str) -> bool: ...


class SimulatedPayment:
    """Everything is paid once ``pay`` was called for it."""

    def __init__(self) -> None:
        self._paid: set[str] = set()

    async def ask(self, case: str, fee_fen: int) -> str:
        return f"https://pay.example/{hashlib.sha256(case.encode()).hexdigest()[:12]}?fen={fee_fen}"

    async def is_paid(self, case: str) -> bool:
        return case in self._paid

    def pay(self, case: str) -> None:
        self._paid.add(case)


class SimulatedCourier:
    def __init__(self) -> None:
        self.delivered: set[str] = set()

    async def send(self, case: str) -> str:
        return f"SIM{int(hashlib.sha256(case.encode()).hexdigest()[:10], 16):012d}"

    async def is_delivered(self, tracking: str) -> bool:
        return tracking in self.delivered
