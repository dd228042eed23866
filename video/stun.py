"""Connectivity checks: what an ICE-lite side reads of one, and its answer (RFC 8489; RFC 8445, section 7.3).

Each peer sends one every two seconds, and 200 viewers a hundred a second: aioice, which reads every attribute there is,
took a quarter of the event loop's time for it. Tests hold the two against each other. Any bytes are safe here.
"""

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct
from zlib import crc32

_HEAD = 20
_ATTRIBUTE = Struct("!HH")
_COOKIE = 0x2112A442
_RESPONSE = b"\x01\x01"
_INTEGRITY, _MAPPED, _USE_CANDIDATE, _FINGERPRINT = 0x0008, 0x0020, 0x0025, 0x8028
_SIGNATURE_BYTES, _FINGERPRINT_BYTES = 24, 8
_FINGERPRINT_MASK = 0x5354554E


@dataclass(frozen=True, slots=True)
class Check:
    """A binding request; nothing of it is proven before ``is_signed_with``."""

    transaction: bytes
    nominates: bool
    signed: bytes
    signature: bytes

    def is_signed_with(self, password: bytes) -> bool:
        return hmac.compare_digest(self.signature, hmac.digest(password, self.signed, "sha1"))


def read_check(data: bytes) -> Check | None:
    """None when it is malformed. ``video.guard.username_of`` has looked at header and length already."""
    at, signed, signature, nominates = _HEAD, b"", b"", False
    while at + 4 <= len(data):
        name, length = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + 4 : at + 4 + length]
        if len(value) != length:
            return None
        if name == _FINGERPRINT:
            if value != _fingerprint(data[:at]):
                return None
        elif signature:
            pass  # nobody's word: RFC 8489, section 14.5
        elif name == _INTEGRITY:
            signed, signature = _sized(data[:at], _SIGNATURE_BYTES), value
        elif name == _USE_CANDIDATE:
            nominates = True
        at += 4 + length + (-length % 4)
    return Check(data[8:_HEAD], nominates, signed, signature)


def answer(check: Check, password: bytes, host: str, port: int) -> bytes:
    """Says from where the check came, signed."""
    ip = ip_address(host)
    mask = _COOKIE.to_bytes(4, "big") + check.transaction
    where = bytes(one ^ other for one, other in zip(ip.packed, mask, strict=False))
    family = 1 if ip.version == 4 else 2
    value = family.to_bytes(2, "big") + (port ^ _COOKIE >> 16).to_bytes(2, "big") + where
    data = _RESPONSE + b"\0\0" + mask + _ATTRIBUTE.pack(_MAPPED, len(value)) + value
    data = _sized(data, _SIGNATURE_BYTES)
    data += _ATTRIBUTE.pack(_INTEGRITY, 20) + hmac.digest(password, data, "sha1")
    fingerprint = _fingerprint(data)
    return _sized(data, _FINGERPRINT_BYTES) + _ATTRIBUTE.pack(_FINGERPRINT, 4) + fingerprint


def _sized(data: bytes, more: int) -> bytes:
    """With the length as it is when so many bytes follow."""
    return data[:2] + (len(data) - _HEAD + more).to_bytes(2, "big") + data[4:]


def _fingerprint(before: bytes) -> bytes:
    return (crc32(_sized(before, _FINGERPRINT_BYTES)) ^ _FINGERPRINT_MASK).to_bytes(4, "big")
