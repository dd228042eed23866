"""What opens a case for a person without an account: made from the server's secret, so that nothing has to be kept.

A pass is ``case~party~digest``. Making it again gives the same one; whoever has it may do what that party may do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORM = re.compile(r"([A-Za-z0-9-]{4,40})~([a-z0-9-]{1,20})~([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Pass:
    case: str
    party: str


class Passes:
    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"clinic pass\0" + secret.encode()).digest()

    def make(self, case: str, party: str = "p1") -> str:
        return f"{case}~{party}~{self._digest(case, party)}"

    def read(self, given: str) -> Pass | None:
        """None for what we did not make."""
        found = _FORM.fullmatch(given)
        if found is None or not hmac.compare_digest(found[3], self._digest(found[1], found[2])):
            return None
        return Pass(found[1], found[2])

    def _digest(self, case: str, party: str) -> str:
        made = hmac.digest(self._key, f"{case}~{party}".encode(), "sha256")
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    def hash_of(self, secret: str) -> str:
        """A keyed digest to compare by: identity numbers are few enough to be tried one after the other."""
        return hmac.digest(self._key, b"number\0" + secret.encode(), "sha256").hex()

    def seal(self, text: str, bound_to: str) -> str:
        """AES-256-GCM; it opens only for the case or person that it is bound to."""
        nonce = os.urandom(12)
        closed = AESGCM(self._key).encrypt(nonce, text.encode(), bound_to.encode())
        return base64.b64encode(nonce + closed).decode()

    def unseal(self, sealed: str, bound_to: str) -> str | None:
        """None when it was changed, or belongs to something else."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return AESGCM(self._key).decrypt(raw[:12], raw[12:], bound_to.encode()).decode()
        except (ValueError, InvalidTag):
            return None
