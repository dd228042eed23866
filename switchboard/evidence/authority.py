"""The local authority: a root of its own and, issued by it, the house's signing key and the key of its time stamps.

Made at the first start under ``evidence/`` in the data directory, whole or not at all, keys for their owner only. It
proves that nothing was changed since by anybody without the keys; whoever does not trust the house takes a time
stamping authority (``tsa``) or a certified machine (``provider``) beside it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from switchboard.evidence.errors import AuthorityUnusable

FOLDER = "evidence"
ROOT, HOUSE, STAMPS = "authority", "house", "stamps"
_YEARS = 30
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256 (FIPS 186-5)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, P-256."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, DER, s in the lower half."""
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return encode_dss_signature(r, min(s, _ORDER - s))


def has_low_s(signature: bytes) -> bool:
    """Whether a DER signature is the one of its two writings that ``Identity.sign`` makes."""
    try:
        return decode_dss_signature(signature)[1] <= _ORDER // 2
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class LocalAuthority:
    """``root`` issues only; ``house`` signs manifests and papers; ``stamps`` signs time stamps."""

    root: Identity
    house: Identity
    stamps: Identity

    @classmethod
    def open(cls, data_dir: Path) -> LocalAuthority:
        """The authority of this data directory, made where there is none. Raises AuthorityUnusable."""
        folder = data_dir / FOLDER
        try:
            if not folder.exists():
                _make(folder)
            return cls(*(_load(folder, name) for name in (ROOT, HOUSE, STAMPS)))
        except (OSError, ValueError, TypeError) as error:
            raise AuthorityUnusable(f"{folder.name}: {type(error).__name__}") from error


def _load(folder: Path, name: str) -> Identity:
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("key and certificate do not belong together")
    return Identity(certificate, key)


def _make(folder: Path) -> None:
    """All files in a folder of another name first: whoever is killed leaves nothing under the true one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
    part.mkdir(mode=0o700)
    try:
        token = secrets.token_hex(4)
        root = _issue(None, f"12348 local root {token}", _root_extensions())
        _write(part, ROOT, root)
        _write(part, HOUSE, _issue(root, f"12348 switchboard {token}", _house_extensions()))
        _write(part, STAMPS, _issue(root, f"12348 local time stamps {token}", _stamp_extensions()))
        _flush(part)
        try:
            part.rename(folder)  # onto a folder with something in it: refused, and the first one's keys stay
        except OSError:
            if not (folder / f"{ROOT}.pem").exists():
                raise
        _flush(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(folder: Path, name: str, identity: Identity) -> None:
    pem = identity.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = identity.certificate.public_bytes(serialization.Encoding.PEM)
    for path, content, mode in (
        (folder / f"{name}.key", pem, 0o600),
        (folder / f"{name}.pem", certificate, 0o644),
    ):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


Extensions = list[tuple[x509.ExtensionType, bool]]


def _issue(issuer: Identity | None, name: str, extensions: Extensions) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "12348"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a clock that is set back a little later still signs
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    authority = (issuer.key if issuer else key).public_key()
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _usage(*, sign: bool = False, commit: bool = False, issue: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=commit,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issue,
        crl_sign=issue,
        encipher_only=False,
        decipher_only=False,
    )


def _root_extensions() -> Extensions:
    return [(x509.BasicConstraints(ca=True, path_length=0), True), (_usage(issue=True), True)]


def _house_extensions() -> Extensions:
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(sign=True, commit=True), True),
    ]


def _stamp_extensions() -> Extensions:
    """RFC 3161, 2.3: time stamping alone, and critical."""
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(sign=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
    ]
