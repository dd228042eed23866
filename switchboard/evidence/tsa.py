"""A time stamping authority by its address (RFC 3161 over HTTP): one request, bounded in time and size."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from switchboard.evidence.errors import AuthorityUnusable, StampInvalid, StampRefused, StampUnavailable
from switchboard.evidence.stamps import MOST_TOKEN_BYTES, check, request

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class TsaSettings:
    """``url``: http:// or https://. ``roots``: DER, at least one; a stamp under another root is refused.
    ``timeout_s`` bounds the whole exchange."""

    url: str
    roots: Sequence[bytes]
    timeout_s: float = 10.0

    @classmethod
    def read(cls, url: str, roots_file: Path) -> TsaSettings:
        """``roots_file``: PEM, one or more certificates. Raises AuthorityUnusable."""
        try:
            found = x509.load_pem_x509_certificates(roots_file.read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityUnusable(f"the authority's certificates: {type(error).__name__}") from error
        return cls(url, tuple(one.public_bytes(Encoding.DER) for one in found))


def ask(settings: TsaSettings, sha256: bytes) -> bytes:
    """A checked TimeStampToken (DER). Raises StampUnavailable, StampRefused, StampInvalid."""
    nonce, body = request(sha256)
    try:
        answer = _post(settings, body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StampUnavailable(type(error).__name__) from error
    token = _token(answer)
    if not check(token, sha256, settings.roots, nonce=nonce).trusted:
        raise StampInvalid("stamped by somebody else than the authority of the configuration")
    return token


def _post(settings: TsaSettings, body: bytes) -> bytes:
    """No redirection is followed: the address in the configuration is the one that is asked."""
    ends = time.monotonic() + settings.timeout_s
    url = urlsplit(settings.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("the address of the time stamping authority")
    if url.scheme == "https":
        line = http.client.HTTPSConnection(
            url.hostname, url.port, timeout=settings.timeout_s, context=ssl.create_default_context()
        )
    else:
        line = http.client.HTTPConnection(url.hostname, url.port, timeout=settings.timeout_s)
    try:
        path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        line.request("POST", path, body, {"Content-Type": _QUERY, "Accept": _REPLY})
        answer = line.getresponse()
        if answer.status != 200 or answer.headers.get_content_type() != _REPLY:
            raise StampUnavailable(f"HTTP {answer.status}")
        return _body(answer, line, ends)
    finally:
        line.close()


def _body(answer: http.client.HTTPResponse, line: http.client.HTTPConnection, ends: float) -> bytes:
    """Bounded as a whole: an authority that sends a byte now and then must not hold an act for ever."""
    read = bytearray()
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if line.sock is not None:
            line.sock.settimeout(left)
        block = answer.read1(4096)
        if not block:
            return bytes(read)
        read += block
        if len(read) > MOST_TOKEN_BYTES:
            raise StampInvalid("too long")


class _Response(core.Sequence):
    """TimeStampResp (RFC 3161, 2.4.2); asn1crypto's own does not know that a refusal has no token."""

    _fields = [  # noqa: RUF012 - as the library wants it
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def _token(answer: bytes) -> bytes:
    try:
        response: Any = _Response.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise StampRefused(str(status))
        return response["time_stamp_token"].dump()
    except (ValueError, TypeError, KeyError) as error:
        raise StampInvalid(type(error).__name__) from error
