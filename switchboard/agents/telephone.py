"""Serving without a desk: a volunteer calls the service number, gives the PIN, and is called from then on.

    1 take calls    2 pause    0 sign out

Nothing told apart by an unknown caller: a number nobody has, a wrong PIN and a blocked number take the same way, the
same time and end in the same words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from ivr.call import Call
from ivr.dialling import caller_number
from ivr.errors import CallerLeft
from ivr.prompt import ask, key_within, say
from routing.errors import RoutingError
from switchboard.errors import RecordsAway, TooManyTries
from switchboard.web.sessions import Throttle

if TYPE_CHECKING:
    from switchboard.agents.desks import Desks
    from switchboard.records import Records

log = structlog.get_logger(__name__)

TRIES = 3
TRIES_OF_NUMBER = 5
TRIES_OF_CALLER = 15
FIRST_KEY_MS = 6_000
NEXT_KEY_MS = 4_000
MOST_DIGITS = 16
MENU_ROUNDS = 3
OTHER = "*"


class ServiceLine:
    """The service number of one node. Tries are counted by the number claimed and by the number called from."""

    def __init__(self, records: Records, desks: Desks) -> None:
        self._records = records
        self._desks = desks
        self._by_number = Throttle(TRIES_OF_NUMBER)
        self._by_caller = Throttle(TRIES_OF_CALLER)

    async def serve(self, call: Call, caller: str | None) -> None:
        """One call from answer to hang-up. ``caller`` as the trunk says, None when withheld."""
        try:
            async with call.while_connected():
                await call.channel.answer()
                agent = await self._identify(call, caller)
                if agent is None:
                    await say(call, ["goodbye"])
                    return
                await self._menu(call, agent)
        except CallerLeft:
            return
        except (RecordsAway, RoutingError) as error:
            log.warning("service line", error=error.code)
            await say(call, ["system_trouble"])

    async def _identify(self, call: Call, caller: str | None) -> str | None:
        """The volunteer's id, once number and PIN fit; None after three tries."""
        number = caller
        if number is None:
            number = caller_number(await digits(call, ["phone_number"]))
        for _ in range(TRIES):
            pin = await digits(call, ["phone_pin"])
            if pin == OTHER:
                number = caller_number(await digits(call, ["phone_number"]))
                pin = await digits(call, ["phone_pin"])
            agent = await self._check(number, caller, pin)
            if agent is not None:
                await self._records.audit(agent, "phone.sign_in")
                return agent
            await self._records.audit("anonymous", "phone.sign_in", outcome="refused")
            await say(call, ["phone_refused"])
        return None

    async def _check(self, number: str | None, caller: str | None, pin: str) -> str | None:
        """Blocked or not, the PIN is verified, so that a block cannot be told by the time that it takes."""
        keys = (_key(number), _key(caller))
        blocked = False
        for throttle, key in zip((self._by_number, self._by_caller), keys, strict=True):
            try:
                throttle.take(key)
            except TooManyTries:
                blocked = True
        agent = await self._records.phones.verify_pin(number, pin)
        if blocked or agent is None:
            return None
        self._by_number.forget(keys[0])
        self._by_caller.give_back(keys[1])
        return agent

    async def _menu(self, call: Call, agent: str) -> None:
        for _ in range(MENU_ROUNDS):
            key = await ask(call, ["phone_menu"], first_key_ms=FIRST_KEY_MS)
            if key in ("1", "2"):
                await self._desks.serve_by_phone(agent, ready=key == "1")
                await say(call, ["phone_ready" if key == "1" else "phone_paused"])
                return
            if key == "0":
                desk = self._desks.at(agent)
                if desk:
                    await self._desks.sign_out(desk)
                await say(call, ["phone_signed_out"])
                return
        await say(call, ["goodbye"])


async def digits(call: Call, prompts: Sequence[str]) -> str:
    """What is keyed in until # or a pause; ``OTHER`` when the first key is the star; at most ``MOST_DIGITS``."""
    key = await ask(call, prompts, first_key_ms=FIRST_KEY_MS)
    if key == OTHER:
        return OTHER
    keyed = ""
    while key is not None and key != "#" and len(keyed) < MOST_DIGITS:
        keyed += key
        key = await key_within(call, NEXT_KEY_MS)
    return keyed


def _key(number: str | None) -> str:
    return hashlib.sha256((number or "").encode()).hexdigest()
