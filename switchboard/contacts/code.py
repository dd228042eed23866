"""Dialling back in: a caller with the code of an open message or call-back is put ahead.

Guessing is kept slow: a caller has a few wrong codes an hour, and so have all callers together.
"""

from __future__ import annotations

from collections import deque

from ivr.call import Call
from ivr.intake import CODE_LENGTH
from ivr.prompt import say
from switchboard.contacts.contact import Contact
from switchboard.times import steady_ms

HOUR_MS = 3_600_000
MOST_WRONG, MOST_WRONG_OF_ALL = 5, 200
MOST_CALLERS = 10_000


class WrongCodes:
    """How many wrong codes came within the last hour, by caller."""

    def __init__(self) -> None:
        self._by_caller: dict[str, deque[int]] = {}
        self._all: deque[int] = deque(maxlen=MOST_WRONG_OF_ALL)

    def too_many(self, caller: str) -> bool:
        """Whether no more codes are looked up for now. Withheld numbers count as one caller."""
        mine = self._by_caller.get(caller, deque())
        since = steady_ms() - HOUR_MS
        return sum(at > since for at in mine) >= MOST_WRONG or (
            len(self._all) == MOST_WRONG_OF_ALL and self._all[0] > since
        )

    def count(self, caller: str) -> None:
        if len(self._by_caller) >= MOST_CALLERS:
            self._by_caller.pop(next(iter(self._by_caller)))
        self._by_caller.setdefault(caller, deque(maxlen=MOST_WRONG)).append(steady_ms())
        self._all.append(steady_ms())


async def take_code(call: Call, contact: Contact, code: str) -> bool:
    """The caller keyed in a code. True when it belongs to an open contact: this call is linked to it, ahead of the
    others, and needs no menu. A wrong one is answered kindly, and the menu goes on."""
    house = contact.house
    caller = contact.caller or "withheld"
    found = None
    if len(code) == CODE_LENGTH and not house.wrong_codes.too_many(caller):
        found = await house.records.open_by_code(code)
        if found is None:
            house.wrong_codes.count(caller)
    if found is None:
        await say(call, ["code_wrong"])
        return False
    contact.link(found)
    call.language = contact.language
    await say(call, ["code_found"])
    return True
