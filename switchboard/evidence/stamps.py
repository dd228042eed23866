"""RFC 3161 time stamps: the local authority's answer, and the check of anybody's.

A stamp says: this digest existed at that moment, and it is signed by a certificate made for stamps alone. ``check``
looks at the imprint, the nonce where one was sent, the signature with its signed attributes, the certificate's purpose
and its chain at the moment of the stamp; it asks nobody, so a withdrawn certificate is not noticed.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp, x509

from switchboard.evidence.authority import LocalAuthority, has_low_s
from switchboard.evidence.errors import StampInvalid

LOCAL_POLICY = "2.25.12348"
"""The policy under which the local authority stamps: this machine's clock, no more (an arc that needs no registry)."""

MOST_TOKEN_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Stamp:
    """A checked stamp. ``at``: what it says, UTC. ``authority``: SHA-256 of the root's certificate, hexadecimal.
    ``trusted``: the root is one of those given."""

    at: datetime
    authority: str
    signer: str
    trusted: bool


def request(sha256: bytes) -> tuple[int, bytes]:
    """(nonce, TimeStampReq as DER) for a SHA-256 digest."""
    if len(sha256) != 32:
        raise ValueError("a SHA-256 digest has 32 bytes")
    nonce = secrets.randbits(63) | 1
    asked = tsp.TimeStampReq(
        {"version": 1, "message_imprint": _imprint(sha256), "nonce": nonce, "cert_req": True}
    )
    return nonce, asked.dump()


def _imprint(sha256: bytes) -> tsp.MessageImprint:
    return tsp.MessageImprint(
        {"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}), "hashed_message": sha256}
    )


def answer_locally(authority: LocalAuthority, sha256: bytes, nonce: int | None = None) -> bytes:
    """A TimeStampToken (DER) of the local authority at this machine's clock."""
    if len(sha256) != 32:
        raise ValueError("a SHA-256 digest has 32 bytes")
    facts = {
        "version": 1,
        "policy": LOCAL_POLICY,
        "message_imprint": _imprint(sha256),
        "serial_number": secrets.randbits(63) | 1,
        "gen_time": core.GeneralizedTime(datetime.now(UTC)),
        "tsa": x509.GeneralName("directory_name", x509.Certificate.load(authority.stamps.der).subject),
    }
    if nonce is not None:
        facts["nonce"] = nonce
    info = tsp.TSTInfo(facts).dump()
    return _signed(authority, info)


def _signed(authority: LocalAuthority, info: bytes) -> bytes:
    certificate = x509.Certificate.load(authority.stamps.der)
    root = x509.Certificate.load(authority.root.der)
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    essential = tsp.ESSCertIDv2(
        {"hash_algorithm": sha256, "cert_hash": hashlib.sha256(authority.stamps.der).digest()}
    )
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(info).digest()]}),
            cms.CMSAttribute(
                {
                    "type": "signing_certificate_v2",
                    "values": [tsp.SigningCertificateV2({"certs": [essential]})],
                }
            ),
        ]
    )
    return _wrapped(info, [certificate, root], attributes, authority.stamps.sign(attributes.dump()))


def _wrapped(
    info: bytes, certificates: Sequence[x509.Certificate], attributes: cms.CMSAttributes, signature: bytes
) -> bytes:
    """The CMS of a stamp (RFC 5652), the signer's certificate first."""
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    first = certificates[0]
    sid = cms.IssuerAndSerialNumber({"issuer": first.issuer, "serial_number": first.serial_number})
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", sid),
            "digest_algorithm": sha256,
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": signature,
        }
    )
    content = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
            "certificates": list(certificates),
            "signer_infos": [signer],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": content}).dump()


def rebuilt(token: bytes) -> bytes:
    """A stamp of a local authority written anew from its parts. Another writing of the same was altered; b"" where
    it has parts that no such stamp has."""
    signed: Any = cms.ContentInfo.load(token)["content"]
    signer = signed["signer_infos"][0]
    by_issuer = {
        (one.chosen.issuer.dump(), one.chosen.serial_number): one.chosen for one in signed["certificates"]
    }
    sid = signer["sid"].chosen
    first = by_issuer.get((sid["issuer"].dump(), sid["serial_number"].native)) if _named(signer) else None
    signature = signer["signature"].native
    if first is None or not has_low_s(signature):
        return b""
    others = [one for one in by_issuer.values() if one is not first]
    info = bytes(signed["encap_content_info"]["content"])
    return _wrapped(info, [first, *others], signer["signed_attrs"], signature)


def _named(signer: Any) -> bool:
    return signer["sid"].name == "issuer_and_serial_number"


def check(token: bytes, sha256: bytes, roots: Sequence[bytes] = (), *, nonce: int | None = None) -> Stamp:
    """Raises StampInvalid. Where no ``roots`` (DER) fit, the chain must still end in a root that comes with the stamp;
    ``trusted`` is False then."""
    try:
        signed, info = _parsed(token)
        _asked(info, sha256, nonce)
        at: Any = info["gen_time"].native
        given = [x509.Certificate.load(der) for der in roots]
        own = [one.chosen for one in signed["certificates"] if one.name == "certificate"]
        status, trusted = _validated(signed, at, given, own, sha256)
    except StampInvalid:
        raise
    except Exception as error:  # a parser of somebody else's bytes: whatever it stumbles over is no stamp
        raise StampInvalid(type(error).__name__) from error
    if not (status["intact"] and status["valid"]):
        raise StampInvalid("the signature does not fit")
    path = list(status["validation_path"])
    return Stamp(
        at=at,
        authority=hashlib.sha256(path[0].dump()).hexdigest(),
        signer=status["signing_cert"].subject.human_friendly,
        trusted=trusted,
    )


def _parsed(token: bytes) -> tuple[cms.SignedData, tsp.TSTInfo]:
    if not 0 < len(token) <= MOST_TOKEN_BYTES:
        raise StampInvalid("too long or empty")
    content = cms.ContentInfo.load(token, strict=True)
    if content["content_type"].native != "signed_data":
        raise StampInvalid("no signed data")
    signed = content["content"]
    info = signed["encap_content_info"]["content"].parsed
    if not isinstance(info, tsp.TSTInfo) or len(signed["signer_infos"]) != 1:
        raise StampInvalid("no time stamp")
    return signed, info


def _asked(info: tsp.TSTInfo, sha256: bytes, nonce: int | None) -> None:
    imprint: Any = info["message_imprint"]
    if imprint["hash_algorithm"]["algorithm"].native != "sha256":
        raise StampInvalid("a digest of another kind")
    if imprint["hashed_message"].native != sha256:
        raise StampInvalid("a stamp of something else")
    if nonce is not None and info["nonce"].native != nonce:
        raise StampInvalid("the answer to another request")


def _validated(
    signed: cms.SignedData,
    at: datetime,
    given: Sequence[x509.Certificate],
    own: Sequence[x509.Certificate],
    sha256: bytes,
) -> tuple[dict[str, Any], bool]:
    """The check of signature and chain, with the roots given and, where these do not fit, with the stamp's own."""
    from pyhanko.sign.validation.generic_cms import (
        validate_tst_signed_data,  # half a second, at the first use
    )
    from pyhanko_certvalidator import ValidationContext

    selfmade = [one for one in own if one.self_signed in ("yes", "maybe")]
    tries = [(list(given), True)] if given else []
    tries.append((selfmade, False))
    status: dict[str, Any] = {}
    for roots, trusted in tries:
        context = ValidationContext(
            trust_roots=roots, other_certs=own, moment=at, allow_fetching=False, revocation_mode="soft-fail"
        )
        status = asyncio.run(validate_tst_signed_data(signed, context, lambda _algorithm: sha256))
        if status.get("validation_path") is not None:
            return status, trusted
    raise StampInvalid("its certificate leads to no root")
