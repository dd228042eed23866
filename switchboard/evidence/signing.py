"""Statements that a house signs: canonical JSON with the signature inside, and the check of one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from switchboard.evidence.authority import has_low_s
from switchboard.evidence.digests import canonical
from switchboard.evidence.provider import Provider

ALGORITHM = "ECDSA-P256-SHA256"
MOST_CERTIFICATES = 8


def signed(facts: Mapping[str, Any], provider: Provider) -> bytes:
    """The facts with ``algorithm`` and ``signature`` (base64 of DER) over everything else, in canonical writing."""
    whole = {**facts, "algorithm": ALGORITHM}
    return canonical({**whole, "signature": encode(provider.sign(canonical(whole)))})


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def decode(text: object) -> bytes:
    """Raises ValueError for anything but the one writing that ``encode`` gives."""
    if not isinstance(text, str):
        raise ValueError("no text")
    content = base64.b64decode(text, validate=True)
    if encode(content) != text:
        raise ValueError("not the usual writing")
    return content


def parsed(content: bytes) -> dict[str, Any] | None:
    """The facts, or None for anything that is not an object in canonical writing."""
    try:
        facts = json.loads(content)
        return facts if isinstance(facts, dict) and canonical(facts) == content else None
    except (ValueError, RecursionError):
        return None


def holds(facts: Mapping[str, Any], certificate: bytes) -> bool:
    """Whether the signature inside fits the facts and this certificate (DER)."""
    try:
        signature = decode(facts.get("signature"))
        if facts.get("algorithm") != ALGORITHM or not has_low_s(signature):
            return False
        key = x509.load_der_x509_certificate(certificate).public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            return False
        rest = {name: value for name, value in facts.items() if name != "signature"}
        key.verify(signature, canonical(rest), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def public_key_of(certificate: bytes) -> bytes:
    """SubjectPublicKeyInfo, DER. Raises ValueError, for a kind of key that is not known too."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unknown kind") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def leads_to(chain: Sequence[bytes], roots: Sequence[bytes], at: datetime | None = None) -> bool:
    """Whether the first certificate may sign and leads to one of the roots (DER) at that moment. Asks nobody."""
    from pyhanko_certvalidator import (  # slow to load: at the first use
        CertificateValidator,
        ValidationContext,
    )

    if not chain or not roots or len(chain) > MOST_CERTIFICATES:
        return False
    try:
        context = ValidationContext(
            trust_roots=[asn1.Certificate.load(der) for der in roots],
            moment=at or datetime.now(UTC),
            allow_fetching=False,
            revocation_mode="soft-fail",
        )
        others = [asn1.Certificate.load(der) for der in chain[1:]]
        first = asn1.Certificate.load(chain[0])
        validator = CertificateValidator(first, others, validation_context=context)
        asyncio.run(validator.async_validate_usage({"digital_signature"}))
    except Exception:  # a parser of somebody else's certificates: whatever it stumbles over leads nowhere
        return False
    return True
