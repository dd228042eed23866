"""A throw-away certificate for a machine that has none yet, kept in the data folder and renewed before it ends."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path

LIFE = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)


def tls_context(certificate: Path | None, key: Path | None, folder: Path) -> ssl.SSLContext:
    """The configured certificate, else a throw-away one in ``folder``. TLS 1.2 at least."""
    if certificate is None or key is None:
        certificate, key = throw_away(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def throw_away(folder: Path) -> tuple[Path, Path]:
    """Certificate and key files for this host's name and loopback; made anew when missing or nearly over."""
    certificate, key = folder / "certificate.pem", folder / "certificate.key"
    if certificate.exists() and key.exists() and days_left(certificate) > RENEW_BEFORE.days:
        return certificate, key
    from cryptography import x509  # a twentieth of a second, at the first start of a year
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "12348 switchboard (throw-away)")])
    now = datetime.datetime.now(datetime.UTC)
    host = socket.gethostname()
    names = [x509.DNSName("localhost"), x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.touch(0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def days_left(certificate: Path) -> int:
    """Whole days until the certificate in a PEM file ends; negative when it has ended."""
    from cryptography import x509

    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return (end - datetime.datetime.now(datetime.UTC)).days
