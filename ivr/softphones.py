"""Volunteers' phones in Asterisk: made when a desk opens, gone when it closes.

A phone is three objects of Asterisk's SIP stack (auth, aor, endpoint), pushed over ARI and kept in
Asterisk's memory only (see `asterisk_conf/sorcery.conf`): nothing is written, nothing is reloaded, and a
password is never on a disk. After a restart of Asterisk they are gone: provision again when
`Reconciled.restarted` says so.

A phone can call nobody. Its dialplan context is empty; every call to it is made by us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from ivr.ari.client import Ari, segment
from ivr.errors import NotFound, UnfitName

Kind = Literal["browser", "sip"]

# A letter first: the trunk's callers are known by the number in From, which must never be the name of a
# phone.
_FIT = re.compile(r"(?!trunk(-|$))[a-z][a-z0-9_-]{0,39}")

_COMMON = {
    "context": "agents-out",
    "identify_by": "auth_username,username",
    "direct_media": "no",
    "allow_transfer": "no",
    "allow_subscribe": "no",
    "rewrite_contact": "yes",
    "force_rport": "yes",
    "rtp_symmetric": "yes",
    "dtmf_mode": "rfc4733",
    "max_video_streams": "0",
}
_BY_KIND: Mapping[Kind, Mapping[str, str]] = {
    # webrtc=yes means DTLS-SRTP with a fingerprint that is checked, ICE, and RTCP on the same port.
    "browser": {
        "transport": "ws",
        "webrtc": "yes",
        "dtls_auto_generate_cert": "yes",
        "allow": "!all,opus,alaw",
        # A killed browser says no good-bye: without this its channel would stay for ever.
        "rtp_timeout": "10",
        "rtp_timeout_hold": "600",
    },
    "sip": {"transport": "udp", "allow": "!all,alaw,ulaw", "rtp_timeout": "30", "rtp_timeout_hold": "600"},
}
_AOR: Mapping[Kind, Mapping[str, str]] = {
    "browser": {"minimum_expiration": "30", "default_expiration": "120", "maximum_expiration": "600"},
    # A desk telephone that loses power is noticed by asking it; a browser by the end of its socket.
    "sip": {
        "minimum_expiration": "30",
        "default_expiration": "120",
        "maximum_expiration": "3600",
        "qualify_frequency": "30",
    },
}


def dial_string(agent_id: str) -> str:
    """What to give `Channel.originate` to call this volunteer's phone. Raises UnfitName."""
    if not _FIT.fullmatch(agent_id):
        raise UnfitName(
            "An agent id is a small letter and up to 39 small letters, digits, - or _; not 'trunk' or 'trunk-...'."
        )
    return f"PJSIP/{agent_id}"


async def provision(ari: Ari, agent_id: str, password: str, kind: Kind = "browser") -> None:
    """Let a phone register as `agent_id` with this password; an earlier password and kind end.

    One phone at a time: a second one that registers takes the first one's place. Doing it twice changes
    nothing. Raises UnfitName for an id no phone may have, AriError when Asterisk refuses.
    """
    dial_string(agent_id)
    if not password:
        raise UnfitName("A phone needs a password.")
    await _put(ari, "auth", agent_id, {"auth_type": "userpass", "username": agent_id, "password": password})
    await _put(ari, "aor", agent_id, {"max_contacts": "1", "remove_existing": "yes", **_AOR[kind]})
    endpoint = {**_COMMON, **_BY_KIND[kind], "auth": agent_id, "aors": agent_id}
    await _put(ari, "endpoint", agent_id, endpoint)


async def remove(ari: Ari, agent_id: str) -> bool:
    """Take the phone away; a call on it goes on. False when there was none."""
    dial_string(agent_id)
    there = False
    for kind in ("endpoint", "aor", "auth"):
        try:
            await ari.request("DELETE", _path(kind, agent_id))
            there = True
        except NotFound:
            continue
    return there


async def online(ari: Ari, agent_id: str) -> bool:
    """Whether a phone is registered as this agent now. Changes are told by EndpointStateChange."""
    dial_string(agent_id)
    try:
        endpoint = await ari.request("GET", f"endpoints/PJSIP/{segment(agent_id)}")
    except NotFound:
        return False
    return endpoint["state"] == "online"


async def _put(ari: Ari, kind: str, agent_id: str, fields: Mapping[str, str]) -> None:
    body = {"fields": [{"attribute": name, "value": value} for name, value in fields.items()]}
    await ari.request("PUT", _path(kind, agent_id), body=body)


def _path(kind: str, agent_id: str) -> str:
    return f"asterisk/config/dynamic/res_pjsip/{kind}/{segment(agent_id)}"
