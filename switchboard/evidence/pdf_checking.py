"""Checks the signatures of a PDF: each one, what it covers, and that nothing but signatures was added after it.

A PDF's last signature lies in a place that no signature covers. There the writing itself is checked: it must be,
byte for byte, the one in which this house wraps a signature, so that one changed bit is found there too.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, parser
from asn1crypto import x509 as asn1
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature, async_validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from switchboard.evidence.authority import has_low_s
from switchboard.evidence.errors import PdfUnreadable, StampInvalid
from switchboard.evidence.findings import Finding, Report, bad, good
from switchboard.evidence.stamps import LOCAL_POLICY, Stamp, check, rebuilt

MOST_PDF_BYTES = 64 << 20
MOST_SIGNATURES = 64
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # it writes what we say ourselves
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


def check_pdf(pdf: bytes, roots: Sequence[bytes] = ()) -> Report:
    """``roots``: DER of the authorities that whoever checks trusts. Blocking. Raises PdfUnreadable."""
    if len(pdf) > MOST_PDF_BYTES:
        raise PdfUnreadable("too large")
    try:
        embedded = list(PdfFileReader(io.BytesIO(pdf), strict=True).embedded_signatures)
    except Exception as error:  # a parser of somebody else's bytes
        raise PdfUnreadable(type(error).__name__) from error
    if not 0 < len(embedded) <= MOST_SIGNATURES:
        raise PdfUnreadable("no signatures")
    findings: list[Finding] = []
    stamps: list[Stamp | None] = []
    for n, one in enumerate(embedded):
        found, stamp = _looked_at(pdf, one, last=n == len(embedded) - 1, roots=roots)
        findings.append(found)
        stamps.append(stamp)
    known = [stamp for stamp in stamps if stamp is not None]
    return Report(
        "pdf",
        findings,
        known=len(known) == len(embedded) and all(stamp.trusted for stamp in known),
        authority=known[-1].authority if known else "",
        stamped_at=known[-1].at if known else None,
        facts={"signatures": [_described(one) for one in embedded]},
    )


def _described(one: EmbeddedPdfSignature) -> dict[str, str]:
    names = (("name", "/Name"), ("reason", "/Reason"), ("place", "/Location"))
    return {"field": one.field_name, **{ours: str(one.sig_object.get(theirs, "")) for ours, theirs in names}}


def _looked_at(
    pdf: bytes, one: EmbeddedPdfSignature, *, last: bool, roots: Sequence[bytes]
) -> tuple[Finding, Stamp | None]:
    what = f"{one.field_name}（{one.sig_object.get('/Name', '')}）"
    try:
        stamp, token = _stamp(one, roots)
    except StampInvalid as error:
        return bad("stamp", what, "签名的时间戳无效", f"its time stamp is not valid: {error}"), None
    try:
        status, trusted = _validated(one, roots, stamp.at, token)
    except Exception as error:  # a parser of somebody else's bytes: whatever it stumbles over does not hold
        return bad("signature", what, "签名无法核验", f"cannot be checked: {type(error).__name__}"), None
    found = _judged(what, status, last=last)
    if found is None and last and not _is_our_writing(pdf, one, status, stamp, token):
        found = bad(
            "writing", what, "签名的写法被改动，或不是本系统所签", "wrapped otherwise than this house does"
        )
    if found is not None:
        return found, None
    said = stamp.at.isoformat(timespec="seconds")
    found = good(
        "signature", what, f"签名有效，时间 {said}，此后未改动", f"valid, at {said}, unchanged since"
    )
    return found, Stamp(stamp.at, stamp.authority, stamp.signer, stamp.trusted and trusted)


def _judged(what: str, status: Any, *, last: bool) -> Finding | None:
    whole = SignatureCoverageLevel.ENTIRE_FILE if last else SignatureCoverageLevel.ENTIRE_REVISION
    if not (status.intact and status.valid):
        return bad("altered", what, "签名之后内容被改动", "the content was altered after it was signed")
    if status.coverage < whole:
        return bad("added", what, "签名之后又添加了内容", "something was added after the last signature")
    if not status.bottom_line or status.docmdp_ok is False:
        return bad("added", what, "签名之后有不允许的改动", "what was added since is not only signatures")
    return None


def _stamp(one: EmbeddedPdfSignature, roots: Sequence[bytes]) -> tuple[Stamp, bytes]:
    signer: Any = one.signer_info
    try:
        tokens = [
            token.dump()
            for attribute in signer["unsigned_attrs"] or ()
            if attribute["type"].native == "signature_time_stamp_token"
            for token in attribute["values"]
        ]
        imprint = hashlib.sha256(_signature(one)).digest()
    except (ValueError, TypeError) as error:
        raise StampInvalid("it cannot be read") from error
    if len(tokens) != 1:
        raise StampInvalid("there is none")
    token = tokens[0]
    return check(token, imprint, roots), token


def _signature(one: EmbeddedPdfSignature) -> bytes:
    signer: Any = one.signer_info
    return signer["signature"].native


def _validated(
    one: EmbeddedPdfSignature, roots: Sequence[bytes], at: datetime, token: bytes
) -> tuple[Any, bool]:
    """pyHanko's status at the moment of the stamp; with the roots given and, where these do not fit, with its own."""
    own = [item.chosen for item in one.signed_data["certificates"] if item.name == "certificate"]
    selfmade = [item for item in own if item.self_signed in ("yes", "maybe")]
    content: Any = cms.ContentInfo.load(token)["content"]
    stamped = [item.chosen for item in content["certificates"]]
    selfmade += [item for item in stamped if item.self_signed in ("yes", "maybe")]
    given = [asn1.Certificate.load(der) for der in roots]
    status: Any = None
    for anchors, trusted in ((given, True), (selfmade, False)):
        if not anchors:
            continue
        context = ValidationContext(
            trust_roots=anchors, moment=at, allow_fetching=False, revocation_mode="soft-fail"
        )
        status = asyncio.run(async_validate_pdf_signature(one, context))
        if status.trusted:
            return status, trusted
    return status, False


def _is_our_writing(pdf: bytes, one: EmbeddedPdfSignature, status: Any, stamp: Stamp, token: bytes) -> bool:
    """Whether the bytes that no signature covers are exactly those that the signature's parts make."""
    covered: Any = one.byte_range
    first, length, second, _ = (int(number) for number in covered)
    gap = pdf[first + length : second]
    if gap[:1] != b"<" or gap[-1:] != b">" or gap != gap.upper():
        return False
    try:
        content = bytes.fromhex(gap[1:-1].decode("ascii"))
        parts: Any = parser.parse(content, strict=False)
        whole = sum(map(len, parts[3:6]))
    except ValueError:
        return False
    if any(content[whole:]):
        return False
    known = {certificate.dump() for certificate in (status.validation_path or ())}
    if not set(_certificates(one.signed_data)) <= known or not has_low_s(_signature(one)):
        return False
    return _wrapped(one.signed_data, one.signer_cert, token) == content[:whole] and _token_is_ours(
        token, status
    )


def _certificates(signed: cms.SignedData) -> Iterator[bytes]:
    for item in signed["certificates"]:
        yield item.chosen.dump()


def _wrapped(signed: cms.SignedData, signer: asn1.Certificate, token: bytes) -> bytes:
    """The CMS of a signature (RFC 5652) made anew from its parts, as this house writes it."""
    infos: Any = signed["signer_infos"]
    info = infos[0]
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    sid = cms.IssuerAndSerialNumber({"issuer": signer.issuer, "serial_number": signer.serial_number})
    stamped = cms.CMSAttribute(
        {"type": "signature_time_stamp_token", "values": [cms.ContentInfo.load(token)]}
    )
    made = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", sid),
            "digest_algorithm": sha256,
            "signed_attrs": info["signed_attrs"],
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": info["signature"],
            "unsigned_attrs": cms.CMSAttributes([stamped]),
        }
    )
    content = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "data"},
            "certificates": signed["certificates"],
            "signer_infos": [made],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": content}).dump()


def _token_is_ours(token: bytes, status: Any) -> bool:
    """A stamp of another authority is written in its own way, which we cannot foresee; ours in one way only."""
    signed: Any = cms.ContentInfo.load(token)["content"]
    if signed["encap_content_info"]["content"].parsed["policy"].native != LOCAL_POLICY:
        return True
    known = {certificate.dump() for certificate in (status.timestamp_validity.validation_path or ())}
    return set(_certificates(signed)) <= known and rebuilt(token) == token
