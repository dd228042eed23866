"""Credentials for the TURN relay, made for each page and good for an hour (TURN REST API, as coturn's
``use-auth-secret`` checks them): no password of the relay ever lies in a page or a file.

https://datatracker.ietf.org/doc/html/draft-uberti-behave-turn-rest-00
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Sequence
from hashlib import sha1, sha256
from typing import Any


def ice_servers(
    urls: Sequence[str], secret: str, lasts_s: int, *, now_s: Callable[[], float] = time.time
) -> Callable[[str], list[dict[str, Any]]]:
    """What a page of this person is told as ``iceServers``; the relay learns when it ends and not who it is."""

    def servers(person: str) -> list[dict[str, Any]]:
        who = sha256(f"{secret}\0{person}".encode()).hexdigest()[:16]
        name = f"{int(now_s()) + lasts_s}:{who}"
        signed = hmac.digest(secret.encode(), name.encode(), sha1)  # the scheme's own choice of hash
        return [{"urls": list(urls), "username": name, "credential": base64.b64encode(signed).decode()}]

    return servers
